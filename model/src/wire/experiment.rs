//! What is tried: the block that policies and runs share.

use super::schema::list::List;
use super::schema::number::{self, Whole};
use super::schema::{rules, text, time};
use super::{Fault, NumberOrText, SteadyState, Targets};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::experiment()))]
pub struct Experiment {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Targets")]
    pub targets: Option<Targets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Pick")]
    pub pick: Option<Pick>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "List<Fault, 8>")]
    pub faults: Option<Vec<Fault>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<time::Lasting>")]
    pub duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SteadyState")]
    pub steady_state: Option<SteadyState>,
}

/// How many of the candidates are taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = rules::pick()))]
pub struct Pick {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Whole<1, 4_294_967_295>>")]
    pub count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Whole<0, 100>>")]
    pub percent: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounding: Option<Rounding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Whole<1, 4_294_967_295>>")]
    pub per_owner: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_by: Option<WeightBy>,
    /// How long an owner is left alone after any run has hit it: `1h`; at most 31 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<time::Cooldown>")]
    pub cooldown: Option<String>,
}

/// What says how often a candidate is taken beside the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WeightBy {
    /// The key of a label whose value is a whole number from 0 to 1000; 0 is never taken, and without the label it is 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "text::LabelKey")]
    pub label: Option<String>,
}

/// Who is taken first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Order {
    /// Whoever was made first.
    Oldest,
    /// As the run's seed draws.
    Random,
    /// Whoever was made last.
    Youngest,
}

/// What becomes of a fraction of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Rounding {
    Up,
    Down,
}

/// How much may be down at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<number::Amount>")]
    pub min_healthy: Option<NumberOrText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<number::Amount>")]
    pub max_unavailable: Option<NumberOrText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Whole<1, 4_294_967_295>>")]
    pub max_concurrent: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub single_replica: Option<SingleReplica>,
}

/// Whether the only pod of an owner may be taken down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SingleReplica {
    Allow,
    Refuse,
}
