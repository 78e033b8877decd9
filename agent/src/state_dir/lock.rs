//! One holder per state directory, by a lock that the kernel drops with its last descriptor.
//!
//! What stands in the lock file is for people and for `halt`, which checks it against
//! the process before it acts. It must never be taken for the lock itself.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use rustix::fs::{Mode, OFlags, ftruncate, openat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{StateDirError, file, file_error};
use crate::kernel::pidfd::Identity;
use crate::kernel::proc::{boot_id, one};

pub(super) const LOCK: &str = "lock";

/// How often and how long a refused opener waits for a new holder to write itself down.
const READS: u32 = 10;
const BETWEEN_READS: Duration = Duration::from_millis(10);

/// The process that holds a state directory, as it wrote itself into the lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Holder {
    /// Its process id, in its own PID view.
    pub pid: u32,
    /// Its start time in clock ticks since boot.
    pub start: u64,
    /// The boot in which it runs.
    pub boot_id: String,
}

impl Holder {
    /// Returns what a process must be to be this holder.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            pid: self.pid,
            start: self.start,
            boot_id: self.boot_id.clone(),
            comm: None,
            cgroup: None,
            inode: None,
        }
    }

    /// Whether the process that is written down runs, as far as can be seen from here.
    fn runs(&self) -> bool {
        let same_boot = boot_id().is_ok_and(|boot_id| boot_id == self.boot_id);
        same_boot && one(self.pid).is_ok_and(|facts| facts.start == self.start)
    }
}

/// Who holds a state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockState {
    /// Nobody.
    Free,
    /// A process; none where it has not written itself down readably.
    Held(Option<Holder>),
}

/// Takes the lock, and writes this process into the lock file.
pub(super) fn take(dir: &OwnedFd, path: &Path) -> Result<OwnedFd, StateDirError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(dir, LOCK, flags, Mode::RUSR | Mode::WUSR);
    let file = file.map_err(|errno| file_error("open", LOCK, errno.into()))?;
    match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file())) {
        Ok(_) => {}
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => {
            return Err(StateDirError::Held { path: path.to_owned(), holder: read_holder(dir) });
        }
        Err(errno) => return Err(file_error("lock", LOCK, errno.into())),
    }
    let own = one(std::process::id()).map_err(StateDirError::Own)?;
    let boot_id = boot_id().map_err(StateDirError::Own)?;
    let holder = Holder { pid: own.pid, start: own.start, boot_id };
    write_holder(&file, &holder).map_err(|error| file_error("write", LOCK, error))?;
    Ok(file)
}

/// Returns who holds the lock, without taking it.
pub(super) fn examine(dir: &OwnedFd) -> Result<LockState, StateDirError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(dir, LOCK, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(LockState::Free),
        Err(errno) => return Err(file_error("open", LOCK, errno.into())),
    };
    let mut asked = whole_file();
    let answer = fcntl(&file, FcntlArg::F_OFD_GETLK(&mut asked));
    answer.map_err(|errno| file_error("examine", LOCK, errno.into()))?;
    if i32::from(asked.l_type) == libc::F_UNLCK {
        return Ok(LockState::Free);
    }
    Ok(LockState::Held(read_holder(dir)))
}

/// Returns ` (pid 7)` for an error text, or nothing.
pub(super) fn shown(holder: Option<&Holder>) -> String {
    holder.map(|holder| format!(" (pid {})", holder.pid)).unwrap_or_default()
}

fn write_holder(file: &OwnedFd, holder: &Holder) -> io::Result<()> {
    let mut text = serde_json::to_vec(holder)?;
    text.push(b'\n');
    // In one write over the last holder's, then cut: a reader never sees half of it.
    let written = rustix::io::pwrite(file, &text, 0)?;
    if written != text.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(ftruncate(file, u64::try_from(text.len()).map_err(io::Error::other)?)?)
}

/// Reads the holder, and again for a short time while what stands there is the last one's.
fn read_holder(dir: &OwnedFd) -> Option<Holder> {
    let read = || {
        let text = file::read(dir, LOCK).ok().flatten()?;
        let line = text.split(|byte| *byte == b'\n').next()?;
        serde_json::from_slice::<Holder>(line).ok()
    };
    let mut found = read();
    for _ in 0..READS {
        if found.as_ref().is_some_and(Holder::runs) {
            break;
        }
        std::thread::sleep(BETWEEN_READS);
        found = read();
    }
    found
}

/// A write lock over all of a file; the process field must be 0 for an OFD lock.
fn whole_file() -> libc::flock {
    let write = i16::try_from(libc::F_WRLCK).unwrap_or_default();
    let from_start = i16::try_from(libc::SEEK_SET).unwrap_or_default();
    libc::flock { l_type: write, l_whence: from_start, l_start: 0, l_len: 0, l_pid: 0 }
}
