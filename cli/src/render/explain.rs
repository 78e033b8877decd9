//! Why the pods of a workload are hit or not, as text: one row each, and of a single pod everything that it was asked.

use super::table::table;
use super::text::{safe, wrap};
use rumpus_model::cluster::explain::{Answer, Explained, Explanation, Fate};

/// Longest single item.
const ITEM: usize = 200;
/// Longest item of a table.
const CELL: usize = 60;

/// Renders it; the text ends with a line end.
pub fn explanation(told: &Explanation) -> String {
    let mut page = wrap("workload  ", &safe(&told.workload, ITEM));
    page += &wrap("policy    ", &format!("{} (seed {})", safe(&told.policy, ITEM), safe(&told.seed, ITEM)));
    let picked = told.pods.iter().filter(|pod| pod.fate == Fate::Picked).count();
    page += &format!("\nPODS ({picked} of {} picked)\n", told.pods.len());
    if !told.pods.is_empty() {
        page += &table(&["POD", "FATE", "WHY", "FOUND"], told.pods.iter().map(row).collect());
    }
    if let [only] = &told.pods[..] {
        page += "\nASKED, until the first no\n";
        page += &table(&["", "QUESTION", "FOUND"], only.asked.iter().map(answer).collect());
    }
    for note in &told.notes {
        page += &wrap("note: ", &safe(note, ITEM));
    }
    page + &super::cluster_plan::refusals(&told.refusals)
}

fn row(pod: &Explained) -> Vec<String> {
    let fate = match pod.fate {
        Fate::LeftOut => "left out",
        Fate::NotPicked => "not picked",
        Fate::NotSelected => "not selected",
        Fate::Picked => "picked",
    };
    let found = pod.asked.last().map(|last| safe(&last.fact, CELL)).unwrap_or_default();
    let why = pod.reason.as_ref().map_or_else(|| pod.why.clone(), |reason| format!("{} ({reason})", pod.why));
    vec![safe(&pod.pod, CELL), fate.to_owned(), why, found]
}

fn answer(answer: &Answer) -> Vec<String> {
    let yes = if answer.yes { "yes" } else { "no" };
    vec![yes.to_owned(), answer.question.to_owned(), safe(&answer.fact, CELL)]
}
