//! `rumpus explain WORKLOAD`: its command line. A host has no workloads that own what is hit.

use crate::cluster;
use crate::failure::Failure;
use rumpus_model::cluster::explain::Workload;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kubectl rumpus explain deployment/web -n shop -f policy.yaml     each of its pods: hit or not, and why
  kubectl rumpus explain pod/web-0 -n shop -f policy/web-monkey    everything that one pod is asked
  kubectl rumpus explain shop/sts/db -f policy.yaml -o json        of another namespace than the policy's

A pod is asked in the order of the page, and the first no decides. Nothing is changed.

Exit codes:
  0 it may be hit, and nothing refuses the run   3 it is left out, or the run is refused
  4 not known: something could not be read       2 there is no such workload")]
pub struct Args {
    /// The workload, or one pod: deployment/web, sts/db, pod/web-0
    #[arg(value_name = "[NAMESPACE/]KIND/NAME")]
    pub workload: String,
    /// YAML with one policy, or the name of one that is in the cluster
    #[arg(short = 'f', long = "policy", value_name = "FILE|policy/NAME")]
    pub policy: String,
    /// The same seed picks the same targets
    #[arg(long)]
    pub seed: Option<String>,
}

/// Says that this is only known in a cluster.
///
/// # Errors
/// Always.
pub fn run() -> Result<u8, Failure> {
    Err(cluster::only("explain", "on a host `rumpus plan FILE` says who is left out and why"))
}

/// Kinds by their short names, as kubectl has them.
const SHORT: [(&str, &str); 6] = [
    ("deploy", "deployment"),
    ("ds", "daemonset"),
    ("po", "pod"),
    ("rs", "replicaset"),
    ("sts", "statefulset"),
    ("pods", "pod"),
];

/// Reads what a command line names; `namespace` is that of what names none.
///
/// # Errors
/// It is not of this form.
pub fn workload(text: &str, namespace: &str) -> Result<Workload, Failure> {
    let parts: Vec<&str> = text.split('/').collect();
    let (namespace, kind, name) = match parts[..] {
        [kind, name] => (namespace, kind, name),
        [namespace, kind, name] => (namespace, kind, name),
        [] | [_] | [..] => ("", "", ""),
    };
    if [namespace, kind, name].contains(&"") {
        let hint = "write KIND/NAME, like deployment/web or pod/web-0";
        return Err(Failure::usage(format!("`{text}` names no workload"), hint));
    }
    let kind = kind.to_lowercase();
    let long = SHORT.iter().find(|(short, _)| *short == kind).map(|(_, long)| (*long).to_owned());
    let kind = long.unwrap_or_else(|| kind.strip_suffix('s').map_or_else(|| kind.clone(), str::to_owned));
    Ok(Workload { namespace: namespace.into(), kind, name: name.into() })
}

#[cfg(test)]
mod tests {
    use super::workload;

    #[test]
    fn a_workload_is_named_as_kubectl_names_it() {
        for (text, expected) in [
            ("deployment/web", "shop/deployment/web"),
            ("deploy/web", "shop/deployment/web"),
            ("deployments/web", "shop/deployment/web"),
            ("StatefulSet/db", "shop/statefulset/db"),
            ("sts/db", "shop/statefulset/db"),
            ("ds/logs", "shop/daemonset/logs"),
            ("data/po/db-0", "data/pod/db-0"),
            ("rollout/web", "shop/rollout/web"),
        ] {
            assert_eq!(workload(text, "shop").unwrap().to_string(), expected);
        }
        for bad in ["", "web", "/web", "pod/", "/pod/web", "a/b/c/d"] {
            assert!(workload(bad, "shop").is_err(), "{bad}");
        }
    }
}
