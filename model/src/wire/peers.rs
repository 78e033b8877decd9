//! The other side of a network fault, as it is written.

use super::LabelSelector;
use serde::Deserialize;

/// Which way a packet travels, seen from the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Direction {
    Egress,
    Ingress,
    Both,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    Tcp,
    Udp,
    Icmp,
}

/// Who is on the other side; only `except` means everyone but those.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peers {
    pub addresses: Option<Vec<String>>,
    pub names: Option<Vec<String>>,
    pub pods: Option<Vec<PodPeers>>,
    pub services: Option<Vec<String>>,
    pub except: Option<Except>,
    pub follow: Option<bool>,
}

/// Who is left alone.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Except {
    pub addresses: Option<Vec<String>>,
    pub names: Option<Vec<String>>,
    pub pods: Option<Vec<PodPeers>>,
    pub services: Option<Vec<String>>,
}

/// Pods on the other side.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodPeers {
    pub selector: Option<LabelSelector>,
    pub namespaces: Option<Vec<String>>,
}
