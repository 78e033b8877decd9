//! When a policy runs by itself. A run by hand does not consult it; it is read for its shape only.

use super::schema::list::{List, Set};
use super::schema::number::Whole;
use super::schema::{rules, text, time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// When a policy runs by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::one_of(&["random", "cron", "every", "at"])]))]
pub struct Schedule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub random: Option<Random>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Cron>")]
    pub cron: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<time::Period>")]
    pub every: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Instant>")]
    pub at: Option<String>,
    /// Each time of `every` is later by up to so much, drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<time::Late>")]
    pub jitter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by: Option<GroupBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::TimeZone>")]
    pub time_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<Window, 32>>")]
    pub windows: Option<Vec<Window>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holidays: Option<Holidays>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// How long after its time a run may still begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<time::Starting>")]
    pub starting_deadline: Option<String>,
    /// How many runs of each group may begin within any stretch of time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// At most so many.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rate {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Whole<1, 16>")]
    pub runs: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "time::Stretch")]
    pub per: Option<String>,
}

/// At random, so often on average.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Random {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Whole<1, 3650>")]
    pub mean_work_days: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Whole<0, 3650>>")]
    pub min_work_days: Option<i64>,
    /// Once so many have passed, it is certain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Whole<1, 3650>>")]
    pub max_work_days: Option<i64>,
    /// As Chaos Monkey counts: the minimum comes on top of the mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatible: Option<bool>,
}

/// What happens where a run of the same policy and group has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Concurrency {
    Allow,
    Forbid,
    Replace,
}

/// What draws for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    Label(String),
    Namespace,
    Owner,
    Policy,
    Zone,
}

/// A part of the week.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Window {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<Day, 7>>")]
    pub days: Option<Vec<Day>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "text::Clock")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "text::Clock")]
    pub to: Option<String>,
    /// It ends on the next day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crosses_midnight: Option<bool>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// Days on which nothing runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Holidays {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<text::Date, 512>>")]
    pub dates: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<text::Label, 16>>")]
    pub calendars: Option<Vec<String>>,
}

/// What a key of a label follows, where a group is one text.
const LABEL: &str = "label:";

/// As a run has it: one text, which a rule of the API server can compare.
impl fmt::Display for GroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(key) => write!(f, "{LABEL}{key}"),
            Self::Namespace => f.write_str("Namespace"),
            Self::Owner => f.write_str("Owner"),
            Self::Policy => f.write_str("Policy"),
            Self::Zone => f.write_str("Zone"),
        }
    }
}

impl FromStr for GroupBy {
    type Err = UnknownGroupBy;

    fn from_str(text: &str) -> Result<Self, UnknownGroupBy> {
        match (text, text.strip_prefix(LABEL)) {
            (_, Some(key)) if !key.is_empty() => Ok(Self::Label(key.to_owned())),
            ("Namespace", _) => Ok(Self::Namespace),
            ("Owner", _) => Ok(Self::Owner),
            ("Policy", _) => Ok(Self::Policy),
            ("Zone", _) => Ok(Self::Zone),
            (_, _) => Err(UnknownGroupBy),
        }
    }
}

/// Groups are made by nothing of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is none of Owner, Namespace, Zone, Policy and label:KEY")]
pub struct UnknownGroupBy;

impl Serialize for GroupBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Label(key) => serializer.collect_map([("label", key)]),
            Self::Namespace => serializer.serialize_str("Namespace"),
            Self::Owner => serializer.serialize_str("Owner"),
            Self::Policy => serializer.serialize_str("Policy"),
            Self::Zone => serializer.serialize_str("Zone"),
        }
    }
}

impl JsonSchema for GroupBy {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "GroupBy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-preserve-unknown-fields": true,
            "maxLength": 16,
            "pattern": "^(Namespace|Owner|Policy|Zone)$",
            "properties": {"label": {"type": "string", "maxLength": 317}},
            "maxProperties": 1,
        })
    }
}

impl<'de> Deserialize<'de> for GroupBy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(group_by::Either)
    }
}

/// Reads `Owner` and `{label: KEY}` alike.
mod group_by {
    use super::GroupBy;
    use serde::de::{Error, MapAccess, Visitor};
    use std::fmt;

    pub(super) struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = GroupBy;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Owner, Namespace, Zone, Policy or {label: KEY}")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<GroupBy, E> {
            match text {
                "Namespace" => Ok(GroupBy::Namespace),
                "Owner" => Ok(GroupBy::Owner),
                "Policy" => Ok(GroupBy::Policy),
                "Zone" => Ok(GroupBy::Zone),
                other => Err(E::unknown_variant(other, &["Owner", "Namespace", "Zone", "Policy"])),
            }
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<GroupBy, A::Error> {
            let mut label = None;
            while let Some(key) = map.next_key::<String>()? {
                if key != "label" {
                    return Err(A::Error::unknown_field(&key, &["label"]));
                }
                label = Some(map.next_value()?);
            }
            label.map(GroupBy::Label).ok_or_else(|| A::Error::missing_field("label"))
        }
    }
}
