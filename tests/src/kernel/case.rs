//! One case: a behaviour, the cell of the matrix that it belongs to, and the function that tries it.

use std::time::Duration;

use anyhow::Result;

use super::lab::Lab;
use super::matrix::{Engine, Fault, Kernel};

/// A behaviour that a kernel has to show.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The behaviour, as a sentence in snake_case; unique within its cell.
    pub name: &'static str,
    /// What is done to the target.
    pub fault: Fault,
    /// How it is done.
    pub engine: Engine,
    /// The kernels that can show it.
    pub kernels: &'static [Kernel],
    /// Tries it; an error is a failure, and so are a panic, a signal, and a lab that cannot be removed.
    pub run: fn(&Lab) -> Result<()>,
}

impl Case {
    /// Returns the name by which the command line and the report know the case.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}: {}", self.fault, self.engine, self.name)
    }
}

/// What a run asks of every case.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The kernel that the cases run on.
    pub kernel: Kernel,
    /// The lease that agents under test are given.
    pub lease: Duration,
    /// Seed of everything random in the cases.
    pub seed: u64,
    /// Whether cases repeat themselves many times.
    pub soak: bool,
    /// A defect that the code under test is to be given, by name; the run is expected to fail.
    pub sabotage: Option<String>,
}
