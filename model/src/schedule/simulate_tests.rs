//! Virtual years, and that what is wrong in one is seen.

use super::simulate::{Action, Input, Simulated, judge, simulate};
use super::synthetic;
use crate::policy::{Policy, Site, parse_for};
use jiff::Timestamp;

fn policy(schedule: &str) -> Policy {
    let text = format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: monkey, namespace: shop}}\nspec:\n  \
         schedule: {schedule}\n  experiment:\n    targets: {{pods: {{selector: {{matchLabels: {{app: web}}}}}}}}\n    \
         pick: {{count: 1}}\n    faults: [{{kill: {{container: true}}}}]\n    steadyState: {{none: {{reason: a test}}}}\n"
    );
    parse_for(&text, Site::Cluster).unwrap().pop().unwrap()
}

const MONKEY: &str = "{random: {meanWorkDays: 2, minWorkDays: 1}, groupBy: Owner, timeZone: Europe/Berlin, \
                      windows: [{from: '09:00', to: '15:00'}], holidays: {dates: [2026-12-25]}}";

fn run(policy: &Policy, groups: u32, seed: &str) -> Simulated {
    let world = synthetic::world(policy, "shop", groups).unwrap();
    simulate(&world, &input(policy, seed))
}

fn input<'a>(policy: &'a Policy, seed: &'a str) -> Input<'a> {
    let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    Input { policy, schedule: policy.schedule.as_ref().unwrap(), namespace: "shop", seed, from, days: 365 }
}

#[test]
fn a_year_of_a_hundred_applications_has_the_mean_that_was_asked_for() {
    let policy = policy(MONKEY);
    let out = run(&policy, 100, "1");
    assert_eq!((out.groups, out.outside_window, out.violations), (100, 0, 0), "{:?}", out.named);
    assert!(out.refused.is_empty(), "{:?}", out.refused);
    // 260 work days, one in two: 13,000 with a deviation of 81.
    assert!(out.actions.len().abs_diff(13_000) < 330, "{}", out.actions.len());
    assert!((out.mean_gap().unwrap() - 2.0).abs() < 0.06, "{:?}", out.mean_gap());
    assert_eq!(out.gaps().min(), Some(1));
    assert!(out.actions.iter().all(|action| action.victims.len() == 1));
    // The one of its own group: each is hit in turn by chance.
    let mut victims: Vec<&String> = out.actions.iter().flat_map(|action| &action.victims).collect();
    victims.sort();
    victims.dedup();
    assert_eq!(victims.len(), 300);
}

#[test]
fn the_same_seed_is_the_same_year_and_another_is_another() {
    let policy = policy(MONKEY);
    assert_eq!(run(&policy, 5, "1"), run(&policy, 5, "1"));
    assert_ne!(run(&policy, 5, "1").actions, run(&policy, 5, "2").actions);
}

#[test]
fn each_kind_of_group_and_of_schedule_has_its_year() {
    let groups = |schedule: &str| run(&policy(schedule), 6, "1");
    for (by, count) in [("Namespace", 1), ("Policy", 1), ("Zone", 3), ("{label: team}", 6)] {
        let out = groups(&format!("{{random: {{meanWorkDays: 5}}, groupBy: {by}}}"));
        assert_eq!((out.groups, out.violations), (count, 0), "{by}");
        assert!(!out.actions.is_empty(), "{by}: {:?}", out.refused);
    }
    assert_eq!(groups("{cron: '0 10 * * MON'}").actions.len(), 52);
    assert_eq!(groups("{at: '2026-06-01T10:00:00Z'}").actions.len(), 1);
    assert_eq!(groups("{every: 1d, jitter: 1h}").actions.len(), 365);
}

#[test]
fn a_rate_is_of_each_group_by_itself_and_one_that_is_broken_is_seen() {
    let policy = policy("{every: 1h, groupBy: Owner, rate: {runs: 2, per: 1d}}");
    let out = run(&policy, 3, "1");
    assert_eq!(out.actions.len(), 3 * 2 * 365);
    assert_eq!((out.violations, out.refused.values().sum::<usize>()), (0, 3 * 22 * 365), "{:?}", out.refused);
    // The edge is exact: a day after the first of them the next may begin.
    let of_one: Vec<Timestamp> = out.actions.iter().filter(|a| a.group.ends_with('0')).map(|a| a.at).collect();
    assert_eq!(of_one[2].duration_since(of_one[0]).as_hours(), 24);
    let mut more = out.clone();
    let early =
        Action { at: of_one[2].checked_sub(jiff::SignedDuration::from_secs(1)).unwrap(), ..out.actions[0].clone() };
    more.actions.insert(6, early);
    judge(&input(&policy, "1"), &mut more);
    assert!(more.violations > 0);
}

#[test]
fn nights_belong_to_the_day_on_which_they_begin() {
    let nights = "{random: {meanWorkDays: 1, minWorkDays: 1}, timeZone: Europe/Berlin, \
                  windows: [{from: '22:00', to: '04:00', crossesMidnight: true}]}";
    let out = run(&policy(nights), 3, "1");
    // Every night of 260 work days; those of the last one end after the year does.
    assert!(out.actions.len() > 3 * 255 && out.gaps().all(|gap| gap == 1), "{}", out.actions.len());
    assert_eq!((out.outside_window, out.violations), (0, 0), "{:?}", out.named);
}

#[test]
fn what_the_plan_refuses_is_no_action_and_says_why() {
    let mut policy = policy(MONKEY);
    policy.experiment.limits.min_healthy = Some(crate::policy::Amount::Count(3));
    let out = run(&policy, 3, "1");
    assert!(out.actions.is_empty() && !out.refused.is_empty(), "{:?}", out.refused);
    let Err(why) = synthetic::world(&crate::policy::parse_for(HOST, Site::Cluster).unwrap().pop().unwrap(), "shop", 1)
    else {
        panic!("a world of pods for a policy about none")
    };
    assert!(why.contains("names pods"), "{why}");
}

const HOST: &str = "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {name: one}\nspec:\n  experiment:\n    \
                    targets: {pods: {selector: {matchLabels: {app: web}}, names: [web-0]}}\n    pick: {count: 1}\n    \
                    faults: [{kill: {container: true}}]\n    steadyState: {none: {reason: a test}}\n";

#[test]
fn what_is_wrong_in_a_year_is_seen() {
    let policy = policy(MONKEY);
    let action = |at: &str, victims: &[&str]| Action {
        at: at.parse().unwrap(),
        group: "web".to_owned(),
        victims: victims.iter().map(|v| (*v).to_owned()).collect(),
        gap: None,
    };
    let judged = |actions: Vec<Action>| {
        let mut out = Simulated { actions, ..Simulated::default() };
        judge(&input(&policy, "1"), &mut out);
        (out.outside_window, out.violations)
    };
    let good = action("2026-06-01T08:00:00Z", &["a"]);
    assert_eq!(judged(vec![good.clone(), action("2026-06-02T08:00:00Z", &["a"])]), (0, 0));
    assert_eq!(judged(vec![action("2026-06-01T06:59:59Z", &["a"])]), (1, 1));
    assert_eq!(judged(vec![action("2026-06-01T13:00:00Z", &["a"])]), (1, 1));
    assert_eq!(judged(vec![action("2026-06-06T08:00:00Z", &["a"])]), (1, 1), "a Saturday");
    assert_eq!(judged(vec![action("2026-12-25T10:00:00Z", &["a"])]), (1, 1), "a holiday");
    assert_eq!(judged(vec![good.clone(), action("2026-06-01T09:00:00Z", &["a"])]), (0, 1), "too soon");
    assert_eq!(judged(vec![action("2026-06-01T08:00:00Z", &["a", "a"])]), (0, 1), "one pod twice");
    assert_eq!(judged(vec![good]), (0, 0));
}
