//! What the journal keeps of a fault.

use rumpus_model::engine::Engine;
use rumpus_model::evidence::Effective;
use rumpus_model::injection::{Attestation, EndCause, State};
use rumpus_model::target::Target;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A journal record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    Intent(Box<Intent>),
    Applied {
        id: String,
    },
    Ended {
        id: String,
        state: State,
        cause: EndCause,
        at: Duration,
    },
    /// An injection that was begun and has been reported: not to be begun again. `until` is in seconds since 1970, by
    /// the planner's clock.
    Kept {
        injection: String,
        until: i64,
    },
}

/// What is about to be done, recorded before the first Change. Only what is needed to know it again: a fault may name
/// ten thousand addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Intent {
    pub injection: String,
    pub policy: String,
    /// The target's id: part of every kernel object's name.
    pub id: String,
    pub fault: String,
    /// Whether the fault is in effect for a time.
    pub lasts: bool,
    pub engine: Engine,
    pub target: Target,
    pub expected: String,
    /// CLOCK_BOOTTIME, as `at`.
    pub deadline: Option<Duration>,
    pub at: Duration,
    /// As the injection's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<i64>,
}

impl Intent {
    /// What is attested once a sweep has taken away what a predecessor left.
    pub(crate) fn swept(self, now: Duration) -> Attestation {
        Attestation {
            injection: self.injection,
            id: self.id,
            target: self.target.to_string(),
            state: if self.lasts { State::Restored } else { State::Done },
            effective: Effective::Unknown,
            cause: Some(EndCause::Swept),
            in_effect: None,
            effect_ended: Some(now),
            clean: Some(now),
            readings: Vec::new(),
            problems: Vec::new(),
        }
    }
}
