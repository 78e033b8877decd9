//! One injection on the desk.

use crate::cluster::assemble::{Assigned, slot_id};
use crate::cluster::order;
use rumpus_cluster::ChaosInjection;
use rumpus_model::evidence::Effective;
use rumpus_model::injection::{Attestation, EndCause, State};
use rumpus_model::wire::{Condition, Fault, InjectionSpec, Phase, RunRef};
use std::collections::BTreeMap;

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    pub namespace: String,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// For the admission guard, or for the Lease to move.
    Waiting,
    /// Its targets are being looked up.
    Assembling,
    /// The reconciler has it.
    Live,
    /// Nothing will change any more.
    Closed,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) name: Name,
    pub(super) spec: InjectionSpec,
    pub(super) phase: Phase,
    pub(super) generation: Option<i64>,
    pub(super) stage: Stage,
    /// Why it must not begin, noted while its targets were being looked up.
    pub(super) cause: Option<EndCause>,
    /// Why the whole of it ended before anything began.
    pub(super) refused: Option<EndCause>,
    pub(super) assigned: Vec<Assigned>,
    /// How many slots it counts for.
    pub(super) expects: usize,
    pub(super) attested: BTreeMap<String, Attestation>,
    pub(super) conditions: Vec<Condition>,
    /// As first reported.
    pub(super) effect_ended: Option<String>,
    pub(super) clean: Option<String>,
}

impl Held {
    pub(super) fn new(name: Name, object: &ChaosInjection) -> Self {
        let status = object.status.clone().unwrap_or_default();
        Self {
            name,
            spec: object.spec.clone(),
            phase: object.spec.phase,
            generation: object.metadata.generation,
            stage: Stage::Waiting,
            cause: None,
            refused: None,
            assigned: Vec::new(),
            expects: 0,
            attested: BTreeMap::new(),
            conditions: status.conditions,
            effect_ended: status.effect_ended,
            clean: status.clean,
        }
    }

    /// An object of which nothing but its name is understood.
    pub(super) fn unread(name: Name, node: String) -> Self {
        let run = RunRef { name: String::new(), uid: String::new() };
        Self {
            name,
            spec: InjectionSpec {
                node_name: node,
                run,
                phase: Phase::Planned,
                epoch: 0,
                revision: 0,
                not_after: String::new(),
                duration: None,
                fault: Fault::default(),
                targets: Vec::new(),
                peers: None,
            },
            phase: Phase::Planned,
            generation: None,
            stage: Stage::Waiting,
            cause: None,
            refused: None,
            assigned: Vec::new(),
            expects: 0,
            attested: BTreeMap::new(),
            conditions: Vec::new(),
            effect_ended: None,
            clean: None,
        }
    }

    /// Names every target, without slots, so that a refusal shows each.
    pub(super) fn name_targets(&mut self) {
        if self.assigned.is_empty() {
            let one = |t: &rumpus_model::wire::InjectionTarget| Assigned {
                uid: t.uid.clone(),
                container: t.container.clone(),
                slots: Vec::new(),
                refused: None,
            };
            self.assigned = self.spec.targets.iter().map(one).collect();
        }
    }

    /// Says which slots its targets had: ids are the same each time that the same spec is read.
    pub(super) fn assign(&mut self, uid: &str, object: &ChaosInjection) {
        self.name_targets();
        let Ok(order) = order::read(uid, object.namespace(), &object.spec) else { return };
        for (assigned, target) in self.assigned.iter_mut().zip(&order.targets) {
            assigned.slots = (0..order.branches.len()).map(|branch| slot_id(&order, target, branch)).collect();
        }
    }

    /// Of what a predecessor began and its journal does not know, nothing can be said but that it is lost. Where the
    /// journal knows some of it, the rest never began.
    pub(super) fn fill_in(&mut self) {
        let known = !self.attested.is_empty();
        for assigned in &mut self.assigned {
            if known {
                assigned.slots.retain(|id| self.attested.contains_key(id));
                continue;
            }
            for id in &assigned.slots {
                self.attested.insert(id.clone(), lost(id, &self.name));
            }
        }
    }

    /// Returns whether nothing of it will change any more.
    pub(super) fn is_over(&self) -> bool {
        let mut slots = self.assigned.iter().flat_map(|a| &a.slots);
        slots.all(|id| self.attested.get(id).is_some_and(|a| a.state.is_final()))
    }
}

fn lost(id: &str, name: &Name) -> Attestation {
    Attestation {
        injection: name.name.clone(),
        id: id.to_owned(),
        target: String::new(),
        state: State::Lost,
        effective: Effective::Unknown,
        cause: Some(EndCause::Swept),
        in_effect: None,
        effect_ended: None,
        clean: None,
        readings: Vec::new(),
        problems: vec!["the journal that knew of it is gone; the kernel let go of it within the lease".into()],
    }
}
