//! From the POST of a run to the first lost packet, hop by hop, and from its DELETE to the first good one.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::hops::Hops;
use super::pair::{self, Round};
use super::site::Site;
use crate::bench::stats::{Samples, show};
use crate::bench::table::Row;

/// As many as a 99th percentile needs.
const ROUNDS: usize = 200;

const GOAL: &str = "median 50 ms, p99 150 ms";

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let shop = site.shop("run").await?;
    let pods = shop.pair([site.node(0), site.node(1)]).await?;
    // It has a row of its own: a new agent does once what none of the others waits for.
    let first = pair::round(&shop, "first", &pods).await.context("the first run")?;
    let mark = site.audit.mark()?;
    let mut rounds = Vec::new();
    for number in 0..site.rounds(ROUNDS) {
        if number % 20 == 0 {
            super::progress(&format!("run {number} of {}", site.rounds(ROUNDS)));
        }
        let round = pair::round(&shop, &format!("run-{number}"), &pods).await;
        rounds.push(round.with_context(|| format!("run {number}"))?);
    }
    let calls = site.audit.since(mark, &[&shop.namespace])?;
    let hops: Vec<Hops> = rounds.iter().map(|round| Hops::of(&calls, round)).collect::<Result<_>>()?;
    let mut rows = effect(&rounds);
    let what = "… the first run before these: an agent that has just begun first sees that the Lease moves";
    rows.push(Row::new(what).value(show(first.first_lost())).count(1));
    rows.extend(Hops::rows(&hops, &rounds));
    rows.extend(end(&hops, &rounds));
    Ok(rows)
}

fn effect(rounds: &[Round]) -> Vec<Row> {
    let of = |what: fn(&Round) -> Duration| rounds.iter().map(what).collect::<Samples>();
    let gaps: Samples = rounds.iter().flat_map(|round| round.gaps.iter().copied()).collect();
    vec![
        Row::new("POST of a run → first lost packet of a partition of one pair (UDP, 1 kHz each way: within 1 ms)")
            .times(&of(Round::first_lost))
            .peers("Chaos Mesh 192 ms (158 to 233, n 6, 100 Hz)")
            .goal(GOAL),
        Row::new("… → lost both ways").times(&of(Round::both_lost)).peers("Chaos Mesh 217 ms"),
        Row::new("… the probe's real period where packets were lost or good again").times(&gaps),
    ]
}

fn end(hops: &[Hops], rounds: &[Round]) -> Vec<Row> {
    let of = |what: fn(&Round) -> Duration| rounds.iter().map(what).collect::<Samples>();
    let gone = hops.iter().zip(rounds).map(|(hops, round)| hops.gone.saturating_sub(round.deleted.wall)).collect();
    vec![
        Row::new("DELETE of that run → first good packet")
            .times(&of(Round::first_good))
            .peers("Chaos Mesh 138 ms (117 to 146, n 6)")
            .goal("50 ms"),
        Row::new("… → good both ways").times(&of(Round::both_good)).peers("Chaos Mesh 150 ms"),
        Row::new("… → run and Injection are gone (audit log)").times(&gone).peers("Chaos Mesh 198 ms, its object only"),
    ]
}
