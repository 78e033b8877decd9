//! Objects of Kubernetes, as little of them as a decision needs: the rest is never kept, and mostly never parsed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::Resource;
use serde::Deserialize;
use std::borrow::Cow;

macro_rules! kind {
    ($name:ident, $group:literal, $kind:literal, $plural:literal, $scope:ty) => {
        impl Resource for $name {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> {
                $kind.into()
            }

            fn group((): &()) -> Cow<'_, str> {
                $group.into()
            }

            fn version((): &()) -> Cow<'_, str> {
                "v1".into()
            }

            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

macro_rules! slim {
    ($name:ident, $group:literal, $kind:literal, $plural:literal, $scope:ty, $spec:ty, $status:ty) => {
        #[doc = concat!("A ", $kind, ".")]
        #[derive(Clone, Debug, Deserialize)]
        pub struct $name {
            pub metadata: ObjectMeta,
            #[serde(default)]
            pub spec: $spec,
            #[serde(default)]
            pub status: $status,
        }

        kind!($name, $group, $kind, $plural, $scope);
    };
}

/// Nothing is looked at.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Nothing {}

slim!(SlimPod, "", "Pod", "pods", NamespaceResourceScope, PodSpec, PodStatus);
slim!(SlimNode, "", "Node", "nodes", ClusterResourceScope, Nothing, Conditions);
slim!(SlimNamespace, "", "Namespace", "namespaces", ClusterResourceScope, Nothing, Nothing);
slim!(SlimService, "", "Service", "services", NamespaceResourceScope, ServiceSpec, Nothing);
slim!(
    SlimBudget,
    "policy",
    "PodDisruptionBudget",
    "poddisruptionbudgets",
    NamespaceResourceScope,
    BudgetSpec,
    BudgetStatus
);
slim!(SlimDeployment, "apps", "Deployment", "deployments", NamespaceResourceScope, Replicas, Scheduled);
slim!(SlimReplicaSet, "apps", "ReplicaSet", "replicasets", NamespaceResourceScope, Replicas, Scheduled);
slim!(SlimStatefulSet, "apps", "StatefulSet", "statefulsets", NamespaceResourceScope, Replicas, Scheduled);
slim!(SlimDaemonSet, "apps", "DaemonSet", "daemonsets", NamespaceResourceScope, Replicas, Scheduled);
slim!(SlimJob, "batch", "Job", "jobs", NamespaceResourceScope, Replicas, Scheduled);

/// An EndpointSlice: it has no spec.
#[derive(Clone, Debug, Deserialize)]
pub struct SlimSlice {
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub endpoints: Option<Vec<Endpoint>>,
    #[serde(default)]
    pub ports: Option<Vec<SlicePort>>,
}

kind!(SlimSlice, "discovery.k8s.io", "EndpointSlice", "endpointslices", NamespaceResourceScope);

/// One endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    #[serde(default)]
    pub addresses: Vec<String>,
    pub target_ref: Option<TargetRef>,
}

/// The pod behind an endpoint.
#[derive(Clone, Debug, Deserialize)]
pub struct TargetRef {
    pub kind: Option<String>,
    pub uid: Option<String>,
}

/// A port of every endpoint of a slice.
#[derive(Clone, Debug, Deserialize)]
pub struct SlicePort {
    pub name: Option<String>,
    pub port: Option<u16>,
    pub protocol: Option<String>,
}

/// How many there should be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Replicas {
    pub replicas: Option<u32>,
    /// A Job's.
    pub parallelism: Option<u32>,
    /// A StatefulSet's or a DaemonSet's.
    pub update_strategy: UpdateStrategy,
}

/// How pods are replaced.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct UpdateStrategy {
    #[serde(rename = "type")]
    pub type_: Option<String>,
    pub rolling_update: Option<RollingUpdate>,
}

/// Which pods of a StatefulSet are replaced.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RollingUpdate {
    pub partition: Option<u32>,
}

/// How many there are, and of which template.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Scheduled {
    pub observed_generation: Option<i64>,
    pub replicas: u32,
    pub updated_replicas: u32,
    pub available_replicas: u32,
    pub ready_replicas: u32,
    /// A Deployment's.
    pub conditions: Vec<Reasoned>,
    /// A StatefulSet's, and the next one.
    pub current_revision: Option<String>,
    pub update_revision: Option<String>,
    /// A DaemonSet's, and the next two.
    pub desired_number_scheduled: Option<u32>,
    pub updated_number_scheduled: u32,
    pub number_available: u32,
}

/// A condition with its reason.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Reasoned {
    #[serde(rename = "type")]
    pub type_: String,
    pub reason: String,
}

/// Conditions of an object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Conditions {
    pub conditions: Vec<Condition>,
}

impl Conditions {
    /// Returns whether the condition Ready is True.
    pub fn is_ready(&self) -> bool {
        self.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
    }
}

/// One condition.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Condition {
    #[serde(rename = "type")]
    pub type_: String,
    pub status: String,
}

/// What a pod was asked to be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    pub node_name: Option<String>,
    pub host_network: bool,
    pub runtime_class_name: Option<String>,
    pub containers: Vec<ContainerSpec>,
    pub init_containers: Vec<ContainerSpec>,
    pub affinity: Affinity,
    pub topology_spread_constraints: Vec<Nothing>,
}

/// Where a pod would rather be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Affinity {
    pub pod_anti_affinity: AntiAffinity,
}

/// From which pods it keeps away.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AntiAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    pub required: Vec<Nothing>,
    #[serde(rename = "preferredDuringSchedulingIgnoredDuringExecution")]
    pub preferred: Vec<Nothing>,
}

impl PodSpec {
    /// Returns whether it says anything that keeps pods of a workload apart.
    pub fn is_spread(&self) -> bool {
        let apart = &self.affinity.pod_anti_affinity;
        !(self.topology_spread_constraints.is_empty() && apart.required.is_empty() && apart.preferred.is_empty())
    }
}

/// One container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerSpec {
    pub name: String,
    pub restart_policy: Option<String>,
    pub ports: Vec<NamedPort>,
    pub liveness_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
    pub startup_probe: Option<Probe>,
}

/// A port that a container gives a name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NamedPort {
    pub name: Option<String>,
    pub container_port: u16,
}

/// What the kubelet asks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Probe {
    pub http_get: Option<ProbePort>,
    pub tcp_socket: Option<ProbePort>,
    pub grpc: Option<ProbePort>,
}

/// Where it asks.
#[derive(Clone, Debug, Deserialize)]
pub struct ProbePort {
    pub port: NumberOrName,
}

/// A port by number or by name.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum NumberOrName {
    Number(u16),
    Name(String),
}

/// What became of a pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodStatus {
    pub phase: String,
    pub conditions: Vec<Condition>,
    #[serde(rename = "podIPs")]
    pub pod_ips: Vec<PodIp>,
    pub container_statuses: Vec<ContainerStatus>,
    pub init_container_statuses: Vec<ContainerStatus>,
}

/// One address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodIp {
    pub ip: String,
}

/// What became of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerStatus {
    pub name: String,
    #[serde(rename = "containerID")]
    pub container_id: Option<String>,
    pub state: ContainerState,
}

/// Whether it runs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    pub running: Option<Nothing>,
}

/// What a Service listens on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceSpec {
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    pub external_name: Option<String>,
    #[serde(rename = "type")]
    pub type_: Option<String>,
    pub ports: Vec<ServicePort>,
}

/// One of its ports.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServicePort {
    pub name: Option<String>,
    pub port: u16,
    pub protocol: Option<String>,
}

/// What a budget is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct BudgetSpec {
    pub selector: Option<LabelSelector>,
}

/// What a budget allows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BudgetStatus {
    pub current_healthy: i32,
    pub desired_healthy: i32,
    pub disruptions_allowed: i32,
    pub observed_generation: Option<i64>,
}
