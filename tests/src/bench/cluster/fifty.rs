//! Fifty pods on three nodes cut off from one, and given back.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::api::until;
use super::audit::{Call, Moment};
use super::crowd::{Crowd, PERIOD, TARGETS};
use super::probe::Probe;
use super::site::Site;
use super::trace::{Edge, Trace, edges};
use crate::bench::stats::{Samples, show};
use crate::bench::table::Row;

const ROUNDS: usize = 5;

/// How long fifty edges may be waited for.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Columns {
    first_lost: Samples,
    all_lost: Samples,
    running: Samples,
    first_good: Samples,
    all_good: Samples,
    gone: Samples,
    gaps: Samples,
}

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let crowd = site.crowd().await?;
    let mut columns = Columns::default();
    for number in 0..site.rounds(ROUNDS) {
        super::progress(&format!("fifty {}", number + 1));
        let once = once(site, crowd, &format!("fifty-{number}"), &mut columns).await;
        once.with_context(|| format!("fifty {}", number + 1))?;
    }
    let row = |what: &str, samples: &Samples| Row::new(what).times(samples).p99(show(samples.max()) + " (worst)");
    let what = format!(
        "POST of a partition of 1 pod from {TARGETS} on 3 nodes → the first flow lost (UDP every {} ms)",
        PERIOD.as_millis()
    );
    Ok(vec![
        row(&what, &columns.first_lost).peers("Chaos Mesh 774 ms"),
        row("… → all flows lost", &columns.all_lost)
            .peers("Chaos Mesh 775 ms (the one pod's rules suffice); 8.9 s until all 51 pods hold rules")
            .goal("500 ms"),
        row("… → run status Running (audit log)", &columns.running).peers("Chaos Mesh 8.9 s"),
        row("DELETE of that run → the first flow good", &columns.first_good).peers("Chaos Mesh 254 ms"),
        row("… → all flows good", &columns.all_good).peers("Chaos Mesh 4.7 s").goal("500 ms"),
        row("… → run and Injections are gone, asked every 25 ms", &columns.gone)
            .peers("Chaos Mesh 4.9 s, its object only"),
        Row::new("the probe's real period where flows were lost or good again").times(&columns.gaps),
    ])
}

async fn once(site: &Site<'_>, crowd: &Crowd, name: &str, columns: &mut Columns) -> Result<()> {
    let mark = site.audit.mark()?;
    let probe = crowd.probe().await?;
    let measured = measure_one(crowd, name, &probe).await;
    let traces = probe.finish()?;
    let [created, deleted, gone] = measured?;
    let calls = site.audit.since(mark, &[&crowd.shop.namespace])?;
    let lost = edges(&traces, created.boot, Trace::lost).context("a flow was never lost")?;
    let good = edges(&traces, deleted.boot, Trace::good).context("a flow was never good again")?;
    columns.gaps.extend(lost.iter().chain(&good).map(|edge| edge.gap));
    let (lost, good) = (span(&lost, created.boot), span(&good, deleted.boot));
    ensure!(lost[1] < deleted.boot.saturating_sub(created.boot), "a flow was lost only after the run was deleted");
    columns.first_lost.push(lost[0]);
    columns.all_lost.push(lost[1]);
    columns.running.push(running(&calls, name)?.saturating_sub(created.wall));
    columns.first_good.push(good[0]);
    columns.all_good.push(good[1]);
    columns.gone.push(gone.boot.saturating_sub(deleted.boot));
    Ok(())
}

/// Returns when the run was asked for, when its end was, and when nothing of it was left.
async fn measure_one(crowd: &Crowd, name: &str, probe: &Probe) -> Result<[Moment; 3]> {
    let (created, run) = crowd.shop.run(name, &Crowd::cut()).await?;
    run.explained(until(PATIENCE, "every flow is lost", async || Ok(probe.all_lost())).await).await?;
    run.in_effect().await?;
    ensure!(probe.all_lost(), "a flow is open although the run is said to be in effect");
    let deleted = run.delete().await?;
    until(PATIENCE, "every flow is good again", async || Ok(probe.all_good(deleted.boot))).await?;
    let gone = run.gone().await?;
    Ok([created, deleted, gone])
}

/// Returns how long after this instant the first and the last flow changed.
fn span(edges: &[Edge], since: Duration) -> [Duration; 2] {
    let after = |at: Option<Duration>| at.unwrap_or_default().saturating_sub(since);
    [edges.iter().map(|edge| edge.at).min(), edges.iter().map(|edge| edge.at).max()].map(after)
}

/// Returns when the run's status was first written as Running, since 1970.
fn running(calls: &[Call], name: &str) -> Result<Duration> {
    let is = |call: &&Call| {
        let state: &Value = &call.sent["status"]["state"];
        call.resource == "chaosruns/status" && call.name == name && state == "Running"
    };
    let found = calls.iter().find(is).map(|call| call.done);
    found.with_context(|| format!("the audit log does not show that run {name} is in effect"))
}
