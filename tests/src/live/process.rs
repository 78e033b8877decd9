//! Processes of pods, as this machine's process table shows them, each held by a descriptor.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process of a pod. Its descriptor names it for ever, however often its id is used again.
#[derive(Debug)]
pub struct Process {
    /// As this machine's first namespace counts.
    pub pid: i32,
    /// The id of its container, without the runtime's name.
    pub container: String,
    /// Whether it is the first process of its container.
    pub first: bool,
    handle: OwnedFd,
}

impl Process {
    /// Whether it has ended, or does so within `limit`.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn ends_within(&self, limit: Duration) -> Result<bool> {
        let limit = Timespec::try_from(limit).context("a time that no clock can hold")?;
        let ready = poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], Some(&limit));
        Ok(ready.context("wait for a process")? > 0)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        pidfd_send_signal(&self.handle, signal).with_context(|| format!("signal process {}", self.pid))
    }
}

/// Returns the processes of a pod, those of its sandbox too.
///
/// # Errors
/// If the process table cannot be read.
pub fn of_pod(uid: &str) -> Result<Vec<Process>> {
    all(|pid| container_of(pid, uid))
}

/// Returns the oldest process with this variable (`NAME=value`) in its environment; its container is empty.
///
/// # Errors
/// If the process table cannot be read.
pub fn with_environment(variable: &str) -> Result<Option<Process>> {
    let has = |pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        environment.split(|byte| *byte == 0).any(|one| one == variable.as_bytes()).then(String::new)
    };
    Ok(all(has)?.into_iter().min_by_key(|process| process.pid))
}

fn all(container: impl Fn(i32) -> Option<String>) -> Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("list the processes")? {
        let name = entry.context("list the processes")?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        found.extend(open(pid, &container)?);
    }
    Ok(found)
}

/// Opens a process if it is wanted; the descriptor comes before what is read for good.
fn open(pid: i32, container: impl Fn(i32) -> Option<String>) -> Result<Option<Process>> {
    if container(pid).is_none() {
        return Ok(None);
    }
    let handle = match pidfd_open(Pid::from_raw(pid).context("a process id of 0")?, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(Errno::SRCH) => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("open process {pid}")),
    };
    let (Some(container), Ok(status)) = (container(pid), fs::read_to_string(format!("/proc/{pid}/status"))) else {
        return Ok(None);
    };
    // The last number is the id in the innermost namespace.
    let own = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let first = own.split_whitespace().count() > 1 && own.split_whitespace().last() == Some("1");
    Ok(Some(Process { pid, container, first, handle }))
}

/// Returns the container of a process that is of the pod: the kubelet and the runtime name control groups so.
fn container_of(pid: i32, uid: &str) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let pod = format!("/pod{uid}/");
    groups.lines().find_map(|line| line.split_once(&pod).map(|(_, container)| container.to_owned()))
}
