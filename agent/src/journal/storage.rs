//! Where a journal's bytes live: a port, so that a full or failing disk can be played.
//!
//! It must never answer that bytes are durable when the kernel did not say so.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Mode, OFlags, fdatasync, fsync, openat, renameat, unlinkat};

/// The bytes of one journal.
pub trait Storage {
    /// Returns everything from the start.
    ///
    /// # Errors
    /// What the kernel answered.
    fn read_all(&mut self) -> io::Result<Vec<u8>>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// What the kernel answered; some of the bytes may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// What the kernel answered; a second try that succeeds proves nothing.
    fn sync(&mut self) -> io::Result<()>;

    /// Puts `bytes` in place of everything, durably, all or nothing.
    ///
    /// # Errors
    /// What the kernel answered; the old content stands.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A journal in a file of a directory.
#[derive(Debug)]
pub struct FileStorage {
    dir: OwnedFd,
    name: &'static str,
    file: OwnedFd,
}

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

impl FileStorage {
    /// Opens the file; where there is none, makes one of `size` written zeros.
    ///
    /// # Errors
    /// What the kernel answered; a symbolic link is refused (ELOOP).
    pub fn open(dir: OwnedFd, name: &'static str, size: usize) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(&dir, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(rustix::io::Errno::NOENT) => write_anew(&dir, name, &vec![0; size])?,
            Err(errno) => return Err(errno.into()),
        };
        Ok(Self { dir, name, file })
    }
}

impl Storage for FileStorage {
    fn read_all(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut chunk = vec![0u8; 64 * 1024];
        loop {
            let at = u64::try_from(bytes.len()).map_err(io::Error::other)?;
            match rustix::io::pread(&self.file, &mut chunk, at) {
                Ok(0) => return Ok(bytes),
                Ok(count) => bytes.extend(chunk.iter().take(count)),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_all(&self.file, offset, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(fdatasync(&self.file)?)
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file = write_anew(&self.dir, self.name, bytes)?;
        Ok(())
    }
}

/// Writes a new file beside the old, makes it durable, and renames it over the old.
fn write_anew(dir: &OwnedFd, name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let temporary = format!("{name}.new");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(dir, temporary.as_str(), flags, FILE_MODE)?;
    // Written zeros, not reserved extents: only these are sure to take data on a full disk.
    let written = write_all(&file, 0, bytes).and_then(|()| Ok(fsync(&file)?));
    if let Err(error) = written.and_then(|()| Ok(renameat(dir, temporary.as_str(), dir, name)?)) {
        // What there is of it holds space that the disk may lack.
        return Err(match unlinkat(dir, temporary.as_str(), AtFlags::empty()) {
            Ok(()) => error,
            Err(left) => io::Error::new(error.kind(), format!("{error}; {temporary} is left: {left}")),
        });
    }
    fsync(dir)?;
    Ok(file)
}

fn write_all(file: &OwnedFd, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pwrite(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = bytes.get(count..).unwrap_or_default();
                offset += u64::try_from(count).map_err(io::Error::other)?;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_take_the_place_of_the_old_one_holds_no_space() {
        let folder = tempfile::tempdir().unwrap();
        // Nothing takes the place of a directory.
        std::fs::create_dir(folder.path().join("journal")).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(folder.path(), flags, Mode::empty()).unwrap();
        assert!(write_anew(&dir, "journal", &[7; 4096]).is_err());
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["journal"]);
        std::fs::remove_dir(folder.path().join("journal")).unwrap();
        write_anew(&dir, "journal", &[7; 4096]).unwrap();
        assert_eq!(std::fs::read(folder.path().join("journal")).unwrap(), [7; 4096]);
    }
}
