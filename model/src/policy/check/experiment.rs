//! The experiment: its parts, and what they mean together.

use super::place::Place;
use super::pods::NAMESPACES;
use super::{fault, limits, pick, steady, targets};
use crate::fault::{Fault, Kill};
use crate::faults::Faults;
use crate::policy::Experiment;
use crate::select::Selector;
use crate::{duration, wire};
use std::time::Duration;

/// Shortest time that a fault lasts.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longest time that a fault lasts on a host.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn check(written: Option<&wire::Experiment>, place: &Place<'_>) -> Option<Experiment> {
    let Some(written) = written else { return place.missing("write targets, pick, faults and steadyState") };
    let all = written.pick.as_ref().is_some_and(|p| p.all == Some(true));
    let targets = targets::check(written.targets.as_ref(), all, &place.field("targets"));
    let pick = pick::check(written.pick.as_ref(), &place.field("pick"));
    let per_owner = pick::per_owner(written.pick.as_ref(), &place.field("pick"));
    let cooldown = pick::cooldown(written.pick.as_ref(), &place.field("pick"));
    let weight_by = pick::weight_by(written.pick.as_ref(), &place.field("pick"));
    let faults = fault::list(written.faults.as_ref(), &place.field("faults"));
    let duration = lasting(written.duration.as_ref(), faults.as_deref(), &place.field("duration"));
    let limits = limits::check(written.limits.as_ref(), &place.field("limits"));
    let steady = steady::check(written.steady_state.as_ref(), &place.field("steadyState"));
    let (targets, list) = (targets?, faults?);
    for (index, (fault, _)) in list.iter().enumerate() {
        together(&targets, fault, index, place);
    }
    namespaces(&targets, &list, place);
    let (duration, first) = (duration?, list.first()?.0.clone());
    let (no_checks_reason, gates) = steady?;
    Some(Experiment {
        targets,
        pick: pick?,
        per_owner: per_owner?,
        order: pick::order(written.pick.as_ref()),
        weight_by: weight_by?,
        cooldown: cooldown?,
        duration: duration.filter(|_| first.lasts()),
        fault: first,
        faults: (list.len() > 1).then_some(Faults { list, duration }),
        drawn: None,
        limits: limits?,
        no_checks_reason,
        gates,
    })
}

/// Outer `None`: a problem was noted.
fn lasting(written: Option<&String>, faults: Option<&[(Fault, u16)]>, place: &Place<'_>) -> Option<Option<Duration>> {
    let given = match written {
        None => None,
        Some(text) => Some(time(text, place, SHORTEST, LONGEST)?),
    };
    let Some(faults) = faults else { return Some(given) };
    // Of a list it is about those that last; what is done once has none.
    match (given, faults, faults.iter().any(|(fault, _)| fault.lasts())) {
        (None, _, true) => place.missing("say how long it lasts, 1s to 24h"),
        (Some(_), [(only, _)], false) => {
            place.wrong(format!("{} is done once and has no duration", only.name()), "leave it out");
            None
        }
        (Some(_), _, false) => {
            place.wrong("each of the faults is done once and has no duration", "leave it out");
            None
        }
        (given, ..) => Some(given),
    }
}

/// Reads a duration within bounds, both included.
pub(super) fn time(text: &str, place: &Place<'_>, least: Duration, most: Duration) -> Option<Duration> {
    match duration::parse(text) {
        Err(what) => place.wrong(what, ""),
        Ok(time) if time < least || time > most => {
            let what = format!("`{text}` is not within {} and {}", duration::show(least), duration::show(most));
            place.wrong(what, "");
        }
        Ok(time) => return Some(time),
    }
    None
}

/// Refuses more namespaces than the admission policy can judge, targets and peers together.
fn namespaces(targets: &Selector, faults: &[(Fault, u16)], place: &Place<'_>) {
    let Selector::Pods(pods) = targets else { return };
    let mut all = pods.namespaces.named().to_vec();
    for network in faults.iter().filter_map(|(fault, _)| fault.network()) {
        all.extend(network.namespaces().map(str::to_owned));
    }
    all.sort();
    all.dedup();
    if all.len() > NAMESPACES {
        let what = format!("targets and peers together are in {} namespaces, more than {NAMESPACES}", all.len());
        place.field("targets").wrong(what, "write several policies");
    }
}

/// Refuses what each part allows and the whole does not.
fn together(targets: &Selector, fault: &Fault, index: usize, place: &Place<'_>) {
    let here = place.field("targets");
    match (targets, fault) {
        (Selector::Host, Fault::Kill(_)) => here.field("host").wrong(
            "kill needs processes: a network cannot be killed",
            "target `processes` or `containers`, or use loss or partition",
        ),
        (Selector::NetNs(_), Fault::Kill(_)) => here.field("netns").wrong(
            "kill needs processes: a network cannot be killed",
            "target `processes` or `containers`, or use a network fault",
        ),
        (Selector::Processes(_), Fault::Kill(Kill::Container)) => {
            place.field("faults").item(index).field("kill").field("container").wrong(
                "a whole container is killed only where `targets` is `containers`",
                "name `signal` instead, or target `containers`",
            );
        }
        (Selector::Processes(_) | Selector::Containers(_) | Selector::Pods(_), Fault::Kill(_))
        | (_, Fault::Latency(_) | Fault::Loss(_) | Fault::Partition(_))
        | (_, Fault::PodDelete(_) | Fault::PodEvict(_))
        | (Selector::NotHere { .. }, Fault::Kill(_)) => {}
    }
}
