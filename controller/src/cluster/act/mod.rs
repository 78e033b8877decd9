//! Carries out what the core asks for, one request each, and tells what came of it. The only writer beside
//! [`status`], [`events`], [`ledger`] and [`lease`]; it chooses nothing.

use super::core::event::{Act, Key, NewInjection, NewRun, Outcome, PodRef};
use super::gates::Asker;
use super::seen::{self, NEVER_ARMED};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use rumpus_cluster::{CONTROLLER, ChaosHalt, ChaosInjection, ChaosPolicy, ChaosRun, Cluster, Error, Query};
use rumpus_model::wire::ledger::LEDGER;
use rumpus_model::wire::{API_VERSION, InjectionSpec, POLICY_KIND, Phase, RUN_KIND};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) mod events;
pub(crate) mod lease;
mod ledger;
pub(crate) mod nodes;
pub(crate) mod status;
#[cfg(test)]
mod tests;

/// Carries out one effect. `Plan` and `Revise` need the snapshot and are not carried out here.
pub(crate) async fn carry_out(cluster: &Cluster, instance: &str, asker: &Asker, act: Act) -> Outcome {
    match act {
        Act::Plan { .. } | Act::Revise { .. } | Act::Agenda(_) => {
            Outcome::Unknown { why: "it needs a snapshot".into() }
        }
        Act::Recover => or(recover(cluster).await),
        Act::ListHalts => or(halts(cluster).await),
        Act::ReadLedger => or(ledger::read(cluster, LEDGER).await),
        Act::ReadGroups { name } => or(ledger::read(cluster, &name).await),
        Act::ReadPolicy(key) => {
            or(read::<ChaosPolicy>(cluster, &key).await.map(|policy| Outcome::Policy(Box::new(seen::policy(&policy)))))
        }
        Act::ReadRun(key) => {
            or(read::<ChaosRun>(cluster, &key).await.map(|run| Outcome::Run(Box::new(seen::run(&run)))))
        }
        Act::ReadInjection(key) => or(read::<ChaosInjection>(cluster, &key).await.map(of_injection)),
        Act::ReadPod(key) => or(read::<super::observe::slim::SlimPod>(cluster, &key)
            .await
            .map(|pod| Outcome::Pod { uid: pod.metadata.uid.unwrap_or_default() })),
        Act::Review { account, namespaces } => or(review(cluster, &account, namespaces).await),
        Act::AskGates(gates) => Outcome::Closed(asker.ask(gates).await),
        Act::Create(new) => or(create(cluster, *new).await),
        Act::Begin(new) => or(begin(cluster, *new).await),
        Act::DeleteRun { key, uid } => or(cluster
            .delete::<ChaosRun>(CONTROLLER, &key.namespace, &key.name, &uid, None)
            .await
            .map(|()| Outcome::Done)),
        Act::SetPhase { key, resource_version, spec, phase, never_armed } => {
            let metadata = ObjectMeta {
                name: Some(key.name),
                namespace: Some(key.namespace),
                resource_version: Some(resource_version),
                ..ObjectMeta::default()
            };
            or(set_phase(cluster, ChaosInjection::new(metadata, *spec), phase, never_armed).await)
        }
        Act::DeleteInjection { key, uid } => or(cluster
            .delete::<ChaosInjection>(CONTROLLER, &key.namespace, &key.name, &uid, None)
            .await
            .map(|()| Outcome::Done)),
        Act::DeletePod(pod) => or(delete(cluster, &pod).await),
        Act::EvictPod(pod) => or(evict(cluster, &pod).await),
        Act::WriteLedger { resource_version, spec } => {
            or(ledger::write(cluster, LEDGER, resource_version, *spec).await)
        }
        Act::WriteGroups { name, resource_version, spec } => {
            or(ledger::write(cluster, &name, resource_version, *spec).await)
        }
        Act::WriteStatus { key, resource_version, status } => {
            or(status::write(cluster, &key, &resource_version, &status).await)
        }
        Act::WritePolicyStatus { key, uid, status } => or(status::write_policy(cluster, &key, &uid, &status).await),
        Act::Tell(telling) => or(events::tell(cluster, instance, &telling).await),
    }
}

/// Sorts what came of a request: a "no" that a second try does not change, "not now", and *unknown*.
fn or(result: Result<Outcome, Error>) -> Outcome {
    let error = match result {
        Ok(outcome) => return outcome,
        Err(error) => error,
    };
    let why = error.to_string();
    match error {
        Error::NotFound { .. } => Outcome::Missing,
        Error::AlreadyExists { .. } => Outcome::Exists,
        Error::Conflict { .. } => Outcome::Conflict,
        Error::TooManyRequests { .. } => Outcome::Busy { why },
        Error::Forbidden { .. } | Error::Invalid { .. } | Error::Unsendable { .. } => Outcome::Refused { why },
        Error::Unauthenticated { .. } | Error::Expired { .. } => Outcome::Busy { why },
        Error::Server { .. } | Error::Timeout { .. } | Error::Unreachable { .. } | Error::Unreadable { .. } => {
            Outcome::Unknown { why }
        }
    }
}

async fn read<K: rumpus_cluster::api::Kind>(cluster: &Cluster, key: &Key) -> Result<K, Error> {
    cluster.get::<K>(&key.namespace, &key.name).await
}

fn of_injection(object: ChaosInjection) -> Outcome {
    Outcome::Injection(Box::new(seen::injection(&object)))
}

async fn recover(cluster: &Cluster) -> Result<Outcome, Error> {
    // Runs first: an injection whose run is younger than the first list would look like an orphan.
    let injections = cluster.list::<ChaosInjection>("", &Query::default()).await?;
    let runs = cluster.list::<ChaosRun>("", &Query::default()).await?;
    Ok(Outcome::Recovered {
        runs: runs.iter().filter_map(|r| r.as_ref().ok()).map(seen::run).collect(),
        injections: injections.iter().filter_map(|i| i.as_ref().ok()).map(seen::injection).collect(),
    })
}

async fn halts(cluster: &Cluster) -> Result<Outcome, Error> {
    let halts = cluster.list::<ChaosHalt>("", &Query::default()).await?;
    let row = |item: &rumpus_cluster::Item<ChaosHalt>| match item {
        Ok(halt) => super::observe::halt(halt),
        // One that cannot be read is about everything.
        Err(unread) => super::observe::unreadable_halt(&unread.metadata),
    };
    Ok(Outcome::Halts(halts.iter().map(row).collect()))
}

async fn create(cluster: &Cluster, new: NewInjection) -> Result<Outcome, Error> {
    let metadata = metadata(&new.key, &new.spec);
    let created = cluster.create(CONTROLLER, &ChaosInjection::new(metadata, new.spec)).await?;
    Ok(of_injection(created))
}

async fn begin(cluster: &Cluster, new: NewRun) -> Result<Outcome, Error> {
    let metadata = ObjectMeta {
        name: Some(new.key.name),
        namespace: Some(new.key.namespace),
        owner_references: Some(vec![owner(POLICY_KIND, new.policy, new.policy_uid)]),
        ..ObjectMeta::default()
    };
    let created = cluster.create(CONTROLLER, &ChaosRun::new(metadata, new.spec)).await?;
    Ok(Outcome::Run(Box::new(seen::run(&created))))
}

fn owner(kind: &str, name: String, uid: String) -> OwnerReference {
    OwnerReference {
        api_version: API_VERSION.into(),
        kind: kind.into(),
        name,
        uid,
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}

fn metadata(key: &Key, spec: &InjectionSpec) -> ObjectMeta {
    let owner = owner(RUN_KIND, spec.run.name.clone(), spec.run.uid.clone());
    let mut labels = BTreeMap::from([("rumpus.dev/run".to_owned(), spec.run.uid.clone())]);
    // A node's name may be longer than a label's value.
    if spec.node_name.len() <= 63 {
        labels.insert("rumpus.dev/node".to_owned(), spec.node_name.clone());
    }
    ObjectMeta {
        name: Some(key.name.clone()),
        namespace: Some(key.namespace.clone()),
        owner_references: Some(vec![owner]),
        labels: Some(labels),
        ..ObjectMeta::default()
    }
}

/// A merge patch with the version that was read: whoever was quicker wins.
async fn set_phase(
    cluster: &Cluster,
    object: ChaosInjection,
    phase: Phase,
    never_armed: bool,
) -> Result<Outcome, Error> {
    let mut patch = json!({"spec": {"phase": phase}});
    if never_armed {
        patch["metadata"]["annotations"][NEVER_ARMED] = json!("true");
    }
    Ok(of_injection(cluster.merge(CONTROLLER, &object, patch).await?))
}

fn grace(pod: &PodRef) -> Option<u32> {
    pod.grace.map(|g| u32::try_from(g).unwrap_or(u32::MAX))
}

async fn delete(cluster: &Cluster, pod: &PodRef) -> Result<Outcome, Error> {
    let PodRef { key, uid, .. } = pod;
    cluster.delete::<Pod>(CONTROLLER, &key.namespace, &key.name, uid, grace(pod)).await?;
    Ok(Outcome::Done)
}

async fn evict(cluster: &Cluster, pod: &PodRef) -> Result<Outcome, Error> {
    let PodRef { key, uid, .. } = pod;
    cluster.evict(CONTROLLER, &key.namespace, &key.name, uid, grace(pod)).await?;
    Ok(Outcome::Done)
}

/// Asks for each namespace; `None` asks for all of them at once.
async fn review(cluster: &Cluster, account: &Key, namespaces: Option<BTreeSet<String>>) -> Result<Outcome, Error> {
    let mut denied = Vec::new();
    let asked = namespaces.map_or_else(|| vec![String::new()], |n| n.into_iter().collect());
    for namespace in asked {
        let attributes = ResourceAttributes {
            namespace: (!namespace.is_empty()).then(|| namespace.clone()),
            verb: Some("delete".into()),
            version: Some("v1".into()),
            resource: Some("pods".into()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{}:{}", account.namespace, account.name)),
            groups: Some(vec![
                "system:serviceaccounts".into(),
                format!("system:serviceaccounts:{}", account.namespace),
                "system:authenticated".into(),
            ]),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let answer =
            cluster.create(CONTROLLER, &SubjectAccessReview { spec, ..SubjectAccessReview::default() }).await?;
        if !answer.status.is_some_and(|s| s.allowed) {
            denied.push(if namespace.is_empty() { "all namespaces".into() } else { namespace });
        }
    }
    Ok(Outcome::Reviewed { denied })
}
