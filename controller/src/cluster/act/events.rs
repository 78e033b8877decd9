//! Writes Events of Kubernetes about runs: refused, injected, finished.

use crate::cluster::core::event::{Outcome, Telling};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use rumpus_cluster::{CONTROLLER, Cluster, Error};
use rumpus_model::rank::short_id;
use rumpus_model::wire::{API_VERSION, RUN_KIND};

/// The longest note that the API takes: 1 KiB.
const NOTE: usize = 1000;

pub(crate) async fn tell(cluster: &Cluster, instance: &str, telling: &Telling) -> Result<Outcome, Error> {
    let name: String = telling.run.name.chars().take(200).collect();
    let event = Event {
        metadata: ObjectMeta {
            // The same event has the same name: told twice it is there once.
            name: Some(format!("{name}.{}", short_id(&[&telling.uid, &telling.reason]))),
            namespace: Some(telling.run.namespace.clone()),
            ..ObjectMeta::default()
        },
        action: Some("Run".into()),
        event_time: Some(MicroTime(Timestamp::now())),
        note: Some(telling.message.chars().take(NOTE).collect()),
        reason: Some(telling.reason.chars().take(128).collect()),
        regarding: Some(ObjectReference {
            api_version: Some(API_VERSION.into()),
            kind: Some(RUN_KIND.into()),
            name: Some(telling.run.name.clone()),
            namespace: Some(telling.run.namespace.clone()),
            uid: Some(telling.uid.clone()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some("rumpus.dev/controller".into()),
        reporting_instance: Some(instance.chars().take(128).collect()),
        type_: Some(if telling.warning { "Warning" } else { "Normal" }.into()),
        ..Event::default()
    };
    cluster.create(CONTROLLER, &event).await?;
    Ok(Outcome::Done)
}
