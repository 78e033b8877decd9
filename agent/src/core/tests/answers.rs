//! Answers that come late, not at all, or to another question; and what is said once and for all.

use super::*;

/// The first op of some commands.
pub(super) fn op(commands: &[Command]) -> u64 {
    let asked = commands.iter().find_map(|command| match command {
        Command::Order { op, .. }
        | Command::ReadHalt { op, .. }
        | Command::Record { op, .. }
        | Command::Sweep { op, .. } => Some(*op),
        Command::Attest(_) | Command::AttestHalt { .. } => None,
    });
    asked.unwrap_or_else(|| panic!("nothing is asked: {commands:?}"))
}

/// An agent whose first sweep is done, and an injection of which nothing is answered yet.
fn begun(injection: Injection) -> (Core, Duration, u64) {
    let now = Duration::from_secs(100);
    let mut core = Core::new(LEASE, "boot".into(), now);
    let sweep = op(&core.step(now, Event::Contact(Halted::No)));
    core.step(now, Event::Done { op: sweep, outcome: nothing_swept() });
    let resolve = op(&core.step(now, Event::Submit(Box::new(injection))));
    (core, now, resolve)
}

fn nothing_swept() -> Outcome {
    Outcome::Swept { found: vec![], failed: vec![] }
}

/// Asserts that whoever sleeps as long as the reconciler says does sleep.
fn sleeps(core: &mut Core, now: Duration) {
    assert_eq!(core.step(now, Event::Wake), []);
    assert!(core.wake_at().is_none_or(|at| at > now), "woken at {now:?} for {:?}", core.wake_at());
}

#[test]
fn nobody_is_woken_for_the_next_sweep_while_one_is_in_flight() {
    let now = Duration::from_secs(100);
    let mut core = Core::new(LEASE, "boot".into(), now);
    core.step(now, Event::Recovered(vec![]));
    sleeps(&mut core, now + 3 * super::super::SWEEP_EVERY);
}

#[test]
fn nobody_is_woken_for_the_end_of_a_grace_while_a_look_is_in_flight() {
    let mut world = Fake::new(kill());
    world.alive = true;
    world.run_for(Duration::from_secs(4));
    let now = world.now + Duration::from_millis(50);
    op(&world.core.step(now, Event::Wake));
    sleeps(&mut world.core, now + Duration::from_secs(20));
}

#[test]
fn whoever_waits_for_the_end_of_a_grace_is_woken_for_the_next_look() {
    let mut world = Fake::new(kill());
    world.alive = true;
    world.run_for(Duration::from_secs(4));
    let at = world.core.wake_at();
    assert!(at.is_some_and(|at| at > world.now && at < world.now + Duration::from_millis(100)), "{at:?}");
}

#[test]
fn what_is_asked_about_is_not_over_before_its_answer_although_it_is_refused() {
    let (mut core, now, resolve) = begun(partition());
    let later = now + super::super::SWEEP_EVERY;
    let sweep = op(&core.step(later, Event::Wake));
    core.step(later, Event::Done { op: sweep, outcome: Outcome::Failed { why: "EBUSY".into() } });
    assert_eq!(core.attestations()[0].state, State::Ending);
    core.step(later, Event::Done { op: resolve, outcome: Outcome::Ok });
    assert_eq!(core.attestations()[0].state, State::Refused);
}

#[test]
fn what_is_ended_and_has_to_wait_a_little_is_woken_then_and_not_before() {
    let mut world = Fake::new(Injection { duration: Some(Duration::from_secs(5)), ..kill() });
    world.alive = true;
    world.run_for(Duration::from_secs(4));
    let look = op(&world.core.step(world.now + Duration::from_millis(50), Event::Wake));
    let over = world.now + Duration::from_secs(2);
    world.core.step(over, Event::Wake);
    let outcome = Outcome::Read(vec![world.killed(false)]);
    assert_eq!(world.core.step(over, Event::Done { op: look, outcome }), []);
    sleeps(&mut world.core, over);
    assert!(world.core.wake_at().is_some_and(|at| at < over + Duration::from_secs(1)));
}

#[test]
fn what_is_lost_stays_lost_while_something_else_cannot_be_restored() {
    let (mut core, now, resolve) = begun(partition());
    core.step(now, Event::Done { op: resolve, outcome: Outcome::TargetGone { what: "it".into() } });
    assert_eq!(core.attestations()[0].state, State::Lost);
    let later = now + super::super::SWEEP_EVERY;
    let sweep = op(&core.step(later, Event::Wake));
    core.step(later, Event::Done { op: sweep, outcome: Outcome::Failed { why: "EBUSY".into() } });
    assert_eq!(core.attestations()[0].state, State::Lost);
}

#[test]
fn an_end_that_comes_while_something_else_cannot_be_restored_is_told() {
    let (mut core, now, resolve) = begun(partition());
    core.step(now, Event::Stop { injection: None, by: "Ctrl-C".into() });
    let later = now + super::super::SWEEP_EVERY;
    let sweep = op(&core.step(later, Event::Wake));
    core.step(later, Event::Done { op: sweep, outcome: Outcome::Failed { why: "EBUSY".into() } });
    let commands = core.step(later, Event::Done { op: resolve, outcome: Outcome::Ok });
    let told = |c: &Command| matches!(c, Command::Attest(a) if a.state == State::Refused);
    assert!(core.is_idle() && commands.iter().any(told), "{commands:?}");
}

#[test]
fn an_answer_to_another_question_is_no_leave_and_no_record() {
    let given = Leave::Given { at: Duration::from_secs(100), halts: vec![], left: None };
    let answers =
        [Outcome::Ok, Outcome::Read(vec![]), nothing_swept(), Outcome::Halt(Halted::No), Outcome::Leave(given)];
    for answered in ["resolve", "record", "leave"] {
        for answer in &answers {
            let (mut core, now, mut asked) = begun(partition());
            for question in ["resolve", "record", "leave"] {
                let right = if question == "leave" { Outcome::Halt(Halted::No) } else { Outcome::Ok };
                let good = match (question, answer) {
                    ("resolve", Outcome::Ok | Outcome::Read(_)) | ("record", Outcome::Ok) => true,
                    ("leave", Outcome::Halt(_) | Outcome::Leave(_)) => true,
                    (_, _) => false,
                };
                if question == answered && !good {
                    core.step(now, Event::Done { op: asked, outcome: answer.clone() });
                    let last = core.attestations().remove(0);
                    assert!(matches!(last.cause, Some(EndCause::Failed { .. })), "{question} {answer:?}: {last:?}");
                    break;
                }
                asked = op(&core.step(now, Event::Done { op: asked, outcome: right }));
            }
        }
    }
}

#[test]
fn an_answer_to_another_question_is_no_sweep() {
    for answer in [Outcome::Ok, Outcome::Read(vec![]), Outcome::Halt(Halted::No)] {
        let now = Duration::from_secs(100);
        let mut core = Core::new(LEASE, "boot".into(), now);
        let sweep = op(&core.step(now, Event::Recovered(vec![intent()])));
        assert_eq!(core.step(now, Event::Done { op: sweep, outcome: answer }), [], "the predecessor's fault is there");
        core.step(now, Event::Submit(Box::new(partition())));
        assert_eq!(core.attestations()[0].state, State::Refused);
    }
}

#[test]
fn when_an_effect_ended_is_not_told_anew_by_a_later_try() {
    let mut world = Fake::new(partition());
    world.run_for(Duration::from_secs(2));
    world.fail = Some("confirm".into());
    world.give(Event::Stop { injection: None, by: "Ctrl-C".into() });
    let first = world.last().effect_ended;
    assert!(first.is_some());
    world.run_for(Duration::from_secs(1));
    world.fail = None;
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.last().state, world.last().effect_ended), (State::Restored, first));
}
