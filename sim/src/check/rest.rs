//! What must hold some time after all trouble is over.

use super::{Check, FINE, MOST_WAIT, QUIET};
use crate::agent::Node;
use crate::disk;
use crate::net::Net;
use crate::users::PROBE;
use crate::world::node_name;
use rumpus_model::wire::{ConditionType, Confirmation, InjectionState, Mode, Phase, RunState, Truth};
use std::time::Duration;

/// What a run of a slot is refused for when its policy was edited while it was on its way.
const WITHDRAWN: [&str; 5] = ["OutsideWindow", "PolicyDisarmed", "PolicyMismatch", "PolicySuspended", "SlotMissed"];

impl Check {
    /// After all trouble a run on every pod is carried out.
    pub fn works(net: &mut Net) {
        let probe = net.api.runs().find(|r| r.name() == PROBE).and_then(|r| r.status.clone()).unwrap_or_default();
        let good = probe.state == Some(RunState::Finished)
            && probe.confirmation == Some(Confirmation::Confirmed)
            && probe.effective == Some(Truth::True);
        if !good {
            let why: Vec<&str> = probe.refusals.iter().map(|w| w.message.as_str()).collect();
            let mut said = format!("the last run is {:?} {:?} {why:?}", probe.state, probe.verdict);
            for target in net.api.injections().filter_map(|i| i.status.as_ref()).flat_map(|s| &s.targets) {
                if target.state == Some(InjectionState::Refused) {
                    said = format!("{said} {:?}", target.message);
                }
            }
            net.check.fail("L2", &said);
        }
    }

    /// Counts what became of everything.
    fn count_ends(net: &mut Net) {
        let mut ends = Vec::new();
        for run in net.api.runs() {
            let status = run.status.clone().unwrap_or_default();
            let done = status.conditions.iter().find(|c| c.type_ == ConditionType::Finished);
            ends.extend(done.map(|c| format!("a run ended: {}", c.reason)));
            ends.extend(status.verdict.map(|verdict| format!("a verdict: {verdict:?}")));
            ends.extend(status.confirmation.map(|said| format!("an end: {said:?}")));
        }
        let states = net.api.injections().filter_map(|i| i.status.as_ref()?.state);
        ends.extend(states.map(|state| format!("an injection: {state:?}")));
        ends.into_iter().for_each(|end| net.check.sometimes(end));
    }

    /// What must hold some time after all trouble is over.
    pub fn at_rest(net: &mut Net, nodes: &[Node]) {
        Self::count_ends(net);
        let mut broken = Vec::new();
        for run in net.api.runs() {
            let state = run.status.as_ref().and_then(|s| s.state);
            if state != Some(RunState::Finished) {
                broken.push(("L1", format!("run {} is {state:?}", run.name())));
            }
        }
        for run in net.api.runs().filter(|_| net.check.tight) {
            let done = run.status.iter().flat_map(|s| &s.conditions).find(|c| c.type_ == ConditionType::Finished);
            let invalid = net.check.invalid.contains(&format!("{}/{}", run.namespace(), run.name()));
            let excused = net.check.excused.contains(run.uid());
            let fine = |reason: &str| {
                FINE.contains(&reason) || (reason == "Invalid" && invalid) || (excused && WITHDRAWN.contains(&reason))
            };
            let bad = done.filter(|c| !fine(&c.reason));
            broken.extend(bad.map(|c| ("L5", format!("run {} ended by {}: {}", run.name(), c.reason, c.message))));
        }
        for run in net.api.runs().filter(|r| r.spec.mode != Some(Mode::Armed)) {
            if net.check.slots.values().any(|s| s.run == format!("{}/{}", run.namespace(), run.name())) {
                broken.push(("S10", format!("{} is a dry run, and was carried out", run.name())));
            }
        }
        if let Some(slot) = net.check.slots.values().find(|s| net.check.invalid.contains(&s.run)) {
            broken.push(("S11", format!("{} had to be refused, and was carried out", slot.run)));
        }
        for injection in net.api.injections() {
            let state = injection.status.as_ref().and_then(|s| s.state);
            let owed = injection.spec.phase == Phase::Armed || state.is_some();
            if owed && !state.is_some_and(|s| s.is_final()) {
                let phase = injection.spec.phase;
                broken.push(("L1", format!("injection {} is {phase:?} and {state:?}", injection.name())));
            }
        }
        if net.queue.len() > MOST_WAIT {
            broken.push(("L7", format!("{} things wait to happen at rest", net.queue.len())));
        }
        for node in nodes {
            if node.journal_size() > disk::CAPACITY * 2 {
                broken.push((
                    "L7",
                    format!("the journal of {} has {} bytes", node_name(node.place), node.journal_size()),
                ));
            }
            if !node.has_told_all() {
                broken.push(("L1", format!("{} has reports that nobody takes", node_name(node.place))));
            }
            if let Some(slot) = node.kernel.slots().next() {
                broken.push(("L1", format!("slot {slot} is left on {}", node_name(node.place))));
            }
            for network in node.kernel.networks.values() {
                if network.foreign != network.expected {
                    broken.push(("S5", format!("what others put into the network of {} changed", network.pod)));
                }
            }
        }
        let late = |at: &Duration| *at + QUIET > net.now && !net.check.short;
        if let Some((at, what)) = net.check.written.as_ref().filter(|(at, _)| late(at)) {
            broken.push(("L8", format!("at {at:?}, long after the last trouble: {what}")));
        }
        for (invariant, what) in broken {
            net.check.fail(invariant, &what);
        }
    }
}
