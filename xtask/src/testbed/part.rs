//! Knows the testbed's processes by a mark in their environment, starts them, and ends them.
//!
//! The process table is the only record of what runs: a list of ids in a file would be stale after a
//! crash and could name another's process. A process is only ever signalled through a descriptor
//! that was opened before its mark was read (again), so a reused id is never hit.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The variable whose value is the name of the part; a container's processes do not inherit it.
const MARK: &str = "RUMPUS_TESTBED_PART";

/// How long a killed process may take to be gone; a node's first process waits for all others of it.
const DYING: Duration = Duration::from_secs(60);

/// A running process of the testbed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    /// What it is: `etcd`, `node-1/kubelet`.
    pub(crate) name: String,
    /// When it started, in clock ticks since boot: with the id, it names one process for ever.
    pub(crate) started: u64,
    /// Its process id, as this machine's first namespace counts.
    pub(crate) pid: i32,
}

/// Marks a command as a part, gives it a session of its own and a log to append to.
pub(crate) fn mark(mut inner: Command, name: &str, log: &Path) -> Result<Command> {
    let file = OpenOptions::new().create(true).append(true).open(log);
    let file = file.with_context(|| format!("open {}", log.display()))?;
    let errors = file.try_clone().context("share the log's descriptor")?;
    inner.env(MARK, name).stdin(Stdio::null()).stdout(file).stderr(errors);
    Ok(inner)
}

/// Starts a part that outlives this task, unless it is running.
pub(crate) fn start(program: &Path, args: &[String], name: &str, log: &Path) -> Result<()> {
    if !named(name)?.is_empty() {
        return Ok(());
    }
    let mut session = crate::command::command("setsid", [program.as_os_str()]);
    session.args(args);
    let child: Child = mark(session, name, log)?.spawn().with_context(|| format!("start {name}"))?;
    // It is not waited for: it belongs to the first process as soon as this task ends.
    drop(child);
    Ok(())
}

/// Returns the running processes of one part, the oldest first: a part's children carry its name too.
pub(crate) fn named(name: &str) -> Result<Vec<Part>> {
    let mut parts = all()?;
    parts.retain(|part| part.name == name);
    Ok(parts)
}

/// Returns every running process of the testbed, by name, the oldest of each first.
pub(crate) fn all() -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir("/proc").context("list the processes")? {
        let name = entry.context("list the processes")?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        parts.extend(read(pid));
    }
    parts.sort();
    Ok(parts)
}

/// Reads one process; none when it is gone, dead, or not of the testbed.
fn read(pid: i32) -> Option<Part> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let name = environment.split(|byte| *byte == 0).find_map(|variable| {
        let text = std::str::from_utf8(variable).ok()?;
        text.strip_prefix(MARK)?.strip_prefix('=')
    })?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(Part { name: name.to_owned(), started: start_of(&stat)?, pid })
}

/// Returns field 22 of `/proc/PID/stat`, the start time; the name before it may hold any character.
fn start_of(stat: &str) -> Option<u64> {
    stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
}

/// Kills every process of the testbed and waits until none is left.
pub(crate) fn kill_all() -> Result<usize> {
    let end = Instant::now() + DYING;
    let mut killed = 0;
    loop {
        let parts = all()?;
        if parts.is_empty() {
            return Ok(killed);
        }
        ensure!(Instant::now() < end, "still alive after {} s: {parts:?}", DYING.as_secs());
        for part in parts {
            let Some(process) = open(&part)? else { continue };
            pidfd_send_signal(&process, Signal::KILL).with_context(|| format!("kill {part:?}"))?;
            killed += 1;
            wait(&process, Duration::from_secs(1))?;
        }
    }
}

/// Opens a process if it still is the one that was listed.
fn open(part: &Part) -> Result<Option<OwnedFd>> {
    let Some(pid) = Pid::from_raw(part.pid) else { return Ok(None) };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => Ok((read(part.pid).as_ref() == Some(part)).then_some(process)),
        Err(Errno::SRCH) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("open {part:?}")),
    }
}

/// Waits until a process has ended, at most for `limit`.
fn wait(process: &OwnedFd, limit: Duration) -> Result<()> {
    let limit = Timespec::try_from(limit).context("a time that no clock can hold")?;
    match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&limit)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error).context("wait for a killed process"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_a_name_with_brackets() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 8 9";
        assert_eq!(start_of(stat), Some(4711));
        assert_eq!(start_of("7 (a"), None);
    }

    #[test]
    fn a_process_without_the_mark_is_none_of_ours() {
        assert_eq!(read(i32::try_from(std::process::id()).unwrap()), None);
    }
}
