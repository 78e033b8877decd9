//! Writes kubeconfig files: the way of the testbed's parts, and of a test's users, to the API server.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::certificate::{self, Subject};
use super::folder::Folder;
use super::network;

/// The group that may do everything.
pub(crate) const MASTERS: &str = "system:masters";

/// Returns the kubeconfig of the testbed's owner, who may do everything.
pub(crate) fn admin(folder: &Folder) -> Result<PathBuf> {
    user(folder, "admin", "testbed-admin", &[MASTERS])
}

/// Returns a kubeconfig for a person of a test. The certificate is named for the user and the groups
/// together, so that no one meets another's.
pub(crate) fn person(folder: &Folder, name: &str, groups: &[&str]) -> Result<PathBuf> {
    let file: String = std::iter::once(name).chain(groups.iter().copied()).collect::<Vec<_>>().join("+");
    let file: String =
        file.chars().map(|letter| if letter.is_alphanumeric() || letter == '+' { letter } else { '-' }).collect();
    user(folder, &format!("person-{file}"), name, groups)
}

/// Returns a kubeconfig for any user: mints a client certificate for `name` and `groups` on first
/// use. `file` names the certificate and the kubeconfig `kubeconfig-FILE` in the run folder.
pub(crate) fn user(folder: &Folder, file: &str, name: &str, groups: &[&str]) -> Result<PathBuf> {
    let authority = certificate::authority(folder)?;
    let pair = certificate::mint(folder, file, &Subject { name, groups, servers: &[] })?;
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": {
            "server": network::api_server(), "certificate-authority": authority.certificate,
        }}],
        "users": [{"name": name, "user": {"client-certificate": pair.certificate, "client-key": pair.key}}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": name}}],
        "current-context": "testbed",
    });
    folder.write(&format!("kubeconfig-{file}"), format!("{config:#}\n"))
}
