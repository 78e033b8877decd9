//! What must hold, judged by what the kernels and the store really hold, never by what a party believes.

use crate::agent::Node;
use crate::api::{Answer, Api, Kind, Object, Reply, Request};
use crate::controller::LEASE;
use crate::net::{Life, Net};
use crate::schedule::Who;
use crate::world::node_name;
use rumpus_agent::cluster::halts;
use rumpus_cluster::{ChaosNode, ChaosRun};
use rumpus_controller::cluster::core::event::Key;
use rumpus_model::halt::Reach;
use rumpus_model::wire::{Confirmation, Mode, NodeStatus, RunState, Verdict};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

mod rest;

/// What is allowed for clocks and queues, of node uptime.
const DELTA: Duration = Duration::from_secs(1);

/// How long a request may be on its way: what it says is older than that then.
const LATE: Duration = Duration::from_secs(30);
/// How long after its policy was written a run that was on its way by then may be refused.
const EDITED: Duration = Duration::from_secs(5);
/// So long before the end nothing may be written any more.
const QUIET: Duration = Duration::from_secs(60);
/// How much may wait at rest: a few timers of each process.
const MOST_WAIT: usize = 500;
/// How many ends a node tells of.
const LAST: usize = 64;
/// What is soon, where nothing goes wrong.
const SOON: Duration = Duration::from_secs(5);
/// How a run may end where nothing goes wrong but what users do.
const FINE: [&str; 14] = [
    "Deleted",
    "Done",
    "DryRun",
    "Halted",
    "NothingSelected",
    "PolicyBusy",
    "PolicyMissing",
    "PolicySuspended",
    "Stopped",
    "TooManyPods",
    "TooManyRuns",
    "FaultOverlaps",
    "TargetGone",
    "TargetChanged",
];

/// What a slot is about.
#[derive(Clone, Debug)]
pub struct Slot {
    /// Its injection's UID.
    pub injection: String,
    /// `namespace/name`.
    pub run: String,
    pub pod: String,
    pub node: usize,
    pub duration: Option<Duration>,
}

/// What was seen so far, and what was broken first.
#[derive(Debug, Default)]
pub struct Check {
    pub slots: BTreeMap<String, Slot>,
    /// When each slot's fault first was in effect.
    begun: BTreeMap<String, Duration>,
    /// By node: the last reading of the Lease that was answered.
    contact: BTreeMap<Who, Duration>,
    /// When the Lease last moved.
    moved: Duration,
    /// Injections whose end a node has attested with an instant, by which life of its agent, and since when.
    attested: BTreeMap<String, (String, Life, Duration)>,
    /// The life of each node's agent that read what its predecessor attested, and what that was.
    writers: BTreeMap<String, (Life, BTreeSet<String>)>,
    /// Pods that a controller decided to delete.
    pub wanted: BTreeSet<String>,
    /// Nothing goes wrong in this world: what is slow is wrong.
    pub tight: bool,
    /// Things go wrong on the first node alone.
    pub lonely: bool,
    /// Who led with which epoch.
    leaders: BTreeMap<i64, Life>,
    /// Since when nobody wants this slot's fault.
    unwanted: BTreeMap<String, Duration>,
    /// Since when each Halt stands.
    halts: BTreeMap<String, Duration>,
    /// Runs that have to be refused: `namespace/name`.
    pub invalid: BTreeSet<String>,
    /// Slots of schedules of which a run did something: its UID.
    slots_begun: BTreeMap<String, String>,
    /// When a policy was written last by a user.
    pub edited: Option<Duration>,
    /// Runs of slots that were refused right after their policy was edited: it may say no by then.
    excused: BTreeSet<String>,
    pub broken: Option<String>,
    /// The world ends before everything is quiet.
    pub short: bool,
    /// What was last written by a process, besides the Lease and a node's heartbeat.
    pub written: Option<(Duration, String)>,
    /// How often something happened that has to happen sometimes.
    pub sometimes: BTreeMap<Cow<'static, str>, u64>,
    /// How many faults were in effect at all.
    pub faults: u64,
}

impl Check {
    /// The first one counts.
    pub fn fail(&mut self, invariant: &str, what: &str) {
        self.broken.get_or_insert_with(|| format!("{invariant}: {what}"));
    }

    /// Hashes what is remembered and judged by; not what is only counted.
    pub(crate) fn hash_state(&self, hasher: &mut impl Hasher) {
        format!("{:?} {:?} {:?}", self.slots, self.begun, self.contact).hash(hasher);
        format!("{:?} {:?} {:?}", self.moved, self.attested, self.writers).hash(hasher);
        format!("{:?} {:?} {:?}", self.wanted, self.leaders, self.invalid).hash(hasher);
        format!("{:?} {:?} {:?}", self.unwanted, self.halts, self.slots_begun).hash(hasher);
    }

    /// Counts.
    pub fn sometimes(&mut self, what: impl Into<Cow<'static, str>>) {
        *self.sometimes.entry(what.into()).or_default() += 1;
    }

    /// The server has done something, whether or not anybody hears of it.
    pub fn carried_out(&mut self, now: Duration, request: &Request, answer: &Answer) {
        let makes = matches!(request, Request::Create(object) if object.kind() == Kind::Lease);
        let renews = matches!(request, Request::Renew { .. });
        if (makes || renews) && answer.is_ok() {
            self.moved = now;
        }
        if let Request::Create(object) = request
            && let Object::Run(run) = &**object
            && run.spec.slot.is_some()
            && answer.is_ok()
        {
            self.sometimes("a schedule begins a run");
        }
        if let Request::RunStatus { .. } = request
            && let Ok(Reply::One(object)) = answer
            && let Object::Run(run) = &**object
        {
            self.began(run);
            let refused = run.status.as_ref().is_some_and(|s| s.verdict == Some(Verdict::Refused));
            if refused && run.spec.slot.is_some() && self.edited.is_some_and(|at| now < at + EDITED) {
                self.excused.insert(run.uid().to_owned());
            }
        }
    }

    /// S14: of a slot one run does something, ever, or says that it would have.
    fn began(&mut self, run: &ChaosRun) {
        let (Some(slot), Some(policy), Some(status)) = (&run.spec.slot, &run.spec.policy_ref, &run.status) else {
            return;
        };
        let did = match status.state {
            None | Some(RunState::Pending | RunState::Gating) => false,
            Some(RunState::Injecting | RunState::Running | RunState::Ending) => true,
            Some(RunState::Finished) => status.verdict == Some(Verdict::NotApplicable),
        };
        if !did {
            return;
        }
        let mode = if run.spec.mode == Some(Mode::Armed) { "armed" } else { "dry" };
        let policy = policy.name.as_deref().unwrap_or_default();
        let group = run.spec.group.as_deref().unwrap_or_default();
        let uid = run.uid().to_owned();
        let first = self.slots_begun.entry(format!("{}/{policy} {group} {slot} {mode}", run.namespace()));
        if *first.or_insert_with(|| uid.clone()) != uid {
            self.fail("S14", &format!("slot {slot} of {policy} {group} has a second run: {}", run.name()));
        }
    }

    /// The server has answered.
    pub fn answered(&mut self, now: Duration, life: Life, request: &Request, answer: &Answer) {
        match request {
            Request::Get(Kind::Lease, _) if answer.is_ok() => drop(self.contact.insert(life.who, now)),
            Request::Get(Kind::Node, key) if answer.is_ok() => self.reads_own(life, &key.name, answer),
            Request::NodeStatus { name, status, .. } if answer.is_ok() => self.kept(now, life, name, status),
            Request::Create(_)
            | Request::Policy(..)
            | Request::Delete { .. }
            | Request::Get(..)
            | Request::InjectionStatus { .. }
            | Request::Ledger { .. }
            | Request::List(_)
            | Request::NodeStatus { .. }
            | Request::Phase { .. }
            | Request::Renew { .. }
            | Request::RunStatus { .. }
            | Request::Stop(_) => {}
        }
    }

    /// S13: of one epoch there is one leader.
    pub fn leads(&mut self, life: Life, epoch: Option<i64>) {
        let Some(epoch) = epoch else { return };
        let before = *self.leaders.entry(epoch).or_insert(life);
        if before != life {
            self.fail("S13", &format!("{before} and {life} both lead in epoch {epoch}"));
        }
    }

    /// S9: a pod is deleted that nobody decided about.
    pub fn pod_deleted(&mut self, uid: &str) {
        if !self.wanted.contains(uid) {
            self.fail("S9", &format!("pod {uid} was deleted in the place of another one"));
        }
    }

    /// A fault has come into effect; `started`: when this life of the node's agent began.
    pub fn begun(&mut self, now: Duration, id: &str, once: bool, journaled: &BTreeSet<String>, started: Duration) {
        self.faults += 1;
        if self.moved < started {
            self.fail("S6", &format!("slot {id} is begun, and the Lease has not moved since its agent began"));
        }
        if !journaled.contains(id) {
            self.fail("S8", &format!("slot {id} is in the kernel and not in the journal"));
        }
        if self.begun.insert(id.to_owned(), now).is_some() {
            self.fail("S2", &format!("slot {id} was applied twice"));
        }
        let Some(slot) = self.slots.get(id).cloned() else {
            return self.fail("S2", &format!("slot {id} was never assembled"));
        };
        // What is done once is live for no time: of one run a pod is hit once.
        let same = |(other, s): (&String, &Slot)| {
            other != id && s.run == slot.run && s.pod == slot.pod && s.injection != slot.injection
        };
        let before = self.slots.iter().filter(|(other, _)| self.begun.contains_key(*other)).any(same);
        if once && before {
            self.fail("S2", &format!("pod {} was hit twice by {}", slot.pod, slot.run));
        }
    }

    /// Looks at everything.
    pub fn scan(net: &mut Net, nodes: &[Node]) {
        let mut live: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut runs: BTreeSet<String> = BTreeSet::new();
        let mut pods: BTreeSet<String> = BTreeSet::new();
        let mut broken = Vec::new();
        for node in nodes {
            let boot = node.boot(net.now);
            let objects: BTreeSet<&str> = node.kernel.slots().collect();
            if objects.is_empty() {
                continue;
            }
            let wrong = |(pod, id, _): (&str, &str, Duration)| {
                net.check.slots.get(id).filter(|slot| slot.pod != pod).map(|slot| (pod.to_owned(), slot.pod.clone()))
            };
            if let Some((pod, planned)) = node.kernel.live(boot).find_map(wrong) {
                broken.push(("S9", format!("pod {pod} is hit, planned was {planned}")));
            }
            let lives: Vec<&str> = node.kernel.live(boot).map(|(_, slot, _)| slot).collect();
            for id in &lives {
                let Some(slot) = net.check.slots.get(*id) else { continue };
                runs.insert(slot.run.clone());
                pods.insert(slot.pod.clone());
                let place = (slot.run.clone(), slot.pod.clone());
                if let Some(other) = live.insert(place, slot.injection.clone())
                    && other != slot.injection
                {
                    broken.push(("S2", format!("pod {} has two faults of {}", slot.pod, slot.run)));
                }
                let slot = slot.clone();
                let slot = &slot;
                net.check.quick(net.now, &net.api, id, slot, &mut broken);
                net.check.times(net.now, node, id, slot, &mut broken);
                net.check.truth(net, node, id, slot, &mut broken);
            }
            net.check.clean(net, node, &objects, &mut broken);
            let journaled = node.journaled();
            if let Some(id) = objects.iter().find(|id| !journaled.contains(**id)) {
                broken.push(("S8", format!("{} has slot {id}, its journal has not", node_name(node.place))));
            }
        }
        if net.check.tight {
            net.check.halted(net.now, &net.api, &mut broken);
        }
        if runs.len() > net.budget {
            broken.push(("S1", format!("{} runs are in effect, {} may be: {runs:?}", runs.len(), net.budget)));
        }
        if let Some(most) = net.radius.filter(|most| u32::try_from(pods.len()).is_ok_and(|pods| pods > *most)) {
            broken.push(("S1", format!("{} pods are under fault, {most} may be: {pods:?}", pods.len())));
        }
        for (invariant, what) in broken {
            net.check.fail(invariant, &what);
        }
    }

    /// An agent reads what its predecessor attested: what stands there by then.
    fn reads_own(&mut self, life: Life, name: &str, answer: &Answer) {
        let Ok(Reply::One(object)) = answer else { return };
        let Object::Node(node) = &**object else { return };
        if self.writers.get(name).is_none_or(|(before, _)| before.number < life.number) {
            let ended = node.status.iter().flat_map(|s| &s.ended).filter(|e| e.effect_ended.is_some());
            let known = ended.map(|e| e.uid.clone()).collect();
            self.writers.insert(name.to_owned(), (life, known));
        }
    }

    /// S7: an agent that ends in order leaves a ChaosNode that says what ended.
    pub(crate) fn told_all(&mut self, api: &Api, place: usize, ends: Vec<String>) {
        let key = Key { namespace: String::new(), name: node_name(place) };
        let said = match api.get(Kind::Node, &key) {
            Some(Object::Node(node)) => node.status.clone().unwrap_or_default().ended,
            Some(_) | None => Vec::new(),
        };
        if let Some(uid) = ends.iter().find(|uid| !said.iter().any(|one| one.uid == **uid)) {
            self.fail(
                "S7",
                &format!("the agent of {} has ended, and its ChaosNode does not say that {uid} has", key.name),
            );
        }
    }

    /// S7: what a node attests is not taken back. A predecessor's last word that comes late is not known to its successor.
    fn kept(&mut self, now: Duration, life: Life, name: &str, status: &NodeStatus) {
        let mut named: BTreeSet<&str> = BTreeSet::new();
        for ended in &status.ended {
            if ended.effect_ended.is_some() {
                self.attested.entry(ended.uid.clone()).or_insert_with(|| (name.to_owned(), life, now));
                named.insert(&ended.uid);
            } else if self.attested.contains_key(&ended.uid) {
                self.fail("S7", &format!("{name} takes back that {} has ended", ended.uid));
            }
        }
        let Some((writer, known)) = self.writers.get(name).filter(|_| status.ended.len() < LAST) else { return };
        let is_forgotten = |(uid, (node, by, since)): (&String, &(String, Life, Duration))| {
            let own = by == writer || known.contains(uid);
            node == name && !named.contains(uid.as_str()) && own && now > *since + LATE
        };
        let forgotten =
            self.attested.iter().find(|one| *writer == life && is_forgotten(*one)).map(|(uid, _)| uid.clone());
        if let Some(uid) = forgotten {
            self.fail("S7", &format!("{name} has forgotten that {uid} ended"));
        }
    }

    /// L3: where nothing goes wrong, what nobody wants any more ends soon. S12, L6: so it does on a node on which nothing
    /// goes wrong, whatever becomes of another one.
    fn quick(&mut self, now: Duration, api: &Api, id: &str, slot: &Slot, broken: &mut Vec<(&'static str, String)>) {
        let spared = self.lonely && slot.node != 0;
        if !self.tight && !spared {
            return;
        }
        let run = api.runs().find(|r| format!("{}/{}", r.namespace(), r.name()) == slot.run);
        let injection = api.injections().any(|i| i.uid() == slot.injection);
        if injection && run.is_some_and(|r| r.spec.stop != Some(true)) {
            self.unwanted.remove(id);
            return;
        }
        let since = *self.unwanted.entry(id.to_owned()).or_insert(now);
        if now > since + SOON {
            let invariant = if spared { "S12" } else { "L3" };
            broken.push((invariant, format!("slot {id} is in effect, nobody wants it since {since:?}")));
        }
    }

    /// L4: where nothing goes wrong, every node attests a Halt soon.
    fn halted(&mut self, now: Duration, api: &Api, broken: &mut Vec<(&'static str, String)>) {
        let standing: BTreeSet<String> = api.halts().map(|h| h.uid().to_owned()).collect();
        self.halts.retain(|uid, _| standing.contains(uid));
        for uid in standing {
            let since = *self.halts.entry(uid.clone()).or_insert(now);
            let silent = |n: &&Arc<ChaosNode>| !n.status.as_ref().is_some_and(|s| s.halts.contains(&uid));
            if now > since + SOON
                && let Some(node) = api.nodes().find(silent)
            {
                broken
                    .push(("L4", format!("{} does not attest Halt {uid}, which stands since {since:?}", node.name())));
            }
        }
    }

    /// S3, S6.
    fn times(&self, now: Duration, node: &Node, id: &str, slot: &Slot, broken: &mut Vec<(&'static str, String)>) {
        let begun = self.begun.get(id).copied().unwrap_or(now);
        // While a machine sleeps nothing there is anybody's to feel.
        let awake = |since: Duration| node.awake(since, now);
        if slot.duration.is_some_and(|d| awake(begun) > d + DELTA) {
            broken.push(("S3", format!("slot {id} began at {begun:?} and outlives {:?}", slot.duration)));
        }
        let contact = self.contact.get(&Who::Agent(node.place)).copied().unwrap_or_default();
        if awake(contact) > LEASE + LEASE / 5 + DELTA {
            broken.push(("S6", format!("slot {id} lives, last contact of {} at {contact:?}", node_name(node.place))));
        }
        // What was armed while the controller lived may be begun late, by a node that was cut off meanwhile: it has its
        // lease from then on.
        if awake(self.moved.max(begun)) > LEASE * 2 + LEASE / 5 + DELTA {
            broken.push(("S6", format!("slot {id} lives, the Lease moved last at {:?}", self.moved)));
        }
    }

    /// S7 and S4, of a fault in effect.
    fn truth(&self, net: &Net, node: &Node, id: &str, slot: &Slot, broken: &mut Vec<(&'static str, String)>) {
        let injection = net.api.injections().find(|i| i.uid() == slot.injection);
        let status = injection.and_then(|i| i.status.as_ref());
        if let Some(status) = status
            && (status.state.is_some_and(|s| s.is_final()) || status.effect_ended.is_some())
        {
            broken.push(("S7", format!("slot {id} is in effect, its injection says {:?}", status.state)));
        }
        let run = net.api.runs().find(|r| format!("{}/{}", r.namespace(), r.name()) == slot.run);
        if let Some(status) = run.and_then(|r| r.status.as_ref())
            && status.state == Some(RunState::Finished)
            && status.confirmation == Some(Confirmation::Confirmed)
        {
            broken.push(("S7", format!("slot {id} is in effect, {} is Finished and Confirmed", slot.run)));
        }
        let name = node_name(node.place);
        let Some(own) = net.api.nodes().find(|n| n.name() == name).and_then(|n| n.status.as_ref()) else { return };
        if own.ended.iter().any(|e| e.uid == slot.injection) {
            broken.push(("S7", format!("slot {id} is in effect, {name} says that it has ended")));
        }
        let reach = Reach {
            node: Some(name.clone()),
            run: Some(slot.run.clone()),
            namespaces: BTreeSet::from(["shop".to_owned()]),
        };
        for halt in net.api.halts().map(|h| halts::of(&Ok((**h).clone()))) {
            if own.halts.contains(&halt.id) && halt.covers(&reach) {
                broken.push(("S4", format!("slot {id} is in effect, {name} attests Halt {}", halt.id)));
            }
        }
    }

    /// S7, of whatever is left.
    fn clean(&self, net: &Net, node: &Node, objects: &BTreeSet<&str>, broken: &mut Vec<(&'static str, String)>) {
        let uids: BTreeSet<&str> =
            objects.iter().filter_map(|id| self.slots.get(*id)).map(|s| s.injection.as_str()).collect();
        for injection in net.api.injections().filter(|i| uids.contains(i.uid())) {
            if injection.status.as_ref().is_some_and(|s| s.clean.is_some()) {
                broken.push(("S7", format!("{} says clean and is not", injection.name())));
            }
        }
        let name = node_name(node.place);
        let own = net.api.nodes().find(|n| n.name() == name).and_then(|n| n.status.as_ref());
        for ended in own.iter().flat_map(|s| &s.ended) {
            if ended.clean.is_some() && uids.contains(ended.uid.as_str()) {
                broken.push(("S7", format!("{name} says {} clean and is not", ended.uid)));
            }
        }
    }
}
