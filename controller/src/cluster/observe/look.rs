//! One look at a cluster by plain lists, for a plan at the command line: the same snapshot as the controller's, as far
//! as the caller may read. Nothing is written.

use super::slim::{
    SlimBudget, SlimDaemonSet, SlimDeployment, SlimJob, SlimNamespace, SlimNode, SlimPod, SlimReplicaSet, SlimService,
    SlimSlice, SlimStatefulSet,
};
use super::table::Told;
use super::{At, Change, Observed, WorkloadKind, feed};
use rumpus_cluster::api::Kind;
use rumpus_cluster::{ChaosHalt, ChaosNode, Cluster, Query};
use rumpus_model::cluster::World;
use rumpus_model::cluster::world::{Reservation, Rules};

/// Takes a snapshot of everything that may be read; the rest is *unknown* in it.
pub async fn world(cluster: &Cluster, rules: &Rules, active: Vec<Reservation>, now: At) -> World {
    observed(cluster, &rules.release_namespace, now).await.world(rules, active, now)
}

/// Lists everything that a snapshot is made from.
pub async fn observed(cluster: &Cluster, release_namespace: &str, now: At) -> Observed {
    let mut observed = Observed::new(release_namespace);
    macro_rules! workload {
        ($kind:ident, $slim:ty) => {
            for told in listed::<$slim>(cluster).await {
                observed.take(Change::Workload(WorkloadKind::$kind, told.map(|w| (w.metadata, w.spec, w.status))), now);
            }
        };
    }
    macro_rules! plain {
        ($change:expr, $kind:ty) => {
            for told in listed::<$kind>(cluster).await {
                observed.take($change(told), now);
            }
        };
    }
    plain!(Change::Halt, ChaosHalt);
    plain!(Change::ChaosNode, ChaosNode);
    workload!(ReplicaSet, SlimReplicaSet);
    workload!(Job, SlimJob);
    workload!(Deployment, SlimDeployment);
    workload!(StatefulSet, SlimStatefulSet);
    workload!(DaemonSet, SlimDaemonSet);
    plain!(Change::Pod, SlimPod);
    plain!(Change::Namespace, SlimNamespace);
    plain!(Change::Node, SlimNode);
    plain!(Change::Service, SlimService);
    plain!(Change::Slice, SlimSlice);
    plain!(Change::Budget, SlimBudget);
    observed
}

async fn listed<K: Kind>(cluster: &Cluster) -> Vec<Told<K>> {
    match cluster.list::<K>("", &Query::default()).await {
        Err(error) => vec![Told::Failed(error.to_string())],
        Ok(items) => {
            let mut told = vec![Told::ListBegins];
            told.extend(
                items.into_iter().map(|i| feed::read(i).map_or_else(Told::Failed, |(uid, k)| Told::Listed(uid, k))),
            );
            told.push(Told::ListEnds);
            told
        }
    }
}
