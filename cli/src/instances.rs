//! Running agents of this machine and the state directories that they hold: a Halt is per directory, so who halts one
//! must hear of the others.
//!
//! It must never take a name for proof: a directory counts as held only where its lock is.

use rumpus_agent::kernel::proc;
use rumpus_agent::state_dir::{LockState, Observer};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An agent that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    pub state_dir: PathBuf,
    /// Its random id; none where it has not been made yet or cannot be read.
    pub id: Option<String>,
    pub pid: u32,
}

/// Returns every agent that holds a state directory, but for the one of `own`.
///
/// An agent is found by the lock file that it has open, so that neither its command line nor its environment has to be
/// believed. One that cannot be looked into is left out: its residue shows it.
pub fn others(own: &Path) -> Vec<Instance> {
    let own = own.canonicalize().unwrap_or_else(|_absent| own.to_owned());
    let processes = proc::scan().unwrap_or_default();
    let ours = processes.iter().filter(|p| p.comm.starts_with("rumpus") && !p.has_exited());
    let mut found = BTreeMap::new();
    for process in ours {
        for dir in locked(process.pid).into_iter().filter(|dir| *dir != own) {
            if let Some(instance) = instance(&dir) {
                found.insert(dir, instance);
            }
        }
    }
    found.into_values().collect()
}

/// Returns the directories whose lock file a process has open.
fn locked(pid: u32) -> Vec<PathBuf> {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let files = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    files.filter(|file| file.ends_with("lock")).filter_map(|file| file.parent().map(Path::to_owned)).collect()
}

fn instance(dir: &Path) -> Option<Instance> {
    let observer = Observer::open(dir).ok()??;
    let LockState::Held(Some(holder)) = observer.holder().ok()? else { return None };
    Some(Instance { state_dir: dir.to_owned(), id: observer.instance().ok().flatten(), pid: holder.pid })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpus_agent::state_dir::StateDir;

    #[test]
    fn a_directory_counts_only_while_its_lock_is_held() {
        let dir = std::env::temp_dir().join(format!("rumpus-cli-instances-{}", std::process::id()));
        let held = StateDir::open(&dir).unwrap();
        let pid = std::process::id();
        assert_eq!(locked(pid).iter().filter(|d| **d == dir).count(), 1);
        let found = instance(&dir).unwrap();
        assert_eq!((found.pid, found.id.as_deref()), (pid, Some(held.instance())));
        drop(held);
        assert_eq!(instance(&dir), None);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
