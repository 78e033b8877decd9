//! What is due of a policy within a stretch of time: its groups as they are now, and each one's slots. Pure.

use super::record::Record;
use super::{Schedule, Since, Slot};
use crate::cluster::lint::{Readiness, lint};
use crate::cluster::refusal::ClusterRefusal;
use crate::cluster::world::World;
use crate::cluster::{RunInput, select};
use crate::policy::Policy;
use crate::rank::Ranks;
use crate::select::Selector;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Longest part of a run's name that is the policy's.
const NAME: usize = 40;
/// Longest seed that a run may have.
const SEED: usize = 253;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Parsed for where it is asked about: a cluster, or a host.
    pub policy: Policy,
    pub schedule: Schedule,
    /// The policy's; on a host what tells this one from others, so that each draws for itself.
    pub namespace: String,
    /// What is known of each group.
    pub records: BTreeMap<String, Record>,
    pub from: Timestamp,
    pub to: Timestamp,
    pub now: Timestamp,
}

/// What is due, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agenda {
    /// Every group, those of which nothing is due too.
    pub groups: Vec<String>,
    /// Of those that are too late to begin, the last of each group.
    pub slots: Vec<(String, Slot)>,
    /// How many are too late, for the log.
    pub missed: usize,
    /// Why no group could be told.
    pub refusals: Vec<ClusterRefusal>,
    /// Whether what the policy means is ready for chaos: it refuses nothing.
    pub readiness: Option<Readiness>,
}

/// Tells what is due, by what really happened; what was taken is not told again.
pub fn agenda(world: &World, ask: &Ask) -> Agenda {
    let told = told(world, ask, |seed, group, from, since| ask.schedule.due(seed, group, from, ask.to, since));
    Agenda { readiness: Some(lint(world, &input(ask, ask.policy.clone()), ask.now.as_second()).readiness()), ..told }
}

/// Tells what will be due where every slot hits, so that the minimum gap is kept after it; for people.
pub fn ahead(world: &World, ask: &Ask) -> Agenda {
    told(world, ask, |seed, group, from, since| ask.schedule.slots(seed, group, from, ask.to, since))
}

fn input(ask: &Ask, policy: Policy) -> RunInput {
    RunInput {
        policy,
        namespace: ask.namespace.clone(),
        name: String::new(),
        run_uid: String::new(),
        seed: String::new(),
        policy_uid: None,
    }
}

fn told(world: &World, ask: &Ask, slots: impl Fn(&str, &str, Timestamp, Option<Since>) -> Vec<Slot>) -> Agenda {
    let Selector::Pods(selector) = &ask.policy.experiment.targets else { return Agenda::default() };
    let mut agenda = Agenda::default();
    // Whoever may be hit by one of its faults: which one it is, each slot draws for itself.
    let mut groups = BTreeSet::new();
    for policy in ask.policy.each_possible() {
        let input = input(ask, policy.into_owned());
        let found = select::find(world, selector, &input, ask.to.as_second());
        groups.extend(ask.schedule.groups(world, found.candidates.iter().map(|c| c.pod)).into_keys());
        agenda.refusals = found.refusals;
    }
    agenda.groups = groups.into_iter().collect();
    filled(agenda, ask, slots)
}

/// Tells what is due of a policy on a host, where the policy as a whole is its only group.
pub fn on_host(ask: &Ask) -> Agenda {
    let slots = |seed: &str, group: &str, from, since| ask.schedule.due(seed, group, from, ask.to, since);
    filled(Agenda { groups: vec![String::new()], ..Agenda::default() }, ask, slots)
}

/// Tells what will be due on a host where every slot hits; for people.
pub fn ahead_on_host(ask: &Ask) -> Agenda {
    let slots = |seed: &str, group: &str, from, since| ask.schedule.slots(seed, group, from, ask.to, since);
    filled(Agenda { groups: vec![String::new()], ..Agenda::default() }, ask, slots)
}

/// Adds the slots of each group.
fn filled(mut agenda: Agenda, ask: &Ask, slots: impl Fn(&str, &str, Timestamp, Option<Since>) -> Vec<Slot>) -> Agenda {
    let seed = seed(&ask.namespace, &ask.policy.name);
    for group in &agenda.groups {
        let record = ask.records.get(group);
        let since = record.and_then(|r| r.since(&ask.schedule.calendar));
        // A group that was never looked at has no past, and the others have none before they were.
        let from = ask.from.max(record.map_or(ask.now, |record| record.seen));
        let open =
            slots(&seed, group, from, since).into_iter().filter(|slot| !record.is_some_and(|r| r.is_taken(slot)));
        let (mut late, rest): (Vec<Slot>, Vec<Slot>) = open.partition(|slot| ask.schedule.until(slot) < ask.now);
        agenda.missed += late.len();
        agenda.slots.extend(late.pop().into_iter().chain(rest).map(|slot| (group.clone(), slot)));
    }
    agenda.slots.sort_by(|a, b| (a.1.at, &a.0).cmp(&(b.1.at, &b.0)));
    agenda
}

/// Returns what a policy's draws are made of: the same when it is deleted and made again.
pub fn seed(namespace: &str, policy: &str) -> String {
    format!("{namespace}/{policy}")
}

/// Returns what the victims of a slot are drawn by, armed or not: words, or, where they are longer than a seed may be, what
/// is as good.
pub fn run_seed(namespace: &str, policy: &str, group: &str, slot: &str) -> String {
    let words = format!("{namespace}/{policy}/{group}/{slot}");
    if words.len() <= SEED { words } else { format!("{namespace}/{}", run_name(policy, group, slot, false)) }
}

/// Returns the name of a slot's run: the same whoever makes it, so that it is made once. A dry run has another.
pub fn run_name(policy: &str, group: &str, slot: &str, dry_run: bool) -> String {
    let hash = Ranks::chain(Ranks::chain(Ranks::new("run").of(policy), group), slot);
    let short: String = policy.chars().take(NAME).collect();
    let short = short.trim_end_matches(['-', '.']);
    format!("{short}-{hash:016x}{}", if dry_run { "-dry" } else { "" })
}
