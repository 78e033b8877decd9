//! What policies will do by themselves, as a table.

use super::instant::second;
use super::table::table;
use super::text::{safe, wrap};
use crate::cluster::schedule::Report;
use crate::up::report::Report as HostReport;
use rumpus_controller::host::history::Entry;

/// Most runs that are shown; programs get all.
const SHOWN: usize = 50;
/// Longest item.
const CELL: usize = 60;

/// Renders it.
pub fn page(report: &Report) -> String {
    let mut page = format!("from {} to {}\n", report.from, report.to);
    for problem in &report.problems {
        page += &wrap("problem: ", &safe(problem, 300));
    }
    for policy in &report.policies {
        let how = match (policy.suspended, policy.armed) {
            (true, _) => "suspended",
            (false, true) => "armed",
            (false, false) => "dry run",
        };
        let name = safe(&format!("{}/{}", policy.namespace, policy.name), CELL);
        page += &format!("policy {name}: {how}, {} groups, {} runs\n", policy.groups, policy.runs);
    }
    if report.runs.is_empty() {
        page += "nothing will run by itself\n";
        return page;
    }
    let rows = report.runs.iter().take(SHOWN).map(|run| {
        let group = if run.group.is_empty() { "the whole policy" } else { run.group.as_str() };
        let mode = if run.armed { "armed" } else { "dry run" };
        vec![
            safe(&run.local, CELL),
            safe(&format!("{}/{}", run.namespace, run.policy), CELL),
            safe(group, CELL),
            mode.to_owned(),
        ]
    });
    page += &table(&["AT", "POLICY", "GROUP", "MODE"], rows.collect());
    let more = report.runs.len().saturating_sub(SHOWN);
    if more > 0 {
        page += &format!("and {more} more (-o json has all)\n");
    }
    page
}

/// Renders what a host's daemon will do, and what it did.
pub fn of_host(report: &HostReport) -> String {
    let mut page = format!("from {} to {}\n", report.from, report.to);
    for problem in &report.problems {
        page += &wrap("problem: ", &safe(problem, 300));
    }
    let rows = report.policies.iter().map(|policy| {
        let how = match (policy.scheduled, policy.suspended, policy.armed) {
            (false, _, _) => "by hand",
            (true, true, _) => "suspended",
            (true, false, true) => "armed",
            (true, false, false) => "dry run",
        };
        let next = policy.next.clone().unwrap_or_else(|| "-".to_owned());
        vec![safe(&policy.name, CELL), safe(&policy.file, CELL), how.to_owned(), policy.runs.to_string(), next]
    });
    page += &table(&["POLICY", "FILE", "MODE", "RUNS", "NEXT"], rows.collect());
    if report.runs.is_empty() {
        page += "\nnothing will run by itself\n";
    } else {
        let rows = report.runs.iter().take(SHOWN).map(|run| {
            let mode = if run.armed { "armed" } else { "dry run" };
            vec![safe(&run.local, CELL), safe(&run.policy, CELL), mode.to_owned()]
        });
        page += &format!("\n{}", table(&["AT", "POLICY", "MODE"], rows.collect()));
        let more = report.runs.len().saturating_sub(SHOWN) + report.more;
        if more > 0 {
            page += &format!("and {more} more (-o json has the first {})\n", report.runs.len());
        }
    }
    if !report.past.is_empty() {
        let rows = report.past.iter().map(past);
        page += &format!("\n{}", table(&["RAN", "POLICY", "BY", "OUTCOME", "TARGETS"], rows.collect()));
    }
    page
}

fn past(run: &Entry) -> Vec<String> {
    let outcome = match (&run.outcome, run.ended) {
        (Some(outcome), _) => format!("{outcome:?}"),
        (None, Some(_)) => "not known".to_owned(),
        (None, None) => "runs".to_owned(),
    };
    let note = run.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    vec![
        second(run.began),
        safe(&run.policies.join(", "), CELL),
        safe(run.by.as_deref().unwrap_or("schedule"), CELL),
        safe(&format!("{outcome}{note}"), CELL),
        safe(&run.targets.join(", "), CELL),
    ]
}
