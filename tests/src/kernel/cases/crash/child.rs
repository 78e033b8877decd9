//! What the crash cases ask of a command beyond its lines: when it began, stopped, and died.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rumpus_agent::kernel::timer::boottime;
use std::os::unix::process::ExitStatusExt as _;

use crate::kernel::command::{Ended, Order, Running};
use crate::kernel::lab::Lab;
use crate::kernel::matrix::Kernel;

/// How often a child is looked at.
const TICK: Duration = Duration::from_millis(2);

/// Returns an instant not before its fault was accepted, and shortly after it in the rule.
pub(super) fn accepted(lab: &Lab, running: &Running) -> Result<Duration> {
    poll(lab, "accepted, stopped or ended", || {
        let over = matches!(state(running.pid()), None | Some('Z' | 'T'));
        Ok((over || running.errors().contains("accepted")).then(boottime))
    })
}

/// Waits until it is stopped, and returns an instant after that.
pub(super) fn stopped(lab: &Lab, running: &Running) -> Result<Duration> {
    poll(lab, "stopped", || match state(running.pid()) {
        Some('T') => Ok(Some(boottime())),
        None | Some('Z') => bail!("it ended and was never stopped:\n{}", running.errors()),
        Some(_) => Ok(None),
    })
}

/// Waits until it is dead, and returns an instant after that. Its other threads may still be on their way out, and with
/// them its descriptors: only after `wait` are they gone.
pub(super) fn dead(lab: &Lab, running: &Running) -> Result<Duration> {
    poll(lab, "dead", || Ok(is_dead(running.pid()).then(boottime)))
}

/// Whether a process of ours has ended, reaped or not.
pub(super) fn is_dead(pid: u32) -> bool {
    matches!(state(pid), None | Some('Z' | 'X'))
}

/// Fails unless SIGKILL ended it.
pub(super) fn expect_killed(ended: &Ended) -> Result<()> {
    ensure!(ended.status.signal() == Some(9), "{} instead of SIGKILL:\n{}", ended.status, ended.err);
    Ok(())
}

/// Runs a command to its end and fails unless it worked, whether a stray packet showed its effect or not.
pub(super) fn works(order: Order) -> Result<Ended> {
    let ended = order.run()?;
    ensure!(matches!(ended.code(), Some(0 | 4)), "{}:\n{}", ended.status, ended.err);
    Ok(ended)
}

/// Runs `residue --clean` and fails if something of its own is left; what other cases' agents have left beside it, it may
/// well have found.
pub(super) fn cleaned(order: Order) -> Result<()> {
    let ended = order.run()?;
    ensure!(matches!(ended.code(), Some(0 | 5)), "{}:\n{}", ended.status, ended.err);
    let report = ended.report()?;
    let left = report.pointer("/cleaned/left").and_then(|left| left.as_array());
    ensure!(left.is_some_and(Vec::is_empty), "something is left: {report}");
    let whose: Vec<&serde_json::Value> =
        report.get("found").and_then(|all| all.as_array()).into_iter().flatten().collect();
    let own =
        whose.iter().find(|one| one.get("whose").is_some_and(|whose| whose.as_str().is_some_and(|w| w == "ours")));
    ensure!(own.is_none(), "something of its own was found after the sweep: {report}");
    Ok(())
}

/// Fails unless the tools see nothing of ours in the target.
pub(super) fn nothing_left(lab: &Lab) -> Result<()> {
    let tables = lab.target().tool("nft", &["list", "tables"])?;
    ensure!(!tables.contains("rumpus"), "tables are left: {tables}");
    let links = lab.target().tool("ip", &["-brief", "link", "show"])?;
    ensure!(links.lines().count() == 2, "links are left: {links}");
    Ok(())
}

/// Returns one field of the report's first attestation that is not about a predecessor.
pub(super) fn attested(ended: &Ended, field: &str) -> Result<serde_json::Value> {
    let all = ended.attestations()?;
    let own = all.iter().find(|one| one.get("cause") != Some(&"swept".into())).context("nothing was attested")?;
    own.get(field).cloned().with_context(|| format!("an attestation without {field}"))
}

/// Waits for something.
///
/// # Errors
/// If it does not come within the lab's patience.
pub(super) fn poll<T>(lab: &Lab, what: &str, look: impl Fn() -> Result<Option<T>>) -> Result<T> {
    within(lab.patience(), what, look)
}

/// Waits for something that has to come within `patience`.
///
/// # Errors
/// If it does not.
pub(super) fn within<T>(patience: Duration, what: &str, look: impl Fn() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + patience;
    loop {
        // Once more after the time is over: this thread may have slept through it.
        let last = Instant::now() >= end;
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(!last, "not {what} within {patience:?}");
        thread::sleep(TICK);
    }
}

/// How much later than a promise an instant may be seen: the clock ticks of gates, and a busy machine.
pub(super) fn slack(lab: &Lab) -> Duration {
    match lab.settings().kernel {
        Kernel::Host => Duration::from_millis(250),
        Kernel::Qemu => Duration::from_millis(1500),
    }
}

/// Returns the letter of a process's state; none if there is no such process.
fn state(pid: u32) -> Option<char> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}
