//! A cluster that there is not: so many applications that a policy's selector matches, opted in and healthy.

use crate::cluster::labels::{Labels, Requirement};
use crate::cluster::pod::{Container, OwnerRef, Phase, Pod, Role};
use crate::cluster::rollout::Rollout;
use crate::cluster::select::pods::{Namespaces, PodSelector};
use crate::cluster::world::{Namespace, Node, NodeAgent, Owner, Rules, Text, World};
use crate::engine::Engine;
use crate::gate::Probe;
use crate::policy::Policy;
use crate::select::Selector;
use crate::wire::schedule::GroupBy;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pods of each application.
const PODS: u32 = 3;
/// Nodes, one in each zone.
const NODES: u32 = 3;

/// Returns a world of so many applications for a policy of a cluster.
///
/// # Errors
/// The policy selects no pods, or such that cannot be made up.
pub fn world(policy: &Policy, namespace: &str, groups: u32) -> Result<World, String> {
    let Selector::Pods(selector) = &policy.experiment.targets else {
        return Err("its targets are no pods of a cluster".to_owned());
    };
    if !selector.names.is_empty()
        || !selector.owners.is_empty()
        || !selector.nodes.is_empty()
        || !selector.zones.is_empty()
    {
        return Err("it names pods, owners, nodes or zones, and what is made up has other names".to_owned());
    }
    let namespace = match &selector.namespaces {
        Namespaces::Named(names) => names.first().map_or(namespace, String::as_str),
        Namespaces::All | Namespaces::Own => namespace,
    };
    let rules = Rules { max_active_runs: u32::MAX, ..Rules::default() };
    let opted = rules.opt_in.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into()));
    let (mut pods, mut owners) = (Vec::new(), BTreeMap::new());
    for number in 0..groups {
        let (name, uid) = (format!("app-{number}"), format!("owner-{number}"));
        let labels = labels(policy, selector, number);
        let owner = Owner {
            kind: "Deployment".into(),
            namespace: namespace.into(),
            name: name.as_str().into(),
            desired: Some(PODS),
            ..Owner::default()
        };
        let top = OwnerRef { kind: "Deployment".into(), name: name.as_str().into(), uid: uid.as_str().into() };
        for one in 0..PODS {
            pods.push(Arc::new(Pod {
                uid: format!("pod-{number}-{one}").into(),
                namespace: namespace.into(),
                name: format!("{name}-{one}").into(),
                labels: labels.clone(),
                node: Some(format!("node-{}", (number + one) % NODES).into()),
                phase: selector.phase,
                ready: selector.ready.unwrap_or(true),
                terminating: false,
                created: 0,
                host_network: false,
                addresses: Vec::new(),
                runtime_class: None,
                owner: Some(top.clone()),
                containers: vec![Container {
                    name: selector.container.as_deref().unwrap_or("app").into(),
                    role: Role::App,
                    id: Some(format!("containerd://{number}-{one}").into()),
                    running: selector.phase == Phase::Running,
                }],
                probes: Vec::new(),
                readiness_probe: false,
                spread: false,
            }));
        }
        owners.insert(uid.into(), owner);
    }
    owners.extend(policy.experiment.gates.iter().filter_map(|gate| open(&gate.probe, namespace)));
    let nodes = (0..NODES).map(|number| (format!("node-{number}").into(), node(number))).collect();
    Ok(World {
        pods: Ok(pods),
        owners: Ok(owners),
        namespaces: Ok(BTreeMap::from([(namespace.into(), Namespace::new(Labels::new(opted), None))])),
        nodes: Ok(nodes),
        services: Ok(Vec::new()),
        budgets: Ok(Vec::new()),
        halts: Ok(Vec::new()),
        active: Ok(Vec::new()),
        hits: Ok(Arc::default()),
        rules,
    })
}

/// What opens a gate: a workload that wants no pods and has none.
fn open(probe: &Probe, namespace: &str) -> Option<(Text, Owner)> {
    let Probe::Workload(workload) = probe else { return None };
    let owner = Owner {
        kind: workload.kind.into(),
        namespace: namespace.into(),
        name: workload.name.as_str().into(),
        desired: Some(0),
        rollout: Rollout::Done,
        ..Owner::default()
    };
    Some((format!("gate-{workload}").into(), owner))
}

/// Labels that the selector takes and the exclusion does not; groups by label have one value each.
fn labels(policy: &Policy, selector: &PodSelector, number: u32) -> Labels {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    if let Some(GroupBy::Label(key)) = policy.schedule.as_ref().map(|s| &s.group_by) {
        found.insert(key.clone(), format!("group-{number}"));
    }
    for requirement in &selector.selector.requirements {
        match requirement {
            Requirement::Exists(key) => drop(found.entry(key.clone()).or_insert_with(|| format!("any-{number}"))),
            Requirement::In(key, values) => {
                let value = values.get(usize::try_from(number).unwrap_or(0) % values.len().max(1));
                drop(found.insert(key.clone(), value.cloned().unwrap_or_default()));
            }
            Requirement::Missing(_) | Requirement::NotIn(..) => {}
        }
    }
    Labels::new(found.into_iter().map(|(key, value)| (key.into(), value.into())))
}

fn node(number: u32) -> Node {
    let engines = [
        ("kill", Engine::Signal),
        ("killContainer", Engine::Cgroup),
        ("latency", Engine::Netem),
        ("loss", Engine::Nft),
        ("partition", Engine::Nft),
    ];
    let agent = NodeAgent {
        present: Ok(()),
        engines: engines.map(|(name, engine)| (name.to_owned(), engine)).into(),
        missing: BTreeMap::new(),
        admission: Ok(()),
        unrestored: Vec::new(),
    };
    Node { zone: Some(format!("zone-{number}").into()), ready: true, agent: Some(agent), ..Node::default() }
}
