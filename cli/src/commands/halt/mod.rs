//! `rumpus halt`: nothing new begins, and everything that is in effect ends, with or without the agent's help.
//!
//! ```text
//! write the Halt -> a holder attests within 1 s -> wait until it is clean -> read the kernel back
//!                -> a holder does not            -> kill it -> take the lock -> sweep, read back, attest
//!                -> there is no holder                       -> take the lock -> sweep, read back, attest
//! ```
//! It must never say that something has ended which was not read back, nor stop half-way because something cannot be
//! written.

mod hold;

use crate::args::{Global, Halt as Args, Output};
use crate::cluster;
use crate::commands::{plan, print};
use crate::failure::Failure;
use crate::instances::{self, Instance};
use crate::progress::Progress;
use crate::{local, render};
use rumpus_agent::kernel::timer::boottime;
use rumpus_agent::resolve::chain;
use rumpus_agent::state_dir::{Halt, HaltState, LockState, Observer, read_halt, write_halt};
use serde::Serialize;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Exit code of something that did not end, was not put back or could not be written.
const RESTORE: u8 = 5;

/// What came of a halt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub state_dir: PathBuf,
    pub halt: Halt,
    /// A Halt stood before this one was ordered; it is the one that stands.
    pub already: bool,
    /// The agent that held the directory.
    pub holder: Option<u32>,
    /// Why that agent was killed; none where it was not.
    pub killed: Option<String>,
    /// From the order to the attested end of every effect, and to the attested absence of everything.
    pub effect_ended_ms: Option<u128>,
    pub clean_ms: Option<u128>,
    pub swept: Vec<String>,
    /// What is still there.
    pub left: Vec<String>,
    /// What could not be written: the Halt or its attestation.
    pub unwritten: Vec<String>,
    /// What else the reader should know.
    pub notes: Vec<String>,
    /// Agents with other state directories: they go on.
    pub others: Vec<Instance>,
    pub exit_code: u8,
}

impl Report {
    pub fn is_over(&self) -> bool {
        self.left.is_empty() && self.clean_ms.is_some() && self.effect_ended_ms.is_some()
    }
}

/// Halts.
///
/// # Errors
/// No root, or the state directory is none.
pub fn run(global: &Global, args: &Args) -> Result<u8, Failure> {
    if !args.scope.is_empty() {
        return Err(cluster::only("a halt's scope", "a halt of a host is about everything: `rumpus halt`"));
    }
    local::root()?;
    let dir = open(&global.state_dir)?;
    let mut progress = Progress::new(global.output == Output::Table);
    let began = boottime();
    let mut report = order(&dir, &args.reason);
    progress.say(&render::halt::ordered(&report));
    match dir.holder() {
        Ok(LockState::Free) => hold::take_over(&dir, began, &mut report),
        Ok(LockState::Held(holder)) => hold::end(&dir, holder, began, &mut report, &mut progress),
        Err(error) => {
            report.notes.push(format!("who holds the directory cannot be seen: {}", chain(&error)));
            hold::take_over(&dir, began, &mut report);
        }
    }
    report.others = instances::others(dir.path());
    report.exit_code = if report.is_over() && report.unwritten.is_empty() { 0 } else { RESTORE };
    print(global, &report, || render::halt::end(&report))?;
    Ok(report.exit_code)
}

/// Opens the state directory, or makes it.
fn open(path: &Path) -> Result<Observer, Failure> {
    let hint = "name the agent's own directory with --state-dir; `rumpus residue` shows what is in the kernel";
    let failed = |why: String| Failure::restore(format!("nothing was halted: {why}"), hint);
    if let Some(dir) = Observer::open(path).map_err(|e| failed(chain(&e)))? {
        return Ok(dir);
    }
    let made = DirBuilder::new().mode(0o700).create(path);
    made.map_err(|e| failed(format!("make {}: {e}", path.display())))?;
    // Durable as far as the file system above allows: without it the Halt would be lost with its directory.
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        drop(File::open(parent).and_then(|parent| parent.sync_all()));
    }
    let opened = Observer::open(path).map_err(|e| failed(chain(&e)))?;
    opened.ok_or_else(|| failed(format!("{} is gone again", path.display())))
}

/// Writes the Halt; one that stands stays.
fn order(dir: &Observer, reason: &str) -> Report {
    let mut report = Report {
        state_dir: dir.path().to_owned(),
        halt: Halt { id: plan::random(), reason: reason.to_owned(), by: by(), at: now() },
        already: false,
        holder: None,
        killed: None,
        effect_ended_ms: None,
        clean_ms: None,
        swept: Vec::new(),
        left: Vec::new(),
        unwritten: Vec::new(),
        notes: Vec::new(),
        others: Vec::new(),
        exit_code: RESTORE,
    };
    match read_halt(dir) {
        HaltState::Halted(halt) => {
            (report.halt, report.already) = (halt, true);
            return report;
        }
        HaltState::None => {}
        HaltState::Unreadable(why) => {
            report.notes.push(format!("a halt stood that could not be read ({why}); this one takes its place"));
        }
    }
    if let Err(error) = write_halt(dir, &report.halt) {
        report.unwritten.push(format!("the halt itself: {}", chain(&error)));
    }
    report
}

/// Returns who asks: through sudo it is the person, not root.
pub(crate) fn by() -> String {
    let named = ["SUDO_USER", "USER"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let uid = nix::unistd::Uid::current();
    let known = || nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
    named.or_else(known).unwrap_or_else(|| format!("user {uid}"))
}

/// Returns the time in RFC 3339, to the second.
fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

/// Returns the milliseconds from the order to an instant; what had ended before has taken none.
fn took(began: Duration, at: Duration) -> u128 {
    at.saturating_sub(began).as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("rumpus-cli-halt-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_second_halt_keeps_the_first() {
        let path = scratch("second");
        let dir = open(&path).unwrap();
        let first = order(&dir, "one");
        let second = order(&dir, "two");
        assert!(!first.already && second.already);
        assert_eq!((&second.halt, second.halt.reason.as_str()), (&first.halt, "one"));
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_replaced_and_told() {
        let path = scratch("garbage");
        let dir = open(&path).unwrap();
        std::fs::write(path.join("halt.json"), "{").unwrap();
        let report = order(&dir, "why");
        assert!(!report.already && report.unwritten.is_empty());
        assert_eq!(report.notes.len(), 1);
        assert_eq!(read_halt(&dir), HaltState::Halted(report.halt));
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn times_are_written_for_people_and_before_is_no_time() {
        assert!(now().parse::<jiff::Timestamp>().is_ok() && now().ends_with('Z') && !now().contains('.'));
        assert_eq!(took(Duration::from_secs(5), Duration::from_secs(4)), 0);
        assert_eq!(took(Duration::from_secs(5), Duration::from_millis(5012)), 12);
    }
}
