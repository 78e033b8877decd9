//! What goes over the wire, and what becomes of each answer.

use crate::api::{AGENT, CLI, CONTROLLER, Query};
use crate::error::Error;
use crate::fake::{Answer, Asked, server};
use crate::kinds::{ChaosHalt, ChaosInjection, Object};
use crate::only::Only;
use crate::watch::{Seen, Watching};
use futures_util::StreamExt;
use http::Method;
use kube::api::ObjectMeta;
use rumpus_model::wire::{HaltScope, HaltSpec};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(3);

fn halt(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "rumpus.dev/v1alpha1", "kind": "ChaosHalt",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": version},
        "spec": {"scope": {"all": true}, "reason": "test"},
    })
}

fn list(items: &[Value], version: &str, next: &str) -> Answer {
    Answer::Object(json!({
        "apiVersion": "rumpus.dev/v1alpha1", "kind": "ChaosHaltList",
        "metadata": {"resourceVersion": version, "continue": next}, "items": items,
    }))
}

#[tokio::test]
async fn a_list_is_a_quorum_read_page_by_page_and_one_bad_object_hides_no_other() {
    let (cluster, calls) = server(LIMIT, |asked| {
        let strange = json!({"metadata": {"name": "strange"}, "spec": {"scope": {"planets": ["mars"]}, "reason": ""}});
        if asked.query.contains("continue=next") {
            list(&[halt("b", "7")], "9", "")
        } else {
            list(&[halt("a", "5"), strange], "9", "next")
        }
    });
    let items = cluster.list::<ChaosHalt>("", &Query::default()).await.unwrap();
    let names: Vec<Result<&str, &str>> = items
        .iter()
        .map(|i| i.as_ref().map(Object::name).map_err(|e| e.metadata.name.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(names, [Ok("a"), Err("strange"), Ok("b")]);
    for asked in calls.all() {
        assert_eq!(asked.path, "/apis/rumpus.dev/v1alpha1/chaoshalts");
        assert!(asked.query.contains("limit=500") && !asked.query.contains("resourceVersion"), "{asked:?}");
    }
}

#[tokio::test]
async fn writes_are_strict_named_and_sent_once() {
    let (cluster, calls) = server(LIMIT, |asked: &Asked| match asked.method {
        Method::DELETE => Answer::Object(json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})),
        _ => Answer::Status(503, "ServiceUnavailable", "busy".into()),
    });
    let spec = HaltSpec { scope: HaltScope { all: Some(true), ..HaltScope::default() }, reason: "x".into() };
    let object = ChaosHalt::new(ObjectMeta { name: Some("stop".into()), ..ObjectMeta::default() }, spec);
    let error = cluster.create(CLI, &object).await.unwrap_err();
    assert!(matches!(error, Error::Server { code: 503, .. }) && error.is_unknown(), "{error:?}");
    cluster.merge(CONTROLLER, &object, json!({"spec": {}})).await.unwrap_err();
    let status = json!({"state": "Accepted"});
    cluster.apply_status::<ChaosInjection>(AGENT.dry(), "shop", "x-r1", Only::Name, &status).await.unwrap_err();
    cluster.delete::<ChaosHalt>(CLI, "", "stop", "uid-stop", Some(0)).await.unwrap();
    cluster.evict(CONTROLLER, "shop", "web-0", "uid-web", None).await.unwrap_err();
    let calls = calls.all();
    assert_eq!(calls.len(), 5, "a write was repeated: {calls:#?}");
    for asked in &calls[..3] {
        assert!(asked.query.contains("fieldValidation=Strict"), "{asked:?}");
        assert!(asked.query.contains("fieldManager=rumpus-"), "{asked:?}");
    }
    assert!(calls[2].query.contains("force=true") && calls[2].query.contains("dryRun=All"), "{:?}", calls[2]);
    assert_eq!(calls[2].path, "/apis/rumpus.dev/v1alpha1/namespaces/shop/chaosinjections/x-r1/status");
    assert_eq!(calls[2].body["metadata"]["name"], "x-r1");
    assert_eq!(calls[3].body["preconditions"]["uid"], "uid-stop");
    assert_eq!(calls[3].body["gracePeriodSeconds"], 0);
    assert_eq!(calls[4].path, "/api/v1/namespaces/shop/pods/web-0/eviction");
    assert!(calls[4].body.to_string().contains("uid-web"), "{:?}", calls[4]);
}

/// The API server answers a test that fails as it answers a status that breaks a rule.
#[tokio::test]
async fn a_status_is_for_the_object_that_is_meant_or_for_none() {
    let refused = Answer::Status(422, "Invalid", "the server rejected our request".into());
    let there = |uid: &str, version: &str| {
        Answer::Object(json!({"metadata": {"name": "x-r1", "uid": uid, "resourceVersion": version}}))
    };
    let gone = Answer::Status(404, "NotFound", "gone".into());
    type Is = fn(&Error) -> bool;
    let (uid, version) = (Only::Uid("uid-x"), Only::Version("7"));
    let cases: [(Only<'_>, Answer, Is); 6] = [
        (uid, there("another", "7"), |e| matches!(e, Error::Conflict { .. })),
        (uid, there("uid-x", "8"), |e| matches!(e, Error::Invalid { .. })),
        (uid, gone.clone(), |e| matches!(e, Error::NotFound { .. })),
        (version, there("uid-x", "8"), |e| matches!(e, Error::Conflict { .. })),
        (version, there("uid-x", "7"), |e| matches!(e, Error::Invalid { .. })),
        (version, gone, |e| matches!(e, Error::NotFound { .. })),
    ];
    for (only, read, is) in cases {
        let (patched, shown) = (refused.clone(), read.clone());
        let answer = move |asked: &Asked| if asked.method == Method::PATCH { patched.clone() } else { read.clone() };
        let (cluster, calls) = server(LIMIT, answer);
        let status = json!({"state": "Accepted"});
        let written = cluster.apply_status::<ChaosInjection>(AGENT, "shop", "x-r1", only, &status).await;
        let error = written.unwrap_err();
        assert!(is(&error), "{shown:?}: {error:?}");
        let patch = &calls.all()[0];
        assert_eq!(patch.path, "/apis/rumpus.dev/v1alpha1/namespaces/shop/chaosinjections/x-r1/status");
        assert!(patch.query.contains("fieldValidation=Strict"), "{patch:?}");
        let (field, value) = only.test().unwrap();
        let test = json!({"op": "test", "path": format!("/metadata/{field}"), "value": value});
        assert_eq!(patch.body, json!([test, {"op": "add", "path": "/status", "value": status}]));
    }
}

#[tokio::test]
async fn each_answer_has_its_own_error() {
    type Is = fn(&Error) -> bool;
    let cases: [(u16, &str, Is); 11] = [
        (404, "NotFound", |e| matches!(e, Error::NotFound { .. })),
        (409, "Conflict", |e| matches!(e, Error::Conflict { .. })),
        (409, "AlreadyExists", |e| matches!(e, Error::AlreadyExists { .. })),
        (401, "Unauthorized", |e| matches!(e, Error::Unauthenticated { .. })),
        (403, "Forbidden", |e| matches!(e, Error::Forbidden { message, .. } if message == "why")),
        (422, "Invalid", |e| matches!(e, Error::Invalid { message, .. } if message == "why")),
        (400, "BadRequest", |e| matches!(e, Error::Invalid { .. })),
        (410, "Expired", |e| matches!(e, Error::Expired { .. })),
        (429, "TooManyRequests", |e| matches!(e, Error::TooManyRequests { .. })),
        (500, "InternalError", |e| matches!(e, Error::Server { code: 500, .. }) && e.is_unknown()),
        (504, "Timeout", |e| matches!(e, Error::Server { code: 504, .. }) && e.is_unknown()),
    ];
    for (code, reason, is) in cases {
        let (cluster, _calls) = server(LIMIT, move |_| Answer::Status(code, reason, "why".into()));
        let error = cluster.get::<ChaosHalt>("", "x").await.unwrap_err();
        assert!(is(&error), "{code} {reason}: {error:?}");
        assert!(!error.hint().is_empty());
        assert!(error.to_string().starts_with("get chaoshalts x: "), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_and_a_broken_connection_are_unknown() {
    let (cluster, _calls) = server(LIMIT, |_| Answer::Silence);
    let error = cluster.get::<ChaosHalt>("", "x").await.unwrap_err();
    assert!(matches!(error, Error::Timeout { limit: LIMIT, .. }) && error.is_unknown(), "{error:?}");
    let (cluster, _calls) = server(LIMIT, |_| Answer::Broken);
    let error = cluster.get::<ChaosHalt>("", "x").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_unknown(), "{error:?}");
}

/// Shows an event of a watch in a few letters.
fn shown(seen: &Result<Seen<ChaosHalt>, Error>) -> String {
    let name = |item: &crate::api::Item<ChaosHalt>| item.as_ref().map_or_else(|_| "?".into(), |o| o.name().to_owned());
    match seen {
        Ok(Seen::ListBegins) => "[".into(),
        Ok(Seen::ListEnds) => "]".into(),
        Ok(Seen::Listed(item)) => name(item),
        Ok(Seen::Changed(item)) => format!("+{}", name(item)),
        Ok(Seen::Gone(item)) => format!("-{}", name(item)),
        Ok(Seen::Alive) => ".".into(),
        Err(Error::Timeout { .. }) => "timeout".into(),
        Err(error) => format!("!{}", error.call().verb),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_lists_goes_on_where_it_was_and_lists_again_when_that_is_gone() {
    let opened = AtomicUsize::new(0);
    let (cluster, calls) = server(LIMIT, move |asked| {
        if !asked.query.contains("watch=true") {
            return list(&[halt("a", "5")], "9", "");
        }
        match opened.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::Events(vec![
                json!({"type": "ADDED", "object": halt("b", "11")}),
                json!({"type": "DELETED", "object": halt("a", "12")}),
            ]),
            1 => Answer::Status(500, "InternalError", "no".into()),
            2 => Answer::Silence,
            3 => Answer::Status(410, "Expired", "too old".into()),
            _ => Answer::Events(vec![json!({"type": "BOOKMARK", "object": {"apiVersion": "rumpus.dev/v1alpha1",
                "kind": "ChaosHalt", "metadata": {"resourceVersion": "40"}}})]),
        }
    });
    let watch = cluster.watch::<ChaosHalt>("", Watching::closely(Query::default()));
    let seen: Vec<String> = watch.take(15).map(|seen| shown(&seen)).collect().await;
    let story = ["[", "a", "]", ".", "+b", "-a", "!watch", "timeout", "[", "a", "]", ".", ".", ".", "."];
    assert_eq!(seen, story);
    let versions: Vec<String> = calls
        .all()
        .iter()
        .filter_map(|a| a.query.split('&').find_map(|p| p.strip_prefix("resourceVersion=")).map(str::to_owned))
        .collect();
    assert_eq!(versions, ["9", "12", "12", "12", "9", "40"]);
}
