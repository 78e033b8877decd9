//! The first process of a node: sees to the node's own file systems, name and addresses, starts its
//! parts, starts each again when it ends, and reaps what nobody else waits for.
//!
//! It must never return while the node lives: the kernel kills all of the node when it ends. Its
//! standard output is a pipe to the task that started it, closed after the first line.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Write as _, stderr, stdin, stdout};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{WaitOptions, wait};
use rustix::system::sethostname;
use serde_json::Value;

use super::network::{self, Node};
use super::node::RUNTIME;
use super::part;
use crate::command::command;

/// What the node says when its namespaces are there.
pub(crate) const READY: &str = "ready\n";
/// What it hears when its cable is there.
pub(crate) const GO: &str = "go\n";

/// Between the end of a part and its next start.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the runtime may take before the kubelet starts without it (and tries again).
const RUNTIME_START: Duration = Duration::from_secs(60);

/// Runs a node for ever; returns only with an error.
pub(crate) fn run(node: Node, plan: &Path) -> Result<()> {
    ensure!(std::process::id() == 1, "a node is started by `testbed up` only");
    let plan = fs::read_to_string(plan).with_context(|| format!("read {}", plan.display()))?;
    let plan: Value = serde_json::from_str(&plan).context("read the node's plan")?;
    file_systems(&path(&plan, "lib")?, &path(&plan, "log")?)?;
    sethostname(node.name().as_bytes()).context("set the host name")?;
    stdout().write_all(READY.as_bytes()).context("say that the namespaces are there")?;
    let mut word = String::new();
    stdin().read_line(&mut word).context("hear that the cable is there")?;
    ensure!(word == GO, "the task that starts the node died");
    network::configure(node)?;
    supervise(&plan)
}

/// Gives the node what nodes must not share; all else is this machine's.
fn file_systems(lib: &Path, log: &Path) -> Result<()> {
    let every = MountPropagationFlags::REC;
    mount_change("/", MountPropagationFlags::PRIVATE | every).context("keep mounts to this node")?;
    let usual = MountFlags::NOSUID | MountFlags::NODEV;
    mount("proc", "/proc", "proc", usual | MountFlags::NOEXEC, None).context("mount /proc")?;
    mount("tmpfs", "/run", "tmpfs", usual, None).context("mount /run")?;
    mount_bind(lib, "/var/lib").context("mount /var/lib")?;
    mount_bind(log, "/var/log").context("mount /var/log")?;
    // Volumes that spread mounts between a container and its node need it.
    mount_change("/", MountPropagationFlags::SHARED | every).context("share mounts within this node")
}

fn supervise(plan: &Value) -> Result<()> {
    let parts = plan["parts"].as_array().context("the plan has no parts")?;
    let mut running = BTreeMap::new();
    for part in parts {
        running.insert(start(plan, part)?, part);
        await_runtime();
    }
    loop {
        let ended = match wait(WaitOptions::empty()) {
            Ok(ended) => ended,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error).context("wait for the node's processes"),
        };
        let Some((pid, status)) = ended else { continue };
        // What is not a part is an orphan of the node: a container's shim or its child.
        let Some(part) = running.remove(&pid.as_raw_nonzero().get()) else { continue };
        writeln!(stderr(), "{} ended, {status:?}; starts again", part["name"]).context("write the log")?;
        sleep(PAUSE);
        running.insert(start(plan, part)?, part);
    }
}

fn start(plan: &Value, part: &Value) -> Result<i32> {
    let name = part["name"].as_str().context("a part has no name")?;
    let args = part["args"].as_array().context("a part has no arguments")?;
    let args: Vec<&str> = args.iter().filter_map(Value::as_str).collect();
    let mut inner = command(path(part, "program")?, args);
    inner.env("PATH", path(plan, "path")?);
    let child = part::mark(inner, name, &path(part, "log")?)?.spawn().with_context(|| format!("start {name}"))?;
    i32::try_from(child.id()).context("a process id that no kernel gives")
}

fn await_runtime() {
    let end = Instant::now() + RUNTIME_START;
    while UnixStream::connect(RUNTIME).is_err() && Instant::now() < end {
        sleep(Duration::from_millis(100));
    }
}

fn path(value: &Value, name: &str) -> Result<PathBuf> {
    let text = value[name].as_str().with_context(|| format!("the plan names no {name}"))?;
    Ok(PathBuf::from(text))
}
