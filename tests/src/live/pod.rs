//! A pod as the kernel has it: its network and its processes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::process::{self, Process};
use crate::kernel::lab::{Namespace, Snapshot};

/// How long one answer of a pod may take before it counts as lost.
const PATIENCE: Duration = Duration::from_millis(800);

/// A running pod with a network of its own.
#[derive(Debug)]
pub struct Pod {
    /// The Kubernetes namespace.
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub node: String,
    pub address: IpAddr,
    /// Its network namespace.
    pub net: Namespace,
}

impl Pod {
    /// Finds the processes of a pod that the API server shows as running, and opens its network.
    ///
    /// # Errors
    /// If it has no address yet, or no process of it is found.
    pub fn find(object: &Value) -> Result<Self> {
        let text = |value: &Value, what: &str| {
            value.as_str().map(str::to_owned).with_context(|| format!("the pod has no {what}"))
        };
        let uid = text(&object["metadata"]["uid"], "UID")?;
        let name = text(&object["metadata"]["name"], "name")?;
        let first = process::of_pod(&uid)?.into_iter().find(|process| process.first);
        let first = first.with_context(|| format!("no process of pod {name} ({uid}) is found"))?;
        Ok(Self {
            namespace: text(&object["metadata"]["namespace"], "namespace")?,
            node: text(&object["spec"]["nodeName"], "node")?,
            address: text(&object["status"]["podIP"], "address")?.parse().context("read a pod's address")?,
            net: Namespace::of_process(&name, first.pid)?,
            name,
            uid,
        })
    }

    /// Returns the first process of the pod's container of this id.
    ///
    /// # Errors
    /// If there is none.
    pub fn first_process(&self, container: &str) -> Result<Process> {
        let mut all = process::of_pod(&self.uid)?.into_iter();
        let found = all.find(|process| process.first && process.container == container);
        found.with_context(|| format!("container {container} of pod {} has no process", self.name))
    }

    /// Returns the round trips of `count` datagrams to an echo; `None` for each that is not answered.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub fn round_trips(&self, to: SocketAddr, count: u32) -> Result<Vec<Option<Duration>>> {
        self.net.round_trips(to, count, PATIENCE)
    }

    /// Returns the median round trip of five datagrams to an echo; `None` if any was lost.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub fn round_trip(&self, to: SocketAddr) -> Result<Option<Duration>> {
        let mut trips = self.round_trips(to, 5)?;
        trips.sort();
        Ok(if trips.contains(&None) { None } else { trips.get(trips.len() / 2).copied().flatten() })
    }

    /// Returns what the tools say about the pod's network, less what moves by itself.
    ///
    /// # Errors
    /// If a tool fails.
    pub fn dump(&self) -> Result<Snapshot> {
        Snapshot::take(&[&self.net])
    }

    /// Fails with the difference if the pod's network is not as it was.
    ///
    /// # Errors
    /// If something differs, or a tool fails.
    pub fn expect_unchanged(&self, before: &Snapshot) -> Result<()> {
        let difference = before.difference(&self.dump()?);
        ensure!(difference.is_empty(), "pod {} differs from what it was:\n{difference}", self.name);
        Ok(())
    }
}
