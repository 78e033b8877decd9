//! The Ledger by itself: what it asks for, what it says, and when it looks again.

use super::fake::L;
use crate::cluster::core::event::{Act, LedgerSeen, Now, Outcome};
use crate::cluster::core::ledger::{Ledger, RELEASE};
use jiff::Timestamp;
use rumpus_model::cluster::world::DelayScope;
use rumpus_model::scope::Direction;
use rumpus_model::wire;
use rumpus_model::wire::ledger::{LedgerSpec, MAX_PODS, Reservation};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Our epoch.
const OURS: i64 = 3;

fn at(seconds: u64) -> Now {
    Now { boot: Duration::from_secs(seconds), wall: Timestamp::UNIX_EPOCH }
}

fn entry(uid: &str, injections: &[&str], pods: usize) -> Reservation {
    Reservation {
        namespace: "shop".into(),
        name: format!("{uid}-name"),
        uid: uid.into(),
        policy: Some("policy".into()),
        takes_down: true,
        delays: None,
        lasts_seconds: 40,
        injections: injections.iter().map(|&i| i.into()).collect(),
        pods: (0..pods).map(|n| format!("{uid}-{n}")).collect(),
        owners: Vec::new(),
        more_owners: false,
    }
}

/// Lets it read this.
fn read(ledger: &mut Ledger, seconds: u64, epoch: i64, holder: &str, reservations: Vec<Reservation>) {
    assert!(matches!(ledger.next(at(seconds), 1, OURS), Some(Act::ReadLedger)));
    let spec = LedgerSpec { epoch, holder: holder.into(), reservations, ..LedgerSpec::default() };
    let seen = LedgerSeen { resource_version: "7".into(), spec };
    ledger.done(at(seconds), OURS, Outcome::Ledger(Box::new(seen)));
}

/// Returns what it writes now, if it does; the write succeeds.
fn write(ledger: &mut Ledger, seconds: u64) -> Option<Vec<Reservation>> {
    let act = ledger.next(at(seconds), 2, OURS)?;
    let Act::WriteLedger { spec, .. } = act else { panic!("{act:?}") };
    let seen = LedgerSeen { resource_version: "8".into(), spec: (*spec).clone() };
    ledger.done(at(seconds), OURS, Outcome::Ledger(Box::new(seen)));
    Some(spec.reservations)
}

/// A Ledger that a predecessor left these in.
fn after(reservations: Vec<Reservation>) -> Ledger {
    let mut ledger = Ledger::new("us".into(), L);
    read(&mut ledger, 100, OURS - 1, "another", reservations);
    ledger
}

fn uids(written: Option<Vec<Reservation>>) -> Vec<String> {
    written.into_iter().flatten().map(|r| r.uid).collect()
}

#[test]
fn it_writes_once_to_be_ours_and_again_whenever_what_is_wished_differs() {
    let mut ledger = after(vec![]);
    assert!(!ledger.is_fenced());
    assert_eq!(write(&mut ledger, 100), Some(vec![]));
    assert!(ledger.is_fenced());
    assert_eq!(write(&mut ledger, 100), None);
    let narrow = Arc::new(entry("a", &["i-1"], 1));
    ledger.want(&narrow);
    assert!(!ledger.holds(&"a".into()));
    assert_eq!(uids(write(&mut ledger, 100)), ["a"]);
    assert!(ledger.holds(&"a".into()) && !ledger.holds(&"b".into()));
    ledger.want(&narrow);
    assert_eq!(write(&mut ledger, 100), None);
    let wide = entry("a", &["i-1", "i-2"], 2);
    ledger.want(&Arc::new(wide.clone()));
    assert!(!ledger.holds(&"a".into()), "something else is written");
    assert_eq!(write(&mut ledger, 100), Some(vec![wide]));
    ledger.forget(&"a".into());
    assert!(!ledger.holds(&"a".into()));
    assert_eq!(write(&mut ledger, 100), Some(vec![]));
}

#[test]
fn while_a_write_is_on_its_way_there_is_no_second_one_and_its_answer_alone_counts() {
    let mut ledger = after(vec![]);
    assert!(matches!(ledger.next(at(100), 5, OURS), Some(Act::WriteLedger { .. })));
    assert!(ledger.is_pending(5) && !ledger.is_pending(6));
    assert!(ledger.next(at(100), 6, OURS).is_none());
    ledger.done(at(100), OURS, Outcome::Conflict);
    assert!(!ledger.is_pending(5) && !ledger.is_fenced());
    assert!(matches!(ledger.next(at(100), 6, OURS), Some(Act::ReadLedger)), "somebody else wrote");
}

#[test]
fn what_is_inherited_stays_in_each_write_and_beside_what_is_wished() {
    let mut ledger = after(vec![entry("old", &["i-1"], 1)]);
    assert_eq!(uids(write(&mut ledger, 100)), ["old"]);
    assert_eq!(write(&mut ledger, 100), None);
    ledger.want(&Arc::new(entry("a", &["i-2"], 1)));
    assert_eq!(uids(write(&mut ledger, 100)), ["a", "old"]);
    assert_eq!(write(&mut ledger, 100), None);
    assert_eq!(ledger.inherited().collect::<Vec<_>>(), ["old"]);
    // A run that is known takes it over, and wishes it itself.
    let (handed, until) = ledger.hand_over(&"old".into()).unwrap();
    assert_eq!((handed.pods.len(), until), (1, Duration::from_secs(140) + L + RELEASE));
    assert!(ledger.hand_over(&"old".into()).is_none());
    assert_eq!(ledger.inherited().count(), 0);
    ledger.want(&handed);
    assert_eq!(write(&mut ledger, 100), None);
}

#[test]
fn pods_have_room_beside_all_that_is_wished_or_inherited_and_no_more() {
    let mut ledger = after(vec![entry("old", &["i-1"], 2)]);
    ledger.want(&Arc::new(entry("a", &["i-2"], 3)));
    assert!(ledger.has_room(MAX_PODS - 5));
    assert!(!ledger.has_room(MAX_PODS - 4));
    assert!(!ledger.has_room(usize::MAX));
}

#[test]
fn what_nobody_else_tells_of_is_held_as_wide_as_it_may_be() {
    for (written, direction) in [
        (wire::Direction::Egress, Direction::Egress),
        (wire::Direction::Ingress, Direction::Ingress),
        (wire::Direction::Both, Direction::Both),
    ] {
        let ledger = after(vec![Reservation { delays: Some(written), ..entry("old", &["i-1"], 2) }]);
        let held: Vec<_> = ledger.held().collect();
        assert_eq!(held.len(), 1);
        assert_eq!((&*held[0].run, &*held[0].run_uid, &*held[0].namespace), ("old-name", "old", "shop"));
        assert_eq!((held[0].policy_uid.as_deref(), held[0].takes_down), (Some("policy"), true));
        assert_eq!(held[0].pods.keys().map(|uid| &**uid).collect::<Vec<_>>(), ["old-0", "old-1"]);
        assert_eq!(held[0].delay, Some(DelayScope { direction, peers: vec![] }));
    }
}

#[test]
fn what_is_inherited_is_freed_by_the_word_of_all_its_injections_or_by_time() {
    let ended = |uids: &[&str]| BTreeMap::from([("node-1".to_owned(), uids.iter().map(|&u| u.to_owned()).collect())]);
    let left = |injections: &[&str], seconds: u64, over: &[&str]| {
        let mut ledger = after(vec![entry("old", injections, 1)]);
        ledger.reap(at(seconds), &ended(over), &BTreeMap::new());
        ledger.inherited().count()
    };
    assert_eq!(left(&["i-1", "i-2"], 101, &["i-1"]), 1);
    assert_eq!(left(&["i-1", "i-2"], 101, &["i-1", "i-2", "i-3"]), 0);
    assert_eq!(left(&[], 101, &["i-1"]), 1, "where it names none, nobody attests it");
    let until = 140 + (L + RELEASE).as_secs();
    assert_eq!((left(&["i-1"], until - 1, &[]), left(&["i-1"], until, &[])), (1, 0));
}

#[test]
fn each_reservation_of_somebody_elses_is_told_of_once() {
    let mut ledger = after(vec![entry("old", &["i-1"], 1), entry("older", &["i-2"], 1)]);
    assert_eq!(ledger.told(), 2);
    let lost = |ledger: &mut Ledger| {
        assert!(matches!(ledger.next(at(100), 4, OURS), Some(Act::WriteLedger { .. })));
        ledger.done(at(100), OURS, Outcome::Conflict);
    };
    lost(&mut ledger);
    let three = vec![entry("old", &["i-1"], 1), entry("older", &["i-2"], 1), entry("third", &["i-3"], 1)];
    read(&mut ledger, 100, OURS - 1, "another", three);
    assert_eq!(ledger.told(), 3);
    lost(&mut ledger);
    // What we wrote ourselves, by a write whose answer was lost.
    read(&mut ledger, 100, OURS, "us", vec![entry("own", &["i-4"], 1)]);
    assert_eq!((ledger.told(), ledger.is_fenced()), (3, true));
    ledger.begin();
    assert_eq!((ledger.told(), ledger.is_fenced(), ledger.inherited().count()), (0, false, 0));
    assert!(matches!(ledger.next(at(100), 4, OURS), Some(Act::ReadLedger)));
}

#[test]
fn an_epoch_that_is_not_below_ours_and_not_ours_overtakes_until_a_lower_one_is_read() {
    for (epoch, holder, overtaken) in
        [(OURS, "us", None), (OURS, "another", Some(OURS)), (OURS + 4, "us", Some(OURS + 4)), (OURS - 1, "us", None)]
    {
        let mut ledger = Ledger::new("us".into(), L);
        assert_eq!(ledger.overtaken(), None);
        read(&mut ledger, 100, epoch, holder, vec![]);
        assert_eq!((ledger.overtaken(), ledger.is_fenced()), (overtaken, epoch == OURS && holder == "us"), "{epoch}");
        if overtaken.is_some() {
            assert!(ledger.next(at(100), 1, OURS).is_none(), "it is not asked again at once");
            assert_eq!(ledger.wake_at(at(100)), Some(Duration::from_millis(100_100)));
            read(&mut ledger, 101, OURS - 1, "another", vec![]);
            assert_eq!(ledger.overtaken(), None);
        }
    }
}

#[test]
fn why_it_could_not_be_written_is_said_until_it_is_written() {
    let why = || "as told".to_owned();
    for outcome in [Outcome::Busy { why: why() }, Outcome::Refused { why: why() }, Outcome::Unknown { why: why() }] {
        let mut ledger = after(vec![]);
        assert_eq!(ledger.trouble(), None);
        assert!(ledger.next(at(100), 2, OURS).is_some());
        ledger.done(at(100), OURS, outcome);
        assert_eq!(ledger.trouble(), Some("as told"));
        assert!(ledger.next(at(100), 2, OURS).is_none(), "not at once");
        read(&mut ledger, 101, OURS - 1, "another", vec![]);
        assert_eq!(ledger.trouble(), Some("as told"), "a good read says nothing about the next write");
        assert_eq!(write(&mut ledger, 101), Some(vec![]));
        assert_eq!(ledger.trouble(), None);
    }
}

#[test]
fn it_is_looked_at_when_a_try_is_due_and_when_what_is_inherited_cannot_be_in_effect() {
    let mut ledger = after(vec![entry("old", &["i-1"], 1)]);
    let until = Duration::from_secs(140) + L + RELEASE;
    assert_eq!(ledger.wake_at(at(100)), Some(until));
    assert_eq!(ledger.wake_at(Now { boot: until, ..at(0) }), None, "by then it is freed");
    assert!(ledger.next(at(100), 2, OURS).is_some());
    ledger.done(at(100), OURS, Outcome::Busy { why: "as told".into() });
    let again = Duration::from_millis(100_100);
    assert_eq!(ledger.wake_at(at(100)), Some(again));
    // While it is asked, its answer wakes.
    assert!(matches!(ledger.next(Now { boot: again, ..at(0) }, 3, OURS), Some(Act::ReadLedger)));
    assert_eq!(ledger.wake_at(at(100)), Some(until));
}

#[test]
fn where_there_is_none_one_is_made_and_one_that_is_gone_is_read_anew() {
    let mut ledger = Ledger::new("us".into(), L);
    assert!(ledger.next(at(100), 1, OURS).is_some());
    ledger.done(at(100), OURS, Outcome::Missing);
    let Some(Act::WriteLedger { resource_version: None, spec }) = ledger.next(at(100), 2, OURS) else { panic!() };
    assert_eq!((spec.epoch, spec.holder.as_str()), (OURS, "us"));
    ledger.done(at(100), OURS, Outcome::Exists);
    assert!(matches!(ledger.next(at(100), 3, OURS), Some(Act::ReadLedger)));
}
