//! Assembles the guest's initial file system: busybox, modules, the tools that judge, the program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::cpio::Archive;
use super::kernel::Kernel;
use super::modules;
use crate::command::{capture, command};

const INIT: &str = include_str!("init.sh");

/// Copied with their libraries: the tools that tests use as independent witnesses, and runc.
const TOOLS: &[&str] =
    &["/usr/sbin/nft", "/usr/sbin/tc", "/usr/sbin/ip", "/usr/sbin/xtables-nft-multi", "/usr/sbin/runc"];

/// Names under which one of the tools above answers.
const NAMES: &[(&str, &str)] = &[
    ("usr/sbin/iptables", "xtables-nft-multi"),
    ("usr/sbin/iptables-save", "xtables-nft-multi"),
    ("usr/sbin/iptables-restore", "xtables-nft-multi"),
    ("usr/sbin/ip6tables", "xtables-nft-multi"),
    ("usr/sbin/ip6tables-save", "xtables-nft-multi"),
    ("usr/sbin/ip6tables-restore", "xtables-nft-multi"),
    ("sbin/modprobe", "/bin/busybox"),
];

/// Applets that must not stand before the real tool of the same name.
const SHADOWED: &[&str] = &["busybox", "ip", "tc", "modprobe", "init"];

/// The program that the guest runs, and what the guest lacks.
#[derive(Debug)]
pub(crate) struct Program {
    /// A static binary of this machine; it is `/t` in the guest. Absent: `args` starts with a
    /// program of the guest.
    pub(crate) binary: Option<PathBuf>,
    /// What follows the program's name.
    pub(crate) args: Vec<String>,
    /// Kernel abilities to leave out, as [`modules::abilities`] names them.
    pub(crate) without: Vec<String>,
}

/// Returns the archive that the kernel unpacks at boot.
pub(crate) fn build(kernel: &Kernel, program: &Program) -> Result<Vec<u8>> {
    let known = modules::abilities();
    for ability in &program.without {
        ensure!(known.contains(&ability.as_str()), "--without {ability}: known are {}", known.join(", "));
    }
    let mut archive = Archive::default();
    for folder in ["proc", "sys", "dev", "root", "etc", "new"] {
        archive.folder(folder);
    }
    archive.file("init", 0o755, INIT.as_bytes().to_vec());
    archive.file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n".to_vec());
    archive.file("etc/group", 0o644, b"root:x:0:\nnogroup:x:65534:\n".to_vec());
    place_busybox(&mut archive, &kernel.busybox())?;
    place_tools(&mut archive)?;
    let at_boot = modules::place(&mut archive, &kernel.tree, &kernel.release, &program.without)?;
    archive.file("modules", 0o644, at_boot.join(" ").into_bytes());
    place_program(&mut archive, program)?;
    archive.bytes()
}

fn place_busybox(archive: &mut Archive, busybox: &Path) -> Result<()> {
    archive.copy("bin/busybox", busybox)?;
    let program = busybox.to_str().context("the cache folder's name is not text")?;
    for applet in capture(&mut command(program, ["--list"]))?.lines() {
        if !SHADOWED.contains(&applet) {
            archive.link(&format!("bin/{applet}"), "/bin/busybox");
        }
    }
    Ok(())
}

fn place_tools(archive: &mut Archive) -> Result<()> {
    let mut libraries = BTreeSet::new();
    for tool in TOOLS {
        let file = std::fs::canonicalize(tool).with_context(|| format!("find {tool}"))?;
        archive.copy(tool, &file)?;
        libraries.extend(needed_libraries(tool)?);
    }
    for (path, to) in NAMES {
        archive.link(path, to);
    }
    for library in libraries {
        archive.copy(&library, Path::new(&library))?;
    }
    // iptables loads its matches and targets from here when it prints or reads a rule.
    let plugins = "/usr/lib/x86_64-linux-gnu/xtables";
    for entry in std::fs::read_dir(plugins).with_context(|| format!("list {plugins}"))? {
        let path = entry?.path();
        archive.copy(path.to_str().context("a plugin's name is not text")?, &path)?;
    }
    Ok(())
}

/// Returns the libraries that the loader finds for a program, by the paths that it uses.
fn needed_libraries(tool: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for line in capture(&mut command("ldd", [tool]))?.lines() {
        if line.contains("not found") {
            bail!("{tool} lacks a library: {}", line.trim());
        }
        found.extend(line.split_whitespace().find(|word| word.starts_with('/')).map(str::to_owned));
    }
    Ok(found)
}

fn place_program(archive: &mut Archive, program: &Program) -> Result<()> {
    let mut words = Vec::new();
    if let Some(binary) = &program.binary {
        archive.copy("t", binary)?;
        words.push("/t".to_owned());
    }
    words.extend(program.args.iter().cloned());
    ensure!(!words.is_empty(), "the guest has nothing to run");
    ensure!(words.iter().all(|word| !word.contains('\n')), "an argument for the guest contains a line break");
    let mut text = words.join("\n");
    text.push('\n');
    archive.file("args", 0o644, text.into_bytes());
    Ok(())
}
