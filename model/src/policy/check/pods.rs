//! Which pods: by namespace, labels, name, owner, node and zone, and in which state.

use super::experiment::time;
use super::place::Place;
use super::targets::{EMPTY, list};
use super::{labels, name};
use crate::cluster::pod::Phase;
use crate::cluster::select::{Namespaces, OwnerMatch, PodSelector};
use crate::wire;
use std::time::Duration;

/// Most namespaces of one experiment, targets and peers together: what the admission policy can judge.
pub(super) const NAMESPACES: usize = 16;
/// Longest age that can be asked for.
const OLDEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// `all` is whether the policy picks all of them: only then may the selector be empty.
pub(super) fn check(written: &wire::Pods, all: bool, place: &Place<'_>) -> Option<PodSelector> {
    let namespaces = namespaces(written, place);
    let selector = match &written.selector {
        None => Some(crate::cluster::labels::LabelSelector::default()),
        Some(selector) => labels::check(selector, &place.field("selector")),
    };
    let exclude = match &written.exclude {
        None => Some(None),
        Some(exclude) => labels::check(exclude, &place.field("exclude")).map(Some),
    };
    let names = list(written.names.as_ref(), &place.field("names"), name::object);
    let nodes = list(written.nodes.as_ref(), &place.field("nodes"), name::object);
    let zones = list(written.zones.as_ref(), &place.field("zones"), |zone, place| name::plain(zone, 63, place));
    let owners = owners(written.owners.as_ref(), &place.field("owners"));
    let min_age = match &written.min_age {
        None => Some(None),
        Some(text) => time(text, &place.field("minAge"), Duration::ZERO, OLDEST).map(Some),
    };
    let container = match &written.container {
        None => Some(None),
        Some(container) => {
            name::namespace_like(container, "a container", &place.field("container")).then(|| Some(container.clone()))
        }
    };
    let phase = match written.phase {
        None | Some(wire::PodPhase::Running) => Phase::Running,
        Some(wire::PodPhase::Pending) => Phase::Pending,
    };
    let parsed = PodSelector {
        namespaces: namespaces?,
        selector: selector?,
        exclude: exclude?,
        names: names?,
        owners: owners?,
        nodes: nodes?,
        zones: zones?,
        min_age: min_age?,
        ready: written.ready,
        phase,
        container: container?,
    };
    if parsed.names_nobody() && !all {
        let hint = "write selector, names or owners; with `pick: {all: true}` it means every pod of the namespaces";
        place.wrong(EMPTY, hint);
        return None;
    }
    Some(parsed)
}

fn namespaces(written: &wire::Pods, place: &Place<'_>) -> Option<Namespaces> {
    let here = place.field("namespaces");
    match (&written.namespaces, written.all_namespaces) {
        (Some(_), Some(true)) => {
            place.wrong("`namespaces` and `allNamespaces` contradict each other", "leave one of them out");
            None
        }
        (None, Some(true)) => Some(Namespaces::All),
        (None, Some(false) | None) => Some(Namespaces::Own),
        (Some(names), Some(false) | None) => several(names, &here).map(Namespaces::Named),
    }
}

/// Checks a list of namespaces.
pub(super) fn several(names: &Vec<String>, place: &Place<'_>) -> Option<Vec<String>> {
    let mut found = list(Some(names), place, name::namespace)?;
    if found.len() > NAMESPACES {
        place.wrong(format!("{} namespaces are more than {NAMESPACES}", found.len()), "write several policies");
        return None;
    }
    found.sort();
    found.dedup();
    if found.len() < names.len() {
        place.wrong("names a namespace twice", "leave one of them out");
        return None;
    }
    Some(found)
}

fn owners(written: Option<&Vec<wire::OwnerMatch>>, place: &Place<'_>) -> Option<Vec<OwnerMatch>> {
    let list = place.filled(written);
    let mut owners = Vec::new();
    for (index, owner) in list.iter().enumerate() {
        let place = place.item(index);
        if owner.kind.is_none() && owner.name.is_none() {
            place.wrong("names no owner", "write `{kind: Deployment, name: web}`, or one of them");
        }
        let kind = owner.kind.as_ref().is_none_or(|kind| name::plain(kind, 63, &place.field("kind")));
        let named = owner.name.as_ref().is_none_or(|name| name::object(name, &place.field("name")));
        if kind && named && (owner.kind.is_some() || owner.name.is_some()) {
            owners.push(OwnerMatch { kind: owner.kind.clone(), name: owner.name.clone() });
        }
    }
    (owners.len() == list.len() && (written.is_none() || !list.is_empty())).then_some(owners)
}
