//! Whether the admission policies stand as this program was built with: without them a stolen token could do more than
//! its holder may, so nothing is armed while one is missing, changed or not enforced.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use rumpus_cluster::{Cluster, Error};
use rumpus_model::cluster::world::Rules;
use std::collections::BTreeMap;

/// The chart's files: the only copies there are.
const FILES: [&str; 5] = [
    include_str!("../../../chart/files/admission/halts.yaml"),
    include_str!("../../../chart/files/admission/injections.yaml"),
    include_str!("../../../chart/files/admission/nodes.yaml"),
    include_str!("../../../chart/files/admission/pods.yaml"),
    include_str!("../../../chart/files/admission/targets.yaml"),
];

/// The policies that this program was built with, by name.
pub(crate) type Built = BTreeMap<String, ValidatingAdmissionPolicy>;

/// Why the built-in policies are of no use.
#[derive(Debug, thiserror::Error)]
#[error("a built-in admission policy cannot be read")]
pub struct BuiltError {
    #[source]
    source: serde_saphyr::Error,
}

/// Reads the built-in policies, filled in as the chart fills them in.
///
/// # Errors
/// One of them is no policy.
pub(crate) fn built(rules: &Rules) -> Result<Built, BuiltError> {
    let (label, value) = rules.opt_in.clone().unwrap_or_default();
    let mut protected = rules.protected_namespaces.clone();
    protected.insert(rules.release_namespace.clone());
    let protected: Vec<String> = protected.iter().map(|n| format!("'{n}'")).collect();
    let mut built = BTreeMap::new();
    for file in FILES {
        let text = file
            .replace("@NAMESPACE@", &rules.release_namespace)
            .replace("@OPT_IN_LABEL@", &label)
            .replace("@OPT_IN_VALUE@", &value)
            .replace("@PROTECTED@", &format!("[{}]", protected.join(",")));
        for document in text.split("\n---\n").filter(|d| d.contains("kind: ValidatingAdmissionPolicy\n")) {
            let policy: ValidatingAdmissionPolicy =
                serde_saphyr::from_str(document).map_err(|source| BuiltError { source })?;
            built.insert(policy.metadata.name.clone().unwrap_or_default(), policy);
        }
    }
    Ok(built)
}

/// Every policy; its binding has the same name.
pub const NAMES: [&str; 7] = [
    "rumpus-halts-ended-by-resumers",
    "rumpus-injection-status-by-own-agent",
    "rumpus-injections-by-controller",
    "rumpus-node-status-by-own-agent",
    "rumpus-pods-deleted-by-plan",
    "rumpus-pods-evicted-by-plan",
    "rumpus-targets-by-who-may-delete",
];

/// Reads every policy and binding, and returns what is wrong with which.
///
/// # Errors
/// One of them could not be read.
pub(crate) async fn missing(cluster: &Cluster, built: &Built) -> Result<Vec<String>, String> {
    let mut missing = Vec::new();
    for name in NAMES {
        match cluster.get::<ValidatingAdmissionPolicy>("", name).await {
            Err(Error::NotFound { .. }) => missing.push(format!("policy {name}")),
            Err(error) => return Err(error.to_string()),
            Ok(policy) if !built.get(name).is_some_and(|b| says_the_same(b, &policy)) => {
                missing.push(format!("policy {name} (it is not the one of this version)"));
            }
            Ok(_) => {}
        }
        match cluster.get::<ValidatingAdmissionPolicyBinding>("", name).await {
            Err(Error::NotFound { .. }) => missing.push(format!("binding {name}")),
            Err(error) => return Err(error.to_string()),
            Ok(binding) if !denies(&binding, name) => missing.push(format!("binding {name} (it does not deny)")),
            Ok(_) => {}
        }
    }
    Ok(missing)
}

/// Compares all that decides; fields that the API server fills in by itself are left out.
fn says_the_same(built: &ValidatingAdmissionPolicy, found: &ValidatingAdmissionPolicy) -> bool {
    let (Some(built), Some(found)) = (&built.spec, &found.spec) else { return false };
    let rules = |spec: &k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicySpec| {
        spec.match_constraints.clone().and_then(|m| m.resource_rules)
    };
    let excluded = found.match_constraints.as_ref().and_then(|m| m.exclude_resource_rules.as_ref());
    found.failure_policy.as_deref().is_none_or(|f| f == "Fail")
        && built.match_conditions == found.match_conditions
        && built.variables == found.variables
        && built.validations == found.validations
        && built.param_kind == found.param_kind
        && rules(built) == rules(found)
        && excluded.is_none_or(Vec::is_empty)
}

fn denies(binding: &ValidatingAdmissionPolicyBinding, name: &str) -> bool {
    let Some(spec) = &binding.spec else { return false };
    let denies = spec.validation_actions.iter().flatten().any(|a| a == "Deny");
    let everywhere = spec.match_resources.is_none();
    denies && everywhere && spec.policy_name.as_deref() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::{NAMES, built, says_the_same};
    use rumpus_model::cluster::world::Rules;

    #[test]
    fn each_named_policy_is_built_in_and_filled_in() {
        let built = built(&Rules::default()).unwrap();
        assert_eq!(built.keys().map(String::as_str).collect::<Vec<_>>(), NAMES);
        let text = serde_json::to_string(&built).unwrap();
        for left in ["@NAMESPACE@", "@OPT_IN_LABEL@", "@OPT_IN_VALUE@", "@PROTECTED@"] {
            assert!(!text.contains(left), "{left}");
        }
    }

    #[test]
    fn a_policy_that_was_softened_is_another_one() {
        let built = built(&Rules::default()).unwrap();
        for policy in built.values() {
            assert!(says_the_same(policy, policy));
            let mut softer = policy.clone();
            softer.spec.as_mut().unwrap().failure_policy = Some("Ignore".into());
            assert!(!says_the_same(policy, &softer));
            let mut softer = policy.clone();
            softer.spec.as_mut().unwrap().validations.as_mut().unwrap().pop();
            assert!(!says_the_same(policy, &softer));
        }
    }
}
