//! What policies will do by themselves, as a table.

use super::table::table;
use super::text::{safe, wrap};
use crate::cluster::schedule::Report;

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
