//! A policy's status: what its schedule will do today, and what it did not do.

use super::book::Book;
use super::line::Line;
use crate::cluster::core::event::{Act, Now, OpId, Outcome};
use jiff::Timestamp;
use rumpus_model::schedule::When;
use rumpus_model::wire::policy_status::{Due, ScheduleState, Today};
use rumpus_model::wire::{Condition, ConditionType, PolicyStatus};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often it is looked at, and written, at most: it is for people.
const EVERY: Duration = Duration::from_secs(5);
/// How many of the next runs are shown.
const NEXT: usize = 20;

/// Returns the write that is due, if one is.
pub(super) fn next(line: &mut Line, book: Option<&Book>, now: Now, op: OpId) -> Option<Act> {
    if line.shown.op.is_some() || now.boot < line.shown.due || (line.seen.spec.schedule.is_none() && line.read.is_ok())
    {
        return None;
    }
    line.shown.due = now.boot + EVERY;
    line.ready = condition(line, now.wall).or_else(|| line.ready.take());
    let status = status(line, book, now.wall);
    if line.shown.written.as_ref() == Some(&status) {
        return None;
    }
    line.shown.op = Some((op, status.clone()));
    Some(Act::WritePolicyStatus { key: line.seen.key.clone(), uid: line.seen.uid.clone(), status: Box::new(status) })
}

/// Takes in what came of it; without a good answer it is written again.
pub(super) fn done(line: &mut Line, op: OpId, outcome: &Outcome) {
    // An answer about what the policy was before is none about this.
    let sent = line.shown.op.take_if(|(pending, _)| *pending == op);
    if let (Some((_, sent)), Outcome::Done) = (sent, outcome) {
        line.shown.written = Some(sent);
    }
}

fn status(line: &Line, book: Option<&Book>, now: Timestamp) -> PolicyStatus {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let empty = PolicyStatus {
        observed_generation: Some(line.seen.generation),
        skipped: line.skipped.clone(),
        conditions: line.ready.iter().cloned().collect(),
        ..PolicyStatus::default()
    };
    let read = match &line.read {
        Err(why) => {
            return PolicyStatus { state: Some(ScheduleState::Invalid), message: Some(short(why)), ..empty };
        }
        Ok(None) => return PolicyStatus { state: Some(ScheduleState::Suspended), ..empty },
        Ok(Some(read)) => read,
    };
    let trouble = line.trouble.as_deref().or_else(|| book.and_then(Book::trouble));
    if let Some(why) = trouble {
        return PolicyStatus { state: Some(ScheduleState::Unknown), message: Some(short(why)), ..empty };
    }
    let date = read.schedule.calendar.date(now);
    let today = line.due.iter().filter(|(at, ..)| read.schedule.calendar.date(*at) == date);
    let due: BTreeSet<&String> = today.clone().map(|(_, group, _)| group).collect();
    let drawn = matches!(read.schedule.when, When::Random(_)).then(|| {
        let key = date.strftime("%Y%m%d").to_string();
        let records = book.into_iter().flat_map(|b| b.of_policy(&line.seen.key.name, line.is_dry()));
        let done = records.filter(|(_, record)| record.slot.as_ref() == Some(&key)).count();
        let none = line.groups.saturating_sub(due.len() + done);
        Today { date: date.to_string(), due: count(due.len()), done: count(done), none: count(none) }
    });
    PolicyStatus {
        state: Some(ScheduleState::Scheduled),
        groups: Some(count(line.groups)),
        today: drawn,
        next: today.take(NEXT).map(|(at, group, _)| Due { at: at.to_string(), group: group.clone() }).collect(),
        ..empty
    }
}

/// Whether what it means is ready for chaos, since the instant from which on it is so.
fn condition(line: &Line, now: Timestamp) -> Option<Condition> {
    let readiness = line.readiness.as_ref()?;
    let before = line.ready.as_ref().filter(|before| before.status == readiness.ready);
    Some(Condition {
        type_: ConditionType::ReadyForChaos,
        status: readiness.ready,
        observed_generation: Some(line.seen.generation),
        last_transition_time: before.map_or_else(|| now.to_string(), |before| before.last_transition_time.clone()),
        reason: readiness.reason.to_owned(),
        message: short(&readiness.message),
    })
}

fn short(text: &str) -> String {
    text.chars().take(1000).collect()
}
