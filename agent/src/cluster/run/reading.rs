//! What is read from the API server, always as it is stored (quorum reads): a stale answer is no contact.

use crate::cluster::contact::LeaseRead;
use crate::cluster::desk::Name;
use crate::cluster::halts;
use crate::kernel::timer::boottime;
use crate::resolve::chain;
use futures_util::future::{join, join_all};
use k8s_openapi::api::coordination::v1::Lease;
use rumpus_cluster::{ChaosHalt, ChaosInjection, Cluster, Error, Query};
use rumpus_model::halt::Halt;
use std::collections::BTreeMap;
use std::time::Duration;

/// The controller's Lease, in the release namespace.
const LEASE: &str = "rumpus-controller";

/// Everything that injections hang on, read at once.
#[derive(Debug)]
pub(super) struct Reading {
    /// CLOCK_BOOTTIME right before the requests were sent.
    pub(super) at: Duration,
    pub(super) halts: Result<Vec<Halt>, String>,
    pub(super) lease: Result<LeaseRead, String>,
    /// By UID; `None`: there is no such object.
    pub(super) objects: BTreeMap<String, Result<Option<ChaosInjection>, String>>,
}

/// Reads the Halts, the Lease and these injections, side by side.
pub(super) async fn read(cluster: Cluster, namespace: String, wanted: Vec<(String, Name)>) -> Reading {
    let at = boottime();
    let one = |(uid, name): (String, Name)| {
        let cluster = &cluster;
        async move {
            let object = match cluster.get::<ChaosInjection>(&name.namespace, &name.name).await {
                Ok(object) => Ok(Some(object)),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(chain(&error)),
            };
            (uid, object)
        }
    };
    let ((halts, lease), objects) =
        join(join(halts(&cluster), lease(&cluster, &namespace)), join_all(wanted.into_iter().map(one))).await;
    Reading { at, halts, lease, objects: objects.into_iter().collect() }
}

async fn halts(cluster: &Cluster) -> Result<Vec<Halt>, String> {
    let all = cluster.list::<ChaosHalt>("", &Query::default()).await.map_err(|e| chain(&e))?;
    Ok(all.iter().map(halts::of).collect())
}

/// Reads the Lease.
pub(super) async fn lease(cluster: &Cluster, namespace: &str) -> Result<LeaseRead, String> {
    let lease = cluster.get::<Lease>(namespace, LEASE).await.map_err(|e| chain(&e))?;
    LeaseRead::of(&lease)
}
