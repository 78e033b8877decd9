//! Who is hit: by a second, naive implementation, and by what must not change the answer.

use proptest::prelude::*;
use rumpus_model::fault::{Fault, Kill};
use rumpus_model::pick::{Pick, Rounding, split};
use rumpus_model::plan::plan;
use rumpus_model::policy::{Policy, parse};
use rumpus_model::target::Target;
use rumpus_model::world::{Process, World};
use rumpus_tests::builders::{netns, process, world};
use std::collections::BTreeSet;

const NAMES: [&str; 5] = ["web", "db", "sshd", "rumpus", "cron"];
const SPACES: [&str; 3] = ["blue", "green", "grey"];

type Seen = (usize, usize, u32, bool, bool);

fn seen() -> impl Strategy<Value = Seen> {
    (0..NAMES.len(), 0..=SPACES.len(), 0u32..3, prop::bool::weighted(0.1), prop::bool::weighted(0.1))
}

fn host(seen: &[Seen]) -> World {
    let mut host = world();
    for name in SPACES {
        host = host.with_netns(netns(name));
    }
    for (name, space, user, kernel, unreadable) in seen {
        let mut process = process(NAMES[*name]).user(*user);
        process = match SPACES.get(*space) {
            Some(space) => process.in_netns(space),
            None => process,
        };
        process = if *kernel { process.kernel_thread() } else { process };
        process = if *unreadable { process.with_unreadable_cgroup() } else { process };
        host = host.with(process);
    }
    host.own(101).build()
}

/// The one policy; empty, and so a failure of its user, where it is refused.
fn policy(fault: &str, user: u32) -> Vec<Policy> {
    let lasts = if fault.starts_with("kill") { "" } else { "duration: 5s, " };
    let text = format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: a}}\nspec:\n  experiment: {{targets: \
         {{processes: {{cmdline: /usr/bin, exclude: {{user: {user}}}}}}}, pick: {{all: true}}, faults: [{{{fault}}}], \
         {lasts}steadyState: {{none: {{reason: t}}}}}}\n"
    );
    parse(&text).unwrap_or_default()
}

/// Whether a process may be hit, said a second time.
fn naive(process: &Process, user: u32) -> bool {
    let protected = process.comm == "sshd" || process.comm.starts_with("rumpus") || process.id.pid == 101;
    process.uid != user && !process.kernel_thread && !protected
}

proptest! {
    #[test]
    fn a_kill_hits_what_matches_and_is_neither_excluded_nor_protected(
        seen in prop::collection::vec(seen(), 0..30),
        user in 0u32..3,
    ) {
        let world = host(&seen);
        let plan = plan(&world, &policy("kill: {signal: 9}", user)[0], "s", "r");
        prop_assert_eq!(&plan.fault, &Fault::Kill(Kill::Process { signal: 9, grace: std::time::Duration::ZERO }));
        let hit: BTreeSet<i32> = plan.targets.iter().filter_map(|t| match &t.target {
            Target::Process(p) => Some(p.id.pid),
            Target::Container(_) | Target::NetNs(_) => None,
        }).collect();
        let wanted: BTreeSet<i32> = world.processes.iter()
            .filter(|p| naive(p, user) && p.cgroup.is_some()).map(|p| p.id.pid).collect();
        prop_assert_eq!(hit.len(), plan.targets.len());
        prop_assert_eq!(hit, wanted);
        // Who matched is either hit or left out with a reason: nobody is forgotten.
        let matched = world.processes.iter().filter(|p| !p.kernel_thread).count();
        prop_assert_eq!(plan.targets.len() + plan.left_out.len(), matched);
    }

    #[test]
    fn a_network_fault_hits_namespaces_without_anyone_who_is_excluded_or_protected(
        seen in prop::collection::vec(seen(), 0..30),
        user in 0u32..3,
    ) {
        let world = host(&seen);
        let plan = plan(&world, &policy("loss: {percent: 1, direction: Both}", user)[0], "s", "r");
        let hit: BTreeSet<u64> = plan.targets.iter().filter_map(|t| t.target.netns()).map(|n| n.id.ino).collect();
        let inside = |ino: u64| {
            let here = move |p: &&Process| !p.kernel_thread && p.netns.is_some_and(|n| n.ino == ino);
            world.processes.iter().filter(here).collect::<Vec<_>>()
        };
        let wanted: BTreeSet<u64> = world.netns.iter().map(|n| n.id.ino)
            .filter(|ino| !inside(*ino).is_empty() && inside(*ino).iter().all(|p| naive(p, user)))
            .collect();
        prop_assert_eq!(hit, wanted);
    }

    #[test]
    fn the_pick_depends_on_who_is_there_and_not_on_the_order(
        mut all in prop::collection::btree_set("[a-z]{1,6}", 1..40).prop_map(|s| s.into_iter().collect::<Vec<_>>()),
        count in 1u32..50,
        seed in "[0-9]{1,5}",
        turn in any::<prop::sample::Index>(),
    ) {
        let taken = |list: Vec<String>| split(list, Clone::clone, Pick::Count(count), &seed).0;
        let first = taken(all.clone());
        let by = turn.index(all.len());
        all.rotate_left(by);
        all.reverse();
        prop_assert_eq!(&taken(all.clone()), &first);
        // Somebody leaves: everybody else who was taken still is. Somebody comes: at most one gives way.
        let gone = turn.get(&all).clone();
        let fewer = taken(all.iter().filter(|n| **n != gone).cloned().collect());
        prop_assert!(first.iter().filter(|n| **n != gone).all(|n| fewer.contains(n)));
        all.push("NEW".to_owned());
        let more = taken(all);
        prop_assert!(first.iter().filter(|n| !more.contains(n)).count() <= 1);
    }

    #[test]
    fn percent_rounds_as_fractions_do(candidates in 0usize..5_000, percent in 0u8..=100) {
        let down = Pick::Percent { percent, rounding: Rounding::Down }.of(candidates);
        let up = Pick::Percent { percent, rounding: Rounding::Up }.of(candidates);
        let whole = usize::from(percent) * candidates;
        prop_assert!(down * 100 <= whole && whole < (down + 1) * 100);
        prop_assert!(whole <= up * 100 && (up == 0 || (up - 1) * 100 < whole));
        prop_assert!(up <= candidates);
    }
}
