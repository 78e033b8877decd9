//! The labs of a run. The supervisor removes them, whether or not a section did.

use std::fs;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::kernel::case::Settings;
use crate::kernel::lab::{Lab, sweep as sweep_lab};
use crate::kernel::matrix::Kernel;

/// The most labs of a run.
const LABS: usize = 64;

/// Where labs are made.
#[derive(Debug)]
pub(super) struct Site {
    id: String,
}

impl Site {
    pub(super) fn new(id: &str) -> Self {
        Self { id: id.to_owned() }
    }

    /// Makes lab `number`, anew if it is there. Agents keep the default lease.
    pub(super) fn lab(&self, number: usize) -> Result<Lab> {
        let name = name(&self.id, number);
        sweep_lab(&name)?;
        let lease = Duration::from_secs(15);
        Lab::new(&name, Settings { kernel: Kernel::Host, lease, seed: 1, soak: false, sabotage: None })
    }

    /// Removes lab `number`; what is done with it has to be over.
    pub(super) fn remove(&self, lab: Lab, number: usize) -> Result<()> {
        drop(lab);
        sweep_lab(&name(&self.id, number))
    }
}

/// Removes all labs of a run.
pub(super) fn sweep(id: &str) -> Result<()> {
    let failed: Vec<String> =
        (0..LABS).filter_map(|number| sweep_lab(&name(id, number)).err()).map(|error| format!("{error:#}")).collect();
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("; ")) }
}

/// Reads a number of kB from a process's status, as `VmRSS`; `None` if it is gone or does not say.
pub(super) fn status_kb(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

fn name(id: &str, number: usize) -> String {
    format!("{id}-{number}")
}
