//! The API server answers wrongly, late or never, controllers die at every write, and two of them act at once: nothing is
//! hit twice, nothing is hit that is not reserved, and all comes to its end.
//!
//! The controllers run on this machine, behind proxies, while there is none in the cluster.

use std::collections::BTreeSet;
use std::future::Future;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use http::Method;
use rumpus_tests::live::api::RUMPUS;
use rumpus_tests::live::objects::{experiment, partition};
use rumpus_tests::live::proxy::{Fate, Proxy, Rule, Write};

use super::ends::Pair;
use super::parts::{self, NODES};
use super::shop::{Shop, container};
use crate::site::{RELEASE, Site, within};

/// L of these controllers: a take-over within two seconds.
const QUICK: &str = "3s";
/// How long a run may take whose every write is lost once, for the five seconds that a client waits.
const PATIENCE: Duration = Duration::from_secs(90);

/// A controller on this machine, and the proxy that it takes for the API server.
struct Outside {
    proxy: Proxy,
    program: Child,
    folder: tempfile::TempDir,
    name: String,
}

impl Outside {
    async fn start(site: &'static Site, name: &str) -> Self {
        let client = site.controller().await.client();
        let proxy = Proxy::start(client).await.expect("a proxy starts");
        let folder = tempfile::tempdir().expect("a folder");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{ "name": "proxy", "cluster": { "server": format!("http://{}", proxy.address) } }],
            "users": [{ "name": "nobody", "user": {} }],
            "contexts": [{ "name": "proxy", "context": { "cluster": "proxy", "user": "nobody" } }],
        });
        std::fs::write(folder.path().join("config"), config.to_string()).expect("a kubeconfig");
        let name = site.named(name);
        let program = launch(&folder, &name);
        Self { proxy, program, folder, name }
    }

    fn restart(&mut self) {
        self.end();
        self.program = launch(&self.folder, &self.name);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.program);
        kill_process(pid, signal).expect("a child that was not waited for keeps its id");
    }

    fn end(&mut self) {
        self.program.kill().expect("it is ours");
        self.program.wait().expect("it is ours");
    }

    /// Waits until it leads.
    async fn leads(&self, site: &'static Site) {
        within(Duration::from_secs(30), "the controller leads", async || {
            parts::leads(site).await.0 == self.name.as_str()
        })
        .await;
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        drop(self.program.kill());
        drop(self.program.wait());
    }
}

fn launch(folder: &tempfile::TempDir, name: &str) -> Child {
    let program = std::env::var_os("RUMPUS_CLI").expect("RUMPUS_CLI names the program");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.path().join("log")).expect("a log");
    let mut command = Command::new(program);
    command.arg("controller").env("RUMPUS_POD_NAMESPACE", RELEASE).env("RUMPUS_POD_NAME", name);
    command.env("RUMPUS_POD_UID", name).env("RUMPUS_HTTP", "127.0.0.1:0").env("RUMPUS_LEASE", QUICK);
    command.env("RUMPUS_KUBECONFIG", folder.path().join("config"));
    command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn().expect("it starts")
}

/// Runs a test while no controller is in the cluster; afterwards they are back, whatever came of it.
fn without_controllers<F: Future<Output = ()> + 'static>(test: impl FnOnce(&'static Site) -> F + 'static) {
    parts::alone_on_well_parts(async |site| {
        parts::scale_controller(site, 0).await;
        within(Duration::from_secs(60), "the controllers are gone", async || {
            parts::pods_of(site, "controller").await.is_empty()
        })
        .await;
        let outcome = tokio::task::spawn_local(test(site)).await;
        parts::scale_controller(site, parts::CONTROLLERS).await;
        if let Err(failed) = outcome {
            std::panic::resume_unwind(failed.into_panic());
        }
        parts::all_well(site).await;
    });
}

fn rule(method: &Method, path: &str, fate: Fate) -> Rule {
    Rule { method: method.clone(), path: path.into(), fate }
}

/// What a write is about, without what differs from one time to the next.
fn kind(write: &Write) -> String {
    let word = |words: &[&str]| words.iter().find(|w| write.body.contains(**w)).copied().unwrap_or("").to_owned();
    let state = match write.path.as_str() {
        path if path.contains("/chaosruns/") => word(&[
            "\"state\":\"Finished\"",
            "\"state\":\"Ending\"",
            "\"state\":\"Running\"",
            "\"state\":\"Injecting\"",
        ]),
        path if path.contains("/chaosinjections/") => word(&["Armed", "Cancelled"]),
        path if path.contains("/chaosledgers/") => word(&["\"reservations\":[]", "\"reservations\":[{"]),
        _ => String::new(),
    };
    let of = ["chaosruns", "chaosinjections", "chaosledgers", "leases", "events", "chaosnodes", "pods"];
    let of = of.iter().find(|kind| write.path.contains(**kind)).copied().unwrap_or("another");
    format!("{} {of} {state}", write.method)
}

#[test]
fn each_kind_of_request_may_be_lost_late_or_refused_for_a_while() {
    without_controllers(async |site| {
        let pair = Pair::on(site, "proxied", [NODES[0], NODES[1]]).await;
        let outside = Outside::start(site, "outside").await;
        outside.leads(site).await;
        let hold = Fate::Hold(Duration::from_millis(1500));
        let fates = [409, 410, 429, 500].map(Fate::Answer).into_iter();
        for (round, fate) in fates.chain([hold, Fate::LoseReply, Fate::LoseRequest]).enumerate() {
            outside.proxy.spoil([
                rule(&Method::POST, "/chaosinjections", fate),
                rule(&Method::PATCH, "/chaosinjections/", fate),
                rule(&Method::PATCH, "/chaosledgers/", fate),
                rule(&Method::PATCH, "/chaosruns/", fate),
            ]);
            let name = format!("round-{round}");
            let run = pair.shop.start(&name, &experiment("web", &partition("db"), Some("2s"))).await;
            let status = run.over_within(PATIENCE).await;
            assert_eq!(outside.proxy.left().len(), 0, "{fate:?}: nobody asked, so nothing went wrong");
            let injections = pair.shop.injections().await;
            let own = injections.iter().filter(|one| one["spec"]["run"]["name"] == name.as_str());
            let armed = own.filter(|one| one["spec"]["phase"] != "Planned" && !one["status"]["state"].is_null());
            assert!(armed.count() <= 1, "{fate:?}: {injections:#?}");
            // Nobody sends anything that could be felt: it is carried out, and that is all.
            assert_eq!(status["verdict"], "Inconclusive", "{fate:?}: {status:#}");
            assert!(pair.talks(), "{fate:?}: it is said to be over");
        }
        // A watch that is told that it is too old, and one that breaks, begin anew.
        let watches = [410, 500].map(|code| rule(&Method::GET, "watch=true", Fate::Answer(code)));
        outside.proxy.spoil(watches);
        within(Duration::from_secs(60), "watches were opened anew", async || outside.proxy.left().is_empty()).await;
        let run = pair.shop.start("after", &experiment("web", &partition("db"), Some("2s"))).await;
        assert_eq!(run.over_within(PATIENCE).await["verdict"], "Inconclusive");
        ledger_is_empty(site).await;
        pair.is_as_before().await;
    });
}

#[test]
fn a_controller_that_dies_after_each_kind_of_write_hits_nothing_twice() {
    without_controllers(async |site| {
        let shop = Shop::open(site, "restarts").await;
        let web = shop.pod("web", NODES[1]).await;
        let (_, restarts) = container(&shop, &web).await;
        let mut outside = Outside::start(site, "mortal").await;
        outside.leads(site).await;
        let run = shop.start("kill", &experiment("web", &json!({ "kill": { "container": true } }), None)).await;
        let (mut seen, mut kinds) = (0, BTreeSet::new());
        within(PATIENCE, "it ends although its controller dies after each write", async || {
            let writes = outside.proxy.writes();
            let before = kinds.len();
            kinds.extend(writes.iter().skip(seen).map(kind));
            seen = writes.len();
            if kinds.len() > before {
                outside.restart();
            }
            let status = run.status().await;
            status["state"] == "Finished" && status["confirmation"] == "Confirmed"
        })
        .await;
        let expected =
            ["POST chaosinjections ", "PATCH chaosinjections Armed", "PATCH chaosledgers \"reservations\":[{"];
        for one in expected {
            assert!(kinds.contains(one), "no restart after {one}: {kinds:?}");
        }
        // Whom a new term overtakes before the agent has begun is not begun at all.
        let status = run.status().await;
        let hits = u64::from(status["effective"] == "True");
        within(Duration::from_secs(60), "the container is started again", async || {
            container(&shop, &web).await.1 >= restarts + hits
        })
        .await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(container(&shop, &web).await.1, restarts + hits, "{status:#}");
        // One that lives goes through.
        let again = shop.start("again", &experiment("web", &json!({ "kill": { "container": true } }), None)).await;
        assert_eq!(again.over_within(PATIENCE).await["effective"], "True");
        ledger_is_empty(site).await;
    });
}

#[test]
fn of_two_leaders_the_one_that_was_stopped_between_its_decision_and_its_write_changes_nothing() {
    without_controllers(async |site| {
        let held = [
            (Method::POST, "/chaosinjections", "kill"),
            (Method::PATCH, "/chaosledgers/", "kill"),
            (Method::PATCH, "/chaosinjections/", "kill"),
            (Method::PATCH, "/chaosruns/", "kill"),
            (Method::DELETE, "/pods/", "podDelete"),
        ];
        let times = if std::env::var_os("RUMPUS_SOAK").is_some() { 20 } else { 1 };
        let rounds = std::iter::repeat_n(held, times).flatten();
        for (round, (method, path, fault)) in rounds.enumerate() {
            let shop = Shop::open(site, &format!("two-{round}")).await;
            let pods = shop.deployment("web", 2).await;
            let old = Outside::start(site, &format!("old-{round}")).await;
            old.leads(site).await;
            let new = Outside::start(site, &format!("new-{round}")).await;
            let passed = old.proxy.writes().len();
            old.proxy.spoil([rule(&method, path, Fate::Hold(Duration::from_secs(5)))]);
            let fault =
                if fault == "kill" { json!({ "kill": { "container": true } }) } else { json!({ "podDelete": {} }) };
            let mut experiment = experiment("web", &fault, None);
            experiment["pick"] = json!({ "count": 1 });
            let run = shop.start("hit", &experiment).await;
            within(Duration::from_secs(20), "the write is on its way", async || old.proxy.left().is_empty()).await;
            old.signal(Signal::STOP);
            new.leads(site).await;
            let status = run.finished_within(PATIENCE).await;
            within(Duration::from_secs(10), "the late write is answered", async || {
                old.proxy.writes().iter().skip(passed).any(|w| w.method == method && w.path.contains(path))
            })
            .await;
            old.signal(Signal::CONT);
            tokio::time::sleep(Duration::from_secs(2)).await;
            let hits = hits(&shop, &pods).await;
            assert!(hits <= 1, "{method} {path}: {hits} pods were hit by one run: {status:#}");
        }
    });
}

/// Waits until nothing is held: a run is let go of once its end is on record.
async fn ledger_is_empty(site: &Site) {
    within(Duration::from_secs(30), "the Ledger is empty", async || {
        let ledger = site.admin.get(&format!("{RUMPUS}/chaosledgers/cluster")).await.ok();
        ledger["spec"]["reservations"].as_array().is_none_or(Vec::is_empty)
    })
    .await;
}

/// Returns how many of these pods were hit: whose container was started again, or that are gone.
async fn hits(shop: &Shop, pods: &[rumpus_tests::live::pod::Pod]) -> u64 {
    let list = shop.site.admin.get(&shop.core("pods")).await.ok();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let of = |pod: &rumpus_tests::live::pod::Pod| {
        let found = items.iter().find(|item| item["metadata"]["uid"] == pod.uid.as_str());
        found.map_or(1, |item: &Value| {
            let going = !item["metadata"]["deletionTimestamp"].is_null();
            item["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or_default() + u64::from(going)
        })
    };
    pods.iter().map(of).sum()
}
