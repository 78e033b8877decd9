//! From Pod objects to the slim pods of a snapshot.

use super::slim::{ContainerSpec, ContainerStatus, NumberOrName, Probe, SlimPod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rumpus_model::cluster::labels::Labels;
use rumpus_model::cluster::pod::{Container, OwnerRef, Phase, Pod, Role};
use rumpus_model::cluster::world::Text;
use rumpus_model::scope::{Port, Protocol};
use std::collections::BTreeSet;

/// Text that is the same in many objects, kept once.
#[derive(Debug, Default)]
pub(crate) struct Shared(BTreeSet<Text>);

impl Shared {
    pub(crate) fn text(&mut self, text: &str) -> Text {
        if let Some(found) = self.0.get(text) {
            return Text::clone(found);
        }
        let new: Text = text.into();
        self.0.insert(Text::clone(&new));
        new
    }

    pub(crate) fn labels(&mut self, meta: &ObjectMeta) -> Labels {
        let labels = meta.labels.iter().flatten();
        Labels::new(labels.map(|(k, v)| (self.text(k), self.text(v))).collect::<Vec<_>>())
    }

    pub(crate) fn owner(&mut self, meta: &ObjectMeta) -> Option<OwnerRef> {
        let owner = meta.owner_references.iter().flatten().find(|o| o.controller == Some(true))?;
        Some(OwnerRef { kind: self.text(&owner.kind), name: self.text(&owner.name), uid: self.text(&owner.uid) })
    }
}

pub(crate) fn pod(shared: &mut Shared, seen: &SlimPod) -> Pod {
    let meta = &seen.metadata;
    let text = |t: &Option<String>| -> Text { t.as_deref().unwrap_or_default().into() };
    let all = seen.spec.containers.iter().chain(&seen.spec.init_containers);
    let mut probes: Vec<Port> = all.clone().flat_map(probed).collect();
    probes.sort();
    probes.dedup();
    let statuses = || seen.status.container_statuses.iter().chain(&seen.status.init_container_statuses);
    let app = seen.spec.containers.iter().map(|c| (c, Role::App));
    let sidecar = |c: &&ContainerSpec| c.restart_policy.as_deref() == Some("Always");
    let serving = seen.spec.containers.iter().chain(seen.spec.init_containers.iter().filter(sidecar));
    let init = seen
        .spec
        .init_containers
        .iter()
        .map(|c| (c, if c.restart_policy.as_deref() == Some("Always") { Role::Sidecar } else { Role::Init }));
    Pod {
        uid: text(&meta.uid),
        namespace: shared.text(meta.namespace.as_deref().unwrap_or_default()),
        name: text(&meta.name),
        labels: shared.labels(meta),
        node: seen.spec.node_name.as_deref().map(|n| shared.text(n)),
        phase: match seen.status.phase.as_str() {
            "Failed" => Phase::Failed,
            "Pending" => Phase::Pending,
            "Running" => Phase::Running,
            "Succeeded" => Phase::Succeeded,
            _ => Phase::Unknown,
        },
        ready: seen.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True"),
        terminating: meta.deletion_timestamp.is_some(),
        created: meta.creation_timestamp.as_ref().map_or(0, |t| t.0.as_second()),
        host_network: seen.spec.host_network,
        addresses: seen.status.pod_ips.iter().filter_map(|a| a.ip.parse().ok()).collect(),
        runtime_class: seen.spec.runtime_class_name.as_deref().map(|c| shared.text(c)),
        owner: shared.owner(meta),
        containers: app
            .chain(init)
            .map(|(c, role)| container(shared, c, role, statuses().find(|s| s.name == c.name)))
            .collect(),
        probes,
        readiness_probe: serving.clone().any(|c| c.readiness_probe.is_some()),
        spread: seen.spec.is_spread(),
    }
}

fn container(shared: &mut Shared, spec: &ContainerSpec, role: Role, status: Option<&ContainerStatus>) -> Container {
    let id = status.and_then(|s| s.container_id.as_deref()).filter(|id| !id.is_empty());
    Container {
        name: shared.text(&spec.name),
        role,
        // The scheme names the runtime: `containerd://…`.
        id: id.map(|id| id.split_once("://").map_or(id, |(_, id)| id).into()),
        running: status.is_some_and(|s| s.state.running.is_some()),
    }
}

/// Returns the ports that the kubelet asks, all of them by TCP.
fn probed(container: &ContainerSpec) -> Vec<Port> {
    let probes = [&container.liveness_probe, &container.readiness_probe, &container.startup_probe];
    let ports = probes.into_iter().flatten().filter_map(|p: &Probe| {
        let asked = p.http_get.as_ref().or(p.tcp_socket.as_ref()).or(p.grpc.as_ref())?;
        match &asked.port {
            NumberOrName::Number(number) => Some(*number),
            NumberOrName::Name(name) => {
                container.ports.iter().find(|p| p.name.as_ref() == Some(name)).map(|p| p.container_port)
            }
        }
    });
    ports.map(|port| Port { protocol: Protocol::Tcp, from: port, to: port }).collect()
}
