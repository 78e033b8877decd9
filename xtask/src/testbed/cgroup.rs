//! The control groups of the nodes: one below `/testbed` per node in every hierarchy.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::network::Node;

/// The group above those of all nodes.
const TOP: &str = "testbed";

/// A group of a process that just died is busy for a moment.
const TRIES: u32 = 50;

/// Returns the node's group, from the root of each hierarchy.
pub(crate) fn of(node: Node) -> String {
    format!("/{TOP}/{}", node.name())
}

/// Makes the node's group in every hierarchy.
pub(crate) fn make(node: Node) -> Result<()> {
    let hierarchies = hierarchies()?;
    ensure!(!hierarchies.is_empty(), "no cgroup hierarchy is mounted");
    for hierarchy in hierarchies {
        let mut group = hierarchy.clone();
        for part in [TOP.to_owned(), node.name()] {
            let parent = group.clone();
            group.push(part);
            fs::create_dir_all(&group).with_context(|| format!("make {}", group.display()))?;
            inherit(&parent, &group)?;
        }
    }
    Ok(())
}

/// A new cpuset of the first version has neither processors nor memory: no process could enter it.
fn inherit(parent: &Path, group: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let Ok(value) = fs::read_to_string(parent.join(file)) else { continue };
        let target = group.join(file);
        fs::write(&target, value.trim()).with_context(|| format!("write {}", target.display()))?;
    }
    Ok(())
}

/// Removes the groups of all nodes; every process in them has ended.
pub(crate) fn remove() -> Result<()> {
    for hierarchy in hierarchies()? {
        remove_tree(&hierarchy.join(TOP))?;
    }
    Ok(())
}

fn remove_tree(group: &Path) -> Result<()> {
    let entries = match fs::read_dir(group) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("list {}", group.display())),
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("list {}", group.display()))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    for _try in 1..TRIES {
        match fs::remove_dir(group) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ResourceBusy => sleep(Duration::from_millis(100)),
            Err(error) => return Err(error).with_context(|| format!("remove {}", group.display())),
        }
    }
    fs::remove_dir(group).with_context(|| format!("remove {}", group.display()))
}

/// Returns where each hierarchy is mounted; one that is mounted twice is listed twice, which is harmless.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("list the mounts")?;
    let groups = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        matches!(kind, "cgroup" | "cgroup2").then(|| PathBuf::from(point))
    });
    Ok(groups.collect())
}
