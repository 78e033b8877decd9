//! The lever: while a ChaosHalt exists nothing in its scope is injected, and everything in it ends.

use super::schema::list::Set;
use super::schema::{rules, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is halted, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HaltSpec {
    pub scope: HaltScope,
    #[schemars(with = "text::Free<1024>")]
    pub reason: String,
}

/// Exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::one_of(&["all", "namespaces", "nodes", "runs"]), rules::only_true("all")]))]
pub struct HaltScope {
    /// `true`: everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
    /// Runs of these namespaces, and injections with a target in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<text::Label, 16>>")]
    pub namespaces: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<text::Name, 16>>")]
    pub nodes: Option<Vec<String>>,
    /// Runs as `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<text::In, 16>>")]
    pub runs: Option<Vec<String>>,
}
