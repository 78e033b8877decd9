//! What the controller and the agents weigh: idle, with fifty faults, and beside ten thousand pods of others.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::crowd::{Crowd, TARGETS};
use super::pair::{self, Round};
use super::parts::{self, Weights};
use super::shop::Shop;
use super::site::Site;
use crate::bench::stats::Samples;
use crate::bench::table::Row;

/// Each fault has been renewed after this.
const SETTLED: Duration = Duration::from_secs(5);

/// After ten thousand pods: what has come in a hurry has been taken in.
const CALM: Duration = Duration::from_secs(15);

/// Pods that are made at the same time.
const LANES: usize = 8;

/// Runs beside the many pods, as the peer's.
const ROUNDS: usize = 10;

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    sleep(SETTLED).await;
    let idle = parts::weigh(&site.api).await?;
    let busy = with_faults(site).await?;
    let mut rows = vec![
        row("resident memory of the controller, idle, before this bench's first run", site.fresh.controller.show()),
        row("the same after the sections above", idle.controller.show())
            .peers("Chaos Mesh 84 to 91 MB, active 95 to 98 MB"),
        row(&format!("the same with {TARGETS} faults in effect"), busy.controller.show()),
        row("resident memory of an agent (least to most), idle, before this bench's first run", site.fresh.agents())
            .goal("≤ 12 MB"),
        row("the same after the sections above", idle.agents()).peers("Chaos Mesh's daemon 51 to 55 MB"),
        row(&format!("the same with {TARGETS} faults in effect on 3 nodes"), busy.agents())
            .goal("≤ 20 MB (100 faults)"),
    ];
    rows.extend(beside(site).await?);
    Ok(rows)
}

fn row(what: &str, value: String) -> Row {
    Row::new(what).value(value).count(1)
}

async fn with_faults(site: &Site<'_>) -> Result<Weights> {
    let crowd = site.crowd().await?;
    let (_, run) = crowd.shop.run("weighed", &Crowd::cut()).await?;
    run.in_effect().await?;
    sleep(SETTLED).await;
    let weights = parts::weigh(&site.api).await?;
    run.delete().await?;
    run.gone().await?;
    Ok(weights)
}

/// Weighs, and cuts a pair off, beside many pods.
async fn beside(site: &Site<'_>) -> Result<Vec<Row>> {
    let count = site.options.pods;
    let shop = site.shop("beside").await?;
    let pods = shop.pair([site.node(0), site.node(1)]).await?;
    super::progress(&format!("makes {count} pods that no kubelet knows of"));
    let many = site.silent_shop("many").await?;
    fill(&many, &node(site).await?, count).await?;
    sleep(CALM).await;
    let still = parts::weigh(&site.api).await?;
    let mut rounds = Vec::new();
    for number in 0..site.rounds(ROUNDS) {
        let round = pair::round(&shop, &format!("beside-{number}"), &pods).await;
        rounds.push(round.with_context(|| format!("run {number} beside many pods"))?);
    }
    let after = parts::weigh(&site.api).await?;
    let times = |of: fn(&Round) -> Duration| rounds.iter().map(of).collect::<Samples>();
    Ok(vec![
        row(
            &format!("resident memory of the controller with {count} other pods in the cluster"),
            still.controller.show(),
        )
        .peers("Chaos Mesh 179 MB (10,000 pods)")
        .goal("< 100 MB (100,000 pods)"),
        row(&format!("the same after {} runs beside them", rounds.len()), after.controller.show())
            .peers("Chaos Mesh 221 MB (10,000 pods, ten experiments)"),
        row("an agent beside them", after.agents()),
        Row::new("POST of a run → first lost packet, beside them")
            .times(&times(Round::first_lost))
            .peers("Chaos Mesh 203 ms"),
        Row::new("DELETE → first good packet, beside them").times(&times(Round::first_good)).peers("Chaos Mesh 135 ms"),
    ])
}

/// Makes a node of which no kubelet knows and on which nothing is scheduled.
async fn node(site: &Site<'_>) -> Result<String> {
    let name = site.named("node");
    let taints = json!([{ "key": "rumpus.dev/bench", "effect": "NoSchedule" }]);
    let node = json!({ "metadata": { "name": name }, "spec": { "unschedulable": true, "taints": taints } });
    site.api.post("/api/v1/nodes", &node).await?;
    Ok(name)
}

/// Makes pods that never run.
async fn fill(shop: &Shop, node: &str, count: usize) -> Result<()> {
    let mut lanes = JoinSet::new();
    for lane in 0..LANES {
        let (api, path, node) = (shop.api.clone(), shop.pods(), node.to_owned());
        lanes.spawn(async move {
            for number in (lane..count).step_by(LANES) {
                api.post(&path, &pod(number, &node)).await.with_context(|| format!("make pod {number}"))?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.map_err(|_panic| anyhow!("a lane of pods panicked"))??;
    }
    Ok(())
}

/// A pod as large as usual ones: ten variables, two probes, a volume. It stays when its node is not heard of.
fn pod(number: usize, node: &str) -> Value {
    let variables: Vec<Value> =
        (0..10).map(|one| json!({ "name": format!("VARIABLE_{one}"), "value": format!("value of {one}") })).collect();
    let probe = json!({ "httpGet": { "path": "/healthz", "port": 8080 }, "periodSeconds": 10 });
    json!({
        "metadata": { "name": format!("other-{number}"), "labels": { "app": format!("other-{}", number % 100) } },
        "spec": {
            "nodeName": node,
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{ "operator": "Exists" }],
            "volumes": [{ "name": "data", "emptyDir": {} }],
            "containers": [{
                "name": "app",
                "image": "rumpus-tests/none",
                "imagePullPolicy": "Never",
                "env": variables,
                "ports": [{ "containerPort": 8080 }],
                "livenessProbe": probe,
                "readinessProbe": probe,
                "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
            }],
        },
    })
}
