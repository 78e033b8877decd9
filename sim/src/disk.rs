//! The disk of a node, under the production journal: what was written and not yet made durable is lost, whole or in part,
//! when the machine stops; a write that fails may have been done in part; a full disk takes what its last page has room for.
//! `sim/tests/disk.rs` compares it with a file.
//!
//! It must never keep what was not synced for certain, and never lose what was.

use crate::rng::{FNV, fnv};
use rumpus_agent::journal::Storage;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

/// How big a journal is made: small, so that it fills up.
pub const CAPACITY: usize = 16 * 1024;

/// What a file system gives room by.
const PAGE: usize = 4096;

/// What goes wrong at the next write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// ENOSPC: what lies beyond the page that the write begins in is not written, and nothing is replaced.
    Full,
    /// EIO when it is to be made durable: readers see it, half of it stays.
    Broken,
    /// The machine stops in the middle of it: so many bytes were written.
    Torn(usize),
}

#[derive(Default)]
struct Platter {
    /// What a reader sees.
    shown: Vec<u8>,
    /// What is there after the machine has stopped.
    durable: Vec<u8>,
    fault: Option<Fault>,
    /// It was made at all.
    made: bool,
}

/// What is on it is long: its hash stands for it.
impl fmt::Debug for Platter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, durable) = (fnv(&self.shown, FNV), fnv(&self.durable, FNV));
        write!(f, "Platter({shown:x} {durable:x} {:?} {})", self.fault, self.made)
    }
}

/// A disk; its copies are the same one.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the journal where there is none, and returns whether it was so.
    pub fn make(&self) -> bool {
        let mut platter = self.platter();
        if !platter.made {
            platter.shown = vec![0; CAPACITY];
            platter.durable = platter.shown.clone();
        }
        !std::mem::replace(&mut platter.made, true)
    }

    /// The next write goes wrong.
    pub fn goes_wrong(&self, fault: Option<Fault>) {
        self.platter().fault = fault;
    }

    /// The machine stops: what was not made durable is gone.
    pub fn stops(&self) {
        let mut platter = self.platter();
        platter.shown = platter.durable.clone();
        platter.fault = None;
    }

    /// Returns what a reader sees.
    pub fn bytes(&self) -> Vec<u8> {
        self.platter().shown.clone()
    }

    /// Puts back what was there before.
    pub fn put_back(&self, bytes: &[u8]) {
        let mut platter = self.platter();
        (platter.shown, platter.durable) = (bytes.to_vec(), bytes.to_vec());
    }
}

fn put(into: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    // Nothing makes no file longer.
    if bytes.is_empty() {
        return;
    }
    let end = offset + bytes.len();
    if into.len() < end {
        into.resize(end, 0);
    }
    if let Some(place) = into.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

impl Storage for Disk {
    fn read_all(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.bytes())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut platter = self.platter();
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        match platter.fault {
            Some(Fault::Full) => {
                platter.fault = None;
                let room = PAGE - offset % PAGE;
                // One that stays within its page lacks the room for all of it.
                put(&mut platter.shown, offset, bytes.get(..room).unwrap_or_default());
                Err(io::ErrorKind::StorageFull.into())
            }
            Some(Fault::Torn(count)) => {
                let part = bytes.get(..count.min(bytes.len())).unwrap_or_default();
                put(&mut platter.shown, offset, part);
                put(&mut platter.durable, offset, part);
                Err(io::Error::other("the machine has stopped"))
            }
            Some(Fault::Broken) => {
                put(&mut platter.shown, offset, bytes);
                let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
                put(&mut platter.durable, offset, half);
                Ok(())
            }
            None => {
                put(&mut platter.shown, offset, bytes);
                Ok(())
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut platter = self.platter();
        match platter.fault.take() {
            Some(Fault::Full) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Broken | Fault::Torn(_)) => Err(io::Error::other("EIO")),
            None => {
                platter.durable = platter.shown.clone();
                Ok(())
            }
        }
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut platter = self.platter();
        match platter.fault.take() {
            Some(Fault::Full) => Err(io::ErrorKind::StorageFull.into()),
            Some(Fault::Broken | Fault::Torn(_)) => Err(io::Error::other("EIO")),
            None => {
                (platter.shown, platter.durable) = (bytes.to_vec(), bytes.to_vec());
                Ok(())
            }
        }
    }
}
