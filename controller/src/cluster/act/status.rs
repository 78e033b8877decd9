//! Writes the statuses of runs and policies: nothing else does. The whole of it each time, to the object with this UID or to
//! none.

use crate::cluster::core::event::{Key, Outcome};
use rumpus_cluster::{CONTROLLER, ChaosPolicy, ChaosRun, Cluster, Error};
use rumpus_model::wire::{PolicyStatus, RunStatus};

pub(crate) async fn write(cluster: &Cluster, key: &Key, uid: &str, status: &RunStatus) -> Result<Outcome, Error> {
    let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
    let _run: ChaosRun = cluster.apply_status(CONTROLLER, namespace, name, Some(uid), status).await?;
    Ok(Outcome::Done)
}

pub(crate) async fn write_policy(
    cluster: &Cluster,
    key: &Key,
    uid: &str,
    status: &PolicyStatus,
) -> Result<Outcome, Error> {
    let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
    let _policy: ChaosPolicy = cluster.apply_status(CONTROLLER, namespace, name, Some(uid), status).await?;
    Ok(Outcome::Done)
}
