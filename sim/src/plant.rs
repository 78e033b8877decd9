//! Faults that are put into the glue on purpose, so that it can be seen that each invariant finds what it is for.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// One planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plant {
    /// The journal calls durable what it has not written.
    NoJournal,
    /// A process that dies takes what it last wrote into its journal with it.
    NoSync,
    /// The kernel says that a gate is empty, and it stands.
    GateStands,
    /// What is taken away leaves a part, and is said to be gone.
    HalfRemoved,
    /// What is taken away takes what others put there with it.
    TakesForeign,
    /// The fault goes to another pod of the node.
    WrongPod,
    /// Contact is told without any reading.
    NoLease,
    /// An agent that has just started takes the Lease to move.
    TrustsLease,
    /// A fault is handed in with a longer duration.
    NoDeadline,
    /// A Halt is attested as soon as it is seen, and nothing is ended.
    EarlyHalt,
    /// An agent sees no Halt.
    HaltBlind,
    /// An agent hears of no end: no deletion, no cancellation.
    DeafAgent,
    /// A sweep takes nothing away, and says that it did.
    NoSweep,
    /// A sweep takes away what it was told to keep.
    SweepsAll,
    /// A status that could not be written is forgotten.
    LostReport,
    /// An agent that is asked to end does not wait until its node says what ended.
    LastWord,
    /// What a predecessor attested is not taken over.
    ForgetsEnded,
    /// A new agent knows nothing of what was begun, and sees no status.
    Amnesia,
    /// The Ledger takes everything and keeps nothing.
    NoLedger,
    /// A plan does not count what other runs hold.
    BudgetBlind,
    /// A plan keeps to no budget of pods.
    RadiusBlind,
    /// The Lease goes to whoever writes, whatever he has read.
    TwoLeaders,
    /// The Lease is not renewed.
    NoRenewal,
    /// Nothing is ever cancelled, and it is said to be.
    NoCancel,
    /// A run's status is not stored, and it is said to be.
    LostRunStatus,
    /// Changes of runs are not seen.
    DeafRuns,
    /// A dry run is taken for an armed one.
    DryRunActs,
    /// A pod is deleted by its name, whoever has it now.
    PodByName,
    /// Whoever takes over is told that nothing is there.
    EmptyRecovery,
    /// Each try to create an injection gives it another name.
    GeneratedNames,
    /// Each try to create the run of a slot gives it another name.
    GeneratedRuns,
    /// What is recorded of a group is not stored, and it is said to be.
    NoRecords,
}
