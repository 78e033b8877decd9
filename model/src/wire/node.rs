//! What one agent can do and does; created by the controller, attested by the agent of that node.

use super::schema::list::{Map, Several};
use super::schema::text;
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
    #[schemars(with = "Option<text::Instant>")]
    pub heartbeat: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Told<64>>")]
    pub boot_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Told<64>>")]
    pub version: Option<String>,
    /// The engine that each fault uses here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "Map<text::Told<64>, 0, 32>")]
    pub engines: BTreeMap<String, String>,
    /// Faults that cannot be done here, each with why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "Map<text::Told<512>, 0, 32>")]
    pub missing: BTreeMap<String, String>,
    /// Injections in effect or ending, by UID.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<text::Uid, 1024>")]
    pub active: Vec<String>,
    /// Halts by UID of which everything in scope has ended here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<text::Uid, 1024>")]
    pub halts: Vec<String>,
    /// The last injections that ended here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<EndedInjection, 64>")]
    pub ended: Vec<EndedInjection>,
    /// What is left of ours and could not be taken away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<text::Told<512>, 64>")]
    pub residue: Vec<String>,
    /// `proven`, or why the admission policies are not known to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Told<512>>")]
    pub admission: Option<String>,
}

/// An injection that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EndedInjection {
    #[schemars(with = "text::Uid")]
    pub uid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Instant>")]
    pub effect_ended: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Instant>")]
    pub clean: Option<String>,
}
