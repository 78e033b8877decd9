//! Pods and namespaces opt out by a label, whatever selects them.

use crate::cluster::labels::Labels;

/// Label by which a pod, or all of a namespace, is left alone.
pub(crate) const EXCLUDE: (&str, &str) = ("rumpus.dev/exclude", "true");

pub(crate) fn labels(labels: &Labels) -> bool {
    labels.get(EXCLUDE.0) == Some(EXCLUDE.1)
}
