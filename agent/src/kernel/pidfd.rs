//! Pins one process, so that what was checked is what is signalled.
//!
//! A process id is reused, even within one tick of the start time; a pidfd is not.
//! So the pidfd is opened first, the identity is read after it, and a null signal
//! through it then proves that what was read was its process. It must never use kill(2).

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{fstat, fstatfs};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use thiserror::Error;

use super::proc::{ProcError, ProcessFacts, boot_id, one};

/// `PID_FS_MAGIC`, the file system of pidfds from 6.9, where the inode is unique until reboot:
/// <https://github.com/torvalds/linux/blob/v6.9/include/uapi/linux/magic.h>
const PIDFS_MAGIC: u32 = 0x5049_4446;

/// What a process must still be when it is signalled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Process id in the agent's PID view.
    pub pid: u32,
    /// Start time in clock ticks since boot.
    pub start: u64,
    /// The boot that pid and start time belong to.
    pub boot_id: String,
    /// The leader's name; `None` is not compared.
    pub comm: Option<String>,
    /// [`identity`](super::cgroup::CgroupPaths::identity) of its control groups; `None` is
    /// not compared.
    pub cgroup: Option<String>,
    /// Inode of a pidfd of it, unique until reboot; `None` (before 6.9) is not compared.
    /// Without it, a process of the same name that got the id within one tick passes.
    pub inode: Option<u64>,
}

impl Identity {
    /// Returns the identity that facts show, without the inode: see [`Pinned::identity`].
    #[must_use]
    pub fn of(facts: &ProcessFacts, boot_id: &str) -> Self {
        Self {
            pid: facts.pid,
            start: facts.start,
            boot_id: boot_id.to_owned(),
            comm: Some(facts.comm.clone()),
            cgroup: facts.cgroup.as_ref().map(|paths| paths.identity().to_owned()),
            inode: None,
        }
    }

    /// Returns the first field in which what runs under this pid differs.
    fn differs(&self, actual: &Self) -> Option<PidfdError> {
        let inode = |identity: &Self| identity.inode.map(|inode| inode.to_string());
        let (field, (expected, actual)) = if self.boot_id != actual.boot_id {
            ("boot id", (self.boot_id.clone(), actual.boot_id.clone()))
        } else if self.start != actual.start {
            ("start time", (self.start.to_string(), actual.start.to_string()))
        } else if let Some(pair) = changed(&self.comm, &actual.comm) {
            ("name", pair)
        } else if let Some(pair) = changed(&self.cgroup, &actual.cgroup) {
            ("control group", pair)
        } else if let Some(pair) = changed(&inode(self), &inode(actual)) {
            ("pidfd inode", pair)
        } else {
            return None;
        };
        Some(PidfdError::NotTheSame { pid: self.pid, field, expected, actual })
    }
}

/// A field that was known and is not readable any more is a difference.
fn changed(expected: &Option<String>, actual: &Option<String>) -> Option<(String, String)> {
    match expected {
        Some(known) if expected != actual => Some((known.clone(), actual.clone().unwrap_or_default())),
        Some(_) | None => None,
    }
}

/// A process that could not be pinned, signalled or watched.
#[derive(Debug, Error)]
pub enum PidfdError {
    /// It has exited.
    #[error("process {pid} is gone")]
    Gone {
        /// Its id.
        pid: u32,
    },
    /// Another process runs under its id, or it is not what it was.
    #[error("process {pid} has another {field} than expected: {actual}, not {expected}")]
    NotTheSame {
        /// The id.
        pid: u32,
        /// What differs.
        field: &'static str,
        /// What the plan says.
        expected: String,
        /// What runs; empty where it cannot be read.
        actual: String,
    },
    /// The kernel does not allow it.
    #[error("no permission to {what} process {pid}")]
    Denied {
        /// Its id.
        pid: u32,
        /// What was being done.
        what: &'static str,
    },
    /// The identity could not be read.
    #[error("cannot read what process {pid} is")]
    Read {
        /// Its id.
        pid: u32,
        /// The cause.
        #[source]
        source: ProcError,
    },
    /// The kernel refused otherwise.
    #[error("cannot {what} process {pid}")]
    Os {
        /// Its id.
        pid: u32,
        /// What was being done.
        what: &'static str,
        /// What the kernel answered.
        #[source]
        source: Errno,
    },
}

/// A process held by a pidfd, whose identity was checked after the pidfd was opened.
#[derive(Debug)]
pub struct Pinned {
    fd: OwnedFd,
    facts: ProcessFacts,
    identity: Identity,
}

impl Pinned {
    /// Pins the process that `expected` describes.
    ///
    /// # Errors
    /// `Gone` when it has exited, `NotTheSame` when its id means another process.
    pub fn open(expected: &Identity) -> Result<Self, PidfdError> {
        let pid = expected.pid;
        let fd = open_pidfd(pid)?;
        let facts = one(pid).map_err(|source| match source {
            ProcError::Gone { .. } => PidfdError::Gone { pid },
            ProcError::List(_) | ProcError::Read { .. } | ProcError::Form { .. } | ProcError::BootId(_) => {
                PidfdError::Read { pid, source }
            }
        })?;
        // Whoever it was: a zombie has left its groups already, so compare nothing.
        if facts.has_exited() {
            return Err(PidfdError::Gone { pid });
        }
        let boot_id = boot_id().map_err(|source| PidfdError::Read { pid, source })?;
        let identity = Identity { inode: pidfs_inode(&fd), ..Identity::of(&facts, &boot_id) };
        if let Some(error) = expected.differs(&identity) {
            // A process on its way out loses its groups first: then it is gone, not another.
            let gone = wait_readable(&fd, Duration::ZERO).unwrap_or(false);
            return Err(if gone { PidfdError::Gone { pid } } else { error });
        }
        // The pidfd's process lives still, so nothing else can have had its id meanwhile.
        send_null(&fd).map_err(|errno| failed(pid, "probe", errno))?;
        Ok(Self { fd, facts, identity })
    }

    /// Returns what the process was when it was pinned.
    #[must_use]
    pub fn facts(&self) -> &ProcessFacts {
        &self.facts
    }

    /// Returns all that tells this process from any other, for a plan.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Sends a signal to this very process.
    ///
    /// # Errors
    /// `Gone` when it has been reaped; a zombie takes signals and ignores them.
    pub fn signal(&self, signal: Signal) -> Result<(), PidfdError> {
        pidfd_send_signal(&self.fd, signal).map_err(|errno| failed(self.facts.pid, "signal", errno))
    }

    /// Waits until all its threads have exited; returns whether that came in time.
    /// A zombie is gone; a leader that has exited before its threads is not.
    ///
    /// # Errors
    /// Fails when the pidfd cannot be polled.
    pub fn wait_gone(&self, timeout: Duration) -> Result<bool, PidfdError> {
        wait_readable(&self.fd, timeout).map_err(|errno| failed(self.facts.pid, "watch", errno))
    }
}

/// Whether SIGTERM will change nothing: it is ignored, or the process is PID 1 of a
/// PID namespace and has no handler for it (the kernel then drops it, also from the host).
#[must_use]
pub fn sigterm_ignored(facts: &ProcessFacts) -> Option<bool> {
    // signal(7): SIGTERM is 15 and bit `n - 1` stands for signal `n`.
    const SIGTERM_BIT: u64 = 1 << (15 - 1);
    let ignored = facts.ignored? & SIGTERM_BIT != 0;
    let caught = facts.caught? & SIGTERM_BIT != 0;
    Some(ignored || (facts.init_of_pid_namespace? && !caught))
}

/// Opens a pidfd without any check: for a process whose membership is checked after.
pub(super) fn open_pidfd(pid: u32) -> Result<OwnedFd, PidfdError> {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(PidfdError::Gone { pid })?;
    pidfd_open(raw, PidfdFlags::empty()).map_err(|errno| match errno {
        // The id of a thread that leads no process, which kernels before 6.15 answer so (later ones: ENOENT):
        // the process that had it is gone. Nothing else of the call can be wrong: no flags, an id above 0.
        Errno::INVAL => PidfdError::Gone { pid },
        _ => failed(pid, "open", errno),
    })
}

/// Waits until a pidfd is readable; returns whether that came in time.
pub(super) fn wait_readable(fd: &OwnedFd, timeout: Duration) -> rustix::io::Result<bool> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // A wait too long for the type is a wait without end.
        let bound = Timespec::try_from(left).ok();
        let mut polled = [PollFd::new(fd, PollFlags::IN)];
        match poll(&mut polled, bound.as_ref()) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno),
        }
    }
}

fn failed(pid: u32, what: &'static str, source: Errno) -> PidfdError {
    match source {
        Errno::SRCH | Errno::NOENT => PidfdError::Gone { pid },
        Errno::PERM | Errno::ACCESS => PidfdError::Denied { pid, what },
        _ => PidfdError::Os { pid, what, source },
    }
}

fn pidfs_inode(fd: &OwnedFd) -> Option<u64> {
    let magic = u32::try_from(fstatfs(fd).ok()?.f_type).ok()?;
    (magic == PIDFS_MAGIC).then(|| fstat(fd).ok().map(|stat| stat.st_ino))?
}

#[expect(unsafe_code, reason = "rustix has no null signal for pidfds")]
fn send_null(fd: &OwnedFd) -> rustix::io::Result<()> {
    // SAFETY: pass an open descriptor, signal 0, no siginfo and no flags; the call
    // reads no memory of ours.
    let answer = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), 0, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    if answer == 0 {
        return Ok(());
    }
    let errno = std::io::Error::last_os_error().raw_os_error();
    Err(errno.map_or(Errno::IO, Errno::from_raw_os_error))
}

#[cfg(test)]
mod tests;
