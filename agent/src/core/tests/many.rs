//! Several injections beside each other, and what is said once for all of them.

use super::*;
use rumpus_model::refusal::Refusal;

const SECOND: Duration = Duration::from_secs(1);

/// A partition of another target.
fn other(uid: &str, id: &str) -> Injection {
    let mut injection = partition();
    injection.uid = uid.into();
    injection.targets[0].id = id.into();
    injection
}

/// Two faults that are in effect.
fn two() -> Fake {
    let mut world = Fake::new(other("first", "aaaaaaaa"));
    world.run_for(SECOND);
    world.give(Event::Submit(Box::new(other("second", "bbbbbbbb"))));
    world.run_for(SECOND);
    assert_eq!((state(&world, "first"), state(&world, "second")), (State::InEffect, State::InEffect));
    world
}

fn find(world: &Fake, uid: &str) -> Attestation {
    world.core.attestations().into_iter().find(|a| a.injection == uid).unwrap()
}

fn state(world: &Fake, uid: &str) -> State {
    find(world, uid).state
}

fn acts(commands: &[Command]) -> Vec<(&str, &Act)> {
    let orders = commands.iter().filter_map(|c| if let Command::Order { order, .. } = c { Some(order) } else { None });
    orders.map(|order| (order.planned.id.as_str(), &order.act)).collect()
}

#[test]
fn only_the_injection_that_is_named_is_stopped() {
    let mut world = two();
    world.give(Event::Stop { injection: Some("second".into()), by: "Ctrl-C".into() });
    world.run_for(SECOND);
    assert_eq!((state(&world, "first"), state(&world, "second")), (State::InEffect, State::Restored));
}

#[test]
fn ending_comes_before_what_goes_on() {
    let mut world = Fake::new(other("first", "aaaaaaaa"));
    world.run_for(SECOND);
    let short = Injection { duration: Some(Duration::from_secs(5)), ..other("second", "bbbbbbbb") };
    world.give(Event::Submit(Box::new(short)));
    world.run_for(SECOND);
    let commands = world.core.step(world.now + Duration::from_secs(4), Event::Contact(Halted::No));
    let acts = acts(&commands);
    assert!(matches!(acts[..], [("bbbbbbbb", Act::Disarm), ("aaaaaaaa", Act::Renew { .. })]), "{acts:?}");
}

#[test]
fn beside_a_sweep_nothing_begins_and_what_stands_is_renewed() {
    let now = Duration::from_secs(100);
    let mut world = Fake::new(Injection { duration: Some(Duration::from_secs(300)), ..partition() });
    world.run_for(Duration::from_secs(58));
    assert_eq!((world.now, state(&world, "one")), (now + Duration::from_secs(58), State::InEffect));
    let later = now + super::super::SWEEP_EVERY;
    let commands = world.core.step(later, Event::Wake);
    let [Command::Sweep { op, keep }] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!(keep.iter().collect::<Vec<_>>(), ["aaaaaaaa"], "what lives is kept");
    let commands = world.core.step(later, Event::Submit(Box::new(other("second", "bbbbbbbb"))));
    assert_eq!(acts(&commands), [], "it is not among what the sweep keeps");
    let commands = world.core.step(later + SECOND, Event::Contact(Halted::No));
    assert!(matches!(acts(&commands)[..], [("aaaaaaaa", Act::Renew { .. })]), "{commands:?}");
    let swept = Outcome::Swept { found: vec![], failed: vec![] };
    let commands = world.core.step(later + SECOND, Event::Done { op: *op, outcome: swept });
    assert_eq!(acts(&commands), [("bbbbbbbb", &Act::Resolve)]);
}

#[test]
fn a_sweep_keeps_nothing_that_is_final() {
    let mut world = Fake::new(partition());
    world.run_for(Duration::from_secs(58));
    assert!(state(&world, "one").is_final());
    let commands = world.core.step(Duration::from_secs(160), Event::Wake);
    let Some(Command::Sweep { keep, .. }) = commands.first() else { panic!("{commands:?}") };
    assert!(keep.is_empty(), "{keep:?}");
}

#[test]
fn what_has_begun_goes_on_while_something_else_cannot_be_restored() {
    let mut world = two();
    world.stuck = true;
    world.give(Event::Stop { injection: Some("second".into()), by: "Ctrl-C".into() });
    world.run_for(Duration::from_secs(5));
    assert_eq!((state(&world, "first"), state(&world, "second")), (State::InEffect, State::RestoreFailed));
    assert!(!world.core.is_stuck(), "one of them is not over");
}

#[test]
fn an_agent_is_stuck_once_everything_left_has_failed_nine_times() {
    let mut world = Fake::new(other("first", "aaaaaaaa"));
    world.run_for(SECOND);
    world.give(Event::Stop { injection: None, by: "Ctrl-C".into() });
    world.give(Event::Submit(Box::new(other("second", "bbbbbbbb"))));
    world.run_for(SECOND);
    assert_eq!(state(&world, "first"), State::Restored);
    world.stuck = true;
    world.give(Event::Stop { injection: None, by: "Ctrl-C".into() });
    let before = world.log.iter().filter(|l| *l == "disarm").count() - 1;
    for _ in 0..100 {
        let failures = world.log.iter().filter(|l| *l == "disarm").count() - before;
        assert_eq!(world.core.is_stuck(), failures >= 9, "{failures}");
        world.run_for(Duration::from_millis(50));
    }
    assert!(world.core.is_stuck() && !world.core.is_idle());
}

#[test]
fn a_halt_that_the_question_before_the_first_change_meets_ends_everything() {
    let mut world = Fake::new(other("first", "aaaaaaaa"));
    world.run_for(SECOND);
    world.halted = Halted::Yes { id: "h".into(), reason: "r".into() };
    world.give(Event::Submit(Box::new(other("second", "bbbbbbbb"))));
    for uid in ["first", "second"] {
        assert_eq!(find(&world, uid).cause, Some(EndCause::Halted { id: "h".into() }), "{uid}");
    }
}

#[test]
fn a_slow_answer_lifts_no_halt() {
    let mut world = Fake::empty();
    world.give(Event::Contact(Halted::No));
    let mut asked = Vec::new();
    let mut event = Event::Submit(Box::new(other("first", "aaaaaaaa")));
    for _ in 0..3 {
        asked = world.core.step(world.now, event);
        event = Event::Done { op: answers::op(&asked), outcome: Outcome::Ok };
    }
    assert!(matches!(asked[..], [Command::ReadHalt { .. }]), "{asked:?}");
    world.give(Event::Contact(Halted::Yes { id: "h".into(), reason: "r".into() }));
    world.core.step(world.now, Event::Done { op: answers::op(&asked), outcome: Outcome::Halt(Halted::No) });
    world.core.step(world.now, Event::Submit(Box::new(other("second", "bbbbbbbb"))));
    assert_eq!(find(&world, "second").cause, Some(EndCause::Refused(Refusal::Halted { reason: "r".into() })));
}

#[test]
fn a_halt_is_attested_once_what_it_covers_has_ended_and_once_it_is_clean() {
    let told = |world: &Fake| -> Vec<String> {
        world.log.iter().filter(|l| l.starts_with("halt-attested")).cloned().collect()
    };
    let mut world = two();
    world.stuck = true;
    world.halted = Halted::Yes { id: "h".into(), reason: "r".into() };
    world.run_for(Duration::from_secs(5));
    assert_eq!(told(&world), [""; 0], "both gates are still armed");
    world.stuck = false;
    world.run_for(Duration::from_secs(2));
    assert_eq!(told(&world).last().map(String::as_str), Some("halt-attested ended=true clean=true"));
    assert!(told(&world).len() <= 2, "{:?}", told(&world));
    let before = told(&world).len();
    let halt = || Halt { id: "h".into(), reason: "r".into(), scope: HaltScope::All };
    world.give(Event::Halts(vec![halt()]));
    assert_eq!(told(&world).len(), before, "it is the same one");
    world.give(Event::Halts(vec![]));
    world.give(Event::Halts(vec![halt()]));
    assert_eq!(told(&world).len(), before + 1, "it was lifted in between");
}

#[test]
fn no_halt_is_attested_before_the_first_sweep_or_while_one_has_failed() {
    let now = Duration::from_secs(100);
    let mut core = Core::new(LEASE, "boot".into(), now);
    let attests = |commands: &[Command]| commands.iter().any(|c| matches!(c, Command::AttestHalt { .. }));
    let halt = Halt { id: "h".into(), reason: "r".into(), scope: HaltScope::All };
    assert!(!attests(&core.step(now, Event::Halts(vec![halt]))), "nothing was looked at yet");
    assert!(!attests(&core.step(now, Event::Done { op: 1, outcome: Outcome::Failed { why: "EBUSY".into() } })));
    assert!(!attests(&core.step(now, Event::Wake)));
}

#[test]
fn a_fault_may_last_a_day_and_not_longer() {
    let day = Duration::from_secs(86_400);
    for (duration, refused) in [(day, false), (day + Duration::from_nanos(1), true), (SECOND, false)] {
        let mut world = Fake::empty();
        world.give(Event::Contact(Halted::No));
        world.give(Event::Submit(Box::new(Injection { duration: Some(duration), ..partition() })));
        let cause = find(&world, "one").cause;
        assert_eq!(
            matches!(cause, Some(EndCause::Refused(Refusal::NotHere { .. }))),
            refused,
            "{duration:?} {cause:?}"
        );
    }
}

#[test]
fn a_target_of_another_boot_a_second_fault_of_the_same_id_and_one_without_steps_are_refused() {
    let mut world = two();
    world.give(Event::Submit(Box::new(other("third", "aaaaaaaa"))));
    assert!(matches!(world.last().cause, Some(EndCause::Refused(Refusal::Busy { .. }))), "{:?}", world.last());
    assert_eq!(world.last().state, State::Refused, "told at once: nothing of it is kept");
    assert_eq!(state(&world, "first"), State::InEffect);
    let mut before = other("before", "cccccccc");
    if let Target::NetNs(netns) = &mut before.targets[0].target {
        netns.boot_id = "an older one".into();
    }
    world.give(Event::Submit(Box::new(before)));
    assert!(matches!(find(&world, "before").cause, Some(EndCause::Refused(Refusal::TargetChanged { .. }))));
    let mut stepless = Injection { uid: "stepless".into(), ..latency() };
    stepless.targets[0].id = "dddddddd".into();
    stepless.targets[0].engine = Engine::Signal;
    world.give(Event::Submit(Box::new(stepless)));
    assert!(matches!(find(&world, "stepless").cause, Some(EndCause::Refused(Refusal::Failed { .. }))));
}

#[test]
fn a_thousand_faults_live_at_a_time_and_no_more() {
    let mut core = Core::new(LEASE, "boot".into(), SECOND);
    let many = |uid: &str, from: usize, count: usize| {
        let mut injection = other(uid, "");
        let planned = injection.targets.remove(0);
        injection.targets =
            (from..from + count).map(|n| Planned { id: format!("{n:08x}"), ..planned.clone() }).collect();
        Event::Submit(Box::new(injection))
    };
    let refused = |core: &Core, uid: &str| {
        core.attestations().iter().filter(|a| a.injection == uid && a.state == State::Refused).count()
    };
    core.step(SECOND, many("first", 0, 1_001));
    assert_eq!(refused(&core, "first"), 1);
    core.step(SECOND, Event::Stop { injection: None, by: "Ctrl-C".into() });
    core.step(SECOND, Event::Done { op: 1, outcome: Outcome::Swept { found: vec![], failed: vec![] } });
    assert_eq!(refused(&core, "first"), 1_001, "none of them had begun");
    core.step(SECOND, many("second", 2_000, 1_000));
    assert_eq!(refused(&core, "second"), 0, "what is final does not count");
}

#[test]
fn each_command_has_a_number_of_its_own() {
    let mut world = two();
    let second = Intent { id: "cccccccc".into(), ..intent() };
    world.give(Event::Recovered(vec![intent(), second]));
    world.run_for(Duration::from_secs(120));
    let unique: std::collections::BTreeSet<u64> = world.ops.iter().copied().collect();
    assert_eq!(unique.len(), world.ops.len());
    assert_eq!(world.log.iter().filter(|l| *l == "ended").count(), 4, "{:?}", world.log);
}

#[test]
fn whoever_is_forgotten_was_never_heard_of() {
    let mut contacts = super::super::contacts::Contacts::each();
    contacts.heard("a", SECOND);
    contacts.heard("b", SECOND);
    contacts.forget("a");
    let last = |injection: &str| contacts.last(injection, 2 * SECOND);
    assert_eq!((last("a"), last("b")), (Duration::ZERO, SECOND));
}
