//! Time that does not pass as it should: a wall clock that jumps, and an agent that is frozen.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rumpus_agent::kernel::timer::boottime;
use rustix::time::{ClockId, clock_gettime, clock_settime};

use super::child::{accepted, expect_killed, slack};
use super::group::Group;
use super::points::Subject;
use super::target::{inside, netns_of};
use crate::kernel::lab::Lab;
use crate::kernel::probe::Probe;

const DAY: i64 = 86_400;

/// A wall clock that jumps by a day moves no deadline, neither way.
pub(super) fn wall_clock_jumps(lab: &Lab, subject: Subject) -> Result<()> {
    let (name, flags) = subject.flags.split_first().map_or(("", [].as_slice()), |(name, flags)| (*name, flags));
    for jump in [DAY, -DAY] {
        let probe = Probe::start(lab, subject.slow())?;
        let began = boottime();
        let lasts = lab.settings().lease * 2;
        let running = lab.fault(name, flags).and(&["--for", &format!("{}ms", lasts.as_millis())]).start()?;
        let deadline = accepted(lab, &running)? + lasts;
        probe.hit_since(began, lab.patience())?;
        step(jump)?;
        let result = probe.untouched_since(began, lasts + lab.patience());
        let ended = running.wait();
        step(-jump)?;
        result?;
        ensure!(ended?.code() == Some(0), "the fault was not proven and restored");
        probe.expect_no_hit_after(deadline + Duration::from_secs(1), "the deadline")?;
        let last = probe.last_hit().context("no datagram was hit")?;
        // Half a lease: the renewals went on, so that it did not end with the first one.
        ensure!(last + lab.settings().lease / 2 >= deadline, "it ended {:?} early", deadline - last);
    }
    Ok(())
}

fn step(seconds: i64) -> Result<()> {
    let mut now = clock_gettime(ClockId::Realtime);
    now.tv_sec += seconds;
    clock_settime(ClockId::Realtime, now).context("set the wall clock")
}

/// An agent that is frozen with its worker ends its fault within the lease, and arms nothing when it is let go.
pub(super) fn frozen(lab: &Lab, subject: Subject) -> Result<()> {
    let before = lab.snapshot()?;
    let probe = Probe::start(lab, subject.slow())?;
    let (name, flags) = subject.flags.split_first().map_or(("", [].as_slice()), |(name, flags)| (*name, flags));
    let began = boottime();
    let running = lab.fault(name, flags).and(&["--for", "60s"]).in_effect(1)?;
    probe.hit_since(began, lab.patience())?;
    let group = Group::new(lab)?;
    group.add(running.pid())?;
    for worker in inside(netns_of(&lab.target().path().display().to_string())?)? {
        group.add(worker)?;
    }
    group.freeze(true)?;
    let frozen = boottime();
    let latest = frozen + lab.settings().lease + slack(lab);
    probe.untouched_since(frozen, lab.settings().lease + lab.patience())?;
    probe.expect_no_hit_after(latest, "the lease of a frozen agent")?;
    group.freeze(false)?;
    let ended = running.wait()?;
    // Where it was frozen in the middle of a renewal, the kernel has killed it so that it arms nothing late.
    if expect_killed(&ended).is_err() {
        ensure!(matches!(ended.code(), Some(4 | 6)), "it ended with {}:\n{}", ended.status, ended.err);
    }
    lab.rumpus(&["run", "kill", "--arm", "--signal", "KILL", "--name", "no-such-name"]).run()?.expect(4)?;
    probe.expect_no_hit_after(latest, "armed again after it was let go")?;
    lab.expect_unchanged(&before)
}
