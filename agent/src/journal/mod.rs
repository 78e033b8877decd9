//! The node's record of every fault, durable before the fault's first change.
//!
//! It must never accept a new fault that it could not record, never overwrite a
//! damaged file, and never call something durable after the disk refused to say so.

mod frame;
#[cfg(test)]
mod record;
mod recover;
mod storage;
#[cfg(test)]
mod tests;

use std::io;
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Mode, OFlags, accessat, fsync, linkat, openat, unlinkat};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

pub use frame::{BODY_CAP, EncodeError, encode};
#[cfg(test)]
use record::{NetnsRecord, Record, live};
pub use recover::{Damage, DamageKind, Recovered, recover};
pub use storage::{FileStorage, Storage};

/// Name of the journal in the state directory.
pub const FILE: &str = "journal";
/// Name of the marker that refuses new faults after damage, until it is cleared.
pub const DAMAGED_MARKER: &str = "journal.damaged";
/// Bytes that a new journal has, all written: so a full disk cannot keep an ending out.
pub const CAPACITY: usize = 1024 * 1024;

/// A journal that cannot be used, or not for this.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The record has no frame.
    #[error("cannot put a record into the journal")]
    Encode(#[from] EncodeError),
    /// The journal was damaged and nobody has cleared it since.
    #[error("the journal was damaged: new faults are refused until it is cleared")]
    Damaged,
    /// No room is left; the last quarter is kept for endings.
    #[error("the journal is full: {used} of {capacity} bytes")]
    Full {
        /// Bytes in use.
        used: usize,
        /// Bytes of the file.
        capacity: usize,
    },
    /// An earlier write or sync failed in a way that makes all later ones worthless.
    #[error("the journal has failed before and is not written any more")]
    Bad,
    /// The disk is full.
    #[error("no space to {what} the journal")]
    NoSpace {
        /// What was being done.
        what: &'static str,
        /// What the kernel answered.
        #[source]
        source: io::Error,
    },
    /// The file system is read-only.
    #[error("read-only file system: cannot {what} the journal")]
    ReadOnly {
        /// What was being done.
        what: &'static str,
        /// What the kernel answered.
        #[source]
        source: io::Error,
    },
    /// Something else went wrong.
    #[error("cannot {what} the journal")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the kernel answered.
        #[source]
        source: io::Error,
    },
}

/// An open journal. Only the holder of the state directory's lock may have one.
#[derive(Debug)]
pub struct Journal<R, S = FileStorage> {
    storage: S,
    used: usize,
    /// End of what a failed write may have left behind the last record.
    dirty: usize,
    capacity: usize,
    /// What a new file has at least.
    least: usize,
    damaged: bool,
    bad: bool,
    refused: bool,
    records: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned> Journal<R> {
    /// Opens the journal of a state directory, or makes it, and returns what it holds.
    ///
    /// A damaged one is kept as `journal.bad-<unix seconds>`; its readable records go
    /// into a new one, and a marker refuses new faults until [`clear_damage`].
    ///
    /// # Errors
    /// Fails when the directory cannot be read or written.
    pub fn open(dir: impl AsFd) -> Result<(Self, Recovered<R>), JournalError> {
        let own = dir.as_fd().try_clone_to_owned().map_err(|error| failed("open", error))?;
        let opened = FileStorage::open(own, FILE, CAPACITY);
        let storage = opened.map_err(|error| failed("open", error))?;
        let marked = is_damaged(&dir).map_err(|error| failed("examine", error))?;
        Self::over(storage, CAPACITY, marked, || {
            set_marker(&dir).map_err(|error| failed("mark", error))?;
            keep_aside(&dir).map_err(|error| failed("keep", error))
        })
    }
}

impl<R: Serialize + DeserializeOwned, S: Storage> Journal<R, S> {
    /// Opens the journal that a storage holds, made with `least` bytes, and returns what is in it. `damaged`: whether it
    /// was damaged before and nobody has cleared it; `keep` puts a damaged content aside before it is replaced.
    ///
    /// # Errors
    /// Fails when the storage cannot be read or written.
    pub fn over(
        mut storage: S,
        least: usize,
        damaged: bool,
        keep: impl FnOnce() -> Result<(), JournalError>,
    ) -> Result<(Self, Recovered<R>), JournalError> {
        let bytes = storage.read_all().map_err(|error| failed("read", error))?;
        let mut found = recover::<R>(&bytes);
        if found.damage.is_none() && bytes.len() < least {
            // It is made at its full size by one rename, so something has cut it.
            found.damage = Some(Damage { offset: bytes.len(), what: DamageKind::Shortened });
        }
        let size = if found.damage.is_some() { (0, least) } else { (found.end, bytes.len()) };
        let mut journal = Self::on(storage, size, least);
        if found.damage.is_some() {
            keep()?;
            journal.damaged = true;
            journal.compact(&found.records.iter().collect::<Vec<_>>())?;
            return Ok((journal, found));
        }
        journal.damaged = damaged;
        journal.wipe_torn_tail(&bytes)?;
        Ok((journal, found))
    }

    fn on(storage: S, (used, capacity): (usize, usize), least: usize) -> Self {
        let (dirty, records) = (used, PhantomData);
        Self { storage, used, dirty, capacity, least, damaged: false, bad: false, refused: false, records }
    }

    /// Zeros what a torn frame left, so that it cannot stick out behind a shorter one.
    fn wipe_torn_tail(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        let end = recover::used(bytes);
        if end <= self.used {
            return Ok(());
        }
        let zeros = vec![0; end - self.used];
        self.write(&zeros, "wipe").and_then(|()| self.sync())
    }

    /// Records that a fault is about to begin. When this returns, the record is durable.
    ///
    /// # Errors
    /// Fails, and the fault must not begin, when the record cannot be made durable, the
    /// journal is damaged, or only the last quarter (kept for endings) is free.
    pub fn append_intent(&mut self, record: &R) -> Result<(), JournalError> {
        if self.damaged {
            return Err(JournalError::Damaged);
        }
        let frame = encode(record)?;
        if self.used + frame.len() > self.capacity / 4 * 3 {
            return Err(JournalError::Full { used: self.used, capacity: self.capacity });
        }
        self.append_frame(&frame)
    }

    /// Records anything else. When this returns, the record is durable.
    ///
    /// # Errors
    /// Fails when it cannot be made durable; a fault ends all the same.
    pub fn append(&mut self, record: &R) -> Result<(), JournalError> {
        let frame = encode(record)?;
        self.append_frame(&frame)
    }

    fn append_frame(&mut self, frame: &[u8]) -> Result<(), JournalError> {
        let end = self.used + frame.len();
        if end > self.capacity {
            return Err(JournalError::Full { used: self.used, capacity: self.capacity });
        }
        // Covers the rest of an earlier frame that could only be written in part.
        let mut bytes = frame.to_vec();
        bytes.resize(frame.len().max(self.dirty.saturating_sub(self.used)), 0);
        self.write(&bytes, "append to")?;
        self.sync()?;
        self.used = end;
        self.dirty = end;
        self.refused = false;
        Ok(())
    }

    /// Puts only these records into the file, in one step. For when nothing is active,
    /// or [`wants_compaction`](Self::wants_compaction).
    ///
    /// # Errors
    /// The old content stands; a full disk does not make the journal bad.
    pub fn compact(&mut self, live: &[&R]) -> Result<(), JournalError> {
        let mut bytes = Vec::with_capacity(self.least);
        for record in live {
            bytes.extend(encode(record)?);
        }
        let used = bytes.len();
        // At least half is free afterwards, whatever a damaged file held.
        let capacity = self.least.max(used.saturating_mul(2));
        bytes.resize(capacity, 0);
        self.storage.replace(&bytes).map_err(|error| failed("compact", error))?;
        (self.used, self.dirty, self.capacity) = (used, used, capacity);
        // The new file was synced whole, so what became of the old one does not count.
        (self.bad, self.refused) = (false, false);
        Ok(())
    }

    /// Whether more than three quarters are in use, or the file took nothing the last time: a new one may be possible by
    /// now.
    #[must_use]
    pub fn wants_compaction(&self) -> bool {
        self.bad || self.refused || self.used > self.capacity / 4 * 3
    }

    /// Whether a new fault may be recorded, as far as is known without trying.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !self.bad && !self.refused && !self.damaged
    }

    /// Whether it was damaged and nobody has cleared it since it was opened.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Returns the bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used
    }

    fn write(&mut self, bytes: &[u8], what: &'static str) -> Result<(), JournalError> {
        if self.bad {
            return Err(JournalError::Bad);
        }
        let offset = u64::try_from(self.used).map_err(|error| failed(what, io::Error::other(error)))?;
        let written = self.storage.write_at(offset, bytes);
        self.dirty = self.dirty.max(self.used + bytes.len());
        written.map_err(|error| {
            let error = failed(what, error);
            self.refused = true;
            self.bad |= matches!(error, JournalError::Io { .. });
            error
        })
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        self.storage.sync().map_err(|error| {
            // The kernel may have dropped the pages: a later success would be a lie.
            self.bad = true;
            failed("sync", error)
        })
    }
}

/// Whether the journal of a state directory was damaged and nobody has cleared it since.
///
/// # Errors
/// Fails when the directory cannot be examined.
pub fn is_damaged(dir: impl AsFd) -> io::Result<bool> {
    match accessat(dir, DAMAGED_MARKER, rustix::fs::Access::EXISTS, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes the marker of damage, once nothing of a fault is left. The kept file stays.
///
/// # Errors
/// Fails when the directory cannot be written.
pub fn clear_damage(dir: impl AsFd) -> io::Result<()> {
    match unlinkat(&dir, DAMAGED_MARKER, AtFlags::empty()) {
        Ok(()) => Ok(fsync(dir)?),
        Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// The marker is durable before the damaged file is touched.
fn set_marker(dir: impl AsFd) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&dir, DAMAGED_MARKER, flags, Mode::RUSR | Mode::WUSR)?;
    fsync(&file)?;
    Ok(fsync(dir)?)
}

/// Gives the damaged file a second name, which the replacement of the first leaves alone.
fn keep_aside(dir: impl AsFd) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?.as_secs();
    for attempt in now..now + 100 {
        let kept = format!("{FILE}.bad-{attempt}");
        match linkat(&dir, FILE, &dir, kept.as_str(), AtFlags::empty()) {
            Ok(()) => return Ok(fsync(dir)?),
            Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn failed(what: &'static str, source: io::Error) -> JournalError {
    let kind = source.kind();
    if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        JournalError::NoSpace { what, source }
    } else if kind == io::ErrorKind::ReadOnlyFilesystem {
        JournalError::ReadOnly { what, source }
    } else {
        JournalError::Io { what, source }
    }
}
