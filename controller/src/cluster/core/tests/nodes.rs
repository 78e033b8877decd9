//! What becomes of injections and pods in the fake world: stored, changed, attested by agents.

use super::fake::Fake;
use crate::cluster::core::event::{Event, InjectionSeen, Key, Outcome, PodRef};
use rumpus_model::wire::{InjectionSpec, InjectionState, InjectionStatus, Phase, TargetStatus, Truth};
use std::time::Duration;

impl Fake {
    pub(super) fn delete_injection(&mut self, key: &Key, uid: String) -> Outcome {
        self.log.push(format!("delete {}", key.name));
        if self.injections.get(&key.name).is_some_and(|i| i.uid == uid) {
            self.injections.remove(&key.name);
            self.tell(Event::InjectionGone(uid));
            return Outcome::Done;
        }
        Outcome::Missing
    }

    pub(super) fn remove(&mut self, pod: PodRef) -> Outcome {
        self.log.push(format!("remove {}", pod.key.name));
        if self.pods.get(&pod.uid) != Some(&pod.key) {
            return Outcome::Missing;
        }
        *self.hits.entry(pod.uid.clone()).or_default() += 1;
        self.pods.remove(&pod.uid);
        self.tell(Event::PodGone(pod.uid));
        Outcome::Done
    }

    pub(super) fn create(&mut self, key: Key, spec: InjectionSpec) -> Outcome {
        self.log.push(format!("create {}", key.name));
        if self.injections.contains_key(&key.name) {
            return Outcome::Exists;
        }
        let version = self.next_version();
        let seen = InjectionSeen {
            uid: format!("{}-{version}", key.name),
            key: key.clone(),
            resource_version: version,
            deleting: false,
            never_armed: false,
            spec,
            status: InjectionStatus::default(),
        };
        self.injections.insert(key.name, seen.clone());
        self.tell(Event::Injection(Box::new(seen.clone())));
        Outcome::Injection(Box::new(seen))
    }

    pub(super) fn set_phase(&mut self, key: &Key, version: &str, phase: Phase, never_armed: bool) -> Outcome {
        self.log.push(format!("{phase:?} {}", key.name));
        let next = self.next_version();
        let Some(injection) = self.injections.get_mut(&key.name) else { return Outcome::Missing };
        if injection.resource_version != version {
            return Outcome::Conflict;
        }
        injection.spec.phase = phase;
        injection.never_armed |= never_armed;
        injection.resource_version = next;
        let seen = injection.clone();
        if phase == Phase::Armed {
            for target in &seen.spec.targets {
                *self.hits.entry(format!("{} {:?}", target.uid, seen.spec.peers)).or_default() += 1;
            }
        }
        self.tell(Event::Injection(Box::new(seen.clone())));
        Outcome::Injection(Box::new(seen))
    }

    /// Every agent that lives looks at its injections.
    pub(super) fn agents(&mut self) {
        for name in self.injections.keys().cloned().collect::<Vec<_>>() {
            let Some(seen) = self.injections.get(&name).cloned() else { continue };
            let started = self.begun.get(&seen.uid).copied();
            let next = match (seen.spec.phase, seen.status.state, started) {
                _ if self.dead.contains(&seen.spec.node_name) => None,
                (Phase::Armed, None, _) => Some(InjectionState::InEffect),
                (Phase::Cancelled, Some(InjectionState::InEffect), _) => Some(InjectionState::Restored),
                (Phase::Armed, Some(InjectionState::InEffect), Some(at))
                    if self.boot >= at + Duration::from_secs(10) =>
                {
                    Some(InjectionState::Restored)
                }
                _ => None,
            };
            if let Some(state) = next {
                self.begun.entry(seen.uid.clone()).or_insert(self.boot);
                self.attest(&name, state);
            }
        }
    }

    pub(super) fn attest(&mut self, name: &str, state: InjectionState) {
        let version = self.next_version();
        let wall = self.now().wall.to_string();
        let Some(injection) = self.injections.get_mut(name) else { return };
        let over = state.is_final();
        let effective = Some(if over { Truth::True } else { Truth::Unknown });
        let target =
            |uid: &str| TargetStatus { uid: uid.to_owned(), state: Some(state), effective, ..TargetStatus::default() };
        injection.status = InjectionStatus {
            state: Some(state),
            effective,
            effect_ended: over.then(|| wall.clone()),
            clean: over.then_some(wall),
            targets: injection.spec.targets.iter().map(|t| target(&t.uid)).collect(),
            ..InjectionStatus::default()
        };
        injection.resource_version = version;
        let seen = injection.clone();
        self.tell(Event::Injection(Box::new(seen)));
    }
}
