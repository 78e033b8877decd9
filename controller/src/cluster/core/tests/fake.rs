//! An API server, two agents and a planner, as far as the core needs them; every answer can be made to go wrong.

use crate::cluster::core::event::{
    Act, ClosedGate, Command, Event, InjectionSeen, Key, LedgerSeen, Now, Outcome, PolicySeen, Revised, RunSeen,
};
use crate::cluster::core::{Core, Settings};
use jiff::Timestamp;
use rumpus_model::cluster::plan::PodTarget;
use rumpus_model::cluster::refusal::ClusterRefusal;
use rumpus_model::cluster::world::{HaltRow, HaltScope, Reservation, Rules};
use rumpus_model::cluster::{ClusterPlan, NodeShare, PeerEntry, RunInput};
use rumpus_model::engine::Engine;
use rumpus_model::refusal::Refusal;
use rumpus_model::schedule::rate::Rates;
use rumpus_model::wire::{Phase, PolicyStatus, RunSpec, RunState, RunStatus};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub(super) const L: Duration = Duration::from_secs(15);

/// How an answer goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Busy,
    Conflict,
    Refused,
    /// No answer, and nothing was done.
    Lost,
    /// No answer, and it was done.
    Unseen,
    /// No answer, and it is done when so many effects were carried out.
    Late(usize),
}

pub(super) struct Fake {
    pub(super) core: Core,
    pub(super) boot: Duration,
    version: u64,
    pub(super) runs: BTreeMap<String, RunSeen>,
    pub(super) injections: BTreeMap<String, InjectionSeen>,
    pub(super) ledger: Option<LedgerSeen>,
    /// The Ledger of the namespace's groups.
    pub(super) groups: Option<LedgerSeen>,
    pub(super) policy_status: Option<PolicyStatus>,
    /// How many groups there are.
    pub(super) owners: u32,
    /// How far the wall clock is off.
    pub(super) skew: jiff::SignedDuration,
    pub(super) pods: BTreeMap<String, Key>,
    pub(super) halts: Vec<HaltRow>,
    pub(super) policy: Option<PolicySeen>,
    pub(super) denied: Vec<String>,
    pub(super) closed: Vec<ClosedGate>,
    pub(super) rates: Rates,
    pub(super) guard: Vec<String>,
    pub(super) max_active: usize,
    /// Plans are made by the model, under these.
    pub(super) rules: Option<Rules>,
    pub(super) annotation: Option<&'static str>,
    /// What a plan is refused for because of what the watches show.
    pub(super) view: Vec<ClusterRefusal>,
    /// What takes its place when the next process begins.
    pub(super) next_view: Option<Vec<ClusterRefusal>>,
    /// Nodes whose agent does nothing.
    pub(super) dead: BTreeSet<String>,
    pub(super) begun: BTreeMap<String, Duration>,
    /// By the name of the effect: what goes wrong with the next ones.
    pub(super) wrongs: BTreeMap<&'static str, VecDeque<Wrong>>,
    pub(super) revised: Option<Vec<PeerEntry>>,
    pub(super) log: Vec<String>,
    queue: VecDeque<Command>,
    epoch: i64,
    /// Die once that many effects were carried out.
    pub(super) crash_after: Option<usize>,
    pub(super) done: usize,
    late: Option<(usize, Act)>,
    /// Everything that was ever armed or deleted, with how often.
    pub(super) hits: BTreeMap<String, usize>,
    pub(super) told: Vec<String>,
}

pub(super) fn key(name: &str) -> Key {
    Key { namespace: "shop".into(), name: name.into() }
}

pub(super) fn halt(scope: HaltScope) -> HaltRow {
    HaltRow { name: "stop".into(), scope, reason: "checkout is down".into() }
}

impl Fake {
    pub(super) fn new() -> Self {
        let mut fake = Self {
            core: Core::new(settings()),
            boot: Duration::from_secs(1000),
            version: 1,
            runs: BTreeMap::new(),
            injections: BTreeMap::new(),
            ledger: None,
            groups: None,
            policy_status: None,
            owners: 1,
            skew: jiff::SignedDuration::ZERO,
            pods: BTreeMap::new(),
            halts: Vec::new(),
            policy: None,
            denied: Vec::new(),
            closed: Vec::new(),
            rates: Rates::default(),
            guard: Vec::new(),
            max_active: 1,
            rules: None,
            annotation: None,
            view: Vec::new(),
            next_view: None,
            dead: BTreeSet::new(),
            begun: BTreeMap::new(),
            wrongs: BTreeMap::new(),
            revised: None,
            log: Vec::new(),
            queue: VecDeque::new(),
            epoch: 0,
            crash_after: None,
            done: 0,
            late: None,
            hits: BTreeMap::new(),
            told: Vec::new(),
        };
        for name in ["web-0", "web-1"] {
            fake.pods.insert(format!("uid-{name}"), key(name));
        }
        fake.start();
        fake
    }

    pub(super) fn now(&self) -> Now {
        let wall = Timestamp::from_second(1_700_000_000).unwrap() + jiff::SignedDuration::try_from(self.boot).unwrap();
        Now { boot: self.boot, wall: wall + self.skew }
    }

    /// A process begins: it leads, and its watches show what is there.
    pub(super) fn start(&mut self) {
        self.core = Core::new(Settings { rates: self.rates, ..settings() });
        self.queue.clear();
        self.view = self.next_view.take().unwrap_or_default();
        self.epoch += 1;
        let epoch = self.epoch;
        if let Some(policy) = self.policy.clone() {
            self.tell(Event::Policy(Box::new(policy)));
        }
        self.tell(Event::Guard(Ok(self.guard.clone())));
        self.tell(Event::Halts(Ok(self.halts.clone())));
        self.tell(Event::Term(Some(epoch)));
        for run in self.runs.values().cloned().collect::<Vec<_>>() {
            self.tell(Event::Run(Box::new(run)));
        }
        for injection in self.injections.values().cloned().collect::<Vec<_>>() {
            self.tell(Event::Injection(Box::new(injection)));
        }
    }

    pub(super) fn tell(&mut self, event: Event) {
        let commands = self.core.step(self.now(), event);
        self.queue.extend(commands);
    }

    pub(super) fn run(&mut self, name: &str, fault: &str, armed: bool) {
        let seen = self.written(name, fault, armed);
        self.runs.insert(seen.uid.clone(), seen.clone());
        self.tell(Event::Run(Box::new(seen)));
    }

    pub(super) fn written(&mut self, name: &str, fault: &str, armed: bool) -> RunSeen {
        let faults = match fault {
            "podDelete" => json!([{"podDelete": {}}]),
            "podEvict" => json!([{"podEvict": {}}]),
            _ => json!([{"partition": {"direction": "Both", "peers": {"services": ["db"]}}}]),
        };
        let mut experiment = json!({
            "targets": {"pods": {"selector": {"matchLabels": {"app": "web"}}}},
            "pick": {"count": 2},
            "faults": faults,
            "steadyState": {"none": {"reason": "test"}},
        });
        if fault == "partition" {
            experiment["duration"] = json!("10s");
        }
        let mode = if armed { "Armed" } else { "DryRun" };
        let spec: RunSpec = serde_json::from_value(json!({"mode": mode, "experiment": experiment})).unwrap();
        RunSeen {
            key: key(name),
            uid: format!("uid-{name}"),
            resource_version: self.next_version(),
            generation: 1,
            deleting: false,
            owners: Vec::new(),
            spec,
            status: RunStatus::default(),
        }
    }

    pub(super) fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// Lets everything happen for this long.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.boot + time;
        while self.boot < end {
            self.drain();
            self.agents();
            self.drain();
            let wake = self.core.wake_at(self.now());
            self.boot += Duration::from_millis(100);
            if wake.is_some_and(|at| at <= self.boot) {
                self.tell(Event::Wake);
            }
        }
        self.drain();
    }

    pub(super) fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    fn drain(&mut self) {
        let before = self.done;
        while let Some(command) = self.queue.pop_front() {
            let name = name(&command.act);
            let wrong = self.wrongs.get_mut(name).and_then(VecDeque::pop_front);
            let outcome = self.answer(command.act, wrong);
            self.done += 1;
            if let Some((_, act)) = self.late.take_if(|(when, _)| *when == self.done) {
                drop(self.carry_out(act));
            }
            assert!(
                self.done < before + 1000,
                "it never comes to rest: {:?}",
                self.log.iter().rev().take(9).collect::<Vec<_>>()
            );
            if self.crash_after == Some(self.done) {
                self.crash_after = None;
                self.start();
                continue;
            }
            self.tell(Event::Done { op: command.op, outcome });
        }
    }

    fn answer(&mut self, act: Act, wrong: Option<Wrong>) -> Outcome {
        let why = || "as told".to_owned();
        match wrong {
            None => self.carry_out(act),
            Some(Wrong::Busy) => Outcome::Busy { why: why() },
            Some(Wrong::Conflict) => Outcome::Conflict,
            Some(Wrong::Refused) => Outcome::Refused { why: why() },
            Some(Wrong::Lost) => Outcome::Unknown { why: why() },
            Some(Wrong::Unseen) => {
                drop(self.carry_out(act));
                Outcome::Unknown { why: why() }
            }
            Some(Wrong::Late(when)) => {
                self.late = Some((when, act));
                Outcome::Unknown { why: why() }
            }
        }
    }

    fn carry_out(&mut self, act: Act) -> Outcome {
        match act {
            Act::Plan { input, active, .. } => Outcome::Planned(Box::new(self.plan(&input, &active))),
            Act::Revise { armed, .. } => Outcome::Revised(match self.revised.clone() {
                Some(peers) if peers != armed => Revised::Change(peers),
                Some(_) | None => Revised::Keep,
            }),
            Act::Recover => Outcome::Recovered {
                runs: self.runs.values().cloned().collect(),
                injections: self.injections.values().cloned().collect(),
            },
            Act::ListHalts => Outcome::Halts(self.halts.clone()),
            Act::ReadLedger => self.ledger.clone().map_or(Outcome::Missing, |l| Outcome::Ledger(Box::new(l))),
            Act::WriteLedger { resource_version, spec } => self.write_ledger(resource_version, *spec),
            Act::Agenda(ask) => self.agenda(&ask),
            Act::ReadGroups { .. } => self.groups.clone().map_or(Outcome::Missing, |l| Outcome::Ledger(Box::new(l))),
            Act::WriteGroups { resource_version, spec, .. } => self.write_groups(resource_version, *spec),
            Act::Begin(new) => self.begin(*new),
            Act::DeleteRun { key, .. } => {
                self.log.push(format!("delete run {}", key.name));
                self.delete_run(&key.name);
                Outcome::Done
            }
            Act::ReadPolicy(_) => self.policy.clone().map_or(Outcome::Missing, |p| Outcome::Policy(Box::new(p))),
            Act::ReadRun(key) => {
                let run = self.runs.values().find(|r| r.key == key).cloned();
                run.map_or(Outcome::Missing, |r| Outcome::Run(Box::new(r)))
            }
            Act::ReadInjection(key) => {
                let found = self.injections.get(&key.name).cloned();
                found.map_or(Outcome::Missing, |i| Outcome::Injection(Box::new(i)))
            }
            Act::ReadPod(key) => {
                let found = self.pods.iter().find(|(_, k)| **k == key).map(|(uid, _)| uid.clone());
                found.map_or(Outcome::Missing, |uid| Outcome::Pod { uid })
            }
            Act::Review { .. } => Outcome::Reviewed { denied: self.denied.clone() },
            Act::AskGates(gates) => {
                self.log.push(format!("gates {}", gates.len()));
                Outcome::Closed(self.closed.clone())
            }
            Act::Create(new) => self.create(new.key, new.spec),
            Act::SetPhase { key, resource_version, phase, never_armed, .. } => {
                self.set_phase(&key, &resource_version, phase, never_armed)
            }
            Act::DeleteInjection { key, uid } => self.delete_injection(&key, uid),
            Act::DeletePod(pod) | Act::EvictPod(pod) => self.remove(pod),
            Act::WriteStatus { key, resource_version, status } => self.write_status(&key, &resource_version, *status),
            Act::WritePolicyStatus { status, .. } => {
                self.policy_status = Some(*status);
                Outcome::Done
            }
            Act::Tell(telling) => {
                self.told.push(telling.reason);
                Outcome::Done
            }
        }
    }

    fn write_status(&mut self, key: &Key, base: &str, status: RunStatus) -> Outcome {
        self.log.push(format!("status {} {:?}", key.name, status.state.unwrap_or(RunState::Pending)));
        let version = self.next_version();
        let Some(run) = self.runs.values_mut().find(|r| r.key == *key) else { return Outcome::Missing };
        if run.resource_version != base {
            return Outcome::Conflict;
        }
        if run.status.state == Some(RunState::Finished) && status.state != run.status.state {
            return Outcome::Refused { why: "a finished run stays finished".into() };
        }
        run.status = status;
        run.resource_version = version;
        let seen = Box::new(run.clone());
        self.tell(Event::Run(seen.clone()));
        Outcome::Run(seen)
    }

    fn plan(&self, input: &RunInput, active: &[Reservation]) -> ClusterPlan {
        if let Some(rules) = &self.rules {
            return self.planned(input, active, rules);
        }
        let experiment = &input.policy.experiment;
        let target = |uid: &str, key: &Key, node: &str| PodTarget {
            uid: uid.to_owned(),
            namespace: key.namespace.clone(),
            pod: key.name.clone(),
            node: node.to_owned(),
            owner: Some("Deployment/web".into()),
            owner_uid: None,
            container: None,
            container_id: None,
            probes: Vec::new(),
        };
        let pods: Vec<PodTarget> =
            self.pods.iter().enumerate().map(|(n, (uid, key))| target(uid, key, &format!("node-{n}"))).collect();
        let busy = Refusal::Busy { what: format!("{} runs are active", active.len()) };
        let by_controller = experiment.fault.by_controller();
        let share = |t: &PodTarget| NodeShare { node: t.node.clone(), engine: Engine::Nft, targets: vec![t.clone()] };
        let names: Vec<&str> = pods.iter().map(|p| p.uid.as_str()).collect();
        ClusterPlan {
            policy: input.policy.name.clone(),
            namespace: input.namespace.clone(),
            seed: input.seed.clone(),
            hash: names.join("+"),
            fault: experiment.fault.clone(),
            drawn: experiment.drawn,
            duration: experiment.duration,
            select: String::new(),
            pick: String::new(),
            expected: String::new(),
            shares: if by_controller { Vec::new() } else { pods.iter().map(share).collect() },
            peers: if by_controller { Vec::new() } else { peers(&["10.0.0.1/32", "10.0.0.2/32"]) },
            follow: false,
            cluster_targets: if by_controller { pods.clone() } else { Vec::new() },
            matched: pods.len(),
            left_out: Vec::new(),
            notes: Vec::new(),
            refusals: {
                let busy = (active.len() >= self.max_active).then_some(busy);
                self.view.iter().cloned().map(Refusal::Cluster).chain(busy).collect()
            },
        }
    }

    pub(super) fn status(&self, name: &str) -> &RunStatus {
        &self.runs[&format!("uid-{name}")].status
    }

    pub(super) fn count(&self, word: &str) -> usize {
        self.log.iter().filter(|l| l.starts_with(word)).count()
    }

    pub(super) fn change_run(&mut self, name: &str, change: impl FnOnce(&mut RunSeen)) {
        let version = self.next_version();
        let run = self.runs.get_mut(&format!("uid-{name}")).unwrap();
        change(run);
        run.resource_version = version;
        let seen = run.clone();
        self.tell(Event::Run(Box::new(seen)));
    }

    pub(super) fn delete_run(&mut self, name: &str) {
        let uid = format!("uid-{name}");
        self.runs.remove(&uid);
        self.tell(Event::RunGone(uid));
    }
}

pub(super) fn peers(addresses: &[&str]) -> Vec<PeerEntry> {
    let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
    vec![PeerEntry { addresses, ..PeerEntry::default() }]
}

fn settings() -> Settings {
    Settings {
        holder: "us".into(),
        lease: L,
        start_window: Duration::from_secs(30),
        max_duration: Duration::from_secs(3600),
        pod_delete: true,
        pod_evict: true,
        calendars: BTreeMap::new(),
        rates: Rates::default(),
    }
}

fn name(act: &Act) -> &'static str {
    match act {
        Act::Plan { .. } => "plan",
        Act::Revise { .. } => "revise",
        Act::Agenda(_) => "agenda",
        Act::Recover => "recover",
        Act::ListHalts => "halts",
        Act::ReadLedger => "read ledger",
        Act::WriteLedger { .. } => "ledger",
        Act::ReadGroups { .. } => "read groups",
        Act::WriteGroups { .. } => "groups",
        Act::Begin(_) => "begin",
        Act::DeleteRun { .. } => "delete run",
        Act::ReadPolicy(_) => "policy",
        Act::ReadRun(_) => "run",
        Act::ReadInjection(_) => "injection",
        Act::ReadPod(_) => "pod",
        Act::Review { .. } => "review",
        Act::AskGates(_) => "gates",
        Act::Create(_) => "create",
        Act::SetPhase { phase: Phase::Armed, .. } => "arm",
        Act::SetPhase { .. } => "cancel",
        Act::DeleteInjection { .. } => "delete",
        Act::DeletePod(_) | Act::EvictPod(_) => "remove",
        Act::WriteStatus { .. } => "status",
        Act::WritePolicyStatus { .. } => "policy status",
        Act::Tell(_) => "tell",
    }
}
