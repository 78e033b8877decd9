//! Makes this machine ready for the tests, and says what it installs and why.
//!
//! Debian packages are installed only where their program is missing. What can lie in the cache
//! lies there: the guest's kernel, cargo-deny, cargo-fuzz.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::command::{self, capture, command, run};
use crate::guest;
use crate::place;

/// The target of the kernel tests: static, so that the same file runs here and in the guest.
pub(crate) const MUSL: &str = "x86_64-unknown-linux-musl";

/// The version of cargo-deny; 0.20 is what `deny.toml` is written for.
const DENY: &str = "0.20.2";

/// The version of cargo-fuzz.
const FUZZ: &str = "0.13.2";

/// The version of cargo-mutants.
const MUTANTS: &str = "27.0.0";

/// Counts instructions, whatever else the machine does.
const VALGRIND: (&str, &str, &str) = ("valgrind", "valgrind", "counts the instructions of the hot pure paths");

/// A program that has to be here, the Debian package that has it, and what needs it.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("git", "git", "tidy and the check for a clean tree ask it for the files"),
    ("nft", "nftables", "witness of the kernel tests: lists every rule"),
    ("iptables-save", "iptables", "witness of the kernel tests: rules that are not ours stay equal"),
    ("ip", "iproute2", "lays the cables of the kernel tests, and is a witness"),
    ("tc", "iproute2", "witness of the kernel tests: lists every qdisc"),
    ("depmod", "kmod", "makes the module tables of the guest's kernel"),
    ("runc", "runc", "real containers for the kernel tests"),
    ("qemu-system-x86_64", "qemu-system-x86", "boots the second kernel, with netem and cgroup v2"),
    VALGRIND,
];

/// Installs what is missing.
pub(crate) fn install() -> Result<()> {
    install_programs(PROGRAMS)?;
    static_builds()?;
    let kernel = guest::kernel::fetch()?;
    println!("   guest kernel {}", kernel.release);
    Ok(())
}

/// Installs the packages of those programs that are missing; each comes with its package and what needs it.
pub(crate) fn install_programs(programs: &[(&str, &str, &str)]) -> Result<()> {
    let root = capture(&mut command("id", ["-u"]))?;
    ensure!(root.trim() == "0", "this makes network namespaces and needs root");
    let missing: Vec<_> = programs.iter().filter(|(program, ..)| find(program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for (program, package, reason) in &missing {
        println!("   installs {package}: {program} {reason}");
    }
    run(&mut command("apt-get", ["-q", "update"]))?;
    let options = ["-q", "-y", "-o", "DPkg::Lock::Timeout=600", "install", "--no-install-recommends"];
    let packages = missing.iter().map(|(_, package, _)| *package);
    run(command("apt-get", options).args(packages).env("DEBIAN_FRONTEND", "noninteractive"))?;
    for (program, package, _) in &missing {
        ensure!(find(program).is_some(), "{package} is installed, and {program} is still missing");
    }
    Ok(())
}

/// Provides valgrind, and what the binary that it runs is built with.
pub(crate) fn valgrind() -> Result<()> {
    static_builds()?;
    let hint = "valgrind is missing, and instructions cannot be counted without it: install the package valgrind";
    install_programs(&[VALGRIND]).context(hint)
}

/// Provides what a static binary is built with: the target, and a C compiler for it (ring has C and assembly).
pub(crate) fn static_builds() -> Result<()> {
    install_programs(&[("x86_64-linux-musl-gcc", "musl-tools", "compiles the C in a static binary")])?;
    musl()
}

/// Looks for a program where commands look for it.
fn find(program: &str) -> Option<PathBuf> {
    command::path().split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

fn musl() -> Result<()> {
    let sysroot = capture(&mut command("rustc", ["--print", "sysroot"]))?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(MUSL).join("lib").is_dir() {
        return Ok(());
    }
    println!("   adds the Rust target {MUSL}: what is shipped, and what tests it, is one static binary");
    run(&mut command("rustup", ["target", "add", MUSL]))
}

/// cargo-deny, in the cache or on its way there.
#[derive(Debug)]
pub(crate) struct Deny {
    program: PathBuf,
    building: Option<JoinHandle<Result<()>>>,
}

impl Deny {
    /// Starts to build cargo-deny, at the lowest priority, if the cache lacks it.
    pub(crate) fn start() -> Result<Self> {
        let folder = place::cache(&format!("cargo-deny-{DENY}"))?;
        let program = folder.join("bin/cargo-deny");
        if program.is_file() {
            return Ok(Self { program, building: None });
        }
        println!("   builds cargo-deny {DENY} beside the other steps (about 5 min once): checks licences and bans");
        let building = thread::spawn(move || install_crate("cargo-deny", DENY, &folder));
        Ok(Self { program, building: Some(building) })
    }

    /// Waits until it is built and returns the program.
    pub(crate) fn wait(self) -> Result<PathBuf> {
        if let Some(building) = self.building {
            building.join().map_err(|_panic| anyhow!("the thread that builds cargo-deny panicked"))??;
        }
        Ok(self.program)
    }
}

/// Provides cargo-fuzz and what it compiles with, and returns its program. Nothing but the fuzzer needs it.
pub(crate) fn cargo_fuzz() -> Result<PathBuf> {
    install_programs(&[("g++", "g++", "compiles libFuzzer")])?;
    let folder = place::cache(&format!("cargo-fuzz-{FUZZ}"))?;
    let program = folder.join("bin/cargo-fuzz");
    if !program.is_file() {
        println!("   builds cargo-fuzz {FUZZ} (about 2 min once): runs the fuzz targets");
        install_crate("cargo-fuzz", FUZZ, &folder)?;
    }
    Ok(program)
}

/// Provides cargo-mutants, and returns its program. Nothing but mutation testing needs it.
pub(crate) fn cargo_mutants() -> Result<PathBuf> {
    let folder = place::cache(&format!("cargo-mutants-{MUTANTS}"))?;
    let program = folder.join("bin/cargo-mutants");
    if !program.is_file() {
        println!("   builds cargo-mutants {MUTANTS} (about 3 min once): changes the code and runs the tests");
        install_crate("cargo-mutants", MUTANTS, &folder)?;
    }
    Ok(program)
}

/// Builds a crate's programs into a folder of the cache, at the lowest priority; what is said meanwhile is kept until it
/// is done.
fn install_crate(name: &str, version: &str, folder: &Path) -> Result<()> {
    let log = folder.join("build.log");
    let file = std::fs::File::create(&log).with_context(|| format!("make {}", log.display()))?;
    let mut cargo =
        command("nice", ["-n", "19", "cargo", "install", "--quiet", "--locked", "--version", version, name]);
    cargo.arg("--root").arg(folder).arg("--target-dir").arg(folder.join("build"));
    // The workspace's own toolchain and flags are for the workspace.
    cargo.current_dir(folder).env_remove("RUSTFLAGS").stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    let status = cargo.status().with_context(|| format!("start cargo install {name}"))?;
    if !status.success() {
        let log = std::fs::read_to_string(log).context("read the log of cargo install")?;
        bail!("cargo install {name}: {status}\n{log}");
    }
    std::fs::remove_dir_all(folder.join("build")).with_context(|| format!("remove the build folder of {name}"))
}
