//! Writes the statuses of runs and policies: nothing else does. The whole of it each time, to the object with this UID or, of
//! a run, to this version of it: what a controller of an earlier term still has on its way changes nothing any more.

use crate::cluster::core::event::{Key, Outcome};
use crate::cluster::seen;
use rumpus_cluster::{CONTROLLER, ChaosPolicy, ChaosRun, Cluster, Error, Only};
use rumpus_model::wire::{PolicyStatus, RunStatus};

pub(crate) async fn write(cluster: &Cluster, key: &Key, version: &str, status: &RunStatus) -> Result<Outcome, Error> {
    let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
    let run: ChaosRun = cluster.apply_status(CONTROLLER, namespace, name, Only::Version(version), status).await?;
    Ok(Outcome::Run(Box::new(seen::run(&run))))
}

pub(crate) async fn write_policy(
    cluster: &Cluster,
    key: &Key,
    uid: &str,
    status: &PolicyStatus,
) -> Result<Outcome, Error> {
    let (namespace, name) = (key.namespace.as_str(), key.name.as_str());
    let _policy: ChaosPolicy = cluster.apply_status(CONTROLLER, namespace, name, Only::Uid(uid), status).await?;
    Ok(Outcome::Done)
}
