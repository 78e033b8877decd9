//! Deleting a pod through the API server: by the controller, without an agent. One-shot: nothing is put back.

use crate::duration;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A pod is deleted, with its UID as the precondition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodDelete {
    /// How long it may take to end by itself, in whole seconds; `None`: the pod's own.
    pub grace_period: Option<Duration>,
}

impl PodDelete {
    pub(super) fn expected(&self) -> String {
        format!("the pod is deleted and ends {}; its owner makes another one", within(self.grace_period))
    }
}

pub(super) fn within(grace_period: Option<Duration>) -> String {
    match grace_period {
        None => "within its own grace period".into(),
        Some(Duration::ZERO) => "at once".into(),
        Some(grace) => format!("within {}", duration::show(grace)),
    }
}
