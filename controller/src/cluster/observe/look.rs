//! One look at a cluster by plain lists, for a plan at the command line: the same snapshot as the controller's, as far
//! as the caller may read, or as a file tells it. Nothing is written.

use super::slim::{
    SlimBudget, SlimDaemonSet, SlimDeployment, SlimJob, SlimNamespace, SlimNode, SlimPod, SlimReplicaSet, SlimService,
    SlimSlice, SlimStatefulSet,
};
use super::table::Told;
use super::{At, Change, Observed, WorkloadKind, feed};
use rumpus_cluster::api::{Item, Kind, Unread};
use rumpus_cluster::{ChaosHalt, ChaosNode, Cluster, Query};
use rumpus_model::cluster::World;
use rumpus_model::cluster::world::{Reservation, Rules};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;

/// Takes a snapshot of everything that may be read; the rest is *unknown* in it.
pub async fn world(cluster: &Cluster, rules: &Rules, active: Vec<Reservation>, now: At) -> World {
    observed(cluster, &rules.release_namespace, now).await.world(rules, active, now)
}

/// Lists everything that a snapshot is made from.
pub async fn observed(cluster: &Cluster, release_namespace: &str, now: At) -> Observed {
    seen(cluster, release_namespace, now).await
}

/// Where lists come from.
trait Lists {
    fn listed<K: Kind>(&self) -> impl Future<Output = Vec<Told<K>>>;
}

async fn seen(lists: &impl Lists, release_namespace: &str, now: At) -> Observed {
    let mut observed = Observed::new(release_namespace);
    macro_rules! workload {
        ($kind:ident, $slim:ty) => {
            for told in lists.listed::<$slim>().await {
                observed.take(Change::Workload(WorkloadKind::$kind, told.map(|w| (w.metadata, w.spec, w.status))), now);
            }
        };
    }
    macro_rules! plain {
        ($change:expr, $kind:ty) => {
            for told in lists.listed::<$kind>().await {
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

impl Lists for Cluster {
    async fn listed<K: Kind>(&self) -> Vec<Told<K>> {
        match self.list::<K>("", &Query::default()).await {
            Err(error) => vec![Told::Failed(error.to_string())],
            Ok(items) => told(items),
        }
    }
}

fn told<K: Kind>(items: Vec<Item<K>>) -> Vec<Told<K>> {
    let mut told = vec![Told::ListBegins];
    told.extend(items.into_iter().map(|i| feed::read(i).map_or_else(Told::Unread, |(uid, k)| Told::Listed(uid, k))));
    told.push(Told::ListEnds);
    told
}

/// Objects that somebody saved, by kind: what `kubectl get KINDS -A -o json` prints.
#[derive(Clone, Debug, Default)]
pub struct Saved(BTreeMap<String, Vec<Value>>);

/// A file is no list of a cluster's objects.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    #[error("it is no list of objects: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("it has no {0}")]
    Missing(&'static str),
}

impl Saved {
    /// Without these nothing can be planned.
    const NEEDED: [&str; 3] = ["Namespace", "Node", "Pod"];

    /// Reads the JSON of a `List`.
    ///
    /// # Errors
    /// It is none, or has no pods, nodes or namespaces.
    pub fn read(json: &str) -> Result<Self, SavedError> {
        #[derive(Deserialize)]
        struct Whole {
            items: Vec<Value>,
        }
        let mut kinds: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for item in serde_json::from_str::<Whole>(json)?.items {
            let kind = item["kind"].as_str().unwrap_or_default().to_owned();
            kinds.entry(kind).or_default().push(item);
        }
        match Self::NEEDED.into_iter().find(|kind| !kinds.contains_key(*kind)) {
            Some(kind) => Err(SavedError::Missing(kind)),
            None => Ok(Self(kinds)),
        }
    }

    /// Returns the snapshot that the objects make.
    pub async fn world(&self, rules: &Rules, now: At) -> World {
        seen(self, &rules.release_namespace, now).await.world(rules, Vec::new(), now)
    }
}

impl Lists for Saved {
    /// A kind of which the file has none has none: a list of several kinds does not tell which were asked for.
    async fn listed<K: Kind>(&self) -> Vec<Told<K>> {
        let items = self.0.get(&*K::kind(&())).map_or(&[][..], Vec::as_slice);
        let read = |item: &Value| {
            serde_json::from_value::<K>(item.clone()).map_err(|e| {
                let metadata = serde_json::from_value(item["metadata"].clone()).unwrap_or_default();
                Box::new(Unread { metadata, why: e.to_string() })
            })
        };
        told(items.iter().map(read).collect())
    }
}
