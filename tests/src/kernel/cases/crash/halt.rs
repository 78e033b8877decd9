//! `rumpus halt` from a second process: what runs ends, what hangs is killed, and nothing new begins until `resume`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rumpus_agent::kernel::timer::boottime;
use rustix::process::Signal;
use serde_json::Value;

use super::child::{attested, dead, expect_killed, is_dead, nothing_left, poll, slack, stopped, works};
use super::points::{NFQUEUE, PARTITION, Subject, points};
use crate::kernel::command::{Ended, Order, Running};
use crate::kernel::lab::Lab;
use crate::kernel::probe::Probe;

/// What a halt promises: an agent that does not attest within a second is killed.
const ATTESTED_WITHIN: Duration = Duration::from_secs(1);

/// A living holder attests within a second, the target's packets are normal at once, and its run says that it was halted.
pub(super) fn a_holder_attests(lab: &Lab) -> Result<()> {
    for subject in [PARTITION, NFQUEUE] {
        let before = lab.snapshot()?;
        let probe = Probe::start(lab, subject.slow())?;
        let began = boottime();
        let running = run(lab, subject, 30).in_effect(1)?;
        probe.hit_since(began, lab.patience())?;
        let asked = boottime();
        let halt = halted(lab)?;
        let report = halt.report()?;
        let ended = report["effectEndedMs"].as_u64().context("a halt that ended nothing")?;
        ensure!(Duration::from_millis(ended) <= ATTESTED_WITHIN + slack(lab), "it took {ended} ms to end the effect");
        ensure!(report["killed"].is_null(), "a living agent was killed: {report}");
        let run = running.wait()?.expect(6)?;
        ensure!(attested(&run, "cause")?["halted"].is_object(), "it ended for another cause: {}", run.out);
        probe.expect_no_hit_after(asked + ATTESTED_WITHIN + slack(lab), "the halt")?;
        probe.untouched_since(asked, lab.patience())?;
        lab.expect_unchanged(&before)?;
        refused_until_resume(lab, subject)?;
    }
    Ok(())
}

/// A holder that cannot attest is killed, and `halt` restores in its place.
pub(super) fn a_stopped_holder_is_killed(lab: &Lab) -> Result<()> {
    let before = lab.snapshot()?;
    for subject in [PARTITION, NFQUEUE] {
        let probe = Probe::start(lab, subject.slow())?;
        let running = run(lab, subject, 30).in_effect(1)?;
        running.signal(Signal::STOP)?;
        stopped(lab, &running)?;
        let asked = boottime();
        let halt = halted(lab)?;
        ensure!(!halt.report()?["killed"].is_null(), "a stopped agent was not killed: {}", halt.out);
        expect_killed(&running.wait()?)?;
        probe.expect_no_hit_after(asked + ATTESTED_WITHIN + slack(lab), "the halt")?;
        lab.expect_unchanged(&before)?;
        refused_until_resume(lab, subject)?;
    }
    Ok(())
}

/// A holder that hangs at a step of its life is killed where it has something in effect or may have, and a holder
/// that is only slow is not: in both cases everything has ended when `halt` has.
pub(super) fn a_holder_that_hangs(lab: &Lab, subject: Subject, applying: bool) -> Result<()> {
    let before = lab.snapshot()?;
    let mark = lab.state_dir().join("mark");
    for point in points(subject.engine).into_iter().filter(|point| point.part.is_applying() == applying) {
        // The kernel itself kills an agent that hangs there.
        if point.name == "arm.between" {
            continue;
        }
        let tried = (|| -> Result<()> {
            let lasts = if applying { 30 } else { 1 };
            let running = run(lab, subject, lasts)
                .env("RUMPUS_FAILPOINT", format!("{}:hang", point.name))
                .env("RUMPUS_FAILPOINT_MARK", mark.display().to_string())
                .start()?;
            poll(lab, "at the point", || {
                ensure!(!is_dead(running.pid()) || mark.exists(), "it ended before:\n{}", running.errors());
                Ok(mark.exists().then_some(()))
            })?;
            let asked = boottime();
            let probe = Probe::begin(lab, subject.slow())?;
            halted(lab)?;
            let ended = boottime();
            ended_by(lab, running)?;
            probe.untouched_since(ended, lab.patience())?;
            probe.expect_no_hit_after(asked + ATTESTED_WITHIN * 2 + slack(lab), "the halt")?;
            nothing_left(lab)?;
            resumed(lab)
        })();
        tried.with_context(|| format!("hanging at {}", point.name))?;
        fs::remove_file(&mark).context("remove the mark")?;
    }
    lab.expect_unchanged(&before)
}

/// The holder died long ago; `halt` restores by itself, and what it writes refuses the next run.
pub(super) fn a_dead_holder(lab: &Lab) -> Result<()> {
    let before = lab.snapshot()?;
    for subject in [PARTITION, NFQUEUE] {
        let running = run(lab, subject, 30).in_effect(1)?;
        running.signal(Signal::KILL)?;
        dead(lab, &running)?;
        expect_killed(&running.wait()?)?;
        let halt = halted(lab)?;
        let swept = halt.report()?["swept"].as_array().map(Vec::len);
        ensure!(swept.is_some_and(|count| count > 0), "nothing was swept: {}", halt.out);
        lab.expect_unchanged(&before)?;
        refused_until_resume(lab, subject)?;
    }
    Ok(())
}

/// A halt that cannot be read is a halt: what runs ends, and nothing new begins.
pub(super) fn an_unreadable_halt(lab: &Lab) -> Result<()> {
    let before = lab.snapshot()?;
    let file = lab.state_dir().join("halt.json");
    for garbage in [&b"{"[..], b"", b"\x00\xff", b"null"] {
        let probe = Probe::start(lab, None)?;
        let began = boottime();
        let running = run(lab, PARTITION, 30).in_effect(1)?;
        probe.hit_since(began, lab.patience())?;
        // As an editor would: in place, not by a rename.
        fs::write(&file, garbage).context("write garbage")?;
        let asked = boottime();
        let ended = running.wait()?.expect(6)?;
        ensure!(attested(&ended, "cause")?["haltUnreadable"].is_object(), "another cause: {}", ended.out);
        probe.expect_no_hit_after(asked + ATTESTED_WITHIN + slack(lab), "the unreadable halt")?;
        lab.expect_unchanged(&before)?;
        run(lab, PARTITION, 1).run()?.expect(3)?;
        resumed(lab)?;
    }
    Ok(())
}

fn run(lab: &Lab, subject: Subject, seconds: u64) -> Order {
    let (name, flags) = subject.flags.split_first().map_or(("", [].as_slice()), |(name, flags)| (*name, flags));
    lab.fault(name, flags).and(&["--for", &format!("{seconds}s")])
}

/// Halts, and sees that it says that everything has ended.
fn halted(lab: &Lab) -> Result<Ended> {
    let halt = lab.rumpus(&["halt", "--reason", "a case"]).run()?.expect(0)?;
    let left = halt.report()?["left"].clone();
    ensure!(left == Value::Array(Vec::new()), "something is left: {left}");
    Ok(halt)
}

fn refused_until_resume(lab: &Lab, subject: Subject) -> Result<()> {
    run(lab, subject, 1).run()?.expect(3)?;
    resumed(lab)?;
    works(run(lab, subject, 1)).context("after resume").map(drop)
}

fn resumed(lab: &Lab) -> Result<()> {
    lab.rumpus(&["resume"]).run()?.expect(0).map(drop)
}

/// However it ended: killed, or by itself because the step that hung was beside the way back.
fn ended_by(lab: &Lab, running: Running) -> Result<()> {
    dead(lab, &running)?;
    let ended = running.wait()?;
    if expect_killed(&ended).is_err() && !matches!(ended.code(), Some(3 | 6)) {
        bail!("it ended with {}:\n{}", ended.status, ended.err);
    }
    Ok(())
}
