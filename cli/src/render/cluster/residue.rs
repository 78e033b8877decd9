//! What faults have left in a cluster as a table, and what to do about it.

use super::super::table::table;
use super::super::text::{safe, wrap};
use super::{CELL, ITEM};
use crate::cluster::residue::{Found, Kind, Report};

/// Renders what was found.
pub fn page(report: &Report) -> String {
    let mut page = String::new();
    for problem in &report.problems {
        page += &wrap("could not look: ", &safe(problem, 2 * ITEM));
    }
    if report.found.is_empty() {
        let nothing = if report.problems.is_empty() {
            "nothing is left by any fault, as the nodes say\n"
        } else {
            "nothing left was seen, but not everything could be read\n"
        };
        return page + nothing;
    }
    page += &table(&["NODE", "KIND", "OBJECT", "WHAT"], report.found.iter().map(row).collect());
    let has = |kind: Kind| report.found.iter().any(|f| f.kind == kind);
    if has(Kind::OnNode) || has(Kind::NotRestored) {
        page +=
            "hint: the agent goes on trying; its log says what is in the way, `rumpus residue` on the node shows it\n";
    }
    if has(Kind::Unattested) || has(Kind::Unconfirmed) {
        page += "hint: `rumpus doctor` shows that node's agent; an effect has ended with its lease at the latest\n";
    }
    page
}

fn row(found: &Found) -> Vec<String> {
    let kind = match found.kind {
        Kind::OnNode => "on the node",
        Kind::NotRestored => "NOT RESTORED",
        Kind::Unattested => "unattested",
        Kind::Unconfirmed => "unconfirmed",
    };
    vec![safe(&found.node, CELL), kind.into(), safe(&found.object, CELL), safe(&found.what, ITEM)]
}
