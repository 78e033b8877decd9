//! A Halt of everything while fifty faults are in effect on three nodes: until traffic flows, and until every node says so.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::api::{Api, until};
use super::audit::{Call, Moment};
use super::crowd::{Crowd, PERIOD, TARGETS};
use super::parts::AGENT;
use super::probe::Probe;
use super::site::{Site, text};
use super::trace::{Trace, edges};
use crate::bench::stats::{Samples, show};
use crate::bench::table::Row;
use crate::live::api::RUMPUS;

const ROUNDS: usize = 10;

/// How long an end may be waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one round showed, from the Halt's POST on.
struct Once {
    /// Of each flow.
    good: Vec<Duration>,
    last_good: Duration,
    attested: Duration,
    /// The probe's period where the flows were good again, as it really was.
    gaps: Vec<Duration>,
}

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let crowd = site.crowd().await?;
    let (mut each, mut last, mut attested, mut gaps) = <(Samples, Samples, Samples, Samples)>::default();
    for number in 0..site.rounds(ROUNDS) {
        super::progress(&format!("halt {}", number + 1));
        let once = once(site, crowd, number).await.with_context(|| format!("halt {}", number + 1))?;
        each.extend(once.good);
        last.push(once.last_good);
        attested.push(once.attested);
        gaps.extend(once.gaps);
    }
    let scope = if site.options.shared { "of one namespace" } else { "of everything" };
    let worst = |samples: &Samples| show(samples.max()) + " (worst)";
    let what = format!(
        "POST of a Halt {scope} with {TARGETS} partitions on 3 nodes → each flow good (UDP every {} ms)",
        PERIOD.as_millis()
    );
    Ok(vec![
        Row::new(what).times(&each).goal("p99 50 ms"),
        Row::new("… → the last flow good").times(&last).p99(worst(&last)),
        Row::new("… → every node attests it (ChaosNode.status.halts, audit log)")
            .times(&attested)
            .p99(worst(&attested))
            .goal("p99 300 ms"),
        Row::new("… the probe's real period where flows were good again").times(&gaps),
    ])
}

async fn once(site: &Site<'_>, crowd: &Crowd, number: usize) -> Result<Once> {
    let probe = crowd.probe().await?;
    let measured = halt(site, crowd, &probe, number).await;
    let traces = probe.finish()?;
    let (asked, attested) = measured?;
    let edges = edges(&traces, asked.boot, Trace::good).context("a flow was never good again")?;
    let gaps = edges.iter().map(|edge| edge.gap).collect();
    let good: Vec<Duration> = edges.iter().map(|edge| edge.at.saturating_sub(asked.boot)).collect();
    let last_good = good.iter().copied().max().context("no flow")?;
    Ok(Once { good, last_good, attested, gaps })
}

/// Returns when the Halt was asked for, and how long after that the last node had attested it.
async fn halt(site: &Site<'_>, crowd: &Crowd, probe: &Probe, number: usize) -> Result<(Moment, Duration)> {
    let (_, run) = crowd.shop.run(&format!("halt-{number}"), &Crowd::cut()).await?;
    run.in_effect().await?;
    until(PATIENCE, "every flow is lost", async || Ok(probe.all_lost())).await?;
    let path = format!("{RUMPUS}/chaoshalts");
    let name = site.named(&format!("halt-{number}"));
    let object = json!({
        "apiVersion": "rumpus.dev/v1alpha1",
        "kind": "ChaosHalt",
        "metadata": { "name": name },
        "spec": { "scope": scope(site, crowd), "reason": "a bench" },
    });
    let mark = site.audit.mark()?;
    let asked = Moment::now()?;
    let made = site.api.post(&path, &object).await?;
    let uid = text(&made["metadata"]["uid"], "the Halt's UID")?;
    until(PATIENCE, "every flow is good again", async || Ok(probe.all_good(asked.boot))).await?;
    until(PATIENCE, "every node attests the Halt", async || listed(&site.api, &site.nodes, &uid, true).await).await?;
    site.api.delete(&format!("{path}/{name}")).await?;
    run.over().await?;
    run.delete().await?;
    run.gone().await?;
    until(PATIENCE, "every node forgets the Halt", async || listed(&site.api, &site.nodes, &uid, false).await).await?;
    let attested = last(&site.audit.since(mark, &[AGENT])?, &site.nodes, &uid)?;
    Ok((asked, attested.saturating_sub(asked.wall)))
}

fn scope(site: &Site<'_>, crowd: &Crowd) -> Value {
    if site.options.shared { json!({ "namespaces": [crowd.shop.namespace] }) } else { json!({ "all": true }) }
}

/// Whether each of these nodes lists the Halt, or none does.
async fn listed(api: &Api, nodes: &[String], uid: &str, wanted: bool) -> Result<bool> {
    for node in nodes {
        let node = api.get(&format!("{RUMPUS}/chaosnodes/{node}")).await?;
        if lists(&node, uid) != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn lists(node: &Value, uid: &str) -> bool {
    node["status"]["halts"].as_array().is_some_and(|halts| halts.iter().any(|halt| *halt == *uid))
}

/// Returns when the last node had written for the first time that it has ended what the Halt covers.
pub(super) fn last(calls: &[Call], nodes: &[String], uid: &str) -> Result<Duration> {
    let first = |node: &String| {
        let mut all = calls.iter().filter(|call| call.resource == "chaosnodes/status" && call.name == *node);
        let found = all.find(|call| lists(&call.sent, uid)).map(|call| call.done);
        found.with_context(|| format!("the audit log does not show that {node} attests the Halt"))
    };
    let all = nodes.iter().map(first).collect::<Result<Vec<_>>>()?;
    all.into_iter().max().context("no node")
}
