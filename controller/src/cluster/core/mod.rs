//! The controller's reconciler: `step(now, event) -> commands`, without any I/O.
//!
//! Nothing is armed before this process leads, has listed all runs and injections by quorum (what a predecessor left is
//! taken over, and counts as armed at that instant), knows which Halts stand, and has seen the admission policies. What
//! must end is ended without waiting for any of the last three. Adapters carry out and report; they decide nothing.

use event::{Act, Command, Event, InjectionSeen, Key, Now, OpId, Outcome, RunSeen, Uid};
use ledger::Ledger;
use orphan::Orphan;
use retry::Retry;
use rumpus_model::cluster::world::HaltRow;
use rumpus_model::schedule::rate::Rates;
use run::{Ctx, Run};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use timetable::Timetable;

pub mod event;
pub mod lease;
pub mod hits;
mod ledger;
pub mod no;
mod orphan;
pub(crate) mod retry;
mod run;
mod share;
mod spec;
#[cfg(test)]
mod tests;
mod timetable;
mod view;

pub use timetable::Calendars;
pub use view::View;

/// How many finished runs of one schedule are kept; runs by hand are never taken away.
const KEPT: usize = 50;

/// What the administrator fixed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who we are to the Ledger: UID of our pod.
    pub holder: String,
    /// L: how long an agent keeps a fault without contact.
    pub lease: Duration,
    /// How long it may take from the plan until everything is armed.
    pub start_window: Duration,
    /// Longest duration of a fault.
    pub max_duration: Duration,
    pub pod_delete: bool,
    pub pod_evict: bool,
    /// Days off by the names of calendars.
    pub calendars: Calendars,
    /// How many runs of schedules may begin.
    pub rates: Rates,
}

#[derive(Debug)]
enum Term {
    Following,
    /// All runs and injections are being listed.
    Recovering {
        epoch: i64,
        op: Option<OpId>,
        retry: Retry,
    },
    Leading {
        epoch: i64,
    },
}

/// The state of one controller.
#[derive(Debug)]
pub struct Core {
    settings: Settings,
    term: Term,
    draining: bool,
    ledger: Ledger,
    guard: Option<Vec<String>>,
    halts: Option<Vec<HaltRow>>,
    runs: BTreeMap<Uid, Run>,
    orphans: BTreeMap<Uid, Orphan>,
    ended: BTreeMap<String, BTreeSet<Uid>>,
    /// What the watches showed, for a take-over; an object that a list shows may be gone since.
    runs_seen: BTreeMap<Uid, RunSeen>,
    injections_seen: BTreeMap<Uid, InjectionSeen>,
    gone: BTreeSet<Uid>,
    timetable: Timetable,
    ops: BTreeMap<OpId, Uid>,
    next_op: OpId,
}

impl Core {
    pub fn new(settings: Settings) -> Self {
        Self {
            ledger: Ledger::new(settings.holder.clone(), settings.lease),
            settings,
            term: Term::Following,
            draining: false,
            guard: None,
            halts: None,
            runs: BTreeMap::new(),
            orphans: BTreeMap::new(),
            ended: BTreeMap::new(),
            runs_seen: BTreeMap::new(),
            injections_seen: BTreeMap::new(),
            gone: BTreeSet::new(),
            timetable: Timetable::default(),
            ops: BTreeMap::new(),
            next_op: 1,
        }
    }

    /// Takes one event in and says what to do.
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        match event {
            Event::Term(epoch) => self.term(epoch),
            Event::Drain => self.draining = true,
            Event::Guard(missing) => self.guard(missing),
            Event::Halts(halts) => self.halts = halts.ok(),
            Event::Run(seen) => return self.run(now, *seen),
            Event::RunGone(uid) => return self.run_gone(now, &uid),
            Event::Injection(seen) => return self.injection(now, *seen),
            Event::InjectionGone(uid) => return self.injection_gone(now, &uid),
            Event::Policy(seen) => self.timetable.policy(*seen, &self.settings.calendars),
            Event::PolicyGone(uid) => {
                self.timetable.policy_gone(&uid);
                self.runs.values_mut().filter(|r| r.is_owned_by(&uid)).for_each(Run::policy_vanished);
            }
            Event::Ended { node, injections } => {
                self.ended.insert(node, injections);
            }
            Event::PodGone(uid) => self.runs.values_mut().for_each(|r| r.pod_vanished(&uid)),
            Event::AddressesChanged => self.runs.values_mut().for_each(Run::addresses_changed),
            Event::Done { op, outcome } => self.done(now, op, outcome, &mut commands),
            Event::Wake => {}
        }
        self.recover_if_due(now, &mut commands);
        self.advance_all(now, &mut commands);
        self.keep_timetable(now, &mut commands);
        commands
    }

    /// Returns when to call `step` with [`Event::Wake`] at the latest.
    pub fn wake_at(&self, now: Now) -> Option<Duration> {
        let recovery = match &self.term {
            Term::Recovering { retry, .. } => retry.wake_at(now.boot),
            Term::Following | Term::Leading { .. } => None,
        };
        let runs = self.runs.values().filter_map(|r| r.wake_at(now, &self.settings));
        let orphans = self.orphans.values().filter_map(|o| o.wake_at(now.boot));
        let ledger = self.ledger.wake_at(now).filter(|_| self.leads());
        let timetable = self.timetable.wake_at(now).filter(|_| self.leads());
        runs.chain(orphans).chain(ledger).chain(recovery).chain(timetable).min()
    }

    fn guard(&mut self, missing: Result<Vec<String>, String>) {
        self.guard = Some(missing.unwrap_or_else(|why| vec![format!("they could not be read: {why}")]));
    }

    fn term(&mut self, epoch: Option<i64>) {
        self.ops.clear();
        self.gone.clear();
        self.ledger.begin();
        self.timetable.begin();
        self.term = match epoch {
            None => Term::Following,
            Some(epoch) => Term::Recovering { epoch, op: None, retry: Retry::default() },
        };
    }

    fn recover_if_due(&mut self, now: Now, commands: &mut Vec<Command>) {
        if let Term::Recovering { op, retry, .. } = &mut self.term
            && op.is_none()
            && retry.is_due(now.boot)
        {
            *op = Some(self.next_op);
            commands.push(Command { op: self.next_op, act: Act::Recover });
            self.next_op += 1;
        }
    }

    /// Builds everything anew from what the quorum says, and from what the watches showed meanwhile.
    fn recovered(&mut self, now: Now, epoch: i64, runs: Vec<RunSeen>, injections: Vec<InjectionSeen>) {
        for seen in runs {
            keep_newer(&mut self.runs_seen, seen.uid.clone(), seen, |r| &r.resource_version);
        }
        for seen in injections {
            keep_newer(&mut self.injections_seen, seen.uid.clone(), seen, |i| &i.resource_version);
        }
        self.runs_seen.retain(|uid, _| !self.gone.contains(uid));
        self.injections_seen.retain(|uid, _| !self.gone.contains(uid));
        let mut by_run: BTreeMap<Uid, Vec<InjectionSeen>> = BTreeMap::new();
        for seen in self.injections_seen.values() {
            by_run.entry(seen.spec.run.uid.clone()).or_default().push(seen.clone());
        }
        self.runs.clear();
        self.orphans.clear();
        for (uid, seen) in &self.runs_seen {
            let injections = by_run.remove(uid).unwrap_or_default();
            self.runs.insert(uid.clone(), Run::found(seen.clone(), injections, now, &self.settings, epoch));
        }
        for seen in by_run.into_values().flatten() {
            self.orphans.insert(seen.uid.clone(), Orphan::new(seen, now));
        }
        self.term = Term::Leading { epoch };
        self.hand_over(now);
    }

    fn run(&mut self, now: Now, seen: RunSeen) -> Vec<Command> {
        let uid = seen.uid.clone();
        keep_newer(&mut self.runs_seen, uid.clone(), seen.clone(), |r| &r.resource_version);
        if !self.leads() {
            return Vec::new();
        }
        if self.runs.contains_key(&uid) {
            return self.advance_after(now, &uid, |run| run.observe(seen));
        }
        self.runs.insert(uid.clone(), Run::new(seen));
        self.hand_over(now);
        self.advance_one(now, &uid)
    }

    fn run_gone(&mut self, now: Now, uid: &Uid) -> Vec<Command> {
        self.runs_seen.remove(uid);
        self.gone.insert(uid.clone());
        if let Some(run) = self.runs.get_mut(uid) {
            run.vanished();
        }
        self.advance_one(now, uid)
    }

    fn injection(&mut self, now: Now, seen: InjectionSeen) -> Vec<Command> {
        let (uid, run) = (seen.uid.clone(), seen.spec.run.uid.clone());
        keep_newer(&mut self.injections_seen, uid.clone(), seen.clone(), |i| &i.resource_version);
        if !self.leads() {
            return Vec::new();
        }
        if let Some(known) = self.runs.get_mut(&run) {
            known.injection(seen, now);
            return self.advance_one(now, &run);
        }
        self.orphans.entry(uid.clone()).or_insert_with(|| Orphan::new(seen.clone(), now)).observe(seen);
        self.advance_one(now, &uid)
    }

    fn injection_gone(&mut self, now: Now, uid: &Uid) -> Vec<Command> {
        self.gone.insert(uid.clone());
        self.orphans.remove(uid);
        let Some(run) = self.injections_seen.remove(uid).map(|i| i.spec.run.uid) else { return Vec::new() };
        if let Some(run) = self.runs.get_mut(&run) {
            run.injection_vanished(uid);
        }
        self.advance_one(now, &run)
    }

    fn leads(&self) -> bool {
        matches!(self.term, Term::Leading { .. })
    }

    fn done(&mut self, now: Now, op: OpId, outcome: Outcome, commands: &mut Vec<Command>) {
        if let Term::Recovering { epoch, op: asked, retry } = &mut self.term {
            if *asked != Some(op) {
                return;
            }
            *asked = None;
            let epoch = *epoch;
            if let Outcome::Recovered { runs, injections } = outcome {
                self.recovered(now, epoch, runs, injections);
            } else {
                retry.failed(now.boot);
            }
            return;
        }
        if let Term::Leading { epoch } = self.term
            && self.ledger.is_pending(op)
        {
            self.ledger.done(now, epoch, outcome);
            self.hand_over(now);
            return;
        }
        if let Term::Leading { epoch } = self.term
            && self.timetable.is_pending(op)
        {
            self.timetable.done(now, epoch, &self.settings.holder, op, outcome);
            return;
        }
        // An answer to a question of an earlier term finds nobody.
        let Some(owner) = self.ops.remove(&op) else { return };
        if let Some(orphan) = self.orphans.get_mut(&owner) {
            orphan.done(now, op, outcome);
            return;
        }
        self.with_run(now, &owner, commands, |run, ctx| run.done(ctx, op, outcome));
    }

    /// Advances one run or orphan; if that freed something that others wait for, those too.
    fn advance_one(&mut self, now: Now, uid: &Uid) -> Vec<Command> {
        self.advance_after(now, uid, |_| ())
    }

    /// The same, once the run has learnt something.
    fn advance_after(&mut self, now: Now, uid: &Uid, learn: impl FnOnce(&mut Run)) -> Vec<Command> {
        let mut commands = Vec::new();
        self.with_run(now, uid, &mut commands, |run, ctx| {
            learn(run);
            run.advance(ctx);
        });
        self.advance_orphans(now, &mut commands);
        self.keep_ledger(now, &mut commands);
        commands
    }

    fn advance_all(&mut self, now: Now, commands: &mut Vec<Command>) {
        let open: Vec<Uid> = self.runs.values().filter(|r| r.is_open(&self.ended)).map(|r| r.uid().clone()).collect();
        for uid in open {
            self.with_run(now, &uid, commands, |run, ctx| run.advance(ctx));
        }
        self.advance_orphans(now, commands);
        self.keep_ledger(now, commands);
    }

    /// Gives every run what a predecessor reserved for it.
    fn hand_over(&mut self, now: Now) {
        let known: Vec<Uid> = self.ledger.inherited().filter(|uid| self.runs.contains_key(*uid)).cloned().collect();
        for uid in known {
            if let (Some(run), Some((entry, until))) = (self.runs.get_mut(&uid), self.ledger.hand_over(&uid)) {
                if run.is_finished() {
                    self.ledger.was_hit(&entry, now.wall);
                }
                run.was_reserved(entry, until, &self.ended);
            }
        }
    }

    fn keep_ledger(&mut self, now: Now, commands: &mut Vec<Command>) {
        let Term::Leading { epoch } = self.term else { return };
        self.ledger.reap(now, &self.ended, &self.injections_seen);
        if let Some(act) = self.ledger.next(now, self.next_op, epoch) {
            commands.push(Command { op: self.next_op, act });
            self.next_op += 1;
        }
    }

    /// Begins what is due.
    fn keep_timetable(&mut self, now: Now, commands: &mut Vec<Command>) {
        let Term::Leading { epoch } = self.term else { return };
        let mut ctx = timetable::Ctx {
            now,
            settings: &self.settings,
            epoch,
            draining: self.draining,
            runs: &self.runs,
            next_op: &mut self.next_op,
            commands,
        };
        for uid in self.timetable.advance(&mut ctx) {
            if let Some(run) = self.runs.get_mut(&uid) {
                run.replaced();
            }
            self.with_run(now, &uid, commands, |run, ctx| run.advance(ctx));
        }
    }

    /// Lends a run everything that it may look at.
    fn with_run(&mut self, now: Now, uid: &Uid, commands: &mut Vec<Command>, act: impl FnOnce(&mut Run, &mut Ctx<'_>)) {
        let Term::Leading { epoch } = self.term else { return };
        let Some(mut run) = self.runs.remove(uid) else { return };
        let from = commands.len();
        let slotted = run.asks_slot().and_then(|seen| self.timetable.slotted(seen));
        let may_plan = !self.runs.values().any(Run::is_planning);
        let mut ctx = Ctx {
            now,
            settings: &self.settings,
            epoch,
            draining: self.draining,
            guard: self.guard.as_deref(),
            halts: self.halts.as_deref(),
            ledger: &mut self.ledger,
            ended: &self.ended,
            may_plan,
            slotted,
            others: &self.runs,
            next_op: &mut self.next_op,
            commands,
        };
        let before = run.has_ended();
        act(&mut run, &mut ctx);
        let ended = run.ended().filter(|_| !before);
        for command in commands.iter().skip(from) {
            self.ops.insert(command.op, uid.clone());
        }
        // A run that is gone is kept until nothing of it is waited for.
        if !run.is_gone() || run.is_open(&self.ended) {
            self.runs.insert(uid.clone(), run);
        }
        if let Some(ended) = ended {
            self.timetable.finished(&ended);
            self.keep_few(&ended, commands);
        }
    }

    /// Takes away the oldest finished runs of the schedule that began this one.
    fn keep_few(&mut self, ended: &RunSeen, commands: &mut Vec<Command>) {
        let Some(policy) = ended.owners.first() else { return };
        // One whose nodes have not attested the end is still looked after.
        let over = |run: &&Run| run.is_owned_by(policy) && !run.is_gone() && !run.is_open(&self.ended);
        let all = self.runs.values().filter(over).filter_map(Run::ended);
        let mut old: Vec<(Option<String>, Key, Uid)> = all.map(|run| (run.spec.start_by, run.key, run.uid)).collect();
        old.sort();
        let over = old.len().saturating_sub(KEPT);
        for (_, key, uid) in old.into_iter().take(over) {
            // Without an answer it is asked for again when the next one ends.
            commands.push(Command { op: self.next_op, act: Act::DeleteRun { key, uid } });
            self.next_op += 1;
        }
    }

    fn advance_orphans(&mut self, now: Now, commands: &mut Vec<Command>) {
        if !self.leads() {
            return;
        }
        for (uid, orphan) in &mut self.orphans {
            if let Some(act) = orphan.next(now, self.next_op) {
                commands.push(Command { op: self.next_op, act });
                self.ops.insert(self.next_op, uid.clone());
                self.next_op += 1;
            }
        }
    }
}

fn keep_newer<T>(map: &mut BTreeMap<Uid, T>, uid: Uid, new: T, version: impl Fn(&T) -> &String) {
    let newer = map.get(&uid).is_none_or(|old| share::is_newer(version(&new), version(old)));
    if newer {
        map.insert(uid, new);
    }
}
