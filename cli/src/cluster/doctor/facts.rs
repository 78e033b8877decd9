//! What is seen of a cluster for `doctor`: each fact, or why it is not known.

use crate::cluster::ask;
use crate::cluster::connect::Reached;
use crate::cluster::installed;
use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::coordination::v1::Lease;
use rumpus_cluster::{CLI, ChaosNode, Error};
use rumpus_controller::cluster::NAMES;
use rumpus_model::wire::kinds::{GROUP, VERSION};
use std::time::Duration;
use tokio::time::Instant;

/// What is known, or why it is not.
pub(super) type Known<T> = Result<T, String>;

/// Everything that was seen.
#[derive(Debug)]
pub(super) struct Facts {
    /// As the API server says it, like `v1.33.1`.
    pub version: Known<String>,
    /// Plural names of the kinds of our group.
    pub kinds: Known<Vec<String>>,
    /// Namespace that Rumpus is installed in.
    pub release: Known<Option<String>>,
    pub lease: Known<LeaseSeen>,
    pub nodes: Known<Vec<ChaosNode>>,
    /// Each admission policy, with how its binding acts; none where one of them is not there.
    pub admission: Vec<(&'static str, Known<Option<Vec<String>>>)>,
    pub rights: Vec<(Right, Known<bool>)>,
}

/// How the controller's Lease behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LeaseSeen {
    None,
    /// It moved while it was looked at.
    Moves {
        every: Duration,
    },
    Stands,
}

/// One thing that a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Right {
    /// For people, like `start runs`.
    pub what: &'static str,
    pub verb: &'static str,
    pub group: &'static str,
    pub resource: &'static str,
    /// Asked in the namespace of the context, or of -n; else cluster-wide.
    pub here: bool,
    /// Who has it not asks for this role.
    pub role: &'static str,
}

const RIGHTS: [Right; 8] = [
    right("see runs", "list", GROUP, "chaosruns", true, "rumpus-viewer"),
    right("see what nodes attest", "list", GROUP, "chaosnodes", false, "rumpus-viewer"),
    right("start runs", "create", GROUP, "chaosruns", true, "rumpus-operator"),
    right(
        "aim at pods",
        "delete",
        "",
        "pods",
        true,
        "edit, or another that may delete pods here: admission asks for it",
    ),
    right("plan (list pods)", "list", "", "pods", true, "view"),
    right("plan (list nodes)", "list", "", "nodes", false, "that may list nodes"),
    right("halt", "create", GROUP, "chaoshalts", false, "rumpus-halter"),
    right("resume", "resume", GROUP, "chaoshalts", false, "rumpus-resumer"),
];

const fn right(
    what: &'static str,
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    here: bool,
    role: &'static str,
) -> Right {
    Right { what, verb, group, resource, here, role }
}

/// Looks at everything; one thing that cannot be seen hides no other.
pub(super) async fn gather(reached: &Reached) -> Facts {
    let version = reached.cluster.read("/version").await;
    let kinds = reached.cluster.read(&format!("/apis/{GROUP}/{VERSION}")).await;
    let release = installed::namespace(reached).await;
    let lease = match &release {
        Ok(Some(namespace)) => lease(reached, namespace).await,
        Ok(None) => Ok(LeaseSeen::None),
        Err(why) => Err(why.clone()),
    };
    let mut admission = Vec::new();
    for name in NAMES {
        admission.push((name, binding(reached, name).await.map_err(|e| ask::why(&e))));
    }
    let mut rights = Vec::new();
    for right in RIGHTS {
        rights.push((right, may(reached, right).await.map_err(|e| ask::why(&e))));
    }
    let nodes = reached.list::<ChaosNode>("", None).await;
    let text = |value: &serde_json::Value, key: &str| value.get(key).and_then(|v| v.as_str()).map(str::to_owned);
    let names = |value: serde_json::Value| {
        let list = value.get("resources").and_then(|r| r.as_array()).cloned().unwrap_or_default();
        list.iter().filter_map(|r| text(r, "name")).filter(|n| !n.contains('/')).collect()
    };
    Facts {
        version: version.map(|v| text(&v, "gitVersion").unwrap_or_default()).map_err(|e| ask::why(&e)),
        kinds: match kinds {
            Ok(value) => Ok(names(value)),
            Err(Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(ask::why(&error)),
        },
        release,
        lease,
        nodes: nodes.map(|l| l.items).map_err(|e| ask::why(&e)),
        admission,
        rights,
    }
}

/// Looks whether the Lease moves. Only its own changes count, on this machine's monotonic clock: what its time says is of
/// another machine's clock.
async fn lease(reached: &Reached, namespace: &str) -> Known<LeaseSeen> {
    let read = async || reached.get::<Lease>(namespace, "rumpus-controller").await.map_err(|e| ask::why(&e));
    let renewed = |lease: &Lease| lease.spec.as_ref().and_then(|s| s.renew_time.clone());
    let Some(first) = read().await? else { return Ok(LeaseSeen::None) };
    let began = Instant::now();
    // It is renewed each L/15; three times that, and a slow API server, fit into L/3.
    while began.elapsed() < reached.lease / 3 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        match read().await? {
            Some(again) if renewed(&again) != renewed(&first) => {
                return Ok(LeaseSeen::Moves { every: began.elapsed() });
            }
            Some(_) => {}
            None => return Ok(LeaseSeen::None),
        }
    }
    Ok(LeaseSeen::Stands)
}

async fn binding(reached: &Reached, name: &str) -> Result<Option<Vec<String>>, Error> {
    let policy = reached.get::<ValidatingAdmissionPolicy>("", name).await?;
    let binding = reached.get::<ValidatingAdmissionPolicyBinding>("", name).await?;
    Ok(policy.and(binding).map(|b| b.spec.and_then(|s| s.validation_actions).unwrap_or_default()))
}

async fn may(reached: &Reached, right: Right) -> Result<bool, Error> {
    let attributes = ResourceAttributes {
        group: Some(right.group.into()),
        resource: Some(right.resource.into()),
        verb: Some(right.verb.into()),
        namespace: right.here.then(|| reached.namespace.clone()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..Default::default() };
    let answer = reached.cluster.create(CLI, &review).await?;
    Ok(answer.status.is_some_and(|s| s.allowed))
}
