//! The agent is killed at any instant, again and again: nothing may be left after its successor's sweep.

use std::io::{Write as _, stderr};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::child::{dead, nothing_left};
use super::points::Subject;
use super::target::{inside, netns_of};
use crate::kernel::lab::Lab;

/// Rounds in a soak: with two cases for each of three faults, 10,000 kills.
const SOAK: u64 = 1_667;
/// Rounds otherwise.
const FEW: u64 = 7;
/// The latest kill, in milliseconds after the start; a fault of one second has ended by then.
const LATEST: u64 = 1_300;

/// Kills at random instants, half of them within the first tenth, where most happens.
pub(super) fn random_kills(lab: &Lab, subject: Subject) -> Result<()> {
    let before = lab.snapshot()?;
    let rounds = if lab.settings().soak { SOAK } else { FEW };
    let netns = netns_of(&lab.target().path().display().to_string())?;
    let (name, flags) = subject.flags.split_first().map_or(("", [].as_slice()), |(name, flags)| (*name, flags));
    let mut random = lab.settings().seed ^ u64::from(std::process::id());
    let seed = random;
    let mut leaks = Vec::new();
    for round in 0..rounds {
        if round % 100 == 0 && round > 0 {
            // Told if the case is stopped at its limit.
            writeln!(stderr(), "{name}: {round} kills of {rounds}, {} leaks", leaks.len())?;
        }
        random = next(random);
        let within = if round % 2 == 0 { LATEST / 10 } else { LATEST };
        let after = Duration::from_millis(random % within);
        let running = lab.fault(name, flags).and(&["--for", "1s"]).start()?;
        thread::sleep(after);
        // It may have ended by itself: its time was over, or the kill comes late.
        drop(running.signal(Signal::KILL));
        dead(lab, &running)?;
        drop(running.wait()?);
        lab.rumpus(&["run", "kill", "--arm", "--signal", "KILL", "--name", "no-such-name"]).run()?.expect(4)?;
        let left = nothing_left(lab);
        let inside = inside(netns)?;
        if left.is_err() || !inside.is_empty() {
            leaks.push(format!("round {round}, killed after {after:?}: {left:?}, processes {inside:?}"));
        }
    }
    ensure!(leaks.is_empty(), "seed {seed}: {} leaks in {rounds} rounds:\n{}", leaks.len(), leaks.join("\n"));
    lab.expect_unchanged(&before).with_context(|| format!("seed {seed}"))
}

/// A step of xorshift64: what is needed is spread and repetition by seed, not secrecy.
fn next(state: u64) -> u64 {
    let mut x = state.max(1);
    x ^= x << 13;
    x ^= x >> 7;
    x ^ (x << 17)
}
