//! One control group, held by a descriptor of its directory.
//!
//! The descriptor means this very group: after rmdir and mkdir of the same name it
//! answers ENOENT, never the next container. Nothing here goes back to a path.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, fstat, fstatfs, openat};
use rustix::io::Errno;
use thiserror::Error;

use super::super::proc::read_at;
use super::hierarchies::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, has_magic, shown};

/// Deepest nesting below a container that is followed; systemd in a container needs 4.
const DEPTH_CAP: usize = 32;

/// A directory of a cgroup file system.
#[derive(Debug)]
pub struct CgroupDir {
    fd: OwnedFd,
    id: u64,
    unified: bool,
}

/// An operation on a control group that failed.
#[derive(Debug, Error)]
pub enum CgroupError {
    /// The group does not exist (any more).
    #[error("the control group is gone ({what})")]
    Gone {
        /// What was being done.
        what: &'static str,
    },
    /// The directory could not be opened.
    #[error("cannot open control group {path}")]
    Open {
        /// Its directory.
        path: String,
        /// What the kernel answered.
        #[source]
        source: Errno,
    },
    /// The directory is on another file system.
    #[error("{path} is not a control group")]
    NotCgroup {
        /// The directory.
        path: String,
    },
    /// One of its files could not be read or written.
    #[error("cannot use {file} of a control group")]
    File {
        /// Name of the file.
        file: &'static str,
        /// What the kernel answered.
        #[source]
        source: Errno,
    },
    /// A process in it is outside the agent's PID view (shown as 0).
    #[error("a process of the control group is outside the PID view")]
    OutsidePidView,
    /// A file has a form that this program does not know.
    #[error("{file} of a control group has an unknown form")]
    Form {
        /// Name of the file.
        file: &'static str,
    },
    /// The groups are nested too deeply.
    #[error("control groups are nested more than {DEPTH_CAP} deep")]
    TooDeep,
}

impl CgroupDir {
    /// Opens a group's directory.
    ///
    /// # Errors
    /// Fails when it is not there or is not on a cgroup file system.
    pub fn open(path: &Path) -> Result<Self, CgroupError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).map_err(|source| match source {
            Errno::NOENT => CgroupError::Gone { what: "open" },
            _ => CgroupError::Open { path: shown(path), source },
        })?;
        let failed = |source| CgroupError::Open { path: shown(path), source };
        let magic = fstatfs(&fd).map_err(failed)?.f_type;
        let unified = has_magic(magic, CGROUP2_SUPER_MAGIC);
        if !unified && !has_magic(magic, CGROUP_SUPER_MAGIC) {
            return Err(CgroupError::NotCgroup { path: shown(path) });
        }
        let id = fstat(&fd).map_err(failed)?.st_ino;
        Ok(Self { fd, id, unified })
    }

    /// Returns the inode of the directory; on v2 it is the kernel's cgroup id.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whether it belongs to a v2 hierarchy.
    #[must_use]
    pub fn is_unified(&self) -> bool {
        self.unified
    }

    /// Returns the processes in this group and in all below it, sorted, each once.
    ///
    /// # Errors
    /// Fails when the group is gone or holds a process outside the PID view.
    pub fn procs(&self) -> Result<Vec<u32>, CgroupError> {
        let mut found = Vec::new();
        procs_below(self.fd.as_fd(), 0, &mut found)?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Whether a live process is in this v2 group or below it.
    ///
    /// # Errors
    /// Fails when the group is gone, or on v1, which has no such file.
    pub fn populated(&self) -> Result<bool, CgroupError> {
        let text = read_at(&self.fd, EVENTS).map_err(|errno| file_error(EVENTS, errno))?;
        parse_populated(&String::from_utf8_lossy(&text)).ok_or(CgroupError::Form { file: EVENTS })
    }

    /// Kills every process in this v2 group and below it, forks included (from 5.14).
    ///
    /// # Errors
    /// `Gone` when the group, or on an older kernel the file, does not exist.
    pub fn kill_v2(&self) -> Result<(), CgroupError> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(&self.fd, KILL, flags, Mode::empty());
        let file = file.map_err(|errno| file_error(KILL, errno))?;
        let written = rustix::io::write(&file, b"1").map_err(|errno| file_error(KILL, errno))?;
        if written == 1 { Ok(()) } else { Err(CgroupError::Form { file: KILL }) }
    }

    /// Waits until no live process is in this v2 group; returns whether that came in time.
    ///
    /// # Errors
    /// Fails as [`Self::populated`] does.
    pub fn wait_empty(&self, timeout: Duration) -> Result<bool, CgroupError> {
        let deadline = Instant::now() + timeout;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(&self.fd, EVENTS, flags, Mode::empty());
        let file = file.map_err(|errno| file_error(EVENTS, errno))?;
        loop {
            // Read through the same descriptor: it is the reading that re-arms its POLLPRI.
            let mut buffer = [0u8; 256];
            let count = rustix::io::pread(&file, &mut buffer, 0).map_err(|errno| file_error(EVENTS, errno))?;
            let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default());
            if !parse_populated(&text).ok_or(CgroupError::Form { file: EVENTS })? {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let left = Timespec::try_from(left).ok();
            let mut polled = [PollFd::new(&file, PollFlags::PRI)];
            match poll(&mut polled, left.as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(file_error(EVENTS, errno)),
            }
        }
    }
}

const PROCS: &str = "cgroup.procs";
const EVENTS: &str = "cgroup.events";
const KILL: &str = "cgroup.kill";

fn file_error(file: &'static str, source: Errno) -> CgroupError {
    match source {
        Errno::NOENT | Errno::NODEV => CgroupError::Gone { what: file },
        _ => CgroupError::File { file, source },
    }
}

fn procs_below(dir: BorrowedFd<'_>, depth: usize, found: &mut Vec<u32>) -> Result<(), CgroupError> {
    if depth > DEPTH_CAP {
        return Err(CgroupError::TooDeep);
    }
    match read_at(&dir, PROCS) {
        Ok(text) => parse_procs(&String::from_utf8_lossy(&text), found)?,
        // A threaded v2 group: its processes are listed by the domain above it.
        Err(Errno::OPNOTSUPP) if depth > 0 => {}
        Err(errno) => return Err(file_error(PROCS, errno)),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let listed = openat(dir, ".", flags, Mode::empty()).map_err(|errno| file_error(PROCS, errno))?;
    for entry in Dir::read_from(&listed).map_err(|errno| file_error(PROCS, errno))? {
        let entry = entry.map_err(|errno| file_error(PROCS, errno))?;
        let name = entry.file_name();
        if entry.file_type() != FileType::Directory || matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let below = match openat(dir, name, flags | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(below) => below,
            Err(Errno::NOENT) => continue,
            Err(errno) => return Err(file_error(PROCS, errno)),
        };
        match procs_below(below.as_fd(), depth + 1, found) {
            // Removed meanwhile, so it was empty.
            Ok(()) | Err(CgroupError::Gone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads a list of processes, one id a line.
///
/// # Errors
/// Fails when one is outside the PID view, or no id.
pub fn parse_procs(text: &str, found: &mut Vec<u32>) -> Result<(), CgroupError> {
    for line in text.lines() {
        match line.parse() {
            Ok(0) => return Err(CgroupError::OutsidePidView),
            Ok(pid) => found.push(pid),
            Err(_) => return Err(CgroupError::Form { file: PROCS }),
        }
    }
    Ok(())
}

/// Returns whether an events file says that anything lives in the group; none where it does not say.
#[must_use]
pub fn parse_populated(text: &str) -> Option<bool> {
    match text.lines().find_map(|line| line.strip_prefix("populated "))? {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_lists_refuse_what_they_cannot_mean() {
        let mut found = Vec::new();
        parse_procs("12\n7\n", &mut found).unwrap();
        assert_eq!(found, [12, 7]);
        assert!(matches!(parse_procs("12\n0\n", &mut found), Err(CgroupError::OutsidePidView)));
        assert!(matches!(parse_procs("x\n", &mut found), Err(CgroupError::Form { .. })));
        assert_eq!(parse_populated("populated 1\nfrozen 0\n"), Some(true));
        assert_eq!(parse_populated("populated 0\n"), Some(false));
        assert_eq!(parse_populated("frozen 0\n"), None);
    }

    #[test]
    fn an_ordinary_directory_is_no_control_group() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(CgroupDir::open(dir.path()), Err(CgroupError::NotCgroup { .. })));
        let missing = dir.path().join("missing");
        assert!(matches!(CgroupDir::open(&missing), Err(CgroupError::Gone { .. })));
    }
}
