//! From what was written to a plan: parsed, its policy and account asked for, planned, and then either told or begun.

use super::{Cause, Ctx, Question, Run, Stage};
use crate::cluster::core::Settings;
use crate::cluster::core::event::{Act, Key, Outcome, PolicySeen, RunSeen};
use crate::cluster::core::no::No;
use crate::cluster::core::share::{Share, same};
use crate::cluster::core::spec;
use crate::cluster::core::timetable::{Slotted, Withdrawn, withdrawn};
use rumpus_model::cluster::refusal::ClusterRefusal;
use rumpus_model::cluster::{ClusterPlan, RunInput};
use rumpus_model::duration;
use rumpus_model::fault::Fault;
use rumpus_model::policy::{Policy, Site};
use rumpus_model::refusal::Refusal;
use rumpus_model::wire::{API_VERSION, Metadata, Mode, Object, RUN_KIND, RunState};
use std::collections::BTreeSet;

impl Run {
    pub(super) fn is_armed(&self) -> bool {
        self.seen.spec.mode == Some(Mode::Armed)
    }

    pub(super) fn begin(&mut self, ctx: &mut Ctx<'_>) {
        let unwanted = self.gone || self.cause.is_some();
        // What a predecessor began is not judged before it is known what it had reserved; what is there is ended at once.
        let waits = self.state() >= RunState::Injecting && !ctx.ledger.is_fenced();
        if waits && (self.shares.is_empty() || !unwanted) {
            return;
        }
        if unwanted {
            self.finish_unbegun(ctx);
            return;
        }
        if !self.retry.is_due(ctx.now.boot) {
            return;
        }
        if self.input.is_none() {
            match input(&self.seen) {
                Ok(input) => {
                    let nos = off(&input, ctx.settings);
                    self.input = Some(Box::new(input));
                    if !nos.is_empty() {
                        return self.refuse(ctx, nos);
                    }
                }
                Err(nos) => return self.refuse(ctx, nos),
            }
        }
        if self.is_armed() && ctx.draining {
            return;
        }
        let policy = self.seen.spec.policy_ref.clone();
        if let Some(reference) = policy.filter(|_| !self.policy_is_good) {
            let uid = reference.uid.unwrap_or_default();
            let name = reference.name.unwrap_or_default();
            if uid.is_empty() || !self.seen.owners.contains(&uid) {
                return self.refuse(ctx, vec![No::OwnerMissing { policy: name }]);
            }
            let key = Key { namespace: self.seen.key.namespace.clone(), name };
            return self.question(ctx, Question::Policy, Act::ReadPolicy(key));
        }
        if let Some(account) = self.account.clone().filter(|_| !self.account_is_good) {
            let namespaces = self.namespaces();
            return self.question(ctx, Question::Account, Act::Review { account, namespaces });
        }
        match ctx.slotted {
            Some(Slotted::Anothers) => {
                let slot = self.seen.spec.slot.clone().unwrap_or_default();
                self.refuse(ctx, vec![No::SlotTaken { slot }]);
            }
            Some(Slotted::Waits) => {}
            None if self.asks_slot().is_some() => {}
            Some(Slotted::Ours) | None => self.ask_for_plan(ctx),
        }
    }

    fn ask_for_plan(&mut self, ctx: &mut Ctx<'_>) {
        let Some(input) = self.input.clone() else { return };
        if self.is_armed() {
            match ctx.guard {
                None => return,
                Some([]) => {}
                Some(missing) => {
                    return self.refuse(ctx, vec![No::AdmissionGuardMissing { missing: missing.to_vec() }]);
                }
            }
            // Unknown means no; it is waited for, because at start it is not known for a moment.
            if ctx.halts.is_none() || !ctx.may_plan || !ctx.ledger.is_fenced() {
                return;
            }
            // It was in effect, and what is missing of it is not even in the Ledger any more.
            if self.state() > RunState::Injecting {
                self.cause = Some(Cause::Interrupted { what: "injections of it were deleted" });
                return self.finish_unbegun(ctx);
            }
        }
        if self.asks_gates(ctx) {
            return;
        }
        let active = ctx.active();
        self.review.counts(ctx.ledger.told());
        let hits = ctx.ledger.hits();
        self.question(ctx, Question::Plan, Act::Plan { input, active, hits });
    }

    pub(super) fn question(&mut self, ctx: &mut Ctx<'_>, question: Question, act: Act) {
        let op = ctx.ask(act);
        self.stage = Stage::Asking(op, question);
    }

    pub(super) fn answered(&mut self, ctx: &mut Ctx<'_>, question: Question, outcome: Outcome) {
        self.stage = Stage::New;
        match (question, outcome) {
            (Question::Policy, Outcome::Policy(policy)) => {
                self.retry.succeeded();
                let name = self.policy_name();
                let uid = self.seen.spec.policy_ref.as_ref().and_then(|p| p.uid.clone());
                if uid.as_ref() != Some(&policy.uid) || policy.deleting {
                    return self.refuse(ctx, vec![No::PolicyMissing { policy: name }]);
                }
                if policy.spec.experiment != self.seen.spec.experiment {
                    return self.refuse(ctx, vec![No::PolicyMismatch { policy: name }]);
                }
                let own = BTreeSet::from([self.seen.key.namespace.clone()]);
                let leaves = self.namespaces().is_none_or(|n| n != own);
                if leaves && policy.spec.service_account_name.is_none() {
                    return self.refuse(ctx, vec![No::AccountMissing { policy: name }]);
                }
                if let Some(no) = self.withdrawn(ctx, &policy) {
                    return self.refuse(ctx, vec![no]);
                }
                self.policy_is_good = true;
                let namespace = self.seen.key.namespace.clone();
                self.account = policy.spec.service_account_name.map(|name| Key { namespace, name });
            }
            (Question::Policy, Outcome::Missing) => {
                let policy = self.policy_name();
                self.refuse(ctx, vec![No::PolicyMissing { policy }]);
            }
            (Question::Account, Outcome::Reviewed { denied }) => {
                self.retry.succeeded();
                self.account_is_good = denied.is_empty();
                if !denied.is_empty() {
                    let account = self.account.clone().map(|a| a.name).unwrap_or_default();
                    self.refuse(ctx, vec![No::AccountDenied { account, namespaces: denied }]);
                }
            }
            (Question::Gates, Outcome::Closed(closed)) => self.gates_answered(ctx, closed),
            (Question::Plan, Outcome::Planned(plan)) if self.looks_behind(ctx, &plan) => {
                self.retry.failed(ctx.now.boot)
            }
            (Question::Plan, Outcome::Planned(plan)) => {
                self.retry.succeeded();
                self.planned(ctx, *plan);
            }
            (Question::Policy | Question::Account | Question::Gates | Question::Plan, _) => {
                self.retry.failed(ctx.now.boot)
            }
        }
    }

    /// Returns why a run that a schedule began does not begin after all, as its policy and the time are now.
    fn withdrawn(&self, ctx: &Ctx<'_>, policy: &PolicySeen) -> Option<No> {
        self.seen.spec.slot.as_ref()?;
        // What was accepted in time, and written so, goes on: an edit is about the next slot.
        if self.state() >= RunState::Injecting {
            return None;
        }
        let (name, now) = (self.policy_name(), ctx.now.wall);
        let until = self.seen.spec.start_by.as_deref().and_then(|text| text.parse().ok());
        if until.is_none_or(|until| now > until) {
            let until = self.seen.spec.start_by.clone().unwrap_or_default();
            return Some(No::SlotMissed { until });
        }
        match withdrawn(policy, &ctx.settings.calendars, self.is_armed(), now)? {
            Withdrawn::Invalid(why) => Some(No::PolicyInvalid { policy: name, why }),
            Withdrawn::Suspended => Some(No::PolicySuspended { policy: name }),
            Withdrawn::Disarmed => Some(No::PolicyDisarmed { policy: name }),
            Withdrawn::OutsideWindow => Some(No::OutsideWindow { now: now.to_string() }),
        }
    }

    /// Whether the plan was made of a view that may be behind, for which a run waits a while.
    fn looks_behind(&mut self, ctx: &Ctx<'_>, plan: &ClusterPlan) -> bool {
        let behind = is_behind(plan, &self.seen.key.namespace);
        let since = *self.asked_since.get_or_insert(ctx.now.boot);
        behind && ctx.now.boot < since + ctx.settings.lease.saturating_mul(2)
    }

    fn planned(&mut self, ctx: &mut Ctx<'_>, plan: ClusterPlan) {
        let begun = self.written.plan.as_ref().map(|p| p.hash.clone());
        self.note_plan(&plan);
        self.planned_peers.clone_from(&plan.peers);
        // Many pods, few owners: each is named once.
        let mut owners = BTreeSet::new();
        for target in plan.targets() {
            if owners.insert((target.owner.as_deref(), target.namespace.as_str())) {
                self.planned_owners.extend(target.owner_name().map(Into::into));
            }
        }
        let moves = self.input.as_ref().is_some_and(|i| spec::peers_move(&self.seen, &i.policy.experiment));
        self.peers.planned(moves, plan.follow);
        let mut nos: Vec<No> = plan.refusals.iter().cloned().map(No::Model).collect();
        let pods = plan.targets().count();
        if nos.is_empty() && self.is_armed() && !ctx.ledger.has_room(pods) {
            nos.push(No::LedgerFull { pods });
        }
        // Halted while the question was on its way, or not wanted any more.
        self.end_if_unwanted(ctx);
        if self.cause.is_some() {
            return self.finish_unbegun(ctx);
        }
        if !nos.is_empty() || plan.targets().next().is_none() || !self.is_armed() {
            if !self.shares.is_empty() {
                self.cause = Some(Cause::Failed(No::PlanChanged));
                self.stage = Stage::Live;
                return;
            }
            return self.finish_planned(ctx, nos);
        }
        if begun.is_some_and(|b| b != plan.hash) {
            self.cause = Some(Cause::Failed(No::PlanChanged));
        }
        let lasts = plan.duration.unwrap_or_default();
        self.begin_by = ctx.now.boot + ctx.settings.start_window;
        let window = ctx.settings.start_window + lasts;
        self.over_by = plan.duration.map(|_| ctx.now.boot + window);
        let not_after = spec::after(ctx.now.wall, window);
        self.status.not_after = Some(spec::instant(not_after));
        for (key, wanted) in spec::specs(&self.seen, &plan, ctx.epoch, not_after) {
            match self.shares.iter().find(|s| s.key == key) {
                None => self.shares.push(Share::new(key, wanted)),
                Some(found) if same(&found.spec, &wanted) => {}
                Some(_) => self.cause = Some(Cause::Failed(No::PlanChanged)),
            }
        }
        self.pods.planned(&plan);
        self.stage = Stage::Live;
        self.move_to(ctx, RunState::Injecting, &format!("{} planned, to be carried out", self.summary()));
        self.accepted(ctx.now);
        self.live(ctx);
    }

    fn policy_name(&self) -> String {
        self.seen.spec.policy_ref.as_ref().and_then(|p| p.name.clone()).unwrap_or_default()
    }

    /// Returns the namespaces that the experiment names, as targets or as peers; `None` is all of them.
    fn namespaces(&self) -> Option<BTreeSet<String>> {
        let pods = self.seen.spec.experiment.as_ref()?.targets.as_ref()?.pods.as_ref()?;
        if pods.all_namespaces == Some(true) {
            return None;
        }
        let own = vec![self.seen.key.namespace.clone()];
        let mut names: BTreeSet<String> = pods.namespaces.clone().unwrap_or(own).into_iter().collect();
        names.extend(spec::peer_namespaces(&self.seen));
        Some(names)
    }
}

/// Returns whether a view that may be behind refuses: a kind that was not listed or not heard of, or the run's own
/// namespace missing, which it cannot be.
pub(super) fn is_behind(plan: &ClusterPlan, own: &str) -> bool {
    plan.refusals.iter().any(|refusal| {
        matches!(refusal, Refusal::Cluster(ClusterRefusal::ListUnknown { .. }))
            || matches!(refusal, Refusal::Cluster(ClusterRefusal::NamespaceMissing { namespace }) if namespace == own)
    })
}

/// Returns what the administrator does not allow of it.
fn off(input: &RunInput, settings: &Settings) -> Vec<No> {
    let experiment = &input.policy.experiment;
    let fault = match &experiment.fault {
        Fault::PodDelete(_) => settings.pod_delete,
        Fault::PodEvict(_) => settings.pod_evict,
        Fault::Kill(_) | Fault::Latency(_) | Fault::Loss(_) | Fault::Partition(_) => true,
    };
    let most = settings.max_duration;
    let long = experiment.duration.filter(|d| *d > most).map(|_| No::TooLong { most: duration::show(most) });
    let off = (!fault).then(|| No::FaultOff { fault: experiment.fault.name().to_owned() });
    long.into_iter().chain(off).collect()
}

/// Parses a run.
pub(super) fn input(seen: &RunSeen) -> Result<RunInput, Vec<No>> {
    let written = Object {
        api_version: Some(API_VERSION.into()),
        kind: Some(RUN_KIND.into()),
        metadata: Some(Metadata {
            name: Some(seen.key.name.clone()),
            namespace: Some(seen.key.namespace.clone()),
            ..Metadata::default()
        }),
        // A run that was stopped before it was seen ends; it is not a mistake in its file.
        spec: Some(rumpus_model::wire::RunSpec { stop: None, ..seen.spec.clone() }),
    };
    let policy = Policy::from_run(&written, Site::Cluster).map_err(|problems| {
        let no = |p: rumpus_model::policy::Problem| No::Invalid { path: p.path, what: p.what, hint: p.hint };
        problems.into_iter().map(no).collect::<Vec<_>>()
    })?;
    // Without one its own uid is as good: it stands in the status, and gives the same plan again.
    let seed = policy.seed.clone().unwrap_or_else(|| seen.uid.clone());
    // From here on it is about the fault that is done, and not about the others of the list.
    let policy = policy.settled(&seed).into_owned();
    Ok(RunInput {
        namespace: seen.key.namespace.clone(),
        name: seen.key.name.clone(),
        run_uid: seen.uid.clone(),
        seed,
        policy_uid: seen.owners.first().cloned(),
        policy,
    })
}
