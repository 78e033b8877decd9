//! The side of an agent that speaks with the API server: the production desk, contact rules and report queue, and the
//! glue between them.
//!
//! The glue follows `agent/src/cluster/run/serve.rs` and `serve/take.rs` line by line, because there it is bound to
//! sockets and threads: when those change, this must. What is decided is decided by the production code.

use crate::agent::{Inside, Node};
use crate::api::{Answer, Kind, No, Object, Reply, Request};
use crate::controller::{LEASE, lease_key};
use crate::net::{CallId, Net, Seen};
use crate::plant::Plant;
use crate::world::{Happening, node_name, shown};
use rumpus_agent::cluster::assemble::Assigned;
use rumpus_agent::cluster::ceilings::Ceilings;
use rumpus_agent::cluster::contact::{LeaseRead, Moving};
use rumpus_agent::cluster::desk::{Act, Desk, Guard, Kept};
use rumpus_agent::cluster::halts;
use rumpus_agent::cluster::node::Node as Status;
use rumpus_agent::cluster::report::{self, Wall};
use rumpus_agent::cluster::run::reports::Reports;
use rumpus_agent::core::{Event, OpId};
use rumpus_cluster::ChaosInjection;
use rumpus_controller::cluster::core::event::Key;
use rumpus_model::engine::{Capability, Engine};
use rumpus_model::halt::Halt;
use rumpus_model::injection::{Attestation, Injection};
use rumpus_model::wire::Phase;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

mod ending;
mod reading;

/// A call's time limit: L/5.
pub(crate) const LIMIT: Duration = Duration::from_secs(3);
const HEARTBEAT: Duration = Duration::from_secs(60);
/// The ChaosNode's place among the reports; no UID is empty.
const NODE: &str = "";

/// What comes to the main loop.
#[derive(Debug)]
pub(crate) enum Note {
    Assembled(Box<Injection>, Vec<Assigned>),
    Ask { op: OpId, injection: String },
    Attested(Box<Attestation>),
    HaltAttested { halt: String },
    Swept { failed: Vec<String> },
}

/// A question on its way to the API server.
#[derive(Debug)]
enum Question {
    /// Part of a reading.
    Halts(u64),
    Lease(u64),
    Object(u64, String),
    /// The Lease alone, for a new journal.
    LeaseOnly,
    NodeReported,
    NodeRead,
    Reported {
        uid: String,
        last: bool,
    },
}

/// Everything that injections hang on, as its parts come in.
#[derive(Debug)]
struct Reading {
    at: Duration,
    /// Who asked; empty: a round.
    asks: Vec<(OpId, String)>,
    waiting: usize,
    halts: Option<Vec<Halt>>,
    lease: Option<LeaseRead>,
    objects: BTreeMap<String, Option<Option<Arc<ChaosInjection>>>>,
}

struct Clock(Duration);

impl Wall for Clock {
    fn show(&self, at: Duration) -> String {
        // For display only; in this world it is the boot clock.
        shown(at)
    }

    fn now(&self) -> String {
        shown(self.0)
    }
}

/// The main loop's state.
#[derive(Debug)]
pub(crate) struct Serve {
    place: usize,
    desk: Desk,
    node: Status,
    base: Option<String>,
    asks: Vec<(OpId, String)>,
    asking: bool,
    round: bool,
    next_round: Duration,
    moving: Moving,
    first: Moving,
    lease: Duration,
    reports: Reports,
    next_heartbeat: Duration,
    watched: BTreeMap<String, Halt>,
    read: Vec<Halt>,
    questions: BTreeMap<CallId, Question>,
    readings: BTreeMap<u64, Reading>,
    next_reading: u64,
    next_wake: Option<Duration>,
    /// What ended is not in the ChaosNode yet.
    owes_node: bool,
    stopping: Option<Duration>,
    forgetful: bool,
}

impl Serve {
    pub(crate) fn new(place: usize, boot_id: &str, kept: Kept, now: Duration) -> Self {
        let ceilings = Ceilings {
            protected: BTreeSet::from(["kube-system".to_owned()]),
            own_pod: "agent".into(),
            longest: Duration::from_secs(3600),
            most: 64,
        };
        let engines = [Engine::Nft, Engine::Netem, Engine::Signal, Engine::Cgroup];
        let engines = engines.map(|e| (e, Capability::Ready)).into();
        Self {
            place,
            desk: Desk::new(node_name(place), ceilings, kept),
            node: Status::new(boot_id.to_owned(), "sim", &engines, None),
            base: None,
            asks: Vec::new(),
            asking: false,
            round: false,
            next_round: now,
            moving: Moving::default(),
            first: Moving::default(),
            lease: LEASE,
            reports: Reports::default(),
            next_heartbeat: now,
            watched: BTreeMap::new(),
            read: Vec::new(),
            questions: BTreeMap::new(),
            readings: BTreeMap::new(),
            next_reading: 0,
            next_wake: None,
            owes_node: false,
            stopping: None,
            forgetful: false,
        }
    }

    fn call(&mut self, node: &Node, net: &mut Net, request: Request, question: Question) {
        let id = net.call(node.who(), LIMIT, request);
        self.questions.insert(id, question);
    }

    /// Does what is due, and says when to look again.
    fn due(&mut self, node: &mut Node, net: &mut Net, now: Duration) {
        if now >= self.next_heartbeat {
            self.reports.ask(NODE, true, now);
            self.next_heartbeat = now + HEARTBEAT;
        }
        self.rounds(node, net, now);
        for what in self.reports.take(now) {
            self.report(node, net, what, now);
        }
        let mut next = self.next_heartbeat;
        if !self.round && (!self.desk.live().is_empty() || self.desk.waits_for_lease()) {
            next = next.min(self.next_round);
        }
        let next = next.min(self.stopping.unwrap_or(next));
        let next = next.min(self.reports.next().unwrap_or(next)).max(now + Duration::from_millis(1));
        let at = net.now + (next - now);
        if self.next_wake.is_none_or(|wake| at < wake) {
            self.next_wake = Some(at);
            net.queue.push(at, Happening::Agent(node.who(), Inside::ServeWake));
        }
    }

    pub(crate) fn wake(&mut self, node: &mut Node, net: &mut Net, now: Duration) {
        if self.next_wake.is_none_or(|at| at <= net.now) {
            self.next_wake = None;
            self.due(node, net, now);
        }
    }

    pub(crate) fn canary(&mut self, node: &mut Node, net: &mut Net, now: Duration) {
        if net.is_cut(node.who().who) {
            return net.after(Duration::from_secs(1), Happening::Agent(node.who(), Inside::Canary));
        }
        let acts = self.desk.guarded(Guard::Proven);
        self.carry_out(node, net, acts, now);
        self.reports.ask(NODE, true, now);
        self.due(node, net, now);
    }

    /// Contact: as long as something is live, each fifth of a lease.
    fn rounds(&mut self, node: &mut Node, net: &mut Net, now: Duration) {
        let live = self.desk.live();
        if live.is_empty() {
            self.moving.end();
            self.read.clear();
        }
        if net.plant == Some(Plant::NoLease) && now >= self.next_round {
            for (injection, _) in self.desk.live() {
                node.tell(net, Event::Heard { injection, at: now });
            }
        }
        if self.round || now < self.next_round {
            return;
        }
        if !live.is_empty() {
            self.round = true;
            self.next_round = now + self.lease / 5;
            let wanted = live.into_iter().map(|(uid, name)| (uid, key(&name))).collect();
            self.read(node, net, now, wanted, Vec::new());
        } else if self.desk.waits_for_lease() {
            self.round = true;
            self.next_round = now + self.lease / 15;
            self.call(node, net, Request::Get(Kind::Lease, lease_key()), Question::LeaseOnly);
        }
    }

    fn read(
        &mut self,
        node: &Node,
        net: &mut Net,
        at: Duration,
        wanted: Vec<(String, Key)>,
        asks: Vec<(OpId, String)>,
    ) {
        self.next_reading += 1;
        let id = self.next_reading;
        let waiting = 2 + wanted.len();
        self.call(node, net, Request::List(Kind::Halt), Question::Halts(id));
        self.call(node, net, Request::Get(Kind::Lease, lease_key()), Question::Lease(id));
        for (uid, key) in wanted {
            self.call(node, net, Request::Get(Kind::Injection, key), Question::Object(id, uid));
        }
        let reading = Reading { at, asks, waiting, halts: None, lease: None, objects: BTreeMap::new() };
        self.readings.insert(id, reading);
    }

    fn report(&mut self, node: &mut Node, net: &mut Net, what: String, now: Duration) {
        let own = Key { namespace: String::new(), name: node_name(self.place) };
        if what == NODE {
            let Some(version) = self.base.take() else {
                return self.call(node, net, Request::Get(Kind::Node, own), Question::NodeRead);
            };
            let active = self.desk.live().into_iter().map(|(uid, _)| uid).collect();
            let status = Box::new(self.node.status(active, self.desk.guard(), shown(now)));
            let request = Request::NodeStatus { name: own.name, version, status };
            return self.call(node, net, request, Question::NodeReported);
        }
        let Some((name, status, last)) = self.desk.status(&what, &Clock(now)) else {
            self.reports.answered(&what, true, now);
            self.reports.forget(&what);
            return;
        };
        if last && report::tells_of_an_end(&status) {
            self.node.ended(&what, status.effect_ended.clone(), status.clean.clone());
            self.owes_node = true;
            self.reports.ask(NODE, true, now);
        }
        let request = Request::InjectionStatus { key: key(&name), uid: what.clone(), status: Box::new(status) };
        self.call(node, net, request, Question::Reported { uid: what, last });
    }

    fn carry_out(&mut self, node: &mut Node, net: &mut Net, acts: Vec<Act>, now: Duration) {
        for act in acts {
            match act {
                Act::Assemble(order) => {
                    let wait = net.decide.millis(Some(node.who().who), "assemble", 1, 30);
                    net.after(wait, Happening::Agent(node.who(), Inside::Assemble(order)));
                }
                Act::Tell(event) => node.tell(net, *event),
                Act::Report { uid, now: urgent } => self.reports.ask(&uid, urgent, now),
                Act::Reported(uid) => {
                    node.reported(&uid);
                    self.reports.forget(&uid);
                }
            }
        }
    }

    fn halts_changed(&mut self, node: &mut Node, net: &mut Net, now: Duration) {
        let unwatched = self.read.iter().filter(|h| !self.watched.contains_key(&h.id));
        let mut standing: Vec<Halt> = self.watched.values().chain(unwatched).cloned().collect();
        if net.plant == Some(Plant::HaltBlind) {
            standing.clear();
        }
        let ids = standing.iter().map(|h| h.id.clone()).collect();
        if self.node.halts_standing(&ids) {
            self.reports.ask(NODE, true, now);
        }
        if net.plant == Some(Plant::EarlyHalt) {
            for halt in &standing {
                self.node.halt_attested(&halt.id);
            }
            return self.reports.ask(NODE, true, now);
        }
        let acts = self.desk.halted(standing);
        self.carry_out(node, net, acts, now);
    }

    fn lease_read(&mut self, node: &mut Node, net: &mut Net, lease: &LeaseRead, now: Duration) {
        if self.first.noted(lease) || net.plant == Some(Plant::TrustsLease) {
            let acts = self.desk.lease_moved();
            self.carry_out(node, net, acts, now);
        }
        let wanted = lease.duration.map_or(LEASE, |d| d.min(LEASE));
        if wanted != self.lease {
            self.lease = wanted;
            node.tell(net, Event::Lease(wanted));
        }
    }

    pub(crate) fn take(&mut self, node: &mut Node, net: &mut Net, note: Note, now: Duration) {
        match note {
            Note::Attested(attestation) => {
                let acts = self.desk.attested(*attestation);
                self.carry_out(node, net, acts, now);
            }
            Note::Swept { failed } => {
                if self.node.swept(&failed) {
                    self.reports.ask(NODE, true, now);
                }
            }
            Note::HaltAttested { halt } => {
                if self.node.halt_attested(&halt) {
                    self.owes_node = true;
                    self.reports.ask(NODE, true, now);
                }
            }
            Note::Ask { op, injection } => {
                self.asks.push((op, injection));
                self.answer_asks(node, net, now);
            }
            Note::Assembled(injection, assigned) => {
                let acts = self.desk.assembled(*injection, assigned);
                self.carry_out(node, net, acts, now);
            }
        }
        self.due(node, net, now);
    }

    pub(crate) fn seen(&mut self, node: &mut Node, net: &mut Net, kind: Kind, seen: Seen, now: Duration) {
        let mut acts = Vec::new();
        match (kind, seen) {
            (Kind::Injection, Seen::Listed(all)) => {
                let own = |o: &Object| matches!(o, Object::Injection(i) if i.spec.node_name == node_name(self.place));
                let uids = all.iter().filter(|o| own(o)).map(|o| o.uid().to_owned()).collect();
                all.iter().for_each(|object| acts.extend(self.one(object, net.plant)));
                acts.extend(self.desk.listed(&uids));
            }
            (Kind::Injection, Seen::Changed(object)) => acts.extend(self.one(&object, net.plant)),
            (Kind::Injection, Seen::Gone(_)) if net.plant == Some(Plant::DeafAgent) => {}
            (Kind::Injection, Seen::Gone(object)) => acts.extend(self.desk.gone(object.uid())),
            (_, Seen::Listed(all)) => {
                let halts = all.iter().filter_map(halt).map(|h| (h.id.clone(), h));
                self.watched = halts.collect();
                self.halts_changed(node, net, now);
            }
            (_, Seen::Changed(object)) => {
                if let Some(halt) = halt(&object) {
                    self.watched.insert(halt.id.clone(), halt);
                }
                self.halts_changed(node, net, now);
            }
            (_, Seen::Gone(object)) => {
                self.watched.remove(object.uid());
                self.read.retain(|h| h.id != object.uid());
                self.halts_changed(node, net, now);
            }
        }
        self.carry_out(node, net, acts, now);
        self.due(node, net, now);
    }

    fn one(&mut self, object: &Object, plant: Option<Plant>) -> Vec<Act> {
        let Object::Injection(injection) = object else { return Vec::new() };
        if plant == Some(Plant::DeafAgent) && injection.spec.phase == Phase::Cancelled {
            return Vec::new();
        }
        if plant == Some(Plant::Amnesia) {
            let mut blank = ChaosInjection::clone(injection);
            blank.status = None;
            return self.desk.seen(&blank);
        }
        self.desk.seen(injection)
    }

    fn answer_asks(&mut self, node: &Node, net: &mut Net, now: Duration) {
        if self.asking || self.asks.is_empty() {
            return;
        }
        self.asking = true;
        let asks = std::mem::take(&mut self.asks);
        let uids: BTreeSet<&String> = asks.iter().map(|(_, uid)| uid).collect();
        let wanted = uids.into_iter().filter_map(|u| Some((u.clone(), key(self.desk.name(u)?)))).collect();
        self.read(node, net, now, wanted, asks);
    }

    pub(crate) fn answer(&mut self, node: &mut Node, net: &mut Net, id: CallId, answer: Answer, now: Duration) {
        let Some(question) = self.questions.remove(&id) else { return };
        match question {
            Question::Halts(id) => {
                let halts = many(answer).map(|all| all.iter().filter_map(halt).collect());
                self.part(node, net, id, now, |reading| reading.halts = halts);
            }
            Question::Lease(id) => {
                let lease = lease(answer);
                self.part(node, net, id, now, |reading| reading.lease = lease);
            }
            Question::Object(id, uid) => {
                let object = match answer {
                    Ok(Reply::One(object)) => {
                        if let Object::Injection(injection) = *object {
                            Some(Some(injection))
                        } else {
                            None
                        }
                    }
                    Err(No::NotFound) => Some(None),
                    Ok(Reply::Done | Reply::Many(_)) | Err(_) => None,
                };
                self.part(node, net, id, now, |reading| drop(reading.objects.insert(uid, object)));
            }
            Question::LeaseOnly => {
                self.round = false;
                if let Some(lease) = lease(answer) {
                    self.lease_read(node, net, &lease, now);
                }
            }
            Question::NodeReported => {
                self.base = version(&answer);
                let quiet = self.reports.answered(NODE, answer.is_ok(), now);
                self.owes_node = self.owes_node && !quiet;
            }
            Question::NodeRead => {
                self.base = version(&answer);
                let stored = self.base.is_some();
                if let Ok(Reply::One(object)) = answer
                    && let Object::Node(read) = *object
                {
                    let forgets = net.plant == Some(Plant::ForgetsEnded);
                    let before = read.status.clone().unwrap_or_default().ended;
                    self.node.remember(if forgets { Vec::new() } else { before });
                }
                self.reports.answered(NODE, stored, now);
                if stored {
                    self.reports.ask(NODE, true, now);
                }
            }
            Question::Reported { uid, last } => self.reported(node, net, &uid, last, &answer, now),
        }
        self.due(node, net, now);
    }

    fn reported(&mut self, node: &mut Node, net: &mut Net, uid: &str, last: bool, answer: &Answer, now: Duration) {
        let lost = net.plant == Some(Plant::LostReport) && answer.is_err();
        let nobody = lost || matches!(answer, Err(No::NotFound | No::Conflict));
        let quiet = self.reports.answered(uid, answer.is_ok() || nobody, now);
        let acts = self.desk.answered(uid, answer.is_ok(), nobody, last && quiet);
        self.carry_out(node, net, acts, now);
    }
}

fn key(name: &rumpus_agent::cluster::desk::Name) -> Key {
    Key { namespace: name.namespace.clone(), name: name.name.clone() }
}

fn halt(object: &Object) -> Option<Halt> {
    if let Object::Halt(halt) = object { Some(halts::of(&Ok((**halt).clone()))) } else { None }
}

fn version(answer: &Answer) -> Option<String> {
    let Ok(Reply::One(object)) = answer else { return None };
    object.meta().resource_version.clone()
}

fn many(answer: Answer) -> Option<Vec<Object>> {
    match answer {
        Ok(Reply::Many(all)) => Some(all),
        Ok(Reply::Done | Reply::One(_)) | Err(_) => None,
    }
}

fn lease(answer: Answer) -> Option<LeaseRead> {
    let Ok(Reply::One(object)) = answer else { return None };
    if let Object::Lease(lease) = *object { LeaseRead::of(&lease).ok() } else { None }
}
