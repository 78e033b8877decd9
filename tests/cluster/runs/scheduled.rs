//! Policies that run by themselves, on the clock of the machine: what was begun, what was recorded and what happened to the
//! pods agree, one to one.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use rumpus_tests::live::api::RUMPUS;
use rumpus_tests::live::pod::Pod;

use super::run::experiment;
use super::shop::Shop;
use crate::objects;
use crate::site::{with, within};

/// A period of a minute, and what a busy machine takes.
const MINUTE: Duration = Duration::from_secs(100);

impl Shop {
    async fn apply(&self, name: &str, mode: &str, schedule: &Value) {
        self.apply_when(name, mode, schedule, &json!({ "none": { "reason": "a test" } })).await;
    }

    async fn apply_when(&self, name: &str, mode: &str, schedule: &Value, steady_state: &Value) {
        let mut experiment = experiment("web", &json!({ "podDelete": {} }), None);
        experiment["pick"] = json!({ "count": 1 });
        experiment["steadyState"] = steady_state.clone();
        let mut policy = objects::policy(name, &experiment);
        policy["spec"]["mode"] = json!(mode);
        policy["spec"]["schedule"] = schedule.clone();
        self.site.admin.post(&self.ours("chaospolicies"), &policy).await.ok();
    }

    /// Runs that a policy's schedule began.
    async fn begun(&self, policy: &str) -> Vec<Value> {
        let list = self.site.admin.get(&self.ours("chaosruns")).await.ok();
        let all = list["items"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|run| run["spec"]["policyRef"]["name"] == policy).collect()
    }

    /// What is recorded of a policy's groups.
    async fn records(&self, policy: &str) -> Vec<Value> {
        let ledger = self.site.admin.get(&format!("{RUMPUS}/chaosledgers/namespace.{}", self.namespace)).await;
        let all = ledger.body["spec"]["groups"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|group| group["policy"] == policy).collect()
    }

    async fn policy(&self, name: &str) -> Value {
        self.site.admin.get(&format!("{}/{name}", self.ours("chaospolicies"))).await.ok()
    }
}

fn uids(pods: &[Pod]) -> BTreeSet<String> {
    pods.iter().map(|pod| pod.uid.clone()).collect()
}

/// Days that are not today, yesterday or tomorrow, whatever the time is.
fn other_days() -> Vec<&'static str> {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let is_far = |place: i8| (2..=5).contains(&(today.weekday().to_monday_zero_offset() - place).abs());
    days.into_iter().zip(0..).filter(|(_, place)| is_far(*place)).map(|(day, _)| day).collect()
}

#[test]
fn a_policy_ends_a_pod_at_its_time_and_one_that_is_closed_dry_or_suspended_none() {
    with(async |site| {
        let shop = Shop::open(site, "schedule").await;
        let before = uids(&shop.deployment("web", 3).await);
        let minute = json!({ "every": "1m", "groupBy": "Owner" });
        let closed = json!({ "every": "1m", "windows": [{ "days": other_days(), "from": "00:00", "to": "24:00" }] });
        shop.apply("dry", "DryRun", &minute).await;
        shop.apply("closed", "Armed", &closed).await;
        let gate = json!({ "name": "there", "role": "Gate", "kubernetes": { "kind": "Deployment", "name": "absent" } });
        shop.apply_when("gated", "Armed", &minute, &json!({ "checks": [gate] })).await;
        let mut bounded = minute.clone();
        bounded["rate"] = json!({ "runs": 1, "per": "1d" });
        shop.apply("monkey", "Armed", &bounded).await;
        within(MINUTE, "the policy's status says what comes", async || {
            let status = &shop.policy("monkey").await["status"];
            let ready = &status["conditions"][0];
            status["state"] == "Scheduled"
                && status["groups"] == 1
                && status["next"][0]["at"].is_string()
                && (ready["type"].as_str(), ready["status"].as_str()) == (Some("ReadyForChaos"), Some("False"))
        })
        .await;

        let finished = |run: &Value| run["status"]["state"] == "Finished";
        within(MINUTE, "a run begins by itself and ends", async || shop.begun("monkey").await.iter().any(finished))
            .await;
        let suspended = json!({ "spec": { "suspend": true } });
        site.admin.merge(&format!("{}/monkey", shop.ours("chaospolicies")), &suspended).await.ok();
        within(MINUTE, "the dry run has run, too", async || shop.begun("dry").await.iter().any(finished)).await;

        let run = shop.begun("monkey").await.remove(0);
        let owner = format!("Deployment/{}/web", shop.namespace);
        assert_eq!(run["spec"]["group"], owner.as_str(), "{run:#}");
        assert_eq!(run["metadata"]["ownerReferences"][0]["name"], "monkey", "{run:#}");
        let done = run["status"]["cluster"]["done"].as_u64().unwrap_or_default();
        let refused = run["status"]["verdict"] == "Refused";
        assert_eq!(done, u64::from(!refused), "{run:#}");
        let after = uids(&shop.ready("web", 3).await);
        assert_eq!(
            before.difference(&after).count() as u64,
            done,
            "each pod that is gone is one that a run says it deleted"
        );
        within(MINUTE, "it is recorded what happened", async || {
            let records = shop.records("monkey").await;
            records.len() == 1 && records[0]["begun"].is_null() && records[0]["hit"].is_string() != refused
        })
        .await;
        assert_eq!(shop.records("monkey").await[0]["slot"], run["spec"]["slot"]);

        // The next minute passes without the one that is suspended.
        let slots = |runs: &[Value]| runs.iter().map(|run| run["spec"]["slot"].to_string()).collect::<BTreeSet<_>>();
        let dry = slots(&shop.begun("dry").await);
        within(MINUTE, "another minute has passed", async || slots(&shop.begun("dry").await).len() > dry.len()).await;
        assert_eq!(shop.begun("monkey").await.len(), 1, "a suspended policy ran");
        let gated = shop.begun("gated").await;
        assert!(gated.iter().any(finished), "{gated:#?}");
        for run in gated.iter().filter(|run| finished(run)) {
            assert!(run["status"]["refusals"].to_string().contains("GateClosed"), "{run:#}");
        }
        assert_eq!(shop.begun("closed").await.len(), 0, "a policy ran outside its windows");
        assert!(shop.records("closed").await.iter().all(|record| record["slot"].is_null()));
        let records = shop.records("dry").await;
        assert!(records.iter().all(|record| record["dryRun"] == true), "{records:#?}");
        assert_eq!(uids(&shop.ready("web", 3).await), after, "a dry run touched a pod");
        let list = shop.policy("monkey").await;
        assert_eq!(list["status"]["state"], "Suspended", "{list:#}");
    });
}
