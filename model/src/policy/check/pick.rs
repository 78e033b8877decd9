//! How many: exactly one of count, percent and all.

use super::experiment::time;
use super::labels;
use super::place::Place;
use crate::cluster::cooldown::LONGEST;
use crate::pick::{Order, Pick, Rounding};
use crate::wire;
use std::time::Duration;

/// The shortest cooldown.
const SHORTEST: Duration = Duration::from_secs(1);

pub(super) fn check(written: Option<&wire::Pick>, place: &Place<'_>) -> Option<Pick> {
    let hint = "write `count: 1`, `{percent: 25, rounding: Down}` or `all: true`";
    let Some(written) = written else { return place.missing(hint) };
    if written.per_owner.is_some() && !place.in_cluster() {
        place.field("perOwner").unbuilt("nothing on a bare host has an owner", "use count, percent or all");
    }
    if written.rounding.is_some() && written.percent.is_none() {
        place.field("rounding").wrong("goes with percent only", "leave it out");
    }
    match (written.count, written.percent, written.all) {
        (Some(count), None, None) => count_of(count, &place.field("count")),
        (None, Some(percent), None) => percent_of(percent, written.rounding, place),
        (None, None, Some(true)) => Some(Pick::All),
        (None, None, Some(false)) => {
            place.field("all").wrong("`false` picks nobody", hint);
            None
        }
        (_, _, _) => {
            place.wrong("exactly one of count, percent and all is meant here", hint);
            None
        }
    }
}

/// Returns the most that are taken of one owner. Outer `None`: a problem was noted.
pub(super) fn per_owner(written: Option<&wire::Pick>, place: &Place<'_>) -> Option<Option<u32>> {
    let Some(most) = written.and_then(|w| w.per_owner).filter(|_| place.in_cluster()) else { return Some(None) };
    match count_of(most, &place.field("perOwner"))? {
        Pick::Count(most) => Some(Some(most)),
        Pick::All | Pick::Percent { .. } => None,
    }
}

/// Returns who is taken first.
pub(super) fn order(written: Option<&wire::Pick>) -> Order {
    match written.and_then(|w| w.order) {
        None | Some(wire::Order::Random) => Order::Random,
        Some(wire::Order::Oldest) => Order::Oldest,
        Some(wire::Order::Youngest) => Order::Youngest,
    }
}

/// Returns the label that pods are weighted by. Outer `None`: a problem was noted.
pub(super) fn weight_by(written: Option<&wire::Pick>, place: &Place<'_>) -> Option<Option<String>> {
    let Some(weight_by) = written.and_then(|w| w.weight_by.as_ref()) else { return Some(None) };
    let here = place.field("weightBy");
    if !place.in_cluster() {
        here.unbuilt("nothing on a bare host has labels", "leave it out: each is taken as often as the others");
        return Some(None);
    }
    if order(written) != Order::Random {
        here.wrong("weightBy draws and order sorts", "leave one of them out");
        return None;
    }
    let Some(label) = &weight_by.label else {
        return here.missing("write `weightBy: {label: KEY}`: the label's value is a whole number from 0 to 1000");
    };
    labels::key(label, &here.field("label")).then(|| Some(label.clone()))
}

/// Returns how long an owner is left alone after a hit. Outer `None`: a problem was noted.
pub(super) fn cooldown(written: Option<&wire::Pick>, place: &Place<'_>) -> Option<Option<Duration>> {
    let Some(text) = written.and_then(|w| w.cooldown.as_ref()) else { return Some(None) };
    let here = place.field("cooldown");
    if !place.in_cluster() {
        here.unbuilt("nothing on a bare host has an owner", "leave it out");
        return Some(None);
    }
    time(text, &here, SHORTEST, LONGEST).map(Some)
}

fn count_of(count: i64, place: &Place<'_>) -> Option<Pick> {
    match u32::try_from(count) {
        Ok(count) if count >= 1 => Some(Pick::Count(count)),
        Ok(_) | Err(_) => {
            place.wrong(format!("{count} is not within 1 and {}", u32::MAX), "");
            None
        }
    }
}

fn percent_of(percent: i64, rounding: Option<wire::Rounding>, place: &Place<'_>) -> Option<Pick> {
    let rounding = match rounding {
        None => place.field("rounding").missing("write `rounding: Down` or `rounding: Up`"),
        Some(wire::Rounding::Down) => Some(Rounding::Down),
        Some(wire::Rounding::Up) => Some(Rounding::Up),
    };
    match u8::try_from(percent) {
        Ok(percent) if percent <= 100 => Some(Pick::Percent { percent, rounding: rounding? }),
        Ok(_) | Err(_) => {
            place.field("percent").wrong(format!("{percent} is not within 0 and 100"), "");
            None
        }
    }
}
