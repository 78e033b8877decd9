//! The testbed's run folder: all of its state, in the cache and outside of every checkout.
//!
//! It exists exactly while a testbed may be running. It must not lie below `/var/lib`, `/var/log` or
//! `/run`: each node sees folders of its own there.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::place;

/// The state of the one testbed of this machine.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Names the run folder, whether it exists or not.
    pub(crate) fn locate() -> Result<Self> {
        Ok(Self { path: place::cache("")?.join("testbed-run") })
    }

    /// Makes the run folder and those in it.
    pub(crate) fn make(&self) -> Result<()> {
        for folder in [self.path.clone(), self.path.join("log"), self.path.join("pki")] {
            fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        }
        Ok(())
    }

    /// Removes the run folder with all that is in it.
    pub(crate) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", self.path.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Returns the path of a file in the run folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the log of a part.
    pub(crate) fn log(&self, part: &str) -> PathBuf {
        self.path.join("log").join(format!("{}.log", part.replace('/', "-")))
    }

    /// Writes a file and returns its path. Another task that reads it meets the old text or the new.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.file(name);
        if fs::read(&path).is_ok_and(|now| now == text.as_ref()) {
            return Ok(path);
        }
        let new = self.file(&format!("{name}.{}", std::process::id()));
        fs::write(&new, text).with_context(|| format!("write {}", new.display()))?;
        fs::rename(&new, &path).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// Keeps this very program as a file of the testbed, and returns its path: a build may replace the one that runs.
    pub(crate) fn this_program(&self) -> Result<PathBuf> {
        let program = fs::read("/proc/self/exe").context("read this program")?;
        let path = self.write("xtask", program)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))
            .with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    }

    /// Whether a testbed was started and not taken down.
    pub(crate) fn exists(&self) -> bool {
        self.path.is_dir()
    }
}

/// Waits until no other task holds the lock file `path`, and keeps others out until it is dropped.
pub(crate) fn one_at_a_time(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("make {}", path.display()))?;
    flock(&file, FlockOperation::LockExclusive).with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

/// Held while the testbed is started or taken down, so that two tasks never do it at once.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock. It goes with the process, however that ends: no daemon inherits it.
    pub(crate) fn take() -> Result<Self> {
        let path = place::cache("")?.join("testbed.lock");
        let file = File::create(&path).with_context(|| format!("make {}", path.display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => bail!("another task starts the testbed or takes it down right now"),
            Err(error) => Err(error).with_context(|| format!("lock {}", path.display())),
        }
    }
}
