//! `rumpus residue`: what faults have left on this host, whoever made them; with `--clean`, what is ours is taken away.
//!
//! It must never take away what a living agent holds, what is of another instance, or what is of another tool.

use crate::args::{Global, Residue as Args};
use crate::commands::print;
use crate::demo::marker;
use crate::failure::Failure;
use crate::instances::{self, Instance};
use crate::takeover::{self, Restored};
use crate::{local, render};
use rumpus_agent::journal::is_damaged;
use rumpus_agent::residue::{self, Owner, Residue};
use rumpus_agent::resolve::chain;
use rumpus_agent::state_dir::{LockState, Observer, StateDirError};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// Exit code when something of Rumpus is left that nobody holds.
const RESTORE: u8 = 5;
/// How long a lock is tried: an agent that has just ended is on its way out.
const TAKE_WITHIN: Duration = Duration::from_millis(500);

/// What was found, and what was taken away.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub state_dir: PathBuf,
    pub instance: Option<String>,
    /// Whether an agent holds the directory, and its pid where it has written it down.
    pub held: bool,
    pub holder: Option<u32>,
    pub cleaned: Option<Restored>,
    pub found: Vec<Found>,
    /// What could not be looked at.
    pub problems: Vec<String>,
    pub notes: Vec<String>,
    pub exit_code: u8,
}

/// One thing that is there.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    pub whose: Whose,
    /// The other tool's name, or the other instance's id.
    pub owner: String,
    pub kind: &'static str,
    pub place: String,
    pub what: String,
    /// Whether it has an effect now.
    pub live: bool,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Whose {
    /// Of this state directory.
    Ours,
    /// Of another instance of Rumpus that runs.
    OtherHeld,
    /// Of another instance of Rumpus, and no agent of it was found.
    OtherDead,
    Foreign,
}

/// Looks, and cleans if asked.
///
/// # Errors
/// No root, or the state directory cannot be used.
pub fn run(global: &Global, args: &Args) -> Result<u8, Failure> {
    local::root()?;
    let hint = "name the agent's own directory with --state-dir";
    let dir = Observer::open(&global.state_dir).map_err(|e| Failure::refused(chain(&e), hint))?;
    let mut report = Report {
        state_dir: global.state_dir.clone(),
        instance: None,
        held: false,
        holder: None,
        cleaned: None,
        found: Vec::new(),
        problems: Vec::new(),
        notes: Vec::new(),
        exit_code: RESTORE,
    };
    if let Some(dir) = &dir {
        report.instance = dir.instance().map_err(|e| Failure::refused(chain(&e), hint))?;
        let held = dir.holder().map_err(|e| Failure::refused(chain(&e), hint))?;
        match held {
            LockState::Free => {}
            LockState::Held(holder) => (report.held, report.holder) = (true, holder.map(|h| h.pid)),
        }
        if args.clean {
            clean(dir, &mut report)?;
        } else if matches!(is_damaged(dir), Ok(true)) {
            report.notes.push("the journal was damaged: new runs are refused until `rumpus residue --clean`".into());
        }
    }
    demos(args.clean, &mut report);
    let own = report.instance.as_deref().and_then(|i| u32::from_str_radix(i, 16).ok());
    let (found, problems) = residue::scan(own);
    let agents = instances::others(&global.state_dir);
    report.problems.extend(problems);
    report.found.extend(found.into_iter().map(|residue| sort(residue, &agents)));
    report.exit_code = exit_code(&report);
    print(global, &report, || render::residue::page(&report))?;
    Ok(report.exit_code)
}

/// Takes the instance of a directory away if nobody holds it.
fn clean(dir: &Observer, report: &mut Report) -> Result<(), Failure> {
    let taken = match takeover::take(dir.path(), TAKE_WITHIN) {
        Ok(taken) => taken,
        Err(StateDirError::Held { .. }) => {
            report.notes.push("nothing was cleaned: an agent holds it; `rumpus halt` ends what it does".into());
            return Ok(());
        }
        Err(error) => {
            let hint = "make the state directory writable; `rumpus halt` ends everything even where it is not";
            return Err(Failure::restore(format!("nothing was cleaned: {}", chain(&error)), hint));
        }
    };
    (report.held, report.holder) = (false, None);
    report.instance = Some(taken.instance().to_owned());
    let restored = takeover::restore(&taken);
    if restored.is_clean() && matches!(is_damaged(dir), Ok(true)) {
        match takeover::forgive(&taken) {
            Ok(()) => report.notes.push("the journal was damaged; new runs may begin again".into()),
            Err(why) => report.notes.push(format!("new runs stay refused, the mark cannot be removed: {why}")),
        }
    }
    report.cleaned = Some(restored);
    Ok(())
}

/// Looks for what a killed `rumpus demo` left; it has a state directory of its own, and a marker there says what is its.
fn demos(clean: bool, report: &mut Report) {
    let found = match marker::find() {
        Ok(found) => found,
        Err(error) => return report.problems.push(format!("look for demos: {error}")),
    };
    for dead in found.dead {
        let place = dead.dir.display().to_string();
        let names = dead.names().join(", ");
        if clean {
            let problems = dead.remove();
            if problems.is_empty() {
                report.notes.push(format!("removed what a killed demo left: {place} {names}"));
                continue;
            }
            report.problems.extend(problems);
        }
        let (owner, what) = ("demo".to_owned(), format!("killed demo {names}"));
        report.found.push(Found { whose: Whose::OtherDead, owner, kind: "netns", place, what, live: false });
    }
}

fn sort(residue: Residue, agents: &[Instance]) -> Found {
    let (whose, owner) = match residue.owner {
        Owner::Ours(id) => (Whose::Ours, format!("{id:08x}")),
        Owner::OtherRumpus(id) => {
            let id = format!("{id:08x}");
            let held = agents.iter().any(|agent| agent.id.as_deref() == Some(id.as_str()));
            (if held { Whose::OtherHeld } else { Whose::OtherDead }, id)
        }
        Owner::Foreign(tool) => (Whose::Foreign, tool),
    };
    Found { whose, owner, kind: residue.kind, place: residue.place, what: residue.what, live: residue.live }
}

fn exit_code(report: &Report) -> u8 {
    let left = report.cleaned.as_ref().is_some_and(|cleaned| !cleaned.is_clean());
    let found = report.found.iter().any(|found| match found.whose {
        Whose::Ours | Whose::OtherDead => true,
        Whose::OtherHeld | Whose::Foreign => false,
    });
    if left || found { RESTORE } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(owner: Owner) -> Found {
        let residue = Residue { owner, kind: "table", place: "/p".into(), what: "t".into(), live: false };
        let agents = [Instance { state_dir: "/o".into(), id: Some("0000000b".into()), pid: 9 }];
        sort(residue, &agents)
    }

    #[test]
    fn only_what_nobody_holds_is_left() {
        for (owner, whose, code) in [
            (Owner::Ours(1), Whose::Ours, RESTORE),
            (Owner::OtherRumpus(0xb), Whose::OtherHeld, 0),
            (Owner::OtherRumpus(0xc), Whose::OtherDead, RESTORE),
            (Owner::Foreign("Pumba".into()), Whose::Foreign, 0),
        ] {
            let found = found(owner);
            assert_eq!(found.whose, whose);
            let report = Report {
                state_dir: "/s".into(),
                instance: None,
                held: false,
                holder: None,
                cleaned: None,
                found: vec![found],
                problems: Vec::new(),
                notes: Vec::new(),
                exit_code: 0,
            };
            assert_eq!(exit_code(&report), code);
            let left = Restored { left: vec!["x".into()], ..Restored::default() };
            assert_eq!(exit_code(&Report { cleaned: Some(left), found: Vec::new(), ..report }), RESTORE);
        }
    }
}
