//! The image: the release binary, static, in an OCI archive that needs no registry.
//!
//! It is what the Dockerfile says, built by buildah without a daemon; nothing of it is kept but the
//! archive. It must never hold a binary that needs a loader or a library: the image has none.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::command::{command, run};
use crate::place;
use crate::tools::{self, MUSL};

/// The most that the archive may weigh, in bytes.
const LIMIT: u64 = 25_000_000;

/// The name under which a container runtime knows `rumpus:VERSION`.
pub(crate) const REFERENCE: &str = concat!("docker.io/library/rumpus:", env!("CARGO_PKG_VERSION"));

/// Builds the binary and the archive, and returns where the archive lies.
pub(crate) fn build() -> Result<PathBuf> {
    tools::install_programs(&[
        ("buildah", "buildah", "builds the image without a daemon"),
        ("strip", "binutils", "takes line tables and names out of the image's binary"),
    ])?;
    tools::static_builds()?;
    let binary = binary()?;
    let archive = pack(&binary)?;
    let size = fs::metadata(&archive).with_context(|| format!("look at {}", archive.display()))?.len();
    println!("   {REFERENCE}: {} bytes in {}", size, archive.display());
    ensure!(size < LIMIT, "the image weighs {size} bytes; the limit is {LIMIT}");
    Ok(archive)
}

/// Returns where the release binary lies once it is built.
pub(crate) fn binary_path() -> Result<PathBuf> {
    Ok(place::target()?.join(MUSL).join("release/rumpus"))
}

/// Builds the release binary, at the lowest priority, without failpoints.
fn binary() -> Result<PathBuf> {
    let args = ["-n", "19", "cargo", "build", "--release", "--locked", "--package", "rumpus-cli", "--target", MUSL];
    run(command("nice", args).current_dir(place::root()?))?;
    let binary = binary_path()?;
    let bytes = fs::read(&binary).with_context(|| format!("read {}", binary.display()))?;
    ensure!(is_static(&bytes)?, "{} asks for a loader; the image has none", binary.display());
    Ok(binary)
}

/// Whether a 64-bit little-endian ELF file names no interpreter (a program header of type `PT_INTERP`, 3).
/// <https://refspecs.linuxfoundation.org/elf/gabi4+/ch5.pheader.html>
fn is_static(elf: &[u8]) -> Result<bool> {
    const INTERPRETER: u32 = 3;
    ensure!(elf.get(..6) == Some(b"\x7fELF\x02\x01"), "not a 64-bit little-endian ELF file");
    let short = |at: usize| elf.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes);
    let offset = elf.get(32..40).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    let (offset, size, count) =
        (offset.context("no header")?, short(54).context("no header")?, short(56).context("no header")?);
    let offset = usize::try_from(offset).context("a header beyond the file")?;
    ensure!(count > 0, "no program headers");
    for number in 0..usize::from(count) {
        let at = offset + number * usize::from(size);
        let kind = elf.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
        if kind.context("a header beyond the file")? == INTERPRETER {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Packs a binary; buildah's storage lies beside the archive and goes afterwards.
fn pack(binary: &Path) -> Result<PathBuf> {
    let folder = place::target()?.join("image");
    let (context, storage) = (folder.join("context"), folder.join("storage"));
    clear(&folder)?;
    fs::create_dir_all(&context).with_context(|| format!("make {}", context.display()))?;
    // Line tables and names are four fifths of the file; the build folder keeps them, for who has an address to look up.
    let mut strip = command("strip", ["-o"]);
    run(strip.arg(context.join("rumpus")).arg(binary))?;
    let archive = folder.join(concat!("rumpus-", env!("CARGO_PKG_VERSION"), ".tar"));
    let mut buildah = command("buildah", ["--storage-driver", "vfs", "--root"]);
    buildah.arg(storage.join("root")).arg("--runroot").arg(storage.join("run"));
    // The same binary makes the same image.
    buildah.args(["build", "--timestamp", "0", "--build-arg", "BINARY=rumpus", "--tag"]);
    buildah.arg(format!("oci-archive:{}:{REFERENCE}", archive.display()));
    buildah.arg("--file").arg(place::root()?.join("Dockerfile")).arg(&context);
    let outcome = run(&mut buildah);
    for leftover in [&storage, &context] {
        clear(leftover)?;
    }
    outcome.map(|()| archive)
}

fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_binary_is_told_from_a_static_one() {
        // The test itself asks for the loader; its first program headers are in the first page.
        let own = fs::read("/proc/self/exe").expect("the test has a file");
        assert!(!is_static(&own).expect("it is ELF"));
        let mut without = own;
        let offset =
            usize::try_from(u64::from_le_bytes(without[32..40].try_into().expect("eight bytes"))).expect("small");
        let (size, count) = (usize::from(without[54]), usize::from(without[56]));
        for number in 0..count {
            let at = offset + number * size;
            if without[at..at + 4] == [3, 0, 0, 0] {
                without[at] = 4;
            }
        }
        assert!(is_static(&without).expect("it is ELF"));
        assert!(is_static(b"#!/bin/sh").is_err());
    }
}
