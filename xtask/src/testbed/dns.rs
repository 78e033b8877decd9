//! Runs the cluster's name server as a Deployment, with the Service that every pod asks.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::folder::Folder;
use super::programs::Programs;
use super::wait;
use crate::command::{capture, command};

/// How long the name server may take on a machine that is busy with other things.
const START: Duration = Duration::from_secs(240);

/// Applies the manifests and waits until the name server is available.
pub(crate) fn start(folder: &Folder, programs: &Programs, admin: &Path) -> Result<()> {
    let manifests = folder.write("coredns.yaml", include_str!("coredns.yaml"))?;
    let mut apply = command(programs.of_kubernetes("kubectl"), ["apply", "--server-side", "--filename"]);
    capture(apply.arg(manifests).env("KUBECONFIG", admin))?;
    wait::until(START, "names are resolved", || is_available(programs, admin))
}

/// Whether the name server is available.
pub(crate) fn is_available(programs: &Programs, admin: &Path) -> Result<()> {
    let args = ["--request-timeout=10s", "--namespace=kube-system", "get", "deployment", "coredns"];
    let mut get = command(programs.of_kubernetes("kubectl"), args);
    let replicas = capture(get.arg("--output=jsonpath={.status.availableReplicas}").env("KUBECONFIG", admin))?;
    ensure!(replicas == "1", "coredns is not available");
    Ok(())
}
