//! Evicting a pod through the API server, which asks its disruption budgets. One-shot: nothing is put back.

use super::pod_delete::within;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A pod is evicted, with its UID as the precondition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodEvict {
    /// How long it may take to end by itself, in whole seconds; `None`: the pod's own.
    pub grace_period: Option<Duration>,
}

impl PodEvict {
    pub(super) fn expected(&self) -> String {
        format!("the pod is evicted and ends {}; its owner makes another one", within(self.grace_period))
    }
}
