//! What a daemon's policies will do by themselves, and what its last runs did. Pure.

use jiff::{SignedDuration, Timestamp};
use rumpus_controller::host::history::Entry;
use rumpus_controller::host::judge::Judged;
use rumpus_controller::host::timetable::Listed;
use rumpus_model::policy::Mode;
use rumpus_model::schedule::Slot;
use rumpus_model::schedule::agenda::{Ask, ahead_on_host};
use rumpus_model::schedule::change::Records;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most runs to come that are told.
const MOST: usize = 1000;
/// Most runs of the past.
const PAST: usize = 50;

/// What will happen, and what did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub from: String,
    pub to: String,
    pub policies: Vec<Scheduled>,
    /// In order of time, the first of them.
    pub runs: Vec<Due>,
    /// How many more there are.
    pub more: usize,
    /// The last ones, the latest first.
    pub past: Vec<Entry>,
    /// Files that do not run, and why; what keeps everything from running.
    pub problems: Vec<String>,
}

/// A policy of the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scheduled {
    pub name: String,
    pub file: String,
    pub armed: bool,
    pub suspended: bool,
    /// It has a schedule; without one it runs by hand only.
    pub scheduled: bool,
    pub runs: usize,
    pub next: Option<String>,
}

/// A run that is to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    pub at: String,
    /// In the schedule's own time zone.
    pub local: String,
    pub policy: String,
    pub armed: bool,
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'a> {
    pub(super) judged: &'a Judged,
    pub(super) records: &'a Records,
    pub(super) host: &'a str,
    pub(super) now: Timestamp,
}

/// Tells what will happen in so many days, of one policy or of all.
pub(super) fn report<'a>(
    look: Look<'_>,
    days: u32,
    only: Option<&str>,
    past: impl Iterator<Item = &'a Entry>,
) -> Report {
    let to = look.now.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(look.now);
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let mut report = Report { from: second(look.now), to: second(to), ..Report::default() };
    let mut runs: Vec<(Timestamp, Due)> = Vec::new();
    for listed in look.judged.policies.values().filter(|listed| wanted(&listed.policy.name)) {
        let slots = ahead(look, listed, to);
        let armed = listed.policy.mode == Mode::Armed;
        report.policies.push(Scheduled {
            name: listed.policy.name.clone(),
            file: listed.file.clone(),
            armed,
            suspended: listed.policy.suspend,
            scheduled: listed.schedule.is_some(),
            runs: slots.len(),
            next: slots.first().map(|slot| second(slot.at)),
        });
        let Some(schedule) = &listed.schedule else { continue };
        runs.extend(slots.into_iter().map(|slot| {
            let zoned = slot.at.to_zoned(schedule.calendar.zone.clone());
            let local = zoned.strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string();
            (slot.at, Due { at: second(slot.at), local, policy: listed.policy.name.clone(), armed })
        }));
    }
    runs.sort_by(|a, b| (a.0, &a.1.policy).cmp(&(b.0, &b.1.policy)));
    report.more = runs.len().saturating_sub(MOST);
    report.runs = runs.into_iter().take(MOST).map(|(_, due)| due).collect();
    report.past = past.filter(|run| run.policies.iter().any(|name| wanted(name))).take(PAST).cloned().collect();
    for (file, problems) in &look.judged.problems {
        report.problems.extend(problems.iter().map(|problem| format!("{file}: {problem} (hint: {})", problem.hint)));
    }
    report
}

/// Returns a policy's slots that are to come, as if each hit.
pub(super) fn ahead(look: Look<'_>, listed: &Listed, to: Timestamp) -> Vec<Slot> {
    let Some(schedule) = listed.scheduled() else { return Vec::new() };
    let who = listed.who();
    let records = look.records.get(&who).map(|record| (who.group.clone(), record.clone()));
    let ask = Ask {
        policy: listed.policy.clone(),
        schedule: schedule.clone(),
        namespace: look.host.to_owned(),
        records: records.into_iter().collect::<BTreeMap<_, _>>(),
        from: look.now,
        to,
        now: look.now,
    };
    ahead_on_host(&ask).slots.into_iter().map(|(_, slot)| slot).collect()
}

pub(super) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
