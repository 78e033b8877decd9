//! How it is seen that the system is well, as it is written.

use super::schema::list::List;
use super::schema::number::Whole;
use super::schema::{rules, text, time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

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

/// One check. What is in a probe that is not built is not looked at.
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
    pub http: Option<HttpCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesCheck>,
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

/// A GET; redirects are not followed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpCheck {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "text::Url")]
    pub url: Option<String>,
    /// Statuses that mean yes; absent: 200 to 299.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<Whole<100, 599>, 16>>")]
    pub status: Option<Vec<i64>>,
    /// Absent: 2s.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<time::Answer>")]
    pub timeout: Option<String>,
}

/// A workload of the policy's namespace, whose wanted pods are all ready, and which is not in a rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubernetesCheck {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WorkloadKind")]
    pub kind: Option<WorkloadKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "text::Name")]
    pub name: Option<String>,
}

/// Kinds that keep a number of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WorkloadKind {
    DaemonSet,
    Deployment,
    StatefulSet,
}

impl WorkloadKind {
    /// Returns it as Kubernetes writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DaemonSet => "DaemonSet",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
        }
    }
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
