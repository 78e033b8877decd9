//! The directory in which an agent keeps what must outlive it: instance id, lock,
//! journal, Halt and attestations.
//!
//! It must never be shared by two agents, and never be another user's: who can write
//! it decides what is swept and halted.

mod file;
mod halt;
mod lock;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, fchmod, fstat, mkdirat, openat};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use thiserror::Error;

pub use halt::{
    Halt, HaltState, read_attestation, read_halt, remove_attestation, remove_halt, write_attestation, write_halt,
};
pub use lock::{Holder, LockState};

use crate::kernel::proc::ProcError;

/// Name of the file with the instance id.
const INSTANCE: &str = "instance";

/// A state directory that cannot be used.
#[derive(Debug, Error)]
pub enum StateDirError {
    /// Another process holds it.
    #[error("state directory {path} is held by another process{}", lock::shown(holder.as_ref()))]
    Held {
        /// The directory.
        path: PathBuf,
        /// Who wrote itself into the lock file; none where that cannot be read.
        holder: Option<Holder>,
    },
    /// The path is a symbolic link or no directory.
    #[error("state directory {path} is a symbolic link or no directory")]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// It belongs to another user.
    #[error("state directory {path} belongs to user {owner}, not to {expected}")]
    ForeignOwner {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The effective user of this process.
        expected: u32,
    },
    /// The instance file does not hold an id. It is not made anew: the old id is in
    /// the names of what may have to be removed.
    #[error("the instance file holds no id of 8 hex digits: {found:?}")]
    Instance {
        /// What it holds.
        found: String,
    },
    /// A halt id that is no file name.
    #[error("halt id {id:?} is not 1 to 64 of a-z, 0-9 and dash")]
    HaltId {
        /// The id.
        id: String,
    },
    /// What this process is could not be read, to be written into the lock file.
    #[error("cannot read what this process is")]
    Own(#[source] ProcError),
    /// A file could not be read or written.
    #[error("cannot {what} {name} in the state directory")]
    File {
        /// What was being done.
        what: &'static str,
        /// Which file.
        name: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// A state directory that this process holds alone. Closing it gives it free.
///
/// A child made by fork shares the lock until it execs or exits.
#[derive(Debug)]
pub struct StateDir {
    dir: OwnedFd,
    path: PathBuf,
    instance: String,
    _lock: OwnedFd,
}

impl StateDir {
    /// Opens the directory, or makes it (mode 0700, its parent must exist), and takes its lock.
    ///
    /// # Errors
    /// [`StateDirError::Held`] when another process has it.
    pub fn open(path: &Path) -> Result<Self, StateDirError> {
        let path = plain(path);
        match mkdirat(CWD, &path, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(file_error("make", ".", errno.into())),
        }
        let dir = open_own(&path)?;
        // Made by someone else's hand (a kubelet makes 0755), or in spite of a umask.
        fchmod(&dir, Mode::RWXU).map_err(|errno| file_error("protect", ".", errno.into()))?;
        let lock = lock::take(&dir, &path)?;
        file::tidy(&dir);
        let instance = match read_instance(&dir)? {
            Some(instance) => instance,
            None => make_instance(&dir)?,
        };
        Ok(Self { dir, path, instance, _lock: lock })
    }

    /// Returns the random id of this directory: 8 hex digits, made once. It is a part
    /// of the name of everything that an agent makes.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Returns the directory's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl StateDir {
    /// Takes away what it holds, for when nothing is live and everything was told. What damage left stays.
    ///
    /// # Errors
    /// The first file that could not be removed.
    pub fn empty(&self) -> Result<(), StateDirError> {
        if crate::journal::is_damaged(&self.dir).unwrap_or(true) {
            return Ok(());
        }
        // The instance's id last but the lock: without a journal there is nothing that bears it.
        for name in [crate::journal::FILE, INSTANCE, lock::LOCK] {
            file::remove(&self.dir, name).map_err(|error| file_error("remove", name, error))?;
        }
        Ok(())
    }
}

impl AsFd for StateDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// A state directory that another process may hold.
#[derive(Debug)]
pub struct Observer {
    dir: OwnedFd,
    path: PathBuf,
}

impl Observer {
    /// Opens the directory without its lock; none when there is no such directory.
    ///
    /// # Errors
    /// Fails when it is a symbolic link or another user's.
    pub fn open(path: &Path) -> Result<Option<Self>, StateDirError> {
        let path = plain(path);
        match open_own(&path) {
            Ok(dir) => Ok(Some(Self { dir, path })),
            Err(StateDirError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the instance id; none when no agent has been here yet.
    ///
    /// # Errors
    /// Fails when the file is unreadable or holds no id.
    pub fn instance(&self) -> Result<Option<String>, StateDirError> {
        read_instance(&self.dir)
    }

    /// Returns whether a process holds it, and which.
    ///
    /// # Errors
    /// Fails when the lock file cannot be examined.
    pub fn holder(&self) -> Result<LockState, StateDirError> {
        lock::examine(&self.dir)
    }

    /// Returns the directory's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsFd for Observer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// Drops a slash at the end: with it, the kernel follows a link in spite of O_NOFOLLOW.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

fn open_own(path: &Path) -> Result<OwnedFd, StateDirError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = openat(CWD, path, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::LOOP | Errno::NOTDIR => StateDirError::NotADirectory { path: path.to_owned() },
        _ => file_error("open", ".", errno.into()),
    })?;
    let stat = fstat(&dir).map_err(|errno| file_error("examine", ".", errno.into()))?;
    let expected = rustix::process::geteuid().as_raw();
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(StateDirError::NotADirectory { path: path.to_owned() });
    }
    if stat.st_uid != expected {
        return Err(StateDirError::ForeignOwner { path: path.to_owned(), owner: stat.st_uid, expected });
    }
    Ok(dir)
}

fn read_instance(dir: &OwnedFd) -> Result<Option<String>, StateDirError> {
    let bytes = file::read(dir, INSTANCE).map_err(|error| file_error("read", INSTANCE, error))?;
    let Some(bytes) = bytes else { return Ok(None) };
    let found = String::from_utf8_lossy(&bytes).trim_end().to_owned();
    let is_hex = found.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if found.len() == 8 && is_hex { Ok(Some(found)) } else { Err(StateDirError::Instance { found }) }
}

/// Only under the lock.
fn make_instance(dir: &OwnedFd) -> Result<String, StateDirError> {
    let mut random = [0u8; 4];
    let count = getrandom(&mut random, GetRandomFlags::empty());
    let count = count.map_err(|errno| file_error("draw a random id for", INSTANCE, errno.into()))?;
    if count != random.len() {
        return Err(file_error("draw a random id for", INSTANCE, io::ErrorKind::UnexpectedEof.into()));
    }
    let instance = format!("{:08x}", u32::from_be_bytes(random));
    let written = file::replace(dir, INSTANCE, format!("{instance}\n").as_bytes());
    written.map_err(|error| file_error("write", INSTANCE, error))?;
    Ok(instance)
}

fn file_error(what: &'static str, name: &str, source: io::Error) -> StateDirError {
    StateDirError::File { what, name: name.to_owned(), source }
}
