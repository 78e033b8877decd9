//! From a plan to what is written into the API server: the same facts, field by field, nothing decided any more.

use super::plan::{ClusterPlan, Except, NodeShare, PeerEntry, PodTarget};
use crate::change::Delay;
use crate::duration;
use crate::fault::network::{Network, Probes};
use crate::fault::partition::How;
use crate::fault::{Fault, Kill, kill};
use crate::scope::{Devices, Direction, Port, Protocol};
use crate::wire::injection::{InjectionTarget, PeerExcept, PeerSet};
use crate::wire::run_status::{DrawnFault, LeftOut, NodeShare as ShareStatus, PlanStatus};
use crate::wire::{self, NumberOrText, OneOrMany};

/// Returns a fault as an Injection holds it: without `peers` and `ports`, which are resolved beside it.
pub fn fault(fault: &Fault) -> wire::Fault {
    let mut written = wire::Fault::default();
    match fault {
        Fault::Kill(Kill::Container) => {
            written.kill = Some(wire::Kill { container: Some(true), ..wire::Kill::default() });
        }
        Fault::Kill(Kill::Process { signal, grace }) => {
            let grace = (*signal != kill::SIGKILL).then(|| duration::show(*grace));
            let signal = Some(NumberOrText::Number(i64::from(*signal)));
            written.kill = Some(wire::Kill { signal, grace, container: None });
        }
        Fault::Latency(latency) => {
            let Delay { delay, jitter, reorder } = latency.delay;
            let shared = shared(&latency.network);
            written.latency = Some(wire::Latency {
                delay: Some(duration::show(delay)),
                jitter: (!jitter.is_zero()).then(|| duration::show(jitter)),
                reorder: reorder.then_some(true),
                direction: shared.direction,
                device: shared.device,
                peers: None,
                ports: None,
                local_ports: shared.local_ports,
                protocols: shared.protocols,
                probes: shared.probes,
            });
        }
        Fault::Loss(loss) => {
            let shared = shared(&loss.network);
            written.loss = Some(wire::Loss { percent: Some(loss.percent.into()), ..shared });
        }
        Fault::Partition(partition) => {
            let shared = shared(&partition.network);
            written.partition = Some(wire::Partition {
                how: Some(match partition.how {
                    How::Drop => wire::How::Drop,
                    How::Reject => wire::How::Reject,
                }),
                direction: shared.direction,
                device: shared.device,
                peers: None,
                ports: None,
                local_ports: shared.local_ports,
                protocols: shared.protocols,
                probes: shared.probes,
            });
        }
        Fault::PodDelete(delete) => {
            let grace_period = delete.grace_period.map(duration::show);
            written.pod_delete = Some(wire::PodDelete { grace_period });
        }
        Fault::PodEvict(evict) => {
            let grace_period = evict.grace_period.map(duration::show);
            written.pod_evict = Some(wire::PodEvict { grace_period });
        }
    }
    written
}

/// The fields that all network faults share, in the one whose other field is added where it is used.
fn shared(network: &Network) -> wire::Loss {
    wire::Loss {
        percent: None,
        direction: Some(match network.direction {
            Direction::Egress => wire::Direction::Egress,
            Direction::Ingress => wire::Direction::Ingress,
            Direction::Both => wire::Direction::Both,
        }),
        device: match &network.devices {
            Devices::AllButLoopback => None,
            Devices::Named(devices) => Some(OneOrMany(devices.iter().map(ToString::to_string).collect())),
        },
        peers: None,
        ports: None,
        local_ports: some(network.local_ports.iter().map(|p| NumberOrText::Text(p.to_string())).collect()),
        protocols: some(network.protocols.iter().map(|p| protocol(*p)).collect()),
        probes: Some(match network.probes {
            Probes::Exempt => wire::Probes::Exempt,
            Probes::Include => wire::Probes::Include,
        }),
    }
}

fn protocol(protocol: Protocol) -> wire::Protocol {
    match protocol {
        Protocol::Icmp => wire::Protocol::Icmp,
        Protocol::Tcp => wire::Protocol::Tcp,
        Protocol::Udp => wire::Protocol::Udp,
    }
}

/// Returns the targets of one Injection.
pub fn targets(share: &NodeShare) -> Vec<InjectionTarget> {
    share.targets.iter().map(target).collect()
}

fn target(target: &PodTarget) -> InjectionTarget {
    InjectionTarget {
        uid: target.uid.clone(),
        namespace: target.namespace.clone(),
        pod: target.pod.clone(),
        container: target.container.clone(),
        container_id: target.container_id.clone(),
        probes: ports(&target.probes),
    }
}

/// Returns the peers of one Injection; absent only where the plan is about everyone.
pub fn peers(entries: &[PeerEntry]) -> Option<Vec<PeerSet>> {
    some(entries.iter().map(peer).collect())
}

fn peer(entry: &PeerEntry) -> PeerSet {
    let except = |e: &Except| PeerExcept {
        addresses: some(e.addresses.iter().map(ToString::to_string).collect()),
        names: some(e.names.clone()),
    };
    PeerSet {
        addresses: some(entry.addresses.iter().map(ToString::to_string).collect()),
        names: some(entry.names.clone()),
        ports: ports(&entry.ports),
        except: (entry.except != Except::default()).then(|| except(&entry.except)),
    }
}

/// Returns what a run's status shows of its plan.
pub fn plan(plan: &ClusterPlan) -> PlanStatus {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    PlanStatus {
        hash: plan.hash.clone(),
        seed: plan.seed.clone(),
        drawn: plan.drawn.map(|drawn| DrawnFault {
            fault: plan.fault.name().to_owned(),
            index: count(drawn.index),
            weight: drawn.weight.into(),
            total: drawn.total.into(),
        }),
        candidates: Some(count(plan.matched)),
        left_out: plan
            .left_out
            .iter()
            .map(|l| LeftOut { reason: l.reason.clone(), count: count(l.count), examples: l.examples.clone() })
            .collect(),
        nodes: plan
            .shares
            .iter()
            .map(|s| ShareStatus { node: s.node.clone(), targets: count(s.targets.len()) })
            .collect(),
    }
}

fn ports(ports: &[Port]) -> Option<Vec<String>> {
    some(ports.iter().map(Port::to_string).collect())
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
