//! What an agent does with its journal when it starts.

use super::counted_part;
use anyhow::{Result, ensure};
use rumpus_agent::cluster::diary::Entries;
use rumpus_agent::core::{Intent, Record};
use rumpus_agent::journal::{CAPACITY, encode, recover};
use rumpus_model::engine::Engine;
use rumpus_model::injection::{EndCause, State};
use rumpus_model::target::{NetNsId, NetNsTarget, ProcessId, ProcessLabel, Target, Via};
use std::time::Duration;

/// The last so many faults have no end.
const LIVE: usize = 100;

/// Reads a journal that is full of frames, and what it comes to.
pub(super) fn recovery() -> Result<()> {
    let (bytes, faults) = full()?;
    let (entries, torn, damage) = counted_part(|| {
        let found = recover::<Record>(&bytes);
        (Entries::of(found.records), found.torn_tail, found.damage)
    });
    ensure!(!torn && damage.is_none(), "it is whole, and was read as torn or damaged: {damage:?}");
    ensure!(faults > LIVE && entries.live().len() == LIVE, "{} of {faults} live", entries.live().len());
    Ok(())
}

/// Returns a journal's bytes, and how many faults it tells of.
fn full() -> Result<(Vec<u8>, usize)> {
    let mut faults = Vec::new();
    let mut size = 0;
    while size < CAPACITY {
        let fault = frames(faults.len(), true)?;
        size += fault.len();
        faults.push(fault);
    }
    // The last one had no room.
    drop(faults.pop());
    let count = faults.len();
    for n in count.saturating_sub(LIVE)..count {
        if let Some(last) = faults.get_mut(n) {
            *last = frames(n, false)?;
        }
    }
    let mut bytes = faults.concat();
    bytes.resize(CAPACITY, 0);
    Ok((bytes, count))
}

/// Returns the frames of one fault.
fn frames(n: usize, ended: bool) -> Result<Vec<u8>> {
    let id = format!("{n:08x}");
    let mut frames = encode(&Record::Intent(Box::new(intent(n, &id))))?;
    frames.extend(encode(&Record::Applied { id: id.clone() })?);
    if ended {
        let at = Duration::from_millis(1_234_567);
        frames.extend(encode(&Record::Ended { id, state: State::Restored, cause: EndCause::Deadline, at })?);
    }
    Ok(frames)
}

fn intent(n: usize, id: &str) -> Intent {
    let pid = i32::try_from(1_000 + n).unwrap_or(i32::MAX);
    let inode = 4_026_531_840 + u64::try_from(n).unwrap_or(0);
    Intent {
        injection: format!("00000000-0000-4000-8000-{:012}", n / 10),
        policy: "latency-to-service".into(),
        id: id.into(),
        fault: "partition".into(),
        lasts: true,
        engine: Engine::Nft,
        target: Target::NetNs(NetNsTarget {
            id: NetNsId { dev: 4, ino: inode, cookie: Some(inode) },
            via: Via::Process(ProcessId { pid, start: 123_456 }),
            boot_id: "9d6ad7a6-5b0e-4d37-9a0e-0f6d2d2b7a51".into(),
            host: false,
            processes: vec![ProcessLabel { pid, comm: "nginx".into() }],
        }),
        expected: "no packet between it and its peers".into(),
        deadline: Some(Duration::from_millis(1_534_567)),
        at: Duration::from_millis(1_234_567),
        not_after: Some(1_700_000_000),
    }
}
