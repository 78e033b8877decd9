//! Owners that were hit are written with the end of the run, in one write, and every plan is told of them.

use super::fake::{Fake, L};
use crate::cluster::core::event::{Act, LedgerSeen, Now, Outcome};
use crate::cluster::core::ledger::Ledger;
use jiff::Timestamp;
use rumpus_model::wire::ledger::{Hit, LedgerSpec, Reservation};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const WEB: &str = "Deployment/shop/web";

fn at(seconds: i64) -> Now {
    let boot = Duration::from_secs(seconds.unsigned_abs());
    Now { boot, wall: Timestamp::from_second(1_700_000_000 + seconds).unwrap() }
}

fn entry(uid: &str, owners: &[&str]) -> Reservation {
    Reservation {
        namespace: "shop".into(),
        name: uid.into(),
        uid: uid.into(),
        policy: None,
        takes_down: true,
        delays: None,
        lasts_seconds: 40,
        injections: vec!["i-1".into()],
        pods: vec!["uid-web-0".into()],
        owners: owners.iter().map(ToString::to_string).collect(),
        more_owners: false,
    }
}

/// One that has read this, in term 2, and has written its epoch.
fn after(spec: LedgerSpec) -> Ledger {
    let mut ledger = Ledger::new("us".into(), L);
    assert!(ledger.hits().is_err(), "what was not read is not known");
    assert!(matches!(ledger.next(at(100), 1, 2), Some(Act::ReadLedger)));
    ledger.done(at(100), 2, seen("1", spec));
    written(&mut ledger, 101);
    ledger
}

fn seen(version: &str, spec: LedgerSpec) -> Outcome {
    Outcome::Ledger(Box::new(LedgerSeen { resource_version: version.into(), spec }))
}

/// Lets it write, if it wants to, and returns what.
fn written(ledger: &mut Ledger, seconds: i64) -> Option<LedgerSpec> {
    let Some(Act::WriteLedger { spec, .. }) = ledger.next(at(seconds), 7, 2) else { return None };
    ledger.done(at(seconds), 2, seen("2", (*spec).clone()));
    Some(*spec)
}

fn hits(spec: &LedgerSpec) -> Vec<(&str, &str)> {
    spec.hits.iter().map(|hit| (hit.owner.as_str(), hit.at.as_str())).collect()
}

#[test]
fn what_is_released_was_hit_and_what_is_forgotten_was_not() {
    let mut ledger = after(LedgerSpec::default());
    for (uid, owner) in [("a", WEB), ("b", "Deployment/shop/db")] {
        ledger.want(&Arc::new(entry(uid, &[owner])));
    }
    assert_eq!(hits(&written(&mut ledger, 110).unwrap()), []);
    ledger.forget(&"b".into());
    ledger.release(&"a".into(), at(120).wall);
    let spec = written(&mut ledger, 120).unwrap();
    assert_eq!((hits(&spec), spec.reservations.len()), (vec![(WEB, "2023-11-14T22:15:20Z")], 0));
    // Once.
    ledger.release(&"a".into(), at(130).wall);
    assert_eq!(written(&mut ledger, 130), None);
    assert_eq!(ledger.hits().unwrap().last(WEB), Some(1_700_000_120));
}

#[test]
fn what_a_predecessor_wrote_is_kept_and_what_it_held_was_hit_too() {
    let old = Hit { owner: "Deployment/shop/db".into(), at: "2023-11-14T22:00:00Z".into() };
    let spec = LedgerSpec {
        epoch: 1,
        holder: "another".into(),
        reservations: vec![entry("old", &[WEB])],
        hits: vec![old],
        ..LedgerSpec::default()
    };
    let mut ledger = after(spec);
    let held: Vec<String> = ledger.held().flat_map(|held| held.owners).map(|owner| owner.to_string()).collect();
    assert_eq!(held, [WEB], "it is being hit");
    let ended = BTreeMap::from([("node-1".to_owned(), ["i-1".to_owned()].into())]);
    ledger.reap(at(130), &ended, &BTreeMap::new());
    let spec = written(&mut ledger, 130).unwrap();
    let both = [("Deployment/shop/db", "2023-11-14T22:00:00Z"), (WEB, "2023-11-14T22:15:30Z")];
    assert_eq!((hits(&spec), spec.reservations.len()), (both.to_vec(), 0));
}

#[test]
fn a_run_that_acted_leaves_its_owners_and_one_that_was_refused_none() {
    let mut world = Fake::new();
    world.run("a", "partition", true);
    world.seconds(4);
    let held = world.ledger.as_ref().unwrap().spec.reservations[0].owners.clone();
    assert_eq!(held, [WEB]);
    world.seconds(60);
    let spec = &world.ledger.as_ref().unwrap().spec;
    assert_eq!((spec.hits.len(), spec.hits[0].owner.as_str()), (1, WEB));
    let mut refused = Fake::new();
    refused.guard = vec!["a policy".into()];
    refused.start();
    refused.run("a", "partition", true);
    refused.seconds(60);
    assert!(refused.ledger.as_ref().is_none_or(|ledger| ledger.spec.hits.is_empty()));
}
