//! The local daemon as a host runs it: slots act once each, whatever happens to it, and what it began always ends.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use nix::sys::signal::Signal as Died;
use rustix::process::Signal;
use serde_json::Value;

use super::how::{HOST, PARTITION, nothing_left, sent_to, spared};
use crate::kernel::case::Case;
use crate::kernel::command::Running;
use crate::kernel::lab::Lab;
use crate::kernel::lab::address::PEER_V4;
use crate::kernel::matrix::{Engine, Fault};
use crate::kernel::victim::{Victim, name};

pub(super) const CASES: &[Case] = &[
    kill("a_daemons_slot_kills_one_process_and_is_not_repeated", a_slot_kills_one_process),
    kill("a_daemon_that_cannot_record_kills_nobody", what_cannot_be_recorded),
    kill("a_daemon_killed_at_the_steps_of_a_slot_never_repeats_it", killed_at_its_steps),
    kill("a_file_that_breaks_withdraws_its_policy_from_a_daemon", a_file_that_breaks),
    kill("runs_by_hand_go_through_a_daemon_with_their_exit_codes", by_hand),
    cut("a_daemon_killed_in_mid_fault_leaves_nothing_and_repeats_nothing", killed_in_mid_fault),
    cut("a_daemon_ends_everything_at_sigterm", ended_by_sigterm),
    cut("a_halt_ends_a_daemons_faults_and_blocks_new_ones", halted),
    cut("a_run_by_hand_ends_with_its_command", ends_with_its_command),
];

const fn kill(name: &'static str, run: fn(&Lab) -> Result<()>) -> Case {
    Case { name, fault: Fault::Kill, engine: Engine::Signal, kernels: HOST, run }
}

const fn cut(name: &'static str, run: fn(&Lab) -> Result<()>) -> Case {
    Case { name, fault: Fault::Partition, engine: Engine::Nft, kernels: HOST, run }
}

/// How far ahead a slot is set: a daemon has to have seen the policy before it.
const AHEAD: SignedDuration = SignedDuration::from_secs(6);
/// Longer than a daemon needs to look at its folder, and at the clock.
const LOOK: Duration = Duration::from_secs(5);

fn folder(lab: &Lab) -> Result<PathBuf> {
    let folder = lab.state_dir().join("policies");
    fs::create_dir_all(&folder).context("make a folder for policies")?;
    Ok(folder)
}

fn up(lab: &Lab) -> Result<Running> {
    let folder = folder(lab)?.display().to_string();
    let mut daemon = lab.rumpus(&["up", "--policies", &folder]).start()?;
    daemon.wait_for("up: policies of", 1)?;
    Ok(daemon)
}

/// Puts a policy into the folder whose one slot is soon; `spec` is what stands beside the schedule.
fn put(lab: &Lab, policy: &str, spec: &str, experiment: &str) -> Result<()> {
    let now = Timestamp::try_from(SystemTime::now()).context("read the clock")?;
    let at = now.checked_add(AHEAD).context("read the clock")?.strftime("%Y-%m-%dT%H:%M:%SZ");
    let text = format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: {policy}}}\nspec:\n  {spec}\n  \
         schedule: {{at: '{at}', startingDeadline: 10m}}\n  experiment:\n    {experiment}\n    \
         steadyState: {{none: {{reason: a test}}}}\n"
    );
    write(lab, policy, &text)
}

/// As an editor does: never half of it.
fn write(lab: &Lab, policy: &str, text: &str) -> Result<()> {
    let (new, file) = (folder(lab)?.join(".new"), folder(lab)?.join(format!("{policy}.yaml")));
    fs::write(&new, text).and_then(|()| fs::rename(&new, &file)).context("write a policy")
}

fn kill_of(lab: &Lab) -> String {
    format!(
        "targets: {{processes: {{name: {}}}}}\n    pick: {{count: 1}}\n    faults: [{{kill: {{signal: KILL}}}}]",
        name(lab, 'a')
    )
}

fn cut_of(lab: &Lab) -> String {
    format!(
        "targets: {{netns: {{names: [{}]}}}}\n    pick: {{all: true}}\n    duration: 5m\n    \
         faults: [{{partition: {{direction: Both, peers: {{addresses: [10.77.0.2]}}}}}}]",
        lab.target().name()
    )
}

fn schedule(lab: &Lab) -> Result<Value> {
    lab.rumpus(&["schedule"]).run()?.expect(0)?.report()
}

fn ended(daemon: Running) -> Result<()> {
    daemon.signal(Signal::TERM)?;
    let ended = daemon.wait()?.expect(0)?;
    ensure!(ended.err.contains("ended: nothing of ours is left, as read back"), "{}", ended.err);
    Ok(())
}

fn alive(victims: &mut [Victim]) -> Result<usize> {
    victims.iter_mut().map(|victim| victim.lives().map(usize::from)).sum()
}

/// Of three victims one is killed by the one slot that is armed, and no second one by anything that comes later.
fn a_slot_kills_one_process(lab: &Lab) -> Result<()> {
    let mut victims = [Victim::start(lab, 'a', &[])?, Victim::start(lab, 'a', &[])?, Victim::start(lab, 'a', &[])?];
    let mut daemon = up(lab)?;
    put(lab, "armed", "mode: Armed", &kill_of(lab))?;
    put(lab, "dry", "mode: DryRun", &kill_of(lab))?;
    put(lab, "suspended", "mode: Armed\n  suspend: true", &kill_of(lab))?;
    daemon.wait_for("ended, Proven", 1)?;
    daemon.wait_for("ended, DryRun", 1)?;
    ensure!(alive(&mut victims)? == 2, "{} of three live", alive(&mut victims)?);
    let told = schedule(lab)?;
    let past = told["past"].as_array().context("no past")?;
    let armed: Vec<&Value> = past.iter().filter(|run| run["armed"] == true).collect();
    ensure!(armed.len() == 1 && past.len() == 2, "{told:#}");
    ensure!(armed[0]["outcome"] == "Proven" && armed[0]["targets"].as_array().map(Vec::len) == Some(1), "{told:#}");
    ended(daemon)?;
    let daemon = up(lab)?;
    thread::sleep(LOOK);
    ensure!(alive(&mut victims)? == 2, "the slot ran twice:\n{}", daemon.errors());
    ended(daemon)
}

/// A store that is no store: nothing is served.
fn what_cannot_be_recorded(lab: &Lab) -> Result<()> {
    let mut victims = [Victim::start(lab, 'a', &[])?];
    let store = lab.state_dir().join("history.redb");
    fs::write(&store, vec![1; 8192]).context("break the store")?;
    let folder = folder(lab)?.display().to_string();
    let refused = lab.rumpus(&["up", "--policies", &folder]).run()?.expect(3)?;
    ensure!(refused.err.contains("nothing runs without a record") && refused.err.contains("hint:"), "{}", refused.err);
    fs::remove_file(&store).context("mend the store")?;
    ensure!(alive(&mut victims)? == 1, "it was killed without a record");
    ended(up(lab)?)
}

/// Killed at a step of the slot's fault: whatever had been done by then, the next daemon does not do it once more.
fn killed_at_its_steps(lab: &Lab) -> Result<()> {
    for (round, point) in ["record-intent.before", "record-intent.after", "record-ended.before"].into_iter().enumerate()
    {
        let mut victims = [Victim::start(lab, 'a', &[])?, Victim::start(lab, 'a', &[])?];
        let folder = folder(lab)?.display().to_string();
        let order = lab.rumpus(&["up", "--policies", &folder]).env("RUMPUS_FAILPOINT", format!("{point}:kill"));
        let mut daemon = order.start()?;
        daemon.wait_for("up: policies of", 1)?;
        put(lab, &format!("round-{round}"), "mode: Armed", &kill_of(lab))?;
        daemon.wait_for("begins (armed)", 1)?;
        let died = daemon.wait()?;
        ensure!(died.code().is_none(), "it was not killed at {point}:\n{}", died.err);
        let left = alive(&mut victims)?;
        ensure!(left == if point == "record-ended.before" { 1 } else { 2 }, "{left} of two live at {point}");
        let again = up(lab)?;
        thread::sleep(LOOK);
        ensure!(alive(&mut victims)? == left, "the slot ran twice, after {point}:\n{}", again.errors());
        let told = schedule(lab)?;
        let past = told["past"].as_array().context("no past")?;
        ensure!(past.len() == round + 1 && past[0]["outcome"].is_null() && past[0]["ended"].is_string(), "{told:#}");
        ended(again)?;
    }
    Ok(())
}

/// What a file said before it broke is nothing any more, and one bad file hides no other.
fn a_file_that_breaks(lab: &Lab) -> Result<()> {
    let mut victims = [Victim::start(lab, 'a', &[])?];
    let mut daemon = up(lab)?;
    put(lab, "armed", "mode: Armed", &kill_of(lab))?;
    put(lab, "dry", "mode: DryRun", &kill_of(lab))?;
    daemon.wait_for("policy armed (armed.yaml): armed", 1)?;
    write(lab, "armed", "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nspec: {modus: Armed}\n")?;
    daemon.wait_for("policy armed: withdrawn", 1)?;
    daemon.wait_for("ended, DryRun", 1)?;
    thread::sleep(LOOK);
    ensure!(alive(&mut victims)? == 1, "it was killed by what a file said before:\n{}", daemon.errors());
    let said = daemon.errors();
    ensure!(said.matches("problem: armed.yaml: spec.modus").count() == 1, "{said}");
    let told = lab.rumpus(&["schedule"]).run()?.expect(4)?.report()?;
    ensure!(told["problems"][0].as_str().is_some_and(|text| text.starts_with("armed.yaml: ")), "{told:#}");
    ended(daemon)
}

fn by_hand(lab: &Lab) -> Result<()> {
    let daemon = up(lab)?;
    let mut victim = Victim::start(lab, 'a', &[])?;
    let words = ["run", "kill", "--name", &name(lab, 'a'), "--signal", "KILL"];
    lab.rumpus(&words).run()?.expect(0)?;
    ensure!(victim.lives()?, "a dry run killed it");
    let run = lab.rumpus(&words).and(&["--arm", "--seed", "7"]).run()?.expect(0)?.report()?;
    ensure!(run["outcome"] == "Proven" && run["seed"] == "7" && run["attestations"][0]["state"] == "Done", "{run:#}");
    victim.died_of(Died::SIGKILL, lab.patience())?;
    lab.rumpus(&words).and(&["--arm"]).run()?.expect(4)?;
    lab.rumpus(&["run", "kill", "--name", "x", "--signal", "NONE", "--arm"]).run()?.expect(2)?;
    let told = schedule(lab)?;
    let past: Vec<&Value> = told["past"].as_array().into_iter().flatten().map(|run| &run["outcome"]).collect();
    ensure!(past == ["Inconclusive", "Proven"], "{told:#}");
    ensure!(told["past"][1]["by"].as_str().is_some_and(|by| by.starts_with("root")), "{told:#}");
    ended(daemon)?;
    // Without a daemon it is as it always was.
    lab.rumpus(&words).and(&["--arm"]).run()?.expect(4).map(drop)
}

/// Killed while its fault is in effect: the kernel ends it, the next daemon sweeps, and the slot, which would still be in
/// time, is not run again.
fn killed_in_mid_fault(lab: &Lab) -> Result<()> {
    let before = lab.snapshot()?;
    let mut daemon = up(lab)?;
    put(lab, "cut", "mode: Armed", &cut_of(lab))?;
    daemon.wait_for("in effect ", 1)?;
    PARTITION.hits(sent_to(lab, PEER_V4))?;
    daemon.signal(Signal::KILL)?;
    daemon.wait()?;
    let again = up(lab)?;
    thread::sleep(LOOK);
    spared(sent_to(lab, PEER_V4))?;
    ensure!(!again.errors().contains("begins"), "the slot ran twice:\n{}", again.errors());
    let told = schedule(lab)?;
    let past = told["past"].as_array().context("no past")?;
    ensure!(past.len() == 1 && past[0]["outcome"].is_null() && past[0]["note"].is_string(), "{told:#}");
    ended(again)?;
    nothing_left(lab)?;
    lab.expect_unchanged(&before)
}

fn ended_by_sigterm(lab: &Lab) -> Result<()> {
    let before = lab.snapshot()?;
    let mut daemon = up(lab)?;
    put(lab, "cut", "mode: Armed", &cut_of(lab))?;
    daemon.wait_for("in effect ", 1)?;
    PARTITION.hits(sent_to(lab, PEER_V4))?;
    ended(daemon)?;
    spared(sent_to(lab, PEER_V4))?;
    nothing_left(lab)?;
    lab.expect_unchanged(&before)
}

fn halted(lab: &Lab) -> Result<()> {
    let mut daemon = up(lab)?;
    put(lab, "cut", "mode: Armed", &cut_of(lab))?;
    daemon.wait_for("in effect ", 1)?;
    let active = lab.rumpus(&["active"]).run()?.expect(0)?.report()?;
    ensure!(active["faults"][0]["policy"] == "cut" && active["held"] == true, "{active:#}");
    let halt = lab.rumpus(&["halt", "--reason", "a test"]).run()?.expect(0)?.report()?;
    ensure!(halt["killed"].is_null(), "a living daemon was killed: {halt:#}");
    spared(sent_to(lab, PEER_V4))?;
    daemon.wait_for("ended, Halted", 1)?;
    nothing_left(lab)?;
    let order = || lab.fault("partition", &["--direction", "Both", "--for", "1s", "--peer", "10.77.0.2"]);
    order().run()?.expect(3)?;
    put(lab, "again", "mode: Armed", &cut_of(lab))?;
    daemon.wait_for("ended, Refused", 2)?;
    spared(sent_to(lab, PEER_V4))?;
    lab.rumpus(&["resume"]).run()?.expect(0)?;
    order().run()?.expect(4)?;
    ended(daemon)
}

/// Ctrl-C ends it with its own exit code; a command that is killed ends it too.
fn ends_with_its_command(lab: &Lab) -> Result<()> {
    let mut daemon = up(lab)?;
    let order = || lab.fault("partition", &["--direction", "Both", "--for", "5m", "--peer", "10.77.0.2"]);
    let running = order().in_effect(1)?;
    PARTITION.hits(sent_to(lab, PEER_V4))?;
    running.interrupt()?.expect(130)?;
    spared(sent_to(lab, PEER_V4))?;
    let running = order().in_effect(1)?;
    running.signal(Signal::KILL)?;
    running.wait()?;
    daemon.wait_for("ended, Halted", 1)?;
    spared(sent_to(lab, PEER_V4))?;
    // And a daemon that ends takes its commands along.
    let running = order().in_effect(1)?;
    let began = Instant::now();
    ended(daemon)?;
    running.wait()?.expect(6)?;
    ensure!(began.elapsed() < Duration::from_secs(240), "it lasted to its deadline");
    nothing_left(lab)
}
