//! Lifted Halts of a cluster as text.

use super::super::text::{safe, wrap};
use super::{CELL, ITEM};
use crate::cluster::resume::Report;

/// Renders what was lifted.
pub fn page(report: &Report) -> String {
    if report.lifted.is_empty() {
        return format!("nothing to lift: {} is not halted.\n", safe(&report.context, ITEM));
    }
    let mut page = String::new();
    for halt in &report.lifted {
        let (name, scope) = (safe(&halt.name, CELL), safe(&halt.scope, ITEM));
        page += &wrap("lifted ", &format!("{name} ({scope}): {}", safe(&halt.reason, ITEM)));
    }
    for node in &report.unconfirmed {
        page += &wrap("  warning: ", &format!("no word that its faults have ended: {}", safe(node, ITEM)));
    }
    page + "New runs may begin; nothing restarts by itself.\n"
}
