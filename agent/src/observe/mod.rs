//! Fills a World on a host: what runs here, which networks there are, what this kernel can do.
//!
//! Only looks; it must never decide, and never turn what it could not read into something that looks like an answer.

pub mod lockout;
pub mod names;
mod namespaces;
mod processes;

use crate::kernel::cgroup::container_of;
use crate::kernel::link::LinkError;
use crate::kernel::netns::{self, NetNsError};
use crate::kernel::proc::{self, ProcError, ProcessFacts};
use crate::probe;
use rumpus_model::engine::{Capability, Engine};
use rumpus_model::world::{Container, Halted, World};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

/// What to look at.
#[derive(Clone, Debug)]
pub struct ObserveOptions {
    /// Where named network namespaces are.
    pub netns_dir: PathBuf,
    /// Engines that are reported as missing although the kernel may have them.
    pub hide_engines: BTreeSet<Engine>,
    /// Whether a Halt stands, as the caller has read it.
    pub halted: Halted,
    /// Whether a fault on the host's own network is planned, so that the way in must be known.
    pub want_lockout: bool,
}

impl Default for ObserveOptions {
    fn default() -> Self {
        Self { netns_dir: netns::NAMED.into(), hide_engines: BTreeSet::new(), halted: Halted::No, want_lockout: false }
    }
}

/// A look at the host that would have had holes.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    #[error("read the boot id")]
    BootId(#[source] ProcError),
    #[error("list the devices of the network namespace {netns}")]
    Devices { netns: String, source: LinkError },
    #[error("list the named network namespaces in {}", path.display())]
    Names { path: PathBuf, source: NetNsError },
    #[error("look into the network namespace {netns}")]
    NetNs { netns: String, source: NetNsError },
    #[error("find this process and its ancestors")]
    Own(#[source] ProcError),
    #[error("list the processes")]
    Processes(#[source] ProcError),
    #[error("read the status of process {pid}")]
    Status { pid: u32 },
    #[error("read {}", path.display())]
    Users { path: PathBuf, source: io::Error },
}

/// Looks at this host once: one pass over /proc, one visit to each network namespace.
///
/// # Errors
/// The first thing that could not be read and without which the World would have a hole. What has vanished meanwhile
/// is left out.
pub fn world(options: &ObserveOptions) -> Result<World, ObserveError> {
    let boot_id = proc::boot_id().map_err(ObserveError::BootId)?;
    let own = own()?;
    let host_netns = netns::host().ok();
    let facts = processes::scan()?;
    let netns = namespaces::find(&options.netns_dir, host_netns, &facts, &own)?;
    let cookies = netns.iter().map(|n| ((n.id.dev, n.id.ino), n.id)).collect();
    Ok(World {
        boot_id,
        halted: options.halted.clone(),
        own,
        host_netns,
        processes: facts.iter().map(|facts| processes::process(facts, &cookies)).collect::<Result<_, _>>()?,
        containers: containers(&facts),
        netns,
        engines: engines(&options.hide_engines),
        users: processes::users(&PathBuf::from("/etc/passwd"))?,
        names: BTreeMap::new(),
        lockout: options.want_lockout.then(lockout::flows),
    })
}

/// Returns this process and its ancestors.
fn own() -> Result<BTreeSet<i32>, ObserveError> {
    let me = std::process::id();
    let parents = proc::ancestors(me).map_err(ObserveError::Own)?;
    Ok(parents.into_iter().chain([me]).filter_map(|pid| i32::try_from(pid).ok()).collect())
}

fn engines(hidden: &BTreeSet<Engine>) -> BTreeMap<Engine, Capability> {
    let mut engines = probe::engines();
    engines.extend(hidden.iter().map(|e| (*e, Capability::Missing("hidden by --without-engine".into()))));
    engines
}

/// Groups processes by the container that their cgroup shows. Workers of ours in a container's cgroup do not count.
fn containers(facts: &[ProcessFacts]) -> Vec<Container> {
    let mut found: BTreeMap<String, Container> = BTreeMap::new();
    for process in facts.iter().filter(|process| !process.has_exited()) {
        let container = process.cgroup.as_ref().and_then(|paths| container_of(paths).ok().flatten());
        let (Some(container), Ok(pid)) = (container, i32::try_from(process.pid)) else { continue };
        if !container.ours {
            let new = || Container { id: container.id.clone(), cgroup: container.path.clone(), pids: Vec::new() };
            found.entry(container.id.clone()).or_insert_with(new).pids.push(pid);
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_engine_is_missing_and_the_others_stay() {
        let hidden = engines(&BTreeSet::from([Engine::Netem]));
        assert_eq!(hidden[&Engine::Netem], Capability::Missing("hidden by --without-engine".into()));
        assert_eq!(hidden[&Engine::Signal], probe::engines()[&Engine::Signal]);
        assert_eq!(hidden.len(), Engine::ALL.len());
    }

    #[test]
    fn this_process_is_seen_as_our_own() {
        let world = world(&ObserveOptions::default()).unwrap();
        let me = i32::try_from(std::process::id()).unwrap();
        assert!(world.own.contains(&me));
        let process = world.processes.iter().find(|p| p.id.pid == me).unwrap();
        assert_eq!(process.exe.as_deref(), std::env::current_exe().unwrap().to_str());
        assert_eq!(process.netns, Some(netns::current().unwrap()));
        assert_eq!(world.users.get("root"), Some(&0));
    }
}
