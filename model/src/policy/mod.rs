//! A policy, parsed once: after this no string is parsed again and no number checked again.

use crate::fault::Fault;
use crate::pick::Pick;
use crate::select::Selector;
use std::time::Duration;

/// What may run.
#[derive(Clone, Debug)]
pub struct Policy {
    pub name: String,
    /// May be absent on a host.
    pub namespace: Option<String>,
    pub suspend: bool,
    pub mode: Mode,
    pub experiment: Experiment,
    /// Fields that are written and have no meaning on a host, or are not built: refused by name once a run is armed,
    /// never ignored.
    pub unbuilt: Vec<Unbuilt>,
}

/// Whether a schedule acts; by hand `--arm` decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    Armed,
    #[default]
    DryRun,
}

/// What is tried.
#[derive(Clone, Debug)]
pub struct Experiment {
    pub targets: Selector,
    pub pick: Pick,
    pub fault: Fault,
    /// Given exactly for faults that last; 1 s to 24 h.
    pub duration: Option<Duration>,
    /// The reason that was given for having no steady-state check.
    pub no_checks_reason: Option<String>,
}

/// A field that is understood and cannot be honoured here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbuilt {
    pub field: String,
    pub why: String,
    pub hint: String,
}
