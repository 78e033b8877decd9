//! Each step on its way, one by one: what follows it, and what follows its failure.

use super::*;

fn steps(world: &Fake) -> String {
    world.log.join(" ").replace(" renew", "").replace(" look", "")
}

fn stop(world: &mut Fake) {
    world.give(Event::Stop { injection: None, by: "Ctrl-C".into() });
    world.run_for(Duration::from_secs(1));
}

#[test]
fn each_change_is_applied_and_each_is_removed_the_last_one_first() {
    let mut world = Fake::new(latency());
    world.run_for(Duration::from_secs(3));
    stop(&mut world);
    assert_eq!(
        steps(&world),
        "sweep resolve intent halt? apply apply check applied disarm check drain remove remove confirm ended"
    );
    assert_eq!(world.last().state, State::Restored);
}

#[test]
fn rules_that_are_there_and_not_armed_are_not_in_effect() {
    let mut world = Fake::new(partition());
    world.unarmed = true;
    world.run_for(Duration::from_secs(2));
    let last = world.last();
    assert!(matches!(&last.cause, Some(EndCause::Failed { step, .. }) if step == "verify"), "{last:?}");
    assert_eq!((last.state, last.in_effect), (State::Restored, None));
}

#[test]
fn a_restore_that_fails_for_long_is_told_twice_and_not_each_time() {
    let mut world = Fake::new(partition());
    world.run_for(Duration::from_secs(2));
    world.stuck = true;
    stop(&mut world);
    world.run_for(Duration::from_secs(10));
    assert_eq!((world.last().state, world.last().problems.len()), (State::RestoreFailed, 2));
}

#[test]
fn what_was_never_whole_does_not_vanish() {
    // The only step failed; and of two steps one was begun when the lease was lost.
    for (injection, fail, pause) in [(partition(), Some("apply"), None), (latency(), None, Some("apply"))] {
        let mut world = Fake::new(injection);
        world.fail = fail.map(str::to_owned);
        world.pause_after = pause.map(str::to_owned);
        world.vanished = true;
        world.run_for(Duration::from_secs(3));
        assert_eq!(world.last().state, State::Restored, "{:?}", world.log);
    }
}

#[test]
fn what_vanished_is_looked_for_change_by_change() {
    let mut world = Fake::new(latency());
    world.run_for(Duration::from_secs(2));
    world.vanished = true;
    stop(&mut world);
    assert!(steps(&world).ends_with("applied disarm remove remove confirm ended"), "{:?}", world.log);
    assert_eq!(world.last().state, State::Lost);
}

#[test]
fn a_kill_without_a_grace_and_one_that_was_quick_are_done_at_once() {
    let now = Injection { fault: Fault::Kill(Kill::Process { signal: 9, grace: Duration::ZERO }), ..kill() };
    for (injection, alive) in [(now, true), (kill(), false)] {
        let mut world = Fake::new(injection);
        world.alive = alive;
        world.run_for(Duration::from_secs(1));
        assert!(!world.log.iter().any(|l| l == "look"), "{:?}", world.log);
        let expected = if alive { Effective::False } else { Effective::True };
        assert_eq!((world.last().state, world.last().effective), (State::Done, expected));
    }
}

#[test]
fn a_process_that_ends_within_its_grace_is_not_killed() {
    let mut world = Fake::new(kill());
    world.alive = true;
    world.run_for(Duration::from_secs(4));
    world.alive = false;
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.last().state, world.last().effective), (State::Done, Effective::True));
    world.run_for(Duration::from_secs(10));
    assert!(!world.log.iter().any(|l| l == "escalate"), "{:?}", world.log);
}

#[test]
fn what_lasts_and_never_began_had_no_effect() {
    let mut world = Fake::new(partition());
    world.fail = Some("halt?".into());
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.last().state, world.last().effective), (State::Refused, Effective::False));
}

#[test]
fn nothing_of_a_signal_is_restored() {
    for (fail, state) in [("apply", State::Refused), ("applied", State::Done)] {
        let mut world = Fake::new(kill());
        world.fail = Some(fail.into());
        world.run_for(Duration::from_secs(2));
        assert!(!world.log.iter().any(|l| l == "disarm" || l == "remove"), "{fail}: {:?}", world.log);
        assert_eq!(world.last().state, state, "{fail}");
    }
}

#[test]
fn a_contact_renews_once_a_tenth_of_the_lease_has_passed_since_the_last_renewal() {
    for (after, renewed) in [(LEASE / 10 - Duration::from_millis(1), 0), (LEASE / 10, 1)] {
        let mut world = Fake::empty();
        world.give(Event::Contact(Halted::No));
        world.give(Event::Submit(Box::new(partition())));
        world.now += after;
        world.give(Event::Contact(Halted::No));
        assert_eq!(world.log.iter().filter(|l| *l == "renew").count(), renewed, "{after:?}");
    }
}
