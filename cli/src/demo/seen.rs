//! What the services have told so far: every request of the client, and every start of an api process.

use super::service::Role;
use super::service::line::{Line, Sample};
use rumpus_agent::kernel::timer::boottime;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An api process that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// A time of CLOCK_BOOTTIME.
    pub at: Duration,
    pub pid: u32,
    pub instead_of: Option<u32>,
}

/// Everything told, in the order in which it came.
#[derive(Debug, Default)]
pub struct Told {
    pub failed: Vec<String>,
    pub ready: Vec<Role>,
    pub samples: Vec<Sample>,
    pub started: Vec<Started>,
}

/// Shared by the threads that read the services' lines.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Told>);

impl Seen {
    /// Takes a line in.
    pub fn take(&self, role: Role, line: Line) {
        let mut told = self.told();
        match line {
            Line::Failed(why) => told.failed.push(format!("{}: {why}", role.name())),
            Line::Ready => told.ready.push(role),
            Line::Sample(sample) => told.samples.push(sample),
            Line::Started { pid, instead_of, .. } => told.started.push(Started { at: boottime(), pid, instead_of }),
        }
    }

    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
