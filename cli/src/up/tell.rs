//! What the daemon says: a line for each thing that happens, and each thing that is wrong once.

use super::report::{Look, ahead};
use crate::render;
use crate::render::instant::second;
use crate::signals::Asked;
use jiff::{SignedDuration, Timestamp};
use owo_colors::OwoColorize;
use rumpus_agent::resolve::chain;
use rumpus_controller::host::folder::Folder;
use rumpus_controller::host::history::End;
use rumpus_controller::host::store::StoreError;
use rumpus_controller::host::timetable::{Listed, Passed};
use rumpus_model::injection::Attestation;
use rumpus_model::policy::{Mode, Policy, Problem};
use rumpus_model::run::Outcome;
use rumpus_model::schedule::Slot;
use rumpus_model::schedule::change::Who;
use rumpus_model::target::Printable;
use std::collections::BTreeMap;

/// How far ahead the next run is looked for.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 31);

/// What was told, so that it is not told again.
#[derive(Debug, Default)]
pub(super) struct Told {
    problems: BTreeMap<String, Vec<Problem>>,
    policies: BTreeMap<String, String>,
    calendars: BTreeMap<String, String>,
    folder: Option<String>,
    store: Option<String>,
}

impl Told {
    /// Returns what keeps everything from running.
    pub(super) fn trouble(&self) -> Vec<String> {
        self.folder.iter().chain(&self.store).cloned().collect()
    }

    /// Tells when the folder cannot be read, and when it can be again.
    pub(super) fn folder(&mut self, error: Option<&std::io::Error>) {
        let now = error.map(|e| format!("the folder of policies cannot be read, so there are none: {e}"));
        match (&now, &self.folder) {
            (Some(text), before) if Some(text) != before.as_ref() => trouble(text, "see that --policies is there"),
            (None, Some(_)) => say("the folder of policies can be read again"),
            (_, _) => {}
        }
        self.folder = now;
    }

    /// Hands on what was stored; tells when nothing can be, and when it can be again.
    pub(super) fn stored<T>(&mut self, stored: Result<T, StoreError>) -> Option<T> {
        match stored {
            Ok(stored) => {
                if self.store.take().is_some() {
                    say("the history can be written again");
                }
                Some(stored)
            }
            Err(error) => {
                let text = format!("nothing begins, because it cannot be recorded: {}", chain(&error));
                if self.store.as_ref() != Some(&text) {
                    trouble(&text, "free space on the disk of --state-dir, or remount it; it is tried again by itself");
                }
                self.store = Some(text);
                None
            }
        }
    }

    /// Tells what is new of policies, files and calendars.
    pub(super) fn policies(&mut self, look: Look<'_>, folder: &Folder) {
        let judged = folder.judged();
        for (name, why) in folder.bad_calendars() {
            if self.calendars.get(name) != Some(why) {
                trouble(&format!("calendar {name}: {why}"), "mend its file; it is read again by itself");
            }
        }
        self.calendars = folder.bad_calendars().map(|(name, why)| (name.clone(), why.clone())).collect();
        for (file, problems) in judged.problems.iter().filter(|(file, now)| self.problems.get(*file) != Some(now)) {
            for problem in problems {
                trouble(&format!("{file}: {problem}"), &problem.hint);
            }
            say(&format!("{file}: nothing of it runs until it is mended"));
        }
        self.problems.clone_from(&judged.problems);
        let described = |listed: &Listed| format!("{} ({}): {}", listed.policy.name, listed.file, stands(look, listed));
        let now: BTreeMap<String, String> =
            judged.policies.iter().map(|(name, listed)| (name.clone(), described(listed))).collect();
        for (_, text) in now.iter().filter(|(name, text)| self.policies.get(*name) != Some(text)) {
            say(&format!("policy {text}"));
        }
        for name in self.policies.keys().filter(|name| !now.contains_key(*name)) {
            say(&format!("policy {name}: withdrawn"));
        }
        self.policies = now;
    }
}

/// How a policy stands; its next run is not part of what is compared.
fn stands(look: Look<'_>, listed: &Listed) -> String {
    let mode = if listed.policy.mode == Mode::Armed { "armed" } else { "dry run" };
    match (&listed.schedule, listed.policy.suspend) {
        (None, _) => "no schedule, runs by hand only".to_owned(),
        (Some(_), true) => "suspended".to_owned(),
        (Some(_), false) => {
            let to = look.now.checked_add(AHEAD).unwrap_or(look.now);
            let any = if ahead(look, listed, to).is_empty() { ", nothing is due within 31 days" } else { "" };
            format!("{mode}, by its schedule{any}")
        }
    }
}

pub(super) fn passed(who: &Who, slot: &Slot, why: &Passed) {
    say(&format!("policy {}: the slot of {} does not run: {}: {why}", who.policy, second(slot.at), why.reason()));
}

/// A slot of a policy that has no record, or whose record says that it was taken.
pub(super) fn unrecorded(who: &Who, slot: &Slot) {
    let what = format!(
        "policy {}: the slot of {} does not begin: there is no record of the policy",
        who.policy,
        second(slot.at)
    );
    trouble(&what, "the history holds as many policies as it can; move history.redb away while the daemon is down");
}

pub(super) fn begins(run: &str, policy: &Policy, slot: &Slot) {
    let mode = if policy.mode == Mode::Armed { "armed" } else { "dry run" };
    say(&format!("run {run}: begins ({mode}), for the slot of {} of policy {}", second(slot.at), policy.name));
}

pub(super) fn begins_by_hand(run: &str, file: &str, by: &str) {
    say(&format!("run {run}: begins (armed), {file}, by {by}"));
}

/// Tells a change of a target; of no run: a predecessor's.
pub(super) fn attested(run: Option<&str>, attestation: &Attestation) {
    let of = run.map_or_else(|| "left by a predecessor".to_owned(), |run| format!("run {run}"));
    line(&format!("{}: {}", Printable(&of), render::change(attestation)));
}

pub(super) fn swept(found: &[String], failed: &[String]) {
    for what in found {
        say(&format!("swept: {what} (left by an agent that died)"));
    }
    for what in failed {
        trouble(&format!("could not sweep: {what}"), "`rumpus residue` shows what is left");
    }
}

pub(super) fn ended(run: &str, outcome: Outcome, end: &End) {
    let note = end.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    say(&format!("run {run}: ended, {outcome:?}{note}"));
}

pub(super) fn ending(asked: Asked, again: bool, live: usize) {
    let text = match (again, live) {
        (true, _) => "still restoring; the kernel ends what is left by itself".to_owned(),
        (false, 0) => "ending; nothing is live".to_owned(),
        (false, live) => format!("ending and restoring {live} runs"),
    };
    say(&format!("{}: {text}", asked.by()));
}

/// Says that something is wrong, and what to do.
pub(super) fn trouble(what: &str, hint: &str) {
    line(&format!("{} {} (hint: {})", "problem:".red(), Printable(what), Printable(hint)));
}

/// Says one line.
pub(super) fn say(text: &str) {
    line(&Printable(text).to_string());
}

fn line(text: &str) {
    anstream::eprintln!("{} {text}", second(Timestamp::now()));
}
