//! Small files that are there as a whole or not at all, also after a power cut.
//!
//! It must never follow a symbolic link out of the directory.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, fsync, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// Most bytes read of a file; each is far smaller.
const READ_CAP: u64 = 1024 * 1024;

/// Returns what a file holds, or none when there is no such file.
pub(super) fn read(dir: &impl AsFd, name: &str) -> io::Result<Option<Vec<u8>>> {
    // O_NONBLOCK: a pipe put in the file's place must not hang the reader.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(dir, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let mut bytes = Vec::new();
    std::fs::File::from(file).take(READ_CAP).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Puts a file in place: new file, fsync, rename, fsync of the directory.
pub(super) fn replace(dir: &impl AsFd, name: &str, bytes: &[u8]) -> io::Result<()> {
    // Two writers (two `halt`s) must not write into one file.
    let temporary = format!(".{name}.{}.new", std::process::id());
    remove(dir, &temporary)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(dir, temporary.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
    let mut file = std::fs::File::from(file);
    file.write_all(bytes)?;
    file.sync_all()?;
    renameat(dir, temporary.as_str(), dir, name)?;
    Ok(fsync(dir)?)
}

/// Takes away what writers left that died between making a file and putting it in place. What cannot be taken away is
/// no harm: nobody reads it.
pub(super) fn tidy(dir: &impl AsFd) {
    let Ok(entries) = Dir::read_from(dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let writer = name.strip_prefix('.').and_then(|n| n.strip_suffix(".new")).and_then(|n| n.rsplit('.').next());
        let Some(pid) = writer.and_then(|pid| pid.parse::<i32>().ok()).and_then(Pid::from_raw) else { continue };
        if test_kill_process(pid) == Err(Errno::SRCH) {
            drop(remove(dir, &name));
        }
    }
}

/// Removes a file durably; returns whether there was one.
pub(super) fn remove(dir: &impl AsFd, name: &str) -> io::Result<bool> {
    match unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) => {
            fsync(dir)?;
            Ok(true)
        }
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
