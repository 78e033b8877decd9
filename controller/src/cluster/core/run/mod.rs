//! One run, from what was written to its verdict.
//!
//! Level-triggered: whatever happened, [`Run::advance`] looks at everything again and asks for the next effects. What
//! has to survive a crash is in the API server: the plan's hash and nodes in the run's status, the shares as
//! injections; a run is built anew from those with [`Run::found`].
//!
//! ```text
//! New -> (policy -> account -> gates) -> plan -> dry run, refused, nothing selected: Finished
//!                                    -> armed: reserved -> Live -> all settled, or released by time: Finished
//! ```

use super::Settings;
use super::event::{Act, Command, InjectionSeen, Key, Now, OpId, Outcome, RunSeen, Uid};
use super::ledger::Ledger;
use super::no::No;
use super::retry::Retry;
use super::share::{Share, is_newer};
use super::timetable::Slotted;
use pods::Pods;
use rumpus_model::cluster::world::{HaltRow, Place, Reservation};
use rumpus_model::cluster::{PeerEntry, RunInput, Text};
use rumpus_model::schedule::agenda::run_name;
use rumpus_model::wire::{RunState, RunStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

mod begin;
mod end;
mod gates;
mod halted;
mod live;
mod pods;
mod report;
mod reserve;
mod review;
mod revise;

/// What one step may look at, and where its commands go.
pub(crate) struct Ctx<'a> {
    pub(crate) now: Now,
    pub(crate) settings: &'a Settings,
    pub(crate) epoch: i64,
    pub(crate) draining: bool,
    /// Missing admission policies; `None`: not looked at yet.
    pub(crate) guard: Option<&'a [String]>,
    /// `None`: not known, which arms nothing.
    pub(crate) halts: Option<&'a [HaltRow]>,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) ended: &'a BTreeMap<String, BTreeSet<Uid>>,
    /// No other armed run is being planned: what it will hold is not known before it is.
    pub(crate) may_plan: bool,
    /// Of a run that asks for it: whether it has the slot that it says it is of.
    pub(crate) slotted: Option<Slotted>,
    pub(crate) others: &'a BTreeMap<Uid, Run>,
    pub(crate) next_op: &'a mut OpId,
    pub(crate) commands: &'a mut Vec<Command>,
}

impl Ctx<'_> {
    /// Asks for an effect whose result is waited for.
    pub(crate) fn ask(&mut self, act: Act) -> OpId {
        let op = *self.next_op;
        *self.next_op += 1;
        self.commands.push(Command { op, act });
        op
    }

    /// Returns what everybody else holds.
    pub(crate) fn active(&self) -> Vec<Reservation> {
        self.others.values().filter_map(Run::reservation).chain(self.ledger.held()).collect()
    }

    /// Returns whether a fault may begin at this instant, as far as the controller's surroundings go.
    pub(crate) fn may_arm(&self) -> bool {
        !self.draining
            && self.guard.is_some_and(<[String]>::is_empty)
            && self.halts.is_some()
            && self.ledger.is_fenced()
    }
}

/// Why a run ends before all its shares have ended by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Deadline,
    Deleted {
        what: &'static str,
    },
    Failed(No),
    Halted {
        halt: String,
        reason: String,
    },
    /// A controller that was here before had begun to end it, or cannot be taken over from.
    Interrupted {
        what: &'static str,
    },
    Stopped,
}

#[derive(Debug)]
enum Stage {
    New,
    /// One question is on its way.
    Asking(OpId, Question),
    Live,
    Finished,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Policy,
    Account,
    Gates,
    Plan,
}

/// One run.
#[derive(Debug)]
pub(crate) struct Run {
    seen: RunSeen,
    gone: bool,
    stage: Stage,
    /// Answers so far: the policy is as it should be; its account may.
    policy_is_good: bool,
    account: Option<Key>,
    account_is_good: bool,
    /// Until when the answers of the gates count.
    gates_open_until: Option<Duration>,
    input: Option<Box<RunInput>>,
    retry: Retry,
    /// When a plan was answered for the first time.
    asked_since: Option<Duration>,
    shares: Vec<Share>,
    pods: Pods,
    peers: revise::Peers,
    /// What the fault is about, for the reservation.
    planned_peers: Vec<PeerEntry>,
    /// Whose pods it hits, for the reservation.
    planned_owners: BTreeSet<Text>,
    reserve: reserve::Reserve,
    review: review::Review,
    cause: Option<Cause>,
    /// It was finished elsewhere: what is there of it is cancelled.
    takes_back: bool,
    /// The Halt (name, reason) that ended some of its shares.
    halted_parts: Option<(String, String)>,
    /// Until when everything must be armed.
    begin_by: Duration,
    /// Until when nothing may be in effect any more, if it lasts.
    over_by: Option<Duration>,
    /// As it should be written, and as it was written last.
    status: RunStatus,
    written: RunStatus,
    sent: Option<Box<RunStatus>>,
    /// Its version may be another one by now: it is read before it is written again.
    doubt: bool,
    status_op: Option<OpId>,
    status_retry: Retry,
    told: BTreeSet<&'static str>,
}

impl Run {
    pub(crate) fn new(seen: RunSeen) -> Self {
        let status = seen.status.clone();
        let stage = if status.state == Some(RunState::Finished) { Stage::Finished } else { Stage::New };
        Self {
            seen,
            gone: false,
            stage,
            policy_is_good: false,
            account: None,
            account_is_good: false,
            gates_open_until: None,
            input: None,
            retry: Retry::default(),
            asked_since: None,
            shares: Vec::new(),
            pods: Pods::default(),
            peers: revise::Peers::default(),
            planned_peers: Vec::new(),
            planned_owners: BTreeSet::new(),
            reserve: reserve::Reserve::default(),
            review: review::Review::default(),
            cause: None,
            takes_back: false,
            halted_parts: None,
            begin_by: Duration::MAX,
            over_by: None,
            written: status.clone(),
            status,
            sent: None,
            doubt: false,
            status_op: None,
            status_retry: Retry::default(),
            told: BTreeSet::new(),
        }
    }

    pub(crate) fn uid(&self) -> &Uid {
        &self.seen.uid
    }

    pub(crate) fn key(&self) -> &Key {
        &self.seen.key
    }

    /// Returns whether a policy's schedule began it for this group, and it has not ended.
    pub(crate) fn is_of(&self, policy: &Uid, group: &str) -> bool {
        let of_group = self.seen.spec.slot.is_some() && self.seen.spec.group.as_deref().unwrap_or_default() == group;
        of_group && self.is_owned_by(policy) && !self.gone && self.state() != RunState::Finished
    }

    /// Returns whether its end is written.
    pub(crate) fn has_ended(&self) -> bool {
        self.written.state == Some(RunState::Finished)
    }

    /// Returns a run that a schedule began, as it was written last, once its end is.
    pub(crate) fn ended(&self) -> Option<RunSeen> {
        let ended = self.has_ended() && self.is_of_slot();
        ended.then(|| RunSeen { status: self.written.clone(), ..self.seen.clone() })
    }

    /// Returns whether its name is the one that only its slot's run has: a copy that somebody made is none.
    fn is_of_slot(&self) -> bool {
        let spec = &self.seen.spec;
        let (Some(slot), Some(policy)) = (&spec.slot, &spec.policy_ref) else { return false };
        let (policy, group) = (policy.name.as_deref().unwrap_or_default(), spec.group.as_deref().unwrap_or_default());
        self.seen.key.name == run_name(policy, group, slot, !self.is_armed())
    }

    /// Returns itself if it must not begin before it is written that it has its slot: one that was deleted at once may have
    /// been created anew by a request that came late.
    pub(crate) fn asks_slot(&self) -> Option<&RunSeen> {
        let asks = matches!(self.stage, Stage::New | Stage::Asking(..))
            && self.state() < RunState::Injecting
            && self.is_of_slot();
        asks.then_some(&self.seen)
    }

    /// A later run of its schedule takes its place.
    pub(crate) fn replaced(&mut self) {
        if !self.is_finished() {
            self.cause.get_or_insert(Cause::Stopped);
        }
    }

    pub(crate) fn state(&self) -> RunState {
        self.status.state.unwrap_or(RunState::Pending)
    }

    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Finished)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Returns whether it stands between the question for its plan and the answer, and would act.
    pub(crate) fn is_planning(&self) -> bool {
        matches!(self.stage, Stage::Asking(_, Question::Plan)) && self.is_armed()
    }

    pub(crate) fn is_owned_by(&self, policy: &Uid) -> bool {
        self.seen.owners.contains(policy)
    }

    pub(crate) fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// Returns whether anything is left to be done or to be waited for.
    pub(crate) fn is_open(&self, ended: &BTreeMap<String, BTreeSet<Uid>>) -> bool {
        let written = self.gone || self.status == self.written;
        !self.is_finished() || !written || self.shares.iter().any(|s| s.settled(ended.get(s.node())).is_none())
    }

    /// Takes in a newer version of its object.
    pub(crate) fn observe(&mut self, seen: RunSeen) {
        if !is_newer(&seen.resource_version, &self.seen.resource_version) {
            return;
        }
        self.doubt = false;
        self.written = seen.status.clone();
        self.seen = seen;
        if self.has_ended() && !self.is_finished() {
            self.finished_elsewhere();
        }
    }

    pub(crate) fn vanished(&mut self) {
        self.gone = true;
    }

    /// Its policy is gone: so is the reason to go on.
    pub(crate) fn policy_vanished(&mut self) {
        if !self.is_finished() {
            self.cause.get_or_insert(Cause::Deleted { what: "its policy was deleted" });
        }
    }

    /// Takes in an injection of this run.
    pub(crate) fn injection(&mut self, seen: InjectionSeen, now: Now) {
        match self.shares.iter_mut().find(|s| s.key == seen.key) {
            Some(share) => share.adopt(seen, now),
            // One that is not known here: written by a predecessor, whose answer came late.
            None => self.shares.push(Share::found(seen, now)),
        }
    }

    pub(crate) fn injection_vanished(&mut self, uid: &Uid) {
        for share in self.shares.iter_mut().filter(|s| s.seen.as_ref().is_some_and(|seen| seen.uid == *uid)) {
            share.vanished = true;
        }
    }

    pub(crate) fn pod_vanished(&mut self, uid: &Uid) {
        self.pods.vanished(uid);
    }

    pub(crate) fn addresses_changed(&mut self) {
        self.peers.changed();
    }

    /// Looks at everything again.
    pub(crate) fn advance(&mut self, ctx: &mut Ctx<'_>) {
        self.end_if_unwanted(ctx);
        match self.stage {
            Stage::New => self.begin(ctx),
            Stage::Asking(..) => {}
            Stage::Live => self.live(ctx),
            Stage::Finished => self.late(ctx),
        }
        self.write_status(ctx);
        self.release(ctx);
    }

    /// Takes in what came of a command.
    pub(crate) fn done(&mut self, ctx: &mut Ctx<'_>, op: OpId, outcome: Outcome) {
        if self.status_op == Some(op) {
            self.status_written(ctx.now, outcome);
        } else if let Stage::Asking(asked, question) = self.stage
            && asked == op
        {
            self.answered(ctx, question, outcome);
        } else if self.peers.is_asked(op) {
            self.resolved(ctx, outcome);
        } else if self.review.is_asked(op) {
            self.reviewed(ctx, outcome);
        } else if self.pods.is_asked(op) {
            self.pod_done(ctx, outcome);
        } else if let Some(share) = self.shares.iter_mut().find(|s| s.is_pending(op)) {
            share.done(ctx.now, op, outcome);
        }
        self.advance(ctx);
    }

    /// Returns what it holds, while it does.
    pub(crate) fn reservation(&self) -> Option<Reservation> {
        if !matches!(self.stage, Stage::Live) {
            return None;
        }
        let fault = self.input.as_ref().map(|i| &i.policy.experiment.fault);
        // What is known better comes later.
        let mut pods: BTreeMap<Text, Place> = self.reserve.pods().map(|uid| (uid.into(), Place::default())).collect();
        for target in self.shares.iter().flat_map(|s| &s.spec.targets) {
            let place = Place { namespace: Some(target.namespace.as_str().into()), owner: None };
            pods.insert(target.uid.as_str().into(), place);
        }
        pods.extend(self.pods.places());
        let delay = fault.and_then(|f| match f {
            rumpus_model::fault::Fault::Latency(l) => Some(rumpus_model::cluster::world::DelayScope {
                direction: l.network.direction,
                peers: self.planned_peers.clone(),
            }),
            rumpus_model::fault::Fault::Kill(_)
            | rumpus_model::fault::Fault::Loss(_)
            | rumpus_model::fault::Fault::Partition(_)
            | rumpus_model::fault::Fault::PodDelete(_)
            | rumpus_model::fault::Fault::PodEvict(_) => None,
        });
        Some(Reservation {
            run: self.seen.key.name.as_str().into(),
            run_uid: self.seen.uid.as_str().into(),
            namespace: self.seen.key.namespace.as_str().into(),
            policy_uid: self.seen.owners.first().map(|o| o.as_str().into()),
            pods,
            // What cannot be told is held to be the worse.
            takes_down: fault.is_none_or(rumpus_model::fault::Fault::takes_down),
            owners: self.reserve.owners().map(Into::into).chain(self.planned_owners.iter().cloned()).collect(),
            delay,
        })
    }

    /// Returns when to look again at the latest.
    pub(crate) fn wake_at(&self, now: Now, settings: &Settings) -> Option<Duration> {
        let shares = self.shares.iter().filter_map(|s| s.wake_at(now));
        let retries = [self.retry.wake_at(now.boot), self.status_retry.wake_at(now.boot)].into_iter().flatten();
        let timers = matches!(self.stage, Stage::Live).then(|| {
            let begin = Some(self.begin_by).filter(|at| *at != Duration::MAX);
            let releases = self.shares.iter().filter_map(|s| self.release_at(s, settings));
            let asked = [self.pods.wake_at(now.boot), self.peers.wake_at(now.boot), self.review.wake_at(now.boot)];
            let own = [begin, self.over_by, self.reserve.until()].into_iter().chain(asked);
            own.flatten().chain(releases).filter(|at| *at > now.boot).min()
        });
        shares.chain(retries).chain(timers.flatten()).min()
    }
}
