//! How a run in a cluster is judged, from what its agents attest about each target.

use crate::run::{self, Outcome};
use crate::wire::{InjectionState, RunState, TargetStatus, Truth, Verdict};

/// Returns how far a share is, as a run's state; `None` until its agent was heard of.
pub fn progress(state: Option<InjectionState>) -> RunState {
    match state {
        None | Some(InjectionState::Accepted) => RunState::Injecting,
        Some(InjectionState::InEffect) => RunState::Running,
        Some(InjectionState::Ending | InjectionState::RestoreFailed) => RunState::Ending,
        Some(InjectionState::Refused | InjectionState::Restored | InjectionState::Done | InjectionState::Lost) => {
            RunState::Finished
        }
    }
}

/// Reasons, as agents attest them, of a target whose fault was cut short: a Halt, or its agent died, was replaced, or lost
/// the right to go on.
const CUT_SHORT: [&str; 8] =
    ["Deleted", "HaltUnreadable", "Halted", "Interrupted", "LeaseLost", "Orphaned", "Replaced", "Stopped"];

/// Returns how one target ended, by the rules of a run on a host; `reason` is the agent's word for why.
pub fn outcome(state: Option<InjectionState>, effective: Truth, reason: Option<&str>) -> Outcome {
    let cut_short = reason.is_some_and(|reason| CUT_SHORT.contains(&reason));
    match state {
        Some(InjectionState::Restored | InjectionState::Done) if cut_short => Outcome::Halted,
        None
        | Some(
            InjectionState::Accepted
            | InjectionState::InEffect
            | InjectionState::Ending
            | InjectionState::RestoreFailed,
        ) => Outcome::RestoreProblem,
        Some(InjectionState::Refused) => Outcome::Refused,
        Some(InjectionState::Lost) => Outcome::Inconclusive,
        Some(InjectionState::Restored | InjectionState::Done) => match effective {
            Truth::True => Outcome::Proven,
            Truth::False | Truth::Unknown => Outcome::Inconclusive,
        },
    }
}

/// Returns the agent's word for why a fault ended, and the same in words, unless that is because its time was over.
pub fn ended_early(target: &TargetStatus) -> Option<(&str, &str)> {
    let reason = target.reason.as_deref().filter(|reason| *reason != "Deadline")?;
    Some((reason, target.message.as_deref().unwrap_or(reason)))
}

/// Returns whether all of it had an effect: False if any target is known to have felt nothing, True if any felt it and
/// none is known not to have, Unknown else.
pub fn effective(targets: impl IntoIterator<Item = Truth>) -> Truth {
    let all: Vec<Truth> = targets.into_iter().collect();
    if all.contains(&Truth::False) {
        Truth::False
    } else if all.contains(&Truth::True) {
        Truth::True
    } else {
        Truth::Unknown
    }
}

/// Returns the verdict as a run's status holds it.
pub fn verdict(verdict: run::Verdict) -> Verdict {
    match verdict {
        run::Verdict::Aborted => Verdict::Aborted,
        run::Verdict::Fail => Verdict::Fail,
        run::Verdict::Inconclusive => Verdict::Inconclusive,
        run::Verdict::NotApplicable => Verdict::NotApplicable,
        run::Verdict::Pass => Verdict::Pass,
        run::Verdict::Refused => Verdict::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::{effective, ended_early, outcome, progress, verdict};
    use crate::wire::{InjectionState, RunState, TargetStatus, Truth, Verdict};

    #[test]
    fn a_run_moves_with_the_least_of_its_shares() {
        use InjectionState::{Accepted, Done, Ending, InEffect, Restored};
        let cases = [
            (vec![None, None], RunState::Injecting),
            (vec![Some(InEffect), Some(Accepted)], RunState::Injecting),
            (vec![Some(InEffect), Some(InEffect)], RunState::Running),
            (vec![Some(Restored), Some(Done)], RunState::Finished),
            (vec![Some(Ending), Some(Restored)], RunState::Ending),
        ];
        for (states, expected) in cases {
            assert_eq!(states.iter().map(|s| progress(*s)).min(), Some(expected), "{states:?}");
        }
    }

    #[test]
    fn verdicts_follow_the_rules_of_a_host() {
        use InjectionState::{InEffect, Lost, Refused, RestoreFailed, Restored};
        let cases = [
            (Restored, Truth::True, Verdict::NotApplicable),
            (Restored, Truth::False, Verdict::Inconclusive),
            (Restored, Truth::Unknown, Verdict::Inconclusive),
            (Refused, Truth::Unknown, Verdict::Refused),
            (Lost, Truth::True, Verdict::Inconclusive),
            (RestoreFailed, Truth::True, Verdict::Inconclusive),
            (InEffect, Truth::True, Verdict::Inconclusive),
        ];
        for (state, effective, expected) in cases {
            let judged = verdict(outcome(Some(state), effective, Some("Deadline")).verdict());
            assert_eq!(judged, expected, "{state:?} {effective:?}");
        }
    }

    #[test]
    fn what_was_cut_short_did_not_end_because_its_time_was_over() {
        let judged = |reason| verdict(outcome(Some(InjectionState::Restored), Truth::True, Some(reason)).verdict());
        assert_eq!(judged("LeaseLost"), Verdict::Aborted);
        assert_eq!(judged("Halted"), Verdict::Aborted);
        assert_eq!(judged("Deadline"), Verdict::NotApplicable);
        let target = |reason: &str, message: &str| TargetStatus {
            reason: Some(reason.into()),
            message: Some(message.into()),
            ..TargetStatus::default()
        };
        assert_eq!(ended_early(&target("Deadline", "its time was over")), None);
        assert_eq!(ended_early(&target("LeaseLost", "the lease ran out")), Some(("LeaseLost", "the lease ran out")));
    }

    #[test]
    fn one_target_that_felt_nothing_is_not_outvoted() {
        assert_eq!(effective([Truth::True, Truth::False, Truth::True]), Truth::False);
        assert_eq!(effective([Truth::True, Truth::Unknown]), Truth::True);
        assert_eq!(effective([Truth::Unknown]), Truth::Unknown);
        assert_eq!(effective([]), Truth::Unknown);
    }
}
