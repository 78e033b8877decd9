//! The demo's own state directory, and the marker in it by which what a killed demo left is known as its own.
//!
//! The marker is locked as long as its demo lives, and written before anything is made. It must never be taken for a
//! dead demo's while its demo lives.

use super::namespace::{self, Directory};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const PARENT: &str = "/run";
const PREFIX: &str = "rumpus-demo-";
const FILE: &str = "demo.json";

/// What a demo says about itself before it makes anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Content {
    pid: u32,
    names: Vec<String>,
    directory: Directory,
}

/// A state directory that this demo holds.
#[derive(Debug)]
pub struct Marker {
    pub dir: PathBuf,
    pub directory: Directory,
    /// Its lock says that the demo lives.
    _file: File,
}

impl Marker {
    /// Makes the directory and the marker.
    ///
    /// # Errors
    /// It is there already, or cannot be written.
    pub fn make(directory: Directory) -> io::Result<Self> {
        let pid = std::process::id();
        let dir = Path::new(PARENT).join(format!("{PREFIX}{pid}"));
        DirBuilder::new().mode(0o700).create(&dir)?;
        let made = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(FILE))?;
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            let names = namespace::NAMES.map(str::to_owned).to_vec();
            file.write_all(&serde_json::to_vec(&Content { pid, names, directory })?)?;
            Ok(file)
        })();
        match made {
            Ok(file) => Ok(Self { dir, directory, _file: file }),
            Err(error) => {
                // Nothing but the half-written marker is in it.
                drop(fs::remove_dir_all(&dir));
                Err(error)
            }
        }
    }

    /// Removes the directory; with it the demo is over.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// What demos left, or are using.
#[derive(Debug, Default)]
pub struct Found {
    /// State directories of demos that live.
    pub living: Vec<PathBuf>,
    /// Of demos that died.
    pub dead: Vec<Dead>,
}

/// What a demo that died left behind.
#[derive(Debug)]
pub struct Dead {
    pub dir: PathBuf,
    names: Vec<String>,
    directory: Directory,
}

/// Looks for other demos.
///
/// # Errors
/// The directory of state directories cannot be read.
pub fn find() -> io::Result<Found> {
    let mut found = Found::default();
    for entry in fs::read_dir(PARENT)? {
        let entry = entry?;
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        // A symbolic link, or another user's directory, is not a demo's.
        let metadata = entry.metadata();
        if !is_ours || !metadata.is_ok_and(|m| m.is_dir() && m.uid() == rustix::process::geteuid().as_raw()) {
            continue;
        }
        match look(&entry.path())? {
            Some(dead) => found.dead.push(dead),
            None => found.living.push(entry.path()),
        }
    }
    Ok(found)
}

/// Returns what is left in a state directory; none while its demo lives.
fn look(dir: &Path) -> io::Result<Option<Dead>> {
    let nothing = Dead { dir: dir.to_owned(), names: Vec::new(), directory: Directory::default() };
    let file = match File::open(dir.join(FILE)) {
        Ok(file) => file,
        // It died before its marker, so before it made anything; or is about to write it, within a moment.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(is_old(dir).then_some(nothing)),
        Err(error) => return Err(error),
    };
    if flock(&file, FlockOperation::NonBlockingLockShared).is_err() {
        return Ok(None);
    }
    let content = serde_json::from_reader::<_, Content>(&file);
    Ok(match content {
        Ok(content) => Some(Dead { names: content.names, directory: content.directory, ..nothing }),
        Err(_half_written) if is_old(dir) => Some(nothing),
        Err(_half_written) => None,
    })
}

fn is_old(dir: &Path) -> bool {
    let age = dir.metadata().and_then(|m| m.modified()).ok().and_then(|at| at.elapsed().ok());
    age.is_some_and(|age| age.as_secs() >= 1)
}

impl Dead {
    /// Returns those of its namespaces that are still there.
    pub fn names(&self) -> Vec<&str> {
        let there = |name: &&str| namespace::taken().contains(name);
        self.names.iter().map(String::as_str).filter(there).collect()
    }

    /// Takes away what it left. Its services have ended by themselves. Returns what went wrong.
    pub fn remove(self) -> Vec<String> {
        let mut problems = Vec::new();
        let ours = |name: &String| namespace::NAMES.contains(&name.as_str());
        for name in self.names.iter().filter(|name| ours(name)) {
            if let Err(error) = namespace::remove(name) {
                problems.push(format!("remove netns {name}: {error}"));
            }
        }
        if let Err(error) = namespace::put_back(self.directory) {
            problems.push(format!("put /run/netns back: {error}"));
        }
        // Last, and only if the rest is gone: it is the only proof that the rest is ours.
        if problems.is_empty()
            && let Err(error) = fs::remove_dir_all(&self.dir)
        {
            problems.push(format!("remove {}: {error}", self.dir.display()));
        }
        problems
    }
}
