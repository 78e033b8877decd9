//! From what the files of a folder say to the policies that may run, or everything that is wrong, file by file. Pure.
//!
//! A file counts as a whole: where one thing in it makes no sense, nothing of it runs.

use super::timetable::Listed;
use jiff::civil::Date;
use rumpus_model::policy::{Policy, Problem};
use rumpus_model::schedule::FREEZE;
use std::collections::{BTreeMap, BTreeSet};

/// Calendars by name; one that cannot be read says why.
pub type Calendars = BTreeMap<String, Result<BTreeSet<Date>, String>>;

/// What one file says.
#[derive(Clone, Debug)]
pub struct Said {
    /// Another one whenever the file was read anew.
    pub revision: u64,
    pub policies: Result<Vec<Policy>, Vec<Problem>>,
}

/// What a folder says.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// By name of the policy.
    pub policies: BTreeMap<String, Listed>,
    /// By name of the file.
    pub problems: BTreeMap<String, Vec<Problem>>,
}

/// Judges what the files say, by their names.
pub fn judge(files: &BTreeMap<String, Said>, calendars: &Calendars) -> Judged {
    let mut judged = Judged::default();
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (file, said) in files {
        for policy in said.policies.iter().flatten() {
            named.entry(&policy.name).or_default().push(file);
        }
    }
    for (file, said) in files {
        match of_file(file, said, &named, calendars) {
            Ok(listed) => judged.policies.extend(listed.into_iter().map(|l| (l.policy.name.clone(), l))),
            Err(problems) => drop(judged.problems.insert(file.clone(), problems)),
        }
    }
    judged
}

fn of_file(
    file: &str,
    said: &Said,
    named: &BTreeMap<&str, Vec<&str>>,
    calendars: &Calendars,
) -> Result<Vec<Listed>, Vec<Problem>> {
    let policies = said.policies.as_ref().map_err(Clone::clone)?;
    let (mut listed, mut problems) = (Vec::new(), Vec::new());
    for policy in policies {
        problems.extend(policy.unbuilt.iter().map(|u| Problem::at(u.field.clone(), u.why.clone(), u.hint.clone())));
        problems.extend(doubled(file, policy, named));
        let schedule = policy.schedule.clone().map(|schedule| {
            let known = known(calendars)?;
            schedule.with_calendars(&known).map_err(|unknown| missing(&unknown.name, calendars))
        });
        match schedule.transpose() {
            Ok(schedule) => {
                listed.push(Listed { policy: policy.clone(), schedule, file: file.to_owned(), revision: said.revision })
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(listed) } else { Err(problems) }
}

/// Two policies of one name would share a record.
fn doubled(file: &str, policy: &Policy, named: &BTreeMap<&str, Vec<&str>>) -> Option<Problem> {
    let files = named.get(policy.name.as_str()).filter(|files| files.len() > 1)?;
    let others: Vec<&str> = files.iter().copied().filter(|other| *other != file).collect();
    let place =
        if others.is_empty() { "twice in this file".to_owned() } else { format!("also in {}", others.join(", ")) };
    let what = format!("the policy `{}` is {place}", policy.name);
    Some(Problem::at("metadata.name", what, "give each its own name; until then none of these files runs"))
}

/// The calendars that can be read; a freeze that cannot be read might be of today.
fn known(calendars: &Calendars) -> Result<BTreeMap<String, BTreeSet<Date>>, Problem> {
    if let Some(Err(why)) = calendars.get(FREEZE) {
        let what = format!("the calendar `{FREEZE}`, whose days are nobody's work days, cannot be read: {why}");
        return Err(Problem::at("spec.schedule", what, "mend its file; it is read again by itself"));
    }
    let readable = calendars.iter().filter_map(|(name, days)| Some((name.clone(), days.as_ref().ok()?.clone())));
    Ok(readable.collect())
}

fn missing(name: &str, calendars: &Calendars) -> Problem {
    let place = "spec.schedule.holidays.calendars";
    match calendars.get(name) {
        Some(Err(why)) => Problem::at(place, format!("the calendar `{name}` cannot be read: {why}"), "mend its file"),
        Some(Ok(_)) | None => {
            let hint = format!("start the daemon with --calendar {name}=FILE, or write the dates into holidays.dates");
            Problem::at(place, format!("there is no calendar `{name}`"), hint)
        }
    }
}
