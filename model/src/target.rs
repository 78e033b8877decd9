//! One thing to hit, pinned so that nothing else can be mistaken for it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A network namespace's identity: inode numbers are reused, so the cookie (SO_NETNS_COOKIE, Linux 5.14) decides
/// where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NetNsId {
    pub dev: u64,
    pub ino: u64,
    pub cookie: Option<u64>,
}

impl NetNsId {
    /// Returns whether two ids mean the same namespace; a cookie that one side lacks is not compared.
    pub fn same(&self, other: &Self) -> bool {
        let cookies = match (self.cookie, other.cookie) {
            (Some(a), Some(b)) => a == b,
            (None, _) | (_, None) => true,
        };
        self.dev == other.dev && self.ino == other.ino && cookies
    }
}

impl fmt::Display for NetNsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net:[{}]", self.ino)
    }
}

/// A process of one boot: the pid alone is reused within seconds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: i32,
    /// Start time in clock ticks since boot (field 22 of /proc/PID/stat).
    pub start: u64,
}

/// A process as the plan names it; comm and cgroup are compared again before anything is done to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessTarget {
    pub id: ProcessId,
    pub comm: String,
    /// The process's cgroup line that the agent reads for identity.
    pub cgroup: String,
    pub boot_id: String,
}

/// A container as the plan names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerTarget {
    /// The runtime's id, 64 hex digits.
    pub id: String,
    /// Path of its cgroup below the hierarchy's root.
    pub cgroup: String,
    pub boot_id: String,
    /// The container's first process: the one whose parent is outside.
    pub init: Option<ProcessTarget>,
    /// Every process in it at plan time, for the reader of the plan.
    pub processes: Vec<ProcessLabel>,
}

/// A network namespace as the plan names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetNsTarget {
    pub id: NetNsId,
    pub via: Via,
    pub boot_id: String,
    /// Whether it is the host's own namespace.
    pub host: bool,
    /// Every process in it at plan time, for the reader of the plan.
    pub processes: Vec<ProcessLabel>,
}

/// How the agent gets at a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Via {
    Host,
    /// A name under /run/netns.
    Name(String),
    Process(ProcessId),
}

/// A process as a plan lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessLabel {
    pub pid: i32,
    pub comm: String,
}

impl fmt::Display for ProcessLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", Printable(&self.comm), self.pid)
    }
}

/// One thing to hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    Container(ContainerTarget),
    NetNs(NetNsTarget),
    Process(ProcessTarget),
}

impl Target {
    pub fn boot_id(&self) -> &str {
        match self {
            Self::Container(c) => &c.boot_id,
            Self::NetNs(n) => &n.boot_id,
            Self::Process(p) => &p.boot_id,
        }
    }

    /// Returns it with at most `most` of its processes named.
    pub fn shortened(&self, most: usize) -> Self {
        let mut target = self.clone();
        match &mut target {
            Self::Container(c) => c.processes.truncate(most),
            Self::NetNs(n) => n.processes.truncate(most),
            Self::Process(_) => {}
        }
        target
    }

    /// Returns the namespace that a network fault sits in.
    pub fn netns(&self) -> Option<&NetNsTarget> {
        match self {
            Self::NetNs(n) => Some(n),
            Self::Container(_) | Self::Process(_) => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(c) => write!(f, "container {}", c.id.get(..12).unwrap_or(&c.id)),
            Self::NetNs(n) => match &n.via {
                Via::Host => f.write_str("host network"),
                Via::Name(name) => write!(f, "netns {}", Printable(name)),
                Via::Process(p) => write!(f, "netns of process {}", p.pid),
            },
            Self::Process(p) => write!(f, "process {}({})", Printable(&p.comm), p.id.pid),
        }
    }
}

/// Shows text from outside (a process may name itself anything) without letting it steer the terminal.
#[derive(Debug)]
pub struct Printable<'a>(pub &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            // Direction marks and overrides, invisible joiners and separators, tags: what a reader cannot see.
            let hidden = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
            if c.is_control() || hidden {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}
