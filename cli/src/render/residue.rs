//! What faults have left as a table, and what to do about it.

use super::table::table;
use super::text::{safe, wrap};
use crate::commands::residue::{Found, Report, Whose};
use std::collections::BTreeSet;

/// Longest single item.
const ITEM: usize = 200;
/// Longest item of a table.
const CELL: usize = 60;

/// Renders what was found.
pub fn page(report: &Report) -> String {
    let mut page = String::new();
    if let Some(cleaned) = &report.cleaned {
        for what in &cleaned.swept {
            page += &wrap("taken away: ", &safe(what, ITEM));
        }
        for id in &cleaned.closed {
            page += &wrap("closed in the journal: ", &safe(id, ITEM));
        }
        for what in &cleaned.left {
            page += &wrap("STILL THERE: ", &safe(what, ITEM));
        }
        for what in &cleaned.unwritten {
            page += &wrap("not written: ", &safe(what, ITEM));
        }
    }
    for note in &report.notes {
        page += &wrap("note: ", &safe(note, ITEM));
    }
    for problem in &report.problems {
        page += &wrap("could not look: ", &safe(problem, ITEM));
    }
    if report.found.is_empty() {
        return page + "nothing is left by any fault\n";
    }
    let rows = report.found.iter().map(|found| row(found, report)).collect();
    page += &table(&["OWNER", "KIND", "WHAT", "WHERE", "NOW"], rows);
    page + &hints(report)
}

fn row(found: &Found, report: &Report) -> Vec<String> {
    let owner = match (found.whose, report.held) {
        (Whose::Ours, true) => "this directory, held".to_owned(),
        (Whose::Ours, false) => "this directory, no agent".to_owned(),
        (Whose::OtherHeld, _) => format!("instance {}, held", found.owner),
        (Whose::OtherDead, _) => format!("instance {}, no agent seen", found.owner),
        (Whose::Foreign, _) => safe(&found.owner, CELL),
    };
    let now = if found.live { "acts" } else { "inert" };
    vec![owner, found.kind.to_owned(), safe(&found.what, CELL), safe(&found.place, CELL), now.to_owned()]
}

fn hints(report: &Report) -> String {
    let mut page = String::new();
    let has = |whose: Whose| report.found.iter().any(|f| f.whose == whose);
    if has(Whose::Ours) {
        page += match report.held {
            true => "hint: an agent holds what is of this directory; `rumpus halt` ends it\n",
            false => "hint: `rumpus residue --clean` takes away what is of this directory\n",
        };
    }
    let dead: BTreeSet<&str> =
        report.found.iter().filter(|f| f.whose == Whose::OtherDead).map(|f| f.owner.as_str()).collect();
    for id in dead {
        page += &wrap(
            "hint: ",
            &format!(
                "instance {id}: `rumpus residue --clean --state-dir DIR` with the directory whose file `instance` says \
                 {id}; if it is gone, make one with mode 700 and that file"
            ),
        );
    }
    if has(Whose::Foreign) {
        page += "hint: what is of other tools is never touched; end it with the tool that made it\n";
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::takeover::Restored;

    fn report(whose: Whose, held: bool) -> Report {
        let found = Found {
            whose,
            owner: "0000000c".into(),
            kind: "table",
            place: "/run/netns/a".into(),
            what: "rumpus_0000000c_00000001".into(),
            live: true,
        };
        Report {
            state_dir: "/s".into(),
            instance: None,
            held,
            holder: None,
            cleaned: None,
            found: vec![found],
            problems: Vec::new(),
            notes: Vec::new(),
            exit_code: 5,
        }
    }

    #[test]
    fn each_owner_has_its_own_way_out() {
        for (whose, held, hint) in [
            (Whose::Ours, true, "`rumpus halt` ends it"),
            (Whose::Ours, false, "residue --clean` takes away"),
            (Whose::OtherDead, false, "whose file `instance` says"),
            (Whose::Foreign, false, "never touched"),
        ] {
            let page = page(&report(whose, held));
            assert!(page.replace("\n      ", " ").contains(hint) && page.contains("acts"), "{page}");
            assert!(page.lines().all(|l| l.chars().count() <= 100), "{page}");
        }
        assert!(!page(&report(Whose::OtherHeld, false)).contains("hint"));
    }

    #[test]
    fn what_was_cleaned_is_told() {
        let cleaned = Restored { swept: vec!["table t in /n".into()], ..Restored::default() };
        let page = page(&Report { cleaned: Some(cleaned), found: Vec::new(), ..report(Whose::Ours, false) });
        assert_eq!(page, "taken away: table t in /n\nnothing is left by any fault\n");
    }
}
