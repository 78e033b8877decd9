//! Runs the bench in a process of its own and cleans up behind it, however it ended.
//!
//! It must leave nothing: neither a namespace, nor a folder, nor a process of the run.
#![expect(clippy::print_stderr, reason = "progress is for who waits")]

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::Options;
use super::site;

/// A run takes two to three minutes on two idle cores.
const LIMIT: Duration = Duration::from_secs(600);

/// How often the run is looked at.
const TICK: Duration = Duration::from_millis(50);

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    /// By itself, and whether it measured everything.
    Itself(bool),
    /// It was killed, and why.
    Broken(&'static str),
}

/// Tells who waits what happens.
pub(super) fn progress(text: &str) {
    eprintln!("bench: {text}");
}

/// Runs the bench once more as a child, and removes all of its labs when it has ended.
pub(super) fn run(options: &Options) -> Result<bool> {
    let id = format!("bench{}", std::process::id());
    let mut command = Command::new(std::env::current_exe().context("find this binary")?);
    command.args(["bench", "--id", &id, "--toxiproxy"]).arg(&options.toxiproxy);
    if let Some(out) = &options.out {
        command.arg("--out").arg(out);
    }
    if let Some(only) = &options.only {
        command.args(["--only", only]);
    }
    let ended = to_its_end(&mut command, LIMIT)?;
    site::sweep(&id).context("remove the labs")?;
    match ended {
        Ended::Itself(whole) => Ok(whole),
        Ended::Broken(why) => bail!("the bench {why}; its labs are removed"),
    }
}

/// Runs a child until it ends, is asked to by a signal, or took too long; nothing of its group is left then.
pub(super) fn to_its_end(command: &mut Command, limit: Duration) -> Result<Ended> {
    let mut child = command.stdin(Stdio::null()).process_group(0).spawn().context("start the run")?;
    let group = Pid::from_raw(i32::try_from(child.id()).context("a process id out of range")?);
    // Only now: a child would inherit the mask.
    let (asked, signals) = channel();
    // Nobody listens any more once the run has ended.
    rumpus_cli::signals::take_over(move |signal| asked.send(signal).unwrap_or_default())
        .context("take over signals")?;
    let end = Instant::now() + limit;
    let ended = loop {
        if let Some(status) = child.try_wait().context("wait for the run")? {
            break Ended::Itself(status.success());
        }
        match signals.recv_timeout(TICK) {
            Err(RecvTimeoutError::Timeout) if Instant::now() < end => {}
            Err(RecvTimeoutError::Timeout) => break Ended::Broken("took too long"),
            Ok(_) | Err(RecvTimeoutError::Disconnected) => break Ended::Broken("was interrupted"),
        }
    };
    // What the run started is in its group; workers, which are not, end with their agents.
    match killpg(group, Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => bail!("end the run's processes: {error}"),
    }
    child.wait().context("wait for the run")?;
    Ok(ended)
}
