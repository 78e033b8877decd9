//! Finds the container that a process belongs to, from its control group paths.
//!
//! It looks at whole path components, never at prefixes: a cgroup root may stand
//! before `kubepods`, and a node may itself be a container. It must never take a
//! group that was removed, or a path that is relative to a cgroup namespace.

use thiserror::Error;

use super::paths::{CgroupPaths, Hierarchy};

/// What a runtime puts before the id in the name of a container's group.
const RUNTIMES: [&str; 6] = ["cri-containerd", "docker", "crio", "libpod", "nerdctl", "containerd"];

/// The end of a path whose group was removed while the process lives on.
const DELETED: &str = " (deleted)";

/// A container, as its control group path tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRef {
    /// Container id: 64 lower-case hex digits.
    pub id: String,
    /// UID of the pod, with dashes where it is a UUID; none for a plain container.
    pub pod_uid: Option<String>,
    /// The hierarchy that showed it.
    pub hierarchy: Hierarchy,
    /// Path of the container's own group in that hierarchy; the process may be deeper.
    pub path: String,
    /// Whether a component below it is one of ours (`rumpus-…`): our own worker.
    pub ours: bool,
}

/// A path that cannot be trusted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CgroupPathError {
    /// The reader is in a cgroup namespace that does not contain the process.
    #[error("control group path {path} is relative to a cgroup namespace")]
    Relative {
        /// The path as it was read.
        path: String,
    },
}

/// Returns the container of a process, or none when it is in none.
///
/// # Errors
/// Refuses a file with a path that climbs (`/..`): nothing in it can be believed.
pub fn container_of(paths: &CgroupPaths) -> Result<Option<ContainerRef>, CgroupPathError> {
    let climbs = |path: &str| path.split('/').any(|component| component == "..");
    if let Some(line) = paths.lines().iter().find(|line| climbs(&line.path)) {
        return Err(CgroupPathError::Relative { path: line.path.clone() });
    }
    let asked = paths.asked();
    if asked.iter().any(|(_, path)| path.ends_with(DELETED)) {
        return Ok(None);
    }
    if asked.iter().any(|(_, path)| path.split('/').any(|part| pod_uid(part).is_some())) {
        return Ok(asked.into_iter().find_map(|(hierarchy, path)| in_pod(hierarchy, path)));
    }
    Ok(asked.into_iter().find_map(|(hierarchy, path)| plain(hierarchy, path)))
}

/// The container right below the *last* pod: kind nests a whole kubepods tree in one.
fn in_pod(hierarchy: Hierarchy, path: &str) -> Option<ContainerRef> {
    let components: Vec<&str> = path.split('/').collect();
    let pod = components.iter().rposition(|part| pod_uid(part).is_some())?;
    let component = components.get(pod)?;
    // containerd with a cgroupfs-style path under systemd: `<slice>:cri-containerd:<id>`.
    let (id, at) = match component.rsplit_once(':') {
        Some((_, id)) => (is_id(id).then_some(id)?, pod),
        None => (container_id(components.get(pod + 1)?)?, pod + 1),
    };
    Some(container(hierarchy, &components, at, id, pod_uid(component)))
}

/// The last container: an inner one where containers are nested.
fn plain(hierarchy: Hierarchy, path: &str) -> Option<ContainerRef> {
    let components: Vec<&str> = path.split('/').collect();
    let at = components.iter().rposition(|part| container_id(part).is_some())?;
    let id = container_id(components.get(at)?)?;
    Some(container(hierarchy, &components, at, id, None))
}

fn container(hierarchy: Hierarchy, components: &[&str], at: usize, id: &str, pod_uid: Option<String>) -> ContainerRef {
    let own: Vec<&str> = components.iter().take(at + 1).copied().collect();
    let mut below = components.iter().skip(at + 1);
    ContainerRef {
        id: id.to_owned(),
        pod_uid,
        hierarchy,
        path: own.join("/"),
        ours: below.any(|part| part.starts_with("rumpus-")),
    }
}

/// `<id>`, `<runtime>-<id>` or `<runtime>-<id>.scope`; conmon is the runtime's own process.
fn container_id(component: &str) -> Option<&str> {
    let name = component.strip_suffix(".scope").unwrap_or(component);
    let (runtime, id) = match name.rsplit_once('-') {
        Some((runtime, id)) => (Some(runtime), id),
        None => (None, name),
    };
    let known = runtime.is_none_or(|runtime| RUNTIMES.contains(&runtime));
    (known && is_id(id)).then_some(id)
}

/// Whether a path component is the group of the container with this id.
#[must_use]
pub fn names_container(component: &str, id: &str) -> bool {
    let last = component.rsplit(':').next();
    container_id(component) == Some(id) || (last != Some(component) && last == Some(id))
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `pod<uid>` of the cgroupfs driver, `[root-]kubepods[-class]-pod<uid>.slice` of systemd's.
fn pod_uid(component: &str) -> Option<String> {
    let component = component.split(':').next()?;
    let name = match component.strip_suffix(".slice") {
        None => component.strip_prefix("pod")?,
        Some(slice) => {
            let (class, uid) = slice.rsplit_once("-pod")?;
            let class = class.strip_suffix("-burstable").or(class.strip_suffix("-besteffort")).unwrap_or(class);
            (class == "kubepods" || class.ends_with("-kubepods")).then_some(uid)?
        }
    };
    let uid = name.replace('_', "-");
    let groups: Vec<usize> = uid.split('-').map(str::len).collect();
    // A static pod's UID is a hash: 32 digits without dashes.
    let shaped = groups == [8, 4, 4, 4, 12] || groups == [32];
    (shaped && uid.split('-').all(is_hex)).then_some(uid)
}

#[cfg(test)]
#[path = "container_tests.rs"]
mod tests;
