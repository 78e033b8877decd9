//! Why a demo ends before its end.

use crate::failure::Failure;
use crate::signals::Asked;
use rumpus_model::run::Outcome;
use std::sync::{Arc, OnceLock};

/// Why it ends early.
#[derive(Debug)]
pub enum Stop {
    Asked(Asked),
    Failed(Failure),
    /// A Halt stands in the demo's state directory.
    Halted,
    /// A fault was not proven, refused or not restored: the rest would show nothing.
    Unproven(Outcome),
}

impl Stop {
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Asked(Asked::Interrupt) => Outcome::Interrupted,
            Self::Asked(Asked::Terminate) | Self::Halted => Outcome::Halted,
            Self::Failed(Failure::Restore { .. }) => Outcome::RestoreProblem,
            Self::Failed(Failure::Usage { .. } | Failure::Problems { .. } | Failure::Refused { .. }) => {
                Outcome::Refused
            }
            Self::Unproven(outcome) => *outcome,
        }
    }
}

/// The first signal that came, kept for whoever looks.
#[derive(Clone, Debug, Default)]
pub struct Asking(Arc<OnceLock<Asked>>);

impl Asking {
    pub fn note(&self, asked: Asked) {
        // A second signal changes nothing: everything is being restored already.
        self.0.get_or_init(|| asked);
    }

    /// Sees whether the demo may go on.
    ///
    /// # Errors
    /// Somebody wants it to end.
    pub fn check(&self) -> Result<(), Stop> {
        self.0.get().map_or(Ok(()), |asked| Err(Stop::Asked(*asked)))
    }
}
