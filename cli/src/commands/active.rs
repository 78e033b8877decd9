//! `rumpus active`: what is live in a state directory, as the journal and the kernel say it. Only looks, and works while
//! an agent holds the directory as well as after it has died.

use crate::args::Global;
use crate::commands::print;
use crate::failure::Failure;
use crate::instances::{self, Instance};
use crate::standing::{self, Standing};
use crate::{local, render};
use rumpus_agent::core::{Intent, Record};
use rumpus_agent::journal::{FILE, is_damaged, recover};
use rumpus_agent::kernel::proc;
use rumpus_agent::kernel::timer::boottime;
use rumpus_agent::local::live;
use rumpus_agent::resolve::chain;
use rumpus_agent::state_dir::{LockState, Observer};
use rumpus_model::world::Halted;
use rustix::fs::{Mode, OFlags, openat};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// Most bytes read of a journal: it is made with 1 MiB and grows only where that much is live.
const READ_CAP: u64 = 64 * 1024 * 1024;

/// What is live.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub state_dir: PathBuf,
    pub instance: Option<String>,
    /// Whether an agent holds it, and its pid where it has written it down.
    pub held: bool,
    pub holder: Option<u32>,
    pub halted: Halted,
    pub faults: Vec<Fault>,
    /// What could not be read, and what the reader should know.
    pub problems: Vec<String>,
    /// Agents with other state directories.
    pub others: Vec<Instance>,
}

/// A fault that has no end in the journal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    pub id: String,
    pub policy: String,
    pub fault: String,
    pub engine: String,
    pub target: String,
    /// Until its deadline; none where it has none.
    pub left_ms: Option<u128>,
    pub kernel: Standing,
}

/// Shows what is live.
///
/// # Errors
/// No root, or the state directory cannot be looked into.
pub fn run(global: &Global) -> Result<u8, Failure> {
    local::root()?;
    let hint = "name the agent's own directory with --state-dir";
    let opened = Observer::open(&global.state_dir).map_err(|e| Failure::refused(chain(&e), hint))?;
    let mut report = Report {
        state_dir: global.state_dir.clone(),
        instance: None,
        held: false,
        holder: None,
        halted: Halted::No,
        faults: Vec::new(),
        problems: Vec::new(),
        others: instances::others(&global.state_dir),
    };
    if let Some(dir) = opened {
        look(&dir, &mut report);
    }
    print(global, &report, || render::active::page(&report))?;
    Ok(0)
}

fn look(dir: &Observer, report: &mut Report) {
    report.halted = rumpus_agent::local::halted(dir);
    match dir.holder() {
        Ok(LockState::Free) => {}
        Ok(LockState::Held(holder)) => (report.held, report.holder) = (true, holder.map(|h| h.pid)),
        Err(error) => report.problems.push(chain(&error)),
    }
    match dir.instance() {
        Ok(instance) => report.instance = instance,
        Err(error) => report.problems.push(chain(&error)),
    }
    if matches!(is_damaged(dir), Ok(true)) {
        report.problems.push("the journal was damaged: new runs are refused until `rumpus residue --clean`".into());
    }
    let bytes = match journal(dir) {
        Ok(bytes) => bytes,
        Err(error) => return report.problems.push(format!("the journal cannot be read: {error}")),
    };
    let recovered = recover::<Record>(&bytes);
    if let Some(damage) = recovered.damage {
        report.problems.push(format!("the journal is damaged at byte {}; what is readable is shown", damage.offset));
    }
    let instance = report.instance.clone().unwrap_or_default();
    report.faults = live(recovered.records).into_values().map(|intent| fault(&instance, &intent)).collect();
}

/// Reads the journal as it is on disk, without opening it for writing.
fn journal(dir: &Observer) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(dir, FILE, flags, Mode::empty()) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT) => return Ok(Vec::new()),
        Err(errno) => return Err(errno.into()),
    };
    let mut bytes = Vec::new();
    File::from(file).take(READ_CAP).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn fault(instance: &str, intent: &Intent) -> Fault {
    // A deadline of another boot says nothing.
    let current = proc::boot_id().is_ok_and(|boot| boot == intent.target.boot_id());
    Fault {
        id: intent.id.clone(),
        policy: intent.policy.clone(),
        fault: intent.fault.clone(),
        engine: intent.engine.name().to_owned(),
        target: intent.target.to_string(),
        left_ms: intent.deadline.filter(|_| current).map(|at| at.saturating_sub(boottime()).as_millis()),
        kernel: standing::of(instance, intent),
    }
}
