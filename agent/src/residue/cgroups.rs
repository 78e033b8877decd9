//! Control groups of ours, and groups that somebody froze.
//!
//! Only reads.

use super::{Owner, Residue};
use crate::kernel::cgroup::{Hierarchies, Hierarchy};
use crate::resolve::chain;
use std::fs;
use std::io;
use std::path::Path;

/// Deepest nesting that is followed.
const DEPTH_CAP: usize = 32;
/// Files that say whether a group is frozen: v2, and the freezer of v1.
const FROZEN: [(&str, &str); 2] = [("cgroup.freeze", "1"), ("freezer.state", "FROZEN")];

pub(super) fn look(own: Option<u32>, found: &mut Vec<Residue>, problems: &mut Vec<String>) {
    let hierarchies = match Hierarchies::detect() {
        Ok(hierarchies) => hierarchies,
        Err(error) => return problems.push(chain(&error)),
    };
    let v1 = ["freezer", "memory", "pids", "cpu", "blkio"].map(|name| Hierarchy::V1(name.into()));
    for hierarchy in [Hierarchy::Unified].iter().chain(&v1) {
        if let Some(mount) = hierarchies.mount(hierarchy) {
            below(&mount.point, own, 0, found, problems);
        }
    }
}

fn below(dir: &Path, own: Option<u32>, depth: usize, found: &mut Vec<Residue>, problems: &mut Vec<String>) {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        // Removed meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return problems.push(format!("read {}: {error}", dir.display())),
    };
    if depth == DEPTH_CAP {
        return problems.push(format!("{} is nested too deeply to be looked at", dir.display()));
    }
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let place = dir.display().to_string();
        if let Some(instance) = instance(&name) {
            let live = fs::read_to_string(path.join("cgroup.procs")).is_ok_and(|text| !text.is_empty());
            let owner = Owner::rumpus(instance, own);
            found.push(Residue { owner, kind: "cgroup", place: place.clone(), what: name.clone(), live });
        }
        if frozen(&path) {
            let owner = Owner::Foreign("unknown (frozen)".into());
            found.push(Residue { owner, kind: "cgroup", place, what: format!("{name} is frozen"), live: true });
        }
        below(&path, own, depth + 1, found, problems);
    }
}

fn frozen(dir: &Path) -> bool {
    FROZEN.iter().any(|(file, yes)| fs::read_to_string(dir.join(file)).is_ok_and(|text| text.trim() == *yes))
}

/// `rumpus-<instance>-<id>`, both 8 hexadecimal digits.
fn instance(name: &str) -> Option<u32> {
    let (instance, _) = name.strip_prefix("rumpus-")?.split_once('-')?;
    (instance.len() == 8).then(|| u32::from_str_radix(instance, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_ours_and_frozen_ones_are_found() {
        let root = tempfile::tempdir().unwrap();
        let ours = root.path().join("a/rumpus-0000002a-00000001");
        fs::create_dir_all(&ours).unwrap();
        fs::write(ours.join("cgroup.procs"), "5\n").unwrap();
        fs::create_dir(root.path().join("b")).unwrap();
        fs::write(root.path().join("b/cgroup.freeze"), "1\n").unwrap();
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        below(root.path(), Some(0x2a), 0, &mut found, &mut problems);
        found.sort();
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((&found[0].owner, found[0].live), (&Owner::Ours(0x2a), true));
        assert_eq!(found[1].what, "b is frozen");
        assert_eq!(instance("rumpus-test-1"), None);
    }
}
