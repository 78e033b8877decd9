//! What is live in a cluster as tables.

use super::super::table::table;
use super::super::text::{safe, wrap};
use super::{CELL, ITEM, instant};
use crate::cluster::active::{Injection, Report, Run};
use rumpus_model::wire::Truth;

/// Renders what is live.
pub fn page(report: &Report) -> String {
    let place = report.namespace.as_deref().map(|n| format!(", namespace {}", safe(n, CELL))).unwrap_or_default();
    let mut page = format!("{}{place}\n", safe(&report.context, ITEM));
    for halt in &report.halts {
        let since = halt.since.as_deref().map(|t| format!(" since {}", safe(t, CELL))).unwrap_or_default();
        let text =
            format!("{}{since}: {} ({})", safe(&halt.scope, ITEM), safe(&halt.reason, ITEM), safe(&halt.name, CELL));
        page += &wrap("halted: ", &text);
    }
    for problem in &report.problems {
        page += &wrap("problem: ", &safe(problem, 2 * ITEM));
    }
    if !report.runs.is_empty() {
        page +=
            &table(&["RUN", "MODE", "STATE", "TARGETS", "NOT AFTER", "REASON"], report.runs.iter().map(run).collect());
    }
    if !report.injections.is_empty() {
        let head = ["NODE", "RUN", "FAULT", "TARGETS", "STATE", "EFFECTIVE", "NOT AFTER"];
        page += &table(&head, report.injections.iter().map(injection).collect());
    }
    for unseen in &report.unseen {
        let text = format!(
            "node {} holds injection {}, whose object is gone: it is about to end",
            safe(&unseen.node, CELL),
            safe(&unseen.uid, CELL)
        );
        page += &wrap("note: ", &text);
    }
    // What could not be read may be live: only a whole look says that nothing is.
    let nothing = report.runs.is_empty() && report.injections.is_empty() && report.unseen.is_empty();
    match (nothing, report.problems.is_empty()) {
        (true, true) => page + "nothing is live\n",
        (true, false) => page + "nothing live was seen, but not everything could be read\n",
        (false, _) => page,
    }
}

fn run(run: &Run) -> Vec<String> {
    let mode = if run.armed { "armed" } else { "dry run" };
    let state = run.state.map_or_else(|| "not taken up".to_owned(), |s| format!("{s:?}"));
    vec![
        safe(&format!("{}/{}", run.namespace, run.name), CELL),
        mode.into(),
        state,
        run.targets.map(|t| t.to_string()).unwrap_or_default(),
        run.not_after.as_deref().map(instant).unwrap_or_default(),
        safe(run.reason.as_deref().unwrap_or_default(), CELL),
    ]
}

fn injection(injection: &Injection) -> Vec<String> {
    let state = injection.state.map_or_else(|| format!("{:?}, no word yet", injection.phase), |s| format!("{s:?}"));
    let effective = match injection.effective {
        Some(Truth::True) => "yes",
        Some(Truth::False) => "no",
        Some(Truth::Unknown) | None => "not known",
    };
    vec![
        safe(&injection.node, CELL),
        safe(&format!("{}/{}", injection.namespace, injection.run), CELL),
        safe(&injection.fault, CELL),
        injection.targets.to_string(),
        state,
        effective.into(),
        instant(&injection.not_after),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_live_only_where_everything_was_read() {
        let report = Report { context: "prod".into(), ..Report::default() };
        assert_eq!(page(&report), "prod\nnothing is live\n");
        let blind = page(&Report { problems: vec!["runs could not be read".into()], ..report });
        assert!(!blind.contains("nothing is live") && blind.contains("not everything could be read"), "{blind}");
    }
}
