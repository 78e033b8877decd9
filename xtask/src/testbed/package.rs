//! Unpacks Debian packages into the cache, keyed by version. Nothing is installed: the package's own
//! services never start, and the machine stays as it was.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::command::{capture, command, run};
use crate::place;

/// Returns the root of an unpacked package, downloading it first if need be.
pub(crate) fn unpack(package: &str, reason: &str) -> Result<PathBuf> {
    if let Ok(tree) = tree(package)
        && tree.is_dir()
    {
        return Ok(tree);
    }
    println!("   unpacks {package} into the cache: {reason}");
    // Stale lists name files that the archive does not have any more.
    run(&mut command("apt-get", ["-q", "update"]))?;
    let tree = tree(package)?;
    let folder = tree.parent().context("a cached package has no folder")?.to_path_buf();
    let download = folder.join("download");
    let unpacked = folder.join("unpacked");
    for leftover in [&download, &unpacked] {
        if leftover.exists() {
            fs::remove_dir_all(leftover).with_context(|| format!("remove {}", leftover.display()))?;
        }
        fs::create_dir_all(leftover).with_context(|| format!("make {}", leftover.display()))?;
    }
    // apt drops its rights to the user _apt for a download, unless the sandbox user is root.
    run(command("apt-get", ["-q", "-o", "APT::Sandbox::User=root", "download", package]).current_dir(&download))?;
    for entry in fs::read_dir(&download).context("list the downloaded package")? {
        run(&mut command("dpkg", ["-x".as_ref(), entry?.path().as_os_str(), unpacked.as_os_str()]))?;
    }
    fs::remove_dir_all(&download).context("remove the downloaded package")?;
    fs::rename(&unpacked, &tree).context("move the unpacked package into its place")?;
    Ok(tree)
}

/// Returns where today's version of a package lies or is to lie.
fn tree(package: &str) -> Result<PathBuf> {
    let policy = capture(&mut command("apt-cache", ["policy", package]))?;
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    let version = version.with_context(|| format!("apt knows no {package}; run `apt-get update`"))?;
    Ok(place::cache(&format!("{package}-{}", version.replace([':', '/'], "_")))?.join("tree"))
}
