//! The reconciler where each injection has a contact of its own.

use super::*;
use rumpus_model::halt::{Halt, HaltScope};
use rumpus_model::injection::Unwanted;
use rumpus_model::refusal::Refusal;
use std::collections::BTreeSet;

fn each() -> Fake {
    let mut world = Fake::empty();
    world.core = Core::with_contact_each(LEASE, "boot".into(), world.now);
    world.contact = false;
    world.leave = Some(given(vec![], None));
    world.give(Event::Wake);
    world
}

fn given(halts: Vec<Halt>, left: Option<Duration>) -> Leave {
    Leave::Given { at: Duration::from_secs(100), halts, left }
}

/// An injection of its own uid, target and namespace.
fn of(name: &str) -> Injection {
    let mut injection = partition();
    injection.uid = name.into();
    injection.targets[0].id = format!("{:08x}", name.len() + name.bytes().map(usize::from).sum::<usize>());
    injection.reach.namespaces = BTreeSet::from([name.to_owned()]);
    injection
}

fn halt(id: &str, namespace: &str) -> Halt {
    let scope = HaltScope::Namespaces(BTreeSet::from([namespace.to_owned()]));
    Halt { id: id.into(), reason: "r".into(), scope }
}

fn state(world: &Fake, injection: &str) -> State {
    world.seen.iter().rev().find(|a| a.injection == injection).unwrap().state
}

fn cause(world: &Fake, injection: &str) -> Option<EndCause> {
    world.seen.iter().rev().find(|a| a.injection == injection).and_then(|a| a.cause.clone())
}

#[test]
fn what_is_not_heard_of_ends_and_what_is_heard_of_stands() {
    let mut world = each();
    for name in ["a", "b"] {
        world.give(Event::Submit(Box::new(of(name))));
    }
    for _ in 0..7 {
        let at = world.now;
        world.give(Event::Heard { injection: "a".into(), at });
        world.run_for(Duration::from_secs(3));
    }
    assert_eq!(state(&world, "a"), State::InEffect);
    assert_eq!((state(&world, "b"), cause(&world, "b")), (State::Restored, Some(EndCause::LeaseLost)));
}

#[test]
fn a_contact_counts_from_when_it_was_asked_for() {
    let mut world = each();
    world.give(Event::Submit(Box::new(of("a"))));
    world.run_for(Duration::from_secs(5));
    world.untils.clear();
    let asked = world.now - Duration::from_secs(2);
    world.give(Event::Heard { injection: "a".into(), at: asked });
    assert_eq!(world.untils, [asked + LEASE]);
    // An older answer that comes late, and one about somebody else, move nothing.
    world.give(Event::Heard { injection: "a".into(), at: asked - Duration::from_secs(1) });
    world.give(Event::Heard { injection: "b".into(), at: world.now });
    world.give(Event::Contact(Halted::No));
    world.run_for(Duration::from_secs(4));
    assert_eq!(world.untils, [asked + LEASE]);
}

#[test]
fn a_halt_ends_what_it_covers_and_nothing_else_and_attests_it() {
    let mut world = each();
    for name in ["a", "b"] {
        world.give(Event::Submit(Box::new(of(name))));
    }
    world.give(Event::Halts(vec![halt("h", "a")]));
    world.run_for(Duration::from_millis(100));
    assert_eq!((state(&world, "a"), cause(&world, "a")), (State::Restored, Some(EndCause::Halted { id: "h".into() })));
    assert_eq!(state(&world, "b"), State::InEffect);
    assert!(world.log.iter().any(|l| l == "halt-attested ended=true clean=true"));
    // What comes under it later is refused, and what does not is not.
    world.give(Event::Forget { injection: "a".into() });
    world.give(Event::Submit(Box::new(of("a"))));
    assert!(matches!(cause(&world, "a"), Some(EndCause::Refused(Refusal::Halted { .. }))));
    world.give(Event::Submit(Box::new(of("cc"))));
    assert_eq!(state(&world, "cc"), State::InEffect);
}

#[test]
fn nothing_begins_without_leave() {
    let unwanted = EndCause::Unwanted(Unwanted::Orphaned);
    let cases = [Some(Leave::Ended(unwanted.clone())), Some(given(vec![halt("h", "a")], None)), None];
    for leave in cases {
        let mut world = each();
        world.leave = leave.clone();
        world.fail = leave.is_none().then(|| "halt?".into());
        world.give(Event::Submit(Box::new(of("a"))));
        world.run_for(Duration::from_millis(200));
        assert!(!world.log.iter().any(|l| l == "apply"), "{leave:?} {:?}", world.log);
        assert_eq!(state(&world, "a"), State::Refused, "{leave:?}");
        match leave {
            Some(Leave::Ended(_)) => assert_eq!(cause(&world, "a"), Some(unwanted.clone())),
            Some(Leave::Given { .. }) => assert!(matches!(cause(&world, "a"), Some(EndCause::Halted { .. }))),
            None => assert!(matches!(cause(&world, "a"), Some(EndCause::Failed { .. }))),
        }
    }
}

#[test]
fn a_halt_that_the_question_brings_counts_beside_those_that_stand() {
    let mut world = each();
    world.give(Event::Halts(vec![halt("other", "b")]));
    world.leave = Some(given(vec![halt("other", "b"), halt("h", "a")], None));
    world.give(Event::Submit(Box::new(of("a"))));
    assert_eq!((state(&world, "a"), cause(&world, "a")), (State::Refused, Some(EndCause::Halted { id: "h".into() })));
}

#[test]
fn a_failed_question_about_one_ends_no_other() {
    let mut world = each();
    world.give(Event::Submit(Box::new(of("a"))));
    world.fail = Some("halt?".into());
    world.give(Event::Submit(Box::new(of("b"))));
    assert_eq!((state(&world, "a"), state(&world, "b")), (State::InEffect, State::Refused));
}

#[test]
fn the_time_that_is_left_brings_the_deadline_forward_and_never_back() {
    for (left, ends) in [(10, 10), (10_000, 30)] {
        let mut world = each();
        world.leave = Some(given(vec![], Some(Duration::from_secs(left))));
        world.give(Event::Submit(Box::new(of("a"))));
        for _ in 0..40 {
            let at = world.now;
            world.give(Event::Heard { injection: "a".into(), at });
            world.run_for(Duration::from_secs(1));
        }
        let last = world.seen.iter().rev().find(|a| a.injection == "a").unwrap();
        assert_eq!(last.cause, Some(EndCause::Deadline));
        assert_eq!(last.effect_ended, Some(Duration::from_secs(100 + ends)));
    }
}

#[test]
fn what_is_not_wanted_any_more_ends_at_once_and_is_kept_until_it_is_forgotten() {
    let mut world = each();
    world.give(Event::Submit(Box::new(of("a"))));
    world.give(Event::Forget { injection: "a".into() });
    assert_eq!(world.core.attestations().len(), 1, "what lives is not forgotten");
    world.give(Event::End { injection: "a".into(), cause: EndCause::Cancelled });
    assert_eq!((state(&world, "a"), cause(&world, "a")), (State::Restored, Some(EndCause::Cancelled)));
    world.give(Event::Forget { injection: "a".into() });
    assert!(world.core.attestations().is_empty());
}
