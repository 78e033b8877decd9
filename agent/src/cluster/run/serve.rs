//! The main loop: one note after another, and what is due in between.

use super::Config;
use super::notes::{Ask, Note};
use super::reading::{self, Reading};
use super::reports::Reports;
use super::wall::Clock;
use crate::cluster::canary::{self, Canary};
use crate::cluster::contact::{self, LeaseRead, Moving};
use crate::cluster::desk::{Act, Desk, Guard};
use crate::cluster::diary::Told;
use crate::cluster::node::Node;
use crate::cluster::report::{self, Wall};
use crate::cluster::{assemble::Finder, order::Order, ready};
use crate::core::Event;
use crate::driver::Agent;
use crate::kernel::timer::boottime;
use crate::resolve::chain;
use futures_util::StreamExt;
use rumpus_cluster::{AGENT, ChaosHalt, ChaosInjection, ChaosNode, Cluster, Error, Only, Query, Watching};
use rumpus_model::halt::Halt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

mod take;

/// A heartbeat of the ChaosNode is written at least so often.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// How old the reconciler's last round may be: it goes round each 5 s.
const PULSE: Duration = Duration::from_secs(10);
/// How long an agent that is stopped waits for its last reports to be stored.
const LAST_REPORTS: Duration = Duration::from_secs(40);
/// The ChaosNode's place among the reports; no UID is empty.
const NODE: &str = "";

pub(super) struct Serve {
    config: Config,
    cluster: Cluster,
    agent: Agent,
    desk: Desk,
    node: Node,
    /// The version of the ChaosNode that was read or written last. Without one it is read first: a report would wipe out
    /// what a predecessor attested, or what we did before a write of ours came late.
    base: Option<String>,
    /// The end of an injection or of all in a Halt's scope is not in the ChaosNode yet.
    owes_node: bool,
    finder: Arc<dyn Finder>,
    told: Told,
    notes: UnboundedSender<Note>,
    asks: Vec<Ask>,
    asking: bool,
    /// A round of contact reads is in flight.
    round: bool,
    next_round: Duration,
    moving: Moving,
    /// Whether the Lease moves since this agent started.
    first: Moving,
    /// L as the controller wants it, and the flag at most.
    lease: Duration,
    reports: Reports,
    next_heartbeat: Duration,
    next_ready: Duration,
    canary: Canary,
    next_canary: Duration,
    trying: bool,
    /// Halts as the watch shows them, and as the last round read them: one that either shows stands.
    watched: BTreeMap<String, Halt>,
    read: Vec<Halt>,
    /// While a list of the watch comes in.
    listing: Option<BTreeSet<String>>,
    listing_halts: Option<BTreeSet<String>>,
    stopping: Option<Duration>,
}

impl Serve {
    #[expect(clippy::too_many_arguments, reason = "the parts of one agent, put together in one place")]
    pub(super) fn new(
        config: Config,
        cluster: Cluster,
        agent: Agent,
        desk: Desk,
        node: Node,
        finder: Arc<dyn Finder>,
        told: Told,
        notes: UnboundedSender<Note>,
    ) -> Self {
        let now = boottime();
        Self {
            lease: config.lease,
            config,
            cluster,
            agent,
            desk,
            node,
            base: None,
            owes_node: false,
            finder,
            told,
            notes,
            asks: Vec::new(),
            asking: false,
            round: false,
            next_round: now,
            moving: Moving::default(),
            first: Moving::default(),
            reports: Reports::default(),
            next_heartbeat: now,
            next_ready: now,
            canary: Canary::default(),
            next_canary: now,
            trying: false,
            watched: BTreeMap::new(),
            read: Vec::new(),
            listing: None,
            listing_halts: None,
            stopping: None,
        }
    }

    /// Runs until it was stopped and has nothing left to do. Returns whether everything was reported.
    pub(super) async fn until_stopped(mut self, mut queue: UnboundedReceiver<Note>) -> (Agent, bool) {
        self.watch();
        loop {
            let now = boottime();
            self.due(now);
            if let Some(latest) = self.stopping
                && (self.has_told_all() || now >= latest)
            {
                drop(ready::clear(&self.config.run_dir));
                let all = self.has_told_all();
                return (self.agent, all);
            }
            let sleep = self.next(now).saturating_sub(boottime());
            match tokio::time::timeout(sleep, queue.recv()).await {
                Ok(Some(note)) => self.take(note, boottime()),
                Ok(None) => return (self.agent, false),
                Err(_elapsed) => {}
            }
        }
    }

    /// Nothing is live, and both the injections and the ChaosNode say so: once an injection is deleted, its end is to be
    /// found in the ChaosNode only.
    fn has_told_all(&self) -> bool {
        self.desk.is_empty() && !self.owes_node
    }

    fn watch(&self) {
        let fields = Some(format!("spec.nodeName={}", self.config.node));
        let own = Watching::closely(Query { fields, ..Query::default() });
        let mut injections = self.cluster.watch::<ChaosInjection>("", own);
        let mut halts = self.cluster.watch::<ChaosHalt>("", Watching::closely(Query::default()));
        let (to, and_to) = (self.notes.clone(), self.notes.clone());
        tokio::spawn(async move {
            while let Some(seen) = injections.next().await {
                drop(to.send(Note::Injection(Box::new(seen))));
            }
        });
        tokio::spawn(async move {
            while let Some(seen) = halts.next().await {
                drop(and_to.send(Note::Halt(Box::new(seen))));
            }
        });
    }

    fn next(&self, now: Duration) -> Duration {
        let mut next = self.next_ready.min(self.next_heartbeat);
        if !self.trying {
            next = next.min(self.next_canary);
        }
        if !self.round && (!self.desk.live().is_empty() || self.desk.waits_for_lease()) {
            next = next.min(self.next_round);
        }
        next.min(self.reports.next().unwrap_or(next)).min(self.stopping.unwrap_or(next)).max(now)
    }

    /// Does whatever is due.
    fn due(&mut self, now: Duration) {
        if now >= self.next_heartbeat {
            self.reports.ask(NODE, true, now);
            self.next_heartbeat = now.saturating_add(HEARTBEAT);
        }
        if now >= self.next_ready {
            self.next_ready = now.saturating_add(self.lease / 5);
            self.say_ready(now);
        }
        if now >= self.next_canary && !self.trying {
            self.trying = true;
            let (cluster, namespace) = (self.cluster.clone(), self.config.namespace.clone());
            self.spawn(async move { Note::Canary(canary::attempt(&cluster, &namespace).await) });
        }
        self.rounds(now);
        for what in self.reports.take(now) {
            self.report(what, now);
        }
    }

    fn say_ready(&self, now: Duration) {
        let lively = now.saturating_sub(self.agent.pulse()) < PULSE;
        let good = lively && *self.desk.guard() == Guard::Proven && self.stopping.is_none();
        let dir = &self.config.run_dir;
        let said = if good { ready::write(dir, now) } else { ready::clear(dir) };
        if let Err(error) = said {
            tracing::warn!(%error, "the readiness file cannot be kept");
        }
    }

    /// Contact: as long as something is live, each fifth of a lease.
    fn rounds(&mut self, now: Duration) {
        let live = self.desk.live();
        if live.is_empty() {
            self.moving.end();
            // What a round read last is not looked at again: the watch alone says what stands.
            self.read.clear();
        }
        if self.round || now < self.next_round {
            return;
        }
        if !live.is_empty() {
            self.round = true;
            self.next_round = now.saturating_add(self.lease / 5);
            let reading = reading::read(self.cluster.clone(), self.config.namespace.clone(), live);
            self.spawn(async move { Note::Round(Box::new(reading.await)) });
        } else if self.desk.waits_for_lease() {
            self.round = true;
            self.next_round = now.saturating_add(self.lease / 15);
            let (cluster, namespace) = (self.cluster.clone(), self.config.namespace.clone());
            self.spawn(async move { Note::Lease(reading::lease(&cluster, &namespace).await) });
        }
    }

    fn report(&mut self, what: String, now: Duration) {
        let cluster = self.cluster.clone();
        if what == NODE {
            let Some(base) = self.base.take() else {
                let name = self.config.node.clone();
                self.spawn(async move {
                    match cluster.get::<ChaosNode>("", &name).await {
                        Ok(node) => Note::NodeRead {
                            version: node.metadata.resource_version,
                            ended: node.status.map_or_else(Vec::new, |status| status.ended),
                        },
                        Err(error) => Note::NodeReported(Err(error)),
                    }
                });
                return;
            };
            let active = self.desk.live().into_iter().map(|(uid, _)| uid).collect();
            let status = self.node.status(active, self.desk.guard(), Clock.now());
            let name = self.config.node.clone();
            self.spawn(async move {
                let answer = cluster.apply_status::<ChaosNode>(AGENT, "", &name, Only::Version(&base), &status).await;
                Note::NodeReported(answer.map(|node| node.metadata.resource_version))
            });
            return;
        }
        let Some((name, status, last)) = self.desk.status(&what, &Clock) else {
            self.reports.answered(&what, true, now);
            self.reports.forget(&what);
            return;
        };
        if last && report::tells_of_an_end(&status) {
            self.node.ended(&what, status.effect_ended.clone(), status.clean.clone());
            self.owes_node = true;
            self.reports.ask(NODE, true, now);
        }
        self.spawn(async move {
            let uid = what;
            let stored =
                cluster.apply_status::<ChaosInjection>(AGENT, &name.namespace, &name.name, Only::Uid(&uid), &status);
            let answer = stored.await.map(drop);
            Note::Reported { uid, last, answer }
        });
    }

    fn spawn(&self, act: impl Future<Output = Note> + Send + 'static) {
        let notes = self.notes.clone();
        tokio::spawn(async move { drop(notes.send(act.await)) });
    }

    fn carry_out(&mut self, acts: Vec<Act>, now: Duration) {
        for act in acts {
            match act {
                Act::Assemble(order) => self.assemble(*order),
                Act::Tell(event) => self.agent.tell(*event),
                Act::Report { uid, now: urgent } => self.reports.ask(&uid, urgent, now),
                Act::Reported(uid) => {
                    self.told.reported(&uid);
                    self.reports.forget(&uid);
                }
            }
        }
    }

    /// Looks targets up on a thread of its own: it reads /proc and asks name servers.
    fn assemble(&self, order: Order) {
        let (finder, notes) = (Arc::clone(&self.finder), self.notes.clone());
        tokio::task::spawn_blocking(move || {
            let (injection, assigned) = finder.assemble(&order);
            drop(notes.send(Note::Assembled(Box::new(injection), assigned)));
        });
    }

    /// What stands by either sight.
    fn standing(&self) -> Vec<Halt> {
        let unwatched = self.read.iter().filter(|h| !self.watched.contains_key(&h.id));
        self.watched.values().chain(unwatched).cloned().collect()
    }

    fn halts_changed(&mut self, now: Duration) {
        let standing = self.standing();
        let ids = standing.iter().map(|h| h.id.clone()).collect();
        if self.node.halts_standing(&ids) {
            self.reports.ask(NODE, true, now);
        }
        let acts = self.desk.halted(standing);
        self.carry_out(acts, now);
    }

    fn lease_read(&mut self, lease: &LeaseRead, now: Duration) {
        self.told.now(lease.renewed / 1_000_000);
        if self.first.noted(lease) {
            let acts = self.desk.lease_moved();
            self.carry_out(acts, now);
        }
        let wanted = lease.duration.map_or(self.config.lease, |d| d.min(self.config.lease));
        if wanted != self.lease {
            tracing::info!(lease = ?wanted, "the controller wants another lease");
            self.lease = wanted;
            self.agent.tell(Event::Lease(wanted));
        }
    }
}
