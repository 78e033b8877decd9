//! Runs the cluster's name server as a Deployment, with the Service that every pod asks.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::folder::Folder;
use super::kubectl;
use super::programs::Programs;
use super::wait;

/// How long the name server may take on a machine that is busy with other things.
const START: Duration = Duration::from_secs(240);

/// Applies the manifests and waits until the name server is available.
pub(crate) fn start(folder: &Folder, programs: &Programs) -> Result<()> {
    let manifests = folder.write("coredns.yaml", include_str!("coredns.yaml"))?.display().to_string();
    kubectl::ask(folder, &programs.kubernetes, &["apply", "--server-side", "--filename", &manifests])?;
    wait::until(START, "names are resolved", || Ok(()), || is_available(folder, programs))
}

/// Whether the name server is available.
pub(crate) fn is_available(folder: &Folder, programs: &Programs) -> Result<()> {
    let replicas = "--output=jsonpath={.status.availableReplicas}";
    let args = ["--namespace=kube-system", "get", "deployment", "coredns", replicas];
    let replicas = kubectl::ask(folder, &programs.kubernetes, &args)?;
    ensure!(replicas == "1", "coredns is not available");
    Ok(())
}
