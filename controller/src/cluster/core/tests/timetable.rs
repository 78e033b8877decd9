//! Runs that schedules begin: once for each slot, whoever asks, crashes or loses an answer; and none that is too late.

use super::fake::{Fake, Wrong, key};
use crate::cluster::core::event::{Event, LedgerSeen, NewRun, Outcome, PolicySeen, RunSeen};
use jiff::SignedDuration;
use rumpus_model::schedule::agenda::{Ask, agenda};
use rumpus_model::schedule::synthetic;
use rumpus_model::wire::ledger::{Group, LedgerSpec};
use rumpus_model::wire::{Mode, PolicySpec, RunState, RunStatus};
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Fake {
    pub(super) fn agenda(&self, ask: &Ask) -> Outcome {
        let world = synthetic::world(&ask.policy, &ask.namespace, self.owners).unwrap();
        Outcome::Agenda(Box::new(agenda(&world, ask)))
    }

    pub(super) fn write_groups(&mut self, version: Option<String>, spec: LedgerSpec) -> Outcome {
        match (&self.groups, version) {
            (Some(_), None) => return Outcome::Exists,
            (None, Some(_)) => return Outcome::Missing,
            (Some(old), Some(version)) if old.resource_version != version => return Outcome::Conflict,
            (Some(old), _) if old.spec.epoch > spec.epoch => return Outcome::Refused { why: "epoch".into() },
            (_, _) => {}
        }
        let seen = LedgerSeen { resource_version: self.next_version(), spec };
        self.groups = Some(seen.clone());
        Outcome::Ledger(Box::new(seen))
    }

    pub(super) fn begin(&mut self, new: NewRun) -> Outcome {
        self.log.push(format!("begin {}", new.spec.slot.clone().unwrap_or_default()));
        let uid = format!("uid-{}", new.key.name);
        if self.runs.contains_key(&uid) {
            return Outcome::Exists;
        }
        let seen = RunSeen {
            key: new.key,
            uid: uid.clone(),
            resource_version: self.next_version(),
            generation: 1,
            deleting: false,
            owners: vec![new.policy_uid],
            spec: new.spec,
            status: RunStatus::default(),
        };
        self.runs.insert(uid, seen.clone());
        self.tell(Event::Run(Box::new(seen.clone())));
        Outcome::Run(Box::new(seen))
    }

    /// Somebody applies a policy with this schedule.
    pub(super) fn policy(&mut self, schedule: &Value, mode: Mode, fault: &str) -> PolicySeen {
        let experiment = self.written("x", fault, true).spec.experiment;
        let schedule = serde_json::from_value(schedule.clone()).unwrap();
        let spec = PolicySpec { mode: Some(mode), schedule: Some(schedule), experiment, ..PolicySpec::default() };
        let seen = PolicySeen {
            key: key("monkey"),
            uid: "uid-monkey".into(),
            generation: 1,
            deleting: false,
            spec,
            ready: None,
        };
        self.change(&seen);
        seen
    }

    pub(super) fn change(&mut self, policy: &PolicySeen) {
        self.policy = Some(policy.clone());
        self.tell(Event::Policy(Box::new(policy.clone())));
    }

    /// Runs that the schedule began, by slot.
    pub(super) fn begun(&self) -> Vec<String> {
        let mut slots: Vec<String> = self.runs.values().filter_map(|r| r.spec.slot.clone()).collect();
        slots.sort();
        slots
    }

    pub(super) fn record(&self) -> Group {
        self.groups.as_ref().unwrap().spec.groups[0].clone()
    }
}

/// In multiples of ten minutes; it is 22:31:40 when a test begins.
pub(super) fn tens() -> Value {
    json!({"every": "10m"})
}

pub(super) fn world() -> Fake {
    let mut world = Fake::new();
    world.skew = SignedDuration::from_secs(100);
    world
}

#[test]
fn a_run_begins_at_its_time_and_what_it_did_is_recorded() {
    let mut world = world();
    world.policy(&tens(), Mode::Armed, "partition");
    world.seconds(499);
    assert_eq!(world.begun(), [""; 0]);
    assert_eq!(world.record().begun, None);
    world.seconds(3);
    assert_eq!(world.begun(), ["20231114t224000"]);
    let run = world.runs.values().next().unwrap().clone();
    assert_eq!((run.spec.mode, run.spec.group.as_deref()), (Some(Mode::Armed), None));
    assert_eq!((run.owners, run.spec.start_by.as_deref()), (vec!["uid-monkey".into()], Some("2023-11-14T22:41:00Z")));
    assert!(world.record().begun.is_some() && world.record().hit.is_none(), "{:?}", world.record());
    world.seconds(30);
    assert_eq!(world.runs[&run.uid].status.state, Some(RunState::Finished));
    assert!(world.record().begun.is_none() && world.record().hit.is_some(), "{:?}", world.record());
    world.seconds(600);
    assert_eq!(world.begun(), ["20231114t224000", "20231114t225000"]);
}

#[test]
fn what_is_not_recorded_is_not_created() {
    let mut world = world();
    world.policy(&tens(), Mode::Armed, "partition");
    world.seconds(400);
    world.wrongs.insert("groups", vec![Wrong::Busy; 200].into());
    world.seconds(200);
    assert_eq!((world.count("begin"), world.begun().len()), (0, 0));
    // The deadline has passed: it is not made up for.
    world.wrongs.clear();
    world.seconds(300);
    assert_eq!(world.count("begin"), 0);
    world.seconds(300);
    assert_eq!(world.begun(), ["20231114t225000"]);
}

#[test]
fn fifty_restarts_begin_nothing_twice() {
    let mut world = world();
    world.policy(&tens(), Mode::DryRun, "partition");
    for _ in 0..50 {
        world.seconds(13);
        world.start();
    }
    world.seconds(30);
    assert_eq!((world.begun(), world.count("begin")), (vec!["20231114t224000".to_owned()], 1));
}

#[test]
fn a_lost_answer_makes_neither_two_nor_none() {
    for place in ["begin", "groups", "read groups", "agenda"] {
        for wrong in [Wrong::Unseen, Wrong::Lost, Wrong::Conflict, Wrong::Busy] {
            let mut world = world();
            world.policy(&tens(), Mode::DryRun, "partition");
            world.seconds(490);
            world.wrongs.insert(place, vec![wrong; 3].into());
            world.seconds(60);
            assert_eq!(world.begun().len(), 1, "{place} {wrong:?}: {:?}", world.log);
            world.seconds(60);
            assert!(world.record().hit.is_some(), "{place} {wrong:?}: {:?}", world.record());
        }
    }
}

#[test]
fn what_the_server_refuses_is_no_hit() {
    let mut world = world();
    world.policy(&tens(), Mode::Armed, "partition");
    world.wrongs.insert("begin", vec![Wrong::Refused].into());
    world.seconds(560);
    assert_eq!(world.begun().len(), 0);
    let record = world.record();
    assert_eq!((record.slot.as_deref(), record.begun, record.hit), (Some("20231114t224000"), None, None));
}

#[test]
fn a_run_that_does_nothing_is_no_hit() {
    let mut world = world();
    world.max_active = 0;
    world.policy(&tens(), Mode::Armed, "partition");
    world.seconds(560);
    assert_eq!(world.begun().len(), 1);
    assert_eq!((world.record().begun, world.record().hit), (None, None));
}

#[test]
fn nobody_was_there_for_it_and_it_is_recorded_as_missed_and_not_made_up_for() {
    let mut world = world();
    world.policy(&tens(), Mode::Armed, "partition");
    world.seconds(60);
    // Twenty-five minutes in which no process runs.
    world.boot += std::time::Duration::from_secs(1500);
    world.start();
    world.seconds(100);
    assert_eq!(world.count("begin"), 0);
    assert_eq!(world.record().slot.as_deref(), Some("20231114t225000"));
    world.seconds(300);
    assert_eq!(world.begun(), ["20231114t230000"]);
}

#[test]
fn while_it_is_suspended_nothing_begins_and_nothing_is_made_up_for() {
    let mut world = world();
    let policy = world.policy(&tens(), Mode::Armed, "partition");
    world.seconds(60);
    let suspended = PolicySpec { suspend: Some(true), ..policy.spec.clone() };
    world.change(&PolicySeen { spec: suspended, ..policy.clone() });
    world.seconds(1300);
    assert_eq!(world.count("begin"), 0);
    world.change(&policy);
    world.seconds(100);
    assert_eq!(world.count("begin"), 0);
    world.seconds(500);
    assert_eq!(world.count("begin"), 1);
}

#[test]
fn a_policy_that_was_changed_unseen_is_read_again_before_anything_is_armed() {
    let mut world = world();
    let policy = world.policy(&tens(), Mode::Armed, "partition");
    world.seconds(490);
    let changes: [(PolicySpec, &str); 3] = [
        (PolicySpec { suspend: Some(true), ..policy.spec.clone() }, "PolicySuspended"),
        (PolicySpec { mode: None, ..policy.spec.clone() }, "PolicyDisarmed"),
        (
            PolicySpec {
                schedule: serde_json::from_value(
                    json!({"every": "10m", "windows": [{"from": "03:00", "to": "04:00"}]}),
                )
                .unwrap(),
                ..policy.spec.clone()
            },
            "OutsideWindow",
        ),
    ];
    for (spec, reason) in changes {
        // The watch is behind.
        world.policy = Some(PolicySeen { spec, ..policy.clone() });
        world.seconds(600);
        let last = world.runs.values().max_by_key(|run| run.spec.slot.clone()).unwrap();
        assert_eq!(last.status.refusals[0].reason, reason, "{:?}", last.status);
    }
    assert!(world.hits.is_empty() && world.record().hit.is_none(), "{:?}", world.hits);
}

#[test]
fn a_run_that_waited_for_too_long_does_not_begin_any_more() {
    let mut world = world();
    world.policy(&tens(), Mode::Armed, "partition");
    world.seconds(480);
    // Nobody may arm anything, for longer than the deadline.
    world.tell(Event::Halts(Err("not known".into())));
    world.wrongs.insert("policy", vec![Wrong::Busy; 30].into());
    world.seconds(120);
    world.tell(Event::Halts(Ok(Vec::new())));
    world.seconds(30);
    let run = world.runs.values().next().unwrap();
    assert_eq!(run.status.refusals.first().map(|why| why.reason.as_str()), Some("SlotMissed"), "{:?}", run.status);
    assert!(world.hits.is_empty());
}

#[test]
fn an_earlier_run_that_has_not_ended_decides_by_concurrency() {
    for (concurrency, runs, cancelled) in [("Forbid", 1, 0), ("Allow", 2, 0), ("Replace", 2, 2)] {
        let mut world = world();
        world.max_active = 8;
        world.dead.extend(["node-0".to_owned(), "node-1".to_owned()]);
        let mut policy = world.policy(&json!({"every": "1m", "concurrency": concurrency}), Mode::Armed, "partition");
        policy.spec.experiment.as_mut().unwrap().duration = Some("60s".into());
        world.change(&policy);
        world.seconds(30);
        assert_eq!(world.begun().len(), 1, "{concurrency}");
        // Its nodes attest nothing: it ends by time alone, after more than a minute.
        world.seconds(55);
        assert_eq!(world.begun().len(), if concurrency == "Allow" { 2 } else { 1 }, "{concurrency}: {:?}", world.log);
        if concurrency == "Replace" {
            assert_eq!(world.count("Cancelled"), cancelled);
            world.dead.clear();
            for name in world.injections.keys().cloned().collect::<Vec<_>>() {
                world.attest(&name, rumpus_model::wire::InjectionState::Restored);
            }
            world.seconds(5);
        }
        assert_eq!(world.begun().len(), runs, "{concurrency}: {:?}", world.log);
    }
}

#[test]
fn a_clock_that_jumps_begins_nothing_twice_and_nothing_late() {
    let mut world = world();
    world.policy(&tens(), Mode::Armed, "partition");
    world.seconds(520);
    assert_eq!(world.begun().len(), 1);
    // Back by nine minutes: 22:40 comes again.
    world.skew -= SignedDuration::from_mins(9);
    world.seconds(700);
    assert_eq!(world.begun(), ["20231114t224000"], "22:40 comes again, and is not begun again");
    // A day forward: one hundred and forty-four are missed, and none of them begins.
    world.skew += SignedDuration::from_hours(24);
    world.seconds(300);
    assert_eq!(world.begun().len(), 1, "{:?}", world.begun());
}

#[test]
fn each_group_has_its_own_run_and_its_own_record() {
    let mut world = world();
    world.owners = 3;
    world.max_active = 8;
    world.policy(&json!({"every": "10m", "groupBy": "Owner"}), Mode::DryRun, "partition");
    world.seconds(520);
    let groups: BTreeSet<String> = world.runs.values().filter_map(|r| r.spec.group.clone()).collect();
    assert_eq!(groups.len(), 3, "{groups:?}");
    assert!(world.runs.values().all(|r| r.spec.group_by.is_some()));
    assert_eq!(world.groups.as_ref().unwrap().spec.groups.len(), 3);
}

#[test]
fn a_dry_run_has_a_record_of_its_own() {
    let mut world = world();
    let policy = world.policy(&tens(), Mode::DryRun, "partition");
    world.seconds(520);
    assert_eq!(world.begun().len(), 1);
    assert!(world.hits.is_empty(), "{:?}", world.hits);
    let armed = PolicySpec { mode: Some(Mode::Armed), ..policy.spec.clone() };
    world.change(&PolicySeen { spec: armed, ..policy });
    world.seconds(600);
    let both = &world.groups.as_ref().unwrap().spec.groups;
    assert_eq!(both.iter().map(|g| (g.dry_run, g.hit.is_some())).collect::<Vec<_>>(), [(false, true), (true, true)]);
    let mut seeds: Vec<_> = world.runs.values().map(|r| (r.spec.mode, r.spec.seed.clone().unwrap())).collect();
    seeds.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(seeds[0].1, "shop/monkey//20231114t224000");
}

#[test]
fn of_many_finished_runs_the_last_fifty_stay() {
    let mut world = world();
    world.policy(&json!({"every": "1m"}), Mode::DryRun, "partition");
    world.run("by-hand", "partition", false);
    world.seconds(60 * 56);
    assert_eq!(world.begun().len(), 50);
    assert_eq!(world.begun()[0], "20231114t223800");
    assert!(world.runs.contains_key("uid-by-hand"));
}

#[test]
fn a_policy_that_cannot_be_read_begins_nothing() {
    let mut world = world();
    world.policy(&json!({"every": "10m", "holidays": {"calendars": ["nowhere"]}}), Mode::Armed, "partition");
    world.seconds(1300);
    assert_eq!((world.count("begin"), world.groups.is_none()), (0, true));
}

#[test]
fn the_status_tells_what_is_to_come_what_was_drawn_and_what_did_not_run() {
    let mut world = world();
    world.owners = 40;
    let schedule =
        json!({"random": {"meanWorkDays": 2}, "groupBy": "Owner", "windows": [{"from": "22:00", "to": "24:00"}]});
    let policy = world.policy(&schedule, Mode::DryRun, "partition");
    world.seconds(20);
    let status = world.policy_status.clone().unwrap();
    let today = status.today.unwrap();
    assert_eq!((status.groups, today.date.as_str()), (Some(40), "2023-11-14"));
    assert_eq!(today.due + today.done + today.none, 40);
    assert!(today.due > 5 && today.none > 15, "{today:?}");
    assert_eq!(status.next.len(), usize::try_from(today.due).unwrap().min(20));
    // Half an hour later some of it is done; what was drawn is what it was.
    world.seconds(1800);
    let later = world.policy_status.clone().unwrap().today.unwrap();
    assert_eq!((later.none, later.due + later.done), (today.none, today.due + today.done));
    assert!(later.done > 0, "{later:?}");
    world.start();
    world.seconds(20);
    assert_eq!(world.policy_status.clone().unwrap().today.unwrap(), later, "another controller says the same");
    let suspended = PolicySpec { suspend: Some(true), ..policy.spec.clone() };
    world.change(&PolicySeen { spec: suspended, ..policy });
    world.seconds(20);
    assert_eq!(world.policy_status.unwrap().state, Some(rumpus_model::wire::policy_status::ScheduleState::Suspended));
}

#[test]
fn the_status_names_what_did_not_run_and_why() {
    let mut world = world();
    world.policy(&tens(), Mode::Armed, "partition");
    world.seconds(60);
    world.boot += std::time::Duration::from_secs(1500);
    world.start();
    world.seconds(30);
    let status = world.policy_status.clone().unwrap();
    assert_eq!((status.skipped[0].reason.as_str(), status.skipped[0].slot.as_str()), ("Missed", "20231114t225000"));
    let mut world = self::world();
    world.policy(&json!({"every": "10m", "holidays": {"calendars": ["nowhere"]}}), Mode::Armed, "partition");
    world.seconds(30);
    let status = world.policy_status.unwrap();
    assert!(status.message.unwrap().contains("nowhere"));
}

#[test]
fn a_slot_waits_for_one_of_its_group_that_is_being_recorded_and_takes_not_its_place() {
    for (concurrency, runs) in [("Forbid", 1), ("Allow", 2)] {
        let mut world = world();
        world.max_active = 8;
        let schedule = json!({"every": "1m", "startingDeadline": "10m", "concurrency": concurrency});
        world.policy(&schedule, Mode::DryRun, "partition");
        world.seconds(15);
        // Nothing can be recorded, until the second minute has come.
        world.wrongs.insert("groups", vec![Wrong::Busy; 1000].into());
        world.seconds(75);
        world.wrongs.clear();
        world.seconds(20);
        assert_eq!(world.begun().len(), runs, "{concurrency}: {:?}", world.log);
        assert_eq!(world.begun()[0], "20231114t223200", "{concurrency}");
    }
}

#[test]
fn a_group_that_waits_for_its_old_run_holds_no_other_up() {
    let mut world = world();
    (world.owners, world.max_active) = (2, 8);
    world.dead.extend(["node-0".to_owned(), "node-1".to_owned()]);
    let schedule = json!({"every": "1m", "groupBy": "Owner", "concurrency": "Replace", "startingDeadline": "50s"});
    let mut policy = world.policy(&schedule, Mode::Armed, "partition");
    policy.spec.experiment.as_mut().unwrap().duration = Some("5m".into());
    world.change(&policy);
    world.seconds(30);
    assert_eq!(world.begun().len(), 2);
    // The second group's run is gone; the first one's has nodes that attest nothing.
    let second = world.runs.values().find(|run| run.spec.group.as_deref() == Some("Deployment/shop/app-1")).unwrap();
    let name = second.key.name.clone();
    world.delete_run(&name);
    for injection in world.injections.keys().filter(|i| i.starts_with(&name)).cloned().collect::<Vec<_>>() {
        world.attest(&injection, rumpus_model::wire::InjectionState::Restored);
    }
    world.seconds(60);
    let groups: Vec<_> = world.runs.values().map(|run| (run.spec.group.clone(), run.spec.slot.clone())).collect();
    let next = groups.iter().filter(|(_, slot)| slot.as_deref() == Some("20231114t223300")).collect::<Vec<_>>();
    assert_eq!(next.len(), 1, "{groups:?}");
    assert_eq!(next[0].0.as_deref(), Some("Deployment/shop/app-1"));
}

#[test]
fn a_run_in_mid_fault_is_taken_over_although_its_policy_was_suspended_meanwhile() {
    let mut world = world();
    let policy = world.policy(&json!({"every": "1m"}), Mode::Armed, "partition");
    world.seconds(24);
    assert_eq!(world.count("Armed"), 2, "{:?}", world.log);
    let suspended = PolicySpec { suspend: Some(true), ..policy.spec.clone() };
    world.policy = Some(PolicySeen { spec: suspended, ..policy });
    world.start();
    world.seconds(30);
    let run = world.runs.values().next().unwrap();
    assert_eq!(run.status.state, Some(RunState::Finished), "{:?}", world.log);
    assert_eq!(run.status.refusals, [], "an edit is about the next slot");
    assert!(world.record().hit.is_some());
}

#[test]
fn the_answer_about_an_earlier_policy_is_none_about_a_later_one() {
    let mut world = world();
    let policy = world.policy(&tens(), Mode::Armed, "partition");
    // The write of the first status has no answer yet when the policy changes; then the second one's is lost.
    world.wrongs.insert("policy status", vec![Wrong::Lost].into());
    world.seconds(1);
    let bad = json!({"every": "10m", "holidays": {"calendars": ["nowhere"]}});
    let spec = PolicySpec { schedule: serde_json::from_value(bad).unwrap(), ..policy.spec.clone() };
    world.wrongs.insert("policy status", vec![Wrong::Lost].into());
    world.change(&PolicySeen { spec, generation: 2, ..policy });
    world.seconds(30);
    let status = world.policy_status.clone().unwrap();
    assert_eq!(status.observed_generation, Some(2));
    assert!(status.message.is_some(), "{status:?}");
}

#[test]
fn a_copy_of_a_slots_run_is_neither_its_record_nor_taken_away() {
    let mut world = world();
    world.policy(&json!({"every": "1m"}), Mode::DryRun, "partition");
    world.seconds(30);
    let mut copy = world.runs.values().next().unwrap().clone();
    (copy.key, copy.uid, copy.status) = (key("a-copy"), "uid-a-copy".into(), RunStatus::default());
    copy.resource_version = world.next_version();
    world.runs.insert(copy.uid.clone(), copy.clone());
    world.tell(Event::Run(Box::new(copy)));
    world.seconds(60 * 55);
    assert_eq!(world.runs.values().filter(|run| run.key.name.starts_with("monkey-")).count(), 50);
    assert!(world.runs.contains_key("uid-a-copy"));
}
