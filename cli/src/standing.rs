//! What the kernel says right now about the faults of one instance. Only looks.

use rumpus_agent::core::Intent;
use rumpus_agent::hands::Names;
use rumpus_agent::kernel::cgroup::container_of;
use rumpus_agent::kernel::link::{self, IfbName};
use rumpus_agent::kernel::netns::{self, NetNs};
use rumpus_agent::kernel::nft::{self, TableState};
use rumpus_agent::kernel::proc::{self, ProcessFacts};
use rumpus_agent::resolve::{self, chain};
use rumpus_agent::sweep::worker_of;
use rumpus_model::target::{ContainerTarget, NetNsTarget, ProcessTarget, Target};
use serde::Serialize;
use std::time::Duration;

/// How a fault stands in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stands {
    /// Its gate lets it act.
    Armed,
    /// Objects of ours that do nothing.
    Inert,
    /// A process or container that is to end still runs.
    Alive,
    Gone,
    /// It could not be read.
    Unknown,
}

/// One fault as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    pub stands: Stands,
    /// How long the gate still stands when nobody renews it.
    pub armed_for_ms: Option<u128>,
    pub hit: u64,
    pub passed: u64,
    /// Tables, links and workers that are there, or why nothing is known.
    pub detail: Vec<String>,
}

impl Standing {
    fn only(stands: Stands, detail: impl Into<String>) -> Self {
        Self { stands, armed_for_ms: None, hit: 0, passed: 0, detail: vec![detail.into()] }
    }
}

/// Looks a fault of the journal up in the kernel; `processes` is what runs, seen once for all faults.
pub fn of(instance: &str, intent: &Intent, processes: &[ProcessFacts]) -> Standing {
    let number = u32::from_str_radix(instance, 16).ok();
    let Some(names) = number.and_then(|i| Names::new(i, &intent.id)) else {
        return Standing::only(Stands::Unknown, format!("`{}` is no id", intent.id));
    };
    match &intent.target {
        Target::NetNs(target) => network(target, &names, processes),
        Target::Process(target) => process(target),
        Target::Container(target) => container(target, processes),
    }
}

fn network(target: &NetNsTarget, names: &Names, processes: &[ProcessFacts]) -> Standing {
    let ours = |(id, _): &(String, u32)| u32::from_str_radix(id, 16) == Ok(names.id);
    let workers = workers(processes, names.instance).filter(ours).collect();
    let found = match resolve::netns(target) {
        Ok(netns) => inside(&netns, names),
        Err(rumpus_agent::core::Outcome::TargetGone { what }) => Ok((None, vec![what])),
        Err(other) => Err(format!("{other:?}")),
    };
    match found {
        Ok((table, detail)) => judge(table.as_ref(), detail, workers),
        Err(why) => Standing::only(Stands::Unknown, why),
    }
}

/// Returns the fault's table and its links in a namespace.
fn inside(netns: &NetNs, names: &Names) -> Result<(Option<TableState>, Vec<String>), String> {
    let read = netns.enter(|| {
        let table = nft::state(&names.table).map_err(|e| chain(&e))?;
        let devices = link::devices().map_err(|e| chain(&e))?;
        let ours = |d: &&link::Link| d.name == names.egress.as_str() || d.name == names.ingress.as_str();
        Ok((table, devices.iter().filter(ours).map(|d| format!("device {}", d.name)).collect()))
    });
    read.map_err(|e| chain(&e))?
}

fn judge(table: Option<&TableState>, mut detail: Vec<String>, workers: Vec<(String, u32)>) -> Standing {
    let left = table.and_then(|t| t.armed.iter().filter_map(|(_, left)| *left).max()).filter(|l| *l > Duration::ZERO);
    let objects = table.is_some() || !workers.is_empty() || detail.iter().any(|d| d.starts_with("device "));
    if let Some(table) = table {
        detail.push(format!("{} tables, {} rules", table.armed.len(), table.rules));
    }
    detail.extend(workers.iter().map(|(_, pid)| format!("worker {pid}")));
    let count =
        |counts: Option<nft::read::Counts>| counts.map_or(0, |c| c.egress.packets.saturating_add(c.ingress.packets));
    Standing {
        stands: match (left, objects) {
            (Some(_), _) => Stands::Armed,
            (None, true) => Stands::Inert,
            (None, false) => Stands::Gone,
        },
        armed_for_ms: left.map(|l| l.as_millis()),
        hit: count(table.map(|t| t.hit)),
        passed: count(table.map(|t| t.passed)),
        detail,
    }
}

fn process(target: &ProcessTarget) -> Standing {
    match resolve::process(target) {
        Ok(_pinned) => Standing::only(Stands::Alive, "the process runs"),
        Err(rumpus_agent::core::Outcome::TargetGone { what }) => Standing::only(Stands::Gone, what),
        Err(other) => Standing::only(Stands::Unknown, format!("{other:?}")),
    }
}

fn container(target: &ContainerTarget, processes: &[ProcessFacts]) -> Standing {
    let of = |p: &&ProcessFacts| {
        let paths = p.cgroup.as_ref().and_then(|paths| container_of(paths).ok().flatten());
        !p.has_exited() && paths.is_some_and(|c| c.id == target.id)
    };
    match processes.iter().filter(of).count() {
        0 => Standing::only(Stands::Gone, "none of its processes is left"),
        alive => Standing::only(Stands::Alive, format!("{alive} of its processes run")),
    }
}

/// Returns id and pid of each worker of an instance.
fn workers(all: &[ProcessFacts], instance: u32) -> impl Iterator<Item = (String, u32)> {
    let living = all.iter().filter(|p| !p.has_exited());
    living.filter_map(move |p| Some((worker_of(p.cmdline.as_deref()?, instance)?, p.pid)))
}

/// Returns everything that an instance has in this machine's kernel.
///
/// # Errors
/// Why it could not be seen.
pub fn left(instance: &str) -> Result<Vec<String>, String> {
    let number = u32::from_str_radix(instance, 16).map_err(|_no_hex| format!("`{instance}` is no instance id"))?;
    let mut found = Vec::new();
    for (id, path) in netns::all().map_err(|e| chain(&e))?.found {
        // It may have gone since, and all that was in it.
        let Some(netns) = NetNs::open(&path).ok().filter(|n| n.same_as(&id)) else { continue };
        let place = path.display();
        let (tables, devices) = netns.enter(|| (nft::list(), link::devices())).map_err(|e| chain(&e))?;
        let tables = tables.map_err(|e| chain(&e))?.into_iter().filter(|(_, t)| t.instance == number);
        found.extend(tables.map(|(_, table)| format!("table {table} in {place}")));
        let prefix = IfbName::prefix(number);
        let devices = devices.map_err(|e| chain(&e))?;
        let ours = devices.iter().filter(|d| link::is_ours(d) && d.name.starts_with(&prefix));
        found.extend(ours.map(|d| format!("device {} in {place}", d.name)));
    }
    let all = proc::scan().map_err(|e| chain(&e))?;
    found.extend(workers(&all, number).map(|(id, pid)| format!("worker {id} (process {pid})")));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(left: Option<Duration>) -> TableState {
        TableState { armed: vec![(nft::Family::Netdev, left)], rules: 4, ..TableState::default() }
    }

    #[test]
    fn only_a_gate_that_stands_is_armed() {
        let armed = judge(Some(&table(Some(Duration::from_secs(2)))), Vec::new(), Vec::new());
        assert_eq!((armed.stands, armed.armed_for_ms), (Stands::Armed, Some(2000)));
        assert_eq!(judge(Some(&table(None)), Vec::new(), Vec::new()).stands, Stands::Inert);
        assert_eq!(judge(None, vec!["device ru1".into()], Vec::new()).stands, Stands::Inert);
        assert_eq!(judge(None, Vec::new(), vec![("1".into(), 7)]).stands, Stands::Inert);
        assert_eq!(judge(None, vec!["no name leads to it".into()], Vec::new()).stands, Stands::Gone);
    }
}
