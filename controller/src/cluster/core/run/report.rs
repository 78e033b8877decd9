//! What a run says of itself: its status, its story, its events. A status is written only when it says something new,
//! which is a handful of times in a run's life and never once per target.

use super::pods::{Pods, Standing};
use super::{Ctx, Run, Stage};
use crate::cluster::core::event::{Act, Now, Outcome, Telling};
use crate::cluster::core::share::is_newer;
use crate::cluster::core::spec::instant;
use rumpus_model::cluster::{ClusterPlan, written};
use rumpus_model::run::Outcome as RunOutcome;
use rumpus_model::wire::{
    ClusterExample, ClusterStatus, Condition, ConditionType, Confirmation, Happened, RunState, Truth, Verdict,
};
use std::collections::BTreeSet;

/// Most entries of a run's story: with the longest texts a status stays far below what one object may hold.
const STORY: usize = 32;
/// Entries that stay when it is full: the beginning.
const BEGINNING: usize = 8;
/// Most examples of anything.
const EXAMPLES: usize = 10;
/// The longest text that is taken over from elsewhere.
const TEXT: usize = 512;

impl Run {
    pub(super) fn note_plan(&mut self, plan: &ClusterPlan) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.status.plan = Some(written::plan(plan));
        self.status.targets = Some(count(plan.targets().count()));
    }

    /// Returns what is hit, in a few words.
    pub(super) fn summary(&self) -> String {
        let fault = self.input.as_ref().map_or("the fault", |i| i.policy.experiment.fault.name());
        let nodes = self.status.plan.as_ref().map_or(0, |p| p.nodes.len());
        let targets = self.status.targets.unwrap_or_default();
        let pods = if targets == 1 { "1 pod".to_owned() } else { format!("{targets} pods") };
        match nodes {
            0 => format!("{fault} on {pods}"),
            1 => format!("{fault} on {pods} of 1 node"),
            n => format!("{fault} on {pods} of {n} nodes"),
        }
    }

    /// Moves on; never back.
    pub(super) fn move_to(&mut self, ctx: &mut Ctx<'_>, state: RunState, what: &str) {
        if self.status.state.is_none_or(|s| s < state) {
            self.status.state = Some(state);
            self.happened(ctx.now, what);
        }
    }

    pub(super) fn happened(&mut self, now: Now, what: &str) {
        let what = what.chars().take(TEXT).collect();
        if self.status.timeline.len() >= STORY {
            self.status.timeline.remove(BEGINNING);
        }
        self.status.timeline.push(Happened { at: instant(now.wall), what });
    }

    pub(super) fn accepted(&mut self, now: Now) {
        let (truth, reason, message) = match self.status.refusals.first() {
            None => (Truth::True, "Planned".to_owned(), self.summary()),
            Some(why) => (Truth::False, why.reason.clone(), why.message.clone()),
        };
        self.condition(now, ConditionType::Accepted, truth, &reason, &message);
    }

    pub(super) fn injected(&mut self, ctx: &mut Ctx<'_>) {
        let summary = self.summary();
        self.condition(ctx.now, ConditionType::Injected, Truth::True, "InEffect", &summary);
        self.tell(ctx, "Injected", false, &format!("in effect: {summary}"));
    }

    pub(super) fn restored(&mut self, now: Now) {
        let (truth, reason) = match self.status.confirmation {
            None => return,
            Some(Confirmation::Confirmed) => (Truth::True, "Confirmed"),
            Some(Confirmation::Unconfirmed) => (Truth::Unknown, "Unconfirmed"),
        };
        let nodes = self.status.unconfirmed_nodes.iter().take(EXAMPLES).cloned().collect::<Vec<_>>().join(", ");
        let message = match truth {
            Truth::True => "every node attests the end".to_owned(),
            Truth::False | Truth::Unknown if self.reserve.missing() > 0 => {
                "of what was deleted nobody attests the end".to_owned()
            }
            Truth::False | Truth::Unknown if nodes.is_empty() => "which pods were hit is not known".to_owned(),
            Truth::False | Truth::Unknown => format!("no attestation by {nodes}"),
        };
        self.condition(now, ConditionType::Restored, truth, reason, &message);
    }

    /// Says how it ended. Nothing of the run changes any more, but for what is confirmed late.
    pub(super) fn conclude(&mut self, ctx: &mut Ctx<'_>, verdict: Verdict, word: &str, text: &str) {
        self.stage = Stage::Finished;
        self.status.verdict = Some(verdict);
        self.move_to(ctx, RunState::Finished, text);
        if let Some(effective) = self.status.effective {
            self.condition(ctx.now, ConditionType::Effective, effective, word, "measured by the agents, at the end");
        }
        self.restored(ctx.now);
        self.condition(ctx.now, ConditionType::Finished, Truth::True, word, text);
        match verdict {
            Verdict::Refused => self.tell(ctx, word, true, text),
            Verdict::NotApplicable | Verdict::Pass => self.tell(ctx, "Finished", false, text),
            Verdict::Aborted | Verdict::Fail | Verdict::Inconclusive => self.tell(ctx, "Finished", true, text),
        }
        self.late(ctx);
    }

    fn condition(&mut self, now: Now, type_: ConditionType, status: Truth, reason: &str, message: &str) {
        let found = self.status.conditions.iter().position(|c| c.type_ == type_);
        let since = found
            .and_then(|index| self.status.conditions.get(index))
            .filter(|c| c.status == status)
            .map_or_else(|| instant(now.wall), |c| c.last_transition_time.clone());
        let condition = Condition {
            type_,
            status,
            observed_generation: Some(self.seen.generation),
            last_transition_time: since,
            reason: reason.to_owned(),
            message: message.chars().take(TEXT).collect(),
        };
        match found.and_then(|index| self.status.conditions.get_mut(index)) {
            None => self.status.conditions.push(condition),
            Some(old) => *old = condition,
        }
    }

    fn tell(&mut self, ctx: &mut Ctx<'_>, reason: &str, warning: bool, message: &str) {
        let once = if reason == "Injected" { "Injected" } else { "Finished" };
        // A dry run writes nothing but its own status.
        if self.gone || !self.is_armed() || !self.told.insert(once) {
            return;
        }
        ctx.ask(Act::Tell(Box::new(Telling {
            run: self.seen.key.clone(),
            uid: self.seen.uid.clone(),
            warning,
            reason: reason.to_owned(),
            message: message.to_owned(),
        })));
    }

    pub(super) fn write_status(&mut self, ctx: &mut Ctx<'_>) {
        self.status.observed_generation = self.status.state.map(|_| self.seen.generation);
        let due = self.status_op.is_none() && self.status_retry.is_due(ctx.now.boot);
        let same = || {
            let generation = self.written.observed_generation;
            // A `stop` alone is no news: what follows from it is.
            self.written == rumpus_model::wire::RunStatus { observed_generation: generation, ..self.status.clone() }
        };
        if self.gone || !due || same() {
            return;
        }
        let key = self.seen.key.clone();
        if self.doubt {
            self.status_op = Some(ctx.ask(Act::ReadRun(key)));
            return;
        }
        let (resource_version, status) = (self.seen.resource_version.clone(), Box::new(self.status.clone()));
        self.sent = Some(status.clone());
        self.status_op = Some(ctx.ask(Act::WriteStatus { key, resource_version, status }));
    }

    pub(super) fn status_written(&mut self, now: Now, outcome: Outcome) {
        self.status_op = None;
        let sent = self.sent.take();
        match (outcome, sent) {
            (Outcome::Run(seen), _) if seen.uid != self.seen.uid => self.gone = true,
            (Outcome::Missing, _) => self.gone = true,
            (Outcome::Run(seen), Some(sent)) => {
                self.status_retry.succeeded();
                let since = is_newer(&self.seen.resource_version, &seen.resource_version);
                self.observe(*seen);
                if !since {
                    // What a server adds or leaves out is no reason to write the same once more.
                    self.written = *sent;
                }
            }
            (Outcome::Run(seen), None) => {
                self.doubt = false;
                // An answer that tells nothing new must not be asked for again at once.
                if !is_newer(&seen.resource_version, &self.seen.resource_version) {
                    self.status_retry.failed(now.boot);
                }
                self.observe(*seen);
            }
            (Outcome::Conflict, Some(_)) => self.doubt = true,
            (Outcome::Unknown { .. }, Some(_)) => {
                self.doubt = true;
                self.status_retry.failed(now.boot);
            }
            (_, _) => self.status_retry.failed(now.boot),
        }
    }
}

impl Pods {
    pub(super) fn count(&self, standing: &Standing) -> usize {
        self.tasks.iter().filter(|t| t.standing == *standing).count()
    }

    pub(super) fn any_begun(&self) -> bool {
        let skipped = self.count(&Standing::Skipped) + self.count(&Standing::Waiting);
        self.lost > 0 || skipped < self.tasks.len()
    }

    pub(super) fn unsure_nodes(&self) -> BTreeSet<String> {
        self.tasks.iter().filter(|t| t.standing == Standing::Unknown).map(|t| t.pod.node.clone()).collect()
    }

    pub(super) fn outcomes(&self) -> Vec<RunOutcome> {
        let of = |standing: &Standing| match standing {
            Standing::Done => RunOutcome::Proven,
            Standing::Refused { .. } => RunOutcome::Refused,
            Standing::Waiting
            | Standing::Going { .. }
            | Standing::Failed { .. }
            | Standing::Unknown
            | Standing::Skipped => RunOutcome::Inconclusive,
        };
        self.tasks.iter().map(|t| of(&t.standing)).collect()
    }

    /// Returns of each pod whether it is known to be gone.
    pub(super) fn truths(&self) -> impl Iterator<Item = Truth> {
        self.tasks.iter().map(|task| match task.standing {
            Standing::Done => Truth::True,
            Standing::Refused { .. } | Standing::Failed { .. } => Truth::False,
            Standing::Waiting | Standing::Going { .. } | Standing::Unknown | Standing::Skipped => Truth::Unknown,
        })
    }

    pub(super) fn summary(&self) -> Option<ClusterStatus> {
        if !self.is_any() {
            return None;
        }
        let mut status = ClusterStatus { unknown: self.lost, ..ClusterStatus::default() };
        for task in &self.tasks {
            let (count, reason, message) = match &task.standing {
                Standing::Done => (&mut status.done, None, None),
                Standing::Refused { why } => (&mut status.refused, Some("Refused"), Some(why.clone())),
                Standing::Skipped => (&mut status.refused, Some("Aborted"), None),
                Standing::Failed { why } => (&mut status.failed, Some("Failed"), Some(why.clone())),
                Standing::Waiting | Standing::Going { .. } | Standing::Unknown => {
                    (&mut status.unknown, Some("Unknown"), None)
                }
            };
            *count += 1;
            if let Some(reason) = reason.filter(|_| status.examples.len() < EXAMPLES) {
                status.examples.push(ClusterExample {
                    namespace: task.pod.namespace.clone(),
                    pod: task.pod.pod.clone(),
                    uid: task.pod.uid.clone(),
                    reason: reason.to_owned(),
                    message: message.map(|m| m.chars().take(TEXT).collect()),
                });
            }
        }
        Some(status)
    }
}
