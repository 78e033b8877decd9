//! Groups what a selector matched by network namespace: the unit of a network fault.

use super::{Candidate, Found, LeftOut, Matched, Reason, label};
use crate::guard::protected;
use crate::target::{NetNsId, NetNsTarget, ProcessLabel, Target};
use crate::world::{NetNs, Process, World};
use std::collections::BTreeMap;

/// Turns matched processes into namespaces.
pub(crate) fn by_netns(world: &World, matched: Matched<'_>) -> Found {
    let mut found = Found { left_out: matched.left_out, ..Found::default() };
    let mut groups: BTreeMap<NetNsId, Vec<&Process>> = BTreeMap::new();
    for (process, by) in &matched.excluded {
        found.left_out.push(LeftOut { what: label(process), reason: Reason::Excluded { by: by.clone() } });
    }
    for process in matched.processes {
        match process.netns {
            Some(id) => groups.entry(id).or_default().push(process),
            None => {
                let what = "its network namespace could not be read".into();
                found.left_out.push(LeftOut { what: label(process), reason: Reason::Unknown { what } });
            }
        }
    }
    for (id, members) in groups {
        let why = holds(&members);
        let excluded = matched.excluded.iter().find(|(p, _)| p.netns == Some(id));
        match (world.netns.iter().find(|n| n.id == id), excluded) {
            (_, Some((process, by))) => {
                let reason = Reason::Holds { process: label(process), why: format!("excluded by {by}") };
                found.left_out.extend(members.iter().map(|p| LeftOut { what: label(p), reason: reason.clone() }));
            }
            (None, None) if world.host_netns.is_some_and(|host| host.same(&id)) => {
                let reason = |p: &&Process| LeftOut { what: label(p), reason: Reason::HostNetwork };
                found.left_out.extend(members.iter().map(reason));
            }
            (None, None) => {
                let what = "its network namespace could not be reached".to_owned();
                let reason = Reason::Unknown { what };
                found.left_out.extend(members.iter().map(|p| LeftOut { what: label(p), reason: reason.clone() }));
            }
            (Some(netns), None) => match candidate(world, netns, why) {
                Ok(candidate) => found.candidates.push(candidate),
                Err(reason) => {
                    found.left_out.extend(members.iter().map(|p| LeftOut { what: label(p), reason: reason.clone() }));
                }
            },
        }
    }
    found
}

/// Pins a namespace that is not the host's, with every process in it.
///
/// # Errors
/// Why it may not be hit.
pub(crate) fn candidate(world: &World, netns: &NetNs, why: String) -> Result<Candidate, Reason> {
    let Some(host) = world.host_netns else {
        return Err(Reason::Unknown { what: "the host's own network namespace could not be told apart".into() });
    };
    if host.same(&netns.id) {
        return Err(Reason::HostNetwork);
    }
    let mut inside = inside(world, &netns.id);
    inside.retain(|process| !protected::is_worker(process));
    for process in &inside {
        if let Some(why) = protected::why(process, world) {
            return Err(Reason::Holds { process: label(process), why: format!("protected ({why})") });
        }
    }
    let identity = match netns.names.first() {
        Some(name) => name.clone(),
        None => inside
            .iter()
            .map(|p| (p.id.start, p.id.pid))
            .min()
            .map_or_else(|| netns.id.to_string(), |(start, pid)| format!("{}/{pid}/{start}", world.boot_id)),
    };
    let target = NetNsTarget {
        id: netns.id,
        via: netns.via.clone(),
        boot_id: world.boot_id.clone(),
        host: false,
        processes: labels(&inside),
    };
    Ok(Candidate { target: Target::NetNs(target), identity, why })
}

/// Says which of the matched processes brought a namespace in: the first three, and how many more.
fn holds(members: &[&Process]) -> String {
    let mut named: Vec<String> = labels(members).iter().take(3).map(ToString::to_string).collect();
    if members.len() > named.len() {
        named.push(format!("and {} more", members.len() - named.len()));
    }
    format!("holds {}", named.join(", "))
}

/// Returns every process of a namespace, kernel threads left out.
pub(crate) fn inside<'w>(world: &'w World, id: &NetNsId) -> Vec<&'w Process> {
    world.processes.iter().filter(|p| !p.kernel_thread && p.netns.is_some_and(|n| n.same(id))).collect()
}

pub(crate) fn labels(processes: &[&Process]) -> Vec<ProcessLabel> {
    let mut labels: Vec<ProcessLabel> =
        processes.iter().map(|p| ProcessLabel { pid: p.id.pid, comm: p.comm.clone() }).collect();
    labels.sort();
    labels
}
