//! The lines of /proc/PID/cgroup.
//!
//! It must never guess: a file with a line of another form is no cgroup file.

/// Names one hierarchy of control groups.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hierarchy {
    /// cgroup v2, alone or beside v1 (hybrid).
    Unified,
    /// A cgroup v1 hierarchy by one of its controllers, `name=systemd` included.
    V1(String),
}

/// One line: `id:controllers:path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupLine {
    /// Controllers, empty for cgroup v2.
    pub controllers: Vec<String>,
    /// Path within the hierarchy, from `/`.
    pub path: String,
}

/// Where one process is in every hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupPaths(Vec<CgroupLine>);

/// v1 hierarchies in the order in which they are asked for a container.
const V1_ORDER: [&str; 3] = ["memory", "pids", "name=systemd"];

impl CgroupPaths {
    /// Returns the lines of a cgroup file, or nothing when one is malformed or none is there.
    ///
    /// A newline in a group's name cannot forge a line: the kernel refuses to make such a group.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lines: Option<Vec<CgroupLine>> = text.lines().map(parse_line).collect();
        lines.filter(|lines| !lines.is_empty()).map(Self)
    }

    /// Returns all lines.
    #[must_use]
    pub fn lines(&self) -> &[CgroupLine] {
        &self.0
    }

    /// Returns the path in one hierarchy.
    #[must_use]
    pub fn path_in(&self, hierarchy: &Hierarchy) -> Option<&str> {
        let found = self.0.iter().find(|line| match hierarchy {
            Hierarchy::Unified => line.controllers.is_empty(),
            Hierarchy::V1(name) => line.controllers.contains(name),
        });
        found.map(|line| line.path.as_str())
    }

    /// Returns the hierarchies that are asked for a container, in order, with the paths:
    /// v2, then memory, pids and name=systemd of v1.
    pub(super) fn asked(&self) -> Vec<(Hierarchy, &str)> {
        let v1 = V1_ORDER.iter().map(|name| Hierarchy::V1((*name).to_owned()));
        std::iter::once(Hierarchy::Unified)
            .chain(v1)
            .filter_map(|hierarchy| self.path_in(&hierarchy).map(|path| (hierarchy.clone(), path)))
            .collect()
    }

    /// Returns the path that stands for the process in an identity: the first of
    /// v2, memory, pids and name=systemd that is not the root; else `/`.
    #[must_use]
    pub fn identity(&self) -> &str {
        let asked = self.asked();
        asked.iter().map(|(_, path)| *path).find(|path| *path != "/").unwrap_or("/")
    }
}

fn parse_line(line: &str) -> Option<CgroupLine> {
    let (id, rest) = line.split_once(':')?;
    let _hierarchy: u32 = id.parse().ok()?;
    // Controllers hold no colon; a path may (containerd's `slice:cri-containerd:id`).
    let (controllers, path) = rest.split_once(':')?;
    let controllers = controllers.split(',').filter(|name| !name.is_empty());
    path.starts_with('/')
        .then(|| CgroupLine { controllers: controllers.map(str::to_owned).collect(), path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "9:name=systemd:/a\n4:memory:/b\n2:cpu,cpuacct:/c\n0::/\n";

    #[test]
    fn lines_are_found_by_any_of_their_controllers() {
        let paths = CgroupPaths::parse(HYBRID).unwrap();
        assert_eq!(paths.path_in(&Hierarchy::Unified), Some("/"));
        assert_eq!(paths.path_in(&Hierarchy::V1("cpuacct".into())), Some("/c"));
        assert_eq!(paths.path_in(&Hierarchy::V1("systemd".into())), None);
        assert_eq!(paths.identity(), "/b");
        assert_eq!(CgroupPaths::parse("0::/").unwrap().identity(), "/");
    }

    #[test]
    fn a_malformed_file_is_none_as_a_whole() {
        for text in ["", "0:/x", "x::/y", "0::/a\nrubbish", "0::relative"] {
            assert_eq!(CgroupPaths::parse(text), None, "{text}");
        }
        let colons = CgroupPaths::parse("0::/a.slice:cri-containerd:b").unwrap();
        assert_eq!(colons.identity(), "/a.slice:cri-containerd:b");
    }
}
