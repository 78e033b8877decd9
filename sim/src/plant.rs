//! Faults that are put into the glue on purpose, so that it can be seen that each invariant finds what it is for.

use clap::ValueEnum;

/// One planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Plant {
    /// The journal calls durable what it has not written (S8).
    NoJournal,
    /// The kernel says that a gate is empty, and it stands (S7).
    GateStands,
    /// Contact is told without any reading (S6).
    NoLease,
    /// A fault is handed in with a longer duration (S3).
    NoDeadline,
    /// A Halt is attested as soon as it is seen, and nothing is ended (S4).
    EarlyHalt,
    /// A sweep takes nothing away, and says that it did (L1 or S7).
    NoSweep,
    /// A status that could not be written is forgotten (L1).
    LostReport,
    /// A new agent knows nothing of what was begun, and sees no status (S2).
    Amnesia,
}
