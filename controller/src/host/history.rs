//! What is known of each policy's slots, and the last runs: in memory, and written through to a store.
//!
//! A beginning is on disk before this says that it has begun. What ends, and what passes, is written as soon as it can be;
//! until then nothing begins.

use super::store::{Batch, Store, StoreError};
use jiff::Timestamp;
use rumpus_model::run::{Outcome, Verdict};
use rumpus_model::schedule::Slot;
use rumpus_model::schedule::change::{self, Change, Records, Who};
use rumpus_model::schedule::rate::Rate;
use rumpus_model::wire::ledger::MAX_GROUPS;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many runs are kept.
pub const RUNS: usize = 1000;
/// How many targets of a run are kept.
const TARGETS: usize = 20;

/// One run, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub run: String,
    /// One, but for a file with several that was run by hand.
    pub policies: Vec<String>,
    pub armed: bool,
    /// Who asked for it; absent: its schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The slot, and when it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    pub began: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The first of those that were planned.
    #[serde(default)]
    pub targets: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why it ended as it did, where that has a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct End {
    pub targets: Vec<String>,
    /// Absent: it is not known.
    pub outcome: Option<Outcome>,
    pub note: Option<String>,
}

/// Everything that is known.
#[derive(Debug)]
pub struct History<S> {
    store: S,
    records: Records,
    /// By number, the oldest first.
    runs: BTreeMap<u64, Entry>,
    unwritten: Unwritten,
}

#[derive(Debug, Default)]
struct Unwritten {
    records: BTreeSet<Who>,
    runs: BTreeSet<u64>,
    gone: BTreeSet<u64>,
}

impl Unwritten {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.runs.is_empty() && self.gone.is_empty()
    }
}

impl<S: Store> History<S> {
    /// Reads what is stored. What was begun and has no end was cut off by a crash: it counts as a hit.
    ///
    /// # Errors
    /// It cannot be read or written: nothing may be begun.
    pub fn open(mut store: S, now: Timestamp) -> Result<Self, StoreError> {
        let read = store.read()?;
        let mut history = Self { store, records: read.records, runs: read.runs, unwritten: Unwritten::default() };
        let begun: Vec<(Who, Timestamp)> =
            history.records.iter().filter_map(|(who, r)| Some((who.clone(), r.begun?))).collect();
        for (who, begun) in begun {
            history.change(&who, &Change::Settle { begun, acted: true });
        }
        let open: Vec<u64> = history.runs.iter().filter(|(_, e)| e.ended.is_none()).map(|(n, _)| *n).collect();
        for number in open {
            let note = Some("the daemon died before it ended; counted as a hit".to_owned());
            history.end(number, now, End { note, ..End::default() });
        }
        history.flush()?;
        Ok(history)
    }

    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Returns the runs, the last one first.
    pub fn runs(&self) -> impl Iterator<Item = &Entry> {
        self.runs.values().rev()
    }

    /// Changes a record, on disk by the next [`History::flush`].
    pub fn change(&mut self, who: &Who, change: &Change) {
        if change::apply(&mut self.records, MAX_GROUPS, who, change) {
            self.unwritten.records.insert(who.clone());
        }
    }

    /// Records that a slot begins at this instant, and its run; `rate` is the policy's; returns the run's number once both are on disk, in one
    /// transaction. `Ok(None)`: the slot was taken before.
    ///
    /// # Errors
    /// It is not on disk: the run must not begin.
    pub fn begin(
        &mut self,
        who: &Who,
        slot: &Slot,
        rate: Option<Rate>,
        entry: Entry,
    ) -> Result<Option<u64>, StoreError> {
        self.flush()?;
        let mut records = self.records.clone();
        if !change::apply(&mut records, MAX_GROUPS, who, &Change::Take(slot.clone(), entry.began, rate)) {
            return Ok(None);
        }
        let record = records.get(who).map(|record| (who.clone(), record.clone()));
        let number = self.write(record.into_iter().collect(), entry)?;
        self.records = records;
        Ok(Some(number))
    }

    /// Records a run that no schedule began.
    ///
    /// # Errors
    /// It is not on disk: the run must not begin.
    pub fn begin_by_hand(&mut self, entry: Entry) -> Result<u64, StoreError> {
        self.flush()?;
        self.write(Vec::new(), entry)
    }

    fn write(
        &mut self,
        records: Vec<(Who, rumpus_model::schedule::record::Record)>,
        entry: Entry,
    ) -> Result<u64, StoreError> {
        let number = self.runs.last_key_value().map_or(0, |(last, _)| last.saturating_add(1));
        self.store.write(&Batch { records, runs: vec![(number, entry.clone())], gone: Vec::new() })?;
        self.runs.insert(number, entry);
        while self.runs.len() > RUNS {
            let Some((oldest, _)) = self.runs.pop_first() else { break };
            self.unwritten.runs.remove(&oldest);
            self.unwritten.gone.insert(oldest);
        }
        Ok(number)
    }

    /// Records how a run ended, on disk by the next [`History::flush`].
    pub fn end(&mut self, number: u64, now: Timestamp, end: End) {
        let Some(entry) = self.runs.get_mut(&number) else { return };
        entry.ended = Some(now);
        entry.targets = end.targets.into_iter().take(TARGETS).collect();
        entry.outcome = end.outcome;
        entry.verdict = end.outcome.map(Outcome::verdict);
        entry.note = end.note;
        self.unwritten.runs.insert(number);
    }

    /// Writes what is not written yet.
    ///
    /// # Errors
    /// It still is not; nothing may be begun until it is.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let of = |who: &Who| Some((who.clone(), self.records.get(who)?.clone()));
        let run = |number: &u64| Some((*number, self.runs.get(number)?.clone()));
        let batch = Batch {
            records: self.unwritten.records.iter().filter_map(of).collect(),
            runs: self.unwritten.runs.iter().filter_map(run).collect(),
            gone: self.unwritten.gone.iter().copied().collect(),
        };
        self.store.write(&batch)?;
        self.unwritten = Unwritten::default();
        Ok(())
    }
}
