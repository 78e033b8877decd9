//! Every way to end a fault ends it, in the kernel, and each node says so.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use rumpus_tests::kernel::lab::{Echo, Snapshot};
use rumpus_tests::live::api::RUMPUS;
use rumpus_tests::live::pod::Pod;

use super::cli::say;
use super::parts::{NODES, ended};
use super::run::{Run, experiment, partition};
use super::shop::Shop;
use crate::objects;
use crate::site::{Site, with, within};

/// How long an end that somebody asks for may take on a busy machine.
const ASKED: Duration = Duration::from_secs(5);

/// Two pods on two nodes that reach each other until a run cuts them off.
pub(crate) struct Pair {
    pub(crate) shop: Shop,
    pub(crate) web: Pod,
    pub(crate) db: Pod,
    _echo: Echo,
    before: [Snapshot; 2],
}

impl Pair {
    pub(crate) async fn on(site: &'static Site, part: &str, nodes: [&str; 2]) -> Self {
        let shop = Shop::open(site, part).await;
        let web = shop.pod("web", nodes[0]).await;
        let db = shop.pod("db", nodes[1]).await;
        let echo = db.net.udp_echo_at((db.address, 7002).into()).expect("an echo starts");
        let before = [&web, &db].map(|pod| pod.dump().expect("a dump"));
        let pair = Self { shop, web, db, _echo: echo, before };
        assert!(pair.talks(), "the pods do not reach each other to begin with");
        pair
    }

    /// Whether a datagram and its answer get through.
    pub(crate) fn talks(&self) -> bool {
        self.web.round_trip((self.db.address, 7002).into()).expect("a socket").is_some()
    }

    /// Cuts the pods off and waits until they are.
    pub(crate) async fn cut(&self, duration: &str) -> Run<'_> {
        let run = self.shop.start("cut", &experiment("web", &partition("db"), Some(duration))).await;
        run.in_effect().await;
        assert!(!self.talks(), "it is said to be in effect and is not");
        run
    }

    /// Waits until the pods reach each other again, and returns how long that took.
    pub(crate) async fn heals_within(&self, limit: Duration) -> Duration {
        let what = "the pods reach each other again";
        within(limit, what, async || {
            self.web.round_trips((self.db.address, 7002).into(), 1).expect("a socket") != [None]
        })
        .await
    }

    /// Waits until nothing is left in either pod.
    pub(crate) async fn is_as_before(&self) {
        let pods = [&self.web, &self.db];
        within(Duration::from_secs(10), "both pods are as they were", async || {
            pods.iter().zip(&self.before).all(|(pod, before)| pod.expect_unchanged(before).is_ok())
        })
        .await;
    }

    /// Waits until the target's node attests the end of this Injection.
    pub(crate) async fn attested(&self, uid: &Value) {
        let site = self.shop.site;
        // After a server that did not answer an agent tries again each 10 s, and gives each try 3 s.
        let began = Instant::now();
        loop {
            let said = ended(site, &self.web.node, uid).await;
            if said.as_ref().is_some_and(|one| one["effectEnded"].is_string() && one["clean"].is_string()) {
                return;
            }
            let node = site.admin.get(&format!("{RUMPUS}/chaosnodes/{}", self.web.node)).await;
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "the node does not attest the end of {uid}: {said:?}, {:#}, {:#?}",
                node.body["status"],
                self.shop.injections().await
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Returns the UID of the one Injection.
    pub(crate) async fn injection(&self) -> Value {
        let all = self.shop.injections().await;
        assert_eq!(all.len(), 1, "one node, one Injection");
        all[0]["metadata"]["uid"].clone()
    }
}

#[test]
fn a_fault_ends_at_its_deadline() {
    with(async |site| {
        let pair = Pair::on(site, "deadline", [NODES[0], NODES[1]]).await;
        let began = Instant::now();
        let run = pair.cut("4s").await;
        let status = run.status().await;
        assert!(status["notAfter"].is_string(), "{status:#}");
        pair.heals_within(Duration::from_secs(8)).await;
        assert!(began.elapsed() > Duration::from_secs(3), "it ended too early");
        let status = run.over().await;
        assert_eq!(status["verdict"], "NotApplicable", "{status:#}");
        pair.is_as_before().await;
    });
}

#[test]
fn deleting_a_run_in_each_way_ends_it() {
    with(async |site| {
        let pair = Pair::on(site, "deleted", [NODES[1], NODES[2]]).await;
        for how in ["Background", "Foreground", "Orphan"] {
            let run = pair.cut("2m").await;
            let uid = pair.injection().await;
            run.delete(how).await;
            pair.heals_within(ASKED).await;
            pair.attested(&uid).await;
            pair.is_as_before().await;
            within(Duration::from_secs(30), "nothing of the run is left", async || {
                site.admin.get(&run.path).await.code == 404 && pair.shop.injections().await.is_empty()
            })
            .await;
        }
    });
}

#[test]
fn deleting_a_policy_ends_its_run() {
    with(async |site| {
        let pair = Pair::on(site, "policy", [NODES[2], NODES[0]]).await;
        let policies = pair.shop.ours("chaospolicies");
        let experiment = experiment("web", &partition("db"), Some("2m"));
        site.admin.post(&policies, &objects::policy("cut", &experiment)).await.ok();
        let ran = say(&["-n", &pair.shop.namespace, "run", "policy/cut", "--arm", "--no-wait", "--reason", "a test"]);
        assert_eq!(ran.code, 0, "{}", ran.text);
        within(Duration::from_secs(20), "the pods are cut off", async || !pair.talks()).await;
        let uid = pair.injection().await;
        site.admin.delete(&format!("{policies}/cut"), &Value::Null).await.ok();
        pair.heals_within(ASKED).await;
        pair.attested(&uid).await;
        pair.is_as_before().await;
    });
}

#[test]
fn deleting_the_namespace_ends_its_runs() {
    with(async |site| {
        let pair = Pair::on(site, "namespace", [NODES[0], NODES[2]]).await;
        let _run = pair.cut("2m").await;
        let uid = pair.injection().await;
        site.admin.delete(&format!("/api/v1/namespaces/{}", pair.shop.namespace), &Value::Null).await.ok();
        pair.attested(&uid).await;
        within(Duration::from_secs(60), "the namespace is gone", async || {
            site.admin.get(&format!("/api/v1/namespaces/{}", pair.shop.namespace)).await.code == 404
        })
        .await;
    });
}

#[test]
fn a_halt_of_each_scope_ends_what_is_in_it_and_blocks_what_comes() {
    with(async |site| {
        let pair = Pair::on(site, "halt", [NODES[0], NODES[1]]).await;
        let bystander = Pair::on(site, "halt-not", [NODES[2], NODES[1]]).await;
        let kept = bystander.cut("3m").await;
        for scope in [
            json!({ "namespaces": [pair.shop.namespace] }),
            json!({ "runs": [format!("{}/cut", pair.shop.namespace)] }),
        ] {
            let run = pair.cut("2m").await;
            let uid = pair.injection().await;
            let name = site.named("halt");
            let halt = site.make(&format!("{RUMPUS}/chaoshalts"), &objects::halt(&name, &scope)).await;
            pair.heals_within(ASKED).await;
            pair.attested(&uid).await;
            let status = run.over().await;
            assert_eq!(status["verdict"], "Aborted", "{status:#}");
            within(Duration::from_secs(20), "every node has seen the Halt", async || {
                let list = site.admin.get(&format!("{RUMPUS}/chaosnodes")).await.ok();
                let nodes = list["items"].as_array().cloned().unwrap_or_default();
                let seen = |node: &Value| {
                    node["status"]["halts"].as_array().is_some_and(|all| all.contains(&halt["metadata"]["uid"]))
                };
                NODES.iter().all(|name| nodes.iter().any(|node| node["metadata"]["name"] == *name && seen(node)))
            })
            .await;
            run.remove().await;
            let blocked = pair.shop.start("cut", &experiment("web", &partition("db"), Some("2m"))).await;
            let status = blocked.refused().await;
            assert!(status["refusals"].to_string().contains(&name), "it names the Halt: {status:#}");
            assert!(pair.talks(), "a Halt does not block");
            blocked.remove().await;
            site.admin.delete(&format!("{RUMPUS}/chaoshalts/{name}"), &Value::Null).await.ok();
            pair.is_as_before().await;
        }
        assert_eq!(kept.status().await["state"], "Running", "a Halt of another scope ended it");
        assert!(!bystander.talks(), "a Halt of another scope ended it");
        kept.stop().await;
        kept.over().await;
        bystander.is_as_before().await;
    });
}
