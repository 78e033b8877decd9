//! What the administrator fixed; flags and environment are read by the command line.

use super::core::Calendars;
use super::gates::Asker;
use rumpus_model::cluster::world::{Radius, Rules};
use rumpus_model::schedule::rate::Rates;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Namespaces that are protected whatever the list says.
const ALWAYS: [&str; 3] = ["kube-node-lease", "kube-public", "kube-system"];

/// Everything that `rumpus controller` is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Namespace that it runs in: Lease, canary; always protected.
    pub pod_namespace: String,
    pub pod_name: String,
    /// Holder of the Lease.
    pub pod_uid: String,
    /// L, 500 ms to 5 min.
    pub lease: Duration,
    pub protected_namespaces: BTreeSet<String>,
    /// Longest duration of a fault.
    pub max_duration: Duration,
    /// Where /healthz, /readyz and /metrics are served.
    pub http: SocketAddr,
    /// Runs at once, at least 1.
    pub max_active_runs: u32,
    /// Most of everything else at once.
    pub radius: Radius,
    /// Label (key, value) of namespaces that may be hit.
    pub opt_in: (String, String),
    pub pod_delete: bool,
    pub pod_evict: bool,
    /// Days off by the names of the calendars that are mounted.
    pub calendars: Calendars,
    /// How many runs of schedules may begin.
    pub rates: Rates,
    /// Whom gates may ask.
    pub asker: Asker,
    /// Instead of the pod's service account.
    pub kubeconfig: Option<PathBuf>,
}

impl Config {
    /// Returns what a plan has to keep to.
    pub fn rules(&self) -> Rules {
        let mut protected = self.protected_namespaces.clone();
        protected.extend(ALWAYS.map(str::to_owned));
        Rules {
            release_namespace: self.pod_namespace.clone(),
            protected_namespaces: protected,
            opt_in: Some(self.opt_in.clone()),
            max_active_runs: self.max_active_runs,
            radius: self.radius,
        }
    }
}
