//! Named network namespaces, made as `ip netns add` makes them: an nsfs file, mounted below /run/netns.
//!
//! It must never touch a name that it did not make, and puts the directory back as it found it.

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rumpus_agent::kernel::netns::{self, NAMED, NetNs};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The names that a demo takes.
pub const NAMES: [&str; 3] = ["rumpus-demo-client", "rumpus-demo-api", "rumpus-demo-store"];

/// What was changed about the directory itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    pub made: bool,
    pub mounted: bool,
}

/// Returns the path of a name.
pub fn path(name: &str) -> PathBuf {
    Path::new(NAMED).join(name)
}

/// Returns those of a demo's names that exist.
pub fn taken() -> Vec<&'static str> {
    NAMES.into_iter().filter(|name| path(name).symlink_metadata().is_ok()).collect()
}

/// Returns what has to be done so that the directory can hold names.
///
/// # Errors
/// It cannot be read.
pub fn missing() -> io::Result<Directory> {
    let made = !Path::new(NAMED).is_dir();
    Ok(Directory { made, mounted: made || !is_mount_point(Path::new(NAMED))? })
}

/// Makes the directory a shared mount of its own, so that a name that is unmounted here is unmounted everywhere.
///
/// # Errors
/// The kernel refuses.
pub fn prepare(todo: Directory) -> io::Result<()> {
    if todo.made {
        DirBuilder::new().mode(0o755).recursive(true).create(NAMED)?;
    }
    if todo.mounted {
        mount(Some(NAMED), NAMED, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
        mount(None::<&str>, NAMED, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>)?;
    }
    Ok(())
}

/// Puts the directory back, unless somebody else keeps names in it meanwhile.
///
/// # Errors
/// The kernel refuses.
pub fn put_back(done: Directory) -> io::Result<()> {
    let in_use = || fs::read_dir(NAMED).map(|mut names| names.next().is_some());
    if !Path::new(NAMED).exists() || !done.mounted || in_use()? {
        return Ok(());
    }
    if is_mount_point(Path::new(NAMED))? {
        umount2(NAMED, MntFlags::MNT_DETACH)?;
    }
    // What is below the mount was there before us.
    if done.made && !in_use()? {
        fs::remove_dir(NAMED)?;
    }
    Ok(())
}

/// Makes a namespace under a free name.
///
/// # Errors
/// The name is taken, or the kernel refuses; then nothing is left of it.
pub fn add(name: &str) -> io::Result<NetNs> {
    let path = path(name);
    OpenOptions::new().write(true).create_new(true).mode(0o444).open(&path)?;
    let mounted =
        netns::scratch(|| mount(Some("/proc/thread-self/ns/net"), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>));
    let opened = match mounted {
        Ok(Ok(())) => NetNs::open(&path).map_err(io::Error::other),
        Ok(Err(errno)) => Err(errno.into()),
        Err(error) => Err(io::Error::other(error)),
    };
    if opened.is_err() {
        remove(name)?;
    }
    opened
}

/// Removes a name; the namespace goes when nothing is in it any more. A name that is gone is fine.
///
/// # Errors
/// The kernel refuses.
pub fn remove(name: &str) -> io::Result<()> {
    let path = path(name);
    match umount2(&path, MntFlags::MNT_DETACH) {
        // EINVAL: a demo that died between the file and the mount.
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Field 5 of a line of proc_pid_mountinfo(5) is where it is mounted.
fn is_mount_point(path: &Path) -> io::Result<bool> {
    let real = path.canonicalize()?;
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo")?;
    Ok(mounts.lines().filter_map(|line| line.split(' ').nth(4)).any(|at| Path::new(at) == real))
}
