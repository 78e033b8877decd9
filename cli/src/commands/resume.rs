//! `rumpus resume`: lifts the Halt, and nothing else. Nothing restarts by itself.

use crate::args::{Global, Resume as Args};
use crate::cluster;
use crate::commands::print;
use crate::failure::Failure;
use crate::{local, render, standing};
use rumpus_agent::resolve::chain;
use rumpus_agent::state_dir::{Halt, HaltState, LockState, Observer, read_halt, remove_attestation, remove_halt};
use serde::Serialize;
use std::path::PathBuf;

/// What was lifted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub state_dir: PathBuf,
    pub lifted: bool,
    /// The Halt that stood; none where it could not be read.
    pub halt: Option<Halt>,
    /// What the reader should know before starting anything.
    pub warnings: Vec<String>,
}

/// Lifts the Halt.
///
/// # Errors
/// No root, no state directory, or the Halt cannot be removed: it then stands.
pub fn run(global: &Global, args: &Args) -> Result<u8, Failure> {
    if args.name.is_some() || args.all || args.force {
        return Err(cluster::only("which halt", "a host has one halt at most: `rumpus resume` lifts it"));
    }
    local::root()?;
    let path = &global.state_dir;
    let hint = "make the state directory writable, or name another with --state-dir";
    let failed = |why: String| Failure::refused(format!("the halt was not lifted: {why}"), hint);
    let mut report = Report { state_dir: path.clone(), lifted: false, halt: None, warnings: Vec::new() };
    if let Some(dir) = Observer::open(path).map_err(|e| failed(chain(&e)))? {
        match read_halt(&dir) {
            // On a disk that cannot be written even this much would fail: there is nothing to remove.
            HaltState::None => return none(global, &dir, report),
            HaltState::Halted(halt) => report.halt = Some(halt),
            HaltState::Unreadable(why) => report.warnings.push(format!("what it said could not be read: {why}")),
        }
        report.lifted = remove_halt(&dir).map_err(|e| failed(chain(&e)))?;
        if let Some(halt) = &report.halt {
            // A leftover of it says nothing about the next one, which has another id.
            drop(remove_attestation(&dir, &halt.id));
        }
        warn(&dir, &mut report);
    }
    print(global, &report, || render::resume::page(&report))?;
    Ok(0)
}

fn none(global: &Global, dir: &Observer, mut report: Report) -> Result<u8, Failure> {
    warn(dir, &mut report);
    print(global, &report, || render::resume::page(&report))?;
    Ok(0)
}

/// Says what is still there of a directory that nobody holds: the next run takes it away before it begins.
fn warn(dir: &Observer, report: &mut Report) {
    if !matches!(dir.holder(), Ok(LockState::Free)) {
        return;
    }
    let left = match dir.instance() {
        Ok(None) => Ok(Vec::new()),
        Ok(Some(instance)) => standing::left(&instance),
        Err(error) => Err(chain(&error)),
    };
    match left {
        Ok(left) => report.warnings.extend(left.into_iter().map(|what| format!("left by an agent that died: {what}"))),
        Err(why) => report.warnings.push(format!("what is left could not be seen: {why}")),
    }
}
