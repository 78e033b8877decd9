//! The kernel, read back. Nothing is called in effect, ended or clean that was not seen here.

use crate::apply::killed;
use crate::core::Outcome;
use crate::hands::{Held, Names};
use crate::kernel::cgroup::container_of;
use crate::kernel::link;
use crate::kernel::netns::NetNs;
use crate::kernel::nft::{self, TableState};
use crate::kernel::proc;
use crate::resolve::{chain, gone};
use crate::testing::{Sabotage, sabotaged};
use rumpus_model::change::Change;
use rumpus_model::evidence::{Counts, Delayed, Filtered, Reading};
use rumpus_model::target::ContainerTarget;
use std::time::Duration;

/// Reads back a network fault: its gate, its counters, and what delays.
pub(crate) fn netns(netns: &NetNs, names: &Names, changes: &[Change], held: &mut Held) -> Outcome {
    let mut readings = Vec::new();
    for change in changes {
        let reading = match change {
            Change::Filter(_) => {
                readings.extend(held.connections.felt().map(Reading::Sockets));
                filter(netns, names)
            }
            Change::DelayLinks(_) => links(netns, names),
            Change::DelayWorker(_) => Ok(worker(held)),
            Change::KillContainer | Change::Signal(_) => continue,
        };
        match reading {
            Ok(reading) => readings.push(reading),
            Err(outcome) => return outcome,
        }
    }
    Outcome::Read(readings)
}

fn filter(netns: &NetNs, names: &Names) -> Result<Reading, Outcome> {
    let state = netns.enter(|| nft::state(&names.table));
    let state = state.map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
    let Some(state) = state else { return Err(Outcome::Vanished { what: format!("table {}", names.table) }) };
    if state.rules == 0 {
        return Err(Outcome::Vanished { what: format!("the rules of table {}", names.table) });
    }
    Ok(Reading::Filtered(filtered(&state)))
}

/// As long as one family's gate stands, the fault is in effect.
fn filtered(state: &TableState) -> Filtered {
    let counts = |c: &nft::read::Counts| Counts { egress: c.egress.packets, ingress: c.ingress.packets };
    let armed_for = state.armed.iter().filter_map(|(_, left)| *left).max().filter(|left| *left > Duration::ZERO);
    let armed_for = if sabotaged(Sabotage::VerifySaysYes) { None } else { armed_for };
    Filtered { armed_for, hit: counts(&state.hit), passed: counts(&state.passed) }
}

fn links(netns: &NetNs, names: &Names) -> Result<Reading, Outcome> {
    let read = netns.enter(|| {
        let mut sum = Delayed::default();
        for device in link::devices()? {
            if device.name != names.egress.as_str() && device.name != names.ingress.as_str() {
                continue;
            }
            if let Some(stats) = link::qdisc_stats(device.index)? {
                sum.delayed += stats.packets + u64::from(stats.backlog);
                sum.backlog += u64::from(stats.backlog);
                sum.lost += u64::from(stats.drops);
            }
        }
        Ok::<Delayed, link::LinkError>(sum)
    });
    read.map_err(|e| failed(&e))?.map(Reading::Delayed).map_err(|e| failed(&e))
}

/// A worker that has ended holds nothing; what it counted last stands.
fn worker(held: &mut Held) -> Reading {
    if let Some(worker) = &mut held.worker {
        match worker.stats() {
            Ok(stats) => held.counted = Some(stats),
            Err(_ended_or_hung) => {
                if let Some(counted) = &mut held.counted {
                    counted.backlog = 0;
                }
            }
        }
    }
    let stats = held.counted.unwrap_or_default();
    Reading::Delayed(Delayed { delayed: stats.delayed, backlog: stats.backlog, lost: stats.gone })
}

/// Looks whether a signalled process has ended.
pub(crate) fn shot(held: &mut Held) -> Outcome {
    let Some(shot) = &held.shot else { return Outcome::Failed { why: "nothing was signalled".into() } };
    match shot.pinned.wait_gone(Duration::ZERO) {
        Ok(is_gone) => Outcome::Read(vec![killed(is_gone, false, shot.began.elapsed())]),
        Err(error) => failed(&error),
    }
}

/// Sees that a container still has a process of its own.
pub(crate) fn container(target: &ContainerTarget) -> Outcome {
    let inside = target.init.iter().map(|i| i.id.pid).chain(target.processes.iter().map(|p| p.pid));
    let mut found = inside.filter_map(|pid| proc::cgroups_of(u32::try_from(pid).ok()?));
    let same = found.any(|paths| container_of(&paths).ok().flatten().is_some_and(|c| c.id == target.id));
    if same { Outcome::Ok } else { gone("none of its processes is left".into()) }
}

/// Reads back that nothing with this id is left in the namespace.
pub(crate) fn nothing_left(netns: &NetNs, names: &Names, held: &Held) -> Outcome {
    if sabotaged(Sabotage::VerifySaysYes) {
        return Outcome::Ok;
    }
    if held.worker.is_some() {
        return Outcome::Failed { why: "the delay worker is still there".into() };
    }
    let left = netns.enter(|| {
        let tables = nft::list().map_err(|e| chain(&e))?;
        let devices = link::devices().map_err(|e| chain(&e))?;
        let tables = tables.into_iter().filter(|(_, t)| *t == names.table).map(|(_, t)| format!("table {t}"));
        let ours = |l: &link::Link| l.name == names.egress.as_str() || l.name == names.ingress.as_str();
        let devices = devices.iter().filter(|l| ours(l)).map(|l| format!("device {}", l.name));
        Ok::<Vec<String>, String>(tables.chain(devices).collect())
    });
    match left {
        Ok(Ok(left)) if left.is_empty() => Outcome::Ok,
        Ok(Ok(left)) => Outcome::Failed { why: format!("still there: {}", left.join(", ")) },
        Ok(Err(why)) => Outcome::Failed { why },
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> Outcome {
    Outcome::Failed { why: chain(error) }
}
