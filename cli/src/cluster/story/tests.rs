//! Each end has its exit code, and nothing is told twice.

use super::*;
use crate::cluster::ask::object;
use serde_json::{Value, json};

fn run(mode: &str, status: &Value) -> ChaosRun {
    object(
        json!({"metadata": {"name": "r", "namespace": "shop", "uid": "u"}, "spec": {"mode": mode}, "status": status}),
    )
}

fn injection(node: &str, state: Option<&str>) -> ChaosInjection {
    object(json!({
        "metadata": {"name": format!("r-{node}"), "namespace": "shop", "uid": format!("i-{node}")},
        "spec": {
            "nodeName": node, "run": {"name": "r", "uid": "u"}, "phase": "Armed", "epoch": 1, "revision": 1,
            "notAfter": "2026-01-01T00:00:00.000000Z", "duration": "60s",
            "fault": {"latency": {"delay": "100ms", "direction": "Egress"}}, "targets": [],
        },
        "status": state.map_or_else(|| json!({}), |state| json!({"state": state})),
    }))
}

fn seen(run: Option<ChaosRun>, injections: &[(&str, Option<&str>)]) -> Seen {
    let injections = injections.iter().map(|(node, state)| injection(node, *state));
    Seen { run, injections: injections.map(|i| (i.uid().to_owned(), i)).collect(), ..Seen::default() }
}

fn finished(verdict: &str, effective: &str) -> Value {
    json!({"state": "Finished", "confirmation": "Confirmed", "verdict": verdict, "effective": effective, "targets": 1})
}

#[test]
fn each_end_of_a_run_has_its_exit_code() {
    let over = [("n1", Some("Restored"))];
    let armed = |verdict: &str, effective: &str| seen(Some(run("Armed", &finished(verdict, effective))), &over);
    let unconfirmed = json!({"state": "Finished", "confirmation": "Unconfirmed", "unconfirmedNodes": ["n2"],
        "verdict": "Inconclusive", "targets": 2});
    let interrupt = Some(Asked::Interrupt);
    for (name, seen, asked, code) in [
        ("proven", armed("NotApplicable", "True"), None, 0),
        ("passed", armed("Pass", "True"), None, 0),
        ("not effective", armed("NotApplicable", "False"), None, 4),
        ("no packet", armed("NotApplicable", "Unknown"), None, 4),
        ("inconclusive", armed("Inconclusive", "Unknown"), None, 4),
        ("failed", armed("Fail", "True"), None, 1),
        ("refused", armed("Refused", "Unknown"), None, 3),
        ("halted", armed("Aborted", "True"), None, 6),
        ("SIGTERM", armed("Aborted", "True"), Some(Asked::Terminate), 6),
        ("Ctrl-C", armed("Aborted", "True"), interrupt, 130),
        ("dry run", seen(Some(run("DryRun", &finished("NotApplicable", "Unknown"))), &[]), None, 0),
        (
            "dry run of nothing",
            seen(Some(run("DryRun", &json!({"state": "Finished", "verdict": "NotApplicable"}))), &[]),
            None,
            4,
        ),
        ("unconfirmed", seen(Some(run("Armed", &unconfirmed)), &over), None, 5),
        (
            "not restored",
            seen(Some(run("Armed", &finished("Aborted", "True"))), &[("n1", Some("RestoreFailed"))]),
            None,
            5,
        ),
        ("deleted, ended", seen(None, &over), None, 6),
        ("deleted, not known", seen(None, &[("n1", Some("InEffect"))]), None, 5),
        ("deleted, nothing was seen", seen(None, &[]), None, 5),
        ("no verdict", seen(Some(run("Armed", &json!({"state": "Finished"}))), &over), None, 5),
        ("Ctrl-C without a controller", seen(Some(run("Armed", &json!({"state": "Running"}))), &over), interrupt, 130),
        ("Ctrl-C, never taken", seen(Some(run("Armed", &json!({}))), &[]), interrupt, 130),
        (
            "Ctrl-C, a node is silent",
            seen(Some(run("Armed", &json!({"state": "Ending"}))), &[("n1", None)]),
            interrupt,
            5,
        ),
    ] {
        assert_eq!(ending(&seen, asked).exit_code(), code, "{name}");
    }
}

#[test]
fn an_unconfirmed_end_names_every_node_that_is_silent() {
    let status = json!({"state": "Finished", "confirmation": "Unconfirmed", "unconfirmedNodes": ["n2"]});
    let seen = seen(Some(run("Armed", &status)), &[("n1", Some("InEffect")), ("n2", None), ("n3", Some("Restored"))]);
    assert_eq!(ending(&seen, None), Ending::Unconfirmed { nodes: vec!["n2".into(), "n1".into()] });
}

#[test]
fn nothing_is_told_twice() {
    let first = json!({"at": "2026-01-01T00:00:00Z", "what": "planned"});
    let second = json!({"at": "2026-01-01T00:00:01Z", "what": "armed"});
    let mut story = Story::default();
    let one = seen(Some(run("Armed", &json!({"timeline": [first]}))), &[("n1", Some("Accepted"))]);
    assert_eq!(story.news(&one).len(), 2);
    assert!(story.news(&one).is_empty());
    let two = seen(Some(run("Armed", &json!({"timeline": [first, second]}))), &[("n1", Some("InEffect"))]);
    let news = story.news(&two);
    assert!(news.len() == 2 && news[0].contains("armed") && news[1].contains("n1"), "{news:?}");
}

#[test]
fn only_what_is_not_restored_everywhere_is_stuck() {
    assert!(seen(None, &[("n1", Some("RestoreFailed")), ("n2", Some("Restored"))]).is_stuck());
    assert!(!seen(None, &[("n1", Some("RestoreFailed")), ("n2", Some("Ending"))]).is_stuck());
    assert!(!seen(None, &[("n2", Some("Restored"))]).is_stuck());
}

#[test]
fn what_a_node_attests_counts_where_the_object_is_gone() {
    let mut gone = seen(None, &[("n1", Some("InEffect"))]);
    assert_eq!(ending(&gone, None).exit_code(), 5);
    gone.ended.insert("i-n1".into());
    assert_eq!(ending(&gone, None).exit_code(), 6);
    gone.unread = Some("forbidden".into());
    assert_eq!(ending(&gone, None).exit_code(), 5, "what cannot be read is not over");
}
