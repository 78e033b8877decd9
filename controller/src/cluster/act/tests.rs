//! The requests as they go out, and what becomes of each kind of answer.

use super::{Asker, carry_out};
use crate::cluster::core::event::{Act, Key, NewInjection, Outcome, PodRef};
use rumpus_cluster::fake::{Answer, Calls, server};
use rumpus_model::wire::{Fault, InjectionSpec, Kill, LedgerSpec, Phase, RunRef, RunStatus};
use serde_json::json;
use std::time::Duration;

fn key() -> Key {
    Key { namespace: "shop".into(), name: "a-1-r1".into() }
}

fn spec() -> InjectionSpec {
    InjectionSpec {
        node_name: "node-1".into(),
        run: RunRef { name: "a".into(), uid: "uid-a".into() },
        phase: Phase::Planned,
        epoch: 3,
        revision: 1,
        not_after: "2026-01-01T00:00:00.000000Z".into(),
        duration: None,
        fault: Fault { kill: Some(Kill::default()), ..Fault::default() },
        targets: Vec::new(),
        peers: None,
    }
}

async fn asked(act: Act, answer: Answer) -> (Outcome, Calls) {
    let (cluster, calls) = server(Duration::from_millis(50), move |_| answer.clone());
    (carry_out(&cluster, "me", &Asker::new(Vec::new(), &[]), act).await, calls)
}

fn arm() -> Act {
    Act::SetPhase {
        key: key(),
        resource_version: "41".into(),
        spec: Box::new(spec()),
        phase: Phase::Armed,
        never_armed: false,
    }
}

#[tokio::test]
async fn a_share_is_created_under_its_name_and_owned_by_its_run() {
    let stored = json!({"apiVersion": "rumpus.dev/v1alpha1", "kind": "ChaosInjection",
        "metadata": {"name": "a-1-r1", "namespace": "shop", "uid": "u", "resourceVersion": "7"}, "spec": spec()});
    let act = Act::Create(Box::new(NewInjection { key: key(), spec: spec() }));
    let (outcome, calls) = asked(act, Answer::Object(stored)).await;
    let Outcome::Injection(seen) = outcome else { panic!("{outcome:?}") };
    assert_eq!((seen.uid.as_str(), seen.resource_version.as_str()), ("u", "7"));
    let call = &calls.all()[0];
    assert_eq!(call.path, "/apis/rumpus.dev/v1alpha1/namespaces/shop/chaosinjections");
    assert!(call.query.contains("fieldValidation=Strict"), "{}", call.query);
    let meta = &call.body["metadata"];
    assert_eq!(meta["name"], "a-1-r1");
    assert_eq!(meta["ownerReferences"][0]["uid"], "uid-a");
    assert_eq!(meta["ownerReferences"][0]["blockOwnerDeletion"], false);
    assert_eq!(meta["labels"]["rumpus.dev/run"], "uid-a");
}

#[tokio::test]
async fn a_phase_is_set_only_on_the_version_that_was_read() {
    let stored = json!({"metadata": {"name": "a-1-r1", "uid": "u", "resourceVersion": "42"}, "spec": spec()});
    let (_, calls) = asked(arm(), Answer::Object(stored)).await;
    let call = &calls.all()[0];
    assert_eq!(call.method.as_str(), "PATCH");
    assert_eq!(call.body["spec"], json!({"phase": "Armed"}));
    assert_eq!(call.body["metadata"]["resourceVersion"], "41");
}

#[tokio::test]
async fn each_answer_is_sorted_by_what_can_be_done_about_it() {
    let status = |code, reason| Answer::Status(code, reason, "as told".into());
    type Right = fn(&Outcome) -> bool;
    let cases: [(Answer, Right); 9] = [
        (status(404, "NotFound"), |o| matches!(o, Outcome::Missing)),
        (status(409, "Conflict"), |o| matches!(o, Outcome::Conflict)),
        (status(409, "AlreadyExists"), |o| matches!(o, Outcome::Exists)),
        (status(429, "TooManyRequests"), |o| matches!(o, Outcome::Busy { .. })),
        (status(403, "Forbidden"), |o| matches!(o, Outcome::Refused { .. })),
        (status(422, "Invalid"), |o| matches!(o, Outcome::Refused { .. })),
        (status(500, "InternalError"), |o| matches!(o, Outcome::Unknown { .. })),
        (Answer::Silence, |o| matches!(o, Outcome::Unknown { .. })),
        (Answer::Broken, |o| matches!(o, Outcome::Unknown { .. })),
    ];
    for (answer, right) in cases {
        let text = format!("{answer:?}");
        let (outcome, calls) = asked(arm(), answer).await;
        assert!(right(&outcome), "{text}: {outcome:?}");
        assert!(calls.all().len() <= 1, "a write is never repeated blindly");
    }
}

#[tokio::test]
async fn a_pod_goes_only_if_it_is_still_the_one_that_was_planned() {
    let pod = PodRef { key: key(), uid: "uid-pod".into(), grace: Some(0) };
    for act in [Act::DeletePod(pod.clone()), Act::EvictPod(pod)] {
        let (_, calls) = asked(act, Answer::Status(409, "Conflict", "another".into())).await;
        let body = &calls.all()[0].body;
        let options = if path_is_eviction(&calls) { &body["deleteOptions"] } else { body };
        assert_eq!(options["preconditions"], json!({"uid": "uid-pod"}), "{body}");
        assert_eq!(options["gracePeriodSeconds"], 0, "{body}");
    }
}

fn path_is_eviction(calls: &Calls) -> bool {
    calls.all()[0].path.ends_with("/pods/a-1-r1/eviction")
}

#[tokio::test]
async fn a_status_is_written_whole_to_this_version_of_the_run() {
    let act = Act::WriteStatus {
        key: Key { namespace: "shop".into(), name: "a".into() },
        resource_version: "7".into(),
        status: Box::new(RunStatus::default()),
    };
    let (_, calls) = asked(act, Answer::Status(500, "InternalError", "x".into())).await;
    let call = &calls.all()[0];
    assert!(call.path.ends_with("/chaosruns/a/status"), "{}", call.path);
    assert!(call.query.contains("fieldManager=rumpus-controller"));
    assert_eq!(call.body[0], json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"}));
}

#[tokio::test]
async fn a_halt_that_cannot_be_read_is_about_everything() {
    let halts = json!({"metadata": {}, "items": [{"metadata": {"name": "odd", "uid": "u"}, "spec": {"scope": 7}}]});
    let (outcome, _) = asked(Act::ListHalts, Answer::Object(halts)).await;
    let Outcome::Halts(halts) = outcome else { panic!("{outcome:?}") };
    assert_eq!(halts[0].scope, rumpus_model::cluster::world::HaltScope::All);
}

#[tokio::test]
async fn the_ledger_is_written_whole_on_the_version_that_was_read_and_created_where_there_is_none() {
    let spec = LedgerSpec { epoch: 4, holder: "me".into(), ..LedgerSpec::default() };
    let stored = json!({"metadata": {"name": "cluster", "uid": "u", "resourceVersion": "8"}, "spec": spec});
    let act = |version: Option<&str>| Act::WriteLedger {
        resource_version: version.map(str::to_owned),
        spec: Box::new(spec.clone()),
    };
    let (outcome, calls) = asked(act(Some("7")), Answer::Object(stored.clone())).await;
    let Outcome::Ledger(seen) = outcome else { panic!("{outcome:?}") };
    assert_eq!((seen.resource_version.as_str(), seen.spec.epoch), ("8", 4));
    let call = &calls.all()[0];
    assert!(call.path.ends_with("/chaosledgers/cluster"), "{}", call.path);
    assert_eq!(call.body["metadata"]["resourceVersion"], "7");
    // What is left out of a merge patch stays: an empty list has to be named.
    assert_eq!(call.body["spec"], json!({"epoch": 4, "holder": "me", "reservations": [], "groups": []}));
    let (_, calls) = asked(act(None), Answer::Object(stored)).await;
    let call = calls.all().pop().unwrap();
    assert_eq!((call.method.as_str(), call.body["metadata"]["name"].as_str()), ("POST", Some("cluster")));
}
