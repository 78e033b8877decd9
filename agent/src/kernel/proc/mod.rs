//! Reads what runs on this node from /proc.
//!
//! Each process is read through one descriptor of its /proc directory, so all
//! facts of one entry belong to one process even when its id is reused midway.
//! It must never wait, and never turn an unreadable field into a made-up value.

mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;
use thiserror::Error;

use super::cgroup::CgroupPaths;
pub use parse::{CMDLINE_CAP, ProcessState, Stat, Status, parse_cmdline, parse_stat, parse_status};

/// Most bytes read of one file of the kernel: the mount table of a node with ten
/// thousand mounts, or the process list of a group with a million, is below it.
const READ_CAP: usize = 16 * 1024 * 1024;

/// Most parents followed from one process; a PID view cannot nest deeper in practice.
const ANCESTORS_CAP: usize = 4096;

/// What is known of one process. `None` means unreadable, never empty or zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Process (thread group) id in the agent's PID view.
    pub pid: u32,
    /// Parent's id; 0 when it is outside the PID view.
    pub ppid: u32,
    /// Start time in clock ticks since boot. With the pid alone it is no proof of
    /// identity: ids are reused within one tick.
    pub start: u64,
    /// The leader's name, at most 15 bytes for a user process.
    pub comm: String,
    /// Command line with spaces for NULs, at most [`CMDLINE_CAP`] bytes. Of a live
    /// thread where the leader has exited; empty for kernel threads.
    pub cmdline: Option<String>,
    /// Program file, as the kernel shows it (with ` (deleted)` where that is so).
    pub exe: Option<PathBuf>,
    /// Effective user id.
    pub uid: Option<u32>,
    /// State of the leader.
    pub state: ProcessState,
    /// Threads alive or not yet reaped.
    pub threads: u32,
    /// Whether it is a thread of the kernel.
    pub kernel_thread: bool,
    /// Network namespace: device and inode.
    pub netns: Option<(u64, u64)>,
    /// Whether it is PID 1 of its own PID namespace.
    pub init_of_pid_namespace: Option<bool>,
    /// Signals with a handler; bit `n - 1` is signal `n`.
    pub caught: Option<u64>,
    /// Signals that are ignored; bit `n - 1` is signal `n`.
    pub ignored: Option<u64>,
    /// Control groups, one line per hierarchy.
    pub cgroup: Option<CgroupPaths>,
}

impl ProcessFacts {
    /// Whether the process has exited: a zombie none of whose threads lives on.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        match self.state {
            ProcessState::Zombie => self.threads <= 1,
            ProcessState::Dead => true,
            ProcessState::Running
            | ProcessState::Sleeping
            | ProcessState::DiskSleep
            | ProcessState::Stopped
            | ProcessState::Traced
            | ProcessState::Idle
            | ProcessState::Other(_) => false,
        }
    }
}

/// A reading of /proc that failed as a whole.
#[derive(Debug, Error)]
pub enum ProcError {
    /// /proc could not be listed.
    #[error("cannot list /proc")]
    List(#[source] Errno),
    /// The process does not exist, or has vanished while it was read.
    #[error("there is no process {pid}")]
    Gone {
        /// Whose facts were asked for.
        pid: u32,
    },
    /// The process exists and its basic facts cannot be read.
    #[error("cannot read process {pid}")]
    Read {
        /// Whose facts were asked for.
        pid: u32,
        /// What the kernel answered.
        #[source]
        source: Errno,
    },
    /// The stat file has a form that this program does not know.
    #[error("/proc/{pid}/stat has an unknown form")]
    Form {
        /// Whose file it is.
        pid: u32,
    },
    /// The boot id could not be read.
    #[error("cannot read the boot id")]
    BootId(#[source] Errno),
}

/// Returns the facts of every process, by pid. One that vanishes meanwhile is left out.
///
/// # Errors
/// Fails when /proc cannot be listed, or when an existing process has no readable
/// stat file: a list with holes must not pass for a whole one.
pub fn scan() -> Result<Vec<ProcessFacts>, ProcError> {
    let root = open_dir(&CWD, "/proc").map_err(ProcError::List)?;
    let mut found = BTreeMap::new();
    for entry in Dir::read_from(&root).map_err(ProcError::List)? {
        let entry = entry.map_err(ProcError::List)?;
        let Some(pid) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) else {
            continue;
        };
        match read_process(&root, pid) {
            Ok(facts) => {
                found.insert(pid, facts);
            }
            Err(ProcError::Gone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found.into_values().collect())
}

/// Returns the facts of one process.
///
/// # Errors
/// [`ProcError::Gone`] when there is none of this id.
pub fn one(pid: u32) -> Result<ProcessFacts, ProcError> {
    let root = open_dir(&CWD, "/proc").map_err(ProcError::List)?;
    read_process(&root, pid)
}

/// Returns only the control groups of one process, as its leader shows them.
#[must_use]
pub fn cgroups_of(pid: u32) -> Option<CgroupPaths> {
    let bytes = read_at(&CWD, &format!("/proc/{pid}/cgroup")).ok()?;
    CgroupPaths::parse(&String::from_utf8_lossy(&bytes))
}

/// Returns the parents of a process, nearest first, as far as the PID view reaches.
///
/// # Errors
/// Fails when the process itself or one of its parents cannot be read.
pub fn ancestors(pid: u32) -> Result<Vec<u32>, ProcError> {
    let root = open_dir(&CWD, "/proc").map_err(ProcError::List)?;
    let mut found = Vec::new();
    let mut parent = read_stat(&root, pid)?.ppid;
    while parent != 0 && found.len() < ANCESTORS_CAP {
        found.push(parent);
        parent = match read_stat(&root, parent) {
            Ok(stat) => stat.ppid,
            // The parent exited meanwhile and its children were handed up.
            Err(ProcError::Gone { .. }) => break,
            Err(error) => return Err(error),
        };
    }
    Ok(found)
}

/// Returns the id that the kernel chose at this boot.
///
/// # Errors
/// Fails when /proc/sys is not readable.
pub fn boot_id() -> Result<String, ProcError> {
    let text = read_at(&CWD, "/proc/sys/kernel/random/boot_id").map_err(ProcError::BootId)?;
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

fn read_process(root: &OwnedFd, pid: u32) -> Result<ProcessFacts, ProcError> {
    let directory = open_dir(root, &pid.to_string()).map_err(|errno| read_error(pid, errno))?;
    let stat = stat_of(&directory, pid)?;
    let status = read_at(&directory, "status").ok();
    let status = status.and_then(|bytes| parse_status(&String::from_utf8_lossy(&bytes)));
    // A leader that called pthread_exit keeps its pid but has no memory, no
    // namespaces and, on v1, no groups: these are read from a thread that lives on.
    let leader_exited = stat.state == ProcessState::Zombie && stat.threads > 1;
    let thread = leader_exited.then(|| live_thread(&directory, pid)).flatten();
    let living = thread.as_ref().unwrap_or(&directory);
    let cmdline = read_up_to(living, "cmdline", CMDLINE_CAP).ok();
    let exe = readlinkat(living, "exe", Vec::new()).ok();
    let netns = statat(living, "ns/net", AtFlags::empty()).ok();
    let cgroup = read_at(living, "cgroup").ok();
    Ok(ProcessFacts {
        pid,
        ppid: stat.ppid,
        start: stat.start,
        comm: stat.comm,
        cmdline: cmdline.as_deref().map(parse_cmdline),
        exe: exe.map(|link| PathBuf::from(OsString::from_vec(link.into_bytes()))),
        uid: status.as_ref().map(|status| status.uid),
        state: stat.state,
        threads: stat.threads,
        kernel_thread: stat.kernel_thread,
        netns: netns.map(|netns| (netns.st_dev, netns.st_ino)),
        init_of_pid_namespace: status.as_ref().map(|status| status.init_of_pid_namespace),
        caught: status.as_ref().map(|status| status.caught),
        ignored: status.as_ref().map(|status| status.ignored),
        cgroup: cgroup.and_then(|bytes| CgroupPaths::parse(&String::from_utf8_lossy(&bytes))),
    })
}

fn read_stat(root: &OwnedFd, pid: u32) -> Result<Stat, ProcError> {
    let directory = open_dir(root, &pid.to_string()).map_err(|errno| read_error(pid, errno))?;
    stat_of(&directory, pid)
}

fn stat_of(directory: &OwnedFd, pid: u32) -> Result<Stat, ProcError> {
    let bytes = read_at(directory, "stat").map_err(|errno| read_error(pid, errno))?;
    parse_stat(&String::from_utf8_lossy(&bytes)).ok_or(ProcError::Form { pid })
}

/// Returns the directory of a thread other than the leader that still runs.
fn live_thread(directory: &OwnedFd, pid: u32) -> Option<OwnedFd> {
    let tasks = open_dir(directory, "task").ok()?;
    for entry in Dir::read_from(&tasks).ok()?.flatten() {
        let Some(name) = entry.file_name().to_str().ok().filter(|name| name.parse() != Ok(pid)) else {
            continue;
        };
        let Ok(thread) = open_dir(&tasks, name) else {
            continue;
        };
        let Ok(bytes) = read_at(&thread, "stat") else {
            continue;
        };
        match parse_stat(&String::from_utf8_lossy(&bytes)).map(|stat| stat.state) {
            None | Some(ProcessState::Zombie | ProcessState::Dead) => {}
            Some(_) => return Some(thread),
        }
    }
    None
}

fn read_error(pid: u32, source: Errno) -> ProcError {
    match source {
        Errno::NOENT | Errno::SRCH => ProcError::Gone { pid },
        _ => ProcError::Read { pid, source },
    }
}

fn open_dir(at: &impl AsFd, path: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(at.as_fd(), path, flags, Mode::empty())
}

/// Reads a whole file of the kernel; one longer than [`READ_CAP`] is refused
/// (EFBIG), since a list cut short would pass for a whole one.
pub(super) fn read_at(at: &impl AsFd, path: &str) -> rustix::io::Result<Vec<u8>> {
    let bytes = read_up_to(at, path, READ_CAP + 1)?;
    if bytes.len() > READ_CAP { Err(Errno::FBIG) } else { Ok(bytes) }
}

/// Reads at most `cap` bytes of a file.
fn read_up_to(at: &impl AsFd, path: &str, cap: usize) -> rustix::io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(at.as_fd(), path, flags, Mode::empty())?;
    let mut bytes = Vec::new();
    let mut chunk = [0u8; 4096];
    while bytes.len() < cap {
        match rustix::io::read(&file, &mut chunk) {
            Ok(0) => break,
            Ok(count) => bytes.extend(chunk.iter().take(count)),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    bytes.truncate(cap);
    Ok(bytes)
}
