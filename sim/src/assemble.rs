//! From an order to targets on this node, as the agent's own `assemble.rs` does it: that one reads `/proc` and looks into
//! namespaces, which are not here.

use crate::agent::Node;
use crate::check::Slot;
use crate::kernel::Kernel;
use crate::net::Net;
use crate::plant::Plant;
use rumpus_agent::cluster::assemble::{Assigned, slot_id};
use rumpus_agent::cluster::order::Order as Wanted;
use rumpus_model::engine::Engine;
use rumpus_model::fault::{Fault, Kill};
use rumpus_model::injection::Injection;
use rumpus_model::plan::Planned;
use rumpus_model::refusal::Refusal;
use rumpus_model::target::{ContainerTarget, NetNsId, NetNsTarget, ProcessId, ProcessTarget, Target, Via};
use rumpus_model::wire::InjectionTarget;
use std::time::Duration;

impl Node {
    /// Looks every target up.
    pub(crate) fn assemble(&self, net: &mut Net, order: &Wanted) -> (Injection, Vec<Assigned>) {
        let mut planned = Vec::new();
        let mut assigned = Vec::new();
        for target in &order.targets {
            let mut one =
                Assigned { uid: target.uid.clone(), container: target.container.clone(), slots: vec![], refused: None };
            let mut hit = target.clone();
            if net.plant == Some(Plant::WrongPod)
                && let Some(other) = self.kernel.networks.values().map(|n| &n.pod).find(|p| **p != target.uid)
            {
                hit.uid.clone_from(other);
            }
            match slots(&self.kernel, &self.boot_id(), order, &hit) {
                Some(slots) => {
                    one.slots = slots.iter().map(|s| s.id.clone()).collect();
                    planned.extend(slots);
                }
                None => {
                    let what = "no process of it is on this node".into();
                    one.refused = Some(Refusal::TargetChanged { target: target.pod.clone(), what });
                }
            }
            for id in &one.slots {
                let slot = Slot {
                    injection: order.uid.clone(),
                    run: order.run.clone(),
                    pod: target.uid.clone(),
                    node: self.place,
                    duration: order.duration,
                };
                net.check.slots.insert(id.clone(), slot);
            }
            assigned.push(one);
        }
        let injection = Injection {
            uid: order.uid.clone(),
            policy: order.run.clone(),
            fault: order.fault.clone(),
            duration: match net.plant {
                Some(Plant::NoDeadline) => order.duration.map(|d| d + Duration::from_secs(30)),
                Some(_) | None => order.duration,
            },
            targets: planned,
            reach: order.reach.clone(),
            not_after: Some(order.not_after / 1_000_000),
        };
        (injection, assigned)
    }
}

/// Returns a target's slots; `None` where the pod is not in this kernel.
pub fn slots(kernel: &Kernel, boot_id: &str, order: &Wanted, target: &InjectionTarget) -> Option<Vec<Planned>> {
    let inode = kernel.inode(&target.uid)?;
    let pid = ProcessId { pid: i32::try_from(inode).unwrap_or(1), start: inode };
    let planned = |branch: usize, found: Target, engine: Engine, scope| Planned {
        id: slot_id(order, target, branch),
        target: found,
        why: target.uid.clone(),
        engine,
        scope,
    };
    if let Fault::Kill(kill) = &order.fault {
        let (comm, cgroup, boot_id) = ("web".to_owned(), "/".to_owned(), boot_id.to_owned());
        let first = ProcessTarget { id: pid, comm, cgroup: cgroup.clone(), boot_id: boot_id.clone() };
        let (found, engine) = match kill {
            Kill::Process { .. } => (Target::Process(first), Engine::Signal),
            Kill::Container => {
                let (id, init) = (target.uid.clone(), Some(first));
                let container = ContainerTarget { id, cgroup, boot_id, init, processes: Vec::new() };
                (Target::Container(container), Engine::Cgroup)
            }
        };
        return Some(vec![planned(0, found, engine, None)]);
    }
    let netns = NetNsTarget {
        id: NetNsId { dev: 4, ino: inode, cookie: Some(inode) },
        via: Via::Process(pid),
        boot_id: boot_id.to_owned(),
        host: false,
        processes: Vec::new(),
    };
    let one = |(branch, fault): (usize, &Fault)| {
        let engine = if matches!(fault, Fault::Latency(_)) { Engine::Netem } else { Engine::Nft };
        let scope = fault.network()?.scope(|_| None, Vec::new()).ok()?;
        Some(planned(branch, Target::NetNs(netns.clone()), engine, Some(scope)))
    };
    order.branches.iter().enumerate().map(one).collect()
}
