//! Clusters that are easy to say: so many pods of so many owners on so many nodes, all of them fit to be hit.

use rumpus_model::cluster::labels::Labels;
use rumpus_model::cluster::plan::RunInput;
use rumpus_model::cluster::pod::{Container, OwnerRef, Phase, Pod, Role};
use rumpus_model::cluster::world::{
    Backend, Namespace, Node, NodeAgent, Owner, Rules, Service, ServicePort, TargetPort,
};
use rumpus_model::cluster::{Text, World};
use rumpus_model::engine::Engine;
use rumpus_model::policy::Policy;
use rumpus_model::scope::Protocol;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// When everything is decided: an hour after the pods were made.
pub const NOW: i64 = 3_600;

/// Builds pods `web-0`… in namespace `shop`: `each` to a Deployment `web-<n>`, in turn on nodes with ready agents.
pub fn cluster(pods: usize, each: usize, nodes: usize) -> World {
    let engines: BTreeMap<String, Engine> = [
        ("kill", Engine::Signal),
        ("killContainer", Engine::Cgroup),
        ("latency", Engine::Netem),
        ("loss", Engine::Nft),
        ("partition", Engine::Nft),
    ]
    .map(|(name, engine)| (name.to_owned(), engine))
    .into();
    let agent = NodeAgent { present: Ok(()), engines, missing: BTreeMap::new(), admission: Ok(()), unrestored: vec![] };
    let node = |n: usize| Node {
        zone: Some(format!("zone-{}", n % 3).into()),
        ready: true,
        agent: Some(agent.clone()),
        ..Node::default()
    };
    let names: Vec<Text> = (0..nodes).map(|n| format!("node-{n}").into()).collect();
    let shared = Shared {
        shop: "shop".into(),
        app: ("app".into(), "web".into()),
        deployment: "Deployment".into(),
        main: "app".into(),
    };
    let opted = Labels::new([("rumpus.dev/chaos".into(), "enabled".into())]);
    let owner = |n: usize| Owner {
        kind: shared.deployment.clone(),
        namespace: shared.shop.clone(),
        name: format!("web-{n}").into(),
        desired: u32::try_from(each).ok(),
        ..Owner::default()
    };
    World {
        pods: Ok((0..pods).map(|n| Arc::new(shared.pod(n, n / each, &names[n % nodes]))).collect()),
        owners: Ok((0..pods.div_ceil(each)).map(|n| (format!("owner-{n}").into(), owner(n))).collect()),
        namespaces: Ok([(shared.shop.clone(), Namespace::new(opted, None))].into()),
        nodes: Ok(names.iter().enumerate().map(|(n, name)| (name.clone(), node(n))).collect()),
        services: Ok(Vec::new()),
        budgets: Ok(Vec::new()),
        halts: Ok(Vec::new()),
        active: Ok(Vec::new()),
        hits: Ok(Arc::default()),
        rules: Rules { max_active_runs: 8, ..Rules::default() },
    }
}

struct Shared {
    shop: Text,
    app: (Text, Text),
    deployment: Text,
    main: Text,
}

impl Shared {
    fn pod(&self, n: usize, owner: usize, node: &Text) -> Pod {
        let container = Container {
            name: self.main.clone(),
            role: Role::App,
            id: Some(format!("containerd://{n:064x}").into()),
            running: true,
        };
        Pod {
            uid: format!("00000000-0000-4000-8000-{n:012}").into(),
            namespace: self.shop.clone(),
            name: format!("web-{n}").into(),
            labels: Labels::new([self.app.clone()]),
            node: Some(node.clone()),
            phase: Phase::Running,
            ready: true,
            terminating: false,
            created: 0,
            host_network: false,
            addresses: vec![IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + u32::try_from(n).unwrap_or(0)))],
            runtime_class: None,
            owner: Some(OwnerRef {
                kind: self.deployment.clone(),
                name: format!("web-{owner}").into(),
                uid: format!("owner-{owner}").into(),
            }),
            containers: vec![container],
            probes: Vec::new(),
            readiness_probe: false,
            spread: false,
        }
    }
}

/// Puts a Service before some pods: 80 leads to 8080.
pub fn service(world: &World, name: &str, address: [u8; 4], pods: &[&str]) -> Service {
    let targets = vec![TargetPort { protocol: Protocol::Tcp, port: 80, target: 8080 }];
    let behind = world.pods.iter().flatten().filter(|p| pods.contains(&&*p.name));
    Service {
        namespace: "shop".into(),
        name: name.into(),
        cluster_ips: vec![address.into()],
        external_name: None,
        ports: vec![ServicePort { protocol: Protocol::Tcp, port: 80 }],
        backends: behind
            .map(|p| Backend { pod: Some(p.uid.clone()), addresses: p.addresses.clone(), targets: targets.clone() })
            .collect(),
    }
}

/// Runs a policy by hand in `shop`.
pub fn run(policy: Policy, seed: &str) -> RunInput {
    RunInput {
        policy,
        namespace: "shop".into(),
        name: "trial-1".into(),
        run_uid: "run-1".into(),
        seed: seed.into(),
        policy_uid: None,
    }
}
