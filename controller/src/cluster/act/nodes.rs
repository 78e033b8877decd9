//! One ChaosNode per Node, and the two canaries that agents try forbidden writes on. All of them belong to something
//! that goes with the release, so that uninstalling takes them away.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use rumpus_cluster::api::Kind;
use rumpus_cluster::{CONTROLLER, ChaosInjection, ChaosNode, Cluster, Error};
use rumpus_model::wire::{Fault, InjectionSpec, Kill, NodeSpec, Phase, RunRef};
use std::collections::BTreeSet;

/// Name of both canaries, and of the node that the canary injection is for.
pub(crate) const CANARY: &str = "rumpus-canary";
/// The ClusterRole that owns what is cluster-scoped.
pub(super) const OWNER: &str = "rumpus-owner";

/// What is to be created and deleted so that each Node has its ChaosNode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Upkeep {
    pub(crate) create: Vec<String>,
    /// (name, uid)
    pub(crate) delete: Vec<(String, String)>,
}

/// Compares the Nodes with the ChaosNodes (name, uid).
pub(crate) fn upkeep(nodes: &[String], chaos_nodes: &[(String, String)]) -> Upkeep {
    let wanted: BTreeSet<&str> = nodes.iter().map(String::as_str).chain([CANARY]).collect();
    let there: BTreeSet<&str> = chaos_nodes.iter().map(|(name, _)| name.as_str()).collect();
    Upkeep {
        create: wanted.iter().filter(|n| !there.contains(*n)).map(|n| (*n).to_owned()).collect(),
        delete: chaos_nodes.iter().filter(|(n, _)| !wanted.contains(n.as_str())).cloned().collect(),
    }
}

/// Carries it out; what fails is tried at the next change or minute.
pub(crate) async fn keep_up(cluster: &Cluster, upkeep: Upkeep) {
    let owner = owner::<ClusterRole>(cluster, "", OWNER).await;
    for name in upkeep.create {
        let metadata = ObjectMeta {
            name: Some(name.clone()),
            owner_references: owner.clone().map(|o| vec![o]),
            ..ObjectMeta::default()
        };
        told(cluster.create(CONTROLLER, &ChaosNode::new(metadata, NodeSpec {})).await.map(|_| ()), &name);
    }
    for (name, uid) in upkeep.delete {
        told(cluster.delete::<ChaosNode>(CONTROLLER, "", &name, &uid, None).await, &name);
    }
}

/// Creates the canary injection where there is none.
pub(crate) async fn canary(cluster: &Cluster, namespace: &str) {
    match cluster.get::<ChaosInjection>(namespace, CANARY).await {
        Ok(_) => return,
        Err(Error::NotFound { .. }) => {}
        Err(error) => return told(Err(error), CANARY),
    }
    let owner = owner::<Deployment>(cluster, namespace, super::lease::NAME).await;
    let metadata = ObjectMeta {
        name: Some(CANARY.into()),
        namespace: Some(namespace.to_owned()),
        owner_references: owner.map(|o| vec![o]),
        ..ObjectMeta::default()
    };
    let spec = InjectionSpec {
        node_name: CANARY.into(),
        run: RunRef { name: CANARY.into(), uid: CANARY.into() },
        phase: Phase::Planned,
        epoch: 0,
        revision: 1,
        not_after: "1970-01-01T00:00:00.000000Z".into(),
        duration: None,
        fault: Fault { kill: Some(Kill { container: Some(true), ..Kill::default() }), ..Fault::default() },
        targets: Vec::new(),
        peers: None,
    };
    told(cluster.create(CONTROLLER, &ChaosInjection::new(metadata, spec)).await.map(|_| ()), CANARY);
}

/// Returns a reference to an owner that goes with the release; none where it is not there (out of a cluster).
pub(crate) async fn owner<K: Kind>(cluster: &Cluster, namespace: &str, name: &str) -> Option<OwnerReference> {
    let owner = cluster.get::<kube::core::PartialObjectMeta<K>>(namespace, name).await;
    match owner {
        Ok(owner) => Some(OwnerReference {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            name: name.to_owned(),
            uid: owner.meta().uid.clone().unwrap_or_default(),
            controller: Some(false),
            block_owner_deletion: Some(false),
        }),
        Err(error) => {
            tracing::warn!(%name, error = %error, "An owner was not found: what it should own outlives it.");
            None
        }
    }
}

fn told(result: Result<(), Error>, name: &str) {
    match result {
        Ok(()) | Err(Error::AlreadyExists { .. } | Error::NotFound { .. }) => {}
        Err(error) => tracing::warn!(%name, error = %error, "The upkeep of an object failed."),
    }
}

#[cfg(test)]
mod tests {
    use super::{Upkeep, upkeep};

    #[test]
    fn each_node_and_the_canary_have_one_and_nobody_else() {
        let there = [("b".to_owned(), "1".to_owned()), ("gone".to_owned(), "2".to_owned())];
        let found = upkeep(&["a".into(), "b".into()], &there);
        let create = vec!["a".into(), "rumpus-canary".into()];
        assert_eq!(found, Upkeep { create, delete: vec![("gone".into(), "2".into())] });
    }
}
