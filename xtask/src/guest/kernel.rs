//! Fetches the guest's kernel and busybox: Debian packages, unpacked into the cache, not installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command::{capture, command, run};
use crate::place;

/// The metapackage; the concrete image is what it depends on today.
const METAPACKAGE: &str = "linux-image-cloud-amd64";

/// The kernel and busybox of the guest, on this machine's disk.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// Root of the unpacked packages.
    pub(crate) tree: PathBuf,
    /// The kernel's release, as `uname -r` says it.
    pub(crate) release: String,
}

impl Kernel {
    /// Returns the file to boot.
    pub(crate) fn image(&self) -> PathBuf {
        self.tree.join(format!("boot/vmlinuz-{}", self.release))
    }

    /// Returns the static busybox.
    pub(crate) fn busybox(&self) -> PathBuf {
        self.tree.join("bin/busybox")
    }
}

/// Returns the kernel from the cache, downloading it first if need be.
pub(crate) fn fetch() -> Result<Kernel> {
    if let Ok(package) = image_package() {
        let (folder, kernel) = place_of(&package)?;
        if folder.join("complete").exists() {
            return Ok(kernel);
        }
    }
    // Stale lists name files that the archive does not have any more.
    run(&mut command("apt-get", ["-q", "update"]))?;
    let package = image_package()?;
    let (folder, kernel) = place_of(&package)?;
    println!("   downloads {package} and busybox-static for the QEMU guest; unpacked into the cache, not installed");
    let packages = folder.join("packages");
    for leftover in [&packages, &kernel.tree] {
        if leftover.exists() {
            fs::remove_dir_all(leftover).with_context(|| format!("remove {}", leftover.display()))?;
        }
        fs::create_dir_all(leftover).with_context(|| format!("make {}", leftover.display()))?;
    }
    // apt drops its rights to the user _apt for a download, unless the sandbox user is root.
    let options = ["-q", "-o", "APT::Sandbox::User=root", "download", &package, "busybox-static"];
    run(command("apt-get", options).current_dir(&packages))?;
    for entry in fs::read_dir(&packages).context("list the downloaded packages")? {
        run(&mut command("dpkg", ["-x".as_ref(), entry?.path().as_os_str(), kernel.tree.as_os_str()]))?;
    }
    depmod(&kernel)?;
    fs::remove_dir_all(&packages).context("remove the downloaded packages")?;
    fs::write(folder.join("complete"), "").context("mark the guest's kernel as complete")?;
    Ok(kernel)
}

/// Returns the cache folder of a package, and the kernel that lies or is to lie there.
fn place_of(package: &str) -> Result<(PathBuf, Kernel)> {
    let release = package.trim_start_matches("linux-image-").to_owned();
    let folder = place::cache(&format!("guest-{release}"))?;
    let kernel = Kernel { tree: folder.join("tree"), release };
    Ok((folder, kernel))
}

/// Returns the package that the metapackage stands for.
fn image_package() -> Result<String> {
    let depends = capture(&mut command("apt-cache", ["depends", METAPACKAGE]))?;
    let name = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    let name = name.with_context(|| format!("{METAPACKAGE} depends on no image; run `apt-get update`"))?;
    Ok(format!("linux-image-{name}"))
}

/// The packages leave the module tables to a hook that runs at installation.
fn depmod(kernel: &Kernel) -> Result<()> {
    let tree: &Path = &kernel.tree;
    run(&mut command("depmod", ["-b".as_ref(), tree.as_os_str(), kernel.release.as_ref()]))
}
