//! Processes of a host by name, executable, command line and user.

use super::{Candidate, Found, LeftOut, Matched, Reason, label, pin};
use crate::guard::protected;
use crate::target::Target;
use crate::world::{Process, World};
use regex::Regex;

/// Which processes; `exclude` wins.
#[derive(Clone, Debug)]
pub struct Processes {
    pub include: ProcessMatch,
    pub exclude: Option<ProcessMatch>,
}

/// What a process must look like: all given parts match; at least one is given.
#[derive(Clone, Debug, Default)]
pub struct ProcessMatch {
    /// The kernel's name for it (comm), exactly; at most 15 bytes.
    pub name: Option<String>,
    /// The path of its executable, exactly.
    pub exe: Option<String>,
    /// Found anywhere in its command line (arguments joined by spaces).
    pub cmdline: Option<Regex>,
    /// Its effective user.
    pub user: Option<User>,
}

/// A user by number or name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    Id(u32),
    Name(String),
}

impl ProcessMatch {
    /// Returns whether a process looks like this. A user name that this host does not know matches nobody.
    pub fn matches(&self, process: &Process, world: &World) -> bool {
        self.name.as_ref().is_none_or(|n| *n == process.comm)
            && self.exe.as_ref().is_none_or(|e| process.exe.as_ref() == Some(e))
            && self.cmdline.as_ref().is_none_or(|r| r.is_match(&process.cmdline))
            && self.user.as_ref().is_none_or(|u| match u {
                User::Id(id) => *id == process.uid,
                User::Name(name) => world.users.get(name) == Some(&process.uid),
            })
    }

    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.name.as_ref().map(|n| format!("name {n}")));
        parts.extend(self.exe.as_ref().map(|e| format!("exe {e}")));
        parts.extend(self.cmdline.as_ref().map(|r| format!("cmdline ~ {}", r.as_str())));
        parts.extend(self.user.as_ref().map(|u| match u {
            User::Id(id) => format!("user {id}"),
            User::Name(name) => format!("user {name}"),
        }));
        parts.join(" and ")
    }
}

impl Processes {
    pub(crate) fn matched<'w>(&self, world: &'w World) -> Matched<'w> {
        let mut found = Matched::default();
        for process in &world.processes {
            if process.kernel_thread || process.zombie || !self.include.matches(process, world) {
                continue;
            }
            match &self.exclude {
                Some(exclude) if exclude.matches(process, world) => {
                    found.excluded.push((process, exclude.summary()));
                }
                Some(_) | None => found.processes.push(process),
            }
        }
        found
    }

    pub fn summary(&self) -> String {
        let exclude = self.exclude.as_ref().map(|e| format!(", but not {}", e.summary())).unwrap_or_default();
        format!("processes with {}{exclude}", self.include.summary())
    }
}

/// Turns matched processes into candidates, each for itself.
pub(crate) fn each(world: &World, matched: Matched<'_>) -> Found {
    let mut found = Found { left_out: matched.left_out, ..Found::default() };
    for (process, by) in matched.excluded {
        found.left_out.push(LeftOut { what: label(process), reason: Reason::Excluded { by } });
    }
    for process in matched.processes {
        if let Some(why) = protected::why(process, world) {
            found.left_out.push(LeftOut { what: label(process), reason: Reason::Protected { why } });
        } else if let Some(target) = pin(world, process) {
            found.candidates.push(Candidate {
                identity: format!("{}/{}/{}", world.boot_id, process.id.pid, process.id.start),
                target: Target::Process(target),
                why: "matches".into(),
            });
        } else {
            let what = "its cgroup could not be read".into();
            found.left_out.push(LeftOut { what: label(process), reason: Reason::Unknown { what } });
        }
    }
    found
}
