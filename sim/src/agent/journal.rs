//! The journal's thread of an agent: the production diary on a disk that may fail.

use super::{Inside, Node};
use crate::disk::Fault;
use crate::net::Net;
use crate::plant::Plant;
use crate::schedule::{Then, What, Who};
use crate::world::Happening;
use rumpus_agent::cluster::diary::Entries;
use rumpus_agent::core::{Event, Outcome, Record};
use rumpus_agent::journal::recover;
use rumpus_agent::ports::Diary;
use std::collections::BTreeSet;
use std::time::Duration;

/// As the driver's own.
const MEND: Duration = Duration::from_secs(10);

impl Node {
    /// Returns the slots that the journal knows of, as the next agent will read it.
    pub fn journaled(&self) -> &BTreeSet<String> {
        &self.known
    }

    pub fn journal_size(&self) -> usize {
        self.disk.bytes().len()
    }

    pub(super) fn read_journal(&self) -> BTreeSet<String> {
        let slots = Entries::of(recover::<Record>(&self.disk.bytes()).records).records();
        let id = |record: &Record| match record {
            Record::Intent(intent) => Some(intent.id.clone()),
            Record::Applied { .. } | Record::Ended { .. } | Record::Kept { .. } => None,
        };
        slots.iter().filter_map(id).collect()
    }

    /// As the journal's thread of `driver.rs` does it.
    pub(super) fn mend(&mut self, net: &mut Net) {
        let who = Who::Agent(self.place);
        let Some(half) = &mut self.half else { return };
        half.mending = false;
        let then = net.decide.turn(who, What::Mend, |on, rng| {
            ((on.full_disks || on.broken_disks) && rng.chance(500)).then_some(Then::NoSpace)
        });
        self.disk.goes_wrong(then.map(fault));
        half.diary.mend();
        self.written(net);
    }

    /// As the journal's thread of `driver.rs` does it.
    pub(super) fn record(&mut self, net: &mut Net) {
        let who = Who::Agent(self.place);
        let Some(half) = &mut self.half else { return };
        let Some((op, record)) = half.records.pop_front() else { return };
        let then = net.decide.turn(who, What::Record, |on, rng| match rng.below(1000) {
            0..40 if on.full_disks => Some(Then::NoSpace),
            40..50 if on.broken_disks => Some(Then::Broken),
            _ => None,
        });
        if net.plant == Some(Plant::NoSync) {
            self.before = Some(self.disk.bytes());
        }
        self.disk.goes_wrong(then.map(fault));
        let done = match net.plant {
            Some(Plant::NoJournal) => Ok(()),
            Some(_) | None => half.diary.record(&record),
        };
        self.written(net);
        let outcome = done.map_or_else(|why| Outcome::Failed { why }, |()| Outcome::Ok);
        self.tell(net, Event::Done { op, outcome });
    }

    /// What the journal now says of itself; while it refuses it is tried to be made anew.
    fn written(&mut self, net: &mut Net) {
        let life = self.who();
        self.disk.goes_wrong(None);
        self.known = self.read_journal();
        let Some(half) = &mut self.half else { return };
        let refuses = half.diary.refuses();
        if refuses.is_some() && !std::mem::replace(&mut half.mending, true) {
            net.after(MEND, Happening::Agent(life, Inside::Mend));
        }
        self.tell(net, Event::Journal(refuses.map_or(Ok(()), Err)));
    }
}

fn fault(then: Then) -> Fault {
    if then == Then::Broken { Fault::Broken } else { Fault::Full }
}
