//! What is never hit: the namespaces of Kubernetes and of Rumpus, pods on their node's network by a network fault, and
//! pods in a sandbox that an agent cannot see into.

use crate::cluster::pod::Pod;
use crate::cluster::select::Reason;
use crate::cluster::world::Rules;
use crate::fault::Fault;

/// Namespaces that Kubernetes itself lives in.
const KUBERNETES: [&str; 3] = ["kube-node-lease", "kube-public", "kube-system"];
/// Parts of a RuntimeClass's name that tell of a kernel of its own.
const SANDBOXES: [&str; 3] = ["gvisor", "kata", "runsc"];

/// Returns why nothing of a namespace is ever hit, or nothing.
pub(crate) fn namespace(rules: &Rules, namespace: &str) -> Option<&'static str> {
    if KUBERNETES.contains(&namespace) {
        Some("Kubernetes itself lives in it")
    } else if rules.release_namespace == namespace {
        Some("Rumpus itself lives in it")
    } else if rules.protected_namespaces.contains(namespace) {
        Some("the administrator protects it")
    } else {
        None
    }
}

/// Returns why a pod is not hit by this fault, or nothing.
pub(crate) fn pod(pod: &Pod, fault: &Fault) -> Option<Reason> {
    if pod.host_network && fault.network().is_some() {
        return Some(Reason::HostNetwork);
    }
    let class = pod.runtime_class.as_ref().filter(|_| !fault.by_controller())?.to_lowercase();
    SANDBOXES.iter().any(|s| class.contains(s)).then_some(Reason::Sandboxed)
}
