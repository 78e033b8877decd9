//! Kill of single processes by their pidfd.

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::how::{BOTH, HOST};
use crate::kernel::case::Case;
use crate::kernel::command::Ended;
use crate::kernel::lab::Lab;
use crate::kernel::matrix::{Engine, Fault, Kernel};
use crate::kernel::victim::{DEAF, Victim, name};

pub(super) const CASES: &[Case] = &[
    case("term_ends_a_process_within_its_grace", BOTH, term_ends_a_process_within_its_grace),
    case("a_deaf_process_is_killed_after_its_grace", BOTH, a_deaf_process_is_killed_after_its_grace),
    case("siblings_of_the_same_name_live_on", BOTH, siblings_of_the_same_name_live_on),
    case("each_of_two_targets_is_killed_and_no_third", BOTH, each_of_two_targets_is_killed_and_no_third),
    case("excluded_and_similar_ones_live_on", HOST, excluded_and_similar_ones_live_on),
    case("the_first_of_a_pid_namespace_is_killed_after_its_grace", BOTH, the_first_of_a_pid_namespace_is_killed),
    case(
        "a_process_in_the_place_of_the_planned_one_lives_on",
        BOTH,
        a_process_in_the_place_of_the_planned_one_lives_on,
    ),
    case(
        "a_thread_in_the_place_of_the_planned_process_harms_nobody",
        BOTH,
        a_thread_in_the_place_of_the_planned_process_harms_nobody,
    ),
    case("a_halted_host_kills_no_process", HOST, a_halted_host_kills_no_process),
    case("nothing_selected_is_inconclusive", HOST, nothing_selected_is_inconclusive),
    case("what_runs_the_command_is_protected", HOST, what_runs_the_command_is_protected),
];

const fn case(name: &'static str, kernels: &'static [Kernel], run: fn(&Lab) -> Result<()>) -> Case {
    Case { name, fault: Fault::Kill, engine: Engine::Signal, kernels, run }
}

/// What the first target's evidence says of the kill.
fn killed(ended: &Ended) -> Result<Value> {
    let attested = ended.attestations()?;
    let first = attested.first().context("nothing was attested")?;
    ensure!(first["state"] == "Done" && first["effective"] == "True", "{first:#}");
    first.pointer("/readings/0/killed").cloned().with_context(|| format!("no evidence of a kill: {first:#}"))
}

fn millis(reading: &Value) -> Option<u64> {
    Some(reading.pointer("/after/secs")?.as_u64()? * 1000 + reading.pointer("/after/nanos")?.as_u64()? / 1_000_000)
}

fn term_ends_a_process_within_its_grace(lab: &Lab) -> Result<()> {
    let mut victim = Victim::start(lab, 'a', &[])?;
    let words = ["run", "kill", "--name", &name(lab, 'a'), "--signal", "TERM", "--grace", "60s", "--arm"];
    let reading = killed(&lab.rumpus(&words).run()?.expect(0)?)?;
    ensure!(reading["gone"] == true && reading["escalated"] == false, "{reading}");
    victim.died_of(Signal::SIGTERM, lab.patience())
}

fn a_deaf_process_is_killed_after_its_grace(lab: &Lab) -> Result<()> {
    let mut victim = Victim::start(lab, 'a', &[DEAF])?;
    let words = ["run", "kill", "--name", &name(lab, 'a'), "--signal", "TERM", "--grace", "1s", "--arm"];
    let reading = killed(&lab.rumpus(&words).run()?.expect(0)?)?;
    ensure!(reading["gone"] == true && reading["escalated"] == true, "{reading}");
    ensure!(millis(&reading).is_some_and(|after| after >= 1000), "SIGKILL came too early: {reading}");
    victim.died_of(Signal::SIGKILL, lab.patience())
}

fn siblings_of_the_same_name_live_on(lab: &Lab) -> Result<()> {
    let mut victims = Vec::new();
    for _ in 0..3 {
        victims.push(Victim::start(lab, 'a', &[])?);
    }
    let words = ["run", "kill", "--name", &name(lab, 'a'), "--count", "1", "--signal", "KILL", "--seed", "7"];
    let dry = lab.rumpus(&words).run()?.expect(0)?.report()?;
    let targets = dry["plans"][0]["targets"].as_array().context("no targets")?;
    ensure!(targets.len() == 1, "one was to be chosen: {targets:?}");
    let pid = targets[0].pointer("/target/Process/id/pid").and_then(Value::as_u64).context("no pid")?;
    for victim in &mut victims {
        ensure!(victim.lives()?, "the dry run killed process {}", victim.pid());
    }
    // The sabotage `wrong-pid` takes the first other one that it finds.
    let reading = killed(&lab.rumpus(&words).and(&["--arm"]).run()?.expect(0)?)?;
    ensure!(reading["gone"] == true && reading["processes"] == 1, "{reading}");
    for victim in &mut victims {
        if u64::from(victim.pid()) == pid {
            victim.died_of(Signal::SIGKILL, lab.patience())?;
        } else {
            ensure!(victim.lives()?, "process {} died in the place of {pid}", victim.pid());
        }
    }
    Ok(())
}

fn each_of_two_targets_is_killed_and_no_third(lab: &Lab) -> Result<()> {
    let mut meant = [Victim::start(lab, 'a', &[])?, Victim::start(lab, 'a', &[])?];
    let mut other = Victim::start(lab, 'b', &[])?;
    let words = ["run", "kill", "--name", &name(lab, 'a'), "--signal", "KILL", "--arm"];
    let said = lab.rumpus(&words).run()?.expect(0)?.attestations()?;
    ensure!(said.len() == 2 && said.iter().all(|one| one["state"] == "Done"), "{said:?}");
    for victim in &mut meant {
        victim.died_of(Signal::SIGKILL, lab.patience())?;
    }
    ensure!(other.lives()?, "one of another name died");
    Ok(())
}

fn excluded_and_similar_ones_live_on(lab: &Lab) -> Result<()> {
    let mut plain = Victim::start(lab, 'a', &["--role=plain"])?;
    let mut canary = Victim::start(lab, 'a', &["--role=canary"])?;
    let mut similar = Victim::start(lab, 'b', &["--role=plain"])?;
    let longer = name(lab, 'a');
    let prefix = longer.get(..longer.len() - 1).context("a name is too short")?;
    let ended = lab.rumpus(&["run", "kill", "--name", prefix, "--signal", "KILL", "--arm"]).run()?.expect(4)?;
    ensure!(ended.attestations()?.is_empty(), "a prefix of a name was enough:\n{}", ended.out);
    let words = ["run", "kill", "--name", &longer, "--exclude-cmdline", "role=canary", "--signal", "KILL", "--arm"];
    let ended = lab.rumpus(&words).run()?.expect(0)?;
    ensure!(ended.attestations()?.len() == 1, "one was to be killed:\n{}", ended.out);
    plain.died_of(Signal::SIGKILL, lab.patience())?;
    ensure!(canary.lives()?, "the excluded one died");
    ensure!(similar.lives()?, "one of another name died");
    Ok(())
}

/// The kernel drops signals without a handler that are sent to the first process of a pid namespace.
fn the_first_of_a_pid_namespace_is_killed(lab: &Lab) -> Result<()> {
    let mut first = Victim::first_of_a_namespace(lab, 'a', &[])?;
    let words = ["run", "kill", "--name", &name(lab, 'a'), "--signal", "TERM", "--grace", "500ms", "--arm"];
    let reading = killed(&lab.rumpus(&words).run()?.expect(0)?)?;
    ensure!(reading["gone"] == true && reading["escalated"] == true, "{reading}");
    first.died_of(Signal::SIGKILL, lab.patience())
}

/// The planned process dies after the plan and before the signal, and its id is given to another one of the same name.
fn a_process_in_the_place_of_the_planned_one_lives_on(lab: &Lab) -> Result<()> {
    // Others may take the id first; then the case begins anew.
    for _ in 0..20 {
        let (pid, mut other) = replaced(lab, || Victim::start(lab, 'a', &[]))?;
        if other.pid() == pid {
            ensure!(other.lives()?, "the process in the place of the planned one was killed");
            return Ok(());
        }
    }
    anyhow::bail!("20 times another process got the id")
}

/// The same, but the id is given to a thread of a process that is no target: this one.
fn a_thread_in_the_place_of_the_planned_process_harms_nobody(lab: &Lab) -> Result<()> {
    for _ in 0..20 {
        let (done, wait) = mpsc::channel::<()>();
        let (pid, (id, thread)) = replaced(lab, || {
            let (say, said) = mpsc::channel();
            // It lives until `done` is dropped.
            let thread = thread::spawn(move || say.send(rustix::thread::gettid()).is_ok() && wait.recv().is_err());
            Ok((said.recv().context("a thread did not start")?, thread))
        })?;
        drop(done);
        ensure!(thread.join().is_ok_and(|told| told), "the thread could not say its id");
        if id.as_raw_nonzero().get().unsigned_abs() == pid {
            return Ok(());
        }
    }
    anyhow::bail!("20 times another one got the id")
}

/// Lets the planned process die, makes another that is to get its id, and sees that nothing is killed in its place.
/// Returns the id and what was made.
fn replaced<T>(lab: &Lab, make: impl FnOnce() -> Result<T>) -> Result<(u32, T)> {
    let mark = lab.state_dir().join("mark");
    let planned = Victim::start(lab, 'a', &[])?;
    let pid = planned.pid();
    let running = lab
        .rumpus(&["run", "kill", "--name", &name(lab, 'a'), "--signal", "KILL", "--arm"])
        .env("RUMPUS_FAILPOINT", "apply-signal.before:stop")
        .env("RUMPUS_FAILPOINT_MARK", mark.display().to_string())
        .start()?;
    let end = Instant::now() + lab.patience();
    while !mark.exists() {
        ensure!(Instant::now() < end, "the signal was not reached:\n{}", running.errors());
        thread::sleep(Duration::from_millis(2));
    }
    fs::remove_file(&mark).context("remove the mark")?;
    planned.end()?;
    fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).context("choose the next pid")?;
    let other = make()?;
    running.stopped()?;
    running.signal(rustix::process::Signal::CONT)?;
    let ended = running.wait()?.expect(4)?;
    let attested = ended.attestations()?;
    let first = attested.first().context("nothing was attested")?;
    ensure!(first["state"] == "Lost" && first["effective"] != "True", "{first:#}");
    Ok((pid, other))
}

fn nothing_selected_is_inconclusive(lab: &Lab) -> Result<()> {
    for arm in [&[][..], &["--arm"]] {
        let ended = lab.rumpus(&["run", "kill", "--name", &name(lab, 'z')]).and(arm).run()?.expect(4)?;
        ensure!(ended.attestations()?.is_empty(), "something was attested:\n{}", ended.out);
    }
    Ok(())
}

/// The case's own process is an ancestor of the command that it starts.
fn what_runs_the_command_is_protected(lab: &Lab) -> Result<()> {
    let mine = format!("case --id .* {}", "kill/signal: what_runs_the_command_is_protected");
    let ended = lab.rumpus(&["run", "kill", "--cmdline", &mine, "--signal", "KILL", "--arm"]).run()?.expect(4)?;
    let report = ended.report()?;
    let left_out = report["plans"][0]["leftOut"].to_string();
    ensure!(left_out.contains(&std::process::id().to_string()), "it was not even found: {left_out}");
    ensure!(left_out.contains("ancestors"), "it was left out for another reason: {left_out}");
    Ok(())
}

fn a_halted_host_kills_no_process(lab: &Lab) -> Result<()> {
    let mut victim = Victim::start(lab, 'a', &[])?;
    let words = ["run", "kill", "--name", &name(lab, 'a'), "--signal", "KILL", "--arm"];
    super::restored::refused_while_halted(lab, || lab.rumpus(&words))?;
    ensure!(victim.lives()?, "a halted host killed a process");
    lab.rumpus(&words).run()?.expect(0)?;
    victim.died_of(Signal::SIGKILL, lab.patience())
}
