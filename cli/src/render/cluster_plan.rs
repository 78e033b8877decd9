//! A plan for a cluster as text, in the order and words of a host's plan: who, by which engine, against whom, what to
//! expect, who not and why not, and what stands in the way.

use super::plan::fault;
use super::table::table;
use super::text::{safe, some, wrap};
use ipnet::IpNet;
use rumpus_model::cluster::{ClusterPlan, PeerEntry, PodTarget};
use rumpus_model::duration;
use rumpus_model::refusal::Refusal;
use std::collections::BTreeMap;

/// Most examples of anything that is listed; the rest is counted.
const EXAMPLES: usize = 10;
/// Most rows of targets; `--json` has them all.
const ROWS: usize = 50;
/// Longest single item.
const ITEM: usize = 200;
/// Longest item of a table.
const CELL: usize = 40;

/// Renders a plan; the text ends with a line end.
pub fn cluster_plan(plan: &ClusterPlan) -> String {
    let mut page = header(plan);
    page += &targets(plan);
    page += &peers(plan);
    page += &left_out(plan);
    for note in &plan.notes {
        page += &wrap("note: ", &safe(note, ITEM));
    }
    page + &refusals(&plan.refusals)
}

fn header(plan: &ClusterPlan) -> String {
    let lasts = plan
        .duration
        .map_or_else(|| "once; nothing is put back".into(), |d| format!("{}, then restored", duration::show(d)));
    let name = format!("{}/{}", safe(&plan.namespace, ITEM), safe(&plan.policy, ITEM));
    let mut page = wrap("plan    ", &format!("{name} (hash {}, seed {})", plan.hash, safe(&plan.seed, ITEM)));
    page += &wrap("fault   ", &fault(&plan.fault));
    page += &plan.drawn.map(|drawn| wrap("drawn   ", &drawn.to_string())).unwrap_or_default();
    page += &wrap("for     ", &lasts);
    page += &wrap("select  ", &format!("{}; pick {}", safe(&plan.select, 4 * ITEM), plan.pick));
    page += &wrap("expect  ", &plan.expected);
    page
}

fn targets(plan: &ClusterPlan) -> String {
    let count = plan.targets().count();
    let mut page = format!("\nTARGETS ({count} of {} that match)\n", plan.matched);
    if count == 0 {
        return page;
    }
    let row = |target: &PodTarget, by: &str| {
        let container = target.container.as_deref().unwrap_or("-");
        let owner = target.owner.as_deref().unwrap_or("none");
        let pod = format!("{}/{}", target.namespace, target.pod);
        vec![
            safe(&target.node, CELL),
            safe(&pod, CELL),
            safe(container, CELL / 2),
            safe(owner, CELL / 2),
            by.to_owned(),
        ]
    };
    let shares = plan.shares.iter().flat_map(|s| s.targets.iter().map(|t| row(t, s.engine.name())));
    let rows: Vec<_> = shares.chain(plan.cluster_targets.iter().map(|t| row(t, "controller"))).take(ROWS).collect();
    let shown = rows.len();
    page += &table(&["NODE", "POD", "CONTAINER", "OWNER", "ENGINE"], rows);
    if count > shown {
        page += &format!("and {} more, on {} nodes in all\n", count - shown, plan.shares.len());
    }
    let notes: BTreeMap<_, _> = plan.shares.iter().map(|s| (s.engine, s.engine.note())).collect();
    page += &notes.into_iter().map(|(engine, note)| wrap(&format!(" {engine}: "), note)).collect::<String>();
    page
}

fn peers(plan: &ClusterPlan) -> String {
    if plan.peers.is_empty() {
        return String::new();
    }
    let mut page = "\nPEERS\n".to_owned();
    for entry in &plan.peers {
        page += &wrap(" ", &peer(entry));
    }
    if let Some(except) =
        plan.peers.first().map(|e| &e.except).filter(|e| !(e.addresses.is_empty() && e.names.is_empty()))
    {
        page += &wrap(" except ", &who(&except.addresses, &except.names));
    }
    if plan.follow {
        page += " new addresses join while it lasts\n";
    }
    page
}

fn peer(entry: &PeerEntry) -> String {
    let who = who(&entry.addresses, &entry.names);
    if entry.ports.is_empty() {
        return who;
    }
    format!("{who}; ports {}", some(entry.ports.iter().map(ToString::to_string), EXAMPLES))
}

fn who(addresses: &[IpNet], names: &[String]) -> String {
    let names = names.iter().map(|n| safe(n, ITEM));
    let all: Vec<String> = addresses.iter().map(ToString::to_string).chain(names).collect();
    some(all.into_iter(), EXAMPLES)
}

fn left_out(plan: &ClusterPlan) -> String {
    if plan.left_out.is_empty() {
        return String::new();
    }
    let all: usize = plan.left_out.iter().map(|l| l.count).sum();
    let mut page = format!("\nLEFT OUT ({all})\n");
    for left in &plan.left_out {
        let mut who: Vec<String> = left.examples.iter().map(|e| safe(e, ITEM)).collect();
        let more = left.count.saturating_sub(who.len());
        if more > 0 {
            who.push(format!("and {more} more"));
        }
        page += &wrap(" ", &format!("{} ({})", left.why, left.count));
        page += &wrap("   ", &who.join(", "));
    }
    page
}

pub(super) fn refusals(refusals: &[Refusal]) -> String {
    if refusals.is_empty() {
        return String::new();
    }
    let mut page = format!("\nREFUSED ({})\n", refusals.len());
    for refusal in refusals {
        page += &wrap(" no: ", &format!("{} ({})", safe(&refusal.to_string(), 4 * ITEM), refusal.reason()));
        page += &wrap("     hint: ", &safe(&refusal.hint(), 2 * ITEM));
    }
    page
}
