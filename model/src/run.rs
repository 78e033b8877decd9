//! One experiment carried out: where it stands, its verdict, and the exit code that says so.

use crate::evidence::Effective;
use crate::injection::{Attestation, EndCause, State};
use serde::{Deserialize, Serialize};

/// Where a run stands. By the controller only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    Pending,
    Gating,
    Injecting,
    Running,
    Ending,
    Finished,
}

/// About the hypothesis, apart from the fault's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    Aborted,
    Fail,
    Inconclusive,
    NotApplicable,
    Pass,
    Refused,
}

/// How a run ended, for people and scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    DryRun,
    /// Halted, stopped, SIGTERM, or cut short because its agent was not heard of for longer than the lease.
    Halted,
    /// Not effective, or nothing selected, or no packet came by.
    Inconclusive,
    Interrupted,
    Proven,
    Refused,
    /// Something is not back as it was.
    RestoreProblem,
}

impl Outcome {
    /// Returns the exit code; several outcomes give the worst in the order 5, 130, 6, 1, 3, 4, 0.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::DryRun | Self::Proven => 0,
            Self::Halted => 6,
            Self::Inconclusive => 4,
            Self::Interrupted => 130,
            Self::Refused => 3,
            Self::RestoreProblem => 5,
        }
    }

    /// Returns the verdict on the hypothesis that goes with it: without checks there is none to pass.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::DryRun | Self::Proven => Verdict::NotApplicable,
            Self::Halted | Self::Interrupted => Verdict::Aborted,
            Self::Inconclusive | Self::RestoreProblem => Verdict::Inconclusive,
            Self::Refused => Verdict::Refused,
        }
    }

    fn weight(self) -> u8 {
        match self {
            Self::DryRun => 0,
            Self::Proven => 1,
            Self::Inconclusive => 2,
            Self::Refused => 3,
            Self::Halted => 4,
            Self::Interrupted => 5,
            Self::RestoreProblem => 6,
        }
    }

    /// Returns the worst of several.
    pub fn worst(outcomes: impl IntoIterator<Item = Self>) -> Option<Self> {
        outcomes.into_iter().max_by_key(|o| o.weight())
    }
}

/// Judges a run from its final attestations.
pub fn outcome(attested: &[Attestation]) -> Outcome {
    Outcome::worst(attested.iter().map(one)).unwrap_or(Outcome::Inconclusive)
}

fn one(attested: &Attestation) -> Outcome {
    match (attested.state, &attested.cause) {
        (State::RestoreFailed | State::Accepted | State::InEffect | State::Ending, _) => Outcome::RestoreProblem,
        (_, Some(EndCause::Stopped { by })) if by == "Ctrl-C" => Outcome::Interrupted,
        (_, Some(EndCause::Stopped { .. } | EndCause::Cancelled | EndCause::Unwanted(_) | EndCause::LeaseLost)) => {
            Outcome::Halted
        }
        (State::Refused, _) | (_, Some(EndCause::Refused(_) | EndCause::Failed { .. })) => Outcome::Refused,
        (_, Some(EndCause::Halted { .. } | EndCause::HaltUnreadable { .. })) => Outcome::Halted,
        (State::Done | State::Restored | State::Lost, _) => match attested.effective {
            Effective::True if attested.state != State::Lost => Outcome::Proven,
            Effective::True | Effective::False | Effective::Unknown => Outcome::Inconclusive,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Verdict, outcome};
    use crate::evidence::Effective;
    use crate::injection::{Attestation, EndCause, State};

    fn attested(state: State, cause: EndCause, effective: Effective) -> Attestation {
        Attestation {
            injection: "i".into(),
            id: "t".into(),
            target: "netns a".into(),
            state,
            effective,
            cause: Some(cause),
            in_effect: None,
            effect_ended: None,
            clean: None,
            readings: Vec::new(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn each_end_has_its_exit_code() {
        let stopped = |by: &str| EndCause::Stopped { by: by.into() };
        let failed = EndCause::Failed { step: "inject".into(), why: "EPERM".into() };
        let cases = [
            (State::Restored, EndCause::Deadline, Effective::True, 0),
            (State::Done, EndCause::Once, Effective::True, 0),
            (State::Restored, failed, Effective::False, 3),
            (State::Refused, EndCause::Halted { id: "h".into() }, Effective::Unknown, 3),
            (State::Restored, EndCause::Deadline, Effective::False, 4),
            (State::Restored, EndCause::Deadline, Effective::Unknown, 4),
            (State::Lost, EndCause::Vanished { what: "table".into() }, Effective::True, 4),
            (State::RestoreFailed, EndCause::Deadline, Effective::True, 5),
            (State::Ending, EndCause::Deadline, Effective::True, 5),
            (State::Restored, EndCause::Halted { id: "h".into() }, Effective::True, 6),
            (State::Restored, EndCause::LeaseLost, Effective::True, 6),
            (State::Restored, stopped("SIGTERM"), Effective::True, 6),
            (State::Refused, stopped("SIGTERM"), Effective::Unknown, 6),
            (State::Restored, stopped("Ctrl-C"), Effective::True, 130),
        ];
        for (state, cause, effective, code) in cases {
            let found = outcome(&[attested(state, cause.clone(), effective)]).exit_code();
            assert_eq!(found, code, "{state:?} {cause} {effective:?}");
        }
    }

    #[test]
    fn the_worst_outcome_counts() {
        let order = [
            Outcome::RestoreProblem,
            Outcome::Interrupted,
            Outcome::Halted,
            Outcome::Refused,
            Outcome::Inconclusive,
            Outcome::Proven,
        ];
        for (index, worse) in order.iter().enumerate() {
            for better in &order[index..] {
                assert_eq!(Outcome::worst([*better, *worse]), Some(*worse));
            }
        }
        assert_eq!(Outcome::Refused.verdict(), Verdict::Refused);
    }
}
