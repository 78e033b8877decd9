//! What one agent can do and does; created by the controller, attested by the agent of that node.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Nothing is wished of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeSpec {}

/// What one agent attests of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    /// The last sign of life, on the node's wall clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The engine that each fault uses here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub engines: BTreeMap<String, String>,
    /// Faults that cannot be done here, each with why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<String, String>,
    /// Injections in effect or ending, by UID.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub active: Vec<String>,
    /// Halts by UID of which everything in scope has ended here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub halts: Vec<String>,
    /// The last injections that ended here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<EndedInjection>,
    /// What is left of ours and could not be taken away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub residue: Vec<String>,
    /// `proven`, or why the admission policies are not known to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<String>,
}

/// An injection that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EndedInjection {
    pub uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect_ended: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clean: Option<String>,
}
