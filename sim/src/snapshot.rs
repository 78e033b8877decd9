//! What a controller's watches have shown, as the snapshot that the production planner looks at.

use crate::api::{Kind, PodObject};
use crate::world::node_name;
use rumpus_cluster::ChaosNode;
use rumpus_controller::cluster::observe;
use rumpus_model::cluster::cooldown::Hits;
use rumpus_model::cluster::labels::Labels;
use rumpus_model::cluster::pod::{Container, OwnerRef, Phase, Pod, Role};
use rumpus_model::cluster::world::{HaltRow, Known, Namespace, Node, Owner, Radius, Reservation, Rules};
use rumpus_model::cluster::{ClusterPlan, RunInput, Unknown, World, plan};
use rumpus_model::schedule::agenda::{Agenda, Ask, agenda};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What was shown.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub pods: BTreeMap<String, Arc<PodObject>>,
    pub nodes: BTreeMap<String, Arc<ChaosNode>>,
    /// `None` until they were listed.
    pub halts: Option<BTreeMap<String, HaltRow>>,
    known: BTreeSet<Kind>,
    /// How many runs may be active at once.
    budget: u32,
    /// How many pods may be under fault at once.
    pub radius: Radius,
}

impl Snapshot {
    pub fn new(budget: usize) -> Self {
        Self { budget: u32::try_from(budget).unwrap_or(1), ..Self::default() }
    }

    /// Notes that of this kind something was shown; a list always comes first.
    pub fn listed(&mut self, kind: Kind) {
        self.known.insert(kind);
        if kind == Kind::Halt {
            self.halts.get_or_insert_default();
        }
    }

    /// Lets the model plan.
    pub fn plan(&self, input: &RunInput, active: Vec<Reservation>, hits: Known<Arc<Hits>>, now: i64) -> ClusterPlan {
        plan(&World { hits, ..self.world(active) }, input, now)
    }

    /// Lets the model say what is due.
    pub fn agenda(&self, ask: &Ask) -> Agenda {
        agenda(&self.world(Vec::new()), ask)
    }

    fn world(&self, active: Vec<Reservation>) -> World {
        let unknown = || Unknown { why: "not listed yet".into() };
        let opted = Namespace::new(labels(&[("rumpus.dev/chaos", "enabled")]), None);
        let owner = Owner {
            kind: "Deployment".into(),
            namespace: "shop".into(),
            name: "web".into(),
            desired: Some(8),
            ..Owner::default()
        };
        let pods = self.pods.values().map(|p| Arc::new(pod(p))).collect();
        World {
            pods: if self.known.contains(&Kind::Pod) { Ok(pods) } else { Err(unknown()) },
            owners: Ok([("u-web".into(), owner)].into()),
            namespaces: Ok([("shop".into(), opted)].into()),
            nodes: if self.known.contains(&Kind::Node) { Ok(self.nodes()) } else { Err(unknown()) },
            services: Ok(Vec::new()),
            budgets: Ok(Vec::new()),
            halts: self.halts.clone().map(|h| h.into_values().collect()).ok_or_else(unknown),
            active: Ok(active),
            hits: Ok(Arc::default()),
            rules: Rules { max_active_runs: self.budget, radius: self.radius, ..Rules::default() },
        }
    }

    fn nodes(&self) -> BTreeMap<Arc<str>, Node> {
        let one = |(name, node): (&String, &Arc<ChaosNode>)| {
            let status = node.status.as_ref().filter(|status| status.heartbeat.is_some());
            let agent = status.map(|status| observe::agent(status, Ok(())));
            (name.as_str().into(), Node { ready: true, agent, ..Node::default() })
        };
        self.nodes.iter().map(one).collect()
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())))
}

fn pod(object: &PodObject) -> Pod {
    let meta = &object.metadata;
    let text = |text: &Option<String>| -> Arc<str> { text.as_deref().unwrap_or_default().into() };
    let id = format!("containerd://{}", text(&meta.uid));
    Pod {
        uid: text(&meta.uid),
        namespace: text(&meta.namespace),
        name: text(&meta.name),
        labels: labels(&[("app", "web")]),
        node: Some(node_name(object.node).into()),
        phase: Phase::Running,
        ready: true,
        terminating: false,
        created: 0,
        host_network: false,
        addresses: Vec::new(),
        runtime_class: None,
        owner: Some(OwnerRef { kind: "Deployment".into(), name: "web".into(), uid: "u-web".into() }),
        containers: vec![Container {
            name: "app".into(),
            role: Role::App,
            id: Some(id.as_str().into()),
            running: true,
        }],
        probes: Vec::new(),
        readiness_probe: false,
        spread: false,
    }
}
