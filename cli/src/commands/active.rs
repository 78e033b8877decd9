//! `rumpus active`: what is live in a state directory, as the journal and the kernel say it. Only looks, and works while
//! an agent holds the directory as well as after it has died.

use crate::args::Global;
use crate::commands::print;
use crate::failure::Failure;
use crate::instances::{self, Instance};
use crate::standing::{self, Standing};
use crate::{local, recorded, render};
use rumpus_agent::core::Intent;
use rumpus_agent::journal::is_damaged;
use rumpus_agent::kernel::proc::{self, ProcessFacts};
use rumpus_agent::kernel::timer::boottime;
use rumpus_agent::resolve::chain;
use rumpus_agent::state_dir::{LockState, Observer};
use rumpus_model::world::Halted;
use serde::Serialize;
use std::path::PathBuf;

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
    let recorded = match recorded::read(dir) {
        Ok(recorded) => recorded,
        Err(error) => return report.problems.push(format!("the journal cannot be read: {error}")),
    };
    if let Some(damage) = recorded.damage {
        report.problems.push(format!("the journal is damaged at byte {}; what is readable is shown", damage.offset));
    }
    let instance = report.instance.clone().unwrap_or_default();
    let processes = match proc::scan() {
        Ok(processes) => processes,
        Err(error) => return report.problems.push(chain(&error)),
    };
    report.faults = recorded.live.iter().map(|intent| fault(&instance, intent, &processes)).collect();
}

fn fault(instance: &str, intent: &Intent, processes: &[ProcessFacts]) -> Fault {
    // A deadline of another boot says nothing.
    let current = proc::boot_id().is_ok_and(|boot| boot == intent.target.boot_id());
    Fault {
        id: intent.id.clone(),
        policy: intent.policy.clone(),
        fault: intent.fault.clone(),
        engine: intent.engine.name().to_owned(),
        target: intent.target.to_string(),
        left_ms: intent.deadline.filter(|_| current).map(|at| at.saturating_sub(boottime()).as_millis()),
        kernel: standing::of(instance, intent, processes),
    }
}
