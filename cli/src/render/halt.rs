//! A halt as text: what was ordered, what ended, what is left, and what goes on elsewhere.

use super::text::{safe, wrap};
use crate::commands::halt::Report;
use owo_colors::OwoColorize;

/// Longest single item.
const ITEM: usize = 200;

/// Says that the Halt stands, or does not.
pub fn ordered(report: &Report) -> String {
    let halt = &report.halt;
    let dir = safe(&report.state_dir.display().to_string(), ITEM);
    if report.already {
        let (by, at) = (safe(&halt.by, ITEM), safe(&halt.at, ITEM));
        return format!("already halted by {by} since {at}: {} ({dir})", safe(&halt.reason, ITEM));
    }
    match report.unwritten.first() {
        Some(why) => format!("{} in {dir}: {}", "the halt could not be written".red(), safe(why, ITEM)),
        None => format!("halted {dir}: {} (halt {})", safe(&halt.reason, ITEM), safe(&halt.id, ITEM)),
    }
}

/// Says that nothing is in effect any more.
pub fn effect_ended(report: &Report) -> String {
    let by = report.holder.map(|pid| format!(", attested by process {pid}")).unwrap_or_default();
    format!("every effect ended after {} ms{by}", report.effect_ended_ms.unwrap_or_default())
}

/// Says that the agent had to be killed.
pub fn killed(report: &Report) -> Option<String> {
    let why = report.killed.as_ref()?;
    let pid = report.holder.unwrap_or_default();
    Some(format!("{} process {pid}: {}; restores without it", "killed".yellow(), safe(why, ITEM)))
}

/// Renders how a halt ended.
pub fn end(report: &Report) -> String {
    let mut page = String::new();
    for what in &report.swept {
        page += &wrap("  taken away  ", &safe(what, ITEM));
    }
    for what in &report.left {
        page += &wrap("  STILL THERE ", &safe(what, ITEM));
    }
    for what in &report.unwritten {
        page += &wrap("  not written ", &safe(what, ITEM));
    }
    for what in &report.notes {
        page += &wrap("  note        ", &safe(what, ITEM));
    }
    page += &wrap("", &verdict(report));
    if !report.others.is_empty() {
        page += "\nAgents with other state directories go on:\n";
        for other in &report.others {
            let dir = safe(&other.state_dir.display().to_string(), ITEM);
            page += &format!("  process {}: rumpus halt --state-dir {dir}\n", other.pid);
        }
    }
    page
}

fn verdict(report: &Report) -> String {
    let (Some(ended), Some(clean), true) = (report.effect_ended_ms, report.clean_ms, report.is_over()) else {
        return "NOT RESTORED: what is listed above is still there; the kernel ends every effect by itself. Mend what \
                is in the way and run `rumpus halt` again."
            .into();
    };
    let over = format!("nothing is in effect ({ended} ms), and nothing of ours is left ({clean} ms), as read back.");
    if report.unwritten.is_empty() {
        return format!("{over} New runs are refused until `rumpus resume`.");
    }
    format!("{over} But not everything could be written, so new runs are NOT blocked once they can write there.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instances::Instance;
    use rumpus_agent::state_dir::Halt;

    fn report() -> Report {
        let text = |t: &str| t.to_owned();
        Report {
            state_dir: "/s".into(),
            halt: Halt {
                id: text("ab12"),
                reason: text("a\u{1b}[2J"),
                by: text("ann"),
                at: text("2026-01-02T03:04:05Z"),
            },
            already: false,
            holder: Some(7),
            killed: None,
            effect_ended_ms: Some(12),
            clean_ms: Some(40),
            swept: Vec::new(),
            left: Vec::new(),
            unwritten: Vec::new(),
            notes: Vec::new(),
            others: Vec::new(),
            exit_code: 0,
        }
    }

    #[test]
    fn an_order_names_its_reason_and_the_first_one_stays() {
        assert_eq!(ordered(&report()), "halted /s: a\\u{1b}[2J (halt ab12)");
        let again = Report { already: true, ..report() };
        assert_eq!(ordered(&again), "already halted by ann since 2026-01-02T03:04:05Z: a\\u{1b}[2J (/s)");
        assert_eq!(effect_ended(&report()), "every effect ended after 12 ms, attested by process 7");
    }

    #[test]
    fn what_is_left_is_never_called_over() {
        let page = end(&Report { left: vec!["table x".into()], ..report() });
        assert!(page.contains("STILL THERE table x") && page.contains("NOT RESTORED"), "{page}");
        let page = end(&Report { clean_ms: None, ..report() });
        assert!(page.contains("NOT RESTORED"), "{page}");
        let page = end(&Report { unwritten: vec!["the halt itself: read-only".into()], ..report() });
        assert!(page.contains("NOT blocked") && !page.contains("until `rumpus resume`"), "{page}");
    }

    #[test]
    fn others_are_named_with_how_to_halt_them() {
        let others = vec![Instance { state_dir: "/o".into(), id: None, pid: 9 }];
        let page = end(&Report { others, ..report() });
        assert!(page.contains("process 9: rumpus halt --state-dir /o"), "{page}");
        assert!(page.replace('\n', " ").contains("New runs are refused until `rumpus resume`."), "{page}");
    }
}
