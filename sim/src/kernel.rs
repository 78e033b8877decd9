//! One node's kernel: networks of pods with tables behind gates that the boot clock empties, devices, helpers, and what
//! belongs to others.
//!
//! It judges nothing and knows nothing of Rumpus but the names on its objects.
//! `tests/src/kernel/cases/conform/` gives the same orders to it and to a real one.

use crate::plant::Plant;
use rumpus_agent::core::{Act, Order, Outcome};
use rumpus_agent::kernel::nft::table::SHORTEST;
use rumpus_model::change::Change;
use rumpus_model::evidence::{Counts, Delayed, Filtered, Killed, Reading};
use rumpus_model::target::Target;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What an object of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Links,
    Table,
    Worker,
}

/// One object of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thing {
    /// A table's gate stands until then (boot clock); a worker lives until then.
    pub until: Duration,
}

/// One pod's network.
#[derive(Clone, Debug)]
pub struct Network {
    pub pod: String,
    /// By slot id and part.
    pub things: BTreeMap<(String, Part), Thing>,
    /// What others put there: name and content.
    pub foreign: BTreeMap<String, u64>,
    /// The same, as they last put it there.
    pub expected: BTreeMap<String, u64>,
}

/// How an act goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Not done, and said so.
    Fails,
    /// Done, and said to have failed.
    Lies,
}

/// One node's kernel.
#[derive(Debug, Default)]
pub struct Kernel {
    /// By inode.
    pub networks: BTreeMap<u64, Network>,
    /// Pods whose processes were killed, by slot.
    pub killed: Vec<(String, String)>,
    next_inode: u64,
    pub plant: Option<Plant>,
}

impl Kernel {
    /// A pod begins.
    pub fn pod_begins(&mut self, pod: &str) {
        self.next_inode += 1;
        let foreign = BTreeMap::from([("cni".to_owned(), self.next_inode * 7), ("policy".to_owned(), 11)]);
        let network = Network { pod: pod.to_owned(), things: BTreeMap::new(), expected: foreign.clone(), foreign };
        self.networks.insert(self.next_inode, network);
    }

    /// A pod ends: its network goes with its last process.
    pub fn pod_ends(&mut self, pod: &str) {
        self.networks.retain(|_, n| n.pod != pod);
    }

    pub fn inode(&self, pod: &str) -> Option<u64> {
        self.networks.iter().find(|(_, n)| n.pod == pod).map(|(inode, _)| *inode)
    }

    /// Returns the faults in effect: pod, slot, and when the kernel ends them by itself.
    pub fn live(&self, boot: Duration) -> impl Iterator<Item = (&str, &str, Duration)> {
        let tables = self.networks.values().flat_map(|n| n.things.iter().map(move |(key, thing)| (n, key, thing)));
        tables
            .filter(move |(_, (_, part), thing)| *part == Part::Table && thing.until > boot)
            .map(|(n, (slot, _), thing)| (n.pod.as_str(), slot.as_str(), thing.until))
    }

    /// Returns the slot of each object of ours.
    pub fn slots(&self) -> impl Iterator<Item = &str> {
        self.networks.values().flat_map(|n| n.things.keys().map(|(slot, _)| slot.as_str()))
    }

    /// Carries one act out.
    pub fn act(&mut self, order: &Order, boot: Duration, wrong: Option<Wrong>) -> Outcome {
        let failed = || Outcome::Failed { why: "EBUSY".into() };
        match wrong {
            None => self.done(order, boot),
            Some(Wrong::Fails) => failed(),
            Some(Wrong::Lies) => {
                drop(self.done(order, boot));
                failed()
            }
        }
    }

    fn done(&mut self, order: &Order, boot: Duration) -> Outcome {
        let id = &order.planned.id;
        let found = match &order.planned.target {
            Target::NetNs(netns) => self.networks.get_mut(&netns.id.ino),
            Target::Container(_) | Target::Process(_) => return self.signal(order),
        };
        let Some(network) = found else {
            return Outcome::TargetGone { what: "its network".into() };
        };
        let table = (id.clone(), Part::Table);
        match &order.act {
            Act::Resolve | Act::Drain | Act::Escalate => Outcome::Ok,
            Act::Apply { change, until } => match part(change) {
                Some(Part::Table) if is_too_near(*until, boot) => Outcome::Failed { why: "its time is over".into() },
                Some(Part::Table) if network.things.contains_key(&table) => {
                    Outcome::Failed { why: "there is such a table already".into() }
                }
                Some(part) => {
                    network.things.insert((id.clone(), part), Thing { until: *until });
                    Outcome::Ok
                }
                None => Outcome::Failed { why: "no change of a network".into() },
            },
            Act::Check => match network.things.get(&table) {
                None => Outcome::Vanished { what: "its table".into() },
                Some(thing) => Outcome::Read(readings(thing, boot)),
            },
            // So near its end a gate keeps the end that it has, and is not looked for.
            Act::Renew { until } if is_too_near(*until, boot) => Outcome::Ok,
            Act::Renew { until } => match network.things.get_mut(&table) {
                None => Outcome::Vanished { what: "its table".into() },
                Some(thing) => {
                    thing.until = *until;
                    Outcome::Ok
                }
            },
            Act::Disarm => match network.things.get_mut(&table) {
                None => Outcome::Vanished { what: "its table".into() },
                Some(thing) => {
                    thing.until = Duration::ZERO;
                    Outcome::Ok
                }
            },
            Act::Remove { change } => {
                let part = part(change).filter(|p| self.plant != Some(Plant::HalfRemoved) || *p == Part::Table);
                if let Some(part) = part {
                    network.things.remove(&(id.clone(), part));
                }
                if self.plant == Some(Plant::TakesForeign) {
                    network.foreign.remove("policy");
                }
                Outcome::Ok
            }
            Act::Confirm if self.plant == Some(Plant::HalfRemoved) => Outcome::Ok,
            Act::Confirm if network.things.keys().any(|(slot, _)| slot == id) => {
                Outcome::Failed { why: "something is left".into() }
            }
            Act::Confirm => Outcome::Ok,
        }
    }

    fn signal(&mut self, order: &Order) -> Outcome {
        let pod = order.planned.why.clone();
        if self.inode(&pod).is_none() {
            return Outcome::TargetGone { what: "the pod".into() };
        }
        let gone = self.killed.iter().any(|(slot, _)| *slot == order.planned.id);
        let read = |escalated: bool| {
            let killed = Killed {
                gone: true,
                escalated,
                after: Duration::ZERO,
                processes: 1,
                survivors: 0,
                by: "cgroup".into(),
            };
            Outcome::Read(vec![Reading::Killed(killed)])
        };
        match &order.act {
            Act::Apply { .. } => {
                self.killed.push((order.planned.id.clone(), pod));
                read(false)
            }
            Act::Escalate => read(true),
            Act::Check if gone => read(false),
            Act::Check
            | Act::Resolve
            | Act::Renew { .. }
            | Act::Disarm
            | Act::Drain
            | Act::Remove { .. }
            | Act::Confirm => Outcome::Ok,
        }
    }

    /// Takes away everything of ours but `keep`.
    pub fn sweep(&mut self, keep: &BTreeSet<String>, wrong: bool) -> Outcome {
        let mut found = Vec::new();
        for network in self.networks.values_mut() {
            network.things.retain(|(slot, _), _| {
                let stays = (keep.contains(slot) && self.plant != Some(Plant::SweepsAll)) || wrong;
                if !stays {
                    found.push(slot.clone());
                }
                stays
            });
        }
        let failed = if wrong { vec!["a table of ours".into()] } else { Vec::new() };
        Outcome::Swept { found, failed }
    }

    /// The machine sleeps for so long: what gates and workers still wait for stands still.
    pub fn sleeps(&mut self, boot: Duration, span: Duration) {
        let waiting = self.networks.values_mut().flat_map(|n| n.things.values_mut()).filter(|t| t.until > boot);
        waiting.for_each(|thing| thing.until += span);
    }

    /// Somebody else takes all tables away.
    pub fn flushed(&mut self) -> usize {
        let before = self.slots().count();
        for network in self.networks.values_mut() {
            network.things.retain(|(_, part), _| *part != Part::Table);
        }
        before - self.slots().count()
    }

    /// Somebody else puts something there.
    pub fn foreign(&mut self, name: &str) {
        for network in self.networks.values_mut() {
            network.foreign.insert(name.to_owned(), 11);
            network.expected.insert(name.to_owned(), 11);
        }
    }

    /// The machine restarts: what the kernel held is gone, and pods begin anew in networks of their own.
    pub fn reboot(&mut self) {
        let pods: Vec<String> = self.networks.values().map(|n| n.pod.clone()).collect();
        self.networks.clear();
        pods.iter().for_each(|pod| self.pod_begins(pod));
    }
}

/// No gate is as short as that.
fn is_too_near(until: Duration, boot: Duration) -> bool {
    until.saturating_sub(boot) < SHORTEST
}

fn part(change: &Change) -> Option<Part> {
    match change {
        Change::DelayLinks(_) => Some(Part::Links),
        Change::DelayWorker(_) => Some(Part::Worker),
        Change::Filter(_) => Some(Part::Table),
        Change::KillContainer | Change::Signal(_) => None,
    }
}

fn readings(thing: &Thing, boot: Duration) -> Vec<Reading> {
    let armed_for = thing.until.checked_sub(boot).filter(|left| !left.is_zero());
    let hit = Counts { egress: 3, ingress: 0 };
    vec![
        Reading::Filtered(Filtered { armed_for, hit, passed: Counts::default() }),
        Reading::Delayed(Delayed { delayed: 3, backlog: 0, lost: 0 }),
    ]
}
