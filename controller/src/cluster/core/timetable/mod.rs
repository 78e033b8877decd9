//! When which policy's runs begin. One run for each policy, group and slot.
//!
//! ```text
//! policy seen -> agenda (groups as they are, their slots) -> due: may it begin? no: it passes, and that is recorded
//!                                                                               yes: recorded as begun -> run created
//! run finished -> the record says whether it acted
//! ```
//! What is not recorded is not created: a slot runs once at most, whoever asks, crashes or forgets. A record that was
//! written and whose run was never seen counts as a hit: too seldom, never too often.

use super::Settings;
use super::event::{Act, Command, Key, NewRun, Now, OpId, Outcome, PolicySeen, RunSeen, Uid};
use super::retry::Retry;
use super::run::Run;
use book::{Book, Change, Taken, Who};
use jiff::{SignedDuration, Timestamp};
use line::Line;
use rumpus_model::cluster::refusal::ClusterRefusal;
use rumpus_model::schedule::agenda::{Ask, run_name, run_seed};
use rumpus_model::schedule::rate::Rate;
use rumpus_model::schedule::record::Skip;
use rumpus_model::schedule::{Concurrency, Slot};
use rumpus_model::wire::schedule::GroupBy;
use rumpus_model::wire::{Mode, PolicyRef, RunSpec, Verdict};
use std::collections::BTreeMap;
use std::time::Duration;

mod book;
#[cfg(test)]
mod book_tests;
mod line;
mod show;

pub(crate) use book::Slotted;
pub use line::Calendars;
pub(crate) use line::{Withdrawn, withdrawn};

/// How often it is asked which groups there are.
const REFRESH: Duration = Duration::from_secs(600);
/// The same, where none may be hit: an opt-in or the end of a freeze is not told.
const REFUSED: Duration = Duration::from_secs(30);
/// How far ahead slots are told, besides the rest of the day: longer than until they are told again.
const AHEAD: SignedDuration = SignedDuration::from_secs(1200);
/// How far back slots are looked for that nobody was there for: they are recorded as missed.
const BACK: SignedDuration = SignedDuration::from_hours(24);

/// Why a group without a record has no run.
const NO_RECORD: &str =
    "nothing is recorded of this group: the Ledger of its namespace was deleted, or holds as many groups as it can";

/// What a step may look at, and where its commands go.
pub(crate) struct Ctx<'a> {
    pub(crate) now: Now,
    pub(crate) settings: &'a Settings,
    pub(crate) epoch: i64,
    pub(crate) draining: bool,
    pub(crate) runs: &'a BTreeMap<Uid, Run>,
    pub(crate) next_op: &'a mut OpId,
    pub(crate) commands: &'a mut Vec<Command>,
}

/// Whose answer is waited for.
#[derive(Debug)]
enum Asked {
    Agenda(Uid),
    Book(String),
    Run(Uid, String),
    Status(Uid),
}

/// A slot whose run begins.
#[derive(Debug)]
struct Start {
    slot: Slot,
    who: Who,
    at: Timestamp,
    until: Timestamp,
    run: Box<NewRun>,
    op: Option<OpId>,
    /// It was asked for at least once.
    sent: bool,
    retry: Retry,
}

/// Every schedule.
#[derive(Debug, Default)]
pub(crate) struct Timetable {
    lines: BTreeMap<Uid, Line>,
    /// By namespace.
    books: BTreeMap<String, Book>,
    /// By policy and group.
    starts: BTreeMap<(Uid, String), Start>,
    asked: BTreeMap<OpId, Asked>,
}

impl Timetable {
    /// A term begins or ends: what was read and asked for is nothing any more.
    pub(crate) fn begin(&mut self) {
        self.books.clear();
        self.starts.clear();
        self.asked.clear();
        self.lines.values_mut().for_each(Line::forget);
    }

    /// Takes in a policy as a watch shows it.
    pub(crate) fn policy(&mut self, mut seen: PolicySeen, calendars: &Calendars) {
        // What we wrote is no change of it.
        let ready = seen.ready.take();
        let old = self.lines.get(&seen.uid);
        if old.is_some_and(|line| line.seen == seen) {
            return;
        }
        let ready = old.and_then(|line| line.ready.clone()).or(ready);
        self.lines.insert(seen.uid.clone(), Line { ready, ..Line::new(seen, calendars) });
    }

    pub(crate) fn policy_gone(&mut self, uid: &Uid) {
        self.lines.remove(uid);
    }

    /// A run has ended, or was found ended: whether it acted decides whether it counts.
    pub(crate) fn finished(&mut self, run: &RunSeen) {
        let Some((who, slot)) = who(run) else { return };
        let acted = run.status.verdict != Some(Verdict::Refused) && run.status.targets.unwrap_or_default() > 0;
        // One that was not opened is read, and then this is asked once more.
        let book = self.books.entry(run.key.namespace.clone()).or_default();
        let record = book.record(&who).filter(|record| record.slot.as_deref() == Some(slot));
        // Another run had it.
        let record = record.filter(|record| record.run.as_ref().is_none_or(|had| *had == run.uid));
        if let Some(begun) = record.and_then(|record| record.begun) {
            book.change(&who, Change::Settle { begun, acted });
        }
    }

    /// Returns whether a run of a slot is the one that has it.
    pub(crate) fn slotted(&mut self, run: &RunSeen) -> Option<Slotted> {
        let (who, slot) = who(run)?;
        let book = self.books.entry(run.key.namespace.clone()).or_default();
        Some(book.held(&who, slot, &run.uid))
    }

    /// Returns whether an answer is this one's.
    pub(crate) fn is_pending(&self, op: OpId) -> bool {
        self.asked.contains_key(&op)
    }

    /// Asks for what is needed next; returns the runs that have to end because a later one takes their place.
    pub(crate) fn advance(&mut self, ctx: &mut Ctx<'_>) -> Vec<Uid> {
        let mut replaced = Vec::new();
        let uids: Vec<Uid> = self.lines.keys().cloned().collect();
        for uid in uids {
            if let Some(mut line) = self.lines.remove(&uid) {
                self.advance_line(ctx, &uid, &mut line, &mut replaced);
                self.lines.insert(uid, line);
            }
        }
        self.advance_starts(ctx);
        // What ended while nobody could write it.
        if self.books.values_mut().any(Book::is_news) {
            ctx.runs.values().filter_map(Run::ended).for_each(|run| self.finished(&run));
        }
        for (namespace, book) in &mut self.books {
            if let Some(act) = book.next(ctx.now, namespace, *ctx.next_op, (ctx.epoch, &ctx.settings.holder)) {
                self.asked.insert(*ctx.next_op, Asked::Book(namespace.clone()));
                ask(ctx, act);
            }
        }
        for (uid, line) in &mut self.lines {
            let book = self.books.get(&line.seen.key.namespace);
            if let Some(act) = show::next(line, book, ctx.now, *ctx.next_op) {
                self.asked.insert(*ctx.next_op, Asked::Status(uid.clone()));
                ask(ctx, act);
            }
        }
        replaced
    }

    fn advance_line(&mut self, ctx: &mut Ctx<'_>, uid: &Uid, line: &mut Line, replaced: &mut Vec<Uid>) {
        let Ok(Some(read)) = &line.read else { return };
        let book = self.books.entry(line.seen.key.namespace.clone()).or_default();
        if !book.is_ready() || ctx.draining {
            return;
        }
        if line.op.is_none() && ctx.now.boot >= line.refresh && line.retry.is_due(ctx.now.boot) {
            let shift = |by: SignedDuration| ctx.now.wall.checked_add(by).unwrap_or(ctx.now.wall);
            let question = Ask {
                policy: read.policy.clone(),
                schedule: read.schedule.clone(),
                namespace: line.seen.key.namespace.clone(),
                records: {
                    let all = book.of_policy(&line.seen.key.name, line.is_dry());
                    all.map(|(group, record)| (group.clone(), record.clone())).collect()
                },
                from: shift(-BACK),
                to: read.schedule.calendar.end_of_day(ctx.now.wall).max(shift(AHEAD)),
                now: ctx.now.wall,
            };
            line.op = Some(*ctx.next_op);
            self.asked.insert(*ctx.next_op, Asked::Agenda(uid.clone()));
            ask(ctx, Act::Agenda(Box::new(question)));
        }
        self.begin_due(ctx, uid, line, replaced);
    }

    /// Takes what is due, slot by slot; one that has to wait holds no other up.
    fn begin_due(&mut self, ctx: &Ctx<'_>, uid: &Uid, line: &mut Line, replaced: &mut Vec<Uid>) {
        // What began in another namespace counts too: it has to be read first.
        if ctx.settings.rates.cluster.is_some() && !self.books.values().all(Book::is_ready) {
            return;
        }
        let mut waiting = Vec::new();
        while let Some((group, slot)) = line.next(ctx.now.wall) {
            let Ok(Some(read)) = &line.read else { break };
            let who = line.who(&group);
            let exhausted = self.exhausted(ctx, line);
            let Some(book) = self.books.get_mut(&line.seen.key.namespace) else { break };
            let Some(record) = book.record(&who) else {
                line.skip(&group, &slot, "NoRecord", NO_RECORD.to_owned());
                continue;
            };
            if record.is_taken(&slot) {
                continue;
            }
            let starting = self.starts.get(&(uid.clone(), group.clone())).map(|start| &start.run.key.name);
            let running = ctx.runs.values().find(|run| run.is_of(uid, &group));
            let still = starting.or_else(|| running.map(|run| &run.key().name));
            let judged = read.schedule.may_begin_beside(record, &slot, ctx.now.wall, still.map(String::as_str));
            let judged = judged.and(exhausted.map_or(Ok(()), Err));
            if let Err(skip) = judged {
                book.change(&who, Change::Pass(slot.clone()));
                line.skip(&group, &slot, skip.reason(), skip.to_string());
                continue;
            }
            let old = running.filter(|_| read.schedule.concurrency == Concurrency::Replace);
            if starting.is_some() || old.is_some() {
                // As long as it may still begin.
                replaced.extend(old.map(|run| run.uid().clone()));
                waiting.push((slot.at, group, slot.key));
                continue;
            }
            book.change(&who, Change::Take(slot.clone(), ctx.now.wall, read.schedule.rate));
            let (until, run) = (read.schedule.until(&slot), Box::new(new_run(line, read, &group, &slot)));
            let start =
                Start { slot, who, at: ctx.now.wall, until, run, op: None, sent: false, retry: Retry::default() };
            self.starts.insert((uid.clone(), group), start);
        }
        line.due.extend(waiting);
    }

    /// Returns whether as many runs have begun as the administrator allows.
    fn exhausted(&self, ctx: &Ctx<'_>, line: &Line) -> Option<Skip> {
        let (own, rates) = (&line.seen.key.namespace, &ctx.settings.rates);
        let of = |book: &Book| book.starts(line.is_dry()).to_vec();
        let within = |rate: Option<Rate>, of: String, starts: Vec<Timestamp>| {
            let rate = rate?;
            let next = rate.exhausted(starts.into_iter(), ctx.now.wall)?;
            Some(Skip::RateExhausted { of, rate, next })
        };
        let namespace = self.books.get(own).filter(|_| rates.namespace.is_some()).map(of).unwrap_or_default();
        let all = || self.books.values().flat_map(of).collect();
        within(rates.namespace, format!("namespace {own}"), namespace).or_else(|| {
            within(rates.cluster, "all namespaces".into(), rates.cluster.map(|_| all()).unwrap_or_default())
        })
    }

    fn advance_starts(&mut self, ctx: &mut Ctx<'_>) {
        let Self { starts, books, asked, .. } = self;
        starts.retain(|(uid, group), start| {
            let Some(book) = books.get_mut(&start.run.key.namespace) else { return false };
            if start.op.is_some() {
                return true;
            }
            match book.taken(&start.who, &start.slot, start.at) {
                Taken::Lost => return false,
                Taken::Waits | Taken::Ours if ctx.now.wall > start.until || ctx.draining => {
                    // Never asked for, or without an answer: what may have been created counts.
                    book.change(&start.who, Change::Settle { begun: start.at, acted: start.sent });
                    return false;
                }
                Taken::Waits => return true,
                Taken::Ours => {}
            }
            if start.retry.is_due(ctx.now.boot) {
                start.op = Some(*ctx.next_op);
                start.sent = true;
                asked.insert(*ctx.next_op, Asked::Run(uid.clone(), group.clone()));
                ask(ctx, Act::Begin(start.run.clone()));
            }
            true
        });
    }

    /// Takes in what came of a command.
    pub(crate) fn done(&mut self, now: Now, epoch: i64, holder: &str, op: OpId, outcome: Outcome) {
        match self.asked.remove(&op) {
            None => {}
            Some(Asked::Book(namespace)) => {
                if let Some(book) = self.books.get_mut(&namespace) {
                    book.done(now, (epoch, holder), outcome);
                }
            }
            Some(Asked::Status(uid)) => {
                if let Some(line) = self.lines.get_mut(&uid) {
                    show::done(line, op, &outcome);
                }
            }
            Some(Asked::Agenda(uid)) => self.agenda(now, &uid, op, outcome),
            Some(Asked::Run(uid, group)) => {
                let place = (uid, group);
                let Some(start) = self.starts.get_mut(&place).filter(|start| start.op == Some(op)) else { return };
                start.op = None;
                if matches!(outcome, Outcome::Run(_) | Outcome::Exists) {
                    self.starts.remove(&place);
                } else if let Outcome::Refused { why } = outcome {
                    self.not_created(&place, &why);
                } else if matches!(outcome, Outcome::Missing) {
                    self.not_created(&place, "its namespace does not exist");
                } else {
                    start.retry.failed(now.boot);
                }
            }
        }
    }

    fn not_created(&mut self, place: &(Uid, String), why: &str) {
        let Some(start) = self.starts.remove(place) else { return };
        if let Some(book) = self.books.get_mut(&start.run.key.namespace) {
            book.change(&start.who, Change::Settle { begun: start.at, acted: false });
        }
        if let Some(line) = self.lines.get_mut(&place.0) {
            line.skip(&place.1, &start.slot, "NotCreated", why.to_owned());
        }
    }

    fn agenda(&mut self, now: Now, uid: &Uid, op: OpId, outcome: Outcome) {
        let Some(line) = self.lines.get_mut(uid).filter(|line| line.op == Some(op)) else { return };
        line.op = None;
        let Outcome::Agenda(agenda) = outcome else { return line.retry.failed(now.boot) };
        line.told(&agenda);
        let unread = |no: &ClusterRefusal| matches!(no, ClusterRefusal::ListUnknown { .. });
        if agenda.refusals.iter().any(unread) {
            return line.retry.failed(now.boot);
        }
        line.retry.succeeded();
        line.refresh = now.boot + if agenda.refusals.is_empty() { REFRESH } else { REFUSED };
        let Some(book) = self.books.get_mut(&line.seen.key.namespace) else { return };
        for group in &agenda.groups {
            let who = line.who(group);
            if book.record(&who).is_none() {
                book.change(&who, Change::Seen(now.wall));
            }
        }
    }

    /// Returns when to look again at the latest.
    pub(crate) fn wake_at(&self, now: Now) -> Option<Duration> {
        let after = |at: Timestamp| {
            let wait = Duration::try_from(at.duration_since(now.wall)).unwrap_or_default();
            now.boot.saturating_add(wait)
        };
        let lines = self.lines.values().filter(|line| matches!(line.read, Ok(Some(_)))).flat_map(|line| {
            let refresh = Some(line.refresh).filter(|at| line.op.is_none() && *at > now.boot);
            let due = line.due.first().map(|(at, ..)| after(*at)).filter(|at| *at > now.boot);
            [refresh, due, line.retry.wake_at(now.boot)]
        });
        let shown = self.lines.values().map(|line| Some(line.shown.due).filter(|at| *at > now.boot));
        let starts = self.starts.values().flat_map(|start| [Some(after(start.until)), start.retry.wake_at(now.boot)]);
        let books = self.books.values().map(|book| book.wake_at(now));
        lines.chain(starts).chain(books).chain(shown).flatten().min()
    }
}

/// Returns whose slot a run says it is of, and which.
fn who(run: &RunSeen) -> Option<(Who, &str)> {
    let who = Who {
        policy: run.spec.policy_ref.as_ref()?.name.clone().unwrap_or_default(),
        dry_run: run.spec.mode != Some(Mode::Armed),
        group: run.spec.group.clone().unwrap_or_default(),
    };
    Some((who, run.spec.slot.as_deref()?))
}

fn ask(ctx: &mut Ctx<'_>, act: Act) {
    ctx.commands.push(Command { op: *ctx.next_op, act });
    *ctx.next_op += 1;
}

fn new_run(line: &Line, read: &line::Read, group: &str, slot: &Slot) -> NewRun {
    let (policy, seen) = (&line.seen.key, &line.seen);
    let by = &read.schedule.group_by;
    let grouped = *by != GroupBy::Policy;
    NewRun {
        key: Key { namespace: policy.namespace.clone(), name: run_name(&policy.name, group, &slot.key, line.is_dry()) },
        policy: policy.name.clone(),
        policy_uid: seen.uid.clone(),
        spec: RunSpec {
            policy_ref: Some(PolicyRef { name: Some(policy.name.clone()), uid: Some(seen.uid.clone()) }),
            group: grouped.then(|| group.to_owned()),
            group_by: grouped.then(|| by.to_string()),
            slot: Some(slot.key.clone()),
            start_by: Some(read.schedule.until(slot).to_string()),
            mode: Some(if line.is_dry() { Mode::DryRun } else { Mode::Armed }),
            seed: Some(run_seed(&policy.namespace, &policy.name, group, &slot.key)),
            reason: Some(format!("due at {} by the schedule of policy {}", slot.at, policy.name)),
            experiment: seen.spec.experiment.clone(),
            ..RunSpec::default()
        },
    }
}
