//! The other side of a network fault, as it is written.

use super::LabelSelector;
use super::schema::list::{List, Set};
use super::schema::{rules, text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which way a packet travels, seen from the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Direction {
    Egress,
    Ingress,
    Both,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    Tcp,
    Udp,
    Icmp,
}

/// Who is on the other side; only `except` means everyone but those.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::any_of(&["addresses", "names", "pods", "services", "except"], "an empty peers names nobody: leave it out to mean everyone")]))]
pub struct Peers {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<text::Address, 1024>>")]
    pub addresses: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<text::Host, 64>>")]
    pub names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<PodPeers, 16>>")]
    pub pods: Option<Vec<PodPeers>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<text::MaybeIn, 64>>")]
    pub services: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub except: Option<Except>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<bool>,
}

/// Who is left alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [rules::any_of(&["addresses", "names", "pods", "services"], "an empty except leaves nobody alone: leave it out")]))]
pub struct Except {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<text::Address, 1024>>")]
    pub addresses: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<text::Host, 64>>")]
    pub names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<PodPeers, 16>>")]
    pub pods: Option<Vec<PodPeers>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<List<text::MaybeIn, 64>>")]
    pub services: Option<Vec<String>>,
}

/// Pods on the other side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodPeers {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LabelSelector")]
    pub selector: Option<LabelSelector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Set<text::Label, 16>>")]
    pub namespaces: Option<Vec<String>>,
}
