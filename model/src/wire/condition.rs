//! Conditions as `kubectl wait` and GitOps tools read them.

use super::Truth;
use super::schema::number::Count;
use super::schema::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    #[serde(rename = "type")]
    pub type_: ConditionType,
    pub status: Truth,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Count>")]
    pub observed_generation: Option<i64>,
    #[schemars(with = "text::Instant")]
    pub last_transition_time: String,
    /// One CamelCase word.
    #[schemars(with = "text::Reason")]
    pub reason: String,
    #[schemars(with = "text::Told<1024>")]
    pub message: String,
}

/// What a condition is about: the first five a run or an injection, the last one a policy and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConditionType {
    Accepted,
    Injected,
    Effective,
    Restored,
    Finished,
    ReadyForChaos,
}
