//! The journal of a node in a cluster: besides what is live it keeps what was not reported yet, and the UIDs of what was
//! begun, so that nothing is begun twice.

use super::desk::Kept;
use crate::core::{Intent, Record};
use crate::journal::{FileStorage, Journal, Storage};
use crate::ports::Diary;
use crate::recorder::Recorder;
use crate::state_dir::StateDir;
use crate::testing;
use rumpus_model::evidence::Effective;
use rumpus_model::injection::{Attestation, EndCause, State};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a UID is kept after the injection must be over, in seconds: an etcd that was restored may bring it back.
const KEPT_FOR: i64 = 24 * 60 * 60;
/// How much of the journal may be in use before it is made smaller where nothing has to be kept whole.
const SMALL: usize = 64 * 1024;

/// What the main loop tells the journal.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<News>>);

#[derive(Debug, Default)]
struct News {
    reported: BTreeSet<String>,
    /// Seconds since 1970 by the controller's clock.
    now: i64,
}

impl Told {
    /// Nothing about this injection is left to be told.
    pub fn reported(&self, injection: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).reported.insert(injection.to_owned());
    }

    /// What the controller's clock showed, in seconds since 1970.
    pub fn now(&self, seconds: i64) {
        let mut news = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        news.now = news.now.max(seconds);
    }

    fn take(&self) -> News {
        let mut news = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        News { reported: std::mem::take(&mut news.reported), now: news.now }
    }
}

/// One slot that was begun.
#[derive(Clone, Debug)]
struct Entry {
    intent: Intent,
    ended: Option<(State, EndCause, Duration)>,
}

/// What the records of a journal come to.
#[derive(Debug, Default)]
pub struct Entries {
    slots: BTreeMap<String, Entry>,
    kept: BTreeMap<String, i64>,
}

impl Entries {
    /// Reads records in their order.
    pub fn of(records: Vec<Record>) -> Self {
        let mut entries = Self::default();
        for record in records {
            entries.note(&record);
        }
        entries
    }

    pub fn note(&mut self, record: &Record) {
        match record {
            Record::Intent(intent) => {
                self.slots.insert(intent.id.clone(), Entry { intent: (**intent).clone(), ended: None });
            }
            Record::Applied { .. } => {}
            Record::Ended { id, state, cause, at } => {
                if let Some(entry) = self.slots.get_mut(id) {
                    entry.ended = Some((*state, cause.clone(), *at));
                }
            }
            Record::Kept { injection, until } => {
                self.kept.insert(injection.clone(), *until);
            }
        }
    }

    /// Forgets the slots of what was reported, and keeps its UID.
    pub fn reported(&mut self, injections: &BTreeSet<String>) {
        for entry in self.slots.values().filter(|e| injections.contains(&e.intent.injection)) {
            let until = entry.intent.not_after.map_or(i64::MAX, |at| at.saturating_add(KEPT_FOR));
            self.kept.insert(entry.intent.injection.clone(), until);
        }
        self.slots.retain(|_, e| !injections.contains(&e.intent.injection) || e.ended.is_none());
    }

    pub fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (injection, until) in &self.kept {
            records.push(Record::Kept { injection: injection.clone(), until: *until });
        }
        for (id, entry) in &self.slots {
            records.push(Record::Intent(Box::new(entry.intent.clone())));
            if let Some((state, cause, at)) = &entry.ended {
                records.push(Record::Ended { id: id.clone(), state: *state, cause: cause.clone(), at: *at });
            }
        }
        records
    }

    /// Returns the faults without an end.
    pub fn live(&self) -> Vec<Intent> {
        self.slots.values().filter(|e| e.ended.is_none()).map(|e| e.intent.clone()).collect()
    }

    /// Returns what a desk has to know.
    pub fn kept(&self) -> Kept {
        let mut kept = Kept { begun: self.kept.keys().cloned().collect(), ..Kept::default() };
        for entry in self.slots.values() {
            let injection = entry.intent.injection.clone();
            kept.begun.insert(injection.clone());
            let slot = attestation(entry);
            kept.recovered.entry(injection).or_default().insert(slot.id.clone(), slot);
        }
        kept
    }
}

/// What can be said of a slot by its journal alone: what it measured died with the process that measured it.
fn attestation(entry: &Entry) -> Attestation {
    let mut attested = entry.intent.clone().swept(Duration::ZERO);
    attested.effective = Effective::Unknown;
    let (state, cause, at) = match &entry.ended {
        Some((state, cause, at)) => (*state, cause.clone(), Some(*at)),
        // The sweep that comes first says how it ended.
        None => (State::Ending, EndCause::Swept, None),
    };
    let restored = at.filter(|_| matches!(state, State::Restored | State::Done));
    (attested.effect_ended, attested.clean) = (restored, restored);
    (attested.state, attested.cause) = (state, Some(cause));
    attested
}

/// The journal, held open.
pub struct ClusterDiary<S = FileStorage> {
    recorder: Recorder<S>,
    entries: Entries,
    told: Told,
    /// Holds the lock for as long as anything can be written; `None` where nothing is locked.
    _dir: Option<Arc<StateDir>>,
}

impl<S> std::fmt::Debug for ClusterDiary<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterDiary").field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl<S: Storage> ClusterDiary<S> {
    pub fn new(journal: Journal<Record, S>, entries: Entries, told: Told, dir: Option<Arc<StateDir>>) -> Self {
        Self { recorder: Recorder::new(journal), entries, told, _dir: dir }
    }
}

impl<S: Storage + Send> Diary for ClusterDiary<S> {
    fn record(&mut self, record: &Record) -> Result<(), String> {
        testing::point("record.before")?;
        let news = self.told.take();
        self.entries.reported(&news.reported);
        self.entries.kept.retain(|_, until| *until > news.now);
        self.entries.note(record);
        let small = self.entries.slots.is_empty() && self.recorder.used() > SMALL;
        // What was reported is left out.
        self.recorder.record(record, small, || self.entries.records())?;
        testing::point("record.after")
    }

    fn refuses(&self) -> Option<String> {
        self.recorder.refuses()
    }

    fn mend(&mut self) {
        self.recorder.mend(|| self.entries.records());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpus_model::engine::Engine;
    use rumpus_model::target::{NetNsId, NetNsTarget, Target, Via};

    fn intent(injection: &str, id: &str) -> Record {
        let target = NetNsTarget {
            id: NetNsId { dev: 1, ino: 2, cookie: None },
            via: Via::Host,
            boot_id: "b".into(),
            host: false,
            processes: vec![],
        };
        Record::Intent(Box::new(Intent {
            injection: injection.into(),
            policy: "shop/r".into(),
            id: id.into(),
            fault: "partition".into(),
            lasts: true,
            engine: Engine::Nft,
            target: Target::NetNs(target),
            expected: String::new(),
            deadline: None,
            at: Duration::ZERO,
            not_after: Some(1_000),
        }))
    }

    fn ended(id: &str) -> Record {
        let at = Duration::from_secs(7);
        Record::Ended { id: id.into(), state: State::Restored, cause: EndCause::Deadline, at }
    }

    #[test]
    fn what_was_not_reported_is_kept_through_a_compaction_and_what_was_leaves_its_uid() {
        let mut entries =
            Entries::of(vec![intent("a", "1"), ended("1"), intent("b", "2"), ended("2"), intent("c", "3")]);
        entries.reported(&BTreeSet::from(["a".to_owned()]));
        let again = Entries::of(entries.records());
        assert_eq!(again.kept, BTreeMap::from([("a".to_owned(), 1_000 + KEPT_FOR)]));
        assert_eq!(again.live().len(), 1);
        let kept = again.kept();
        assert_eq!(kept.begun, ["a", "b", "c"].map(str::to_owned).into());
        assert_eq!(kept.recovered["b"]["2"].state, State::Restored);
        assert_eq!(kept.recovered["b"]["2"].clean, Some(Duration::from_secs(7)));
        assert_eq!((kept.recovered["c"]["3"].state, kept.recovered["c"]["3"].clean), (State::Ending, None));
    }

    #[test]
    fn what_is_live_is_not_forgotten_whatever_is_said() {
        let mut entries = Entries::of(vec![intent("a", "1")]);
        entries.reported(&BTreeSet::from(["a".to_owned()]));
        assert_eq!(entries.live().len(), 1);
    }
}
