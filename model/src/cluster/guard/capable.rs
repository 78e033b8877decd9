//! Whether each node's agent is there, has an engine for the fault, has proven the admission policies, and has nothing
//! left to restore.

use super::{Case, unknown};
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::world::{NodeAgent, World};
use crate::engine::Engine;
use crate::fault::Fault;
use std::collections::BTreeSet;

pub(crate) fn check(case: &Case<'_>) -> Vec<ClusterRefusal> {
    if case.fault().by_controller() {
        return Vec::new();
    }
    let names: BTreeSet<&str> = case.picked.iter().filter_map(|p| p.node.as_deref()).collect();
    names.into_iter().filter_map(|node| engine(case.world, node, case.fault()).err()).collect()
}

/// Returns the engine that a node's agent uses.
///
/// # Errors
/// Why it is not to be used.
pub(crate) fn engine(world: &World, node: &str, fault: &Fault) -> Result<Engine, ClusterRefusal> {
    let nodes = world.nodes.as_ref().map_err(|u| unknown("nodes", u))?;
    let found = nodes.get(node).ok_or_else(|| ClusterRefusal::NodeMissing { node: node.into() })?;
    let Some(agent) = &found.agent else {
        return Err(ClusterRefusal::NoAgent { node: node.into(), why: "none ever reported from it".into() });
    };
    able(agent, node, fault)
}

fn able(agent: &NodeAgent, node: &str, fault: &Fault) -> Result<Engine, ClusterRefusal> {
    let node = node.to_owned();
    if let Err(why) = &agent.present {
        return Err(ClusterRefusal::NoAgent { node, why: why.clone() });
    }
    if let Err(why) = &agent.admission {
        return Err(ClusterRefusal::AdmissionGuardMissing { node, why: why.clone() });
    }
    if let Some(what) = agent.unrestored.first() {
        return Err(ClusterRefusal::Unrestored { node, what: what.clone() });
    }
    let name = fault.capability();
    match (agent.engines.get(name), agent.missing.get(name)) {
        (Some(engine), None) => Ok(*engine),
        (_, Some(why)) => Err(ClusterRefusal::CannotDo { node, fault: name.into(), why: why.clone() }),
        (None, None) => {
            let why = "its agent does not say that it can".into();
            Err(ClusterRefusal::CannotDo { node, fault: name.into(), why })
        }
    }
}
