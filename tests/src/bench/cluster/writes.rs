//! How much one run asks of the API server, from its POST until nothing of it is left, by who asks.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::time::sleep;

use super::audit::Call;
use super::crowd::Crowd;
use super::parts::{AGENT, CONTROLLER};
use super::shop::{Shop, Wanted, partition};
use super::site::Site;
use crate::bench::table::Row;

const ROUNDS: usize = 10;

/// After the end: what is told late belongs to the run, too.
const LATE: Duration = Duration::from_millis(500);

/// Calls of one run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Calls {
    controller: usize,
    agents: usize,
}

impl Calls {
    fn all(self) -> usize {
        self.controller + self.agents
    }

    fn of<'c>(calls: impl Iterator<Item = &'c Call>) -> Self {
        calls.fold(Self::default(), |sum, call| match call.user.as_str() {
            CONTROLLER => Self { controller: sum.controller + 1, ..sum },
            AGENT => Self { agents: sum.agents + 1, ..sum },
            _ => sum,
        })
    }
}

pub(super) async fn measure(site: &Site<'_>) -> Result<Vec<Row>> {
    let mut rows = few(site, 1).await?;
    rows.extend(few(site, 3).await?);
    let crowd = site.crowd().await?;
    rows.extend(count(site, &crowd.shop, [3, super::crowd::TARGETS], &Crowd::cut()).await?);
    Ok(rows)
}

/// Counts with one target on each of so many nodes.
async fn few(site: &Site<'_>, nodes: usize) -> Result<Vec<Row>> {
    let shop = site.shop(&format!("writes-{nodes}")).await?;
    let names: Vec<String> = (0..nodes).map(|number| format!("web-{number}")).collect();
    let web = |(number, name)| Wanted { name, app: "web", node: site.node(number), restarts: "Always" };
    let mut wanted: Vec<Wanted<'_>> = names.iter().map(String::as_str).enumerate().map(web).collect();
    wanted.push(Wanted { name: "db", app: "db", node: site.node(1), restarts: "Always" });
    shop.start(&wanted).await?;
    count(site, &shop, [nodes, nodes], &partition("web", "db")).await
}

async fn count(site: &Site<'_>, shop: &Shop, [nodes, targets]: [usize; 2], experiment: &Value) -> Result<Vec<Row>> {
    super::progress(&format!("counts calls of runs on {nodes} nodes, {targets} targets"));
    let (mut writes, mut reads, mut last) = (Vec::new(), Vec::new(), String::new());
    for number in 0..site.rounds(ROUNDS) {
        let mark = site.audit.mark()?;
        let (_, run) = shop.run(&format!("count-{nodes}-{targets}-{number}"), experiment).await?;
        run.in_effect().await?;
        run.stop().await?;
        run.over().await?;
        run.delete().await?;
        run.gone().await?;
        sleep(LATE).await;
        let calls = site.audit.since(mark, &[CONTROLLER, AGENT])?;
        // Other namespaces are other people's; the Lease is renewed run or no run.
        let of_run = |call: &&Call| {
            call.namespace == shop.namespace
                || call.resource.starts_with("chaosnodes")
                || call.resource == "chaosledgers"
        };
        let changes = || calls.iter().filter(of_run).filter(|call| is_write(call));
        writes.push(Calls::of(changes()));
        last = kinds(changes());
        reads.push(Calls::of(calls.iter().filter(|call| is_read(call))));
    }
    let what = format!("whole run (POST, effect, stop, end attested, DELETE), nodes: {nodes}, targets: {targets}");
    let goal = format!("≤ {}", 8 + 6 * nodes);
    let peers = match targets {
        1 => "Chaos Mesh 63 to 67 requests of its controller",
        50 => "Chaos Mesh about 820 requests of its controller",
        _ => "",
    };
    Ok(vec![
        row(&format!("API writes of a {what}, heartbeats of nodes meanwhile too"), &mut writes)?
            .peers(peers)
            .goal(&goal),
        Row::new("… the last run's writes").value(last).count(1),
        row("… API reads meanwhile: get and list, those before each contact too, and reviews", &mut reads)?,
    ])
}

fn row(what: &str, calls: &mut [Calls]) -> Result<Row> {
    calls.sort_by_key(|calls| calls.all());
    let middle = calls.get(calls.len().saturating_sub(1) / 2).context("nothing was counted")?;
    let most = calls.last().context("nothing was counted")?.all();
    let value = format!("{}: controller {}, agents {}", middle.all(), middle.controller, middle.agents);
    Ok(Row::new(what).value(value).p99(format!("{most} (worst)")).count(calls.len()))
}

/// Says what one run's writes were about, each kind with its number.
fn kinds<'c>(writes: impl Iterator<Item = &'c Call>) -> String {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for call in writes {
        let who = match call.user.as_str() {
            CONTROLLER => "controller",
            AGENT => "agents",
            _ => continue,
        };
        *kinds.entry(format!("{who} {} {}", call.verb, call.resource)).or_default() += 1;
    }
    kinds.iter().map(|(kind, number)| format!("{kind} {number}")).collect::<Vec<_>>().join(", ")
}

/// Whether it changes something that is stored.
fn is_write(call: &Call) -> bool {
    let changes = ["create", "update", "patch", "delete", "deletecollection"].contains(&call.verb.as_str());
    changes && !is_review(call)
}

fn is_read(call: &Call) -> bool {
    ["get", "list"].contains(&call.verb.as_str()) || is_review(call)
}

/// A question that is asked by a POST and stored nowhere.
fn is_review(call: &Call) -> bool {
    call.resource.ends_with("reviews")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(user: &str, verb: &str, resource: &str) -> Call {
        let [user, verb, resource] = [user, verb, resource].map(str::to_owned);
        Call { user, verb, resource, namespace: String::new(), name: String::new(), done: LATE, sent: Value::Null }
    }

    #[test]
    fn a_review_is_no_write_and_others_do_not_count() {
        let calls = [
            call(CONTROLLER, "create", "subjectaccessreviews"),
            call(CONTROLLER, "create", "events"),
            call(AGENT, "patch", "chaosinjections/status"),
            call(AGENT, "get", "leases"),
            call("somebody", "delete", "chaosruns"),
        ];
        assert_eq!(Calls::of(calls.iter().filter(|call| is_write(call))), Calls { controller: 1, agents: 1 });
        assert_eq!(Calls::of(calls.iter().filter(|call| is_read(call))), Calls { controller: 1, agents: 1 });
    }
}
