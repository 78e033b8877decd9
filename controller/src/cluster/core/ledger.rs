//! The Ledger: what is not in it is not armed.
//!
//! Level-triggered: what the runs wish to hold is compared with what the object holds, and written with the version that
//! was read as its precondition, one write at a time. The first write of a term carries our epoch: whatever a
//! predecessor still has on its way fails from then on. What a predecessor reserved and no run of ours wishes is
//! *inherited*, and held until its nodes say that it has ended, or until it cannot be in effect any more by our own clock.
//!
//! ```text
//! begin(term) -> read -> write with our epoch: fenced -> wish differs: write -> ... -> refused by a precondition: read
//! ```

use super::event::{Act, InjectionSeen, LedgerSeen, Now, OpId, Outcome, Uid};
use super::hits;
use super::retry::Retry;
use jiff::Timestamp;
use rumpus_model::cluster::cooldown::Hits;
use rumpus_model::cluster::world::{DelayScope, Place, Reservation as Held, Unknown as Unread};
use rumpus_model::scope::Direction;
use rumpus_model::wire::ledger::{LedgerSpec, MAX_PODS, Reservation};
use rumpus_model::wire::{self, InjectionState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What may pass, besides duration and lease, before what nobody attests is given up: two node heartbeats are not it; it
/// is the slack of every clock and queue in between.
pub(crate) const RELEASE: Duration = Duration::from_secs(30);

/// Returns whether some node says that this injection has ended.
pub(crate) fn has_ended(ended: &BTreeMap<String, BTreeSet<Uid>>, uid: &Uid) -> bool {
    ended.values().any(|of_node| of_node.contains(uid))
}

type Entries = BTreeMap<Uid, Arc<Reservation>>;
/// What the object holds.
type Content = (Entries, Arc<Hits>);

#[derive(Debug)]
enum Known {
    NotRead,
    Absent,
    /// Its version, and what it holds.
    Present(String, Entries, Arc<Hits>),
}

/// What a predecessor reserved.
#[derive(Debug)]
struct Inherited {
    entry: Arc<Reservation>,
    /// From then on it cannot be in effect, whoever is silent.
    until: Duration,
}

/// The Ledger, as one controller sees it in one term.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// UID of our pod.
    holder: String,
    lease: Duration,
    wish: Entries,
    inherited: BTreeMap<Uid, Inherited>,
    /// As they will be once they are written.
    hits: Arc<Hits>,
    /// It was read once in this term.
    was_read: bool,
    /// How many reservations of others it has ever told of.
    told: u64,
    known: Known,
    /// It carries our epoch.
    fenced: bool,
    /// The epoch of somebody else's that is not below ours.
    overtaken: Option<i64>,
    pending: Option<(OpId, Option<Content>)>,
    retry: Retry,
    trouble: Option<String>,
}

impl Ledger {
    pub(crate) fn new(holder: String, lease: Duration) -> Self {
        Self {
            holder,
            lease,
            wish: Entries::new(),
            inherited: BTreeMap::new(),
            hits: Arc::default(),
            was_read: false,
            told: 0,
            known: Known::NotRead,
            fenced: false,
            overtaken: None,
            pending: None,
            retry: Retry::default(),
            trouble: None,
        }
    }

    /// A term begins or ends: nothing is known, nothing is held.
    pub(crate) fn begin(&mut self) {
        *self = Self::new(std::mem::take(&mut self.holder), self.lease);
    }

    /// Returns whether a reservation could be made: the object carries our epoch.
    pub(crate) fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// Returns a number that grows with each reservation of somebody else's that shows.
    pub(crate) fn told(&self) -> u64 {
        self.told
    }

    /// Returns the epoch that overtook ours, if one did.
    pub(crate) fn overtaken(&self) -> Option<i64> {
        self.overtaken
    }

    /// Returns why it could not be written, if it could not.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Wishes to hold this for a run, until it is released.
    pub(crate) fn want(&mut self, entry: &Arc<Reservation>) {
        if self.wish.get(&entry.uid).is_none_or(|old| !Arc::ptr_eq(old, entry)) {
            self.wish.insert(entry.uid.clone(), Arc::clone(entry));
        }
    }

    /// A run of which nothing was begun holds nothing any more.
    pub(crate) fn forget(&mut self, run: &Uid) {
        self.wish.remove(run);
    }

    /// Nothing of a run is in effect any more: its owners were hit, up to now.
    pub(crate) fn release(&mut self, run: &Uid, now: Timestamp) {
        if let Some(entry) = self.wish.remove(run) {
            note(&mut self.hits, &entry, now);
        }
    }

    /// Returns when which owner was hit last.
    ///
    /// # Errors
    /// It was not read yet.
    pub(crate) fn hits(&self) -> Result<Arc<Hits>, Unread> {
        let why = || Unread { why: "the Ledger was not read yet".into() };
        self.was_read.then(|| Arc::clone(&self.hits)).ok_or_else(why)
    }

    /// Returns whether exactly what is wished for a run is written, in our own epoch.
    pub(crate) fn holds(&self, run: &Uid) -> bool {
        let Known::Present(_, held, _) = &self.known else { return false };
        let wish = self.wish.get(run);
        self.fenced && wish.is_some() && wish == held.get(run)
    }

    /// Returns whether so many more pods have room.
    pub(crate) fn has_room(&self, pods: usize) -> bool {
        let inherited = self.inherited.values().map(|i| &i.entry);
        let held: usize = self.wish.values().chain(inherited).map(|e| e.pods.len()).sum();
        held.saturating_add(pods) <= MAX_PODS
    }

    /// Gives a run that is known what a predecessor reserved for it, and from when on it cannot be in effect.
    pub(crate) fn hand_over(&mut self, run: &Uid) -> Option<(Arc<Reservation>, Duration)> {
        self.inherited.remove(run).map(|i| (i.entry, i.until))
    }

    /// A run that has ended had reserved this, and nobody wrote that its owners were hit.
    pub(crate) fn was_hit(&mut self, entry: &Reservation, now: Timestamp) {
        note(&mut self.hits, entry, now);
    }

    /// Returns the runs of which only the Ledger tells.
    pub(crate) fn inherited(&self) -> impl Iterator<Item = &Uid> {
        self.inherited.keys()
    }

    /// Returns what is held for runs of which nothing else is known: as wide as it may be.
    pub(crate) fn held(&self) -> impl Iterator<Item = Held> {
        self.inherited.values().map(|inherited| {
            let entry = &inherited.entry;
            Held {
                run: entry.name.as_str().into(),
                run_uid: entry.uid.as_str().into(),
                namespace: entry.namespace.as_str().into(),
                policy_uid: entry.policy.as_deref().map(Into::into),
                pods: entry.pods.iter().map(|p| (p.as_str().into(), Place::default())).collect(),
                takes_down: entry.takes_down,
                owners: entry.owners.iter().map(|owner| owner.as_str().into()).collect(),
                delay: entry.delays.map(|d| DelayScope { direction: direction(d), peers: Vec::new() }),
            }
        })
    }

    /// Frees what was inherited and has ended: by its nodes' word, by its objects', or by time.
    pub(crate) fn reap(
        &mut self,
        now: Now,
        ended: &BTreeMap<String, BTreeSet<Uid>>,
        injections: &BTreeMap<Uid, InjectionSeen>,
    ) {
        let state = |uid: &Uid| injections.get(uid).and_then(|i| i.status.state);
        let over = |uid: &Uid| state(uid).is_some_and(InjectionState::is_final) || has_ended(ended, uid);
        self.inherited.retain(|_, inherited| {
            let uids = &inherited.entry.injections;
            let failed = uids.iter().any(|uid| state(uid) == Some(InjectionState::RestoreFailed));
            let attested = !uids.is_empty() && uids.iter().all(over);
            let stays = failed || (!attested && now.boot < inherited.until);
            if !stays {
                note(&mut self.hits, &inherited.entry, now.wall);
            }
            stays
        });
    }

    /// Returns the next effect.
    pub(crate) fn next(&mut self, now: Now, op: OpId, epoch: i64) -> Option<Act> {
        if self.pending.is_some() || !self.retry.is_due(now.boot) {
            return None;
        }
        let resource_version = match &self.known {
            Known::NotRead => {
                self.pending = Some((op, None));
                return Some(Act::ReadLedger);
            }
            Known::Absent => None,
            Known::Present(version, held, hits) => {
                if self.fenced && self.is_as_wished(held) && Arc::ptr_eq(hits, &self.hits) {
                    return None;
                }
                Some(version.clone())
            }
        };
        let mut entries = self.wish.clone();
        for (uid, inherited) in &self.inherited {
            entries.entry(uid.clone()).or_insert_with(|| Arc::clone(&inherited.entry));
        }
        let mut spec = LedgerSpec {
            epoch,
            holder: self.holder.clone(),
            reservations: entries.values().map(|e| (**e).clone()).collect(),
            ..LedgerSpec::default()
        };
        hits::write(&self.hits, &mut spec);
        self.pending = Some((op, Some((entries, Arc::clone(&self.hits)))));
        Some(Act::WriteLedger { resource_version, spec: Box::new(spec) })
    }

    fn is_as_wished(&self, held: &Entries) -> bool {
        let more = self.inherited.keys().filter(|uid| !self.wish.contains_key(*uid)).count();
        held.len() == self.wish.len() + more && self.wish.iter().all(|(uid, entry)| held.get(uid) == Some(entry))
    }

    pub(crate) fn is_pending(&self, op: OpId) -> bool {
        self.pending.as_ref().is_some_and(|(pending, _)| *pending == op)
    }

    /// Takes in what came of a command.
    pub(crate) fn done(&mut self, now: Now, epoch: i64, outcome: Outcome) {
        let Some((_, sent)) = self.pending.take() else { return };
        match (outcome, sent) {
            (Outcome::Ledger(seen), Some((entries, hits))) => {
                self.retry.succeeded();
                self.trouble = None;
                self.fenced = true;
                self.known = Known::Present(seen.resource_version, entries, hits);
            }
            // A good read says nothing about the next write: what failed is still waited for.
            (Outcome::Ledger(seen), None) => self.read(now, epoch, *seen),
            (Outcome::Missing, None) => {
                self.was_read = true;
                self.fenced = false;
                self.known = Known::Absent;
            }
            // Somebody else wrote, or it is gone: what it says now decides.
            (Outcome::Missing | Outcome::Exists | Outcome::Conflict, _) => self.doubt(),
            (outcome, _) => {
                if let Outcome::Busy { why } | Outcome::Refused { why } | Outcome::Unknown { why } = outcome {
                    self.trouble = Some(why);
                }
                self.doubt();
                self.retry.failed(now.boot);
            }
        }
    }

    /// A write may have been carried out unseen: it is read back before anything is built on it.
    fn doubt(&mut self) {
        self.known = Known::NotRead;
    }

    fn read(&mut self, now: Now, epoch: i64, seen: LedgerSeen) {
        let hits = Arc::new(hits::read(&seen.spec, now.wall));
        let LedgerSpec { epoch: theirs, holder, reservations, .. } = seen.spec;
        let ours = theirs == epoch && holder == self.holder;
        if theirs >= epoch && !ours {
            self.fenced = false;
            self.overtaken = Some(theirs);
            self.doubt();
            return self.retry.failed(now.boot);
        }
        self.overtaken = None;
        self.was_read = true;
        Arc::make_mut(&mut self.hits).merge(&hits);
        // The same one, so that it is compared at once.
        if self.hits == hits {
            self.hits = Arc::clone(&hits);
        }
        self.fenced = ours;
        let entries: Entries = reservations.into_iter().map(|e| (e.uid.clone(), Arc::new(e))).collect();
        for (uid, entry) in &entries {
            if ours || self.inherited.contains_key(uid) {
                continue;
            }
            let lasts = Duration::from_secs(u64::try_from(entry.lasts_seconds).unwrap_or(u64::MAX));
            let until = now.boot.saturating_add(lasts).saturating_add(self.lease + RELEASE);
            self.inherited.insert(uid.clone(), Inherited { entry: Arc::clone(entry), until });
            self.told += 1;
        }
        self.known = Known::Present(seen.resource_version, entries, hits);
    }

    /// Returns when to look again at the latest.
    pub(crate) fn wake_at(&self, now: Now) -> Option<Duration> {
        let retry = self.retry.wake_at(now.boot).filter(|_| self.pending.is_none());
        let release = self.inherited.values().map(|i| i.until).filter(|at| *at > now.boot).min();
        [retry, release].into_iter().flatten().min()
    }
}

/// The owners of what was held were hit.
fn note(hits: &mut Arc<Hits>, entry: &Reservation, now: Timestamp) {
    let owners = entry.owners.iter().map(|owner| owner.as_str().into());
    Arc::make_mut(hits).note(owners, entry.more_owners, now.as_second());
}

fn direction(written: wire::Direction) -> Direction {
    match written {
        wire::Direction::Egress => Direction::Egress,
        wire::Direction::Ingress => Direction::Ingress,
        wire::Direction::Both => Direction::Both,
    }
}
