//! From objects of the API server to what the core is told of them.

use super::core::event::{InjectionSeen, Key, PolicySeen, RunSeen};
use kube::core::ObjectMeta;
use rumpus_cluster::{ChaosInjection, ChaosPolicy, ChaosRun};
use rumpus_model::wire::{ConditionType, POLICY_KIND};

/// Written beside the cancellation of an injection that was never armed.
pub const NEVER_ARMED: &str = "rumpus.dev/never-armed";

pub fn run(object: &ChaosRun) -> RunSeen {
    let meta = &object.metadata;
    let owners = meta.owner_references.iter().flatten().filter(|o| o.kind == POLICY_KIND);
    RunSeen {
        key: key(meta),
        uid: text(&meta.uid),
        resource_version: text(&meta.resource_version),
        generation: meta.generation.unwrap_or_default(),
        deleting: object.is_ending(),
        owners: owners.map(|o| o.uid.clone()).collect(),
        spec: object.spec.clone(),
        status: object.status.clone().unwrap_or_default(),
    }
}

pub fn injection(object: &ChaosInjection) -> InjectionSeen {
    let meta = &object.metadata;
    InjectionSeen {
        key: key(meta),
        uid: text(&meta.uid),
        resource_version: text(&meta.resource_version),
        deleting: object.is_ending(),
        never_armed: meta.annotations.as_ref().is_some_and(|a| a.contains_key(NEVER_ARMED)),
        spec: object.spec.clone(),
        status: object.status.clone().unwrap_or_default(),
    }
}

pub fn policy(object: &ChaosPolicy) -> PolicySeen {
    PolicySeen {
        key: key(&object.metadata),
        uid: text(&object.metadata.uid),
        generation: object.metadata.generation.unwrap_or_default(),
        deleting: object.is_ending(),
        spec: object.spec.clone(),
        ready: {
            let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
            conditions.find(|c| c.type_ == ConditionType::ReadyForChaos).cloned()
        },
    }
}

fn key(meta: &ObjectMeta) -> Key {
    Key { namespace: text(&meta.namespace), name: text(&meta.name) }
}

fn text(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}
