//! A plan as text: who and why, by which engine, what to expect, who not and why not, and what stands in the way.

use super::text::{WIDTH, safe, some, wrap};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use rumpus_model::duration;
use rumpus_model::fault::partition::How;
use rumpus_model::fault::{Fault, Kill, kill};
use rumpus_model::plan::{Plan, Planned};
use rumpus_model::scope::{Addresses, Exempt, Peers};
use rumpus_model::select::LeftOut;
use rumpus_model::target::{ProcessLabel, Target};
use std::collections::BTreeMap;

/// Most examples of anything that is listed; the rest is counted.
const EXAMPLES: usize = 10;
/// Longest single item.
const ITEM: usize = 200;

/// Renders a plan; the text ends with a line end.
pub fn plan(plan: &Plan) -> String {
    let mut page = header(plan);
    page += &targets(plan);
    page += &left_out(&plan.left_out);
    page += &refusals(plan);
    page
}

fn header(plan: &Plan) -> String {
    let lasts = plan
        .duration
        .map_or_else(|| "once; nothing is put back".into(), |d| format!("{}, then restored", duration::show(d)));
    let who = format!("{} (hash {}, seed {})", safe(&plan.policy, ITEM), plan.hash, safe(&plan.seed, ITEM));
    let mut page = wrap("plan    ", &who);
    page += &wrap("fault   ", &fault(&plan.fault));
    page += &plan.drawn.map(|drawn| wrap("drawn   ", &drawn.to_string())).unwrap_or_default();
    page += &wrap("for     ", &lasts);
    page += &wrap("select  ", &format!("{}; pick {}", safe(&plan.select, 4 * ITEM), plan.pick));
    page += &wrap("expect  ", &plan.expected);
    page
}

/// Returns what is done, in words.
pub(super) fn fault(fault: &Fault) -> String {
    let what = match fault {
        Fault::Kill(Kill::Container) => "kill the whole container".to_owned(),
        Fault::Kill(Kill::Process { signal: kill::SIGKILL, .. }) => "kill by SIGKILL".to_owned(),
        Fault::Kill(Kill::Process { signal, grace }) => {
            format!("kill by {}, grace {}", kill::signal_name(*signal), duration::show(*grace))
        }
        Fault::Latency(l) if l.delay.jitter.is_zero() => format!("latency {}", duration::show(l.delay.delay)),
        Fault::Latency(l) => {
            format!("latency {} ±{}", duration::show(l.delay.delay), duration::show(l.delay.jitter))
        }
        Fault::Loss(l) => format!("loss {} %", l.percent),
        Fault::Partition(p) => match p.how {
            How::Drop => "partition, dropped".to_owned(),
            How::Reject => "partition, rejected".to_owned(),
        },
        Fault::PodDelete(_) => "delete the pod".to_owned(),
        Fault::PodEvict(_) => "evict the pod".to_owned(),
    };
    match fault.network() {
        None => what,
        Some(network) => format!("{what}; {}", network.summary()),
    }
}

fn targets(plan: &Plan) -> String {
    if plan.targets.is_empty() {
        return "\nTARGETS (0)\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(WIDTH).unwrap_or(100));
    table.set_header(["id", "target", "engine", "why", "processes"]);
    for planned in &plan.targets {
        table.add_row([
            planned.id.clone(),
            safe(&planned.target.to_string(), ITEM),
            planned.engine.to_string(),
            safe(&planned.why, ITEM),
            processes(&planned.target),
        ]);
    }
    for (index, most) in [(0, 10), (1, 30), (2, 9)] {
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(most)));
        }
    }
    let rows: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    format!("\nTARGETS ({})\n{rows}{}{}", plan.targets.len(), engines(&plan.targets), scopes(plan))
}

fn processes(target: &Target) -> String {
    let list: &[ProcessLabel] = match target {
        Target::Container(c) => &c.processes,
        Target::NetNs(n) => &n.processes,
        Target::Process(_) => return "itself".into(),
    };
    if list.is_empty() { "none".into() } else { some(list.iter().map(ToString::to_string), EXAMPLES) }
}

fn engines(targets: &[Planned]) -> String {
    let notes: BTreeMap<_, _> = targets.iter().map(|t| (t.engine, t.engine.note())).collect();
    notes.into_iter().map(|(engine, note)| wrap(&format!(" {engine}: "), note)).collect()
}

/// Tells what names came to, and what is left alone on a host, once for all targets that have it in common.
fn scopes(plan: &Plan) -> String {
    let named = plan.fault.network().is_some_and(|n| !n.names().is_empty());
    let mut told: Vec<String> = Vec::new();
    for scope in plan.targets.iter().filter_map(|t| t.scope.as_ref()) {
        if let (true, Peers::Only(addresses)) = (named, &scope.peers) {
            told.push(wrap(" peers, resolved: ", &networks(addresses)));
        }
        if named && !scope.except.is_empty() {
            told.push(wrap(" except, resolved: ", &networks(&scope.except)));
        }
        if !scope.exempt.is_empty() {
            let exempt = scope.exempt.iter().map(|e: &Exempt| safe(&e.reason, ITEM));
            told.push(wrap(" always left alone: ", &some(exempt, EXAMPLES)));
        }
    }
    let mut once: Vec<String> = Vec::new();
    for line in told {
        if !once.contains(&line) {
            once.push(line);
        }
    }
    once.concat()
}

fn networks(addresses: &Addresses) -> String {
    let v4 = addresses.v4().iter().map(ToString::to_string);
    let all: Vec<String> = v4.chain(addresses.v6().iter().map(ToString::to_string)).collect();
    some(all.into_iter(), EXAMPLES)
}

fn left_out(list: &[LeftOut]) -> String {
    if list.is_empty() {
        return String::new();
    }
    let mut groups: BTreeMap<String, Vec<&LeftOut>> = BTreeMap::new();
    for left in list {
        groups.entry(left.reason.to_string()).or_default().push(left);
    }
    let mut page = format!("\nLEFT OUT ({})\n", list.len());
    for (reason, group) in groups {
        page += &wrap(" ", &format!("{} ({})", safe(&reason, 2 * ITEM), group.len()));
        page += &wrap("   ", &some(group.into_iter().map(|l| safe(&l.what, ITEM)), EXAMPLES));
    }
    page
}

fn refusals(plan: &Plan) -> String {
    if plan.refusals.is_empty() {
        return String::new();
    }
    let mut page = format!("\nREFUSED ({})\n", plan.refusals.len());
    for refusal in &plan.refusals {
        page += &wrap(" no: ", &refusal.to_string());
        page += &wrap("     hint: ", &refusal.hint());
    }
    page
}
