//! The lever: while a Halt stands, nothing in its scope is injected, and everything in it ends.
//!
//! Pure. Whether one covers an injection is decided here, once, for agents and controllers alike.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A Halt that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Halt {
    /// Unique for as long as attestations about it are kept: an object's UID in a cluster.
    pub id: String,
    /// Why, in the words of who ordered it.
    pub reason: String,
    pub scope: HaltScope,
}

/// What a Halt is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HaltScope {
    All,
    Namespaces(BTreeSet<String>),
    Nodes(BTreeSet<String>),
    /// Runs as `namespace/name`.
    Runs(BTreeSet<String>),
}

/// Where an injection acts: what a Halt may name. On a host nothing of it is known, and only [`HaltScope::All`] covers
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reach {
    pub node: Option<String>,
    /// The run as `namespace/name`.
    pub run: Option<String>,
    /// The run's namespace and those of all targets.
    pub namespaces: BTreeSet<String>,
}

impl Halt {
    /// Returns whether an injection with this reach must end; it ends whole, whichever of its targets is meant.
    pub fn covers(&self, reach: &Reach) -> bool {
        let named = |one: &Option<String>, names: &BTreeSet<String>| one.as_ref().is_some_and(|o| names.contains(o));
        match &self.scope {
            HaltScope::All => true,
            HaltScope::Namespaces(names) => !names.is_disjoint(&reach.namespaces),
            HaltScope::Nodes(names) => named(&reach.node, names),
            HaltScope::Runs(names) => named(&reach.run, names),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halt(scope: HaltScope) -> Halt {
        Halt { id: "h".into(), reason: "r".into(), scope }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn an_injection_is_covered_by_its_run_its_node_and_any_of_its_namespaces() {
        let reach =
            Reach { node: Some("n1".into()), run: Some("shop/slow".into()), namespaces: names(&["shop", "payments"]) };
        let covering = [
            HaltScope::All,
            HaltScope::Namespaces(names(&["other", "payments"])),
            HaltScope::Nodes(names(&["n1"])),
            HaltScope::Runs(names(&["shop/slow"])),
        ];
        for scope in covering {
            assert!(halt(scope.clone()).covers(&reach), "{scope:?}");
        }
        let others = [
            HaltScope::Namespaces(names(&["other"])),
            HaltScope::Nodes(names(&["n2"])),
            HaltScope::Runs(names(&["payments/slow", "slow"])),
        ];
        for scope in others {
            assert!(!halt(scope.clone()).covers(&reach), "{scope:?}");
        }
    }

    #[test]
    fn on_a_host_only_a_halt_of_everything_covers() {
        assert!(halt(HaltScope::All).covers(&Reach::default()));
        assert!(!halt(HaltScope::Namespaces(names(&["shop"]))).covers(&Reach::default()));
    }
}
