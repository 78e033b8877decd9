//! What is tried: the block that policies and runs share.

use super::schema::list::List;
use super::schema::number::{self, Whole};
use super::schema::{rules, text, time};
use super::{Fault, NumberOrText, Targets};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

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

/// How it is seen that the system is well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::one_of(&["none", "checks"])]))]
pub struct SteadyState {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none: Option<NoChecks>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<Check, 16>>")]
    pub checks: Option<Vec<Check>>,
}

/// Why nothing is checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoChecks {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "text::Free<1024>")]
    pub reason: Option<String>,
}

/// One check; what is in its probe is not looked at, because no probe is built.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::one_of(&["http", "kubernetes", "prometheus", "tcp", "dns"])]))]
pub struct Check {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "text::Free<63>")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Role")]
    pub role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Unbuilt>")]
    pub http: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Unbuilt>")]
    pub kubernetes: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Unbuilt>")]
    pub prometheus: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Unbuilt>")]
    pub tcp: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Unbuilt>")]
    pub dns: Option<Value>,
}

/// When a check is asked, and what its "no" does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Role {
    Gate,
    Guard,
    Observe,
    Recovery,
}

/// What is in a probe is not looked at yet.
struct Unbuilt;

impl JsonSchema for Unbuilt {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Unbuilt".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "maxProperties": 32})
    }
}
