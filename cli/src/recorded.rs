//! The journal as it is on disk, read without being opened for writing: its holder may live.

use rumpus_agent::core::{Intent, Record};
use rumpus_agent::journal::{Damage, FILE, recover};
use rumpus_agent::local::live;
use rumpus_agent::state_dir::Observer;
use rustix::fs::{Mode, OFlags, openat};
use std::fs::File;
use std::io::{self, Read};

/// Most bytes read of a journal: it is made with 1 MiB and grows only where that much is live.
const READ_CAP: u64 = 64 * 1024 * 1024;

/// What a journal says.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Faults without an end.
    pub live: Vec<Intent>,
    pub damage: Option<Damage>,
}

/// Reads the journal of a directory; none says nothing.
///
/// # Errors
/// What the kernel answered.
pub fn read(dir: &Observer) -> io::Result<Recorded> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(dir, FILE, flags, Mode::empty()) {
        Ok(file) => file,
        Err(rustix::io::Errno::NOENT) => return Ok(Recorded::default()),
        Err(errno) => return Err(errno.into()),
    };
    let mut bytes = Vec::new();
    File::from(file).take(READ_CAP).read_to_end(&mut bytes)?;
    let recovered = recover::<Record>(&bytes);
    Ok(Recorded { live: live(recovered.records).into_values().collect(), damage: recovered.damage })
}
