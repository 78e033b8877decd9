//! Carries out the reconciler's orders on this host, one act at a time per target, and reports what came of it.
//!
//! It must never decide: every `match` here is over what to call, and over what the kernel said.

use crate::core::{Act, Order, Outcome};
use crate::kernel::link::IfbName;
use crate::kernel::netns::NetNs;
use crate::kernel::nft::TableName;
use crate::kernel::pidfd::Pinned;
use crate::ports::Hands;
use crate::testing;
use crate::worker::spawn::{Spawner, WorkerHandle};
use crate::{apply, resolve, revert, sockets, sweep, verify};
use rumpus_model::change::Change;
use rumpus_model::plan::Planned;
use rumpus_model::target::Target;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The hands of an agent on a host.
#[derive(Debug)]
pub struct HostHands {
    instance: u32,
    spawner: Spawner,
    held: Mutex<BTreeMap<String, Arc<Mutex<Held>>>>,
}

/// What is held for one target between two acts.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) worker: Option<WorkerHandle>,
    pub(crate) queue: Option<u16>,
    pub(crate) shot: Option<Shot>,
    /// The worker's last counters, kept over its end.
    pub(crate) counted: Option<crate::worker::status::Stats>,
    pub(crate) connections: sockets::Looks,
}

/// A process that was signalled and is watched.
#[derive(Debug)]
pub(crate) struct Shot {
    pub(crate) pinned: Pinned,
    pub(crate) began: Instant,
}

/// The names of one target's kernel objects.
#[derive(Clone, Debug)]
pub struct Names {
    pub instance: u32,
    pub id: u32,
    pub table: TableName,
    pub egress: IfbName,
    pub ingress: IfbName,
}

impl Names {
    /// `id` is a target's 8 hex digits.
    pub fn new(instance: u32, id: &str) -> Option<Self> {
        let id = u32::from_str_radix(id, 16).ok()?;
        Some(Self {
            instance,
            id,
            table: TableName { instance, id },
            egress: IfbName::new(instance, id, true),
            ingress: IfbName::new(instance, id, false),
        })
    }
}

impl HostHands {
    pub fn new(instance: u32, spawner: Spawner) -> Self {
        Self { instance, spawner, held: Mutex::default() }
    }

    fn held(&self, id: &str) -> Arc<Mutex<Held>> {
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(id.to_owned()).or_default())
    }

    fn act(&self, order: &Order, held: &mut Held) -> Outcome {
        let Some(names) = Names::new(self.instance, &order.planned.id) else {
            return Outcome::Failed { why: format!("`{}` is no id", order.planned.id) };
        };
        match &order.planned.target {
            Target::NetNs(target) => {
                // A worker that nobody needs must not keep a dead namespace alive.
                let netns = match resolve::netns(target) {
                    Ok(netns) => netns,
                    Err(outcome) => return revert::without_netns(&order.act, held, outcome),
                };
                self.in_netns(order, &netns, &names, held)
            }
            Target::Process(process) => match &order.act {
                Act::Resolve => resolve::process(process).map_or_else(|o| o, |_| Outcome::Ok),
                Act::Apply { change: Change::Signal(signal), .. } => apply::signal(process, *signal, held),
                Act::Check => verify::shot(held),
                Act::Escalate => revert::escalate(held),
                Act::Apply { .. }
                | Act::Renew { .. }
                | Act::Disarm
                | Act::Drain
                | Act::Remove { .. }
                | Act::Confirm => unfit(order),
            },
            Target::Container(container) => match &order.act {
                Act::Resolve => verify::container(container),
                Act::Apply { change: Change::KillContainer, .. } => apply::container(container),
                Act::Apply { .. }
                | Act::Check
                | Act::Escalate
                | Act::Renew { .. }
                | Act::Disarm
                | Act::Drain
                | Act::Remove { .. }
                | Act::Confirm => unfit(order),
            },
        }
    }

    fn in_netns(&self, order: &Order, netns: &NetNs, names: &Names, held: &mut Held) -> Outcome {
        let changes = order.planned.changes(&order.fault);
        match &order.act {
            Act::Resolve => {
                held.connections.begin(netns, order.planned.scope.as_ref());
                Outcome::Ok
            }
            Act::Apply { change: Change::DelayLinks(delay), .. } => match &order.planned.scope {
                Some(scope) => apply::links(netns, names, delay, scope),
                None => unfit(order),
            },
            Act::Apply { change: Change::DelayWorker(delay), until } => {
                apply::worker(&self.spawner, netns, names, delay, held, *until)
            }
            Act::Apply { change: Change::Filter(filter), until } => {
                apply::filter(netns, names, filter, &comment(&order.planned, order.fault.name()), held, *until)
            }
            Act::Check => verify::netns(netns, names, &changes, held),
            Act::Renew { until } => apply::renew(netns, names, &changes, held, *until),
            Act::Disarm => {
                let outcome = revert::disarm(netns, names, &changes);
                held.connections.end(netns, order.planned.scope.as_ref());
                outcome
            }
            Act::Drain => revert::drain(held),
            Act::Remove { change } => revert::remove(netns, names, change, held),
            Act::Confirm => verify::nothing_left(netns, names, held),
            Act::Apply { change: Change::KillContainer | Change::Signal(_), .. } | Act::Escalate => unfit(order),
        }
    }
}

impl Hands for HostHands {
    fn carry_out(&self, order: &Order) -> Outcome {
        let held = self.held(&order.planned.id);
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        let point = point(order);
        if let Err(why) = testing::point(&format!("{point}.before")) {
            return Outcome::Failed { why };
        }
        let outcome = self.act(order, &mut held);
        if let Err(why) = testing::point(&format!("{point}.after")) {
            return Outcome::Failed { why };
        }
        if matches!((&order.act, &outcome), (Act::Confirm, Outcome::Ok)) {
            self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&order.planned.id);
        }
        outcome
    }

    fn sweep(&self, keep: &BTreeSet<String>) -> Outcome {
        sweep::sweep(self.instance, keep)
    }
}

/// Names an act for failpoints: `apply-filter`, `remove-worker`, `disarm`, ….
pub(crate) fn point(order: &Order) -> String {
    let change = |change: &Change| match change {
        Change::DelayLinks(_) => "links",
        Change::DelayWorker(_) => "worker",
        Change::Filter(_) => "filter",
        Change::KillContainer => "container",
        Change::Signal(_) => "signal",
    };
    match &order.act {
        Act::Resolve => "resolve".into(),
        Act::Apply { change: c, .. } => format!("apply-{}", change(c)),
        Act::Check => "check".into(),
        Act::Renew { .. } => "renew".into(),
        Act::Escalate => "escalate".into(),
        Act::Disarm => "disarm".into(),
        Act::Drain => "drain".into(),
        Act::Remove { change: c } => format!("remove-{}", change(c)),
        Act::Confirm => "confirm".into(),
    }
}

fn unfit(order: &Order) -> Outcome {
    Outcome::Failed { why: format!("{} does not fit {}", point(order), order.planned.target) }
}

/// What people see in `nft list ruleset`: at most 127 bytes.
fn comment(planned: &Planned, fault: &str) -> String {
    let text = format!("rumpus {fault} id={} engine={}", planned.id, planned.engine);
    text.chars().take(120).collect()
}
