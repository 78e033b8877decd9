//! A named network namespace, as `ip netns` knows it, and ways to do something inside it.
//!
//! Only threads made for it enter a namespace, and they end there: no thread of the case is ever
//! left in a namespace that it does not expect.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

/// Where `ip netns` looks for names.
pub(super) const FOLDER: &str = "/run/netns";

/// One end of the cable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The end that faults are done to.
    Target,
    /// The other end.
    Peer,
}

impl Side {
    pub(super) fn letter(self) -> char {
        match self {
            Self::Target => 't',
            Self::Peer => 'p',
        }
    }
}

/// A network namespace, with a name or of a process.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    path: PathBuf,
    handle: File,
}

impl Namespace {
    /// Makes a namespace and its name; the name must be free.
    pub(super) fn create(name: &str) -> Result<Self> {
        fs::create_dir_all(FOLDER).with_context(|| format!("make {FOLDER}"))?;
        let path = path(name);
        File::create_new(&path).with_context(|| format!("make {}", path.display()))?;
        let bound = thread::scope(|scope| {
            let inside = scope.spawn(|| -> Result<()> {
                unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace")?;
                mount(Some("/proc/thread-self/ns/net"), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                    .with_context(|| format!("bind the namespace to {}", path.display()))
            });
            inside.join().map_err(|_panic| anyhow!("the thread that makes a namespace panicked"))?
        });
        bound?;
        let handle = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        Ok(Self { name: name.to_owned(), path, handle })
    }

    /// Opens the namespace of a process of somebody else's; `name` is for messages only.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn of_process(name: &str, pid: i32) -> Result<Self> {
        let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
        let handle = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        Ok(Self { name: name.to_owned(), path, handle })
    }

    /// Returns the name under which `ip netns` and policies know the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the namespace's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a function inside the namespace, on a thread of its own, and returns what it returns.
    ///
    /// # Errors
    /// The function's own, or if the namespace cannot be entered, or the function panics.
    pub fn run<T: Send>(&self, function: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter()?;
                function()
            });
            inside.join().map_err(|_panic| anyhow!("a function inside {} panicked", self.name))?
        })
    }

    /// Moves the calling thread into the namespace for good.
    pub(super) fn enter(&self) -> Result<()> {
        setns(&self.handle, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter {}", self.name))
    }

    /// Runs a tool of the machine inside the namespace and returns its standard output.
    ///
    /// # Errors
    /// If it cannot be started, ends with anything but 0, or is killed; with its standard error.
    pub fn tool(&self, program: &str, args: &[&str]) -> Result<String> {
        let output = self.run(|| {
            Command::new(program).args(args).output().with_context(|| format!("start {program}; is it installed?"))
        })?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            bail!("{program} {} in {}: {}: {errors}", args.join(" "), self.name, output.status);
        }
        String::from_utf8(output.stdout).with_context(|| format!("read the output of {program}"))
    }

    /// Starts a program inside the namespace; the caller owns the child and has to end it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(&self, command: &mut Command) -> Result<std::process::Child> {
        // The child inherits the namespace of the thread that forks it.
        self.run(|| command.spawn().context("start a program inside the lab"))
    }
}

/// Removes a namespace's name; a name that does not exist is fine.
pub(super) fn remove(name: &str) -> Result<()> {
    let path = path(name);
    if !path.exists() {
        return Ok(());
    }
    if is_mounted(&path)? {
        umount2(&path, MntFlags::MNT_DETACH).with_context(|| format!("unmount {}", path.display()))?;
    }
    fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))
}

fn is_mounted(path: &Path) -> Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("read the mounts")?;
    let wanted = path.to_str().context("the namespace's name is not text")?;
    Ok(mounts.lines().any(|line| line.split(' ').nth(4) == Some(wanted)))
}

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}
