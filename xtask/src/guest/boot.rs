//! Boots the guest, shows its console, and brings back results and exit code.
//!
//! The console is the first serial port; results come over the second one, so that no kernel
//! message can fall between them. A guest that outlives its time is killed.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::image::{self, Program};
use super::kernel;
use crate::command::{command, judge};
use crate::place;

/// The device in the guest whose lines come back as results.
pub(crate) const RESULTS: &str = "/dev/ttyS1";

/// Lines of the console that a failure repeats.
const TAIL: usize = 40;

/// Memory and processors: runc containers and the tests' namespaces need about 300 MB.
///
/// One processor: with two, each on a thread of its own, QEMU 7.2 went on executing the `int3` with which the kernel
/// patches a static key when a netfilter hook is registered, after it had been patched away, and both hung for ever in
/// `asm_exc_int3` at `ip_local_deliver` (seen twice in four runs).
const SIZE: [&str; 4] = ["-m", "1024", "-smp", "1"];

/// What a guest left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The program's exit code.
    pub(crate) code: i32,
    /// The lines that the program wrote to the second serial port.
    pub(crate) results: Vec<String>,
}

/// Boots a guest that runs one program and powers off; `limit` is its whole life.
pub(crate) fn boot(program: &Program, limit: Duration) -> Result<Ended> {
    let kernel = kernel::fetch()?;
    let folder = Scratch::new()?;
    let initrd = folder.path.join("initrd");
    let bytes = image::build(&kernel, program)?;
    println!("   guest: kernel {}, image {} MB", kernel.release, bytes.len() / 1_000_000);
    fs::write(&initrd, bytes).with_context(|| format!("write {}", initrd.display()))?;
    let results = folder.path.join("results");

    let started = Instant::now();
    run_machine(&kernel.image(), &initrd, &results, limit)?;
    println!("   guest: powered off after {:.1} s", started.elapsed().as_secs_f64());
    read_results(&results)
}

fn run_machine(kernel: &Path, initrd: &Path, results: &Path, limit: Duration) -> Result<()> {
    let mut qemu = command(
        "qemu-system-x86_64",
        [
            "-machine",
            "q35",
            "-accel",
            "tcg,thread=single",
            "-cpu",
            "max",
            "-net",
            "none",
            "-display",
            "none",
            "-vga",
            "none",
            "-monitor",
            "none",
            "-no-reboot",
            "-serial",
            "stdio",
            "-append",
            // A guest that hangs ends at once, and says where it hung.
            "console=ttyS0 panic=-1 loglevel=5 softlockup_panic=1 random.trust_cpu=on",
        ],
    );
    qemu.args(SIZE).arg("-serial").arg(format!("file:{}", results.display()));
    qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(initrd);
    let mut child = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("start qemu-system-x86_64")?;
    match watch(&mut child, limit) {
        Ok(()) => {
            let status = child.wait().context("wait for qemu-system-x86_64")?;
            judge(&qemu, status)
        }
        Err(error) => {
            child.kill().context("kill the guest")?;
            child.wait().context("wait for the killed guest")?;
            Err(error)
        }
    }
}

/// Shows the console until it closes; fails with its tail when the time is over.
fn watch(child: &mut Child, limit: Duration) -> Result<()> {
    let console = child.stdout.take().context("the guest has no console pipe")?;
    let (sender, lines) = channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(console).split(b'\n') {
            let Ok(line) = line else { break };
            if sender.send(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()).is_err() {
                break;
            }
        }
    });
    let outcome = show(&lines, limit);
    if outcome.is_ok() && reader.join().is_err() {
        bail!("the reader of the guest's console died");
    }
    outcome
}

fn show(lines: &Receiver<String>, limit: Duration) -> Result<()> {
    let end = Instant::now() + limit;
    let mut tail = VecDeque::new();
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                println!("{line}");
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                let tail: Vec<String> = tail.into();
                bail!(
                    "the guest did not end within {} s; its console ends with:\n{}",
                    limit.as_secs(),
                    tail.join("\n")
                );
            }
        }
    }
}

/// Splits what came over the second port into results and the exit code that ends it.
fn read_results(file: &Path) -> Result<Ended> {
    let bytes = fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let mut results: Vec<String> =
        text.lines().map(|line| line.trim_end_matches('\r').to_owned()).filter(|line| !line.is_empty()).collect();
    let last = results.pop().context("the guest powered off without a word: it crashed, or the image is broken")?;
    let code = last
        .strip_prefix("exit ")
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("the guest's last word is not an exit code: {last}"))?;
    Ok(Ended { code, results })
}

/// A folder of this boot's own, removed with it.
#[derive(Debug)]
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new() -> Result<Self> {
        let path = place::cache("boots")?.join(std::process::id().to_string());
        fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            println!("   cannot remove {}: {error}", self.path.display());
        }
    }
}
