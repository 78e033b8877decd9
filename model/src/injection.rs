//! One run's share on one node, and what the agent attests about it.

use crate::evidence::{Effective, Reading};
use crate::fault::Fault;
use crate::plan::Planned;
use crate::refusal::Refusal;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What an agent is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Injection {
    /// 8 hex digits, unique on a node.
    pub uid: String,
    pub policy: String,
    pub fault: Fault,
    /// Given exactly for faults that last.
    pub duration: Option<Duration>,
    pub targets: Vec<Planned>,
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
    /// The target is gone, or is another one now.
    TargetGone {
        what: String,
    },
    /// Somebody else took our rules away.
    Vanished {
        what: String,
    },
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
            Self::Vanished { what } => write!(f, "somebody else removed it: {what}"),
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
