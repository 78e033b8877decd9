//! The network namespaces of a host: each once, with its names, its devices and the delays in it.
//!
//! Enters each namespace only to read. One that vanishes meanwhile is left out.

use super::ObserveError;
use crate::kernel::link;
use crate::kernel::netns::{self, NetNs as Open, NetNsError};
use crate::kernel::nft::standing;
use crate::kernel::proc::ProcessFacts;
use crate::resolve::chain;
use rumpus_model::scope::{Direction, Peers};
use rumpus_model::target::{NetNsId, ProcessId, Via};
use rumpus_model::world::{NetNs, StandingDelay};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

type Key = (u64, u64);

/// Returns every namespace that has a name or a process which is not ours.
pub(super) fn find(
    directory: &Path,
    host: Option<NetNsId>,
    facts: &[ProcessFacts],
    own: &BTreeSet<i32>,
) -> Result<Vec<NetNs>, ObserveError> {
    let named = netns::named(directory);
    let named = named.map_err(|source| ObserveError::Names { path: directory.into(), source })?;
    let mut names: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    for (name, id) in named {
        names.entry((id.dev, id.ino)).or_default().push(name);
    }
    let holders = holders(facts, own);
    let keys: BTreeSet<Key> = names.keys().chain(holders.keys()).copied().collect();
    let mut all = Vec::new();
    for key in keys {
        let names = names.remove(&key).unwrap_or_default();
        let holders = holders.get(&key).map(Vec::as_slice).unwrap_or_default();
        if let Some(netns) = one(directory, host, key, names, holders)? {
            all.push(netns);
        }
    }
    Ok(all)
}

/// The processes of each namespace that are not ours, oldest first.
fn holders(facts: &[ProcessFacts], own: &BTreeSet<i32>) -> BTreeMap<Key, Vec<ProcessId>> {
    let mut holders: BTreeMap<Key, Vec<ProcessId>> = BTreeMap::new();
    for process in facts.iter().filter(|process| !process.has_exited() && !process.comm.starts_with("rumpus")) {
        let (Some(netns), Ok(pid)) = (process.netns, i32::try_from(process.pid)) else { continue };
        if !own.contains(&pid) {
            holders.entry(netns).or_default().push(ProcessId { pid, start: process.start });
        }
    }
    for list in holders.values_mut() {
        list.sort_by_key(|id| (id.start, id.pid));
    }
    holders
}

fn one(
    directory: &Path,
    host: Option<NetNsId>,
    key: Key,
    names: Vec<String>,
    holders: &[ProcessId],
) -> Result<Option<NetNs>, ObserveError> {
    let by_name = names.iter().map(|name| (directory.join(name), Via::Name(name.clone())));
    let by_process = holders.iter().map(|id| (format!("/proc/{}/ns/net", id.pid).into(), Via::Process(id.clone())));
    for (path, via) in by_name.chain(by_process) {
        let netns = match Open::open(path) {
            Ok(netns) => netns,
            // It was a namespace a moment ago: it is being made or removed by somebody else.
            Err(error) if netns::is_absent(&error) => continue,
            // Processes in it may still be named; then the plan says that it could not be reached.
            Err(NetNsError::Open { .. }) => return Ok(None),
            Err(source) => return Err(ObserveError::NetNs { netns: via_text(&via), source }),
        };
        let id = netns.id();
        // The process, or the name, has moved on to another namespace.
        if (id.dev, id.ino) != key {
            continue;
        }
        let is_host = host.is_some_and(|host| host.same(&id));
        let via = if is_host { Via::Host } else { via };
        return look(&netns, names, via).map(Some);
    }
    Ok(None)
}

fn look(netns: &Open, names: Vec<String>, via: Via) -> Result<NetNs, ObserveError> {
    let read = netns.enter(|| (link::devices(), standing::delays()));
    let (devices, delays) = read.map_err(|source| ObserveError::NetNs { netns: via_text(&via), source })?;
    let devices = devices.map_err(|source| ObserveError::Devices { netns: via_text(&via), source })?;
    // Unread tables may hold any delay.
    let delays = delays.unwrap_or_else(|error| {
        let table = format!("unknown ({})", chain(&error));
        vec![StandingDelay { table, direction: Direction::Both, peers: Peers::Everyone }]
    });
    let devices = devices.into_iter().map(|link| link.name).collect();
    Ok(NetNs { id: netns.id(), names, via, devices, delays })
}

fn via_text(via: &Via) -> String {
    match via {
        Via::Host => "of the host".into(),
        Via::Name(name) => name.clone(),
        Via::Process(id) => format!("of process {}", id.pid),
    }
}
