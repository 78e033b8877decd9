//! Reads and writes the Lease `rumpus-controller`, as the election asks.

use crate::cluster::core::lease::{Command, Event, Seen};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use k8s_openapi::jiff::Timestamp;
use rumpus_cluster::{CONTROLLER, Cluster, Error};
use std::time::Duration;

/// Its name, in the controller's namespace.
pub(crate) const NAME: &str = "rumpus-controller";

/// Whose Lease it is.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) namespace: String,
    /// The pod's UID.
    pub(crate) identity: String,
    /// L.
    pub(crate) lease: Duration,
    /// The controller's Deployment, where it was found.
    pub(crate) owner: Option<OwnerReference>,
}

pub(crate) async fn carry_out(cluster: &Cluster, holder: &Holder, command: Command) -> Event {
    match command {
        Command::Read => match cluster.get::<Lease>(&holder.namespace, NAME).await {
            Ok(lease) => Event::Read(Some(seen(&lease))),
            Err(Error::NotFound { .. }) => Event::Read(None),
            Err(error) => unknown(&error),
        },
        Command::Create { transitions } => {
            let mut lease = written(holder, transitions, None);
            lease.metadata.owner_references = holder.owner.clone().map(|o| vec![o]);
            answer(cluster.create(CONTROLLER, &lease).await)
        }
        Command::Replace { transitions, resource_version } => {
            let lease = written(holder, transitions, Some(resource_version));
            // A merge patch keeps what others wrote beside (labels, owners).
            let patch = serde_json::json!({"spec": lease.spec});
            answer(cluster.merge(CONTROLLER, &lease, patch).await)
        }
        Command::Resign { transitions, resource_version } => {
            let lease = written(holder, transitions, Some(resource_version));
            let mut patch = serde_json::json!({"spec": lease.spec});
            patch["spec"]["holderIdentity"] = serde_json::Value::Null;
            answer(cluster.merge(CONTROLLER, &lease, patch).await)
        }
    }
}

fn written(holder: &Holder, transitions: i64, resource_version: Option<String>) -> Lease {
    let now = MicroTime(Timestamp::now());
    Lease {
        metadata: ObjectMeta {
            name: Some(NAME.into()),
            namespace: Some(holder.namespace.clone()),
            resource_version,
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.identity.clone()),
            // The API knows whole seconds; rounded up it is never shorter than what an agent keeps by its own flag.
            lease_duration_seconds: i32::try_from(holder.lease.as_millis().div_ceil(1000)).ok(),
            lease_transitions: i32::try_from(transitions).ok(),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }),
    }
}

fn seen(lease: &Lease) -> Seen {
    let spec = lease.spec.clone().unwrap_or_default();
    Seen {
        holder: spec.holder_identity.unwrap_or_default(),
        transitions: spec.lease_transitions.unwrap_or_default().into(),
        resource_version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}

fn answer(result: Result<Lease, Error>) -> Event {
    match result {
        Ok(lease) => Event::Written(seen(&lease)),
        Err(Error::Conflict { .. } | Error::AlreadyExists { .. } | Error::NotFound { .. }) => Event::Lost,
        Err(error) => unknown(&error),
    }
}

fn unknown(error: &Error) -> Event {
    tracing::warn!(error = %error, "The Lease was not answered.");
    Event::Unknown
}
