//! Durations: a whole number and a unit, within bounds.

use super::rules;
use crate::duration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::time::Duration;

/// A duration from `LEAST` to `MOST` milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time<const LEAST: u64, const MOST: u64>;

/// How long an answer may take: 100 ms to 5 s.
pub(crate) type Answer = Time<100, 5_000>;
/// How long a fault lasts: 1 s to 24 h.
pub(crate) type Lasting = Time<1_000, 86_400_000>;
/// How long a packet is held back: up to 10 s.
pub(crate) type Delay = Time<1, 10_000>;
/// How much more or less: up to 10 s.
pub(crate) type Jitter = Time<0, 10_000>;
/// How long a process or pod may take to end by itself: up to 10 min.
pub(crate) type Grace = Time<0, 600_000>;
/// How old a pod is: up to a year.
pub(crate) type Age = Time<0, 31_536_000_000>;
/// How long an owner is left alone: 1 s to 31 days.
pub(crate) type Cooldown = Time<1_000, 2_678_400_000>;
/// How often something runs: 1 min to a year.
pub(crate) type Period = Time<60_000, 31_536_000_000>;
/// How far back a rate looks: 1 min to 7 d.
pub(crate) type Stretch = Time<60_000, 604_800_000>;
/// How much later than planned something may run: up to a year.
pub(crate) type Late = Time<0, 31_536_000_000>;
/// How long after its time something may still begin: 1 s to a day.
pub(crate) type Starting = Time<1_000, 86_400_000>;

impl<const LEAST: u64, const MOST: u64> JsonSchema for Time<LEAST, MOST> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Time{LEAST}To{MOST}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let show = |millis| duration::show(Duration::from_millis(millis));
        let millis = rules::millis("self");
        let rule = rules::rule(
            format!("{millis} >= {LEAST} && {millis} <= {MOST}"),
            format!("must be within {} and {}", show(LEAST), show(MOST)),
        );
        // Nine digits of days do not overflow 64 bits.
        json_schema!({
            "type": "string", "maxLength": 12, "pattern": "^[0-9]{1,9}(ms|s|m|h|d)$",
            "x-kubernetes-validations": [rule],
        })
    }
}
