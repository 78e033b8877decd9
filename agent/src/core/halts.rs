//! The Halts that stand, and what is attested about each.

use super::Command;
use super::slot::Slot;
use rumpus_model::halt::{Halt, HaltScope, Reach};
use rumpus_model::injection::EndCause;
use rumpus_model::refusal::Refusal;
use rumpus_model::world::Halted;
use std::collections::BTreeMap;

/// The Halts of one agent.
#[derive(Debug, Default)]
pub(super) struct Halts {
    standing: Vec<Halt>,
    /// Counts as a Halt of everything: unknown means no.
    unreadable: Option<String>,
    /// What was said of each: ended, clean.
    attested: BTreeMap<String, (bool, bool)>,
}

impl Halts {
    /// Takes over what a host's Halt says.
    pub(super) fn only(&mut self, halted: Halted) {
        (self.standing, self.unreadable) = match halted {
            Halted::No => (Vec::new(), None),
            Halted::Yes { id, reason } => (vec![Halt { id, reason, scope: HaltScope::All }], None),
            Halted::Unreadable { why } => (Vec::new(), Some(why)),
        };
    }

    /// Takes over a whole list. What is not in it stands no more.
    pub(super) fn replace(&mut self, halts: Vec<Halt>) {
        self.attested.retain(|id, _| halts.iter().any(|h| h.id == *id));
        self.standing = halts;
    }

    /// Adds what is not known yet, and lifts nothing.
    pub(super) fn add(&mut self, halts: &[Halt]) {
        for halt in halts {
            if !self.standing.iter().any(|h| h.id == halt.id) {
                self.standing.push(halt.clone());
            }
        }
    }

    fn covering(&self, reach: &Reach) -> Option<&Halt> {
        self.standing.iter().find(|h| h.covers(reach))
    }

    /// Returns why something with this reach must end, if it must.
    pub(super) fn ends(&self, reach: &Reach) -> Option<EndCause> {
        if let Some(why) = &self.unreadable {
            return Some(EndCause::HaltUnreadable { why: why.clone() });
        }
        self.covering(reach).map(|halt| EndCause::Halted { id: halt.id.clone() })
    }

    /// Accepts what no Halt covers.
    pub(super) fn accept(&self, reach: &Reach) -> Result<(), Refusal> {
        if let Some(why) = &self.unreadable {
            return Err(Refusal::HaltUnreadable { why: why.clone() });
        }
        match self.covering(reach) {
            Some(halt) => Err(Refusal::Halted { reason: halt.reason.clone() }),
            None => Ok(()),
        }
    }

    /// Says of each Halt, once, that everything in its scope has ended, and that it is clean.
    pub(super) fn attest<'s>(&mut self, slots: impl Iterator<Item = &'s Slot> + Clone) -> Vec<Command> {
        let mut commands = Vec::new();
        for halt in &self.standing {
            let mut covered = slots.clone().filter(|s| halt.covers(&s.reach));
            let ended = covered.clone().all(Slot::effect_is_over);
            let clean = ended && covered.all(Slot::is_final);
            if ended && self.attested.get(&halt.id) != Some(&(ended, clean)) {
                self.attested.insert(halt.id.clone(), (ended, clean));
                commands.push(Command::AttestHalt { halt: halt.id.clone(), ended, clean });
            }
        }
        commands
    }
}
