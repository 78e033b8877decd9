//! Which nodes have attested a Halt, and what they say: a decision over ChaosNodes, without any I/O.
//!
//! A node that does not answer is *unconfirmed*, never *stopped*.

use rumpus_cluster::{ChaosInjection, ChaosNode};
use rumpus_model::wire::HaltScope;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What one node says about the Halts that were ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attested {
    pub node: String,
    pub answer: Answer,
    /// Injections that it held when the Halt was ordered.
    pub held: usize,
    /// The last instants among those, of the node's wall clock.
    pub effect_ended: Option<String>,
    pub clean: Option<String>,
    /// What it could not take away.
    pub residue: Vec<String>,
}

/// How a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// Everything in scope has ended.
    Ended,
    /// It has not said so.
    Unconfirmed,
    /// No agent ever reported from there, and no fault was ever sent there.
    NoAgent,
}

/// Where nothing can be in effect unless something was sent there: what each node held when the Halt was ordered.
pub type Held = BTreeMap<String, BTreeSet<String>>;

/// Returns what each node holds in the scope of any of these: as it says itself, and as the injections that are not
/// final say. What a node holds and nobody else knows may be in any scope.
pub fn held(nodes: &[ChaosNode], injections: &[ChaosInjection], halts: &[(String, HaltScope)]) -> Held {
    let meant = |i: &ChaosInjection| halts.iter().any(|(_, scope)| covers(scope, i));
    let mut held = Held::new();
    for node in nodes {
        let stranger = |uid: &&String| injections.iter().find(|i| i.uid() == *uid).is_some_and(|i| !meant(i));
        let active = node.status.iter().flat_map(|s| &s.active).filter(|uid| !stranger(uid)).cloned();
        held.entry(node.name().to_owned()).or_default().extend(active);
    }
    for injection in injections.iter().filter(|i| is_live(i) && meant(i) && i.spec.node_name != CANARY) {
        held.entry(injection.spec.node_name.clone()).or_default().insert(injection.uid().to_owned());
    }
    held
}

/// Returns whether an injection may be in effect.
pub fn is_live(injection: &ChaosInjection) -> bool {
    let state = injection.status.as_ref().and_then(|s| s.state);
    let armed = injection.spec.phase != rumpus_model::wire::Phase::Planned;
    state.map_or(armed, |state| !state.is_final())
}

/// Returns whether a scope is about an injection: a namespace is the run's or any target's.
fn covers(scope: &HaltScope, injection: &ChaosInjection) -> bool {
    let HaltScope { all, namespaces, nodes, runs } = scope;
    let namespace = |n: &String| n == injection.namespace() || injection.spec.targets.iter().any(|t| t.namespace == *n);
    let run = format!("{}/{}", injection.namespace(), injection.spec.run.name);
    *all == Some(true)
        || namespaces.iter().flatten().any(namespace)
        || nodes.iter().flatten().any(|n| *n == injection.spec.node_name)
        || runs.iter().flatten().any(|r| *r == run)
}

/// Returns whether a node has something to attest for a scope.
fn concerns(scope: &HaltScope, node: &str) -> bool {
    scope.nodes.as_ref().is_none_or(|nodes| nodes.iter().any(|n| n == node))
}

/// Puts together what the nodes say about Halts, each given by its UID and its scope.
pub fn attested(nodes: &[ChaosNode], held: &Held, halts: &[(String, HaltScope)]) -> Vec<Attested> {
    let mut names: BTreeSet<&str> = nodes.iter().map(ChaosNode::name).collect();
    // A node whose ChaosNode is gone may still hold what was sent there.
    names.extend(held.iter().filter(|(_, uids)| !uids.is_empty()).map(|(node, _)| node.as_str()));
    let named = halts.iter().flat_map(|(_, scope)| scope.nodes.iter().flatten());
    names.extend(named.map(String::as_str));
    names
        .into_iter()
        .filter(|node| *node != CANARY && halts.iter().any(|(_, scope)| concerns(scope, node)))
        .map(|node| one(node, nodes.iter().find(|n| n.name() == node), held, halts))
        .collect()
}

/// Object of no node, which agents use to prove that they may not write it.
pub const CANARY: &str = "rumpus-canary";

fn one(name: &str, node: Option<&ChaosNode>, held: &Held, halts: &[(String, HaltScope)]) -> Attested {
    let status = node.and_then(|n| n.status.as_ref());
    let mine = held.get(name);
    let seen = |uid: &String| status.is_some_and(|s| s.halts.contains(uid));
    let all = halts.iter().filter(|(_, scope)| concerns(scope, name)).all(|(uid, _)| seen(uid));
    let silent = status.is_none_or(|s| s.heartbeat.is_none());
    let answer = match (all, silent && mine.is_none_or(BTreeSet::is_empty)) {
        (true, _) => Answer::Ended,
        (false, true) => Answer::NoAgent,
        (false, false) => Answer::Unconfirmed,
    };
    let ended = status.map(|s| s.ended.as_slice()).unwrap_or_default();
    let ended: Vec<_> = ended.iter().filter(|e| mine.is_some_and(|m| m.contains(&e.uid))).collect();
    Attested {
        node: name.to_owned(),
        answer,
        held: mine.map_or(0, BTreeSet::len),
        // RFC 3339 in UTC with a fixed number of digits sorts as text.
        effect_ended: ended.iter().filter_map(|e| e.effect_ended.clone()).max(),
        clean: ended.iter().filter_map(|e| e.clean.clone()).max(),
        residue: status.map(|s| s.residue.clone()).unwrap_or_default(),
    }
}

/// Returns whether each node has said of everything that it held that nothing of it is left.
pub fn is_clean(nodes: &[ChaosNode], held: &Held) -> bool {
    let clean = |uid: &String| {
        let ended = nodes.iter().filter_map(|n| n.status.as_ref()).flat_map(|s| &s.ended);
        ended.into_iter().any(|e| e.uid == *uid && e.clean.is_some())
    };
    held.values().flatten().all(clean)
}

/// Returns whether every node has answered.
pub fn is_over(attested: &[Attested]) -> bool {
    attested.iter().all(|a| a.answer != Answer::Unconfirmed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ask::object;
    use serde_json::json;

    fn node(name: &str, status: serde_json::Value) -> ChaosNode {
        object(json!({"metadata": {"name": name}, "spec": {}, "status": status}))
    }

    fn all(uid: &str) -> Vec<(String, HaltScope)> {
        vec![(uid.to_owned(), HaltScope { all: Some(true), ..HaltScope::default() })]
    }

    #[test]
    fn a_node_that_is_silent_is_unconfirmed_and_never_ended() {
        let nodes = [
            node("a", json!({"heartbeat": "t", "halts": ["h"], "active": []})),
            node("b", json!({"heartbeat": "t", "halts": ["other"]})),
            node("c", json!({})),
            node(CANARY, json!({})),
        ];
        let held = Held::from([("c".to_owned(), BTreeSet::new())]);
        let found = attested(&nodes, &held, &all("h"));
        let answers: Vec<_> = found.iter().map(|a| (a.node.as_str(), a.answer)).collect();
        assert_eq!(answers, [("a", Answer::Ended), ("b", Answer::Unconfirmed), ("c", Answer::NoAgent)]);
        assert!(!is_over(&found));
    }

    #[test]
    fn what_was_sent_to_a_node_without_agent_or_object_is_waited_for() {
        let held = Held::from([("gone".to_owned(), BTreeSet::from(["i".to_owned()]))]);
        let found = attested(&[], &held, &all("h"));
        assert_eq!((found.len(), found[0].answer, found[0].held), (1, Answer::Unconfirmed, 1));
    }

    #[test]
    fn a_halt_of_one_node_waits_for_that_node_only() {
        let nodes = [node("a", json!({"heartbeat": "t", "halts": ["h"]})), node("b", json!({"heartbeat": "t"}))];
        let scope = HaltScope { nodes: Some(vec!["a".into()]), ..HaltScope::default() };
        let found = attested(&nodes, &Held::new(), &[("h".into(), scope.clone())]);
        assert!(found.len() == 1 && is_over(&found));
        let none = HaltScope { nodes: Some(vec!["typo".into()]), ..HaltScope::default() };
        assert_eq!(attested(&nodes, &Held::new(), &[("h".into(), none)])[0].answer, Answer::NoAgent);
    }

    #[test]
    fn only_what_is_in_scope_is_held() {
        let injection = |uid: &str, namespace: &str, target: &str| -> ChaosInjection {
            object(json!({
                "metadata": {"name": uid, "namespace": namespace, "uid": uid},
                "spec": {"nodeName": "a", "run": {"name": "r", "uid": "u"}, "phase": "Armed", "epoch": 1, "revision": 1,
                    "notAfter": "t", "fault": {"kill": {"signal": "TERM"}},
                    "targets": [{"uid": "p", "namespace": target, "pod": "p"}]},
                "status": {"state": "InEffect"},
            }))
        };
        let injections = [injection("i", "shop", "shop"), injection("j", "pay", "pay"), injection("k", "pay", "shop")];
        let nodes = [node("a", json!({"heartbeat": "t", "active": ["i", "j", "k", "unseen"]}))];
        let list = |name: &str| Some(vec![name.to_owned()]);
        for (scope, uids) in [
            (HaltScope { namespaces: list("shop"), ..HaltScope::default() }, &["i", "k", "unseen"][..]),
            (HaltScope { runs: list("pay/r"), ..HaltScope::default() }, &["j", "k", "unseen"]),
            (HaltScope { nodes: list("b"), ..HaltScope::default() }, &["unseen"]),
            (HaltScope { nodes: list("a"), ..HaltScope::default() }, &["i", "j", "k", "unseen"]),
            (HaltScope { all: Some(true), ..HaltScope::default() }, &["i", "j", "k", "unseen"]),
        ] {
            let held = held(&nodes, &injections, &[("h".into(), scope.clone())]);
            assert_eq!(held["a"].iter().map(String::as_str).collect::<Vec<_>>(), uids, "{scope:?}");
        }
    }

    #[test]
    fn the_last_instants_of_what_it_held_are_shown() {
        let ended = json!([
            {"uid": "i", "effectEnded": "2026-01-01T00:00:01.000000Z", "clean": "2026-01-01T00:00:02.000000Z"},
            {"uid": "j", "effectEnded": "2026-01-01T00:00:03.000000Z", "clean": "2026-01-01T00:00:04.000000Z"},
            {"uid": "old", "effectEnded": "2027-01-01T00:00:03.000000Z"},
        ]);
        let nodes = [node("a", json!({"heartbeat": "t", "halts": ["h"], "ended": ended}))];
        let held = Held::from([("a".to_owned(), BTreeSet::from(["i".to_owned(), "j".to_owned()]))]);
        let found = attested(&nodes, &held, &all("h")).remove(0);
        assert_eq!(found.effect_ended.as_deref(), Some("2026-01-01T00:00:03.000000Z"));
        assert_eq!(found.clean.as_deref(), Some("2026-01-01T00:00:04.000000Z"));
        assert!(is_clean(&nodes, &held));
        let more = Held::from([("a".to_owned(), BTreeSet::from(["old".to_owned()]))]);
        assert!(!is_clean(&nodes, &more), "its effect has ended, and something of it may be left");
    }
}
