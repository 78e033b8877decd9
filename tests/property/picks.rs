//! Whatever a policy asks for and whatever the cluster looks like: a plan that acts keeps every limit, said a second time
//! here; nobody is taken twice; and whoever says less makes nobody else a victim.

use proptest::prelude::*;
use rumpus_model::cluster::labels::{LabelSelector, Labels, Requirement};
use rumpus_model::cluster::pod::Pod;
use rumpus_model::cluster::revision::{Revision, revise};
use rumpus_model::cluster::world::{Pdb, Place, Radius, Reservation};
use rumpus_model::cluster::{ClusterPlan, World, plan};
use rumpus_model::policy::{Policy, Site, parse_for};
use rumpus_tests::clusters::{NOW, cluster, run, service};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How a pod is: its label `weight`, its age, whether it is ready, whether another run holds it.
type Seen = (Option<u8>, u8, bool, bool);

/// What a policy asks for.
#[derive(Clone, Debug)]
struct Asked {
    /// 0: all, 1: count, 2: percent up, 3: percent down.
    how: u8,
    number: u32,
    per_owner: Option<u32>,
    /// 0: random, 1: oldest, 2: youngest, 3: by weight.
    order: u8,
    faults: Vec<(u8, u8)>,
    min_healthy: Option<u32>,
    /// In percent.
    max_unavailable: Option<u8>,
    seed: u32,
}

/// What is said of an owner, of its namespace and of all.
#[derive(Clone, Debug)]
struct Said {
    max_percent: Vec<Option<Result<u8, ()>>>,
    budget: Option<u8>,
    pods: Option<u32>,
    per_owner: Option<u32>,
}

fn seen() -> impl Strategy<Value = Vec<Seen>> {
    let one = (prop::option::of(0u8..9), 0u8..4, prop::bool::weighted(0.9), prop::bool::weighted(0.05));
    prop::collection::vec(one, 1..30)
}

fn asked() -> impl Strategy<Value = Asked> {
    let faults = prop::collection::vec((0u8..5, 1u8..4), 1..4);
    let limits = (prop::option::of(0u32..4), prop::option::of(0u8..=100));
    (0u8..4, 1u32..40, prop::option::of(1u32..4), 0u8..4, faults, limits, any::<u32>()).prop_map(
        |(how, number, per_owner, order, faults, (min_healthy, max_unavailable), seed)| Asked {
            how,
            number,
            per_owner,
            order,
            faults,
            min_healthy,
            max_unavailable,
            seed,
        },
    )
}

fn said() -> impl Strategy<Value = Said> {
    let percent = prop::option::weighted(0.3, prop_oneof![4 => (0u8..=100).prop_map(Ok), 1 => Just(Err(()))]);
    let small = || prop::option::weighted(0.3, 1u32..20);
    (prop::collection::vec(percent, 30), prop::option::weighted(0.4, 0u8..12), small(), small())
        .prop_map(|(max_percent, budget, pods, per_owner)| Said { max_percent, budget, pods, per_owner })
}

impl Asked {
    fn policy(&self) -> Vec<Policy> {
        let number = self.number;
        let mut pick = match self.how {
            0 => "all: true".to_owned(),
            1 => format!("count: {number}"),
            2 => format!("percent: {number}, rounding: Up"),
            _ => format!("percent: {number}, rounding: Down"),
        };
        pick += &self.per_owner.map(|most| format!(", perOwner: {most}")).unwrap_or_default();
        pick += [", order: Random", ", order: Oldest", ", order: Youngest", ", weightBy: {label: weight}"]
            [usize::from(self.order)];
        let all = [
            "kill: {signal: KILL}",
            "podDelete: {}",
            "loss: {percent: 100, direction: Both}",
            "latency: {delay: 1s, direction: Both}",
            "partition: {direction: Both}",
        ];
        let fault = |(fault, weight): &(u8, u8)| format!("{{{}, weight: {weight}}}", all[usize::from(*fault)]);
        let faults: Vec<String> = self.faults.iter().map(fault).collect();
        let lasts = if self.faults.iter().any(|(fault, _)| *fault > 1) { "duration: 5s, " } else { "" };
        let mut limits = vec!["singleReplica: Allow".to_owned()];
        limits.extend(self.min_healthy.map(|least| format!("minHealthy: {least}")));
        limits.extend(self.max_unavailable.map(|most| format!("maxUnavailable: {most}%")));
        let text = format!(
            "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: a}}\nspec:\n  experiment: {{targets: \
             {{pods: {{selector: {{matchLabels: {{app: web}}}}}}}}, pick: {{{pick}}}, faults: [{}], {lasts}limits: \
             {{{}}}, steadyState: {{none: {{reason: t}}}}}}\n",
            faults.join(", "),
            limits.join(", ")
        );
        parse_for(&text, Site::Cluster).unwrap_or_default()
    }

    fn plan(&self, world: &World) -> ClusterPlan {
        plan(world, &run(self.policy()[0].clone(), &self.seed.to_string()), NOW)
    }

    /// Most that may be taken of so many candidates.
    fn most(&self, candidates: usize) -> usize {
        let number = size(self.number);
        match self.how {
            0 => candidates,
            1 => number,
            2 => (candidates * number).div_ceil(100),
            _ => candidates * number / 100,
        }
    }
}

fn world(seen: &[Seen], each: usize, said: &Said) -> World {
    let mut world = cluster(seen.len(), each, 3);
    for (pod, (weight, age, ready, _)) in world.pods.iter_mut().flatten().zip(seen) {
        let pod = Arc::make_mut(pod);
        let weight = weight.map(|w| ("weight".into(), if w == 8 { "heavy".into() } else { w.to_string().into() }));
        pod.labels = Labels::new([("app".into(), "web".into())].into_iter().chain(weight));
        (pod.created, pod.ready) = (i64::from(*age), *ready);
    }
    let held: Vec<_> = world.pods.iter().flatten().zip(seen).filter(|(_, s)| s.3).map(|(p, _)| p.uid.clone()).collect();
    let beside = Reservation {
        run: "beside".into(),
        run_uid: "beside".into(),
        namespace: "shop".into(),
        policy_uid: None,
        pods: held.into_iter().map(|uid| (uid, Place::default())).collect(),
        takes_down: true,
        owners: std::collections::BTreeSet::new(),
        delay: None,
    };
    world.active = Ok(vec![beside]);
    world.rules.radius = Radius { pods: said.pods, pods_per_owner: said.per_owner, ..Radius::default() };
    let requirements = vec![Requirement::In("app".into(), vec!["web".into()])];
    let budget = said.budget.map(|allowed| Pdb {
        namespace: "shop".into(),
        name: "web".into(),
        selector: Some(LabelSelector { requirements }),
        current_healthy: 30,
        desired_healthy: 1,
        disruptions_allowed: allowed.into(),
        observed: true,
    });
    world.budgets = Ok(budget.into_iter().collect());
    limit(&mut world, &said.max_percent);
    world
}

fn limit(world: &mut World, max_percent: &[Option<Result<u8, ()>>]) {
    for (n, said) in max_percent.iter().enumerate() {
        let owner = world.owners.as_mut().ok().and_then(|owners| owners.get_mut(format!("owner-{n}").as_str()));
        if let Some(owner) = owner {
            owner.max_percent = said.map(|said| said.map_err(|()| "half".into()));
        }
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn picked(plan: &ClusterPlan) -> BTreeSet<String> {
    plan.targets().map(|t| t.uid.clone()).collect()
}

fn hit(plan: &ClusterPlan) -> BTreeSet<String> {
    if plan.acts() { picked(plan) } else { BTreeSet::new() }
}

fn owner(pod: &Pod) -> String {
    pod.owner.as_ref().map(|o| o.uid.to_string()).unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_plan_exceeds_what_was_asked_for_or_any_limit(seen in seen(), each in 1usize..7, asked in asked(), said in said()) {
        let world = world(&seen, each, &said);
        let plan = asked.plan(&world);
        let weighted = asked.order == 3;
        let pods: Vec<&Arc<Pod>> = world.pods.iter().flatten().collect();
        let fits = |s: &Seen| !weighted || !matches!(s.0, Some(0 | 8));
        // Everybody is running and fits but for the weight.
        let candidates = seen.iter().filter(|s| fits(s)).count();
        prop_assert!(plan.targets().count() <= asked.most(candidates));
        let left: usize = plan.left_out.iter().map(|l| l.count).sum();
        if plan.refusals.is_empty() {
            prop_assert_eq!(plan.targets().count() + left, plan.matched);
        }
        let named: Vec<&str> = plan.targets().map(|t| t.uid.as_str()).collect();
        let hit = hit(&plan);
        prop_assert_eq!(named.len(), named.iter().collect::<BTreeSet<_>>().len(), "somebody is taken twice");
        let (mut of_owner, mut held) = (BTreeMap::<String, usize>::new(), 0);
        for (pod, seen) in pods.iter().zip(&seen).filter(|(pod, _)| hit.contains(&*pod.uid)) {
            *of_owner.entry(owner(pod)).or_default() += 1;
            prop_assert!(fits(seen), "a weight of 0, or none that can be read, is never taken");
        }
        for (pod, seen) in pods.iter().zip(&seen) {
            held += usize::from(seen.3 && !hit.contains(&*pod.uid));
        }
        for (uid, count) in &of_owner {
            prop_assert!(asked.per_owner.is_none_or(|most| *count <= size(most)), "perOwner");
            let index: usize = uid.strip_prefix("owner-").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
            match said.max_percent.get(index).copied().flatten() {
                None => {}
                Some(Ok(percent)) => prop_assert!(*count * 100 <= each * usize::from(percent), "max-percent"),
                Some(Err(())) => prop_assert!(false, "an owner that nobody understands"),
            }
            let of = |p: &&Arc<Pod>| owner(p) == *uid;
            let beside = |p: &&Arc<Pod>| world.active.iter().flatten().any(|r| r.pods.contains_key(&p.uid));
            let healthy = pods.iter().filter(|p| of(p) && p.ready && !hit.contains(&*p.uid) && !beside(p)).count();
            prop_assert!(asked.min_healthy.is_none_or(|least| healthy >= size(least)), "minHealthy");
            let unavailable = each.saturating_sub(healthy);
            prop_assert!(
                asked.max_unavailable.is_none_or(|most| unavailable * 100 <= each * usize::from(most)),
                "maxUnavailable: {} of {}", unavailable, each
            );
            let together = pods.iter().filter(|p| of(p) && (hit.contains(&*p.uid) || beside(p))).count();
            prop_assert!(said.per_owner.is_none_or(|most| together <= size(most)), "maxPodsPerOwner");
        }
        if !hit.is_empty() {
            prop_assert!(said.pods.is_none_or(|most| hit.len() + held <= size(most)), "maxPods");
            let ready = pods.iter().zip(&seen).filter(|(p, s)| s.3 && p.ready && !hit.contains(&*p.uid)).count();
            let takes_down = plan.fault.takes_down();
            prop_assert!(
                !takes_down || said.budget.is_none_or(|allowed| hit.len() + ready <= usize::from(allowed)), "budget"
            );
        }
    }

    #[test]
    fn whatever_is_said_beside_a_policy_adds_no_victim(seen in seen(), each in 1usize..7, asked in asked(), said in said()) {
        // Budgets refuse the whole run, or nothing.
        let unbudgeted = Said { budget: None, pods: None, per_owner: None, ..said.clone() };
        let [without, with] = [&unbudgeted, &said].map(|said| hit(&asked.plan(&world(&seen, each, said))));
        prop_assert!(with.is_empty() || with == without, "{with:?} of {without:?}");
        // Owners take out of what was picked; what is left may keep a limit that the whole would have broken.
        let free = Said { max_percent: Vec::new(), ..unbudgeted.clone() };
        let [without, with] = [&free, &unbudgeted].map(|said| picked(&asked.plan(&world(&seen, each, said))));
        prop_assert!(with.is_subset(&without), "{with:?} of {without:?}");
        // And one owner's word changes nothing for the others.
        let only = Said { max_percent: vec![said.max_percent[0]], ..free.clone() };
        let with = picked(&asked.plan(&world(&seen, each, &only)));
        let world = world(&seen, each, &free);
        for pod in world.pods.iter().flatten().filter(|pod| owner(pod) != "owner-0") {
            prop_assert_eq!(with.contains(&*pod.uid), without.contains(&*pod.uid), "{}", pod.name);
        }
    }

    #[test]
    fn a_stricter_policy_of_the_same_seed_takes_nobody_whom_a_laxer_one_left(seen in seen(), asked in asked()) {
        let free = Said { max_percent: Vec::new(), budget: None, pods: None, per_owner: None };
        let world = world(&seen, 3, &free);
        let lax = Asked { min_healthy: None, max_unavailable: None, per_owner: None, how: 0, ..asked.clone() };
        let (all, some) = (hit(&lax.plan(&world)), hit(&asked.plan(&world)));
        prop_assert!(some.is_subset(&all), "{some:?} of {all:?}");
        let fewer = Asked { how: 1, number: 1, per_owner: None, ..asked.clone() };
        let more = Asked { how: 1, number: asked.number, per_owner: None, ..asked };
        // Both are asked, or one of them is refused and hits nobody.
        let (few, many) = (fewer.plan(&world), more.plan(&world));
        if few.acts() && many.acts() {
            prop_assert!(hit(&few).is_subset(&hit(&many)), "whoever is first stays first");
        }
    }

    #[test]
    fn weights_of_one_size_change_nothing(seen in seen(), weight in 1u8..8, asked in asked()) {
        let free = Said { max_percent: Vec::new(), budget: None, pods: None, per_owner: None };
        let same: Vec<Seen> = seen.iter().map(|s| (Some(weight), s.1, s.2, s.3)).collect();
        let world = world(&same, 3, &free);
        let [random, weighted] = [0, 3].map(|order| Asked { order, ..asked.clone() }.plan(&world));
        prop_assert_eq!(ClusterPlan { pick: String::new(), ..random }, ClusterPlan { pick: String::new(), ..weighted });
    }

    #[test]
    fn a_world_that_changes_after_the_plan_never_widens_whom_it_is_about(
        before in prop::collection::btree_set(0usize..8, 1..8), after in prop::collection::btree_set(0usize..8, 0..8),
        seed in 0u32..50,
    ) {
        let names: Vec<String> = (0..8).map(|n| format!("web-{n}")).collect();
        let behind = |pods: &BTreeSet<usize>| {
            let mut world = cluster(8, 4, 2);
            let of: Vec<&str> = pods.iter().map(|n| names[*n].as_str()).collect();
            world.services = Ok(vec![service(&world, "api", [10, 96, 0, 9], &of)]);
            world
        };
        let text = "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {name: a}\nspec:\n  experiment: {targets: \
                    {pods: {selector: {matchLabels: {app: web}}}}, pick: {count: 1}, faults: [{loss: {percent: 5, \
                    direction: Egress, peers: {services: [api]}}}], duration: 5s, steadyState: {none: {reason: t}}}\n";
        let policy = parse_for(text, Site::Cluster).unwrap_or_default();
        let made = plan(&behind(&before), &run(policy[0].clone(), &seed.to_string()), NOW);
        prop_assert!(made.acts(), "{:?}", made.refusals);
        let network = made.fault.network();
        prop_assert!(network.is_some());
        if let Some(network) = network {
            let addresses = |entries: &[rumpus_model::cluster::PeerEntry]| -> BTreeSet<String> {
                let all = entries.iter().flat_map(|e| e.addresses.iter().map(move |a| format!("{a} {:?}", e.ports)));
                all.collect()
            };
            match revise(&behind(&after), network, "shop", &made.peers) {
                Revision::Change(armed) => prop_assert!(addresses(&armed).is_subset(&addresses(&made.peers))),
                Revision::Keep | Revision::End => {}
                Revision::Unknown(why) => prop_assert!(false, "{why:?}"),
            }
        }
    }
}
