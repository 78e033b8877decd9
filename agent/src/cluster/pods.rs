//! The pods of this node as the kernel shows them: pod UID -> containers -> first processes.
//!
//! No runtime is asked. A container is told by its control group (v1 and v2, both drivers, any prefix before
//! `kubepods`); it must never be told by a process's name, which a tenant chooses.

use crate::kernel::cgroup::{CgroupPathError, container_of};
use crate::kernel::proc::{self, ProcessFacts};
use crate::resolve::chain;
use rumpus_model::target::{ProcessId, ProcessLabel, ProcessTarget};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A pod whose processes were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// By container id, 64 hex digits. Never empty.
    pub containers: BTreeMap<String, Container>,
}

/// A container of a pod, or the sandbox that holds its namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    /// Path of its control group within its hierarchy.
    pub cgroup: String,
    /// Oldest first; those that have exited are left out.
    pub processes: Vec<ProcessFacts>,
}

impl Pod {
    /// Returns the container that was started first: the sandbox, or where a runtime keeps none, one that shares its
    /// namespaces.
    pub fn sandbox(&self) -> Option<&Container> {
        self.containers.values().filter(|c| c.first().is_some()).min_by_key(|c| c.first().map(|f| (f.start, f.pid)))
    }
}

impl Container {
    /// Returns its first process: the oldest one whose parent is outside (the runtime). What is started in it later
    /// from outside (`kubectl exec`) is younger.
    pub fn first(&self) -> Option<&ProcessFacts> {
        let inside: BTreeSet<u32> = self.processes.iter().map(|p| p.pid).collect();
        self.processes.iter().find(|p| !inside.contains(&p.ppid))
    }

    pub fn labels(&self) -> Vec<ProcessLabel> {
        let label = |p: &ProcessFacts| Some(ProcessLabel { pid: i32::try_from(p.pid).ok()?, comm: p.comm.clone() });
        self.processes.iter().filter_map(label).collect()
    }
}

/// Pins a process for a plan.
pub fn pin(process: &ProcessFacts, boot_id: &str) -> Option<ProcessTarget> {
    Some(ProcessTarget {
        id: id_of(process)?,
        comm: process.comm.clone(),
        cgroup: process.cgroup.as_ref()?.identity().to_owned(),
        boot_id: boot_id.to_owned(),
    })
}

/// Returns what a process is known by.
pub fn id_of(process: &ProcessFacts) -> Option<ProcessId> {
    Some(ProcessId { pid: i32::try_from(process.pid).ok()?, start: process.start })
}

/// Finds these pods. One that has no process here is not in the answer.
///
/// # Errors
/// /proc cannot be listed, or a path in it is relative to another cgroup namespace: then no pod can be told.
pub fn find(uids: &BTreeSet<String>) -> Result<BTreeMap<String, Pod>, String> {
    let mut found: BTreeMap<String, Pod> = BTreeMap::new();
    let mut climbing = None;
    for entry in fs::read_dir("/proc").map_err(|e| format!("list /proc: {e}"))? {
        let entry = entry.map_err(|e| format!("list /proc: {e}"))?;
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
        // One small file of each process first: all facts are read of the pods' own only.
        match pod_of(pid, uids) {
            Ok(true) => add(pid, uids, &mut found)?,
            Ok(false) => {}
            Err(error) => climbing = Some(error),
        }
    }
    if let Some(error) = climbing {
        return Err(chain(&error));
    }
    for container in found.values_mut().flat_map(|p| p.containers.values_mut()) {
        container.processes.sort_by_key(|p| (p.start, p.pid));
    }
    Ok(found)
}

fn pod_of(pid: u32, uids: &BTreeSet<String>) -> Result<bool, CgroupPathError> {
    let Some(paths) = proc::cgroups_of(pid) else { return Ok(false) };
    Ok(container_of(&paths)?.and_then(|c| c.pod_uid).is_some_and(|uid| uids.contains(&uid)))
}

/// Reads a process's facts at once, through one descriptor, and believes only those.
fn add(pid: u32, uids: &BTreeSet<String>, found: &mut BTreeMap<String, Pod>) -> Result<(), String> {
    let facts = match proc::one(pid) {
        Ok(facts) if !facts.has_exited() => facts,
        Ok(_) | Err(proc::ProcError::Gone { .. }) => return Ok(()),
        Err(error) => return Err(chain(&error)),
    };
    let container = facts.cgroup.as_ref().and_then(|paths| container_of(paths).ok().flatten());
    let Some(container) = container.filter(|c| !c.ours) else { return Ok(()) };
    let Some(uid) = container.pod_uid.filter(|uid| uids.contains(uid)) else { return Ok(()) };
    let pod = found.entry(uid).or_insert_with(|| Pod { containers: BTreeMap::new() });
    let new = || Container { id: container.id.clone(), cgroup: container.path.clone(), processes: Vec::new() };
    pod.containers.entry(container.id.clone()).or_insert_with(new).processes.push(facts);
    Ok(())
}

/// Returns the namespace of each pod of this node by its UID, from the names of the kubelet's log directories
/// (`NAMESPACE_POD_UID`). A UID that two directories claim for two namespaces is not in the answer.
///
/// # Errors
/// The directory cannot be read.
pub fn namespaces(logs: &Path) -> Result<BTreeMap<String, String>, String> {
    let failed = |e: std::io::Error| format!("list {}: {e}", logs.display());
    let mut found = BTreeMap::new();
    let mut claimed_twice = BTreeSet::new();
    for entry in fs::read_dir(logs).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        // Neither namespaces nor names of pods may hold an underscore.
        let parts: Vec<&str> = name.to_str().map(|n| n.split('_').collect()).unwrap_or_default();
        let [namespace, _pod, uid] = parts.as_slice() else { continue };
        let before = found.insert((*uid).to_owned(), (*namespace).to_owned());
        if before.is_some_and(|before| before != *namespace) {
            claimed_twice.insert((*uid).to_owned());
        }
    }
    found.retain(|uid, _| !claimed_twice.contains(uid));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, ppid: u32, start: u64) -> ProcessFacts {
        ProcessFacts { pid, ppid, start, ..proc::one(std::process::id()).unwrap() }
    }

    fn container(id: &str, processes: Vec<ProcessFacts>) -> (String, Container) {
        (id.into(), Container { id: id.into(), cgroup: format!("/kubepods/podx/{id}"), processes })
    }

    #[test]
    fn the_first_process_is_the_oldest_that_came_from_outside() {
        let (_, app) = container("a", vec![process(10, 1, 5), process(11, 10, 6), process(12, 1, 9)]);
        assert_eq!(app.first().map(|p| p.pid), Some(10));
        let (_, orphan) = container("a", vec![process(12, 1, 9)]);
        assert_eq!(orphan.first().map(|p| p.pid), Some(12));
    }

    #[test]
    fn the_sandbox_is_what_was_started_first_whatever_it_is_called() {
        let pod = Pod {
            containers: BTreeMap::from([
                container("aaaa", vec![process(20, 1, 50)]),
                container("bbbb", vec![process(30, 1, 40)]),
            ]),
        };
        assert_eq!(pod.sandbox().map(|c| c.id.as_str()), Some("bbbb"));
    }

    #[test]
    fn a_pod_that_is_not_here_is_not_found() {
        let uid = "11111111-2222-4333-8444-555555555555".to_owned();
        assert!(find(&BTreeSet::from([uid])).unwrap().is_empty());
    }

    #[test]
    fn namespaces_come_from_whole_names_only() {
        let logs = tempfile::tempdir().unwrap();
        for name in ["shop_web-1_u1", "shop_web-2_u2", "rubbish", "a_b_c_d", "one_x_u3", "two_x_u3", "shop_old_u1"] {
            fs::create_dir(logs.path().join(name)).unwrap();
        }
        let found = namespaces(logs.path()).unwrap();
        let expected = [("u1", "shop"), ("u2", "shop")].map(|(u, n)| (u.to_owned(), n.to_owned()));
        assert_eq!(found, BTreeMap::from(expected));
        assert!(namespaces(&logs.path().join("none")).is_err());
    }
}
