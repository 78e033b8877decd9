//! What is live as a table.

use super::table::table;
use super::text::{safe, wrap};
use crate::commands::active::{Fault, Report};
use crate::standing::Stands;
use rumpus_model::world::Halted;

/// Longest single item.
const ITEM: usize = 200;
/// Longest item of a table.
const CELL: usize = 60;

/// Renders what is live.
pub fn page(report: &Report) -> String {
    let dir = safe(&report.state_dir.display().to_string(), ITEM);
    let instance = report.instance.as_deref().map(|i| format!(", instance {}", safe(i, CELL))).unwrap_or_default();
    let mut page = match (report.held, report.holder) {
        (true, Some(pid)) => format!("{dir}: held by process {pid}{instance}\n"),
        (true, None) => format!("{dir}: held by a process that has not written its pid{instance}\n"),
        (false, _) => format!("{dir}: no agent{instance}\n"),
    };
    match &report.halted {
        Halted::No => {}
        Halted::Yes { id, reason } => {
            page += &wrap("halted: ", &format!("{} (halt {})", safe(reason, ITEM), safe(id, CELL)));
        }
        Halted::Unreadable { why } => {
            page += &wrap("halted: ", &format!("the halt cannot be read, which counts as one: {}", safe(why, ITEM)));
        }
    }
    for problem in &report.problems {
        page += &wrap("problem: ", &safe(problem, ITEM));
    }
    if report.faults.is_empty() {
        page += "nothing is live\n";
    } else {
        let head = ["ID", "FAULT", "TARGET", "LEFT", "KERNEL", "HIT", "PASSED", "DETAIL"];
        page += &table(&head, report.faults.iter().map(|fault| row(fault, report.held)).collect());
    }
    if !report.held && report.faults.iter().any(|f| matches!(f.kernel.stands, Stands::Armed | Stands::Inert)) {
        page += "hint: its agent has died; `rumpus residue --clean` takes it away\n";
    }
    for other in &report.others {
        let dir = safe(&other.state_dir.display().to_string(), ITEM);
        page += &format!("another agent: process {}, rumpus active --state-dir {dir}\n", other.pid);
    }
    page
}

fn row(fault: &Fault, held: bool) -> Vec<String> {
    let kernel = &fault.kernel;
    let stands = match (kernel.stands, kernel.armed_for_ms) {
        (Stands::Armed, Some(left)) => format!("armed for {}", seconds(left)),
        (Stands::Armed, None) => "armed".into(),
        (Stands::Inert, _) if held => "not armed".into(),
        (Stands::Inert, _) => "inert residue".into(),
        (Stands::Alive, _) => "alive".into(),
        (Stands::Gone, _) => "gone".into(),
        (Stands::Unknown, _) => "UNKNOWN".into(),
    };
    vec![
        safe(&fault.id, 8),
        format!("{} ({})", safe(&fault.fault, CELL), safe(&fault.engine, CELL)),
        safe(&fault.target, CELL),
        fault.left_ms.map(seconds).unwrap_or_default(),
        stands,
        kernel.hit.to_string(),
        kernel.passed.to_string(),
        safe(&kernel.detail.join(", "), CELL),
    ]
}

fn seconds(millis: u128) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standing::Standing;

    fn report(stands: Stands, held: bool) -> Report {
        let kernel = Standing { stands, armed_for_ms: None, hit: 3, passed: 1, detail: vec!["1 tables".into()] };
        let text = |t: &str| t.to_owned();
        let fault = Fault {
            id: text("0000000a"),
            policy: text("p"),
            fault: text("loss"),
            engine: text("nft"),
            target: text("netns a\u{1b}"),
            left_ms: Some(61_234),
            kernel,
        };
        Report {
            state_dir: "/s".into(),
            instance: Some(text("1234abcd")),
            held,
            holder: held.then_some(7),
            halted: Halted::No,
            faults: vec![fault],
            problems: Vec::new(),
            others: Vec::new(),
        }
    }

    #[test]
    fn a_dead_agents_residue_is_inert_and_has_a_hint() {
        let page = page(&report(Stands::Inert, false));
        for part in ["/s: no agent, instance 1234abcd", "inert residue", "61.2 s", "a\\u{1b}", "residue --clean"] {
            assert!(page.contains(part), "{part}\n{page}");
        }
    }

    #[test]
    fn a_living_agents_fault_has_none() {
        let armed = page(&report(Stands::Armed, true));
        assert!(armed.contains("held by process 7") && armed.contains("armed") && !armed.contains("hint"), "{armed}");
        let nothing = page(&Report { faults: Vec::new(), ..report(Stands::Gone, true) });
        assert!(nothing.contains("nothing is live"), "{nothing}");
    }
}
