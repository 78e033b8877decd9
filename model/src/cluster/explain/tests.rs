//! Each pod is told the first no, and the order is that of the code that says it.

use super::{Explanation, Fate, Question, Workload, explain};
use crate::cluster::cooldown::Hits;
use crate::cluster::fixture::{NOW, input, labels, planned, policy, shop, unknown, with};
use crate::cluster::freeze::Freeze;
use crate::cluster::pod::{Phase, Pod};
use crate::cluster::world::{HaltRow, HaltScope, Namespace, World};
use std::sync::Arc;

const LOSS: &str = "loss: {percent: 10, direction: Both}";

/// A world in which `web-0` is picked, until something is broken.
struct Trial {
    world: World,
    labels: Vec<(&'static str, &'static str)>,
    pick: &'static str,
}

impl Trial {
    fn new() -> Self {
        Self { world: shop(), labels: vec![("app", "web")], pick: "all: true, cooldown: 1h" }
    }

    fn pod(&mut self, change: impl FnOnce(&mut Pod)) {
        let pods = self.world.pods.as_mut().unwrap();
        change(Arc::make_mut(pods.iter_mut().find(|p| *p.name == *"web-0").unwrap()));
    }

    fn shop(&mut self, change: impl FnOnce(&mut Namespace)) {
        if let Some(shop) = self.world.namespaces.as_mut().unwrap().get_mut("shop") {
            change(shop);
        }
    }

    /// Breaks what one question asks.
    fn breaks(&mut self, question: Question) {
        match question {
            Question::Namespaces => self.pod(|p| p.namespace = "other".into()),
            Question::Selector => self.labels[0] = ("app", "db"),
            Question::Protected => {
                self.world.rules.protected_namespaces.insert("shop".into());
            }
            Question::NamespaceKnown => {
                self.world.namespaces.as_mut().unwrap().remove("shop");
            }
            Question::OptedIn => self.world.rules.opt_in = Some(("team/chaos".into(), "yes".into())),
            Question::Frozen => self.shop(|n| n.freeze = Freeze::read(Some("sale"), None)),
            Question::NamespaceExcluded => {
                self.shop(|n| n.labels = labels(&[("rumpus.dev/chaos", "enabled"), ("rumpus.dev/exclude", "true")]));
            }
            Question::Finished => self.pod(|p| p.phase = Phase::Succeeded),
            Question::Terminating => self.pod(|p| p.terminating = true),
            Question::Excluded => self.labels.push(("tier", "canary")),
            Question::OptedOut => self.labels.push(("rumpus.dev/exclude", "true")),
            Question::Level => self.labels.push(("rumpus.dev/chaos", "disabled")),
            Question::Network => self.pod(|p| p.host_network = true),
            Question::Sandbox => self.pod(|p| p.runtime_class = Some("kata".into())),
            Question::Phase => self.pod(|p| {
                if p.phase == Phase::Running {
                    p.phase = Phase::Pending;
                }
            }),
            Question::Ready => self.pod(|p| p.ready = false),
            Question::Age => self.pod(|p| p.created = NOW - 60),
            Question::Scheduled => self.pod(|p| p.node = None),
            Question::Container => self.pod(|p| p.containers.clear()),
            Question::Cooled => {
                let last = std::collections::BTreeMap::from([("Deployment/shop/web".into(), NOW - 60)]);
                self.world.hits = Ok(Arc::new(Hits::new(last, None)));
            }
            Question::Pick => self.pick = "percent: 0, rounding: Down, cooldown: 1h",
        }
    }

    fn told(mut self) -> Explanation {
        let own = labels(&self.labels);
        self.pod(|p| p.labels = own);
        let targets = "selector: {matchLabels: {app: web}}, exclude: {matchLabels: {tier: canary}}, minAge: 5m, \
                       ready: true, container: app";
        let pods = self.world.pods.as_ref().unwrap();
        let namespace = pods.iter().find(|p| *p.name == *"web-0").unwrap().namespace.to_string();
        let web = Workload { namespace, kind: "pod".into(), name: "web-0".into() };
        explain(&self.world, &input(policy(targets, self.pick, LOSS, "")), NOW, &web).unwrap()
    }
}

#[test]
fn the_first_no_is_told_and_everything_before_it_was_a_yes() {
    let told = Trial::new().told();
    assert_eq!((told.pods[0].fate, told.pods[0].asked.len()), (Fate::Picked, Question::ALL.len()), "{told:#?}");
    assert!(told.pods[0].asked.iter().all(|answer| answer.yes && !answer.fact.is_empty()));
    for (at, first) in Question::ALL.into_iter().enumerate() {
        // Whatever comes later is not asked any more.
        for later in &Question::ALL[at..] {
            let mut trial = Trial::new();
            trial.breaks(*later);
            trial.breaks(first);
            let told = trial.told();
            let pod = &told.pods[0];
            let answers: Vec<bool> = pod.asked.iter().map(|answer| answer.yes).collect();
            assert_eq!(answers, [vec![true; at], vec![false]].concat(), "{first:?} {later:?}: {pod:#?}");
            assert_eq!(pod.asked[at].question, first.text());
            let fate = match () {
                () if first <= Question::Selector => Fate::NotSelected,
                () if first == Question::Pick => Fate::NotPicked,
                () => Fate::LeftOut,
            };
            assert_eq!((pod.fate, pod.reason.is_some()), (fate, fate != Fate::NotSelected), "{first:?}");
        }
    }
}

fn of(world: &World, targets: &str, pick: &str, kind: &str, name: &str) -> Option<Explanation> {
    let workload = Workload { namespace: "shop".into(), kind: kind.into(), name: name.into() };
    explain(world, &input(policy(targets, pick, LOSS, "")), NOW, &workload)
}

const WEB: &str = "selector: {matchLabels: {app: web}}";

#[test]
fn what_is_told_to_be_picked_is_what_the_plan_hits() {
    for pick in ["count: 1", "count: 2", "all: true, perOwner: 1", "percent: 67, rounding: Up"] {
        let told = of(&shop(), WEB, pick, "deployment", "web").unwrap();
        let plan = super::plan(&shop(), &input(policy(WEB, pick, LOSS, "")), NOW);
        let hit: Vec<String> = plan.targets().map(|t| format!("shop/{}", t.pod)).collect();
        assert_eq!(told.pods.len(), 3);
        for pod in &told.pods {
            let full = pick.contains("perOwner");
            let reason = if full { "OwnerFull" } else { "NotPicked" };
            let expected = if hit.contains(&pod.pod) { None } else { Some(reason.to_owned()) };
            assert_eq!(pod.reason, expected, "{pick}");
        }
    }
}

#[test]
fn what_an_owner_keeps_and_what_a_weight_forbids_is_told_with_its_reason() {
    let mut world = with(shop(), "web-0", |p| p.labels = labels(&[("app", "web"), ("weight", "0")]));
    world.owners.as_mut().unwrap().get_mut("u-web").unwrap().max_percent = Some(Ok(34));
    let told = of(&world, WEB, "all: true, weightBy: {label: weight}", "deployment", "web").unwrap();
    let pod = |n: usize| (told.pods[n].fate, told.pods[n].reason.as_deref());
    assert_eq!(pod(0), (Fate::LeftOut, Some("WeightZero")));
    let fact = &told.pods[0].asked.last().unwrap().fact;
    assert_eq!(fact, "pick all, by weight of label weight; label weight is 0");
    let mut others = [pod(1), pod(2)];
    others.sort_by_key(|(_, reason)| reason.is_some());
    assert_eq!(others, [(Fate::Picked, None), (Fate::NotPicked, Some("OwnerLimited"))]);
}

#[test]
fn a_selector_that_means_others_says_which_part_of_it() {
    let fact = |targets: &str| {
        let told = of(&shop(), targets, "all: true", "Pod", "web-1").unwrap();
        assert_eq!(told.pods[0].fate, Fate::NotSelected);
        told.pods[0].asked.last().unwrap().fact.clone()
    };
    assert_eq!(fact("selector: {matchLabels: {app: db}}"), "labels app=web");
    assert_eq!(fact("names: [web-0]"), "name web-1");
    assert_eq!(fact("nodes: [node-0]"), "node node-1, zone b");
    assert_eq!(fact("zones: [a]"), "node node-1, zone b");
    assert_eq!(fact("owners: [{kind: StatefulSet}]"), "owner Deployment/web");
}

#[test]
fn what_refuses_the_run_is_told_to_whom_it_may_hit_and_what_is_unread_to_all() {
    let halt = HaltRow { name: "h".into(), scope: HaltScope::All, reason: "incident".into() };
    let halted = World { halts: Ok(vec![halt]), ..shop() };
    assert_eq!(
        of(&halted, WEB, "all: true", "deployment", "web").unwrap().refusals,
        planned(&halted, LOSS, "").refusals
    );
    let out = ["web-0", "web-1", "web-2"].iter().fold(halted, |w, n| with(w, n, |p| p.terminating = true));
    let told = of(&out, WEB, "all: true", "deployment", "web").unwrap();
    assert_eq!((told.refusals.len(), told.is_candidate(), told.is_unread()), (0, false, false));
    let told = of(&World { pods: unknown(), ..shop() }, WEB, "all: true", "deployment", "web").unwrap();
    assert!(told.pods.is_empty() && told.is_unread());
}

#[test]
fn a_workload_without_pods_is_known_and_one_that_is_not_there_is_none() {
    let empty = World { pods: Ok(Vec::new()), ..shop() };
    assert_eq!(of(&empty, WEB, "all: true", "DEPLOYMENT", "web").unwrap().pods, []);
    assert_eq!(of(&shop(), WEB, "all: true", "deployment", "api"), None);
    assert_eq!(of(&shop(), WEB, "all: true", "statefulset", "web"), None);
    assert_eq!(of(&shop(), WEB, "all: true", "pod", "web"), None);
}
