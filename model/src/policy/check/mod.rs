//! From wire types to parsed types: each rule once, each problem with its field, and as many problems as there are.
//!
//! A check notes what is wrong and returns `None`; it never stops its neighbours. What is understood and cannot be
//! honoured here goes to `Policy::unbuilt`, never to nowhere.

use super::problem::Problem;
use super::{Mode, Policy, Site};
use crate::fault::Fault;
use crate::plan;
use crate::schedule::Group;
use crate::wire::{self, API_VERSION, ChaosPolicy, ChaosRun, Metadata, Object, RunSpec};
use jiff::Timestamp;
use place::{Book, Place};

mod experiment;
mod fault;
mod labels;
mod limits;
mod name;
mod network;
mod peers;
mod pick;
mod place;
mod pods;
mod ports;
mod schedule;
mod steady;
mod targets;

/// Longest name of a group: a kind, a namespace and a name.
const GROUP: usize = 400;

/// Checks a policy.
pub(crate) fn policy(object: &ChaosPolicy, site: Site) -> Result<Policy, Vec<Problem>> {
    let book = Book::new(site);
    let checked = head(object, &book).and_then(|(name, namespace, spec)| {
        let root = book.root().field("spec");
        if spec.service_account_name.is_some() && !root.in_cluster() {
            let why = "a host has no service accounts";
            root.field("serviceAccountName").unbuilt(why, "leave it out; on a host the user who runs it decides");
        }
        let schedule = spec.schedule.as_ref().map(|written| schedule::check(written, &root.field("schedule")));
        let experiment = experiment::check(spec.experiment.as_ref(), &root.field("experiment"))?;
        Some(Policy {
            name,
            namespace,
            suspend: spec.suspend.unwrap_or(false),
            mode: mode(spec.mode),
            seed: None,
            plan_hash: None,
            experiment,
            schedule: match schedule {
                None => None,
                Some(checked) => Some(checked?),
            },
            group: None,
            unbuilt: Vec::new(),
            service_account: spec.service_account_name.clone().filter(|_| root.in_cluster()),
        })
    });
    book.close(checked)
}

/// Checks a run that holds its experiment.
pub(crate) fn run(object: &ChaosRun, site: Site) -> Result<Policy, Vec<Problem>> {
    let book = Book::new(site);
    let checked = head(object, &book).and_then(|(name, namespace, spec)| {
        let root = book.root().field("spec");
        let host = !root.in_cluster();
        if spec.policy_ref.is_some() && host {
            root.field("policyRef").unbuilt("a host has no policies by name", "name the policy's file instead");
        }
        let group = group(spec, &root);
        slot(spec, &root);
        if spec.requested_by.is_some() && host {
            root.field("requestedBy").unbuilt("is written by the API server's side only", "leave it out");
        }
        // In a cluster a run that was stopped is still read, to end it.
        if spec.stop == Some(true) && host {
            root.field("stop").wrong("a run that is stopped before it began does nothing", "leave it out");
        }
        let seed = spec.seed.as_ref().and_then(|seed| {
            let place = root.field("seed");
            name::plain(seed, 253, &place).then(|| seed.clone())
        });
        let plan_hash = spec.plan_hash.clone().filter(|hash| is_hash(hash, &root.field("planHash")));
        let experiment = experiment::check(spec.experiment.as_ref(), &root.field("experiment"))?;
        Some(Policy {
            name,
            namespace,
            suspend: false,
            mode: mode(spec.mode),
            seed,
            plan_hash,
            experiment,
            schedule: None,
            group,
            unbuilt: Vec::new(),
            service_account: None,
        })
    });
    book.close(checked)
}

/// Eight digits, as plans show them.
fn is_hash(text: &str, place: &Place<'_>) -> bool {
    let good = plan::is_hash(text);
    if !good {
        place.wrong(format!("`{text}` is no hash of a plan"), "write the eight digits that the plan shows");
    }
    good
}

/// The group of a run that a schedule began.
fn group(spec: &RunSpec, root: &Place<'_>) -> Option<Group> {
    let place = root.field("group");
    match (&spec.group, &spec.group_by) {
        (None, None) => None,
        (Some(_), _) if !root.in_cluster() => {
            place.unbuilt("groups belong to a schedule, and a run on a host has none", "leave it out");
            None
        }
        (Some(name), Some(by)) => match by.parse() {
            Ok(by) => name::plain(name, GROUP, &place).then(|| Group { by, name: name.clone() }),
            Err(why) => {
                root.field("groupBy").wrong(format!("`{by}` {why}"), "write what the policy's schedule says");
                None
            }
        },
        (Some(_), None) => root.field("groupBy").missing("say what `group` is: Owner, Namespace, Zone or {label: KEY}"),
        (None, Some(_)) => place.missing("name the group, or leave `groupBy` out"),
    }
}

/// A slot is a policy's, and has an end.
fn slot(spec: &RunSpec, root: &Place<'_>) {
    let (slot, until) = (root.field("slot"), root.field("startBy"));
    if spec.slot.is_none() && spec.start_by.is_none() {
        return;
    }
    if !root.in_cluster() {
        return slot.unbuilt("slots belong to a schedule, and a run on a host has none", "leave slot and startBy out");
    }
    if spec.slot.is_none() || spec.policy_ref.is_none() {
        slot.wrong("slot and startBy are of a run that a policy's schedule begins", "leave them out");
    }
    if spec.start_by.as_deref().is_none_or(|text| text.parse::<Timestamp>().is_err()) {
        until.wrong("is no instant", "leave slot and startBy out: the controller writes them");
    }
}

/// Checks a fault that stands alone.
pub(crate) fn fault_alone(written: &wire::Fault, site: Site) -> Result<Fault, Vec<Problem>> {
    let book = Book::new(site);
    let fault = fault::alone(written, &book.root());
    book.close_with(fault)
}

fn mode(mode: Option<wire::Mode>) -> Mode {
    match mode {
        Some(wire::Mode::Armed) => Mode::Armed,
        Some(wire::Mode::DryRun) | None => Mode::DryRun,
    }
}

fn head<'w, S>(object: &'w Object<S>, book: &Book) -> Option<(String, Option<String>, &'w S)> {
    let root = book.root();
    if object.api_version.as_deref() != Some(API_VERSION) {
        root.field("apiVersion").wrong("is not known here", format!("write `apiVersion: {API_VERSION}`"));
    }
    let place = root.field("metadata");
    let empty = Metadata::default();
    let metadata = object.metadata.as_ref().unwrap_or(&empty);
    let name = match &metadata.name {
        None => place.field("name").missing("name the policy"),
        Some(name) => name::object(name, &place.field("name")).then(|| name.clone()),
    };
    if let Some(namespace) = &metadata.namespace {
        name::namespace(namespace, &place.field("namespace"));
    }
    let spec = match &object.spec {
        None => root.field("spec").missing("write what is to be tried"),
        Some(spec) => Some(spec),
    };
    // A name that is missing must not hide what is wrong below `spec`.
    Some((name.unwrap_or_default(), metadata.namespace.clone(), spec?))
}
