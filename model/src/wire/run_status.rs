//! What became of a run; written by the controller only.

use super::schema::list::{Conditions, Several};
use super::schema::number::Count;
use super::schema::{rules, text};
use super::{Condition, Truth};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules::run_status()))]
pub struct RunStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Count>")]
    pub observed_generation: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<RunState>,
    /// Whether every node attests the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Confirmation>,
    /// Nodes that do not attest the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<text::Name, 256>")]
    pub unconfirmed_nodes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// How many targets the plan has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Count>")]
    pub targets: Option<i64>,
    /// How many of them were measured to be hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Count>")]
    pub effective_targets: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective: Option<Truth>,
    /// When nothing may be in effect any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Instant>")]
    pub not_after: Option<String>,
    /// Since when nothing is in effect any more, as the last node attests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Instant>")]
    pub effect_ended: Option<String>,
    /// Since when nothing is left, as the last node attests.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Instant>")]
    pub clean: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// Why nothing was done, or not all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<Why, 16>")]
    pub refusals: Vec<Why>,
    /// Faults that the controller carries out itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterStatus>,
    /// What happened, oldest first; the first and the last entries are kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<Happened, 32>")]
    pub timeline: Vec<Happened>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Conditions<Condition>")]
    pub conditions: Vec<Condition>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum RunState {
    Pending,
    Gating,
    Injecting,
    Running,
    Ending,
    Finished,
}

/// Whether every node attests the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Confirmation {
    Confirmed,
    Unconfirmed,
}

/// About the hypothesis, apart from the fault's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    Pass,
    Fail,
    Inconclusive,
    Aborted,
    Refused,
    NotApplicable,
}

/// What was planned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PlanStatus {
    #[schemars(with = "text::Told<128>")]
    pub hash: String,
    #[schemars(with = "text::Told<253>")]
    pub seed: String,
    /// Of several faults the one that was drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<DrawnFault>,
    /// How many pods were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Count>")]
    pub candidates: Option<i64>,
    /// How many were left out, for each reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<LeftOut, 64>")]
    pub left_out: Vec<LeftOut>,
    /// How many targets each node has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<NodeShare, 5000>")]
    pub nodes: Vec<NodeShare>,
}

/// Which of a policy's faults a run does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DrawnFault {
    #[schemars(with = "text::Told<63>")]
    pub fault: String,
    /// Its place in `faults`, from 0.
    #[schemars(with = "Count")]
    pub index: i64,
    #[schemars(with = "Count")]
    pub weight: i64,
    /// Of all of them.
    #[schemars(with = "Count")]
    pub total: i64,
}

/// Candidates left out for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LeftOut {
    /// One CamelCase word.
    #[schemars(with = "text::Reason")]
    pub reason: String,
    #[schemars(with = "Count")]
    pub count: i64,
    /// At most ten, as `namespace/pod`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<text::Told<512>, 10>")]
    pub examples: Vec<String>,
}

/// One node's part of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeShare {
    #[schemars(with = "text::Name")]
    pub node: String,
    #[schemars(with = "Count")]
    pub targets: i64,
}

/// A "no", as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Why {
    /// One CamelCase word.
    #[schemars(with = "text::Reason")]
    pub reason: String,
    #[schemars(with = "text::Told<1024>")]
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Told<512>>")]
    pub hint: Option<String>,
}

/// Pods that were deleted or evicted, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    #[schemars(with = "Count")]
    pub done: i64,
    #[schemars(with = "Count")]
    pub refused: i64,
    #[schemars(with = "Count")]
    pub failed: i64,
    /// Asked for, and not seen to be gone.
    #[schemars(with = "Count")]
    pub unknown: i64,
    /// At most ten that were not done, each with why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<ClusterExample, 10>")]
    pub examples: Vec<ClusterExample>,
}

/// One pod that was not deleted or evicted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterExample {
    #[schemars(with = "text::Label")]
    pub namespace: String,
    #[schemars(with = "text::Name")]
    pub pod: String,
    #[schemars(with = "text::Uid")]
    pub uid: String,
    /// One CamelCase word.
    #[schemars(with = "text::Reason")]
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Told<1024>>")]
    pub message: Option<String>,
}

/// One line of a run's story.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Happened {
    #[schemars(with = "text::Instant")]
    pub at: String,
    #[schemars(with = "text::Told<512>")]
    pub what: String,
}
