//! `rumpus schedule`: what the policies of a cluster will do by themselves, as far as the caller may read it: policies, one
//! snapshot, and what is recorded of each group. Only looks.

use super::active::items;
use super::ask;
use super::connect::Reached;
use super::plan::{Snapshot, snapshot};
use super::{enter, place::ClusterFlags};
use crate::args::Global;
use crate::commands::print;
use crate::commands::schedule::Args;
use crate::failure::Failure;
use crate::render;
use crate::render::instant::{local, second};
use jiff::{SignedDuration, Timestamp};
use rumpus_cluster::{ChaosLedger, ChaosPolicy};
use rumpus_model::cluster::World;
use rumpus_model::policy::{Mode, Policy, Site};
use rumpus_model::schedule::agenda::{Ask, ahead};
use rumpus_model::schedule::record::Record;
use rumpus_model::wire::ledger::of_namespace;
use serde::Serialize;
use std::collections::BTreeMap;

/// Exit code where not everything could be read: a script must not take that for "nothing will happen".
const UNKNOWN: u8 = 4;

/// What will happen.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub from: String,
    pub to: String,
    pub policies: Vec<Scheduled>,
    /// In order of time.
    pub runs: Vec<Due>,
    /// What could not be read, or makes no sense.
    pub problems: Vec<String>,
}

/// A policy with a schedule.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scheduled {
    pub namespace: String,
    pub name: String,
    pub armed: bool,
    pub suspended: bool,
    pub groups: usize,
    pub runs: usize,
}

/// A run that is to come.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    pub at: String,
    /// In the schedule's own time zone.
    pub local: String,
    pub namespace: String,
    pub policy: String,
    pub group: String,
    pub armed: bool,
}

/// Looks.
///
/// # Errors
/// The cluster cannot be reached.
pub fn run(global: &Global, which: &ClusterFlags, args: &Args) -> Result<u8, Failure> {
    enter(which, global, async |reached| {
        let report = look(reached, args).await;
        if let (Some(name), true, true) = (&args.policy, report.policies.is_empty(), report.problems.is_empty()) {
            let hint = "`kubectl get chaospolicy -A` shows what there is; name its namespace with -n";
            return Err(Failure::usage(format!("no policy {name} with a schedule"), hint));
        }
        print(global, &report, || render::schedule::page(&report))?;
        Ok(if report.problems.is_empty() { 0 } else { UNKNOWN })
    })
}

async fn look(reached: &Reached, args: &Args) -> Report {
    let from = Timestamp::now();
    let to = from.checked_add(SignedDuration::from_hours(24 * i64::from(args.days))).unwrap_or(from);
    let mut report = Report { from: second(from), to: second(to), ..Report::default() };
    let policies = items::<ChaosPolicy>("policies", reached.list(reached.wide(), None).await, &mut report.problems);
    let wanted = |policy: &ChaosPolicy| {
        policy.spec.schedule.is_some() && args.policy.as_deref().is_none_or(|name| name == policy.name())
    };
    let policies: Vec<ChaosPolicy> = policies.unwrap_or_default().into_iter().filter(wanted).collect();
    if policies.is_empty() {
        return report;
    }
    let Snapshot { world, notes, .. } = snapshot(reached).await;
    report.problems.extend(notes);
    let mut ledgers: BTreeMap<String, Option<ChaosLedger>> = BTreeMap::new();
    for policy in &policies {
        let namespace = policy.namespace().to_owned();
        if !ledgers.contains_key(&namespace) {
            let ledger = reached.get::<ChaosLedger>("", &of_namespace(&namespace)).await.unwrap_or_else(|error| {
                report.problems.push(format!("what happened in {namespace}: {}", ask::why(&error)));
                None
            });
            ledgers.insert(namespace.clone(), ledger);
        }
        let ledger = ledgers.get(&namespace).and_then(Option::as_ref);
        tell(&world, policy, ledger, (from, to), &mut report);
    }
    report.runs.sort_by(|a, b| (&a.at, &a.policy, &a.group).cmp(&(&b.at, &b.policy, &b.group)));
    report
}

/// Adds what one policy will do.
fn tell(
    world: &World,
    object: &ChaosPolicy,
    ledger: Option<&ChaosLedger>,
    (from, to): (Timestamp, Timestamp),
    report: &mut Report,
) {
    let (namespace, name) = (object.namespace().to_owned(), object.name().to_owned());
    let policy = match parsed(object) {
        Ok(policy) => policy,
        Err(why) => return report.problems.push(format!("policy {namespace}/{name}: {why}")),
    };
    let Some(schedule) = policy.schedule.clone() else { return };
    if let Some(calendar) = schedule.calendars.first() {
        let why = format!("policy {namespace}/{name}: the days of the calendar `{calendar}` are not known here");
        report.problems.push(why);
    }
    let (armed, suspended) = (policy.mode == Mode::Armed, policy.suspend);
    let all = ledger.iter().flat_map(|ledger| &ledger.spec.groups);
    let own = all.filter(|record| record.policy == name && record.dry_run != armed);
    let mut records = BTreeMap::new();
    for group in own {
        match Record::read(group) {
            Ok(record) => drop(records.insert(group.group.clone(), record)),
            Err(why) => report.problems.push(format!("what happened to {} of {namespace}/{name}: {why}", group.group)),
        }
    }
    let zone = schedule.calendar.zone.clone();
    let found = ahead(world, &Ask { policy, schedule, namespace: namespace.clone(), records, from, to, now: from });
    report.problems.extend(found.refusals.iter().map(|why| format!("policy {namespace}/{name}: {why}")));
    report.policies.push(Scheduled {
        namespace: namespace.clone(),
        name: name.clone(),
        armed,
        suspended,
        groups: found.groups.len(),
        runs: if suspended { 0 } else { found.slots.len() },
    });
    if suspended {
        return;
    }
    report.runs.extend(found.slots.into_iter().map(|(group, slot)| Due {
        at: second(slot.at),
        local: local(slot.at, &zone),
        namespace: namespace.clone(),
        policy: name.clone(),
        group,
        armed,
    }));
}

fn parsed(object: &ChaosPolicy) -> Result<Policy, String> {
    Policy::from_spec(object.namespace(), object.name(), &object.spec, Site::Cluster)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use rumpus_model::schedule::synthetic;
    use rumpus_model::wire::ledger::Group;
    use rumpus_model::wire::{LedgerSpec, PolicySpec};
    use serde_json::json;

    fn policy(schedule: serde_json::Value) -> ChaosPolicy {
        let spec: PolicySpec = serde_json::from_value(json!({
            "mode": "Armed", "schedule": schedule,
            "experiment": {
                "targets": {"pods": {"selector": {"matchLabels": {"app": "web"}}}}, "pick": {"count": 1},
                "faults": [{"podDelete": {}}], "steadyState": {"none": {"reason": "a test"}},
            },
        }))
        .unwrap();
        let metadata =
            ObjectMeta { name: Some("monkey".into()), namespace: Some("shop".into()), ..ObjectMeta::default() };
        ChaosPolicy::new(metadata, spec)
    }

    fn told(policy: &ChaosPolicy, ledger: Option<&ChaosLedger>) -> Report {
        let world = synthetic::world(&parsed(policy).unwrap(), "shop", 3).unwrap();
        let mut report = Report::default();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        tell(&world, policy, ledger, (at("2026-11-30T00:00:00Z"), at("2026-12-07T00:00:00Z")), &mut report);
        report
    }

    #[test]
    fn every_group_is_told_and_its_gap_is_counted_from_what_happened() {
        let policy = policy(json!({"random": {"meanWorkDays": 2, "minWorkDays": 2}, "timeZone": "Europe/Berlin"}));
        let report = told(&policy, None);
        // Monday to Friday, of three groups, each second work day.
        assert_eq!((report.policies[0].groups, report.runs.len() / 3), (3, report.runs.len() / 3));
        assert!((6..=9).contains(&report.runs.len()), "{:?}", report.runs);
        assert!(report.runs[0].local.ends_with("CET") && report.problems.is_empty(), "{report:?}");
        let hit = Group {
            policy: "monkey".into(),
            group: report.runs[0].group.clone(),
            seen: "2026-11-01T00:00:00Z".into(),
            hit: Some("2026-11-30T08:00:00Z".into()),
            ..Group::default()
        };
        let spec = LedgerSpec { groups: vec![hit], ..LedgerSpec::default() };
        let later = told(&policy, Some(&ChaosLedger::new(ObjectMeta::default(), spec)));
        let first = later.runs.iter().find(|run| run.group == report.runs[0].group).unwrap();
        assert!(first.at.as_str() > "2026-12-02", "{first:?}");
    }

    #[test]
    fn a_suspended_policy_is_named_and_has_no_runs() {
        let mut policy = policy(json!({"every": "1h"}));
        policy.spec.suspend = Some(true);
        let report = told(&policy, None);
        assert_eq!((report.policies.len(), report.policies[0].suspended, report.runs.len()), (1, true, 0));
    }

    #[test]
    fn what_makes_no_sense_is_a_problem_with_its_field() {
        let report = told_problem();
        assert!(report.problems[0].starts_with("policy shop/monkey: spec.schedule"), "{:?}", report.problems);
    }

    fn told_problem() -> Report {
        let (good, bad) = (policy(json!({"every": "1h"})), policy(json!({"cron": "0 10 * * MON", "every": "1h"})));
        let world = synthetic::world(&parsed(&good).unwrap(), "shop", 1).unwrap();
        let mut report = Report::default();
        tell(&world, &bad, None, (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH), &mut report);
        report
    }
}
