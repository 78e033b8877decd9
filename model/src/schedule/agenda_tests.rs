//! What is due, by what really happened: nothing twice, nothing before a group was seen, and no other answer for asking
//! again.

use super::agenda::{Agenda, Ask, agenda, run_name, run_seed};
use super::record::{Record, Skip};
use super::{Schedule, Slot, synthetic};
use crate::policy::{Policy, Site, parse_for};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

const DAY: &str = "{random: {meanWorkDays: 2, minWorkDays: 1}, groupBy: Owner, timeZone: Europe/Berlin}";
const TENS: &str = "{every: 10m, groupBy: Owner, startingDeadline: 60s}";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn policy(schedule: &str) -> (Policy, Schedule) {
    let text = format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: monkey, namespace: shop}}\nspec:\n  \
         schedule: {schedule}\n  experiment:\n    targets: {{pods: {{selector: {{matchLabels: {{app: web}}}}}}}}\n    \
         pick: {{count: 1}}\n    faults: [{{kill: {{container: true}}}}]\n    steadyState: {{none: {{reason: a test}}}}\n"
    );
    let policy = parse_for(&text, Site::Cluster).unwrap().pop().unwrap();
    let schedule = policy.schedule.clone().unwrap();
    (policy, schedule)
}

fn told(schedule: &str, records: &BTreeMap<String, Record>, span: [&str; 2], groups: u32) -> Agenda {
    let (policy, schedule) = policy(schedule);
    let world = synthetic::world(&policy, "shop", groups).unwrap();
    let [from, to] = span.map(at);
    agenda(&world, &Ask { policy, schedule, namespace: "shop".into(), records: records.clone(), from, to, now: from })
}

/// A record of every group, seen at this time.
fn seen(agenda: &Agenda, when: &str) -> BTreeMap<String, Record> {
    agenda.groups.iter().map(|group| (group.clone(), Record::new(at(when)))).collect()
}

/// A Monday in Berlin.
const MONDAY: [&str; 2] = ["2026-11-30T00:00:00+01:00", "2026-12-01T00:00:00+01:00"];

#[test]
fn each_group_is_told_and_half_of_them_are_due() {
    let all = told(DAY, &BTreeMap::new(), MONDAY, 400);
    assert_eq!(all.groups.len(), 400);
    assert!(all.slots.len().abs_diff(200) < 40, "{}", all.slots.len());
    assert!(all.slots.is_sorted_by_key(|(_, slot)| slot.at));
}

#[test]
fn whoever_asks_again_and_again_gets_the_same_day() {
    let first = told(DAY, &BTreeMap::new(), MONDAY, 50);
    let records = seen(&first, MONDAY[0]);
    for _ in 0..50 {
        assert_eq!(told(DAY, &records, MONDAY, 50), first);
    }
    // And whoever asks in the middle of it gets what is left of it.
    let later = told(DAY, &records, ["2026-11-30T12:00:00+01:00", MONDAY[1]], 50);
    let rest: Vec<_> = first.slots.iter().filter(|(_, slot)| slot.at >= at("2026-11-30T12:00:00+01:00")).collect();
    assert_eq!(later.slots.iter().collect::<Vec<_>>(), rest);
}

#[test]
fn a_slot_that_was_taken_is_not_told_again_and_one_of_yesterday_hides_none_of_today() {
    let first = told(DAY, &BTreeMap::new(), MONDAY, 50);
    let mut records = seen(&first, MONDAY[0]);
    let (group, slot) = first.slots[0].clone();
    // Its run did nothing.
    let record = records.get_mut(&group).unwrap();
    record.take(&slot, slot.at, None);
    record.settle(false);
    let rest = told(DAY, &records, MONDAY, 50);
    assert_eq!(rest.slots, first.slots[1..]);
    let both = told(DAY, &records, [MONDAY[0], "2026-12-02T00:00:00+01:00"], 50);
    let tuesday = told(DAY, &records, [MONDAY[1], "2026-12-02T00:00:00+01:00"], 50);
    assert_eq!(both.slots[rest.slots.len()..], tuesday.slots);
}

#[test]
fn of_what_nobody_was_there_for_only_the_last_is_told() {
    let (policy, schedule) = policy(TENS);
    let world = synthetic::world(&policy, "shop", 2).unwrap();
    let [from, to, now] = ["2026-11-30T10:00:00Z", "2026-11-30T12:20:00Z", "2026-11-30T12:05:00Z"].map(at);
    let groups = ["Deployment/shop/app-0", "Deployment/shop/app-1"];
    let records = groups.map(|group| (group.to_owned(), Record::new(from))).into();
    let told = agenda(&world, &Ask { policy, schedule, namespace: "shop".into(), records, from, to, now });
    // 10:00 to 12:00 in tens, of two groups; then 12:10.
    assert_eq!(told.missed, 26);
    let times: Vec<String> = told.slots.iter().map(|(_, slot)| slot.at.to_string()).collect();
    assert_eq!(times[..2], ["2026-11-30T12:00:00Z"; 2]);
    assert_eq!(times[2..], ["2026-11-30T12:10:00Z"; 2]);
}

#[test]
fn a_group_that_is_new_has_no_past() {
    let first = told(DAY, &BTreeMap::new(), MONDAY, 200);
    let noon = "2026-11-30T12:00:00+01:00";
    let late = told(DAY, &seen(&first, noon), MONDAY, 200);
    assert!(late.slots.iter().all(|(_, slot)| slot.at >= at(noon)));
    // Half of the window is left.
    assert!(late.slots.len().abs_diff(first.slots.len() / 2) < 25, "{} of {}", late.slots.len(), first.slots.len());
}

#[test]
fn a_group_that_was_hit_today_is_not_due_again_today() {
    let first = told(DAY, &BTreeMap::new(), MONDAY, 20);
    let mut records = seen(&first, MONDAY[0]);
    for (group, slot) in &first.slots {
        let record = records.get_mut(group).unwrap();
        record.take(slot, slot.at, None);
        record.settle(true);
    }
    assert_eq!(told(DAY, &records, MONDAY, 20).slots, []);
}

fn ten() -> (Schedule, Record, Slot) {
    let agenda = told(TENS, &BTreeMap::new(), ["2026-11-30T10:00:00Z", "2026-11-30T10:10:00Z"], 1);
    (policy(TENS).1, Record::new(at("2026-11-30T09:00:00Z")), agenda.slots[0].1.clone())
}

#[test]
fn a_slot_may_begin_until_its_deadline_and_not_a_second_later() {
    let (schedule, record, slot) = ten();
    let after = |seconds| slot.at + SignedDuration::from_secs(seconds);
    assert_eq!(schedule.may_begin(&record, &slot, after(0)), Ok(()));
    assert_eq!(schedule.may_begin(&record, &slot, after(60)), Ok(()));
    assert_eq!(
        schedule.may_begin(&record, &slot, after(61)),
        Err(Skip::Missed { due: slot.at, until: after(60) }),
        "late is never made up for"
    );
}

#[test]
fn what_is_due_in_the_last_second_of_a_window_does_not_begin_after_it() {
    let (_, schedule) = policy("{random: {meanWorkDays: 1}, timeZone: UTC}");
    let slot = Slot { key: "20261130".into(), at: at("2026-11-30T14:59:59Z") };
    let record = Record::new(at("2026-11-27T10:00:00Z"));
    assert_eq!(schedule.may_begin(&record, &slot, slot.at), Ok(()));
    let now = at("2026-11-30T15:00:00Z");
    assert_eq!(schedule.may_begin(&record, &slot, now), Err(Skip::OutsideWindow { now }));
}

#[test]
fn the_minimum_gap_is_counted_from_what_really_happened() {
    let (_, schedule) = policy("{random: {meanWorkDays: 4, minWorkDays: 2}, timeZone: UTC}");
    let slot = Slot { key: "20261202".into(), at: at("2026-12-02T10:00:00Z") };
    let mut record = Record::new(at("2026-11-27T10:00:00Z"));
    // Begun yesterday; whether it acted is not known: it counts.
    record.take(&Slot { key: "20261201".into(), at: at("2026-12-01T10:00:00Z") }, at("2026-12-01T10:00:03Z"), None);
    let refused = schedule.may_begin(&record, &slot, slot.at);
    assert_eq!(refused, Err(Skip::MinimumGap { last: at("2026-12-01T10:00:03Z"), min: 2 }));
    record.settle(false);
    assert_eq!(schedule.may_begin(&record, &slot, slot.at), Ok(()));
    record.hit = Some(at("2026-11-30T14:59:59Z"));
    assert_eq!(schedule.may_begin(&record, &slot, slot.at), Ok(()), "the day before yesterday, two work days");
}

#[test]
fn a_clock_that_was_put_back_begins_nothing() {
    let (schedule, mut record, slot) = ten();
    record.hit = Some(at("2027-01-01T00:00:00Z"));
    let refused = schedule.may_begin(&record, &slot, slot.at).unwrap_err();
    assert_eq!(refused.reason(), "ClockBehind");
    assert!(refused.to_string().contains("2027-01-01"), "{refused}");
    // And no slot comes again that is before one that was taken.
    let mut record = Record::new(at("2026-11-30T09:00:00Z"));
    record.take(&slot, slot.at, None);
    let earlier = Slot { key: "20261130t095000".into(), at: at("2026-11-30T09:50:00Z") };
    assert!(record.is_taken(&slot) && record.is_taken(&earlier));
}

#[test]
fn what_was_begun_counts_until_it_is_known_to_have_done_nothing() {
    let (_, mut record, slot) = ten();
    record.hit = Some(at("2026-11-20T10:00:00Z"));
    record.take(&slot, at("2026-11-30T10:00:01Z"), None);
    assert_eq!(record.last(), Some(at("2026-11-30T10:00:01Z")));
    let mut nothing = record.clone();
    nothing.settle(false);
    assert_eq!(nothing.last(), Some(at("2026-11-20T10:00:00Z")));
    record.settle(true);
    assert_eq!((record.begun, record.hit), (None, Some(at("2026-11-30T10:00:01Z"))));
}

#[test]
fn a_record_is_read_as_it_was_written_and_one_that_cannot_be_read_is_an_error() {
    let (_, mut record, slot) = ten();
    record.take(&slot, at("2026-11-30T10:00:01Z"), None);
    let mut written = record.write("monkey", "Deployment/shop/web", true);
    assert!(written.dry_run);
    assert_eq!(Record::read(&written).unwrap(), record);
    written.hit = Some("yesterday".into());
    assert!(Record::read(&written).is_err());
}

#[test]
fn a_run_has_one_name_whoever_makes_it() {
    let name = run_name("checkout-monkey", "Deployment/shop/web", "20261130", false);
    assert_eq!(name, run_name("checkout-monkey", "Deployment/shop/web", "20261130", false));
    let others = [
        run_name("checkout-monkey", "Deployment/shop/web", "20261130", true),
        run_name("checkout-monkey", "Deployment/shop/web", "20261201", false),
        run_name("checkout-monkey", "Deployment/shop/db", "20261130", false),
        run_name("other-monkey", "Deployment/shop/web", "20261130", false),
    ];
    assert!(others.iter().all(|other| *other != name), "{others:?}");
    let long = run_name(&"a".repeat(253), "", "20261130t100000", true);
    assert!(long.len() <= 63, "{long}");
    // A dry run takes the victims that the armed one of the same slot would take.
    assert_eq!(run_seed("shop", "monkey", "g", "20261130"), "shop/monkey/g/20261130");
    let long = |group: &str| run_seed(&"n".repeat(63), &"p".repeat(253), group, "20261130t100000");
    assert!(long(&"g".repeat(400)).len() <= 253 && long(&"g".repeat(400)) != long(&"h".repeat(400)));
}
