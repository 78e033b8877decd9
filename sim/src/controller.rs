//! One controller: the production reconciler and election, each effect one request.
//!
//! What `driver.rs` and `act/` of the controller do with sockets is done here with the model of the API server; the
//! snapshot for a plan is put together in [`crate::snapshot`].

use crate::api::{Answer, Kind, No, Object, Reply, Request};
use crate::net::{CallId, Life, Net, Seen};
use crate::plant::Plant;
use crate::schedule::Who;
use crate::snapshot::Snapshot;
use crate::translate::{outcome, request, told_of_lease};
use crate::world::{Happening, wall};
use jiff::SignedDuration;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use rumpus_cluster::ChaosInjection;
use rumpus_controller::cluster::core::event::{
    Act, ClosedGate, Command, Event, HttpGate, InjectionSeen, Key, LedgerSeen, Now, OpId, Outcome, Revised, RunSeen,
};
use rumpus_controller::cluster::core::lease::{self, Election, Standing};
use rumpus_controller::cluster::core::{Core, Settings};
use rumpus_controller::cluster::{observe, seen};
use rumpus_model::cluster::world::Radius;
use rumpus_model::schedule::rate::Rates;
use rumpus_model::wire::ledger::LEDGER;
use rumpus_model::wire::{Mode, Phase};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// L.
pub const LEASE: Duration = Duration::from_secs(15);
/// As the controller's own (`LIMIT`, `TURN`, `START_WINDOW`).
const LIMIT: Duration = Duration::from_secs(5);
const TURN: Duration = Duration::from_secs(1);
/// The shortest sleep.
const SOONEST: Duration = Duration::from_millis(20);
const START_WINDOW: Duration = Duration::from_secs(30);

/// Where the controller's Lease is.
pub fn lease_key() -> Key {
    Key { namespace: "rumpus".into(), name: "rumpus-controller".into() }
}

pub(crate) fn ledger_key() -> Key {
    Key { namespace: String::new(), name: LEDGER.into() }
}

/// A question on its way.
#[derive(Debug)]
enum Asked {
    Floor,
    /// The Ledger's epoch, beside that of the injections.
    LedgerFloor(i64),
    /// `true`: a read.
    Lease(bool),
    Op(OpId),
    /// A recovery's injections; its runs are asked for next.
    Injections(OpId),
    Runs(OpId, Vec<InjectionSeen>),
}

/// A process that lives.
#[derive(Debug)]
struct Process {
    core: Core,
    election: Option<Election>,
    standing: Standing,
    asked: BTreeMap<CallId, Asked>,
    snapshot: Snapshot,
    /// By kind: uids that were told, for what a new list does not name.
    told: BTreeMap<Kind, BTreeSet<String>>,
    next_wake: Option<Duration>,
}

/// One replica.
#[derive(Debug)]
pub struct Controller {
    place: usize,
    pub life: u32,
    identity: u32,
    skew: SignedDuration,
    process: Option<Process>,
    pub paused: Option<Duration>,
}

impl Controller {
    pub fn new(place: usize, skew: SignedDuration) -> Self {
        Self { place, life: 0, identity: 0, skew, process: None, paused: None }
    }

    /// Its wall clock jumps.
    pub fn jumps(&mut self, by: SignedDuration) {
        self.skew = self.skew.saturating_add(by);
    }

    pub fn lives(&self) -> bool {
        self.process.is_some()
    }

    pub fn who(&self) -> Life {
        Life { who: Who::Controller(self.place), number: self.life }
    }

    fn now(&self, net: &Net) -> Now {
        Now { boot: net.now, wall: wall(net.now, self.skew) }
    }

    /// A process begins; `new_pod`: in a pod of its own.
    pub fn start(&mut self, net: &mut Net, new_pod: bool) {
        self.life += 1;
        self.identity += u32::from(new_pod);
        let settings = Settings {
            holder: self.identity_now(),
            lease: LEASE,
            start_window: START_WINDOW,
            max_duration: Duration::from_secs(3600),
            pod_delete: true,
            pod_evict: true,
            calendars: BTreeMap::new(),
            rates: Rates::default(),
        };
        let mut process = Process {
            core: Core::new(settings),
            election: None,
            standing: Standing::Following,
            asked: BTreeMap::new(),
            snapshot: Snapshot::new(net.budget),
            told: BTreeMap::new(),
            next_wake: None,
        };
        let life = self.who();
        net.tell(&format!("{life}: begins"));
        process.asked.insert(net.call(life, LIMIT, Request::List(Kind::Injection)), Asked::Floor);
        for kind in [Kind::Run, Kind::Injection, Kind::Halt, Kind::Node, Kind::Pod] {
            net.watch(life, kind);
        }
        if net.policies {
            net.watch(life, Kind::Policy);
        }
        self.process = Some(process);
        self.step(net, Event::Guard(Ok(Vec::new())));
    }

    /// The process dies; `resigns`: by SIGTERM, so that it gives its Lease back as its last word.
    pub fn crash(&mut self, net: &mut Net, resigns: bool) {
        let election = self.process.as_mut().and_then(|p| p.election.as_mut());
        let last = election.filter(|_| resigns).and_then(Election::resign);
        net.tell(&format!("{}: {}", self.who(), if last.is_some() { "resigns" } else { "dies" }));
        if let Some(command) = last {
            let request = self.lease_request(net, command);
            net.call(self.who(), LIMIT, request);
        }
        net.unwatch(Who::Controller(self.place));
        self.process = None;
        self.paused = None;
        self.life += 1;
    }

    /// Time has passed.
    pub fn wake(&mut self, net: &mut Net) {
        let due = |process: &mut Process| process.next_wake.take_if(|at| *at <= net.now).is_some();
        if self.process.as_mut().is_some_and(due) {
            self.elect(net, lease::Event::Wake);
            self.step(net, Event::Wake);
            self.turn(net);
        }
    }

    /// What is due by time, and when to look again.
    fn turn(&mut self, net: &mut Net) {
        self.elect(net, lease::Event::Wake);
        let now = self.now(net);
        let life = self.who();
        let Some(process) = &mut self.process else { return };
        if let (Some(epoch), Some(election)) = (process.core.overtaken(), &mut process.election) {
            election.raise(epoch + 1);
        }
        let election = process.election.as_ref().map(Election::wake_at);
        let wake = [process.core.wake_at(now), election].into_iter().flatten().min();
        // Whoever names an instant that has passed is not asked a thousand times in this one.
        let at = wake.unwrap_or(now.boot + TURN).min(now.boot + TURN).max(now.boot + SOONEST);
        if process.next_wake.is_none_or(|next| at < next) {
            process.next_wake = Some(at);
            net.queue.push(at, Happening::ControllerWake(life));
        }
    }

    fn elect(&mut self, net: &mut Net, event: lease::Event) {
        let life = self.who();
        let Some(process) = &mut self.process else { return };
        let Some(election) = &mut process.election else { return };
        let command = election.step(net.now, event);
        let standing = election.standing();
        let changed = standing != process.standing;
        if changed {
            process.standing = standing;
            let epoch = match standing {
                Standing::Leading { epoch } => Some(epoch),
                Standing::Following => None,
            };
            net.tell(&format!("{life}: term {epoch:?}"));
            net.check.leads(life, epoch);
            self.step(net, Event::Term(epoch));
        }
        let Some(command) = command else { return };
        if matches!(command, lease::Command::Replace { .. })
            && net.plant == Some(Plant::NoRenewal)
            && self.process.as_ref().is_some_and(|p| p.standing != Standing::Following)
        {
            return;
        }
        let reads = command == lease::Command::Read;
        let request = self.lease_request(net, command);
        let id = net.call(life, LIMIT, request);
        if let Some(process) = &mut self.process {
            process.asked.insert(id, Asked::Lease(reads));
        }
    }

    fn lease_request(&self, net: &Net, command: lease::Command) -> Request {
        match command {
            lease::Command::Read => Request::Get(Kind::Lease, lease_key()),
            lease::Command::Create { transitions } => {
                let key = lease_key();
                let metadata =
                    ObjectMeta { name: Some(key.name), namespace: Some(key.namespace), ..ObjectMeta::default() };
                let lease = Lease { metadata, spec: Some(self.written(net, transitions)) };
                Request::Create(Box::new(Object::Lease(Arc::new(lease))))
            }
            lease::Command::Resign { transitions, resource_version } => {
                let spec = LeaseSpec { holder_identity: None, ..self.written(net, transitions) };
                Request::Renew { key: lease_key(), version: resource_version, spec: Box::new(spec) }
            }
            lease::Command::Replace { transitions, resource_version } => Request::Renew {
                key: lease_key(),
                version: resource_version,
                spec: Box::new(self.written(net, transitions)),
            },
        }
    }

    fn written(&self, net: &Net, transitions: i64) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity_now()),
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            lease_transitions: i32::try_from(transitions).ok(),
            renew_time: Some(MicroTime(wall(net.now, self.skew))),
            ..LeaseSpec::default()
        }
    }

    fn identity_now(&self) -> String {
        format!("controller-{}-{}", self.place, self.identity)
    }

    fn step(&mut self, net: &mut Net, event: Event) {
        let (now, life) = (self.now(net), self.who());
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let Some(process) = &mut self.process else { return };
            for Command { op, act } in process.core.step(now, event) {
                let outcome = match act {
                    Act::Plan { input, active, hits } => {
                        let active = if net.plant == Some(Plant::BudgetBlind) { Vec::new() } else { active };
                        let most = net.radius.filter(|_| net.plant != Some(Plant::RadiusBlind));
                        process.snapshot.radius = Radius { pods: most, ..Radius::default() };
                        let planned = process.snapshot.plan(&input, active, hits, now.wall.as_second());
                        Outcome::Planned(Box::new(planned))
                    }
                    Act::Revise { .. } => Outcome::Revised(Revised::Keep),
                    Act::Recover if net.plant == Some(Plant::EmptyRecovery) => {
                        Outcome::Recovered { runs: Vec::new(), injections: Vec::new() }
                    }
                    Act::Recover => {
                        let id = net.call(life, LIMIT, Request::List(Kind::Injection));
                        process.asked.insert(id, Asked::Injections(op));
                        continue;
                    }
                    Act::ReadLedger if net.plant == Some(Plant::NoLedger) => Outcome::Missing,
                    Act::WriteLedger { spec, .. } if net.plant == Some(Plant::NoLedger) => {
                        Outcome::Ledger(Box::new(LedgerSeen { resource_version: op.to_string(), spec: *spec }))
                    }
                    Act::SetPhase { phase: Phase::Cancelled, .. } if net.plant == Some(Plant::NoCancel) => continue,
                    Act::Review { .. } => Outcome::Reviewed { denied: Vec::new() },
                    // No experiment of a world has a gate over the network.
                    Act::AskGates(gates) => {
                        let closed = |g: HttpGate| ClosedGate { name: g.name, why: "nobody answers here".into() };
                        Outcome::Closed(gates.into_iter().map(closed).collect())
                    }
                    Act::Agenda(ask) => Outcome::Agenda(Box::new(process.snapshot.agenda(&ask))),
                    Act::ReadGroups { .. } if net.plant == Some(Plant::NoRecords) => Outcome::Missing,
                    Act::WriteGroups { spec, .. } if net.plant == Some(Plant::NoRecords) => {
                        Outcome::Ledger(Box::new(LedgerSeen { resource_version: op.to_string(), spec: *spec }))
                    }
                    Act::WritePolicyStatus { .. } | Act::Tell(_) => Outcome::Done,
                    Act::ListHalts
                    | Act::ReadLedger
                    | Act::ReadGroups { .. }
                    | Act::ReadPolicy(_)
                    | Act::WriteGroups { .. }
                    | Act::Begin(_)
                    | Act::DeleteRun { .. }
                    | Act::WriteLedger { .. }
                    | Act::ReadRun(_)
                    | Act::ReadInjection(_)
                    | Act::ReadPod(_)
                    | Act::Create(_)
                    | Act::SetPhase { .. }
                    | Act::DeleteInjection { .. }
                    | Act::DeletePod(_)
                    | Act::EvictPod(_)
                    | Act::WriteStatus { .. } => {
                        if let Act::DeletePod(pod) | Act::EvictPod(pod) = &act {
                            net.check.wanted.insert(pod.uid.clone());
                        }
                        if let Some(request) = request(act, net.plant, op) {
                            process.asked.insert(net.call(life, LIMIT, request), Asked::Op(op));
                        }
                        continue;
                    }
                };
                events.push(Event::Done { op, outcome });
            }
        }
    }

    /// An answer, or that there is none.
    pub fn answer(&mut self, net: &mut Net, id: CallId, answer: Answer) {
        let life = self.who();
        self.elect(net, lease::Event::Wake);
        let Some(process) = &mut self.process else { return };
        let Some(asked) = process.asked.remove(&id) else { return };
        match (asked, answer) {
            (Asked::Floor, Ok(Reply::Many(all))) => {
                let epochs = all.iter().filter_map(injection).map(|i| i.spec.epoch);
                let floor = epochs.max().unwrap_or(0) + 1;
                let id = net.call(life, LIMIT, Request::Get(Kind::Ledger, ledger_key()));
                process.asked.insert(id, Asked::LedgerFloor(floor));
            }
            (Asked::LedgerFloor(floor), Ok(Reply::One(object))) => {
                let above = if let Object::Ledger(ledger) = &*object { ledger.spec.epoch + 1 } else { floor };
                self.begin(floor.max(above));
            }
            (Asked::LedgerFloor(floor), Err(No::NotFound)) => self.begin(floor),
            (Asked::Floor | Asked::LedgerFloor(_), _) => {
                let id = net.call(life, LIMIT, Request::List(Kind::Injection));
                process.asked.insert(id, Asked::Floor);
            }
            (Asked::Lease(reads), answer) => self.elect(net, told_of_lease(answer, reads)),
            (Asked::Injections(op), Ok(Reply::Many(all))) => {
                let injections = all.iter().filter_map(injection).map(|i| seen::injection(i)).collect();
                let id = net.call(life, LIMIT, Request::List(Kind::Run));
                process.asked.insert(id, Asked::Runs(op, injections));
            }
            (Asked::Runs(op, injections), Ok(Reply::Many(all))) => {
                let runs = all.iter().filter_map(run).collect();
                self.step(net, Event::Done { op, outcome: Outcome::Recovered { runs, injections } });
            }
            (Asked::Injections(op) | Asked::Runs(op, _) | Asked::Op(op), answer) => {
                self.step(net, Event::Done { op, outcome: outcome(answer) });
            }
        }
        self.turn(net);
    }

    fn begin(&mut self, floor: i64) {
        let election = Election::new(self.identity_now(), LEASE, floor);
        if let Some(process) = &mut self.process {
            process.election = Some(election);
        }
    }

    /// What a watch says.
    pub fn seen(&mut self, net: &mut Net, kind: Kind, seen: Seen) {
        self.elect(net, lease::Event::Wake);
        let mut gone = Vec::new();
        let mut changed = Vec::new();
        let Some(process) = &mut self.process else { return };
        let told = process.told.entry(kind).or_default();
        match seen {
            Seen::Listed(all) => {
                let listed: BTreeSet<String> = all.iter().map(|o| o.uid().to_owned()).collect();
                gone.extend(told.difference(&listed).cloned());
                *told = listed;
                changed = all;
            }
            Seen::Changed(_) if kind == Kind::Run && net.plant == Some(Plant::DeafRuns) => {}
            Seen::Changed(object) => {
                told.insert(object.uid().to_owned());
                changed.push(object);
            }
            Seen::Gone(object) => {
                told.remove(object.uid());
                gone.push(object.uid().to_owned());
            }
        }
        let halts_before = process.snapshot.halts.clone();
        process.snapshot.listed(kind);
        for object in changed {
            self.changed(net, object);
        }
        for uid in gone {
            self.gone(net, kind, uid);
        }
        let halts = self.process.as_ref().and_then(|p| p.snapshot.halts.clone());
        if halts_before != halts
            && let Some(halts) = halts
        {
            self.step(net, Event::Halts(Ok(halts.into_values().collect())));
        }
        self.turn(net);
    }

    fn changed(&mut self, net: &mut Net, object: Object) {
        let Some(process) = &mut self.process else { return };
        match object {
            Object::Halt(halt) => {
                let rows = process.snapshot.halts.get_or_insert_default();
                rows.insert(halt.uid().to_owned(), observe::halt(&halt));
            }
            Object::Injection(injection) => {
                self.step(net, Event::Injection(Box::new(seen::injection(&injection))));
            }
            Object::Lease(_) | Object::Ledger(_) => {}
            Object::Policy(policy) => self.step(net, Event::Policy(Box::new(seen::policy(&policy)))),
            Object::Node(node) => {
                let ended = node.status.iter().flat_map(|s| &s.ended).map(|e| e.uid.clone()).collect();
                let name = node.name().to_owned();
                process.snapshot.nodes.insert(name.clone(), node);
                self.step(net, Event::Ended { node: name, injections: ended });
            }
            Object::Pod(pod) => {
                let uid = pod.metadata.uid.clone().unwrap_or_default();
                process.snapshot.pods.insert(uid, pod);
            }
            Object::Run(run) => {
                let mut seen = seen::run(&run);
                if net.plant == Some(Plant::DryRunActs) {
                    seen.spec.mode = Some(Mode::Armed);
                }
                self.step(net, Event::Run(Box::new(seen)));
            }
        }
    }

    fn gone(&mut self, net: &mut Net, kind: Kind, uid: String) {
        let Some(process) = &mut self.process else { return };
        match kind {
            Kind::Halt => {
                process.snapshot.halts.get_or_insert_default().remove(&uid);
            }
            Kind::Injection => self.step(net, Event::InjectionGone(uid)),
            Kind::Lease | Kind::Ledger | Kind::Node => {}
            Kind::Policy => self.step(net, Event::PolicyGone(uid)),
            Kind::Pod => {
                process.snapshot.pods.remove(&uid);
                self.step(net, Event::PodGone(uid));
            }
            Kind::Run => self.step(net, Event::RunGone(uid)),
        }
    }
}

fn injection(object: &Object) -> Option<&Arc<ChaosInjection>> {
    if let Object::Injection(injection) = object { Some(injection) } else { None }
}

fn run(object: &Object) -> Option<RunSeen> {
    if let Object::Run(run) = object { Some(seen::run(run)) } else { None }
}
