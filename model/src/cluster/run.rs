//! Where a run in a cluster stands, from what its agents attest and from what the controller carried out itself.
//!
//! Nothing is said to be over that nobody attested: a share whose node is silent makes the run Unconfirmed, with the
//! node's name, and never Confirmed by the passing of time.

use crate::run::Outcome;
use crate::wire::{Confirmation, InjectionState, RunState, Truth, Verdict};

/// One share as the controller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub node: String,
    /// By the agent; `None` until it was heard of.
    pub state: Option<InjectionState>,
    pub effective: Truth,
    /// The agent, or ChaosNode's list, attests that nothing is in effect any more.
    pub effect_ended: bool,
    /// The controller wants it to end, or its time is over.
    pub ending: bool,
    /// Its release time has passed on the controller's monotonic clock: it is waited for no longer.
    pub released: bool,
}

/// One pod that the controller deletes or evicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Its UID is gone.
    Done,
    /// The API server said no.
    Failed,
    /// It was not asked for: a guard or a Halt said no first.
    Refused,
    /// It was asked for and not seen to be gone in time.
    Unknown,
    Waiting,
}

/// Why a run was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Halted,
    /// By `stop`, by deletion, or by a limit.
    Stopped,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub state: RunState,
    /// From `Finished` on.
    pub confirmation: Option<Confirmation>,
    /// Nodes that do not attest the end, sorted.
    pub unconfirmed: Vec<String>,
    /// From `Finished` on.
    pub verdict: Option<Verdict>,
    pub effective: Truth,
    /// Everything that was planned is in effect, or was: condition Injected.
    pub injected: bool,
}

/// Judges a run whose plan was armed.
pub fn standing(shares: &[Share], carried: &[Carried], cut: Option<Cut>) -> Standing {
    let over = |s: &Share| s.state.is_some_and(InjectionState::is_final);
    let settled = shares.iter().all(|s| over(s) || s.released) && !carried.contains(&Carried::Waiting);
    let ending = cut.is_some() || shares.iter().any(|s| s.ending || over(s) || s.state == Some(InjectionState::Ending));
    let begun = |s: &Share| !matches!(s.state, None | Some(InjectionState::Accepted | InjectionState::Refused));
    let injected = shares.iter().all(begun) && !carried.iter().any(|c| *c != Carried::Done);
    let state = match (settled, ending, injected) {
        (true, _, _) => RunState::Finished,
        (false, true, _) => RunState::Ending,
        (false, false, true) => RunState::Running,
        (false, false, false) => RunState::Injecting,
    };
    let mut unconfirmed: Vec<String> = shares.iter().filter(|s| !attested(s)).map(|s| s.node.clone()).collect();
    unconfirmed.sort();
    unconfirmed.dedup();
    let sure = unconfirmed.is_empty() && !carried.contains(&Carried::Unknown);
    let confirmation = settled.then_some(if sure { Confirmation::Confirmed } else { Confirmation::Unconfirmed });
    let verdict = settled.then(|| wire(outcome(shares, carried, cut).verdict()));
    Standing { state, confirmation, unconfirmed, verdict, effective: effective(shares, carried), injected }
}

/// Returns whether the end of a share is attested: by a final state that says so, or apart from it.
fn attested(share: &Share) -> bool {
    match share.state {
        // Lost: the agent itself does not know what became of it.
        Some(InjectionState::Refused | InjectionState::Restored | InjectionState::Done) => true,
        Some(
            InjectionState::Accepted
            | InjectionState::InEffect
            | InjectionState::Ending
            | InjectionState::RestoreFailed
            | InjectionState::Lost,
        )
        | None => share.effect_ended,
    }
}

/// Returns what the outcome is, by the rules of a run on a host: the worst of its parts.
pub fn outcome(shares: &[Share], carried: &[Carried], cut: Option<Cut>) -> Outcome {
    let of_share = |share: &Share| match (share.state, cut) {
        (Some(InjectionState::RestoreFailed), _) => Outcome::RestoreProblem,
        (_, Some(Cut::Halted | Cut::Stopped)) => Outcome::Halted,
        (Some(InjectionState::Refused), None) => Outcome::Refused,
        (Some(InjectionState::Restored | InjectionState::Done), None) if share.effective == Truth::True => {
            Outcome::Proven
        }
        (
            Some(
                InjectionState::Restored
                | InjectionState::Done
                | InjectionState::Lost
                | InjectionState::Accepted
                | InjectionState::InEffect
                | InjectionState::Ending,
            )
            | None,
            None,
        ) => Outcome::Inconclusive,
    };
    let of_pod = |carried: &Carried| match (carried, cut) {
        (Carried::Done, _) => Outcome::Proven,
        (_, Some(Cut::Halted | Cut::Stopped)) => Outcome::Halted,
        (Carried::Refused, None) => Outcome::Refused,
        (Carried::Failed | Carried::Unknown | Carried::Waiting, None) => Outcome::Inconclusive,
    };
    let all = shares.iter().map(of_share).chain(carried.iter().map(of_pod));
    // Nothing to judge: cut short before anything was armed, or nothing was selected.
    Outcome::worst(all).unwrap_or(if cut.is_some() { Outcome::Halted } else { Outcome::Inconclusive })
}

/// True if any was measured True and none False, False if any False; Unknown else.
fn effective(shares: &[Share], carried: &[Carried]) -> Truth {
    let pods = carried.iter().map(|c| match c {
        Carried::Done => Truth::True,
        Carried::Failed | Carried::Refused => Truth::False,
        Carried::Unknown | Carried::Waiting => Truth::Unknown,
    });
    let all: Vec<Truth> = shares.iter().map(|s| s.effective).chain(pods).collect();
    if all.contains(&Truth::False) {
        Truth::False
    } else if all.contains(&Truth::True) {
        Truth::True
    } else {
        Truth::Unknown
    }
}

fn wire(verdict: crate::run::Verdict) -> Verdict {
    match verdict {
        crate::run::Verdict::Aborted => Verdict::Aborted,
        crate::run::Verdict::Fail => Verdict::Fail,
        crate::run::Verdict::Inconclusive => Verdict::Inconclusive,
        crate::run::Verdict::NotApplicable => Verdict::NotApplicable,
        crate::run::Verdict::Pass => Verdict::Pass,
        crate::run::Verdict::Refused => Verdict::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::{Carried, Cut, Share, standing};
    use crate::wire::{Confirmation, InjectionState, RunState, Truth, Verdict};

    fn share(node: &str, state: Option<InjectionState>, effective: Truth) -> Share {
        Share { node: node.into(), state, effective, effect_ended: false, ending: false, released: false }
    }

    #[test]
    fn a_run_moves_with_the_least_of_its_shares() {
        use InjectionState::{Accepted, Done, Ending, InEffect, Restored};
        let cases = [
            (vec![None, None], RunState::Injecting),
            (vec![Some(InEffect), Some(Accepted)], RunState::Injecting),
            (vec![Some(InEffect), Some(InEffect)], RunState::Running),
            (vec![Some(InEffect), Some(Ending)], RunState::Ending),
            (vec![Some(Restored), Some(InEffect)], RunState::Ending),
            (vec![Some(Restored), Some(Done)], RunState::Finished),
        ];
        for (states, expected) in cases {
            let shares: Vec<Share> = states.iter().map(|s| share("n", *s, Truth::True)).collect();
            assert_eq!(standing(&shares, &[], None).state, expected, "{states:?}");
        }
    }

    #[test]
    fn a_silent_node_is_unconfirmed_by_name_and_never_confirmed_by_time() {
        let mut silent = share("node-2", Some(InjectionState::InEffect), Truth::Unknown);
        let good = share("node-1", Some(InjectionState::Restored), Truth::True);
        assert_eq!(standing(&[good.clone(), silent.clone()], &[], None).confirmation, None);
        silent.released = true;
        let end = standing(&[good.clone(), silent.clone()], &[], None);
        assert_eq!((end.state, end.confirmation), (RunState::Finished, Some(Confirmation::Unconfirmed)));
        assert_eq!((end.unconfirmed, end.verdict), (vec!["node-2".to_owned()], Some(Verdict::Inconclusive)));
        silent.effect_ended = true;
        assert_eq!(standing(&[good, silent], &[], None).confirmation, Some(Confirmation::Confirmed));
    }

    #[test]
    fn lost_and_not_restored_are_not_confirmed() {
        for state in [InjectionState::Lost, InjectionState::RestoreFailed] {
            let end = standing(&[Share { released: true, ..share("n", Some(state), Truth::True) }], &[], None);
            assert_eq!((end.confirmation, end.verdict), (Some(Confirmation::Unconfirmed), Some(Verdict::Inconclusive)));
        }
    }

    #[test]
    fn verdicts_follow_the_rules_of_a_host() {
        use InjectionState::{Refused, Restored};
        let cases = [
            (Restored, Truth::True, None, Verdict::NotApplicable),
            (Restored, Truth::False, None, Verdict::Inconclusive),
            (Restored, Truth::Unknown, None, Verdict::Inconclusive),
            (Refused, Truth::Unknown, None, Verdict::Refused),
            (Restored, Truth::True, Some(Cut::Halted), Verdict::Aborted),
            (Refused, Truth::Unknown, Some(Cut::Stopped), Verdict::Aborted),
        ];
        for (state, effective, cut, verdict) in cases {
            assert_eq!(standing(&[share("n", Some(state), effective)], &[], cut).verdict, Some(verdict), "{state:?}");
        }
        assert_eq!(standing(&[], &[], None).verdict, Some(Verdict::Inconclusive), "nothing was selected");
        assert_eq!(standing(&[], &[], Some(Cut::Halted)).verdict, Some(Verdict::Aborted));
    }

    #[test]
    fn deleted_pods_are_proven_by_their_absence_alone() {
        let waiting = standing(&[], &[Carried::Done, Carried::Waiting], None);
        assert_eq!((waiting.state, waiting.verdict), (RunState::Injecting, None));
        let done = standing(&[], &[Carried::Done, Carried::Done], None);
        assert_eq!((done.verdict, done.effective), (Some(Verdict::NotApplicable), Truth::True));
        let unsure = standing(&[], &[Carried::Done, Carried::Unknown], None);
        assert_eq!(
            (unsure.verdict, unsure.confirmation),
            (Some(Verdict::Inconclusive), Some(Confirmation::Unconfirmed))
        );
        let refused = standing(&[], &[Carried::Done, Carried::Refused], None);
        assert_eq!((refused.verdict, refused.effective), (Some(Verdict::Refused), Truth::False));
    }
}
