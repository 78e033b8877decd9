//! The kinds as objects of the API server: `model`'s specs and statuses, wrapped in the metadata that Kubernetes keeps.
//!
//! `model` stays free of Kubernetes' own types; nothing here checks what a spec means.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::Resource;
use rumpus_model::wire::kinds::{self, GROUP, Kind, VERSION};
use rumpus_model::wire::{
    API_VERSION, HaltSpec, InjectionSpec, InjectionStatus, LedgerSpec, NodeSpec, NodeStatus, PolicySpec, PolicyStatus,
    RunSpec, RunStatus,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::Debug;

/// What runs by itself.
pub type ChaosPolicy = Object<PolicySpec>;
/// One experiment carried out.
pub type ChaosRun = Object<RunSpec>;
/// One run's share on one node.
pub type ChaosInjection = Object<InjectionSpec>;
/// The lever.
pub type ChaosHalt = Object<HaltSpec>;
/// What one agent can do and does.
pub type ChaosNode = Object<NodeSpec>;
/// Who holds how much of which budget.
pub type ChaosLedger = Object<LedgerSpec>;

/// A spec of ours: it names its kind.
pub trait Spec: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What is attested; `()` where nothing is.
    type Status: Clone + Debug + Default + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// In a namespace or not.
    type Scope;
    const KIND: Kind;
}

impl Spec for PolicySpec {
    type Status = PolicyStatus;
    type Scope = NamespaceResourceScope;
    const KIND: Kind = kinds::POLICY;
}

impl Spec for RunSpec {
    type Status = RunStatus;
    type Scope = NamespaceResourceScope;
    const KIND: Kind = kinds::RUN;
}

impl Spec for InjectionSpec {
    type Status = InjectionStatus;
    type Scope = NamespaceResourceScope;
    const KIND: Kind = kinds::INJECTION;
}

impl Spec for HaltSpec {
    type Status = NoStatus;
    type Scope = ClusterResourceScope;
    const KIND: Kind = kinds::HALT;
}

impl Spec for NodeSpec {
    type Status = NodeStatus;
    type Scope = ClusterResourceScope;
    const KIND: Kind = kinds::NODE;
}

impl Spec for LedgerSpec {
    type Status = NoStatus;
    type Scope = ClusterResourceScope;
    const KIND: Kind = kinds::LEDGER;
}

/// The status of a kind that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoStatus {}

/// An object of the API server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound = "S: Spec")]
pub struct Object<S: Spec> {
    /// Absent in the items of a list.
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    pub metadata: ObjectMeta,
    pub spec: S,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<S::Status>,
}

impl<S: Spec> Object<S> {
    /// Wraps a spec for `create`.
    pub fn new(metadata: ObjectMeta, spec: S) -> Self {
        Self {
            api_version: Some(API_VERSION.to_owned()),
            kind: Some(S::KIND.name.to_owned()),
            metadata,
            spec,
            status: None,
        }
    }

    /// Returns the object's name; every stored object has one.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Returns the object's namespace; empty for kinds that live in none.
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// Returns the object's UID; every stored object has one.
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Returns whether the object is being deleted.
    pub fn is_ending(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }
}

impl<S: Spec> Resource for Object<S> {
    type DynamicType = ();
    type Scope = S::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        S::KIND.name.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        S::KIND.plural.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
