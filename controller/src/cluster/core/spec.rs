//! From a plan to the specs of its injections, and back from specs that a predecessor wrote.

use super::event::{Key, RunSeen};
use jiff::{SignedDuration, Timestamp};
use rumpus_model::cluster::plan::Except;
use rumpus_model::cluster::{ClusterPlan, NodeShare, PeerEntry, written};
use rumpus_model::duration;
use rumpus_model::policy::Experiment;
use rumpus_model::rank::short_id;
use rumpus_model::scope::{Port, Protocol};
use rumpus_model::wire::{self, InjectionSpec, PeerSet, Phase, RunRef};
use std::time::Duration;

/// Names of Kubernetes objects that become label values: at most 63 letters.
const NAME: usize = 63;

/// Returns the name of a share: the same for the same run, node and revision. Long names of runs are cut, and a name may
/// be given again: what tells runs apart is the uid.
fn name(run: &RunRef, node: &str, revision: i64) -> String {
    let tail = format!("-{}-r{revision}", short_id(&[&run.uid, node]));
    let head: String = run.name.chars().take(NAME.saturating_sub(tail.len())).collect();
    format!("{}{tail}", head.trim_end_matches(['-', '.']))
}

/// Writes an instant as the API does, in microseconds.
pub(crate) fn instant(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// Returns a time after another one; the far end of time instead of an overflow.
pub(crate) fn after(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Returns one spec per node of the plan.
pub(crate) fn specs(run: &RunSeen, plan: &ClusterPlan, epoch: i64, not_after: Timestamp) -> Vec<(Key, InjectionSpec)> {
    let fault = written::fault(&plan.fault);
    let by = RunRef { name: run.key.name.clone(), uid: run.uid.clone() };
    let spec = |share: &NodeShare| InjectionSpec {
        node_name: share.node.clone(),
        run: by.clone(),
        phase: Phase::Planned,
        epoch,
        revision: 1,
        not_after: instant(not_after),
        duration: plan.duration.map(duration::show),
        fault: fault.clone(),
        targets: written::targets(share),
        peers: written::peers(&plan.peers),
    };
    let key = |node: &str| Key { namespace: run.key.namespace.clone(), name: name(&by, node, 1) };
    plan.shares.iter().map(|s| (key(&s.node), spec(s))).collect()
}

/// Returns what follows a share whose peers have changed: for no longer than what is left of it.
pub(crate) fn revised(
    key: &Key,
    old: &InjectionSpec,
    epoch: i64,
    peers: &[PeerEntry],
    left: Duration,
) -> (Key, InjectionSpec) {
    let revision = old.revision + 1;
    let spec = InjectionSpec {
        phase: Phase::Planned,
        epoch,
        revision,
        duration: Some(duration::show(Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)))),
        peers: written::peers(peers),
        ..old.clone()
    };
    (Key { namespace: key.namespace.clone(), name: name(&old.run, &old.node_name, revision) }, spec)
}

/// Returns what follows a share that was never armed and that agents would take for one of a stale leader.
pub(crate) fn renewed(key: &Key, old: &InjectionSpec, epoch: i64) -> (Key, InjectionSpec) {
    let revision = old.revision + 1;
    let spec = InjectionSpec { phase: Phase::Planned, epoch, revision, ..old.clone() };
    (Key { namespace: key.namespace.clone(), name: name(&old.run, &old.node_name, revision) }, spec)
}

/// Returns the other side of the fault that the run does, as it was written.
pub(crate) fn written_peers<'r>(run: &'r RunSeen, experiment: &Experiment) -> Option<&'r wire::Peers> {
    let index = experiment.drawn.map_or(0, |drawn| drawn.index);
    peers_of(run.spec.experiment.as_ref()?.faults.as_ref()?.get(index)?)
}

fn peers_of(fault: &wire::Fault) -> Option<&wire::Peers> {
    let latency = fault.latency.as_ref().and_then(|f| f.peers.as_ref());
    let loss = fault.loss.as_ref().and_then(|f| f.peers.as_ref());
    latency.or(loss).or_else(|| fault.partition.as_ref().and_then(|f| f.peers.as_ref()))
}

/// Returns whether the other side is made of pods or Services, so that it may move.
pub(crate) fn peers_move(run: &RunSeen, experiment: &Experiment) -> bool {
    written_peers(run, experiment).is_some_and(|p| {
        let except = p.except.as_ref().is_some_and(|e| e.pods.is_some() || e.services.is_some());
        p.pods.is_some() || p.services.is_some() || except
    })
}

/// Returns every namespace that the other side of any of its faults names: an account is asked about all of them,
/// whichever is drawn.
pub(crate) fn peer_namespaces(run: &RunSeen) -> Vec<String> {
    let faults = run.spec.experiment.iter().filter_map(|e| e.faults.as_ref()).flatten();
    faults.filter_map(peers_of).flat_map(namespaces_of).collect()
}

fn namespaces_of(peers: &wire::Peers) -> Vec<String> {
    let except = peers.except.clone().unwrap_or_default();
    let pods = peers.pods.iter().chain(&except.pods).flatten();
    let services = peers.services.iter().chain(&except.services).flatten();
    let of_services = services.filter_map(|s| s.split_once('/').map(|(namespace, _)| namespace.to_owned()));
    pods.flat_map(|p| p.namespaces.clone().unwrap_or_default()).chain(of_services).collect()
}

/// Reads a port as plans write it.
fn read_port(text: &str) -> Option<Port> {
    let (range, protocol) = text.split_once('/')?;
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    let protocol = match protocol {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        _ => return None,
    };
    Some(Port { protocol, from: from.parse().ok()?, to: to.parse().ok()? })
}

/// Reads peers back. What cannot be read is everyone: a reservation must not become smaller by it.
pub(crate) fn peer_entries(sets: &[PeerSet]) -> Vec<PeerEntry> {
    let read = |list: &Option<Vec<String>>| -> Option<Vec<ipnet::IpNet>> {
        list.as_deref().unwrap_or_default().iter().map(|a| a.parse().ok()).collect()
    };
    let entry = |set: &PeerSet| {
        let except = set.except.clone().unwrap_or_default();
        Some(PeerEntry {
            addresses: read(&set.addresses)?,
            names: set.names.clone().unwrap_or_default(),
            ports: set.ports.iter().flatten().map(|p| read_port(p)).collect::<Option<_>>()?,
            except: Except { addresses: read(&except.addresses)?, names: except.names.unwrap_or_default() },
        })
    };
    sets.iter().map(entry).collect::<Option<Vec<_>>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_no_two_shares_have_the_same() {
        let long = "x".repeat(252);
        let run = |name: String, uid: &str| RunRef { name, uid: uid.into() };
        let all = [
            name(&run(format!("{long}a"), "1"), "node-1", 1),
            name(&run(format!("{long}b"), "2"), "node-1", 1),
            name(&run(format!("{long}a"), "3"), "node-1", 1),
            name(&run(format!("{long}a"), "1"), "node-2", 1),
            name(&run(format!("{long}a"), "1"), "node-1", 2),
        ];
        assert!(all.iter().all(|name| name.len() <= NAME), "{all:?}");
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len(), "{all:?}");
    }
}
