//! One run's share on one node, and what the agent attests about it.

use crate::evidence::{Effective, Reading};
use crate::fault::Fault;
use crate::halt::Reach;
use crate::plan::Planned;
use crate::refusal::Refusal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What an agent is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Injection {
    /// Unique on a node: 8 hex digits on a host, the object's UID in a cluster.
    pub uid: String,
    pub policy: String,
    pub fault: Fault,
    /// Given exactly for faults that last.
    pub duration: Option<Duration>,
    pub targets: Vec<Planned>,
    /// What a Halt may name to end it.
    #[serde(default)]
    pub reach: Reach,
    /// When it must be over, in seconds since 1970 by the clock of who planned it; absent on a host.
    #[serde(default)]
    pub not_after: Option<i64>,
}

/// Where a target of an injection stands. By the agent only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    // In the order from the least finished: an injection's state is the least of its targets'.
    RestoreFailed,
    Accepted,
    InEffect,
    Ending,
    /// A one-shot fault was carried out and read back.
    Done,
    Restored,
    Lost,
    Refused,
}

impl State {
    /// Returns whether nothing will change any more. `RestoreFailed` is retried for ever.
    pub fn is_final(self) -> bool {
        match self {
            Self::Refused | Self::Restored | Self::Done | Self::Lost => true,
            Self::RestoreFailed | Self::Accepted | Self::InEffect | Self::Ending => false,
        }
    }
}

/// Why a fault ended, or is ending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndCause {
    /// Its phase says so: stopped, guarded, halted, or replaced by a revision.
    Cancelled,
    Deadline,
    /// A step failed; what had been done was undone.
    Failed {
        step: String,
        why: String,
    },
    Halted {
        id: String,
    },
    HaltUnreadable {
        why: String,
    },
    /// The agent was not heard of for longer than the lease.
    LeaseLost,
    /// One-shot: it was carried out.
    Once,
    Refused(Refusal),
    /// Ctrl-C, SIGTERM, or the end of the run.
    Stopped {
        by: String,
    },
    /// An agent found it at its start: its predecessor died.
    Swept,
    /// What asked for it is no more.
    Unwanted(Unwanted),
    /// The target is gone, or is another one now.
    TargetGone {
        what: String,
    },
    /// Somebody else took our rules away.
    Vanished {
        what: String,
    },
}

/// Why nobody wants an injection any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unwanted {
    /// There is no such object (404).
    Absent,
    /// It is being deleted.
    Deleting,
    /// It has no owner: its run is gone.
    Orphaned,
    /// Its name means another object now.
    Replaced,
}

impl fmt::Display for Unwanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "its object was deleted",
            Self::Deleting => "its object is being deleted",
            Self::Orphaned => "its object has no owner any more",
            Self::Replaced => "another object has its name now",
        })
    }
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("cancelled"),
            Self::Deadline => f.write_str("its time was over"),
            Self::Failed { step, why } => write!(f, "{step}: {why}"),
            Self::Halted { id } => write!(f, "halt {id}"),
            Self::HaltUnreadable { why } => write!(f, "the halt file cannot be read: {why}"),
            Self::LeaseLost => f.write_str("the lease ran out"),
            Self::Once => f.write_str("carried out"),
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::Stopped { by } => write!(f, "stopped by {by}"),
            Self::Swept => f.write_str("found after a crash and taken away"),
            Self::TargetGone { what } => write!(f, "the target is gone: {what}"),
            Self::Unwanted(why) => write!(f, "{why}"),
            Self::Vanished { what } => write!(f, "somebody else removed it: {what}"),
        }
    }
}

impl EndCause {
    /// Returns the cause's name, as conditions and statuses show it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Cancelled => "Cancelled",
            Self::Deadline => "Deadline",
            Self::Failed { .. } => "Failed",
            Self::Halted { .. } => "Halted",
            Self::HaltUnreadable { .. } => "HaltUnreadable",
            Self::LeaseLost => "LeaseLost",
            Self::Once => "CarriedOut",
            Self::Refused(refusal) => refusal.reason(),
            Self::Stopped { .. } => "Stopped",
            Self::Swept => "Interrupted",
            Self::TargetGone { .. } => "TargetGone",
            Self::Unwanted(Unwanted::Absent | Unwanted::Deleting) => "Deleted",
            Self::Unwanted(Unwanted::Orphaned) => "Orphaned",
            Self::Unwanted(Unwanted::Replaced) => "Replaced",
            Self::Vanished { .. } => "Vanished",
        }
    }
}

/// What an agent attests about one target. Instants are CLOCK_BOOTTIME.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// The injection's uid and the target's id.
    pub injection: String,
    pub id: String,
    pub target: String,
    pub state: State,
    pub effective: Effective,
    pub cause: Option<EndCause>,
    /// The rules were read back: in effect from here.
    pub in_effect: Option<Duration>,
    /// Nothing is in effect any more, as read back.
    pub effect_ended: Option<Duration>,
    /// Nothing of ours is left, as read back.
    pub clean: Option<Duration>,
    pub readings: Vec<Reading>,
    /// What went wrong on the way back, all of it.
    pub problems: Vec<String>,
}
