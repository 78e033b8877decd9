//! Kills one process, or all of one container, and proves that they are gone.
//!
//! It must never signal what it has not pinned, and never a group that holds the
//! agent or a parent of it. Whether a kill is allowed is decided before.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use thiserror::Error;

use super::cgroup::{CgroupDir, CgroupError, CgroupPaths, ContainerRef, Hierarchies, Hierarchy, names_container};
use super::pidfd::{Identity, PidfdError, Pinned, open_pidfd, sigterm_ignored, wait_readable};
use super::proc::{ProcError, ancestors, cgroups_of, one};

/// Longest wait for a process to be gone after SIGKILL; longer means uninterruptible sleep.
pub const KILL_WAIT: Duration = Duration::from_secs(5);

/// Most rounds of killing where there is no cgroup.kill. A group that still forks
/// after so many makes processes faster than they can be killed.
pub const ROUNDS_CAP: u32 = 20;

/// Most passes over the list of a group in one round; each pass halves, at worst, what
/// a group that forks all the time keeps alive.
const PASSES_CAP: u32 = 16;

/// Longest wait in one round for the processes that it killed.
const ROUND_WAIT: Duration = Duration::from_millis(250);

/// Most pidfds held in one round: far below the usual limit of 1024 open files.
const WATCHED_CAP: usize = 128;

/// What came of killing one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KillEvidence {
    /// Whether the first signal was delivered; false when the process exited just before.
    pub signalled: bool,
    /// Whether SIGKILL had to follow.
    pub escalated: bool,
    /// Whether the process is gone: its pidfd is readable.
    pub gone: bool,
    /// Time from the first signal until gone, or until giving up.
    pub after: Duration,
    /// Whether SIGTERM was known beforehand to change nothing; none where unreadable.
    pub term_ignored_predicted: Option<bool>,
}

/// One directory of a container in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRef {
    /// The hierarchy.
    pub hierarchy: Hierarchy,
    /// Path within it.
    pub path: String,
    /// Absolute path of the directory.
    pub dir: PathBuf,
    /// Inode of the directory.
    pub id: u64,
}

/// A container's control groups: at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerGroups {
    /// In v2, also beside v1; none where the runtime uses v1 only.
    pub unified: Option<GroupRef>,
    /// In v1.
    pub v1: Option<GroupRef>,
}

/// How a container was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillMethod {
    /// By cgroup.kill: one write, and forks cannot escape.
    CgroupKill,
    /// By SIGKILL to each process, in so many rounds.
    Rounds(u32),
}

/// What came of killing a container.
#[derive(Debug)]
pub struct ContainerKillEvidence {
    /// How.
    pub method: KillMethod,
    /// Processes that were seen in it and are gone. Those that cgroup.kill met
    /// between being born and being listed are not counted.
    pub killed: usize,
    /// Processes that are still in it.
    pub survivors: Vec<u32>,
    /// The first process that could not be opened or signalled, where there was one.
    pub failed: Option<PidfdError>,
    /// Time from the first signal to the last look.
    pub after: Duration,
}

/// A kill that was refused or failed.
#[derive(Debug, Error)]
pub enum KillError {
    /// The process could not be pinned or signalled.
    #[error("cannot kill a process")]
    Process(#[from] PidfdError),
    /// The container's control group could not be used.
    #[error("cannot kill a container")]
    Group(#[from] CgroupError),
    /// The path means another group by now.
    #[error("control group {path} is not the one that was planned: id {actual}, not {expected}")]
    NotTheSameGroup {
        /// Its path.
        path: String,
        /// The planned inode.
        expected: u64,
        /// The inode found.
        actual: u64,
    },
    /// The agent itself or one of its parents would be killed.
    #[error("process {pid} is the agent or one of its parents")]
    HitsAgent {
        /// Which one.
        pid: u32,
    },
    /// The agent's own parents could not be read.
    #[error("cannot read the agent's own parents")]
    Ancestry(#[source] ProcError),
    /// The container is shown by no mounted hierarchy.
    #[error("no mounted hierarchy shows the container's control group {path}")]
    NoGroup {
        /// Its path.
        path: String,
    },
}

/// Pins a process, sends `signal`, waits `grace`, sends SIGKILL, waits again.
///
/// # Errors
/// Fails before anything is sent when the process is not the expected one, or is
/// the agent or a parent of it.
pub fn kill_process(expected: &Identity, signal: Signal, grace: Duration) -> Result<KillEvidence, KillError> {
    refuse_agent(&[expected.pid])?;
    let pinned = Pinned::open(expected)?;
    let predicted = sigterm_ignored(pinned.facts());
    let began = Instant::now();
    let evidence = |signalled, escalated, gone| KillEvidence {
        signalled,
        escalated,
        gone,
        after: began.elapsed(),
        term_ignored_predicted: predicted,
    };
    if !sent(pinned.signal(signal))? {
        return Ok(evidence(false, false, true));
    }
    let first_wait = if signal == Signal::KILL { KILL_WAIT } else { grace };
    let gone = pinned.wait_gone(first_wait)?;
    if gone || signal == Signal::KILL {
        return Ok(evidence(true, false, gone));
    }
    if !sent(pinned.signal(Signal::KILL))? {
        return Ok(evidence(true, false, true));
    }
    let gone = pinned.wait_gone(KILL_WAIT)?;
    Ok(evidence(true, true, gone))
}

/// Finds the control groups of a container, to be kept in a plan.
///
/// # Errors
/// Fails when no mounted hierarchy shows it, or it is gone.
pub fn container_groups(
    hierarchies: &Hierarchies,
    paths: &CgroupPaths,
    container: &ContainerRef,
) -> Result<ContainerGroups, KillError> {
    let names = ["memory", "pids", "name=systemd"].map(|name| Hierarchy::V1(name.to_owned()));
    let unified = group_in(hierarchies, paths, container, &Hierarchy::Unified)?;
    let mut v1 = None;
    for hierarchy in &names {
        if v1.is_none() {
            v1 = group_in(hierarchies, paths, container, hierarchy)?;
        }
    }
    if unified.is_none() && v1.is_none() {
        return Err(KillError::NoGroup { path: container.path.clone() });
    }
    Ok(ContainerGroups { unified, v1 })
}

/// Kills every process of a container: by cgroup.kill where it has a v2 group, and by
/// SIGKILL in rounds where it has not.
///
/// # Errors
/// Fails before anything is sent when a group is not the planned one or holds the agent.
pub fn kill_container(expected: &ContainerGroups) -> Result<ContainerKillEvidence, KillError> {
    let unified = expected.unified.as_ref().map(open_group).transpose()?;
    let v1 = expected.v1.as_ref().map(open_group).transpose()?;
    let dirs: Vec<&CgroupDir> = unified.iter().chain(&v1).collect();
    let before = procs_of(&dirs)?;
    refuse_agent(&before)?;
    let began = Instant::now();
    let mut method = KillMethod::Rounds(0);
    let mut progress = Progress { seen: before, failed: None };
    if let Some(dir) = &unified {
        match dir.kill_v2() {
            Ok(()) => {
                dir.wait_empty(KILL_WAIT)?;
                method = KillMethod::CgroupKill;
            }
            // Before 5.14 there is no such file: rounds do it.
            Err(CgroupError::Gone { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut round = 0;
    let groups = [(unified.as_ref(), expected.unified.as_ref()), (v1.as_ref(), expected.v1.as_ref())];
    for (dir, group) in groups.into_iter().filter_map(|(dir, group)| dir.zip(group)) {
        while round < ROUNDS_CAP && kill_round(dir, group, &mut progress)? {
            round += 1;
        }
    }
    if method != KillMethod::CgroupKill {
        method = KillMethod::Rounds(round);
    }
    let survivors = procs_of(&dirs)?;
    let Progress { mut seen, failed } = progress;
    seen.sort_unstable();
    seen.dedup();
    let killed = seen.iter().filter(|pid| !survivors.contains(pid)).count();
    Ok(ContainerKillEvidence { method, killed, survivors, failed, after: began.elapsed() })
}

struct Progress {
    seen: Vec<u32>,
    failed: Option<PidfdError>,
}

/// Sends SIGKILL to each process of a group, in passes without a pause until one meets
/// nobody new (a group that forks must not get time to), then waits for those killed.
/// Returns whether there was a process.
fn kill_round(dir: &CgroupDir, group: &GroupRef, progress: &mut Progress) -> Result<bool, KillError> {
    let mut killed = BTreeMap::new();
    for pass in 0..PASSES_CAP {
        let listed = procs_or_none(dir)?;
        if listed.is_empty() {
            return Ok(pass > 0);
        }
        refuse_agent(&listed)?;
        let fresh = listed.into_iter().filter(|pid| !killed.contains_key(pid));
        let fresh: Vec<u32> = fresh.collect();
        if fresh.is_empty() {
            break;
        }
        for pid in fresh {
            match kill_member(pid, group) {
                Ok(Some(fd)) => {
                    progress.seen.push(pid);
                    killed.insert(pid, (killed.len() < WATCHED_CAP).then_some(fd));
                }
                Ok(None) | Err(PidfdError::Gone { .. }) => {}
                // The others must die all the same; this one shows among the survivors.
                Err(error) => progress.failed = progress.failed.take().or(Some(error)),
            }
        }
    }
    let deadline = Instant::now() + ROUND_WAIT;
    for fd in killed.into_values().flatten() {
        let left = deadline.saturating_duration_since(Instant::now());
        if wait_readable(&fd, left).is_err() {
            break;
        }
    }
    Ok(true)
}

/// Kills one process if it is in the group, and returns its pidfd.
fn kill_member(pid: u32, group: &GroupRef) -> Result<Option<OwnedFd>, PidfdError> {
    let fd = open_pidfd(pid)?;
    // Read after the pidfd was opened: what is read belongs to the pidfd's process, or
    // that process is gone and the signal reaches nobody.
    if !is_in(pid, group) {
        return Ok(None);
    }
    match pidfd_send_signal(&fd, Signal::KILL) {
        Ok(()) => Ok(Some(fd)),
        Err(Errno::SRCH) => Err(PidfdError::Gone { pid }),
        Err(source) => Err(PidfdError::Os { pid, what: "signal", source }),
    }
}

/// Whether a process is in a group or below it.
///
/// One file is read, since a process that forks all the time lives no longer than
/// reading all its facts takes. Only a leader that exited before its threads, which
/// v1 shows in the root, needs the facts of a thread.
fn is_in(pid: u32, group: &GroupRef) -> bool {
    let shows = |paths: Option<CgroupPaths>| {
        let path = paths.as_ref().and_then(|paths| paths.path_in(&group.hierarchy));
        path.and_then(|path| path.strip_prefix(group.path.as_str()))
            .is_some_and(|below| below.is_empty() || below.starts_with('/'))
    };
    shows(cgroups_of(pid)) || one(pid).is_ok_and(|facts| shows(facts.cgroup))
}

fn open_group(group: &GroupRef) -> Result<CgroupDir, KillError> {
    let dir = CgroupDir::open(&group.dir)?;
    if dir.id() != group.id {
        let (path, expected, actual) = (group.path.clone(), group.id, dir.id());
        return Err(KillError::NotTheSameGroup { path, expected, actual });
    }
    Ok(dir)
}

/// Returns the container's directory in one hierarchy, where the process's path there
/// has the container's id as a component (a hybrid's v2 path is `/` under most runtimes).
fn group_in(
    hierarchies: &Hierarchies,
    paths: &CgroupPaths,
    container: &ContainerRef,
    hierarchy: &Hierarchy,
) -> Result<Option<GroupRef>, KillError> {
    let Some(path) = paths.path_in(hierarchy) else {
        return Ok(None);
    };
    let components: Vec<&str> = path.split('/').collect();
    let own = components.iter().position(|part| names_container(part, &container.id));
    let Some(at) = own else { return Ok(None) };
    let path = components.iter().take(at + 1).copied().collect::<Vec<_>>().join("/");
    let Some(dir) = hierarchies.dir_of(hierarchy, &path) else {
        return Ok(None);
    };
    let id = CgroupDir::open(&dir)?.id();
    Ok(Some(GroupRef { hierarchy: hierarchy.clone(), path, dir, id }))
}

fn procs_of(dirs: &[&CgroupDir]) -> Result<Vec<u32>, KillError> {
    let mut found = Vec::new();
    for dir in dirs {
        found.extend(procs_or_none(dir)?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// A group that its runtime has removed meanwhile has no process left.
fn procs_or_none(dir: &CgroupDir) -> Result<Vec<u32>, KillError> {
    match dir.procs() {
        Ok(found) => Ok(found),
        Err(CgroupError::Gone { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Refuses to hit the agent itself or one of its parents.
pub(crate) fn refuse_agent(pids: &[u32]) -> Result<(), KillError> {
    let own = std::process::id();
    let mut lineage = ancestors(own).map_err(KillError::Ancestry)?;
    lineage.push(own);
    match lineage.into_iter().find(|pid| pids.contains(pid)) {
        Some(pid) => Err(KillError::HitsAgent { pid }),
        None => Ok(()),
    }
}

/// Whether a signal reached its process, which may have been reaped just before.
fn sent(answer: Result<(), PidfdError>) -> Result<bool, PidfdError> {
    match answer {
        Ok(()) => Ok(true),
        Err(PidfdError::Gone { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
