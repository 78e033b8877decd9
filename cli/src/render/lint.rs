//! What workloads lack before they are ready for chaos, as text.

use super::table::table;
use super::text::{safe, wrap};
use rumpus_model::cluster::lint::{Lack, Lint, Linted};

/// Longest single item.
const ITEM: usize = 200;
/// Longest item of a table.
const CELL: usize = 60;
/// Most rows; `-o json` has them all.
const ROWS: usize = 50;

/// Renders it; the text ends with a line end.
pub fn lint(told: &Lint) -> String {
    let ready = told.workloads.iter().filter(|workload| workload.lacks.is_empty()).count();
    let mut page = wrap("policy  ", &safe(&told.policy, ITEM));
    page += &format!("\nWORKLOADS ({ready} of {} ready)\n", told.workloads.len());
    if told.workloads.is_empty() {
        page += "the policy selects no pod\n";
    } else {
        page += &table(&["WORKLOAD", "PODS", "LACKS"], told.workloads.iter().take(ROWS).map(row).collect());
    }
    if told.workloads.len() > ROWS {
        page += &format!("and {} more\n", told.workloads.len() - ROWS);
    }
    for lack in Lack::ALL {
        if told.workloads.iter().any(|workload| workload.lacks.contains(&lack)) {
            page += &wrap(&format!(" {lack:?}: "), lack.why());
            page += &wrap("   hint: ", lack.hint());
        }
    }
    for refusal in &told.unread {
        page += &wrap(" not known: ", &safe(&refusal.to_string(), ITEM));
    }
    page
}

fn row(workload: &Linted) -> Vec<String> {
    let lacks: Vec<String> = workload.lacks.iter().map(|lack| format!("{lack:?}")).collect();
    let lacks = if lacks.is_empty() { "-".to_owned() } else { lacks.join(", ") };
    vec![safe(&workload.workload, CELL), workload.pods.to_string(), lacks]
}
