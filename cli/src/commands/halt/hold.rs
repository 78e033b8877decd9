//! Ends what an agent holds: by its own attestation, or without it.

use super::{Report, took};
use crate::progress::Progress;
use crate::{recorded, render, standing, takeover};
use rumpus_agent::kernel::pidfd::{PidfdError, Pinned};
use rumpus_agent::kernel::timer::boottime;
use rumpus_agent::local::HaltAttestation;
use rumpus_agent::resolve::chain;
use rumpus_agent::state_dir::{
    HaltState, Holder, LockState, Observer, StateDirError, read_attestation, read_halt, write_attestation,
};
use rumpus_model::engine::Engine;
use rustix::process::Signal;
use std::time::Duration;

/// How long an agent may take to say that nothing is in effect any more.
const ENDED_WITHIN: Duration = Duration::from_secs(1);
/// How long it may take to say that nothing is left.
const CLEAN_WITHIN: Duration = Duration::from_secs(5);
/// The same where it may have to let go of delayed packets: delay and jitter are 10 s together, and a drain lasts for the
/// delay and four times the jitter.
const DRAINED_WITHIN: Duration = Duration::from_secs(42);
/// How long a killed agent may take to be gone, and its lock to be free.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// How often an attestation is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often the wait for a drain is told.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What came of waiting.
enum Waited {
    Clean,
    /// The agent has ended.
    Free,
    Silent(String),
}

/// Ends what a holder holds.
pub(super) fn end(
    dir: &Observer,
    holder: Option<Holder>,
    began: Duration,
    report: &mut Report,
    progress: &mut Progress,
) {
    report.holder = holder.as_ref().map(|h| h.pid);
    let waited = match report.unwritten.is_empty() {
        true => wait(dir, holder.as_ref(), began, report, progress),
        false => Waited::Silent("it cannot hear of a halt that could not be written".into()),
    };
    match waited {
        Waited::Clean => look(dir, report),
        Waited::Free => take_over(dir, began, report),
        Waited::Silent(why) => {
            match kill(holder.as_ref()) {
                Ok(true) => report.killed = Some(why),
                Ok(false) => report.notes.push("the agent ended by itself meanwhile".into()),
                Err(failed) => report.notes.push(failed),
            }
            if let Some(text) = render::halt::killed(report) {
                progress.say(&text);
            }
            take_over(dir, began, report);
        }
    }
}

fn wait(
    dir: &Observer,
    holder: Option<&Holder>,
    began: Duration,
    report: &mut Report,
    progress: &mut Progress,
) -> Waited {
    let mut told = began;
    let clean_within = if drains(dir) { DRAINED_WITHIN } else { CLEAN_WITHIN };
    loop {
        let said = said(dir, holder, report);
        if let (None, Some(ended)) = (report.effect_ended_ms, said.as_ref().and_then(|s| s.effect_ended)) {
            report.effect_ended_ms = Some(took(began, ended));
            progress.say(&render::halt::effect_ended(report));
        }
        if let Some(clean) = said.and_then(|s| s.clean) {
            report.clean_ms = Some(took(began, clean));
            return Waited::Clean;
        }
        if matches!(dir.holder(), Ok(LockState::Free)) {
            return Waited::Free;
        }
        let now = boottime();
        let waited = now.saturating_sub(began);
        if report.effect_ended_ms.is_none() && waited >= ENDED_WITHIN {
            return Waited::Silent(format!("it attested nothing within {} s", ENDED_WITHIN.as_secs()));
        }
        if waited >= clean_within {
            return Waited::Silent(format!("it was not clean within {} s", clean_within.as_secs()));
        }
        if now.saturating_sub(told) >= TELL_EVERY {
            told = now;
            progress.say("waits until the agent is clean: delayed packets are let go each in its time");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Returns whether the end of a fault may have to wait for packets that it holds; where it cannot be known, it may.
fn drains(dir: &Observer) -> bool {
    recorded::read(dir).map_or(true, |recorded| recorded.live.iter().any(|intent| intent.engine != Engine::Nft))
}

/// Returns what the holder itself has attested under the Halt that stands: a second `halt` at the same time may have
/// put its own in place of ours.
fn said(dir: &Observer, holder: Option<&Holder>, report: &mut Report) -> Option<HaltAttestation> {
    if let HaltState::Halted(stands) = read_halt(dir) {
        report.halt = stands;
    }
    // What cannot be read is being written, or never will be: the time limit decides.
    let said: HaltAttestation = read_attestation(dir, &report.halt.id).ok().flatten()?;
    // What an earlier agent said is nothing that this one has done.
    holder.is_none_or(|h| h.pid == said.pid).then_some(said)
}

/// Kills the agent that wrote itself into the lock file. Returns false where it had ended already.
fn kill(holder: Option<&Holder>) -> Result<bool, String> {
    let Some(holder) = holder else { return Err("the agent that holds the directory has not written its pid".into()) };
    let failed = |error: &PidfdError| format!("process {} could not be killed: {}", holder.pid, chain(error));
    let pinned = match Pinned::open(&holder.identity()) {
        Ok(pinned) => pinned,
        Err(PidfdError::Gone { .. }) => return Ok(false),
        Err(error) => return Err(failed(&error)),
    };
    pinned.signal(Signal::KILL).map_err(|e| failed(&e))?;
    match pinned.wait_gone(GONE_WITHIN).map_err(|e| failed(&e))? {
        true => Ok(true),
        false => Err(format!("process {} was killed and is still there", holder.pid)),
    }
}

/// Restores without an agent; where the lock cannot be had, without the lock.
pub(super) fn take_over(dir: &Observer, began: Duration, report: &mut Report) {
    let restored = match takeover::take(dir.path(), GONE_WITHIN) {
        Ok(taken) => {
            let restored = takeover::restore(&taken);
            report.notes.extend(restored.unwritten.iter().map(|what| format!("not written down: {what}")));
            restored
        }
        Err(error) => {
            let mut restored = unlocked(dir);
            match error {
                // Its holder may put back what was swept.
                StateDirError::Held { .. } => restored.left.push(chain(&error)),
                StateDirError::NotADirectory { .. }
                | StateDirError::ForeignOwner { .. }
                | StateDirError::Instance { .. }
                | StateDirError::HaltId { .. }
                | StateDirError::Own(_)
                | StateDirError::File { .. } => report.notes.push(format!("without the lock: {}", chain(&error))),
            }
            restored
        }
    };
    report.swept.extend(restored.swept);
    report.left.extend(restored.left);
    if report.left.is_empty() {
        attest(dir, began, report);
    }
}

/// Sweeps without the lock: on a disk that cannot be written there is none to be had, for anybody.
fn unlocked(dir: &Observer) -> takeover::Restored {
    match dir.instance() {
        Ok(Some(instance)) => takeover::kernel(&instance),
        Ok(None) => takeover::Restored::default(),
        Err(error) => takeover::Restored { left: vec![chain(&error)], ..takeover::Restored::default() },
    }
}

fn attest(dir: &Observer, began: Duration, report: &mut Report) {
    let now = boottime();
    report.effect_ended_ms.get_or_insert(took(began, now));
    report.clean_ms = Some(took(began, now));
    let said = HaltAttestation { pid: std::process::id(), effect_ended: Some(now), clean: Some(now) };
    if let Err(error) = write_attestation(dir, &report.halt.id, &said) {
        report.unwritten.push(format!("the attestation: {}", chain(&error)));
    }
}

/// Reads the kernel back after a living agent has said that nothing is left.
fn look(dir: &Observer, report: &mut Report) {
    match dir.instance().map_err(|e| chain(&e)).and_then(|id| standing::left(&id.unwrap_or_default())) {
        Ok(left) => report.left.extend(left),
        Err(why) => report.left.push(format!("it could not be read back: {why}")),
    }
}
