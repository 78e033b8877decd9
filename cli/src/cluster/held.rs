//! What active runs hold, read off their injections: the caller's view of what the controller reserves in memory.

use jiff::Timestamp;
use rumpus_cluster::ChaosInjection;
use rumpus_model::cluster::PeerEntry;
use rumpus_model::cluster::world::{DelayScope, Place, Reservation};
use rumpus_model::scope::Direction;
use rumpus_model::wire;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long after its last instant and the lease the controller still holds what nobody attested.
const RELEASE: Duration = Duration::from_secs(30);

/// Returns one reservation for each run that has an injection which is not over. What its node has never attested is let
/// go by time, as the controller lets it go; what could not be restored never is.
pub fn reservations(injections: &[ChaosInjection], lease: Duration, now: Timestamp) -> Vec<Reservation> {
    let mut runs: BTreeMap<&str, Reservation> = BTreeMap::new();
    let holds = |i: &&ChaosInjection| i.spec.node_name != super::attest::CANARY && !is_over(i, lease, now);
    for injection in injections.iter().filter(holds) {
        let run = &injection.spec.run;
        let held = runs.entry(&run.uid).or_insert_with(|| Reservation {
            run: run.name.as_str().into(),
            run_uid: run.uid.as_str().into(),
            namespace: injection.namespace().into(),
            policy_uid: None,
            pods: BTreeMap::new(),
            takes_down: takes_down(&injection.spec.fault),
            // Not written in injections; what they hit last is in the Ledger once they have ended.
            owners: BTreeSet::new(),
            delay: delay(&injection.spec.fault),
        });
        let place = |namespace: &str| Place { namespace: Some(namespace.into()), owner: None };
        held.pods.extend(injection.spec.targets.iter().map(|t| (t.uid.as_str().into(), place(&t.namespace))));
    }
    runs.into_values().collect()
}

fn is_over(injection: &ChaosInjection, lease: Duration, now: Timestamp) -> bool {
    match injection.status.as_ref().and_then(|s| s.state) {
        Some(wire::InjectionState::RestoreFailed) => false,
        Some(state) if state.is_final() => true,
        Some(_) | None => {
            let last = injection.spec.not_after.parse::<Timestamp>().ok();
            last.and_then(|at| at.checked_add(lease + RELEASE).ok()).is_some_and(|released| released < now)
        }
    }
}

/// A kill takes pods down, and so may what this program does not know.
fn takes_down(fault: &wire::Fault) -> bool {
    let wire::Fault { kill: _, latency, loss, partition, pod_delete: _, pod_evict: _, weight: _ } = fault;
    latency.is_none() && loss.is_none() && partition.is_none()
}

/// Returns the packets that it delays. Peers are not compared here: every other delay of the same pods counts as one of
/// the same packets, which refuses more than the controller would, never less.
fn delay(fault: &wire::Fault) -> Option<DelayScope> {
    let latency = fault.latency.as_ref()?;
    let direction = match latency.direction {
        Some(wire::Direction::Egress) => Direction::Egress,
        Some(wire::Direction::Ingress) => Direction::Ingress,
        Some(wire::Direction::Both) | None => Direction::Both,
    };
    Some(DelayScope { direction, peers: Vec::<PeerEntry>::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ask::object;
    use serde_json::json;

    fn injection(node: &str, run: &str, pod: &str, state: &str) -> ChaosInjection {
        object(json!({
            "metadata": {"name": format!("{run}-{node}"), "namespace": "shop", "uid": "i"},
            "spec": {"nodeName": node, "run": {"name": run, "uid": run}, "phase": "Armed", "epoch": 1, "revision": 1,
                "notAfter": "2026-01-01T00:00:00.000000Z", "fault": {"latency": {"delay": "1s", "direction": "Egress"}},
                "targets": [{"uid": pod, "namespace": "shop", "pod": pod}]},
            "status": {"state": state},
        }))
    }

    #[test]
    fn each_run_holds_the_pods_of_its_injections_until_they_are_over() {
        let all = [
            injection("n1", "a", "p1", "InEffect"),
            injection("n2", "a", "p2", "RestoreFailed"),
            injection("n1", "b", "p3", "Restored"),
            injection("rumpus-canary", "c", "p4", "Accepted"),
        ];
        let at = |now: &str| reservations(&all, Duration::from_secs(15), now.parse().unwrap());
        let held = at("2026-01-01T00:00:45Z");
        assert_eq!(held.len(), 1);
        assert_eq!((held[0].pods.len(), held[0].takes_down, held[0].delay.is_some()), (2, false, true));
        let later = at("2026-01-01T00:00:46Z");
        assert_eq!(later[0].pods.len(), 1, "only what could not be restored is held for ever");
    }
}
