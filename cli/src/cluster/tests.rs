//! The verbs against an API server that answers what a test tells it: what they write, what they wait for, and which exit
//! code is left when an answer is no, late, or missing.

use super::connect::Reached;
use super::{explain, halt, lint, resume, run, scope};
use crate::args::{self, Command, Global};
use crate::signals::Asked as Wish;
use rumpus_cluster::fake::{Answer, Asked, Calls, server};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::channel;

const RUNS: &str = "/apis/rumpus.dev/v1alpha1/namespaces/shop/chaosruns";
const NODES: &str = "/apis/rumpus.dev/v1alpha1/chaosnodes";
const HALTS: &str = "/apis/rumpus.dev/v1alpha1/chaoshalts";
const POLICY: &str = "/apis/rumpus.dev/v1alpha1/namespaces/shop/chaospolicies/slow";

fn reached(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Reached, Calls) {
    let (cluster, calls) = server(Duration::from_secs(10), answer);
    let (context, namespace, lease) = ("test".to_owned(), "shop".to_owned(), Duration::from_secs(15));
    (Reached { cluster, context, namespace, narrow: true, lease }, calls)
}

fn parsed(words: &[&str]) -> (Global, Command) {
    let words: Vec<_> = [&["rumpus"], words].concat().into_iter().map(Into::into).collect();
    let cli = args::parse(&words).unwrap();
    (cli.global, cli.command)
}

fn list(items: &Value) -> Answer {
    Answer::Object(json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items}))
}

/// Stores what is created under a UID of its own.
fn made(asked: &Asked, uid: &str) -> Answer {
    let mut object = asked.body.clone();
    object["metadata"]["uid"] = json!(uid);
    object["metadata"]["resourceVersion"] = json!("1");
    Answer::Object(object)
}

fn no(code: u16, reason: &'static str) -> Answer {
    Answer::Status(code, reason, reason.to_owned())
}

async fn halted(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (u8, Calls) {
    let (reached, calls) = reached(answer);
    let (global, _) = parsed(&["halt"]);
    let scopes = scope::scopes(&[], false).unwrap();
    (halt::halt(&global, &reached, scopes, "why").await.unwrap_or_else(|f| f.exit_code()), calls)
}

fn node(name: &str, halts: &[&str]) -> Value {
    json!({"metadata": {"name": name}, "spec": {}, "status": {"heartbeat": "t", "halts": halts, "active": ["i"]}})
}

#[tokio::test(start_paused = true)]
async fn a_halt_is_over_once_every_node_has_said_so() {
    let asks = AtomicUsize::new(0);
    let (code, calls) = halted(move |asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", HALTS) => made(asked, "h"),
        ("GET", NODES) if asks.fetch_add(1, Ordering::Relaxed) < 3 => list(&json!([node("a", &["h"]), node("b", &[])])),
        ("GET", NODES) => list(&json!([node("a", &["h"]), node("b", &["h"])])),
        _ => list(&json!([])),
    })
    .await;
    assert_eq!(code, 0);
    let first = calls.all().remove(0);
    assert!(first.method == "POST" && first.query.contains("fieldValidation=Strict"), "{first:?}");
    assert_eq!(first.body["spec"], json!({"scope": {"all": true}, "reason": "why"}));
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_unconfirmed_after_the_lease() {
    let (code, _) = halted(|asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", HALTS) => made(asked, "h"),
        ("GET", NODES) => list(&json!([node("a", &[])])),
        _ => list(&json!([])),
    })
    .await;
    assert_eq!(code, 5);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_read_has_halted_all_the_same() {
    let (code, calls) = halted(|asked| match asked.method.as_str() {
        "POST" => made(asked, "h"),
        _ => no(403, "Forbidden"),
    })
    .await;
    assert_eq!(code, 5);
    assert_eq!(calls.all().iter().filter(|c| c.method == "POST").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_halt_whose_answer_was_lost_is_ordered_again_under_the_same_name() {
    let posts = AtomicUsize::new(0);
    let (code, calls) = halted(move |asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", HALTS) if posts.fetch_add(1, Ordering::Relaxed) == 0 => Answer::Broken,
        ("POST", HALTS) => no(409, "AlreadyExists"),
        ("GET", NODES) => list(&json!([node("a", &["h"])])),
        ("GET", path) if path.starts_with(HALTS) => Answer::Object(json!({
            "metadata": {"name": "x", "uid": "h"}, "spec": {"scope": {"all": true}, "reason": "why"}})),
        _ => list(&json!([])),
    })
    .await;
    assert_eq!(code, 0);
    let names: Vec<_> =
        calls.all().iter().filter(|c| c.method == "POST").map(|c| c.body["metadata"]["name"].clone()).collect();
    assert!(names.len() == 2 && names[0] == names[1], "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_halt_that_is_refused_is_no_halt() {
    let (code, _) = halted(|_| no(403, "Forbidden")).await;
    assert_eq!(code, 5);
}

fn policy() -> Answer {
    let experiment = json!({
        "targets": {"pods": {"selector": {"matchLabels": {"app": "web"}}}}, "pick": {"count": 1},
        "faults": [{"latency": {"delay": "100ms", "direction": "Egress"}}], "duration": "60s",
        "steadyState": {"none": {"reason": "test"}},
    });
    Answer::Object(
        json!({"metadata": {"name": "slow", "namespace": "shop", "uid": "p"}, "spec": {"experiment": experiment}}),
    )
}

fn stored(stop: bool, status: &Value) -> Answer {
    Answer::Object(json!({
        "metadata": {"name": "slow-1", "namespace": "shop", "uid": "r", "resourceVersion": "1"},
        "spec": {"mode": "Armed", "stop": stop}, "status": status,
    }))
}

async fn ran(
    words: &[&str],
    wish: Option<Wish>,
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> (u8, Calls) {
    let (reached, calls) = reached(answer);
    let (global, command) = parsed(&[&["run"], words].concat());
    let Command::Run(args) = command else { panic!("{words:?} is no run") };
    let (tell, mut wishes) = channel(8);
    if let Some(wish) = wish {
        tell.try_send(wish).unwrap();
    }
    let code = run::carry_out(&global, &reached, &args, &mut wishes).await.unwrap_or_else(|f| f.exit_code());
    drop(tell);
    (code, calls)
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_policy_is_its_copy_and_is_owned_by_it() {
    let finished = json!({"state": "Finished", "confirmation": "Confirmed", "verdict": "NotApplicable", "targets": 1,
        "effective": "True"});
    let (code, calls) = ran(&["policy/slow", "--arm", "--seed", "7"], None, move |asked| {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", POLICY) => policy(),
            ("POST", RUNS) => made(asked, "r"),
            ("GET", path) if path.starts_with(RUNS) => stored(false, &finished),
            _ => list(&json!([])),
        }
    })
    .await;
    assert_eq!(code, 0);
    let post = calls.all().into_iter().find(|c| c.method == "POST").unwrap();
    assert!(post.query.contains("fieldValidation=Strict") && post.query.contains("fieldManager=rumpus-cli"));
    let (meta, spec) = (&post.body["metadata"], &post.body["spec"]);
    assert_eq!(meta["ownerReferences"][0]["uid"], "p");
    assert_eq!((&spec["mode"], &spec["seed"], &spec["policyRef"]["uid"]), (&json!("Armed"), &json!("7"), &json!("p")));
    assert_eq!(spec["experiment"]["faults"][0]["latency"]["delay"], "100ms");
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_stops_the_run_and_waits_for_its_nodes() {
    let stopped = AtomicUsize::new(0);
    let (code, calls) = ran(&["policy/slow", "--arm"], Some(Wish::Interrupt), move |asked| {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", POLICY) => policy(),
            ("POST", RUNS) => made(asked, "r"),
            ("PATCH", _) => {
                stopped.store(1, Ordering::Relaxed);
                stored(true, &json!({"state": "Running"}))
            }
            ("GET", path) if path.starts_with(RUNS) && stopped.load(Ordering::Relaxed) == 0 => {
                stored(false, &json!({"state": "Running"}))
            }
            ("GET", path) if path.starts_with(RUNS) => {
                stored(true, &json!({"state": "Finished", "confirmation": "Confirmed", "verdict": "Aborted"}))
            }
            _ => list(&json!([])),
        }
    })
    .await;
    assert_eq!(code, 130);
    let patch = calls.all().into_iter().find(|c| c.method == "PATCH").unwrap();
    assert_eq!((&patch.body["spec"], &patch.body["metadata"]["uid"]), (&json!({"stop": true}), &json!("r")));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_only_started_is_not_followed() {
    let (code, calls) = ran(&["policy/slow", "--no-wait"], None, |asked| match asked.method.as_str() {
        "GET" => policy(),
        _ => made(asked, "r"),
    })
    .await;
    assert_eq!((code, calls.all().len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_refused_has_the_reason_and_nothing_is_followed() {
    let (code, calls) = ran(&["policy/slow", "--arm"], None, |asked| match asked.method.as_str() {
        "GET" => policy(),
        _ => no(403, "Forbidden"),
    })
    .await;
    assert_eq!((code, calls.all().len()), (3, 2));
    let (code, _) = ran(&["policy/slow", "--for", "1s"], None, |_| policy()).await;
    assert_eq!(code, 2, "a run of a policy is the policy as it stands");
    let (code, _) = ran(&["policy/slow"], None, |_| no(404, "NotFound")).await;
    assert_eq!(code, 2);
}

#[tokio::test(start_paused = true)]
async fn a_halt_is_not_lifted_over_a_node_that_is_silent() {
    let answer = |asked: &Asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", HALTS) => {
            list(&json!([{"metadata": {"name": "x", "uid": "h"}, "spec": {"scope": {"all": true}, "reason": "why"}}]))
        }
        ("GET", NODES) => list(&json!([node("a", &[])])),
        ("DELETE", _) => Answer::Object(json!({"kind": "Status", "status": "Success"})),
        _ => list(&json!([])),
    };
    for (words, code, deletes) in [(&["resume"][..], 5, 0), (&["resume", "--force"], 0, 1)] {
        let (reached, calls) = reached(answer);
        let (global, Command::Resume(args)) = parsed(words) else { panic!("{words:?} is no resume") };
        let found = resume::resume(&global, &reached, &args).await.unwrap_or_else(|f| f.exit_code());
        assert_eq!(found, code, "{words:?}");
        assert_eq!(calls.all().iter().filter(|c| c.method == "DELETE").count(), deletes, "{words:?}");
    }
}

#[test]
fn host_and_cluster_are_never_mixed_up() {
    for (words, in_cluster, says) in [
        (&["stop", "x"][..], false, "only known in a cluster"),
        (&["halt", "ns/shop"], false, "only known in a cluster"),
        (&["resume", "--all"], false, "only known in a cluster"),
        (&["run", "kill", "--no-wait"], false, "only known in a cluster"),
        (&["explain", "deployment/web", "-f", "x.yaml"], false, "only known in a cluster"),
        (&["lint", "-f", "x.yaml"], false, "only known in a cluster"),
        (&["demo"], true, "shows what happens on this host"),
        (&["residue", "--clean"], true, "only known on a host"),
        (&["run", "kill", "--name", "x"], true, "only known on a host"),
        (&["halt", "shop"], true, "is no scope of a halt"),
    ] {
        let place: &[&str] = if in_cluster { &["-n", "shop"] } else { &[] };
        let words: Vec<_> = [&["rumpus"], words, place].concat().into_iter().map(Into::into).collect();
        let failure = crate::commands::run(&args::parse(&words).unwrap()).unwrap_err();
        assert_eq!(failure.exit_code(), 2, "{words:?}");
        assert!(format!("{failure:?}").contains(says), "{words:?}: {failure:?}");
    }
}

/// A cluster with one StatefulSet `web` of one pod, which a policy named `slow` picks; everything else is empty.
fn cluster_of_web(asked: &Asked, pods: &Value) -> Answer {
    let meta = |name: &str| json!({"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "generation": 1});
    match asked.path.rsplit('/').next().unwrap_or_default() {
        "slow" => policy(),
        "pods" => list(pods),
        "namespaces" => {
            list(&json!([{"metadata": {"name": "shop", "uid": "n", "labels": {"rumpus.dev/chaos": "enabled"}}}]))
        }
        "statefulsets" => list(&json!([{"metadata": meta("web"), "spec": {"replicas": 3},
            "status": {"observedGeneration": 1, "updateRevision": "a", "currentRevision": "a"}}])),
        "chaosnodes" => list(&json!([{"metadata": {"name": "node-1", "uid": "c"}, "spec": {}, "status":
            {"heartbeat": jiff::Timestamp::now().to_string(), "admission": "proven", "engines": {"latency": "netem"}}}])),
        "nodes" => list(&json!([{"metadata": {"name": "node-1", "uid": "o"}}])),
        _ => list(&json!([])),
    }
}

fn web(name: &str, namespace: &str, owner: (&str, &str), more: &Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{name}"), "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": owner.0, "name": owner.1,
                "uid": format!("uid-{}", owner.1), "controller": true}]},
        "spec": {"nodeName": "node-1", "containers": [{"name": "app"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        pod["spec"][key] = value.clone();
    }
    pod
}

#[tokio::test(start_paused = true)]
async fn an_explanation_says_by_its_exit_code_whether_the_workload_may_be_hit() {
    let explained = async |words: &[&str], pods: Value, unread: &'static str| {
        let (reached, calls) = reached(move |asked| match asked.path.ends_with(unread) {
            true if !unread.is_empty() => no(403, "Forbidden"),
            _ => cluster_of_web(asked, &pods),
        });
        let (global, command) = parsed(&[&["explain", "-f", "policy/slow"], words].concat());
        let Command::Explain(args) = command else { panic!("{words:?} is no explain") };
        let code = explain::show(&global, &reached, &args).await.unwrap_or_else(|f| f.exit_code());
        assert!(calls.all().iter().all(|call| call.method == "GET"), "nothing is written");
        code
    };
    let pod = |more: &Value| web("web-0", "shop", ("StatefulSet", "web"), more);
    let agent = || web("agent", "rumpus", ("DaemonSet", "rumpus-agent"), &json!({}));
    let fine = || json!([pod(&json!({})), agent()]);
    assert_eq!(explained(&["sts/web"], fine(), "").await, 0);
    assert_eq!(explained(&["pod/web-0", "-o", "json"], fine(), "").await, 0);
    let host = json!([pod(&json!({"hostNetwork": true})), agent()]);
    assert_eq!(explained(&["sts/web"], host, "").await, 3, "left out");
    assert_eq!(explained(&["sts/web"], json!([pod(&json!({}))]), "").await, 3, "refused: no agent's pod");
    assert_eq!(explained(&["sts/web"], fine(), "/pods").await, 4);
    assert_eq!(explained(&["sts/web"], fine(), "/poddisruptionbudgets").await, 0, "latency takes no pod down");
    for missing in ["sts/api", "data/sts/web", "web"] {
        assert_eq!(explained(&[missing], fine(), "").await, 2, "{missing}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lint_says_by_its_exit_code_whether_workloads_are_ready() {
    let linted = async |pods: Value, budgets: Answer| {
        let (reached, calls) = reached(move |asked| match &asked.path {
            path if path.ends_with("/poddisruptionbudgets") => budgets.clone(),
            _ => cluster_of_web(asked, &pods),
        });
        let (global, Command::Lint(args)) = parsed(&["lint", "-f", "policy/slow"]) else { panic!("it is no lint") };
        let code = lint::show(&global, &reached, &args).await.unwrap_or_else(|f| f.exit_code());
        assert!(calls.all().iter().all(|call| call.method == "GET"), "nothing is written");
        code
    };
    let pod = |more: &Value| json!([web("web-0", "shop", ("StatefulSet", "web"), more)]);
    let fine = || {
        pod(&json!({"topologySpreadConstraints": [{"maxSkew": 1}],
            "containers": [{"name": "app", "readinessProbe": {"tcpSocket": {"port": 80}}}]}))
    };
    let budget = || {
        list(&json!([{"metadata": {"name": "web", "namespace": "shop", "uid": "b"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}}}]))
    };
    assert_eq!(linted(fine(), budget()).await, 0);
    assert_eq!(linted(fine(), list(&json!([]))).await, 7);
    assert_eq!(linted(pod(&json!({})), budget()).await, 7);
    assert_eq!(linted(fine(), no(403, "Forbidden")).await, 4, "nobody knows its budgets");
    assert_eq!(linted(json!([]), budget()).await, 4, "nothing is selected");
}
