//! What is to be run, as it is written: a file, or a policy that is in the cluster. Checked here by the parser's own rules,
//! so that a mistake has its line; the API server and the controller check again.

use super::ask;
use super::connect::Reached;
use crate::commands::run::shorter;
use crate::failure::Failure;
use rumpus_cluster::ChaosPolicy;
use rumpus_model::policy::{self, Policy, Site};
use rumpus_model::wire::{Experiment, PolicyRef, RUN_KIND, RunSpec};
use rumpus_model::{duration, wire};
use std::path::Path;

/// How a policy of the cluster is named on the command line.
const IN_CLUSTER: &str = "policy/";

/// One experiment, and where it comes from.
#[derive(Clone, Debug)]
pub struct Written {
    pub name: String,
    pub namespace: String,
    /// The policy in the cluster that it is a copy of.
    pub policy: Option<PolicyRef>,
    pub spec: RunSpec,
    pub parsed: Policy,
}

/// Reads what a command line names.
///
/// # Errors
/// There is none, or what is wrong with it.
pub async fn read(reached: &Reached, what: &str) -> Result<Written, Failure> {
    match what.strip_prefix(IN_CLUSTER) {
        Some(name) if !Path::new(what).exists() => from_cluster(reached, name).await,
        Some(_) | None => from_file(reached, Path::new(what)),
    }
}

async fn from_cluster(reached: &Reached, name: &str) -> Result<Written, Failure> {
    let namespace = reached.namespace.clone();
    let found = reached.get::<ChaosPolicy>(&namespace, name).await;
    let found = found.map_err(|e| ask::refused(&format!("read policy {namespace}/{name}"), &e))?;
    let Some(policy) = found else {
        let hint = "`kubectl get chaospolicies -A` lists them; name the namespace with -n";
        return Err(Failure::usage(format!("there is no policy `{name}` in namespace {namespace}"), hint));
    };
    let written = wire::ChaosPolicy {
        api_version: Some(wire::API_VERSION.into()),
        kind: Some(wire::POLICY_KIND.into()),
        metadata: Some(wire::Metadata {
            name: Some(name.to_owned()),
            namespace: Some(namespace.clone()),
            ..wire::Metadata::default()
        }),
        spec: Some(policy.spec.clone()),
    };
    let file = format!("{IN_CLUSTER}{name}");
    let parsed = Policy::from_wire(&written, Site::Cluster).map_err(|problems| Failure::Problems { file, problems })?;
    let spec = RunSpec { experiment: policy.spec.experiment.clone(), ..RunSpec::default() };
    let policy = Some(PolicyRef { name: Some(name.to_owned()), uid: Some(policy.uid().to_owned()) });
    Ok(Written { name: name.to_owned(), namespace, policy, spec, parsed })
}

fn from_file(reached: &Reached, file: &Path) -> Result<Written, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|e| {
        let hint = "name a file with a ChaosPolicy, or policy/NAME for one that is in the cluster";
        Failure::usage(format!("read {name}: {e}"), hint)
    })?;
    let problems = |problems| Failure::Problems { file: name.clone(), problems };
    let mut parsed = policy::parse_for(&text, Site::Cluster).map_err(problems)?;
    let (Some(parsed), true) = (parsed.pop(), parsed.is_empty()) else {
        let hint = "give each policy a file of its own; what runs side by side is the administrator's to say";
        return Err(Failure::usage(format!("{name} holds several policies; a run in a cluster is one"), hint));
    };
    if let (true, Some(own)) = (reached.narrow, &parsed.namespace)
        && *own != reached.namespace
    {
        let hint = "leave -n out, or change the file";
        let what = format!("{name} is of namespace {own}, and -n says {}", reached.namespace);
        return Err(Failure::usage(what, hint));
    }
    let unread = |e: &dyn std::error::Error| Failure::usage(format!("read {name}: {e}"), "see policies/*.yaml");
    let value: serde_json::Value = serde_saphyr::from_str(&text).map_err(|e| unread(&e))?;
    let kind = value.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
    let spec = value.get("spec").cloned().unwrap_or_default();
    let spec = if kind == RUN_KIND {
        serde_json::from_value(spec).map_err(|e| unread(&e))?
    } else {
        let policy: wire::PolicySpec = serde_json::from_value(spec).map_err(|e| unread(&e))?;
        RunSpec { experiment: policy.experiment, ..RunSpec::default() }
    };
    if spec.policy_ref.is_some() {
        let hint = "`rumpus run policy/NAME` makes a run of a policy; leave policyRef out for a run of its own";
        return Err(Failure::usage(format!("{name}: spec.policyRef is set by Rumpus"), hint));
    }
    let namespace = parsed.namespace.clone().unwrap_or_else(|| reached.namespace.clone());
    Ok(Written { name: parsed.name.clone(), namespace, policy: None, spec, parsed })
}

impl Written {
    /// Makes the fault shorter, as `--for` asks.
    ///
    /// # Errors
    /// It would be longer, it happens once, or the policy is the cluster's.
    pub fn shorten(&mut self, asked: &str) -> Result<(), Failure> {
        let asked = duration::parse(asked);
        let asked = asked.map_err(|why| Failure::usage(format!("--for: {why}"), "write it like 30s or 5m"))?;
        if self.policy.is_some() {
            let hint =
                "a run of a policy is the policy as it stands; start one of its own: `rumpus run FILE --for ...`";
            return Err(Failure::usage("--for has no meaning for a policy of the cluster", hint));
        }
        shorter(&mut self.parsed, asked)?;
        let experiment = self.spec.experiment.get_or_insert_with(Experiment::default);
        experiment.duration = Some(duration::show(asked));
        Ok(())
    }
}
