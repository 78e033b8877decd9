//! What a policy's schedule will do, and what it did not; written by the controller only.

use super::Condition;
use super::schema::list::Several;
use super::schema::number::Count;
use super::schema::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a policy's schedule will do, as of its last change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Count>")]
    pub observed_generation: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ScheduleState>,
    /// Why nothing of it can run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Told<1024>>")]
    pub message: Option<String>,
    /// How many groups there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Count>")]
    pub groups: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub today: Option<Today>,
    /// The next twenty runs of today, in order of time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<Due, 20>")]
    pub next: Vec<Due>,
    /// The last ten that did not run, the last one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<Skipped, 10>")]
    pub skipped: Vec<Skipped>,
    /// `ReadyForChaos`: it refuses nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Several<Condition, 4>")]
    pub conditions: Vec<Condition>,
}

/// How a schedule stands: it runs at its times; nothing of it does because it is suspended, or because it cannot be read; or
/// what is needed to know what is due cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScheduleState {
    Scheduled,
    Suspended,
    Invalid,
    Unknown,
}

/// What was drawn for a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Today {
    /// In the schedule's time zone.
    #[schemars(with = "text::Date")]
    pub date: String,
    /// Groups with a run that is still to come.
    #[schemars(with = "Count")]
    pub due: i64,
    /// Groups whose time has passed.
    #[schemars(with = "Count")]
    pub done: i64,
    /// Groups of which nothing was drawn.
    #[schemars(with = "Count")]
    pub none: i64,
}

/// A run that is to come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Due {
    #[schemars(with = "text::Instant")]
    pub at: String,
    #[schemars(with = "text::Told<400>")]
    pub group: String,
}

/// A time that passed without a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Skipped {
    #[schemars(with = "text::Told<400>")]
    pub group: String,
    #[schemars(with = "text::Told<64>")]
    pub slot: String,
    /// One CamelCase word.
    #[schemars(with = "text::Reason")]
    pub reason: String,
    #[schemars(with = "text::Told<1024>")]
    pub message: String,
}
