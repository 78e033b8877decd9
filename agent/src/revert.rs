//! The way back: empty the gate first, let what is held go, then take our objects away. What is already gone is no
//! error; nothing that is not ours is touched.

use crate::apply::{families, killed};
use crate::core::{Act, Outcome};
use crate::hands::{Held, Names};
use crate::kernel::kill::KILL_WAIT;
use crate::kernel::link::{self, IfbName};
use crate::kernel::netns::NetNs;
use crate::kernel::nft::{self, NftError};
use crate::resolve::chain;
use crate::testing::{Sabotage, sabotaged};
use nix::errno::Errno;
use rumpus_model::change::Change;
use std::time::Duration;

/// How long a killed worker may take to be gone.
const WORKER_GONE: Duration = Duration::from_secs(2);

/// Empties the gate: from here on no further packet is hit.
pub(crate) fn disarm(netns: &NetNs, names: &Names, changes: &[Change]) -> Outcome {
    if sabotaged(Sabotage::NoRestore) || sabotaged(Sabotage::VerifySaysYes) {
        return Outcome::Ok;
    }
    let families = families(changes);
    match netns.enter(|| nft::disarm(&names.table, &families)) {
        Ok(Ok(())) => Outcome::Ok,
        Ok(Err(NftError::Gone { .. })) => Outcome::Vanished { what: format!("table {}", names.table) },
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

/// Asks the worker to let what it holds go, each packet in its time. The links do so by themselves.
pub(crate) fn drain(held: &mut Held) -> Outcome {
    if let Some(worker) = &mut held.worker
        && worker.drain().is_err()
    {
        // It has ended or hangs: it is killed when it is removed.
        held.counted = held.counted.map(|c| crate::worker::status::Stats { backlog: 0, ..c });
    }
    Outcome::Ok
}

/// Takes away what one step made.
pub(crate) fn remove(netns: &NetNs, names: &Names, change: &Change, held: &mut Held) -> Outcome {
    if sabotaged(Sabotage::NoRestore) {
        return Outcome::Ok;
    }
    match change {
        Change::DelayWorker(_) => worker(held),
        Change::Filter(filter) => {
            if sabotaged(Sabotage::ForeignFlushed) {
                drop(netns.enter(nft::table::flush_everything));
            }
            match netns.enter(|| nft::delete(&names.table, nft::families(filter.hook))) {
                Ok(Ok(()) | Err(NftError::Gone { .. })) => Outcome::Ok,
                Ok(Err(error)) => failed(&error),
                Err(error) => failed(&error),
            }
        }
        Change::DelayLinks(_) => {
            let delete = |name: &IfbName| match link::delete(name) {
                Err(error) if error.errno() != Some(Errno::ENODEV) => Err(chain(&error)),
                Ok(()) | Err(_) => Ok(()),
            };
            let both = netns.enter(|| [delete(&names.egress), delete(&names.ingress)]);
            match both {
                Err(error) => failed(&error),
                Ok(both) => {
                    let problems: Vec<String> = both.into_iter().filter_map(Result::err).collect();
                    if problems.is_empty() { Outcome::Ok } else { Outcome::Failed { why: problems.join("; ") } }
                }
            }
        }
        Change::KillContainer | Change::Signal(_) => Outcome::Ok,
    }
}

/// What to do where the namespace cannot be reached: a worker must not keep a dead one alive.
pub(crate) fn without_netns(act: &Act, held: &mut Held, why: Outcome) -> Outcome {
    match act {
        Act::Remove { change: Change::DelayWorker(_) } => {
            let killed = worker(held);
            if killed == Outcome::Ok { why } else { killed }
        }
        Act::Resolve
        | Act::Apply { .. }
        | Act::Check
        | Act::Renew { .. }
        | Act::Escalate
        | Act::Disarm
        | Act::Drain
        | Act::Remove { .. }
        | Act::Confirm => why,
    }
}

/// SIGKILL to a process that outlived its grace.
pub(crate) fn escalate(held: &mut Held) -> Outcome {
    let Some(shot) = &held.shot else { return Outcome::Failed { why: "nothing was signalled".into() } };
    let sent = shot.pinned.signal(rustix::process::Signal::KILL);
    match shot.pinned.wait_gone(if sent.is_ok() { KILL_WAIT } else { Duration::ZERO }) {
        Ok(gone) => Outcome::Read(vec![killed(gone, true, shot.began.elapsed())]),
        Err(error) => failed(&error),
    }
}

fn worker(held: &mut Held) -> Outcome {
    let Some(worker) = &mut held.worker else { return Outcome::Ok };
    if let Ok(stats) = worker.stats() {
        held.counted = Some(stats);
    }
    if let Err(error) = worker.kill() {
        return failed(&error);
    }
    match worker.wait_gone(WORKER_GONE) {
        Ok(Some(_)) => {
            held.worker = None;
            Outcome::Ok
        }
        Ok(None) => Outcome::Failed { why: "the delay worker was killed and is still there".into() },
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> Outcome {
    Outcome::Failed { why: chain(error) }
}
