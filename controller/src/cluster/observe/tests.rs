//! Objects as an API server writes them, and the snapshot that comes of them.

use super::slim::{SlimNode, SlimPod, SlimService, SlimSlice};
use super::table::Told;
use super::{At, Change, News, Observed, WorkloadKind, look};
use rumpus_cluster::ChaosNode;
use rumpus_cluster::fake::{Answer, server};
use rumpus_model::cluster::World;
use rumpus_model::cluster::freeze::{Freeze, Until};
use rumpus_model::cluster::rollout::{Midst, Rollout};
use rumpus_model::cluster::says::Says;
use rumpus_model::cluster::world::Rules;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

fn now() -> At {
    At { boot: Duration::from_secs(1000), wall: jiff::Timestamp::from_second(1_700_000_000).unwrap() }
}

fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn pod(name: &str, owner: &Value) -> SlimPod {
    of(json!({
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "labels": {"app": "web"},
            "ownerReferences": [owner]},
        "spec": {"nodeName": "node-1", "containers": [{"name": "app", "image": "x",
            "ports": [{"name": "http", "containerPort": 8080}],
            "readinessProbe": {"httpGet": {"port": "http", "path": "/"}}, "livenessProbe": {"tcpSocket": {"port": 9000}}}]},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "app", "containerID": "containerd://abc", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]},
    }))
}

fn owner(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": format!("uid-{name}"), "controller": true})
}

fn whole<T>(observed: &mut Observed, change: impl Fn(Told<T>) -> Change, rows: Vec<(&str, T)>) {
    observed.take(change(Told::ListBegins), now());
    for (uid, row) in rows {
        observed.take(change(Told::Listed(uid.to_owned(), row)), now());
    }
    observed.take(change(Told::ListEnds), now());
}

fn snapshot(observed: &mut Observed) -> World {
    observed.world(&Rules::default(), Vec::new(), now())
}

#[test]
fn a_pod_belongs_to_its_deployment_whichever_list_comes_first() {
    let mut observed = Observed::new("rumpus");
    whole(&mut observed, Change::Pod, vec![("uid-web-0", pod("web-0", &owner("ReplicaSet", "web-5d")))]);
    assert!(snapshot(&mut observed).owners.is_err(), "not listed yet is not empty");
    let workload = |kind| move |told: Told<(kube::core::ObjectMeta, _, _)>| Change::Workload(kind, told);
    let set: kube::core::ObjectMeta =
        of(json!({"name": "web-5d", "namespace": "shop", "ownerReferences": [owner("Deployment", "web")]}));
    let deployment: kube::core::ObjectMeta =
        of(json!({"name": "web", "namespace": "shop", "labels": {"rumpus.dev/chaos": "enabled"},
            "annotations": {"rumpus.dev/chaos": "perhaps", "rumpus.dev/max-percent": "25%"}}));
    let replicas = |n| (of(json!({"replicas": n})), of(json!({})));
    let row = |meta, (r, s)| (meta, r, s);
    whole(&mut observed, workload(WorkloadKind::ReplicaSet), vec![("uid-web-5d", row(set, replicas(3)))]);
    whole(&mut observed, workload(WorkloadKind::Deployment), vec![("uid-web", row(deployment, replicas(3)))]);
    for kind in [WorkloadKind::StatefulSet, WorkloadKind::DaemonSet, WorkloadKind::Job] {
        whole(&mut observed, workload(kind), Vec::new());
    }
    let world = snapshot(&mut observed);
    let pods = world.pods.unwrap();
    let owner = pods[0].owner.as_ref().unwrap();
    assert_eq!((&*owner.kind, &*owner.name), ("Deployment", "web"));
    let owners = world.owners.unwrap();
    assert_eq!(owners.len(), 1, "{owners:?}");
    assert_eq!(owners["uid-web"].desired, Some(3));
    assert_eq!(owners["uid-web"].says, Some(Says::Unclear("perhaps".into())));
    assert_eq!(owners["uid-web"].max_percent, Some(Ok(25)));
}

#[test]
fn a_pod_is_pinned_with_what_the_kubelet_asks_of_it() {
    let mut observed = Observed::new("rumpus");
    whole(&mut observed, Change::Pod, vec![("uid-web-0", pod("web-0", &owner("StatefulSet", "web")))]);
    let pods = snapshot(&mut observed).pods.unwrap();
    assert_eq!(pods[0].containers[0].id.as_deref(), Some("abc"));
    assert_eq!(pods[0].probes.iter().map(|p| p.from).collect::<Vec<_>>(), [8080, 9000]);
    assert!(pods[0].ready && pods[0].containers[0].running);
    assert!(pods[0].readiness_probe && !pods[0].spread);
}

#[test]
fn a_nodes_agent_is_the_one_of_its_own_name() {
    let mut observed = Observed::new("rumpus");
    let node = |name: &str| of::<SlimNode>(json!({"metadata": {"name": name}}));
    let agent = |name: &str, engine: &str| {
        of::<ChaosNode>(json!({"apiVersion": "rumpus.dev/v1alpha1", "kind": "ChaosNode", "metadata": {"name": name},
            "spec": {}, "status": {"heartbeat": "2023-11-14T22:13:00Z", "engines": {"loss": engine}}}))
    };
    whole(&mut observed, Change::Node, vec![("a", node("node-1")), ("b", node("node-2")), ("c", node("node-3"))]);
    let agents = vec![
        ("1", agent("node-2", "nft")),
        ("2", agent("node-1", "netem")),
        ("3", agent("node-2", "signal")),
        ("4", agent("node-4", "nft")),
    ];
    whole(&mut observed, Change::ChaosNode, agents);
    whole(&mut observed, Change::Pod, Vec::new());
    let nodes = snapshot(&mut observed).nodes.unwrap();
    let engine = |name: &str| nodes[name].agent.as_ref().map(|a| a.engines["loss"].name());
    assert_eq!(nodes.len(), 3);
    assert_eq!((engine("node-1"), engine("node-2"), engine("node-3")), (Some("netem"), Some("nft"), None));
}

#[test]
fn a_node_has_an_agent_while_the_pod_before_it_is_still_listed() {
    let daemon_set = owner("DaemonSet", "rumpus-agent");
    let on = |deleted: Option<&str>, ready: &str| {
        let mut pod = pod("rumpus-agent-x", &daemon_set);
        pod.metadata.namespace = Some("rumpus".into());
        pod.metadata.deletion_timestamp = deleted.map(|at| of(json!(at)));
        pod.status = of(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}));
        pod
    };
    let going = || on(Some("2023-11-14T22:13:00Z"), "False");
    let present = |pods: Vec<(&str, SlimPod)>| {
        let mut observed = Observed::new("rumpus");
        let node: SlimNode = of(json!({"metadata": {"name": "node-1"}}));
        let agent: ChaosNode = of(json!({"apiVersion": "rumpus.dev/v1alpha1", "kind": "ChaosNode",
            "metadata": {"name": "node-1"}, "spec": {}, "status": {"heartbeat": "2023-11-14T22:13:00Z"}}));
        whole(&mut observed, Change::Node, vec![("a", node)]);
        whole(&mut observed, Change::ChaosNode, vec![("1", agent)]);
        whole(&mut observed, Change::Pod, pods);
        let nodes = snapshot(&mut observed).nodes.unwrap();
        nodes["node-1"].agent.as_ref().unwrap().present.clone()
    };
    assert_eq!(present(vec![("a", going()), ("b", on(None, "True"))]), Ok(()));
    assert_eq!(present(vec![("b", going()), ("a", on(None, "True"))]), Ok(()));
    let not_ready = Err("the agent's pod is not Ready".to_owned());
    assert_eq!(present(vec![("a", going()), ("b", on(None, "False"))]), not_ready);
    assert_eq!(present(vec![("a", going())]), not_ready);
    assert_eq!(present(vec![]), Err("there is no pod of the agent".to_owned()));
}

#[test]
fn a_pod_that_goes_is_news_and_one_that_only_changes_its_labels_is_none() {
    let mut observed = Observed::new("rumpus");
    let web = || pod("web-0", &owner("StatefulSet", "web"));
    whole(&mut observed, Change::Pod, vec![("uid-web-0", web())]);
    assert_eq!(observed.take(Change::Pod(Told::Changed("uid-web-0".into(), web())), now()), []);
    let gone = observed.take(Change::Pod(Told::Gone("uid-web-0".into())), now());
    assert_eq!(gone, [News::PodGone("uid-web-0".into()), News::Addresses]);
}

#[test]
fn a_service_leads_to_the_ports_behind_its_own() {
    let mut observed = Observed::new("rumpus");
    let service: SlimService =
        of(json!({"metadata": {"name": "db", "namespace": "shop"}, "spec": {"clusterIPs": ["10.96.0.7"],
        "ports": [{"name": "sql", "port": 5432, "targetPort": "pg", "protocol": "TCP"}]}}));
    let slice: SlimSlice = of(json!({"metadata": {"name": "db-1", "namespace": "shop",
            "labels": {"kubernetes.io/service-name": "db"}},
        "endpoints": [{"addresses": ["10.0.0.9"], "targetRef": {"kind": "Pod", "uid": "uid-db-0"}}],
        "ports": [{"name": "sql", "port": 15432, "protocol": "TCP"}]}));
    whole(&mut observed, Change::Service, vec![("s", service)]);
    assert!(snapshot(&mut observed).services.is_err(), "without its endpoints a Service is not known");
    whole(&mut observed, Change::Slice, vec![("e", slice)]);
    let services = snapshot(&mut observed).services.unwrap();
    let backend = &services[0].backends[0];
    assert_eq!(backend.pod.as_deref(), Some("uid-db-0"));
    assert_eq!((backend.targets[0].port, backend.targets[0].target), (5432, 15432));
    assert_eq!(services[0].cluster_ips.len(), 1);
}

#[tokio::test]
async fn what_may_not_be_read_is_unknown_and_writes_nothing() {
    let (cluster, calls) = server(Duration::from_secs(1), |asked| {
        if asked.path.ends_with("/pods") {
            Answer::Status(403, "Forbidden", "no".into())
        } else {
            Answer::Object(json!({"metadata": {}, "items": []}))
        }
    });
    let world = look::world(&cluster, &Rules::default(), Vec::new(), now()).await;
    assert!(world.pods.is_err());
    assert!(world.services.is_ok() && world.halts.is_ok() && world.owners.is_ok());
    assert!(calls.all().iter().all(|c| c.method.as_str() == "GET"));
}

#[tokio::test]
async fn what_a_namespace_allows_of_itself_is_read_whatever_else_is_noted_on_it() {
    let mut annotations: std::collections::BTreeMap<String, &str> =
        (0..20).map(|n| (format!("example.com/note-{n}"), "x")).collect();
    annotations.insert("rumpus.dev/max-pods".into(), "3");
    annotations.insert("rumpus.dev/freeze".into(), "sale");
    annotations.insert("rumpus.dev/freeze-until".into(), "2026-12-01T00:00:00Z");
    let shop = json!({"metadata": {"name": "shop", "uid": "u-shop", "annotations": annotations}});
    let data = json!({"metadata": {"name": "data", "uid": "u-data", "annotations": {"rumpus.dev/max-pods": "many"}}});
    let free = json!({"metadata": {"name": "free", "uid": "u-free", "annotations": {"rumpus.dev/chaos": "disabled"}}});
    let (cluster, _) = server(Duration::from_secs(1), move |asked| {
        let items = if asked.path.ends_with("/namespaces") { json!([shop, data, free]) } else { json!([]) };
        Answer::Object(json!({"metadata": {}, "items": items}))
    });
    let world = look::world(&cluster, &Rules::default(), Vec::new(), now()).await;
    let of = |name: &str| world.namespaces.as_ref().unwrap()[name].max_pods.clone();
    assert_eq!((of("shop"), of("data"), of("free")), (Some(Ok(3)), Some(Err("many".into())), None));
    let says = |name: &str| world.namespaces.as_ref().unwrap()[name].says.clone();
    assert_eq!((says("shop"), says("free")), (None, Some(Says::Disabled)));
    let freeze = |name: &str| world.namespaces.as_ref().unwrap()[name].freeze.clone();
    let until = Until::At(1_796_083_200, "2026-12-01T00:00:00Z".into());
    assert_eq!((freeze("shop"), freeze("free")), (Some(Freeze { reason: "sale".into(), until }), None));
}

#[test]
fn where_a_rollout_stands_is_read_of_each_kind_that_has_one() {
    let read = |kind, object: Value| {
        let mut observed = Observed::new("rumpus");
        let part = |name: &str| object.get(name).cloned().unwrap_or_else(|| json!({}));
        let mut meta = part("metadata");
        meta["name"] = json!("web");
        let row = (of(meta), of(part("spec")), of(part("status")));
        for other in [
            WorkloadKind::DaemonSet,
            WorkloadKind::Deployment,
            WorkloadKind::Job,
            WorkloadKind::ReplicaSet,
            WorkloadKind::StatefulSet,
        ] {
            let rows = if other == kind { vec![("uid-web", row.clone())] } else { Vec::new() };
            whole(&mut observed, |told| Change::Workload(other, told), rows);
        }
        snapshot(&mut observed).owners.unwrap()["uid-web"].rollout
    };
    let updating = |updated, wanted| Rollout::Underway(Midst::Updating { updated, wanted });
    let deployment = |updated: u32, observed: u32, reason: &str| {
        json!({"metadata": {"generation": 4}, "spec": {"replicas": 3, "strategy": {"type": "RollingUpdate"}},
            "status": {"observedGeneration": observed, "replicas": 3, "updatedReplicas": updated, "readyReplicas": 2,
                "availableReplicas": 2, "conditions": [{"type": "Available", "status": "True", "reason": "x"},
                    {"type": "Progressing", "status": "True", "reason": reason}]}})
    };
    let kind = WorkloadKind::Deployment;
    assert_eq!(read(kind, deployment(3, 4, "NewReplicaSetAvailable")), Rollout::Done);
    let down = Rollout::Underway(Midst::Unavailable { available: 2, wanted: 3 });
    assert_eq!(read(kind, deployment(3, 4, "ReplicaSetUpdated")), down);
    assert_eq!(read(kind, deployment(1, 4, "ReplicaSetUpdated")), updating(1, 3));
    let behind = Rollout::Underway(Midst::NotObserved);
    assert_eq!(read(kind, deployment(3, 3, "NewReplicaSetAvailable")), behind);
    assert_eq!(read(kind, json!({"metadata": {"generation": 1}, "spec": {"replicas": 3}})), behind, "just made");
    let set = |current: &str, strategy: Value| {
        json!({"metadata": {"generation": 2}, "spec": {"replicas": 3, "updateStrategy": strategy},
            "status": {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "readyReplicas": 3,
                "currentRevision": current, "updateRevision": "web-2"}})
    };
    let rolling = |partition: u32| json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}});
    let kind = WorkloadKind::StatefulSet;
    assert_eq!(read(kind, set("web-1", rolling(0))), updating(1, 3));
    assert_eq!(read(kind, set("web-2", rolling(0))), Rollout::Done);
    assert_eq!(read(kind, set("web-1", rolling(2))), Rollout::Done);
    assert_eq!(read(kind, set("web-1", json!({"type": "OnDelete"}))), Rollout::Done);
    let daemons = |updated: u32, available: u32| {
        json!({"metadata": {"generation": 2},
            "spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "10%"}}},
            "status": {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": updated,
                "numberAvailable": available}})
    };
    let kind = WorkloadKind::DaemonSet;
    assert_eq!(read(kind, daemons(3, 3)), Rollout::Done);
    assert_eq!(read(kind, daemons(2, 3)), updating(2, 3));
    assert_eq!(read(kind, daemons(3, 2)), down);
    let lone = json!({"metadata": {"generation": 2}, "spec": {"replicas": 3}});
    assert_eq!(
        (read(WorkloadKind::ReplicaSet, lone.clone()), read(WorkloadKind::Job, lone)),
        (Rollout::None, Rollout::None)
    );
}

#[test]
fn whether_pods_keep_apart_and_tell_when_they_are_ready_is_read() {
    let read = |spec: Value| {
        let mut pod = pod("web-0", &owner("StatefulSet", "web"));
        pod.spec = of(spec);
        let mut observed = Observed::new("rumpus");
        whole(&mut observed, Change::Pod, vec![("uid-web-0", pod)]);
        let pod = snapshot(&mut observed).pods.unwrap().remove(0);
        (pod.readiness_probe, pod.spread)
    };
    let probe = json!({"exec": {"command": ["true"]}});
    let term = json!({"topologyKey": "kubernetes.io/hostname"});
    let apart = |how: &str| json!({"podAntiAffinity": {how: [term]}});
    let to = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}});
    for (spec, expected) in [
        (json!({"containers": [{"name": "a"}]}), (false, false)),
        (json!({"containers": [{"name": "a"}, {"name": "b", "readinessProbe": probe}]}), (true, false)),
        (json!({"containers": [{"name": "a", "livenessProbe": probe}]}), (false, false)),
        (json!({"initContainers": [{"name": "a", "restartPolicy": "Always", "readinessProbe": probe}]}), (true, false)),
        (json!({"initContainers": [{"name": "a", "readinessProbe": probe}]}), (false, false)),
        (json!({"topologySpreadConstraints": [{"maxSkew": 1}]}), (false, true)),
        (json!({"affinity": apart("requiredDuringSchedulingIgnoredDuringExecution")}), (false, true)),
        (json!({"affinity": apart("preferredDuringSchedulingIgnoredDuringExecution")}), (false, true)),
        (json!({"affinity": to}), (false, false)),
    ] {
        assert_eq!(read(spec.clone()), expected, "{spec}");
    }
}
