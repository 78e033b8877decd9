//! Reads and writes ChaosLedgers, each write with the version that was read as its precondition.

use super::nodes;
use crate::cluster::core::event::{LedgerSeen, Outcome};
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rumpus_cluster::{CONTROLLER, ChaosLedger, Cluster, Error};
use rumpus_model::wire::LedgerSpec;

pub(super) async fn read(cluster: &Cluster, name: &str) -> Result<Outcome, Error> {
    Ok(seen(cluster.get::<ChaosLedger>("", name).await?))
}

pub(super) async fn write(
    cluster: &Cluster,
    name: &str,
    version: Option<String>,
    spec: LedgerSpec,
) -> Result<Outcome, Error> {
    let mut metadata = ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() };
    let Some(version) = version else {
        metadata.owner_references = nodes::owner::<ClusterRole>(cluster, "", nodes::OWNER).await.map(|o| vec![o]);
        return Ok(seen(cluster.create(CONTROLLER, &ChaosLedger::new(metadata, spec)).await?));
    };
    metadata.resource_version = Some(version);
    // A list is replaced as a whole by a merge patch; one that is empty has to be named.
    let patch = serde_json::json!({"spec": {
        "epoch": spec.epoch, "holder": spec.holder, "reservations": spec.reservations, "groups": spec.groups,
    }});
    Ok(seen(cluster.merge(CONTROLLER, &ChaosLedger::new(metadata, spec), patch).await?))
}

fn seen(ledger: ChaosLedger) -> Outcome {
    let resource_version = ledger.metadata.resource_version.unwrap_or_default();
    Outcome::Ledger(Box::new(LedgerSeen { resource_version, spec: ledger.spec }))
}
