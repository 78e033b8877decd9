//! Runs cases side by side, each in a process of its own.
//!
//! A process per case: one that hangs is killed with all its children's group, one that crashes is
//! a failure and not the end of the run, and threads that entered a namespace are gone with it. The
//! runner then removes what the case left of its lab; a case that passed and left something failed.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::case::{Case, Settings};
use super::lab::{self, Lab};
use super::matrix::Kernel;
use super::report::{Outcome, Report};

/// The life of one case: the longest wait for a worker's timer and a lease.
const LIMIT: Duration = Duration::from_secs(120);

/// Under emulation everything takes about ten times as long, and longer beside other work.
const EMULATED_LIMIT: Duration = Duration::from_secs(300);

/// A soaking case repeats itself.
const SOAK_LIMIT: Duration = Duration::from_secs(7200);

/// How often the runner looks whether a case has ended.
const TICK: Duration = Duration::from_millis(5);

/// Lines of a case's output that the report repeats.
const TAIL: usize = 40;

fn limit(settings: &Settings) -> Duration {
    match (settings.soak, settings.kernel) {
        (true, _) => SOAK_LIMIT,
        (false, Kernel::Qemu) => EMULATED_LIMIT,
        (false, Kernel::Host) => LIMIT,
    }
}

/// Runs the cases, at most `jobs` at a time, and reports each as it ends.
///
/// # Errors
/// If the report cannot be written.
pub fn run(cases: &[Case], jobs: usize, settings: &Settings, report: Report) -> Result<Report> {
    let report = Mutex::new(report);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.clamp(1, cases.len().max(1)))
            .map(|_| scope.spawn(|| work(cases, &next, settings, &report)))
            .collect();
        for worker in workers {
            worker.join().map_err(|_panic| anyhow!("a thread of the runner panicked"))??;
        }
        anyhow::Ok(())
    })?;
    report.into_inner().map_err(|_poison| anyhow!("the report was left half-written"))
}

fn work(cases: &[Case], next: &AtomicUsize, settings: &Settings, report: &Mutex<Report>) -> Result<()> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(case) = cases.get(number) else {
            return Ok(());
        };
        let id = format!("{}-{number}", std::process::id());
        let started = Instant::now();
        let outcome = supervise(case, &id, settings);
        let took = started.elapsed();
        let mut report = report.lock().map_err(|_poison| anyhow!("the report was left half-written"))?;
        match outcome {
            Ok(()) => report.add(case, Outcome::Passed, took, "")?,
            Err(error) => report.add(case, Outcome::Failed, took, &format!("{error:#}"))?,
        }
    }
}

/// Runs one case in its process and cleans up behind it, however it ended.
fn supervise(case: &Case, id: &str, settings: &Settings) -> Result<()> {
    let output = lab::output_path(id);
    let file = File::create(&output).with_context(|| format!("make {}", output.display()))?;
    let mut child = spawn(case, id, settings, file)?;
    let ended = wait(&mut child, limit(settings));
    let left = lab::sweep(id);
    let text = fs::read_to_string(&output).with_context(|| format!("read {}", output.display()))?;
    fs::remove_file(&output).with_context(|| format!("remove {}", output.display()))?;
    let tail: Vec<&str> = text.lines().rev().take(TAIL).collect();
    let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
    let status = ended.with_context(|| tail.clone())?;
    left.context("the lab could not be removed")?;
    match (status.success(), status.signal()) {
        (true, _) => Ok(()),
        (false, Some(signal)) => bail!("killed by signal {signal}\n{tail}"),
        (false, None) => bail!("{tail}"),
    }
}

fn spawn(case: &Case, id: &str, settings: &Settings, output: File) -> Result<Child> {
    let both = output.try_clone().context("duplicate a case's output")?;
    let mut command = Command::new(std::env::current_exe().context("find this binary")?);
    command.args(["case", "--id", id, "--kernel", settings.kernel.name()]);
    command.args(["--lease", &format!("{}ms", settings.lease.as_millis()), "--seed", &settings.seed.to_string()]);
    if settings.soak {
        command.arg("--soak");
    }
    if let Some(sabotage) = &settings.sabotage {
        command.args(["--sabotage", sabotage]);
    }
    command.arg(case.id()).stdin(Stdio::null()).stdout(output).stderr(both).process_group(0);
    command.spawn().context("start a case's process")
}

fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().context("wait for a case")? {
            return Ok(status);
        }
        thread::sleep(TICK);
    }
    let group = i32::try_from(child.id()).context("a process id out of range")?;
    killpg(Pid::from_raw(group), Signal::SIGKILL).context("kill a case that hangs")?;
    child.wait().context("wait for a killed case")?;
    bail!("did not end within {} s and was killed", limit.as_secs())
}

/// Runs one case in this process; the runner calls it through the `case` command.
///
/// # Errors
/// The case's own, or if its lab cannot be made or removed.
pub fn run_here(case: &Case, id: &str, settings: Settings) -> Result<()> {
    let lab = Lab::new(id, settings)?;
    let outcome = (case.run)(&lab);
    drop(lab);
    let removed = lab::sweep(id).context("the lab could not be removed");
    outcome.and(removed)
}
