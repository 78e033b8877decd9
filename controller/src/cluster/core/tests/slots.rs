//! Of one slot one run does something: the one that the Ledger names.

use super::fake::{Fake, Wrong, key};
use super::timetable::{tens, world};
use crate::cluster::core::event::{Event, RunSeen};
use rumpus_model::schedule::agenda::run_name;
use rumpus_model::wire::{Mode, RunStatus};

/// Somebody deletes a slot's run and a request of that name comes late, or is made by hand.
fn created_anew(world: &mut Fake, run: &RunSeen) -> String {
    world.delete_run(&run.key.name);
    let uid = "uid-created-anew".to_owned();
    let again = RunSeen {
        uid: uid.clone(),
        resource_version: world.next_version(),
        status: RunStatus::default(),
        ..run.clone()
    };
    world.runs.insert(uid.clone(), again.clone());
    world.tell(Event::Run(Box::new(again)));
    uid
}

#[test]
fn a_run_that_is_created_anew_after_it_was_deleted_does_nothing() {
    // While the first one is in effect, after it has ended, and across a restart.
    for (after, restarts) in [(2, false), (30, false), (2, true), (30, true)] {
        let mut world = world();
        world.policy(&tens(), Mode::Armed, "partition");
        world.seconds(500);
        world.seconds(after);
        let first = world.runs.values().next().unwrap().clone();
        let (hits, hit) = (world.hits.clone(), world.record().hit);
        assert_eq!((hits.len(), hit.is_some()), (2, after > 20), "{after} s: {:?}", world.log);
        let anew = created_anew(&mut world, &first);
        if restarts {
            world.start();
        }
        world.seconds(20);
        let status = &world.runs[&anew].status;
        assert_eq!(status.refusals.first().map(|why| why.reason.as_str()), Some("SlotTaken"), "{status:?}");
        assert_eq!(world.hits, hits, "{after} s, restarts: {restarts}");
        // That the first one did something is not forgotten.
        let record = world.record();
        assert!(record.begun.is_some() || record.hit.is_some(), "{record:?}");
        assert_eq!(record.run.as_deref(), Some(&*first.uid));
    }
}

#[test]
fn a_run_begins_only_once_it_is_written_that_it_has_its_slot() {
    let mut world = world();
    world.policy(&tens(), Mode::Armed, "partition");
    world.seconds(495);
    // The first write is the slot, the second one its run.
    let busy = std::iter::once(Wrong::Unseen).chain(vec![Wrong::Busy; 3]);
    world.wrongs.insert("groups", busy.collect());
    world.seconds(6);
    assert_eq!((world.begun().len(), world.count("create")), (1, 0), "{:?}", world.log);
    world.seconds(20);
    assert_eq!(world.hits.len(), 2, "{:?}", world.log);
}

#[test]
fn a_run_of_a_slot_that_nobody_took_does_nothing() {
    let mut world = world();
    world.policy(&tens(), Mode::Armed, "partition");
    world.seconds(530);
    let first = world.runs.values().next().unwrap().clone();
    let mut spec = first.spec.clone();
    spec.slot = Some("20231114t225000".into());
    spec.start_by = Some("2023-11-14T22:51:00Z".into());
    let name = run_name("monkey", "", "20231114t225000", false);
    let forged = RunSeen {
        key: key(&name),
        uid: "uid-forged".into(),
        resource_version: world.next_version(),
        spec,
        status: RunStatus::default(),
        ..first
    };
    world.runs.insert(forged.uid.clone(), forged.clone());
    world.tell(Event::Run(Box::new(forged)));
    world.seconds(10);
    let status = &world.runs["uid-forged"].status;
    assert_eq!(status.refusals.first().map(|why| why.reason.as_str()), Some("SlotTaken"), "{status:?}");
}
