//! What is tried: the block that policies and runs share.

use super::{Fault, NumberOrText, Targets};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What is tried.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Experiment {
    pub targets: Option<Targets>,
    pub pick: Option<Pick>,
    pub faults: Option<Vec<Fault>>,
    pub duration: Option<String>,
    pub limits: Option<Limits>,
    pub steady_state: Option<SteadyState>,
}

/// How many of the candidates are taken.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pick {
    pub count: Option<i64>,
    pub percent: Option<i64>,
    pub rounding: Option<Rounding>,
    pub all: Option<bool>,
    pub per_owner: Option<i64>,
}

/// What becomes of a fraction of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Rounding {
    Up,
    Down,
}

/// How much may be down at once.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    pub min_healthy: Option<NumberOrText>,
    pub max_unavailable: Option<NumberOrText>,
    pub max_concurrent: Option<i64>,
}

/// How it is seen that the system is well.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SteadyState {
    pub none: Option<NoChecks>,
    pub checks: Option<Vec<Check>>,
}

/// Why nothing is checked.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoChecks {
    pub reason: Option<String>,
}

/// One check; what is in its probe is not looked at, because no probe is built.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    pub name: Option<String>,
    pub role: Option<Role>,
    pub http: Option<IgnoredAny>,
    pub kubernetes: Option<IgnoredAny>,
    pub prometheus: Option<IgnoredAny>,
    pub tcp: Option<IgnoredAny>,
    pub dns: Option<IgnoredAny>,
}

/// When a check is asked, and what its "no" does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Role {
    Gate,
    Guard,
    Observe,
    Recovery,
}
