//! From what the reconciler attests to a ChaosInjection's status: slots are merged into targets, targets into the whole.
//!
//! Pure. It must never say "ended" or "clean" of what was not read back.

use super::assemble::Assigned;
use rumpus_model::evidence::{Effective, Reading};
use rumpus_model::injection::{Attestation, EndCause, State};
use rumpus_model::refusal::Refusal;
use rumpus_model::wire::{
    Condition, ConditionType, EvidenceStatus, InjectionState, InjectionStatus, Phase, TargetStatus, Truth,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest text of a status field, in characters: a status with 500 targets must fit into one object.
const LONGEST_TEXT: usize = 256;

/// What is known of one injection.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub phase: Phase,
    pub generation: Option<i64>,
    /// Why the whole of it ended before anything began.
    pub refused: Option<&'a EndCause>,
    pub assigned: &'a [Assigned],
    /// By slot.
    pub attested: &'a BTreeMap<String, Attestation>,
    /// Conditions as they were reported last.
    pub conditions: &'a [Condition],
}

/// Turns an instant of CLOCK_BOOTTIME into wall time, for display.
pub trait Wall {
    fn show(&self, at: Duration) -> String;
    fn now(&self) -> String;
}

/// Builds the status.
pub fn status(known: &Known<'_>, wall: &impl Wall) -> InjectionStatus {
    let targets: Vec<TargetStatus> = known.assigned.iter().map(|a| target(a, known)).collect();
    let slots = || known.assigned.iter().flat_map(|a| &a.slots).filter_map(|id| known.attested.get(id));
    let state = if known.refused.is_some() || known.assigned.is_empty() {
        State::Refused
    } else {
        known.assigned.iter().map(|a| state(a, known)).min().unwrap_or(State::Refused)
    };
    let effective = merged(known.assigned.iter().filter(|a| a.refused.is_none()).map(|a| effective(a, known)));
    // Nothing is in effect once every slot has been seen to be over; one that never began has nothing to end.
    let over = |one: fn(&Attestation) -> Option<Duration>| {
        let all: Option<Vec<Duration>> = slots().filter(|a| a.state != State::Refused).map(one).collect();
        all.and_then(|all| all.into_iter().max())
    };
    let began = slots().any(|a| a.state != State::Refused);
    let complete =
        known.assigned.iter().all(|a| a.refused.is_some() || a.slots.iter().all(|s| known.attested.contains_key(s)));
    let ended = (began && complete).then(|| over(|a| a.effect_ended)).flatten();
    let clean = (began && complete && state.is_final()).then(|| over(|a| a.clean)).flatten();
    let once = state == State::Done;
    let shown = |at: Option<Duration>| at.map(|at| wall.show(at)).or_else(|| once.then(|| wall.now()));
    let mut status = InjectionStatus {
        state: Some(shown_state(state)),
        effective: Some(truth(effective)),
        effect_ended: shown(ended),
        clean: shown(clean),
        observed_phase: Some(known.phase),
        targets,
        conditions: Vec::new(),
    };
    status.conditions = conditions(known, state, effective, &wall.now());
    status
}

/// Returns whether a final status tells of an end: of what is lost nobody knows whether anything is in effect.
pub fn tells_of_an_end(status: &InjectionStatus) -> bool {
    status.state != Some(InjectionState::Lost) || status.effect_ended.is_some()
}

/// Returns a target's state: the least finished of its slots'.
fn state(assigned: &Assigned, known: &Known<'_>) -> State {
    if assigned.refused.is_some() || known.refused.is_some() {
        return State::Refused;
    }
    let of = |id: &String| known.attested.get(id).map_or(State::Accepted, |a| a.state);
    assigned.slots.iter().map(of).min().unwrap_or(State::Refused)
}

/// True if one slot showed it and none disproved it. A slot that saw no packet at all says nothing where another did:
/// of a Service's address and its pods' addresses a client uses only one.
fn effective(assigned: &Assigned, known: &Known<'_>) -> Effective {
    let slots: Vec<&Attestation> = assigned.slots.iter().filter_map(|id| known.attested.get(id)).collect();
    let telling: Vec<Effective> = slots.iter().filter(|a| saw_something(a)).map(|a| a.effective).collect();
    if telling.is_empty() { merged(slots.iter().map(|a| a.effective)) } else { merged(telling) }
}

fn saw_something(attestation: &Attestation) -> bool {
    attestation.readings.iter().any(|r| match r {
        Reading::Delayed(d) => d.delayed > 0,
        Reading::Filtered(f) => f.hit.packets() > 0 || f.passed.packets() > 0,
        Reading::Killed(_) => true,
        // They were open all the same without the fault.
        Reading::Sockets(_) => false,
    })
}

fn merged(all: impl IntoIterator<Item = Effective>) -> Effective {
    let all: Vec<Effective> = all.into_iter().collect();
    match (all.contains(&Effective::False), all.contains(&Effective::True)) {
        (true, _) => Effective::False,
        (false, true) => Effective::True,
        (false, false) => Effective::Unknown,
    }
}

fn target(assigned: &Assigned, known: &Known<'_>) -> TargetStatus {
    let slots: Vec<&Attestation> = assigned.slots.iter().filter_map(|id| known.attested.get(id)).collect();
    let refused = assigned.refused.clone().map(EndCause::Refused);
    let cause = known.refused.cloned().or(refused).or_else(|| slots.iter().find_map(|a| a.cause.clone()));
    let mut message: Vec<String> = cause.iter().map(ToString::to_string).collect();
    for problem in slots.iter().flat_map(|a| &a.problems) {
        if !message.contains(problem) {
            message.push(problem.clone());
        }
    }
    let hint = cause.as_ref().and_then(refusal).map(|r| r.hint());
    TargetStatus {
        uid: assigned.uid.clone(),
        container: assigned.container.clone(),
        state: Some(shown_state(state(assigned, known))),
        effective: (!slots.is_empty()).then(|| truth(effective(assigned, known))),
        reason: cause.as_ref().map(|c| c.reason().to_owned()),
        message: (!message.is_empty()).then(|| short(&message.join("; "))),
        hint: hint.map(|h| short(&h)),
        evidence: evidence(&slots),
    }
}

fn refusal(cause: &EndCause) -> Option<&Refusal> {
    if let EndCause::Refused(refusal) = cause { Some(refusal) } else { None }
}

fn evidence(slots: &[&Attestation]) -> Option<EvidenceStatus> {
    let mut sums = EvidenceStatus::default();
    let mut text = Vec::new();
    let add = |sum: &mut Option<i64>, more: u64| {
        *sum = Some(sum.unwrap_or(0).saturating_add(i64::try_from(more).unwrap_or(i64::MAX)));
    };
    for reading in slots.iter().flat_map(|a| &a.readings) {
        match reading {
            Reading::Delayed(d) => {
                add(&mut sums.delayed, d.delayed);
                if d.lost > 0 {
                    text.push(format!("at most {} packets were lost in it", d.lost));
                }
            }
            Reading::Filtered(f) => {
                // A rule that only hands packets on to what delays them drops none.
                let hands_on = slots.iter().any(|a| a.readings.iter().any(|r| matches!(r, Reading::Delayed(_))));
                if !hands_on {
                    add(&mut sums.dropped, f.hit.packets());
                    add(&mut sums.passed, f.passed.packets());
                }
            }
            Reading::Sockets(sockets) => text.push(sockets.to_string()),
            Reading::Killed(k) => {
                add(&mut sums.killed, u64::from(k.processes));
                text.push(format!("by {} after {} ms", k.by, k.after.as_millis()));
                if k.survivors > 0 {
                    text.push(format!("survivors: {}", k.survivors));
                }
            }
        }
    }
    text.dedup();
    sums.text = (!text.is_empty()).then(|| short(&text.join("; ")));
    (sums != EvidenceStatus::default()).then_some(sums)
}

fn conditions(known: &Known<'_>, state: State, effective: Effective, now: &str) -> Vec<Condition> {
    let cause = known.refused.cloned().or_else(|| known.attested.values().find_map(|a| a.cause.clone()));
    let refused = known.assigned.iter().find_map(|a| a.refused.clone()).map(EndCause::Refused);
    let cause = cause.or(refused);
    let why = cause.as_ref().map_or(("InProgress", String::new()), |c| (c.reason(), short(&c.to_string())));
    let injected = known.attested.values().any(|a| a.in_effect.is_some() || a.state == State::Done);
    let yes = |yes: bool| if yes { Truth::True } else { Truth::False };
    let restored = match state {
        State::Restored | State::Done => Truth::True,
        State::RestoreFailed => Truth::False,
        State::Lost => Truth::Unknown,
        State::Refused => Truth::True,
        State::Accepted | State::InEffect | State::Ending => Truth::Unknown,
    };
    let all = [
        (ConditionType::Accepted, yes(state != State::Refused)),
        (ConditionType::Injected, if injected { Truth::True } else { yes(!state.is_final() && injected) }),
        (ConditionType::Effective, truth(effective)),
        (ConditionType::Restored, restored),
        (ConditionType::Finished, yes(state.is_final())),
    ];
    let one = |(type_, status): (ConditionType, Truth)| {
        let before = known.conditions.iter().find(|c| c.type_ == type_ && c.status == status);
        Condition {
            type_,
            status,
            observed_generation: known.generation,
            last_transition_time: before.map_or_else(|| now.to_owned(), |c| c.last_transition_time.clone()),
            reason: why.0.to_owned(),
            message: why.1.clone(),
        }
    };
    all.into_iter().map(one).collect()
}

fn truth(effective: Effective) -> Truth {
    match effective {
        Effective::False => Truth::False,
        Effective::Unknown => Truth::Unknown,
        Effective::True => Truth::True,
    }
}

fn shown_state(state: State) -> InjectionState {
    match state {
        State::RestoreFailed => InjectionState::RestoreFailed,
        State::Accepted => InjectionState::Accepted,
        State::InEffect => InjectionState::InEffect,
        State::Ending => InjectionState::Ending,
        State::Done => InjectionState::Done,
        State::Restored => InjectionState::Restored,
        State::Lost => InjectionState::Lost,
        State::Refused => InjectionState::Refused,
    }
}

/// Shortens a text that the API's schema limits.
pub fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST_TEXT {
        return text.to_owned();
    }
    text.chars().take(LONGEST_TEXT - 1).chain(['…']).collect()
}
