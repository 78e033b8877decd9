//! Namespaces opt in by a label; without it nothing of them is hit.

use crate::cluster::world::{Namespace, Rules};

/// Returns the label that a namespace lacks, as `key=value`, or nothing.
pub(crate) fn missing(rules: &Rules, namespace: &Namespace) -> Option<String> {
    let (key, value) = rules.opt_in.as_ref()?;
    (namespace.labels.get(key) != Some(value)).then(|| format!("{key}={value}"))
}
