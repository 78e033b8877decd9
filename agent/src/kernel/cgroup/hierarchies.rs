//! Which cgroup hierarchies this node has, and where they are mounted.
//!
//! It must never mount one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, statfs};
use rustix::io::Errno;
use thiserror::Error;

use super::super::proc::read_at;
use super::paths::Hierarchy;

/// `CGROUP2_SUPER_MAGIC`:
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/magic.h>
pub(super) const CGROUP2_SUPER_MAGIC: u32 = 0x6367_7270;
/// `CGROUP_SUPER_MAGIC`, same file.
pub(super) const CGROUP_SUPER_MAGIC: u32 = 0x0027_e0eb;

const ROOT: &str = "/sys/fs/cgroup";

/// How control groups are arranged on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupMode {
    /// Only v1 hierarchies.
    V1,
    /// v1 hierarchies with the controllers, and a v2 one beside them.
    Hybrid,
    /// Only v2.
    V2,
}

/// Where one hierarchy is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The path within the hierarchy that the mount point shows; `/` for all of it.
    pub root: String,
    /// Absolute path of the mount point.
    pub point: PathBuf,
}

impl Mount {
    /// Returns the directory of a group, or none when the mount does not show it.
    #[must_use]
    pub fn dir_of(&self, path: &str) -> Option<PathBuf> {
        let root = if self.root == "/" { "" } else { self.root.as_str() };
        let below = path.strip_prefix(root)?;
        if below.is_empty() {
            return Some(self.point.clone());
        }
        let below = below.strip_prefix('/')?;
        // With another slash it would be a path from the root, whatever it is joined to.
        if below.starts_with('/') || below.split('/').any(|part| part == "..") {
            return None;
        }
        Some(self.point.join(below))
    }
}

/// The hierarchies of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchies {
    /// The arrangement.
    pub mode: CgroupMode,
    mounts: BTreeMap<Hierarchy, Mount>,
}

/// Control groups that could not be made out.
#[derive(Debug, Error)]
pub enum DetectError {
    /// The mount table could not be read.
    #[error("cannot read /proc/thread-self/mountinfo")]
    Mountinfo(#[source] Errno),
    /// The place of control groups could not be examined.
    #[error("cannot examine {ROOT}")]
    Statfs(#[source] Errno),
    /// No hierarchy is mounted.
    #[error("no cgroup hierarchy is mounted")]
    NoneMounted,
}

impl Hierarchies {
    /// Finds out what the calling thread sees. In a container, join PID 1's cgroup
    /// namespace first: the roots in the mount table are relative to the reader's.
    ///
    /// # Errors
    /// Fails when nothing is mounted or nothing can be read.
    pub fn detect() -> Result<Self, DetectError> {
        let text = read_at(&CWD, "/proc/thread-self/mountinfo").map_err(DetectError::Mountinfo)?;
        let magic = statfs(ROOT).map_err(DetectError::Statfs)?.f_type;
        let pure = u32::try_from(magic).is_ok_and(|magic| magic == CGROUP2_SUPER_MAGIC);
        Self::of(&String::from_utf8_lossy(&text), pure)
    }

    /// Makes out the text of a mount table; `pure` is whether the place of control groups is a v2 hierarchy itself.
    ///
    /// # Errors
    /// Fails when no hierarchy is mounted.
    pub fn of(mountinfo: &str, pure: bool) -> Result<Self, DetectError> {
        let mounts = parse_mountinfo(mountinfo);
        let mode = match (pure, mounts.contains_key(&Hierarchy::Unified), mounts.len()) {
            (_, false, 0) => return Err(DetectError::NoneMounted),
            (true, _, _) | (false, true, 1) => CgroupMode::V2,
            (false, true, _) => CgroupMode::Hybrid,
            (false, false, _) => CgroupMode::V1,
        };
        Ok(Self { mode, mounts })
    }

    /// Returns where a hierarchy is mounted.
    #[must_use]
    pub fn mount(&self, hierarchy: &Hierarchy) -> Option<&Mount> {
        self.mounts.get(hierarchy)
    }

    /// Returns the directory of a group.
    #[must_use]
    pub fn dir_of(&self, hierarchy: &Hierarchy, path: &str) -> Option<PathBuf> {
        self.mount(hierarchy)?.dir_of(path)
    }
}

/// Returns the cgroup mounts of a mount table: of several of one hierarchy, one that
/// shows all of it, else the last; a later mount on the same point hides an earlier one.
fn parse_mountinfo(text: &str) -> BTreeMap<Hierarchy, Mount> {
    let mut by_point: BTreeMap<PathBuf, (Vec<Hierarchy>, Mount)> = BTreeMap::new();
    for line in text.lines() {
        let Some((mount, kind, options)) = mount_of(line) else {
            continue;
        };
        by_point.remove(&mount.point);
        let hierarchies = match kind {
            "cgroup2" => vec![Hierarchy::Unified],
            "cgroup" => v1_controllers(options),
            _ => continue,
        };
        by_point.insert(mount.point.clone(), (hierarchies, mount));
    }
    let mut found: BTreeMap<Hierarchy, Mount> = BTreeMap::new();
    for (hierarchies, mount) in by_point.into_values() {
        for hierarchy in hierarchies {
            let whole = found.get(&hierarchy).is_some_and(|known| known.root == "/");
            if !whole {
                found.insert(hierarchy, mount.clone());
            }
        }
    }
    found
}

/// Splits a line of proc_pid_mountinfo(5): `… root point options tags - type source superoptions`.
fn mount_of(line: &str) -> Option<(Mount, &str, &str)> {
    let (left, right) = line.split_once(" - ")?;
    let mut fields = left.split(' ').skip(3);
    let root = unescape(fields.next()?);
    let point = PathBuf::from(unescape(fields.next()?));
    let mut fields = right.split(' ');
    let kind = fields.next()?;
    Some((Mount { root, point }, kind, fields.nth(1)?))
}

fn v1_controllers(options: &str) -> Vec<Hierarchy> {
    const NOT_CONTROLLERS: [&str; 5] = ["rw", "ro", "xattr", "noprefix", "clone_children"];
    let named =
        options.split(',').filter(|option| !NOT_CONTROLLERS.contains(option) && !option.starts_with("release_agent="));
    named.map(|name| Hierarchy::V1(name.to_owned())).collect()
}

/// Undoes the `\040` style of the kernel's mount tables (space, tab, newline, backslash).
fn unescape(text: &str) -> String {
    let mut out = text.to_owned();
    for (code, plain) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        out = out.replace(code, plain);
    }
    out
}

/// Whether a file is on a cgroup file system of the given version.
pub(super) fn has_magic(magic: i64, wanted: u32) -> bool {
    u32::try_from(magic).is_ok_and(|magic| magic == wanted)
}

/// The place where a group's directory is looked for in messages.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_found_by_type_root_and_order() {
        let text = "23 27 0:22 / /sys rw - sysfs sysfs rw\n\
            31 23 0:28 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw,mode=755\n\
            32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd,release_agent=/x\n\
            41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw - cgroup2 cgroup2 rw\n\
            42 31 0:38 /docker/x /a/part rw - cgroup2 cgroup2 rw\n\
            43 31 0:99 / /gone rw - cgroup cgroup rw,pids\n\
            44 31 0:98 / /gone rw - tmpfs tmpfs rw\n";
        let mounts = parse_mountinfo(text);
        let names: Vec<&Hierarchy> = mounts.keys().collect();
        let v1 = |name: &str| Hierarchy::V1(name.into());
        assert_eq!(names, [&Hierarchy::Unified, &v1("cpu"), &v1("cpuacct"), &v1("name=systemd")]);
        assert_eq!(mounts[&Hierarchy::Unified].point, Path::new("/sys/fs/cgroup/uni fied"));
    }

    #[test]
    fn a_partial_mount_shows_only_what_is_below_its_root() {
        let whole = Mount { root: "/".into(), point: "/m".into() };
        assert_eq!(whole.dir_of("/a/b"), Some("/m/a/b".into()));
        assert_eq!(whole.dir_of("/"), Some("/m/".into()));
        let part = Mount { root: "/docker/x".into(), point: "/m".into() };
        assert_eq!(part.dir_of("/docker/x/y"), Some("/m/y".into()));
        assert_eq!(part.dir_of("/docker/x"), Some("/m".into()));
        assert_eq!(part.dir_of("/docker/xy"), None);
        assert_eq!(part.dir_of("/other"), None);
        for outside in ["/a/../../etc", "//etc", "///etc"] {
            assert_eq!(whole.dir_of(outside), None, "{outside}");
        }
        assert_eq!(part.dir_of("/docker/x//etc"), None);
    }

    #[test]
    fn this_node_is_made_out() {
        let here = Hierarchies::detect().unwrap();
        let unified = here.mount(&Hierarchy::Unified).is_some();
        match here.mode {
            CgroupMode::V1 => assert!(!unified),
            CgroupMode::Hybrid | CgroupMode::V2 => assert!(unified),
        }
    }
}
