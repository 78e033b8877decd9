//! From workload objects to the owners of a snapshot: how many pods they want, and where their rollout stands.

use super::WorkloadKind;
use super::pods::Shared;
use super::slim::{Replicas, Scheduled};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rumpus_model::cluster::owner_limit::{self, MAX_PERCENT};
use rumpus_model::cluster::rollout::{Counts, Rollout};
use rumpus_model::cluster::says::{CHAOS, Says};
use rumpus_model::cluster::world::Owner;

pub(super) fn owner(
    shared: &mut Shared,
    kind: WorkloadKind,
    meta: &ObjectMeta,
    spec: &Replicas,
    status: &Scheduled,
) -> Owner {
    let desired = match kind {
        WorkloadKind::DaemonSet => status.desired_number_scheduled,
        WorkloadKind::Job => spec.parallelism,
        WorkloadKind::Deployment | WorkloadKind::ReplicaSet | WorkloadKind::StatefulSet => spec.replicas,
    };
    Owner {
        kind: shared.text(kind.name()),
        namespace: shared.text(meta.namespace.as_deref().unwrap_or_default()),
        name: meta.name.as_deref().unwrap_or_default().into(),
        desired,
        rollout: rollout(kind, meta, desired, spec, status),
        max_percent: meta.annotations.as_ref().and_then(|a| a.get(MAX_PERCENT)).map(|text| owner_limit::read(text)),
        says: {
            let written = |texts: Option<&std::collections::BTreeMap<String, String>>| texts?.get(CHAOS).cloned();
            Says::of(written(meta.annotations.as_ref()).as_deref(), written(meta.labels.as_ref()).as_deref())
        },
    }
}

fn rollout(kind: WorkloadKind, meta: &ObjectMeta, wanted: Option<u32>, spec: &Replicas, status: &Scheduled) -> Rollout {
    let counts = |present, updated, available| Counts {
        generation: meta.generation,
        observed: status.observed_generation,
        wanted,
        present,
        updated,
        available,
    };
    let strategy = &spec.update_strategy;
    let rolling = strategy.type_.as_deref() != Some("OnDelete");
    match kind {
        WorkloadKind::Deployment => {
            let counts = counts(status.replicas, status.updated_replicas, status.available_replicas);
            let said = |c: &super::slim::Reasoned| c.type_ == "Progressing" && c.reason == "NewReplicaSetAvailable";
            Rollout::of_deployment(&counts, status.conditions.iter().any(said))
        }
        WorkloadKind::StatefulSet => {
            let counts = counts(status.replicas, status.updated_replicas, status.ready_replicas);
            let partition = strategy.rolling_update.and_then(|r| r.partition).unwrap_or_default();
            let complete = status.update_revision.is_some() && status.update_revision == status.current_revision;
            Rollout::of_stateful_set(&counts, rolling, partition, complete)
        }
        WorkloadKind::DaemonSet => {
            let counts = counts(0, status.updated_number_scheduled, status.number_available);
            Rollout::of_daemon_set(&counts, rolling)
        }
        WorkloadKind::Job | WorkloadKind::ReplicaSet => Rollout::None,
    }
}
