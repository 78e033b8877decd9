//! Does what an agent does at its start, where there is no agent: takes the lock, sweeps, reads back that nothing is
//! left, and closes the journal.
//!
//! It must never say that something is restored which the kernel did not show to be gone.

use crate::standing;
use rumpus_agent::core::{Intent, Outcome, Record};
use rumpus_agent::journal::{Journal, clear_damage};
use rumpus_agent::kernel::timer::boottime;
use rumpus_agent::local::live;
use rumpus_agent::resolve::chain;
use rumpus_agent::state_dir::{StateDir, StateDirError};
use rumpus_agent::sweep::sweep;
use rumpus_model::injection::{EndCause, State};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often a held lock is tried again.
const AGAIN: Duration = Duration::from_millis(10);

/// What was put back, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    /// Kernel objects and workers that were taken away.
    pub swept: Vec<String>,
    /// Ids of faults that the journal had no end for and now has.
    pub closed: Vec<String>,
    /// What could not be taken away, or is back.
    pub left: Vec<String>,
    /// What could not be written down.
    pub unwritten: Vec<String>,
}

impl Restored {
    /// Returns whether nothing is left in the kernel.
    pub fn is_clean(&self) -> bool {
        self.left.is_empty()
    }
}

/// Takes a state directory; one that is held is tried again for `most`.
///
/// # Errors
/// It is still held, or it cannot be written.
pub fn take(path: &Path, most: Duration) -> Result<StateDir, StateDirError> {
    let end = Instant::now() + most;
    loop {
        match StateDir::open(path) {
            Err(StateDirError::Held { .. }) if Instant::now() < end => std::thread::sleep(AGAIN),
            taken => return taken,
        }
    }
}

/// Restores everything of the instance and closes the journal.
pub fn restore(dir: &StateDir) -> Restored {
    let mut restored = kernel(dir.instance());
    if restored.is_clean() {
        close(dir, &mut restored);
    }
    restored
}

/// Takes everything of an instance out of the kernel, and looks again.
pub fn kernel(instance: &str) -> Restored {
    let Ok(number) = u32::from_str_radix(instance, 16) else {
        return Restored { left: vec![format!("`{instance}` is no instance id")], ..Restored::default() };
    };
    let (mut swept, mut left) = once(number);
    // A table of two families is found twice under one name.
    swept.dedup();
    // Not by what the sweep says of itself.
    match standing::left(instance) {
        Ok(found) => left.extend(found),
        Err(why) => left.push(format!("it could not be read back: {why}")),
    }
    Restored { swept, left, ..Restored::default() }
}

/// Lets new runs begin again after the journal was damaged.
///
/// # Errors
/// The marker cannot be removed.
pub fn forgive(dir: &StateDir) -> Result<(), String> {
    clear_damage(dir).map_err(|error| chain(&error))
}

fn once(instance: u32) -> (Vec<String>, Vec<String>) {
    match sweep(instance, &BTreeSet::new()) {
        Outcome::Swept { found, failed } => (found, failed),
        Outcome::Failed { why } => (Vec::new(), vec![why]),
        Outcome::Ok
        | Outcome::Halt(_)
        | Outcome::Leave(_)
        | Outcome::Read(_)
        | Outcome::TargetGone { .. }
        | Outcome::Vanished { .. } => (Vec::new(), vec!["the sweep gave no answer".into()]),
    }
}

fn close(dir: &StateDir, restored: &mut Restored) {
    let (mut journal, recovered) = match Journal::<Record>::open(dir) {
        Ok(opened) => opened,
        Err(error) => return restored.unwritten.push(chain(&error)),
    };
    if let Some(damage) = recovered.damage {
        let place = format!("the journal was damaged at byte {}; the damaged file is kept beside it", damage.offset);
        restored.unwritten.push(place);
    }
    for intent in live(recovered.records).into_values() {
        match journal.append(&ended(&intent)) {
            Ok(()) => restored.closed.push(intent.id),
            Err(error) => restored.unwritten.push(format!("the end of {}: {}", intent.id, chain(&error))),
        }
    }
}

fn ended(intent: &Intent) -> Record {
    let state = if intent.lasts { State::Restored } else { State::Done };
    Record::Ended { id: intent.id.clone(), state, cause: EndCause::Swept, at: boottime() }
}
