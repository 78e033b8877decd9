//! The loop: changes in, one step, effects out. Each effect is carried out on a task of its own, under the client's
//! time limit, and comes back as an event; plans are made here, because they need the snapshot.

use super::act::{self, lease as lease_api, nodes};
use super::admission;
use super::config::Config;
use super::core::event::{Act, Command, Event, OpId, Outcome, Revised};
use super::core::lease::{self, Election, Standing};
use super::core::retry::Retry;
use super::core::{Core, Settings};
use super::gates::Asker;
use super::observe::{Change, News, Observed, SILENT, feed};
use super::seen;
use super::serve::Health;
use futures_util::stream::{BoxStream, SelectAll, StreamExt};
use rumpus_cluster::{ChaosInjection, ChaosPolicy, ChaosRun, Cluster, Query, Watching};
use rumpus_model::cluster::world::Rules;
use rumpus_model::cluster::{World, plan};
use rumpus_model::schedule::agenda::agenda;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// From the plan until everything is armed: a hundred times what it takes on a healthy cluster.
const START_WINDOW: Duration = Duration::from_secs(30);
/// How long the answer to a renewal is waited for before the Lease is given back.
const RESIGN: Duration = Duration::from_secs(1);
/// How often the admission policies are looked at.
const GUARD_EVERY: Duration = Duration::from_secs(60);
/// How often the ChaosNodes and the canary are looked at, besides at each change.
const UPKEEP_EVERY: Duration = Duration::from_secs(60);
/// The loop turns at least this often, so that its health can be judged.
const TURN: Duration = Duration::from_secs(1);
/// Longer than a watch that lives is silent.
const QUIET: Duration = Duration::from_secs(12);
/// Results that may wait; more than this many effects are never on their way.
const RESULTS: usize = 1024;

/// What ended a wait.
enum Woke {
    Stop,
    Change(Box<Ours>),
    Back(Back),
    Time,
}

/// What comes back from a task.
#[derive(Debug)]
enum Back {
    Done(OpId, &'static str, Outcome),
    Lease(lease::Event),
    Guard(Result<Vec<String>, String>),
    UpkeepDone,
}

/// Everything that the loop owns.
pub(crate) struct Driver {
    cluster: Cluster,
    instance: String,
    asker: Arc<Asker>,
    rules: Rules,
    core: Core,
    election: Election,
    standing: Standing,
    holder: Arc<lease_api::Holder>,
    built: Arc<admission::Built>,
    observed: Observed,
    /// uids of the runs, injections and policies that were told, for what a new list does not name.
    told: Told,
    health: Arc<Health>,
    results: (mpsc::Sender<Back>, mpsc::Receiver<Back>),
    guard_due: Duration,
    guard_retry: Retry,
    upkeep_due: Duration,
    upkeep_busy: bool,
    addresses_dirty: bool,
    halts_known: bool,
}

#[derive(Debug, Default)]
struct Told {
    runs: super::observe::Index,
    injections: super::observe::Index,
    policies: super::observe::Index,
}

enum Ours {
    World(Change),
    Run(super::observe::Row<ChaosRun>),
    Injection(super::observe::Row<ChaosInjection>),
    Policy(super::observe::Row<ChaosPolicy>),
}

impl Driver {
    pub(crate) fn new(
        cluster: Cluster,
        config: &Config,
        holder: lease_api::Holder,
        floor: i64,
        built: admission::Built,
        health: Arc<Health>,
    ) -> Self {
        Self {
            cluster,
            instance: config.pod_name.clone(),
            asker: Arc::new(config.asker.clone()),
            rules: config.rules(),
            core: Core::new(Settings {
                holder: config.pod_uid.clone(),
                lease: config.lease,
                start_window: START_WINDOW,
                max_duration: config.max_duration,
                pod_delete: config.pod_delete,
                pod_evict: config.pod_evict,
                calendars: config.calendars.clone(),
                rates: config.rates,
            }),
            election: Election::new(config.pod_uid.clone(), config.lease, floor),
            standing: Standing::Following,
            holder: Arc::new(holder),
            built: Arc::new(built),
            observed: Observed::new(&config.pod_namespace),
            told: Told::default(),
            health,
            results: mpsc::channel(RESULTS),
            guard_due: Duration::ZERO,
            guard_retry: Retry::default(),
            upkeep_due: Duration::ZERO,
            upkeep_busy: false,
            addresses_dirty: false,
            halts_known: false,
        }
    }

    fn watches(&self) -> SelectAll<BoxStream<'static, Ours>> {
        let close = || Watching::closely(Query::default());
        let mut all: SelectAll<BoxStream<'static, Ours>> = SelectAll::new();
        all.push(feed::changes(&self.cluster).map(Ours::World).boxed());
        all.push(feed::told::<ChaosRun>(&self.cluster, close()).map(Ours::Run).boxed());
        all.push(feed::told::<ChaosInjection>(&self.cluster, close()).map(Ours::Injection).boxed());
        all.push(feed::told::<ChaosPolicy>(&self.cluster, close()).map(Ours::Policy).boxed());
        all
    }

    /// Runs until `stop` and the grace after it are over. Nothing that is live is let go of: the Lease is given
    /// back, and agents end what nobody takes over.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>, grace: Duration) {
        let mut watches = self.watches();
        let mut stop = std::pin::pin!(stop);
        let mut end: Option<Duration> = None;
        self.elect(lease::Event::Wake);
        loop {
            let now = self.health.clock.now();
            self.health.turned.store(self.health.clock.millis(), Ordering::Relaxed);
            if end.is_some_and(|end| now.boot >= end) {
                return self.resign().await;
            }
            let wake = [self.core.wake_at(now), Some(self.election.wake_at())].into_iter().flatten().min();
            let sleep = wake.map_or(TURN, |at| at.saturating_sub(now.boot)).min(TURN);
            // Each arm only takes something out of a queue, or waits: nothing is lost where another one is quicker.
            let woke = tokio::select! {
                () = &mut stop, if end.is_none() => Woke::Stop,
                Some(change) = watches.next() => Woke::Change(Box::new(change)),
                Some(back) = self.results.1.recv() => Woke::Back(back),
                () = tokio::time::sleep(sleep) => Woke::Time,
            };
            // Who was away for long (a pause, a machine that slept) leads no more, and must know it before all else.
            self.elect(lease::Event::Wake);
            match woke {
                Woke::Stop => {
                    tracing::info!("Draining: nothing new is begun.");
                    end = Some(now.boot + grace);
                    self.step(Event::Drain);
                }
                Woke::Change(change) => self.change(*change),
                Woke::Back(back) => self.back(back),
                Woke::Time => {
                    // Of a kind that is silent nobody says when an address leaves.
                    if std::mem::take(&mut self.addresses_dirty) || self.observed.silence(now.boot) > QUIET {
                        self.step(Event::AddressesChanged);
                    }
                    self.step(Event::Wake);
                }
            }
            self.turn();
        }
    }

    /// Lets another one lead at once. What is on its way of ours fails from then on, as after any other end.
    async fn resign(mut self) {
        let until = self.health.clock.boot() + RESIGN;
        while self.election.is_busy() && self.health.clock.boot() < until {
            match tokio::time::timeout(RESIGN, self.results.1.recv()).await {
                Ok(Some(Back::Lease(event))) => drop(self.election.step(self.health.clock.boot(), event)),
                Ok(Some(Back::Done(..) | Back::Guard(_) | Back::UpkeepDone)) => {}
                Ok(None) | Err(_) => return,
            }
        }
        if let Some(command) = self.election.resign() {
            let answer = lease_api::carry_out(&self.cluster, &self.holder, command).await;
            tracing::info!(?answer, "The Lease is given back.");
        }
    }

    /// What is due by time, whatever woke the loop.
    fn turn(&mut self) {
        let now = self.health.clock.boot();
        self.elect(lease::Event::Wake);
        if now >= self.guard_due {
            self.guard_due = now + GUARD_EVERY;
            let (cluster, back, built) = (self.cluster.clone(), self.results.0.clone(), Arc::clone(&self.built));
            tokio::spawn(async move {
                let missing = admission::missing(&cluster, &built).await;
                drop(back.send(Back::Guard(missing)).await);
            });
        }
        if now >= self.upkeep_due && !self.upkeep_busy && matches!(self.standing, Standing::Leading { .. }) {
            self.keep_up(now);
        }
        let knows = self.observed.knows_halts(now);
        if knows != self.halts_known {
            // Nothing is begun while they are not known.
            self.halts_known = knows;
            self.step(Event::Halts(self.observed.halts(now)));
        }
        let view = self.core.view();
        if let Some(epoch) = self.core.overtaken() {
            self.election.raise(epoch + 1);
        }
        let silence = self.observed.silence(now);
        let why = match (view.halts, view.guard_missing, &view.ledger) {
            (None, ..) => "the Halts are not known",
            (_, None, _) => "the admission policies were not looked at",
            (Some(_), Some(_), _) if silence >= SILENT => "of some kind of object nothing is heard",
            (Some(_), Some(_), Err(_)) => "the Ledger cannot be written",
            (Some(_), Some(_), Ok(_)) => "",
        };
        why.clone_into(&mut self.health.unready.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        self.health.metrics.show(&view, silence);
    }

    fn keep_up(&mut self, now: Duration) {
        let Some((names, chaos_nodes)) = self.observed.node_names(now) else { return };
        self.upkeep_due = now + UPKEEP_EVERY;
        self.upkeep_busy = true;
        let upkeep = nodes::upkeep(&names, &chaos_nodes);
        let (cluster, back, holder) = (self.cluster.clone(), self.results.0.clone(), Arc::clone(&self.holder));
        tokio::spawn(async move {
            if upkeep != nodes::Upkeep::default() {
                nodes::keep_up(&cluster, upkeep).await;
            }
            nodes::canary(&cluster, &holder.namespace).await;
            drop(back.send(Back::UpkeepDone).await);
        });
    }

    fn elect(&mut self, event: lease::Event) {
        let command = self.election.step(self.health.clock.boot(), event);
        let standing = self.election.standing();
        if standing != self.standing {
            self.standing = standing;
            let epoch = match standing {
                Standing::Following => None,
                Standing::Leading { epoch } => Some(epoch),
            };
            tracing::info!(?epoch, "The standing changed.");
            self.step(Event::Term(epoch));
        }
        if let Some(command) = command {
            let (cluster, back, holder) = (self.cluster.clone(), self.results.0.clone(), Arc::clone(&self.holder));
            tokio::spawn(async move {
                let event = lease_api::carry_out(&cluster, &holder, command).await;
                drop(back.send(Back::Lease(event)).await);
            });
        }
    }

    fn back(&mut self, back: Back) {
        match back {
            Back::Done(op, effect, outcome) => {
                self.health.metrics.called(effect, &outcome);
                self.step(Event::Done { op, outcome });
            }
            Back::Lease(event) => self.elect(event),
            Back::Guard(missing) => {
                if missing.as_ref().is_ok_and(Vec::is_empty) {
                    self.guard_retry.succeeded();
                } else {
                    // Nothing is armed until they are seen to stand.
                    let now = self.health.clock.boot();
                    self.guard_retry.failed(now);
                    self.guard_due = self.guard_retry.wake_at(now).unwrap_or(now);
                }
                match &missing {
                    Ok(missing) if missing.is_empty() => {}
                    Ok(missing) => tracing::warn!(?missing, "Admission policies are missing: nothing is armed."),
                    Err(why) => tracing::warn!(%why, "The admission policies could not be read: nothing is armed."),
                }
                self.step(Event::Guard(missing));
            }
            Back::UpkeepDone => self.upkeep_busy = false,
        }
    }

    fn change(&mut self, change: Ours) {
        match change {
            Ours::World(change) => self.news(change),
            Ours::Run(row) => {
                let (object, gone) = self.told.runs.take(row);
                if let Some(run) = object {
                    self.step(Event::Run(Box::new(seen::run(&run))));
                }
                gone.into_iter().for_each(|uid| self.step(Event::RunGone(uid)));
            }
            Ours::Injection(row) => {
                let (object, gone) = self.told.injections.take(row);
                if let Some(injection) = object {
                    self.step(Event::Injection(Box::new(seen::injection(&injection))));
                }
                gone.into_iter().for_each(|uid| self.step(Event::InjectionGone(uid)));
            }
            Ours::Policy(row) => {
                let (object, gone) = self.told.policies.take(row);
                gone.into_iter().for_each(|uid| self.step(Event::PolicyGone(uid)));
                match object {
                    None => {}
                    Some(policy) if policy.is_ending() => self.step(Event::PolicyGone(policy.uid().to_owned())),
                    Some(policy) => self.step(Event::Policy(Box::new(seen::policy(&policy)))),
                }
            }
        }
    }

    fn news(&mut self, change: Change) {
        let now = self.health.clock.now();
        for news in self.observed.take(change, now) {
            match news {
                News::PodGone(uid) => self.step(Event::PodGone(uid)),
                News::Addresses => self.addresses_dirty = true,
                News::Halts => {
                    let halts = self.observed.halts(now.boot);
                    self.step(Event::Halts(halts));
                }
                News::ChaosNode(uid) => {
                    if let Some((node, ended)) = self.observed.ended(&uid) {
                        self.step(Event::Ended { node, injections: ended.into_iter().collect() });
                    }
                }
                News::Nodes => self.upkeep_due = Duration::ZERO,
            }
        }
    }

    fn step(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for Command { op, act } in self.core.step(self.health.clock.now(), event) {
                let effect = effect(&act);
                if let Act::WriteStatus { key, status, .. } = &act {
                    tracing::info!(namespace = %key.namespace, run = %key.name, state = ?status.state, verdict = ?status.verdict, "A run moved on.");
                    if status.verdict == Some(rumpus_model::wire::Verdict::Refused)
                        && let Some(why) = status.refusals.first()
                    {
                        self.health.metrics.refused(&why.reason);
                    }
                }
                if let Act::Plan { input, active, hits } = act {
                    let now = self.health.clock.now();
                    let world = World { hits, ..self.observed.world(&self.rules, active, now) };
                    let planned = plan::plan(&world, &input, now.wall.as_second());
                    events.push(Event::Done { op, outcome: Outcome::Planned(Box::new(planned)) });
                } else if let Act::Agenda(ask) = act {
                    let world = self.observed.world(&self.rules, Vec::new(), self.health.clock.now());
                    let told = agenda(&world, &ask);
                    if told.missed > 0 {
                        let (namespace, policy) = (&ask.namespace, &ask.policy.name);
                        tracing::warn!(%namespace, %policy, missed = told.missed, "Times passed while nobody was there.");
                    }
                    events.push(Event::Done { op, outcome: Outcome::Agenda(Box::new(told)) });
                } else if let Act::Revise { input, armed } = act {
                    let outcome = Outcome::Revised(self.revise(&input, &armed));
                    events.push(Event::Done { op, outcome });
                } else {
                    self.spawn(op, effect, act);
                }
            }
        }
    }

    fn revise(&mut self, input: &plan::RunInput, armed: &[plan::PeerEntry]) -> Revised {
        let world = self.observed.world(&self.rules, Vec::new(), self.health.clock.now());
        super::revision::revised(&world, input, armed)
    }

    fn spawn(&self, op: OpId, effect: &'static str, act: Act) {
        let (cluster, back, instance) = (self.cluster.clone(), self.results.0.clone(), self.instance.clone());
        let asker = Arc::clone(&self.asker);
        let (clock, until) = (self.health.clock, self.election.leads_until());
        tokio::spawn(async move {
            // Between the decision and this line the process may have stood still.
            let outcome = if until.is_some_and(|until| clock.boot() < until) {
                act::carry_out(&cluster, &instance, &asker, act).await
            } else {
                Outcome::Unknown { why: "the right to act has passed".into() }
            };
            if let Outcome::Unknown { why } | Outcome::Refused { why } = &outcome {
                tracing::warn!(effect, %why, "An effect has no good answer.");
            }
            drop(back.send(Back::Done(op, effect, outcome)).await);
        });
    }
}

fn effect(act: &Act) -> &'static str {
    match act {
        Act::Plan { .. } => "plan",
        Act::Revise { .. } => "revise",
        Act::Agenda(_) => "agenda",
        Act::Recover => "recover",
        Act::ListHalts => "list_halts",
        Act::ReadLedger => "read_ledger",
        Act::ReadGroups { .. } => "read_groups",
        Act::ReadPolicy(_) => "read_policy",
        Act::ReadRun(_) => "read_run",
        Act::ReadInjection(_) => "read_injection",
        Act::ReadPod(_) => "read_pod",
        Act::Review { .. } => "review",
        Act::AskGates(_) => "ask_gates",
        Act::Create(_) => "create_injection",
        Act::Begin(_) => "create_run",
        Act::DeleteRun { .. } => "delete_run",
        Act::SetPhase { .. } => "set_phase",
        Act::DeleteInjection { .. } => "delete_injection",
        Act::DeletePod(_) => "delete_pod",
        Act::EvictPod(_) => "evict_pod",
        Act::WriteLedger { .. } => "write_ledger",
        Act::WriteGroups { .. } => "write_groups",
        Act::WriteStatus { .. } => "write_status",
        Act::WritePolicyStatus { .. } => "write_policy_status",
        Act::Tell(_) => "write_event",
    }
}
