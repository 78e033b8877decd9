//! What this node allows, whatever the API says: a controller that was taken over is held to it.
//!
//! Pure. The values come from the agent's own manifest.

use super::order::Order;
use rumpus_model::refusal::Refusal;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Namespaces that are never touched, besides the release's own.
pub const ALWAYS_PROTECTED: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// The limits of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// With [`ALWAYS_PROTECTED`] and the release's own namespace.
    pub protected: BTreeSet<String>,
    /// The agent's own pod.
    pub own_pod: String,
    pub longest: Duration,
    /// Most slots (target times other side) at a time.
    pub most: usize,
}

impl Ceilings {
    /// Judges an order as a whole. `live` slots are there already.
    ///
    /// # Errors
    /// The ceiling that it would break.
    pub fn whole(&self, order: &Order, live: usize) -> Result<(), Refusal> {
        if let Some(wanted) = order.duration.filter(|d| *d > self.longest) {
            return Err(Refusal::DurationLimit { wanted, most: self.longest });
        }
        let asked = order.targets.len().saturating_mul(order.branches.len());
        if live.saturating_add(asked) > self.most {
            return Err(Refusal::ConcurrencyLimit { most: self.most });
        }
        Ok(())
    }

    /// Judges one target. `namespaces` is what the kubelet's own directories say, by pod UID.
    ///
    /// # Errors
    /// It is protected, not known here, or not what the plan says.
    pub fn target(
        &self,
        uid: &str,
        planned: &str,
        shown: &str,
        namespaces: &Result<BTreeMap<String, String>, String>,
    ) -> Result<(), Refusal> {
        let target = shown.to_owned();
        let known = namespaces
            .as_ref()
            .map_err(|why| Refusal::NamespaceUnknown { target: target.clone(), why: why.clone() })?;
        let Some(namespace) = known.get(uid) else {
            let why = "the kubelet keeps no logs of this pod here".into();
            return Err(Refusal::NamespaceUnknown { target, why });
        };
        if self.protected.contains(namespace) || uid == self.own_pod {
            return Err(Refusal::ProtectedNamespace { target, namespace: namespace.clone() });
        }
        if namespace != planned {
            return Err(Refusal::TargetChanged { target, what: format!("it is in namespace {namespace}") });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::order;
    use serde_json::json;

    fn ceilings() -> Ceilings {
        Ceilings {
            protected: BTreeSet::from(["kube-system".to_owned()]),
            own_pod: "own".into(),
            longest: Duration::from_secs(60),
            most: 4,
        }
    }

    fn order(duration: &str) -> Order {
        let spec = json!({
            "nodeName": "n1", "run": {"name": "r", "uid": "r"}, "phase": "Armed", "epoch": 1, "revision": 1,
            "notAfter": "2026-11-24T20:00:00Z", "duration": duration,
            "fault": {"partition": {"direction": "Both"}},
            "targets": [{"uid": "u1", "namespace": "shop", "pod": "a"}, {"uid": "u2", "namespace": "shop", "pod": "b"}],
        });
        order::read("i", "shop", &serde_json::from_value(spec).unwrap()).unwrap()
    }

    #[test]
    fn longer_and_more_than_allowed_is_refused() {
        assert_eq!(ceilings().whole(&order("60s"), 2), Ok(()));
        assert!(matches!(ceilings().whole(&order("61s"), 0), Err(Refusal::DurationLimit { .. })));
        assert!(matches!(ceilings().whole(&order("60s"), 3), Err(Refusal::ConcurrencyLimit { most: 4 })));
    }

    #[test]
    fn the_nodes_own_word_decides_about_a_namespace() {
        let known = [("u1", "shop"), ("u2", "kube-system"), ("own", "rumpus")];
        let known = Ok(known.into_iter().map(|(u, n)| (u.to_owned(), n.to_owned())).collect());
        let judge = |uid: &str, planned: &str| ceilings().target(uid, planned, "pod x", &known);
        assert_eq!(judge("u1", "shop"), Ok(()));
        // A stolen controller says that a pod of kube-system is in shop.
        assert!(matches!(judge("u2", "shop"), Err(Refusal::ProtectedNamespace { .. })));
        assert!(matches!(judge("own", "rumpus"), Err(Refusal::ProtectedNamespace { .. })));
        assert!(matches!(judge("u1", "other"), Err(Refusal::TargetChanged { .. })));
        assert!(matches!(judge("u9", "shop"), Err(Refusal::NamespaceUnknown { .. })));
        let unread = Err("EACCES".to_owned());
        let refused = ceilings().target("u1", "shop", "pod x", &unread);
        assert!(matches!(refused, Err(Refusal::NamespaceUnknown { .. })));
    }
}
