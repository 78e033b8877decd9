//! A virtual stretch of time: every slot of every group, planned as a run would be, on a world that is healthy again each
//! time. Pure: the same inputs give the same answer.
//!
//! What comes out is judged by a second look at it that shares nothing with what decided but the calendar's settings.

use super::calendar::{Calendar, Window};
use super::{Schedule, Since};
use crate::cluster::guard::gate;
use crate::cluster::pod::Pod;
use crate::cluster::select;
use crate::cluster::world::{Known, Owner, Text, World};
use crate::cluster::{RunInput, plan};
use crate::policy::Policy;
use crate::rank::short_id;
use crate::refusal::Refusal;
use crate::select::Selector;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, Zoned};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most violations that are named; all are counted.
const NAMED: usize = 20;

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Parsed for a cluster, with a schedule.
    pub policy: &'a Policy,
    pub schedule: &'a Schedule,
    /// The policy's.
    pub namespace: &'a str,
    pub seed: &'a str,
    pub from: Timestamp,
    pub days: u32,
}

/// One run that would have acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub at: Timestamp,
    pub group: String,
    /// `namespace/name` of each pod.
    pub victims: Vec<String>,
    /// Work days since the group's last one.
    pub gap: Option<u32>,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulated {
    pub groups: usize,
    /// By time.
    pub actions: Vec<Action>,
    /// How many slots did not act, by the first reason.
    pub refused: BTreeMap<String, usize>,
    pub outside_window: usize,
    /// How often each fault of a policy that lists several was drawn, by its place in the list and its name.
    pub faults: BTreeMap<(usize, &'static str), usize>,
    /// Of all limits, those of the windows among them.
    pub violations: usize,
    /// At most twenty of them, in words.
    pub named: Vec<String>,
}

impl Simulated {
    /// Returns every gap between two actions of a group, in work days.
    pub fn gaps(&self) -> impl Iterator<Item = u32> {
        self.actions.iter().filter_map(|action| action.gap)
    }

    /// Returns the mean gap in work days; `None` where no group acted twice.
    pub fn mean_gap(&self) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0.0);
        for gap in self.gaps() {
            sum += f64::from(gap);
            count += 1.0;
        }
        (count > 0.0).then_some(sum / count)
    }

    fn violated(&mut self, what: String) {
        self.violations += 1;
        if self.named.len() < NAMED {
            self.named.push(what);
        }
    }
}

/// Runs it.
pub fn simulate(world: &World, input: &Input<'_>) -> Simulated {
    let mut out = Simulated::default();
    let Selector::Pods(selector) = &input.policy.experiment.targets else { return out };
    let span = SignedDuration::from_hours(24 * i64::from(input.days));
    let Ok(to) = input.from.checked_add(span) else { return out };
    let whole = run_input(input, "simulated", input.seed);
    let mut pods: BTreeMap<&Text, &Arc<Pod>> = BTreeMap::new();
    let possible = input.policy.each_possible().into_iter();
    let possible: Vec<RunInput> = possible.map(|p| RunInput { policy: p.into_owned(), ..whole.clone() }).collect();
    for (index, whole) in possible.iter().enumerate() {
        let found = select::find(world, selector, whole, input.from.as_second());
        pods.extend(found.candidates.iter().map(|c| (&c.pod.uid, c.pod)));
        for refusal in found.refusals.iter().filter(|_| index == 0) {
            *out.refused.entry(Refusal::Cluster(refusal.clone()).to_string()).or_default() += 1;
        }
    }
    let groups = input.schedule.groups(world, pods.into_values());
    out.groups = groups.len();
    // Gates may be about what is in no group: they are asked of the whole world, once, since it does not change.
    let closed = gate::closed(world, &whole).first().map(ToString::to_string);
    let mut ungated = input.policy.clone();
    ungated.experiment.gates.clear();
    let each = Input { policy: &ungated, ..*input };
    let mut part = bare(world);
    for (name, pods) in groups {
        (part.owners, part.pods) = (owners(world, &pods), Ok(pods));
        of_group(&part, &each, &name, to, closed.as_deref(), &mut out);
    }
    out.actions.sort_by(|a, b| (a.at, &a.group).cmp(&(b.at, &b.group)));
    judge(input, &mut out);
    out
}

/// Every slot of one group.
fn of_group(world: &World, input: &Input<'_>, name: &str, to: Timestamp, closed: Option<&str>, out: &mut Simulated) {
    let calendar = &input.schedule.calendar;
    let min = input.schedule.min_gap();
    let since = calendar.work_days_before(calendar.date(input.from), 0).map(Since::Seen);
    let mut last: Option<Timestamp> = None;
    let mut recent: Vec<Timestamp> = Vec::new();
    for slot in input.schedule.slots(input.seed, name, input.from, to, since) {
        if last.is_some_and(|last| !calendar.is_far_enough(last, slot.at, min)) {
            *out.refused.entry("the minimum gap".to_owned()).or_default() += 1;
            continue;
        }
        if let Some(rate) = input.schedule.rate {
            rate.keep(&mut recent, slot.at);
            if rate.exhausted(recent.iter().copied(), slot.at).is_some() {
                *out.refused.entry(format!("the rate of {rate}")).or_default() += 1;
                continue;
            }
        }
        if let Some(why) = closed {
            *out.refused.entry(why.to_owned()).or_default() += 1;
            continue;
        }
        let id = short_id(&[name, &slot.key]);
        let plan = plan(world, &run_input(input, &id, &id), slot.at.as_second());
        if !plan.acts() {
            let why = plan.refusals.first().map_or_else(|| "nobody was picked".to_owned(), ToString::to_string);
            *out.refused.entry(why).or_default() += 1;
            continue;
        }
        if let Some(drawn) = plan.drawn {
            *out.faults.entry((drawn.index, plan.fault.name())).or_default() += 1;
        }
        let day = calendar.work_day_of(slot.at);
        let before = last.and_then(|last| calendar.work_day_of(last));
        let gap = before.zip(day).map(|(before, day)| calendar.work_days_between(before, day));
        let victims = plan.targets().map(|t| format!("{}/{}", t.namespace, t.pod)).collect();
        out.actions.push(Action { at: slot.at, group: name.to_owned(), victims, gap });
        last = Some(slot.at);
        recent.push(slot.at);
    }
}

fn run_input(input: &Input<'_>, name: &str, seed: &str) -> RunInput {
    RunInput {
        policy: input.policy.clone(),
        namespace: input.namespace.to_owned(),
        name: name.to_owned(),
        run_uid: name.to_owned(),
        seed: seed.to_owned(),
        // What is only about runs of policies is about these.
        policy_uid: Some(name.to_owned()),
    }
}

/// The owners of these pods.
fn owners(world: &World, pods: &[Arc<Pod>]) -> Known<BTreeMap<Text, Owner>> {
    let all = world.owners.as_ref().map_err(Clone::clone)?;
    let of = |pod: &Arc<Pod>| {
        let uid = &pod.owner.as_ref()?.uid;
        all.get(uid).map(|owner| (uid.clone(), owner.clone()))
    };
    Ok(pods.iter().filter_map(of).collect())
}

/// The world without pods and owners.
fn bare(world: &World) -> World {
    World {
        pods: Ok(Vec::new()),
        owners: Ok(BTreeMap::new()),
        namespaces: world.namespaces.clone(),
        nodes: world.nodes.clone(),
        services: world.services.clone(),
        budgets: world.budgets.clone(),
        halts: world.halts.clone(),
        active: world.active.clone(),
        hits: world.hits.clone(),
        rules: world.rules.clone(),
    }
}

/// Looks at what came out once more: local times against windows, dates one by one, victims by name.
pub(super) fn judge(input: &Input<'_>, out: &mut Simulated) {
    let calendar = &input.schedule.calendar;
    let min = input.schedule.min_gap();
    let mut days: BTreeMap<String, Date> = BTreeMap::new();
    let mut times: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
    for action in out.actions.clone() {
        let local = action.at.to_zoned(calendar.zone.clone());
        let mut victims = action.victims.clone();
        victims.sort();
        victims.dedup();
        if victims.len() != action.victims.len() {
            out.violated(format!("{}: a pod is hit twice at {local}", action.group));
        }
        if let Some(rate) = input.schedule.rate {
            let times = times.entry(action.group.clone()).or_default();
            times.push(action.at);
            let first = times.len().saturating_sub(usize::try_from(rate.runs).unwrap_or(usize::MAX) + 1);
            let span = times.get(first).map(|at| action.at.duration_since(*at));
            let full = times.len() > usize::try_from(rate.runs).unwrap_or(usize::MAX);
            if full && span.is_some_and(|span| span.unsigned_abs() < rate.per) {
                out.violated(format!("{}: more than {rate} at {local}", action.group));
            }
        }
        let Some(begun) = window_day(calendar, &local) else {
            out.outside_window += 1;
            out.violated(format!("{}: {local} is in no window", action.group));
            continue;
        };
        let Some(mut day) = days.insert(action.group.clone(), begun) else { continue };
        let mut passed = 0;
        while day < begun {
            let Ok(next) = day.tomorrow() else { break };
            day = next;
            passed += u32::from(calendar.is_work_day(day));
        }
        if passed < min {
            out.violated(format!("{}: {passed} work days after the last one, at {local}", action.group));
        }
    }
}

/// Returns the date on which a window began that a local time is in; compares minutes of the day, without spans of instants.
fn window_day(calendar: &Calendar, local: &Zoned) -> Option<Date> {
    let (today, time) = (local.date(), local.time());
    let begins = |w: &Window, day: Date| calendar.is_work_day(day) && w.days.contains(&day.weekday().into());
    let ends_next_day = |w: &Window| w.to <= w.from;
    let yesterday = today
        .yesterday()
        .ok()
        .filter(|day| calendar.windows.iter().any(|w| ends_next_day(w) && begins(w, *day) && time < w.to));
    yesterday.or_else(|| {
        let holds = |w: &Window| begins(w, today) && time >= w.from && (ends_next_day(w) || time < w.to);
        calendar.windows.iter().any(holds).then_some(today)
    })
}
