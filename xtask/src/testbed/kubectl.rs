//! Runs kubectl as the cluster's owner.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::folder::Folder;
use super::kubeconfig;
use crate::command::{capture, command};

/// A kubectl command of the cluster's owner; what it remembers of the cluster goes with the run folder.
pub(crate) fn owner<S: AsRef<OsStr>>(
    folder: &Folder,
    kubernetes: &Path,
    args: impl IntoIterator<Item = S>,
) -> Result<Command> {
    let mut kubectl = command(kubernetes.join("kubectl"), args);
    kubectl.env("KUBECONFIG", kubeconfig::admin(folder)?).env("KUBECACHEDIR", folder.file("kubectl"));
    Ok(kubectl)
}

/// Asks the API server, with a bound on its answer.
pub(crate) fn ask(folder: &Folder, kubernetes: &Path, args: &[&str]) -> Result<String> {
    let bounded = ["--request-timeout=10s"];
    capture(&mut owner(folder, kubernetes, bounded.iter().chain(args))?)
}
