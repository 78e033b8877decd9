//! What a machine can do as a table.

use super::table::table;
use super::text::{safe, wrap};
use rumpus_agent::probe::Check;

/// Longest item of a table.
const CELL: usize = 120;

/// Renders the checks, and what to do about each that failed.
pub fn page(checks: &[Check]) -> String {
    let row = |c: &Check| vec![mark(c).to_owned(), safe(&c.name, CELL), safe(&c.detail, CELL)];
    let mut page = table(&["", "CHECK", "FOUND"], checks.iter().map(row).collect());
    for check in checks.iter().filter(|c| !c.ok) {
        page += &wrap("hint: ", &format!("{}: {}", safe(&check.name, CELL), safe(&check.hint, 2 * CELL)));
    }
    let missing = checks.iter().filter(|c| c.needed && !c.ok).count();
    let lacking = checks.iter().filter(|c| !c.needed && !c.ok).count();
    page + match (missing, lacking) {
        (0, 0) => "everything is here.\n",
        (0, _) => "everything that is needed is here; some faults are not possible.\n",
        (_, _) => "NOT READY: something that is needed is missing.\n",
    }
}

fn mark(check: &Check) -> &'static str {
    match (check.ok, check.needed) {
        (true, _) => "ok",
        (false, true) => "MISSING",
        (false, false) => "lacking",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, needed: bool, ok: bool) -> Check {
        let hint = if ok { String::new() } else { "do this".into() };
        Check { name: name.into(), needed, ok, detail: "seen".into(), hint }
    }

    #[test]
    fn what_lacks_has_a_hint_and_only_what_is_needed_is_missing() {
        let ready = page(&[check("a", true, true)]);
        assert!(ready.ends_with("everything is here.\n"), "{ready}");
        let lacking = page(&[check("a", true, true), check("b", false, false)]);
        assert!(lacking.contains("hint: b: do this") && lacking.contains("some faults are not possible"), "{lacking}");
        let missing = page(&[check("a", true, false)]);
        assert!(missing.contains("MISSING") && missing.contains("NOT READY"), "{missing}");
    }
}
