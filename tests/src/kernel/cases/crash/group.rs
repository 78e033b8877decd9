//! A cgroup of version 2 for one child, to be killed or frozen as a whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::kernel::lab::Lab;

/// Where version 2 is mounted: alone, or beside version 1.
const ROOTS: &[&str] = &["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// A cgroup; it is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Group(PathBuf);

impl Group {
    /// Makes one that is named after the lab.
    ///
    /// # Errors
    /// If version 2 is not mounted, or the kernel refuses.
    pub(super) fn new(lab: &Lab) -> Result<Self> {
        let root = ROOTS.iter().map(Path::new).find(|root| root.join("cgroup.controllers").exists());
        let root = root.context("no cgroup of version 2 is mounted")?;
        let path = root.join(format!("rt-crash-{}", lab.target().name()));
        fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Moves a process into it.
    ///
    /// # Errors
    /// What the kernel answered.
    pub(super) fn add(&self, pid: u32) -> Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Kills everything in it.
    ///
    /// # Errors
    /// What the kernel answered.
    pub(super) fn kill(&self) -> Result<()> {
        self.write("cgroup.kill", "1")
    }

    /// Freezes everything in it, or lets it go on.
    ///
    /// # Errors
    /// What the kernel answered.
    pub(super) fn freeze(&self, frozen: bool) -> Result<()> {
        self.write("cgroup.freeze", if frozen { "1" } else { "0" })
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.0.join(file);
        fs::write(&path, text).with_context(|| format!("write {text} to {}", path.display()))
    }

    fn remove(&self) -> Result<()> {
        for _attempt in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return Ok(());
            }
            // The killed are still on their way out.
            thread::sleep(Duration::from_millis(20));
        }
        bail!("{} cannot be removed", self.0.display())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.freeze(false));
        drop(self.kill());
        if let Err(error) = self.remove() {
            // The run's own look for residue finds it as well.
            drop(std::io::Write::write_all(&mut std::io::stderr(), format!("{error:#}\n").as_bytes()));
        }
    }
}
