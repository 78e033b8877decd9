//! When a policy runs by itself. A run by hand does not consult it; it is read for its shape only.

use serde::Deserialize;

/// When a policy runs by itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    pub random: Option<Random>,
    pub cron: Option<String>,
    pub every: Option<String>,
    pub at: Option<String>,
    pub group_by: Option<GroupBy>,
    pub time_zone: Option<String>,
    pub windows: Option<Vec<Window>>,
    pub holidays: Option<Holidays>,
}

/// At random, so often on average.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Random {
    pub mean_work_days: Option<i64>,
    pub min_work_days: Option<i64>,
}

/// What draws for itself.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupBy {
    Label(String),
    Namespace,
    Owner,
    Policy,
    Zone,
}

/// A part of the week.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Window {
    pub days: Option<Vec<Day>>,
    pub from: Option<String>,
    pub to: Option<String>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Holidays {
    pub dates: Option<Vec<String>>,
    pub calendars: Option<Vec<String>>,
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
