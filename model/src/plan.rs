//! The plan: who, why, who not and why not, by which engine, and what to expect. Nothing is left to choose when it is
//! carried out; the dry run's plan is the real run's plan.

use crate::change::Change;
use crate::engine::Engine;
use crate::fault::{Fault, Network};
use crate::faults::Drawn;
use crate::guard::{self, capable, lockout, overlap};
use crate::pick::{self, Order};
use crate::policy::Policy;
use crate::rank::short_id;
use crate::refusal::Refusal;
use crate::scope::{Devices, Peers, Scope};
use crate::select::{Candidate, LeftOut, Reason, age};
use crate::target::{NetNsTarget, Target};
use crate::world::{StandingDelay, World};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::time::Duration;

/// What will be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub policy: String,
    pub seed: String,
    /// Over everything that is done: the same inputs give the same hash.
    pub hash: String,
    pub fault: Fault,
    /// Which one of several it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn: Option<Drawn>,
    pub duration: Option<Duration>,
    pub select: String,
    pub pick: String,
    pub expected: String,
    pub targets: Vec<Planned>,
    pub left_out: Vec<LeftOut>,
    /// Not empty: nothing at all is done.
    pub refusals: Vec<Refusal>,
}

/// One target of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// 8 hex digits, unique on a node; part of every kernel object's name.
    pub id: String,
    pub target: Target,
    pub why: String,
    pub engine: Engine,
    /// The packets meant; absent for faults that are not about the network.
    pub scope: Option<Scope>,
}

impl Planned {
    /// Returns the steps on the kernel, in the order in which they are applied.
    pub fn changes(&self, fault: &Fault) -> Vec<Change> {
        fault.changes(self.engine, self.scope.as_ref(), self.is_host())
    }

    pub fn is_host(&self) -> bool {
        self.target.netns().is_some_and(|n| n.host)
    }
}

/// A name that a target has to resolve before the plan can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub netns: NetNsTarget,
    pub name: String,
}

/// Returns the names that `world` lacks for this policy and seed: resolve them, put them into the world, then plan.
pub fn lookups(world: &World, policy: &Policy, seed: &str) -> Vec<Lookup> {
    let policy = &*policy.settled(seed);
    let Some(network) = policy.experiment.fault.network() else { return Vec::new() };
    let mut needed = Vec::new();
    for candidate in picked(world, policy, seed).0 {
        if let Target::NetNs(netns) = &candidate.target {
            let missing = |name: &&str| !world.names.contains_key(&World::name_key(&netns.id, name));
            needed.extend(
                network
                    .names()
                    .into_iter()
                    .filter(missing)
                    .map(|n| Lookup { netns: netns.clone(), name: n.to_owned() }),
            );
        }
    }
    needed
}

/// Makes the plan. `run` names the run (its uid), so that two runs on one target have different ids.
pub fn plan(world: &World, policy: &Policy, seed: &str, run: &str) -> Plan {
    let policy = &*policy.settled(seed);
    let experiment = &policy.experiment;
    let index = experiment.drawn.map_or(0, |drawn| drawn.index);
    let (candidates, mut left_out) = picked(world, policy, seed);
    let mut refusals = Vec::new();
    for field in &policy.unbuilt {
        refusals.push(Refusal::NotHere {
            field: field.field.clone(),
            why: field.why.clone(),
            hint: field.hint.clone(),
        });
    }
    refusals.extend(guard::halted(world).err());
    let mut targets = Vec::new();
    for candidate in candidates {
        match planned(world, (&experiment.fault, index), candidate, run) {
            Ok(target) => targets.push(target),
            Err(refusal) if refusals.contains(&refusal) => {}
            Err(refusal) => refusals.push(refusal),
        }
    }
    left_out.sort();
    let mut plan = Plan {
        policy: policy.name.clone(),
        seed: seed.to_owned(),
        hash: String::new(),
        fault: experiment.fault.clone(),
        drawn: experiment.drawn,
        duration: experiment.duration,
        select: experiment.targets.summary(),
        pick: experiment.pick_summary(),
        expected: experiment.fault.expected(),
        targets,
        left_out,
        refusals,
    };
    plan.hash = hash(&plan);
    plan.refusals.extend(policy.expects_another(&plan.hash));
    plan
}

/// Adds the delays of a plan to a world, so that a second policy of the same file is planned beside it.
pub fn occupy(world: &mut World, plan: &Plan) {
    for planned in &plan.targets {
        let (Fault::Latency(_), Some(scope), Some(target)) = (&plan.fault, &planned.scope, planned.target.netns())
        else {
            continue;
        };
        if let Some(netns) = world.netns.iter_mut().find(|n| n.id == target.id) {
            netns.delays.push(StandingDelay {
                table: format!("of policy {}", plan.policy),
                direction: scope.direction,
                peers: scope.peers.clone(),
            });
        }
    }
}

impl Plan {
    /// Returns whether the plan can be carried out and does something.
    pub fn acts(&self) -> bool {
        self.refusals.is_empty() && !self.targets.is_empty()
    }
}

fn picked(world: &World, policy: &Policy, seed: &str) -> (Vec<Candidate>, Vec<LeftOut>) {
    let found = policy.experiment.targets.find(world, &policy.experiment.fault);
    let pick = policy.experiment.pick;
    let identity = |c: &Candidate| c.identity.clone();
    let (taken, left) = match policy.experiment.order {
        Order::Random => pick::split(found.candidates, identity, pick, seed),
        // Whoever's age is not known is taken last.
        Order::Oldest => {
            let first = |c: &Candidate| age::started(world, &c.target).unwrap_or(u64::MAX);
            pick::split_by(found.candidates, first, identity, pick, seed)
        }
        Order::Youngest => {
            let first = |c: &Candidate| Reverse(age::started(world, &c.target));
            pick::split_by(found.candidates, first, identity, pick, seed)
        }
    };
    let mut left_out = found.left_out;
    left_out.extend(left.into_iter().map(|c| LeftOut { what: c.target.to_string(), reason: Reason::NotPicked }));
    (taken, left_out)
}

/// `index` is the fault's place in the policy's list.
fn planned(
    world: &World,
    (fault, index): (&Fault, usize),
    candidate: Candidate,
    run: &str,
) -> Result<Planned, Refusal> {
    let host = candidate.target.netns().is_some_and(|n| n.host);
    let engine = capable::engine(world, fault, index, host)?;
    let scope = match (fault.network(), candidate.target.netns()) {
        (Some(network), Some(netns)) => Some(scope(world, network, netns, &candidate.target.to_string())?),
        (None, _) | (_, None) => None,
    };
    if let (Fault::Latency(_), Some(scope), Some(netns)) = (fault, &scope, candidate.target.netns()) {
        let standing = world.netns.iter().find(|n| n.id == netns.id).map(|n| n.delays.as_slice()).unwrap_or_default();
        overlap::delay(&candidate.target.to_string(), scope, standing)?;
    }
    let id = short_id(&[run, fault.name(), &candidate.identity]);
    Ok(Planned { id, target: candidate.target, why: candidate.why, engine, scope })
}

fn scope(world: &World, network: &Network, netns: &NetNsTarget, target: &str) -> Result<Scope, Refusal> {
    let exempt = if netns.host { lockout::exempt(world, network)? } else { Vec::new() };
    for name in network.names() {
        let why = match world.names.get(&World::name_key(&netns.id, name)) {
            Some(Ok(addresses)) if addresses.is_empty() => "it has no address".to_owned(),
            Some(Ok(_)) => continue,
            Some(Err(why)) => why.clone(),
            None => "it was not looked up".to_owned(),
        };
        return Err(Refusal::NameUnknown { target: target.into(), name: name.into(), why });
    }
    let resolved = |name: &str| {
        world.names.get(&World::name_key(&netns.id, name)).and_then(|r| r.as_ref().ok()).map(Vec::as_slice)
    };
    let scope = network.scope(resolved, exempt).map_err(|name| Refusal::NameUnknown {
        target: target.into(),
        name,
        why: "it was not looked up".into(),
    })?;
    let seen = world.netns.iter().find(|n| n.id == netns.id);
    if let (Devices::Named(wanted), Some(seen)) = (&scope.devices, seen)
        && let Some(device) = wanted.iter().find(|d| !seen.devices.iter().any(|s| s == d.as_str()))
    {
        let (target, device) = (target.to_owned(), device.to_string());
        return Err(Refusal::NoSuchDevice { target, device, has: seen.devices.clone() });
    }
    match &scope.peers {
        Peers::Only(addresses) if addresses.is_empty() => Err(Refusal::NothingInFamily { target: target.into() }),
        Peers::Only(_) | Peers::Everyone => Ok(scope),
    }
}

/// Returns whether a text may be a plan's hash: eight digits, as plans show them.
pub fn is_hash(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn hash(plan: &Plan) -> String {
    let done = (
        &plan.fault,
        plan.duration,
        &plan.seed,
        plan.targets.iter().map(|t| (&t.target, t.engine, &t.scope)).collect::<Vec<_>>(),
    );
    short_id(&[&format!("{done:?}")])
}
