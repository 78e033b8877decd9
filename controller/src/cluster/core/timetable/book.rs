//! The records of the groups of one namespace's policies, in a Ledger of its own: what is not written there is not begun.
//!
//! Level-triggered as the Ledger of reservations: changes wait until one write, with the version that was read as its
//! precondition, has carried them; after any doubt the object is read, and what is missing of them is written again. Each
//! change says what it changes, so that it may be made twice and is lost where another controller was quicker.

use crate::cluster::core::event::{Act, LedgerSeen, Now, OpId, Outcome};
use crate::cluster::core::retry::Retry;
use jiff::Timestamp;
use rumpus_model::schedule::Slot;
use rumpus_model::schedule::change::{self, Records};
use rumpus_model::schedule::rate::{LONGEST, MOST, trim};
use rumpus_model::schedule::record::Record;
use rumpus_model::wire::ledger::{LedgerSpec, MAX_GROUPS, of_namespace};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) use rumpus_model::schedule::change::{Change, Who};

/// How many beginnings are on record: as many as a rate may allow.
const STARTS: usize = MOST as usize;

/// What the object holds.
#[derive(Clone, Debug, Default)]
struct Held {
    groups: Records,
    /// When runs began: `true` those of dry runs.
    starts: BTreeMap<bool, Vec<Timestamp>>,
}

impl Held {
    fn starts(&self, dry_run: bool) -> &[Timestamp] {
        self.starts.get(&dry_run).map_or(&[], Vec::as_slice)
    }
}

#[derive(Debug, Default)]
enum Known {
    #[default]
    Unread,
    Absent,
    Present(String),
}

/// One namespace's records, as one controller sees them in one term.
#[derive(Debug, Default)]
pub(super) struct Book {
    known: Known,
    /// It was read once; from then on a second read changes what is known, and does not begin it.
    ready: bool,
    news: bool,
    records: Held,
    /// As they will be once everything that waits is written.
    wish: Held,
    changes: Vec<(Who, Change)>,
    /// With how many changes.
    pending: Option<(OpId, Option<(usize, Held)>)>,
    retry: Retry,
    trouble: Option<String>,
}

/// Whether a run has the slot that it says it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slotted {
    /// It is written.
    Ours,
    /// It is on its way, or not known.
    Waits,
    Anothers,
}

/// Whether a slot's beginning is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Ours,
    /// It is on its way.
    Waits,
    /// Another controller took it, or there is no room for it.
    Lost,
}

impl Book {
    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Returns whether it was read since this was asked last.
    pub(super) fn is_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Returns why it could not be read or written, if it could not.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    pub(super) fn change(&mut self, who: &Who, change: Change) {
        if apply(&mut self.wish, who, &change) {
            self.changes.push((who.clone(), change));
        }
    }

    /// Returns a record as it will be once everything that waits is written.
    pub(super) fn record(&self, who: &Who) -> Option<&Record> {
        self.wish.groups.get(who)
    }

    /// Returns when runs of this namespace's policies began, as far as that counts for a rate.
    pub(super) fn starts(&self, dry_run: bool) -> &[Timestamp] {
        self.wish.starts(dry_run)
    }

    /// Returns every record of a policy, by group.
    pub(super) fn of_policy(&self, policy: &str, dry_run: bool) -> impl Iterator<Item = (&String, &Record)> {
        let all = self.wish.groups.iter().filter(move |(who, _)| who.policy == policy && who.dry_run == dry_run);
        all.map(|(who, record)| (&who.group, record))
    }

    /// Returns whether the beginning of a slot at this instant is written.
    pub(super) fn taken(&self, who: &Who, slot: &Slot, at: Timestamp) -> Taken {
        // Later slots of it may have passed since.
        let ours = |r: &Record| r.begun == Some(at) && r.slot.as_ref() >= Some(&slot.key);
        let waits =
            self.changes.iter().any(|(w, c)| w == who && matches!(c, Change::Take(_, begun, _) if *begun == at));
        match self.records.groups.get(who) {
            _ if waits => Taken::Waits,
            Some(record) if ours(record) => Taken::Ours,
            Some(_) | None => Taken::Lost,
        }
    }

    /// Returns whether this run has the slot; asks for it where nobody has it.
    pub(super) fn held(&mut self, who: &Who, slot: &str, run: &str) -> Slotted {
        if !self.ready {
            return Slotted::Waits;
        }
        if self.records.groups.get(who).is_some_and(|record| record.is_of(slot, run)) {
            return Slotted::Ours;
        }
        let wish = self.wish.groups.get(who);
        if wish.is_some_and(|record| record.is_free(slot)) {
            self.change(who, Change::Bind { slot: slot.to_owned(), run: run.to_owned() });
            return Slotted::Waits;
        }
        if wish.is_some_and(|record| record.is_of(slot, run)) { Slotted::Waits } else { Slotted::Anothers }
    }

    /// Returns the next effect.
    pub(super) fn next(&mut self, now: Now, namespace: &str, op: OpId, (epoch, holder): (i64, &str)) -> Option<Act> {
        if self.pending.is_some() || !self.retry.is_due(now.boot) {
            return None;
        }
        let name = of_namespace(namespace);
        let resource_version = match &self.known {
            Known::Unread => {
                self.pending = Some((op, None));
                return Some(Act::ReadGroups { name });
            }
            Known::Absent | Known::Present(_) if self.changes.is_empty() => return None,
            Known::Absent => None,
            Known::Present(version) => Some(version.clone()),
        };
        let records = self.wish.clone();
        let group = |(who, record): (&Who, &Record)| record.write(&who.policy, &who.group, who.dry_run);
        let text = |dry_run: bool| records.starts(dry_run).iter().map(ToString::to_string).collect();
        let spec = LedgerSpec {
            epoch,
            holder: holder.to_owned(),
            groups: records.groups.iter().map(group).collect(),
            starts: text(false),
            dry_starts: text(true),
            ..LedgerSpec::default()
        };
        self.pending = Some((op, Some((self.changes.len(), records))));
        Some(Act::WriteGroups { name, resource_version, spec: Box::new(spec) })
    }

    /// Takes in what came of a command.
    pub(super) fn done(&mut self, now: Now, (epoch, holder): (i64, &str), outcome: Outcome) {
        let Some((_, sent)) = self.pending.take() else { return };
        match (outcome, sent) {
            (Outcome::Ledger(seen), Some((count, records))) => {
                self.retry.succeeded();
                self.trouble = None;
                self.records = records;
                self.changes.drain(..count.min(self.changes.len()));
                self.known = Known::Present(seen.resource_version);
            }
            (Outcome::Ledger(seen), None) => self.read(now, epoch, holder, *seen),
            (Outcome::Missing, None) => {
                self.ready = true;
                self.known = Known::Absent;
                self.begin(Held::default());
            }
            // Somebody else wrote, or it is gone: what it says now decides.
            (Outcome::Missing | Outcome::Exists | Outcome::Conflict, _) => self.known = Known::Unread,
            (outcome, _) => {
                if let Outcome::Busy { why } | Outcome::Refused { why } | Outcome::Unknown { why } = outcome {
                    self.trouble = Some(why);
                }
                self.known = Known::Unread;
                self.retry.failed(now.boot);
            }
        }
    }

    fn read(&mut self, now: Now, epoch: i64, holder: &str, seen: LedgerSeen) {
        let LedgerSpec { epoch: theirs, holder: by, groups, starts, dry_starts, .. } = seen.spec;
        if theirs > epoch || (theirs == epoch && by != holder) {
            self.trouble = Some(format!("a controller of a later term ({theirs}) wrote it"));
            return self.retry.failed(now.boot);
        }
        let mut records = Held::default();
        for (dry_run, written) in [(false, starts), (true, dry_starts)] {
            match written.iter().map(|text| text.parse()).collect::<Result<Vec<Timestamp>, _>>() {
                Ok(starts) => drop(records.starts.insert(dry_run, starts)),
                Err(why) => {
                    self.trouble = Some(format!("when runs began: {why}"));
                    return self.retry.failed(now.boot);
                }
            }
        }
        for written in groups {
            match Record::read(&written) {
                Ok(record) => {
                    let who = Who { policy: written.policy, dry_run: written.dry_run, group: written.group };
                    records.groups.insert(who, record);
                }
                Err(why) => {
                    self.trouble = Some(format!("the record of {} of {}: {why}", written.group, written.policy));
                    return self.retry.failed(now.boot);
                }
            }
        }
        self.ready = true;
        self.known = Known::Present(seen.resource_version);
        self.begin(records);
    }

    /// What is written is this; a change that another controller made needless, or impossible, is none any more.
    fn begin(&mut self, records: Held) {
        let mut wish = records.clone();
        self.changes.retain(|(who, change)| apply(&mut wish, who, change));
        (self.records, self.wish) = (records, wish);
        self.news = true;
    }

    /// Returns when to look again at the latest.
    pub(super) fn wake_at(&self, now: Now) -> Option<Duration> {
        let waits = matches!(self.known, Known::Unread) || !self.changes.is_empty();
        (waits && self.pending.is_none()).then(|| self.retry.wake_at(now.boot).unwrap_or(now.boot))
    }
}

/// Makes a change; returns whether there was one to be made.
fn apply(held: &mut Held, who: &Who, change: &Change) -> bool {
    if !change::apply(&mut held.groups, MAX_GROUPS, who, change) {
        return false;
    }
    let starts = held.starts.entry(who.dry_run).or_default();
    match change {
        Change::Take(_, at, _) => {
            starts.push(*at);
            trim(starts, *at, LONGEST, STARTS);
        }
        Change::Settle { begun, acted: false } => {
            // Others may have begun at the same instant.
            if let Some(place) = starts.iter().position(|at| at == begun) {
                starts.remove(place);
            }
        }
        Change::Bind { .. } | Change::Seen(_) | Change::Pass(_) | Change::Settle { .. } => {}
    }
    true
}
