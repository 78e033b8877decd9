//! Where Rumpus is installed in a cluster, and what its administrator fixed there, as far as the caller may read it.

use super::ask;
use super::attest::CANARY;
use super::connect::Reached;
use k8s_openapi::api::apps::v1::Deployment;
use rumpus_cluster::{ChaosInjection, Error, Query};
use rumpus_model::cluster::world::{Radius, Rules};

/// The chart's name for the controller's Deployment.
const CONTROLLER: &str = "rumpus-controller";

/// What is known of an installation.
#[derive(Debug)]
pub struct Installed {
    pub rules: Rules,
    /// What had to be taken for granted.
    pub notes: Vec<String>,
}

/// Finds the namespace of the installation by the one object that has a fixed name in it; none if it is not installed.
///
/// # Errors
/// Why it cannot be known.
pub async fn namespace(reached: &Reached) -> Result<Option<String>, String> {
    let named = Query { labels: None, fields: Some(format!("metadata.name={CANARY}")) };
    match reached.cluster.list::<ChaosInjection>("", &named).await {
        Ok(list) => Ok(list.into_iter().find_map(|item| match item {
            Ok(canary) => canary.metadata.namespace,
            Err(bad) => bad.metadata.namespace.clone(),
        })),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(ask::why(&error)),
    }
}

/// Looks at what the controller was told.
pub async fn look(reached: &Reached) -> Installed {
    let mut installed = Installed { rules: Rules::default(), notes: Vec::new() };
    let place = match namespace(reached).await {
        Ok(Some(place)) => place,
        Ok(None) => return taken(installed, "the controller was not found"),
        Err(why) => return taken(installed, &why),
    };
    installed.rules.release_namespace.clone_from(&place);
    match reached.get::<Deployment>(&place, CONTROLLER).await {
        Ok(Some(deployment)) => tell(&deployment, &mut installed.rules),
        Ok(None) => return taken(installed, "its Deployment is not there"),
        Err(error) => return taken(installed, &ask::why(&error)),
    }
    installed
}

fn taken(mut installed: Installed, why: &str) -> Installed {
    let text = format!("opt-in label, protected namespaces and limits are taken as the chart has them: {why}");
    installed.notes.push(text);
    installed
}

/// Takes over what the Deployment tells its controller by environment, which is how the chart tells it.
fn tell(deployment: &Deployment, rules: &mut Rules) {
    let containers = deployment.spec.iter().filter_map(|s| s.template.spec.as_ref()).flat_map(|s| &s.containers);
    for variable in containers.flat_map(|c| c.env.iter().flatten()) {
        let Some(value) = variable.value.as_deref() else { continue };
        match variable.name.as_str() {
            "RUMPUS_OPT_IN" => {
                rules.opt_in = value.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
            }
            "RUMPUS_PROTECTED_NAMESPACES" => {
                let names = value.split(',').filter(|n| !n.is_empty());
                rules.protected_namespaces.extend(names.map(str::to_owned));
            }
            "RUMPUS_MAX_ACTIVE_RUNS" => rules.max_active_runs = value.parse().unwrap_or(rules.max_active_runs),
            "RUMPUS_MAX_PODS" => rules.radius.pods = limit(value),
            "RUMPUS_MAX_PODS_PER_NAMESPACE" => rules.radius.pods_per_namespace = limit(value),
            "RUMPUS_MAX_PODS_PER_OWNER" => rules.radius.pods_per_owner = limit(value),
            "RUMPUS_MAX_RUNS_PER_NAMESPACE" => rules.radius.runs_per_namespace = limit(value),
            _other => {}
        }
    }
}

fn limit(value: &str) -> Option<u32> {
    value.parse().ok().and_then(Radius::limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ask::object;
    use serde_json::json;

    #[test]
    fn what_the_controller_was_told_is_what_a_plan_goes_by() {
        let env = json!([
            {"name": "RUMPUS_OPT_IN", "value": "team/chaos=yes"},
            {"name": "RUMPUS_PROTECTED_NAMESPACES", "value": "pay,bank"},
            {"name": "RUMPUS_MAX_ACTIVE_RUNS", "value": "8"},
            {"name": "RUMPUS_MAX_PODS", "value": "0"},
            {"name": "RUMPUS_MAX_PODS_PER_NAMESPACE", "value": "30"},
            {"name": "RUMPUS_MAX_PODS_PER_OWNER", "value": "3"},
            {"name": "RUMPUS_MAX_RUNS_PER_NAMESPACE", "value": "2"},
            {"name": "RUMPUS_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        ]);
        let spec = json!({"selector": {}, "template": {"spec": {"containers": [{"name": "c", "env": env}]}}});
        let mut rules = Rules::default();
        tell(&object(json!({"metadata": {}, "spec": spec})), &mut rules);
        assert_eq!(rules.opt_in, Some(("team/chaos".into(), "yes".into())));
        assert!(rules.protected_namespaces.contains("pay") && rules.max_active_runs == 8);
        let radius =
            Radius { pods: None, pods_per_namespace: Some(30), pods_per_owner: Some(3), runs_per_namespace: Some(2) };
        assert_eq!(rules.radius, radius);
    }
}
