//! What a daemon's policies will do by themselves, and what its last runs did. Pure.

use crate::render::instant::{local, second};
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
            let local = local(slot.at, &schedule.calendar.zone);
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

#[cfg(test)]
mod tests {
    use super::*;
    use rumpus_controller::host::judge::{Calendars, Said, judge};
    use rumpus_model::policy::parse;
    use rumpus_model::schedule::record::Record;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn folder(specs: &[(&str, &str)]) -> Judged {
        let said = |(name, spec): &(&str, &str)| {
            let text = format!(
                "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n  experiment:\n    \
                 targets: {{processes: {{name: worker}}}}\n    pick: {{count: 1}}\n    faults: [{{kill: {{signal: TERM}}}}]\n    \
                 steadyState: {{none: {{reason: a test}}}}\n"
            );
            (format!("{name}.yaml"), Said { revision: 1, policies: parse(&text) })
        };
        judge(&specs.iter().map(said).collect(), &Calendars::new())
    }

    fn told(judged: &Judged, records: &Records, only: Option<&str>, past: &[Entry]) -> Report {
        let look = Look { judged, records, host: "0badcafe", now: at("2026-11-30T00:00:00Z") };
        report(look, 7, only, past.iter())
    }

    #[test]
    fn every_policy_is_told_and_only_what_will_run_by_itself_is_to_come() {
        let judged = folder(&[
            ("armed", "mode: Armed\n  schedule: {every: 1d, timeZone: Europe/Berlin}"),
            ("bad", "schedule: {every: 1 day}"),
            ("dry", "schedule: {every: 1d}"),
            ("hand", "mode: Armed"),
            ("off", "suspend: true\n  schedule: {every: 1m}"),
        ]);
        let report = told(&judged, &Records::new(), None, &[]);
        let counts: Vec<(&str, usize)> = report.policies.iter().map(|p| (p.name.as_str(), p.runs)).collect();
        assert_eq!(counts, [("armed", 7), ("dry", 7), ("hand", 0), ("off", 0)]);
        assert_eq!((report.runs.len(), report.runs[0].armed, report.runs[1].armed), (14, true, false));
        assert_eq!(report.runs[0].local, "Mon 2026-11-30 01:00:00 CET");
        assert!(report.problems[0].starts_with("bad.yaml: spec.schedule.every: "), "{:?}", report.problems);
        let past = [Entry { policies: vec!["dry".into()], ..Entry::default() }];
        let one = told(&judged, &Records::new(), Some("armed"), &past);
        assert_eq!((one.policies.len(), one.runs.len(), one.past.len()), (1, 7, 0));
    }

    #[test]
    fn a_gap_is_counted_from_what_happened_and_too_many_are_counted() {
        let judged =
            folder(&[("a", "schedule: {random: {meanWorkDays: 3, minWorkDays: 3}}"), ("b", "schedule: {every: 1m}")]);
        let who = judged.policies["a"].who();
        let mut record = Record::new(at("2026-11-01T00:00:00Z"));
        record.hit = Some(at("2026-11-27T10:00:00Z"));
        let report = told(&judged, &Records::from([(who, record)]), None, &[]);
        assert!(report.policies[0].next.as_deref() >= Some("2026-12-02"), "{:?}", report.policies[0]);
        assert_eq!((report.runs.len(), report.more), (MOST, report.policies[0].runs + 7 * 24 * 60 - MOST));
        let page = crate::render::schedule::of_host(&report);
        assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
    }
}
