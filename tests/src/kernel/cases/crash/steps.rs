//! The agent dies, stops or is killed with its cgroup at each step of a fault's life: the effect ends within the lease
//! with nobody's help, and the next agent finds and reports what is left.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rumpus_agent::core::Record;
use rumpus_agent::journal::{self, Recovered};
use rumpus_agent::kernel::timer::boottime;
use rumpus_model::injection::EndCause;
use rustix::process::Signal;

use super::child::{accepted, attested, dead, expect_killed, nothing_left, poll, slack, stopped};
use super::group::Group;
use super::points::{Part, Point, Subject, points};
use crate::kernel::command::{Ended, Order, Running};
use crate::kernel::lab::{Lab, Snapshot};
use crate::kernel::probe::Probe;

/// What becomes of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crash {
    /// SIGKILL at the point.
    Kill,
    /// SIGSTOP at the point, and SIGCONT once the lease is over.
    Stop,
    /// It hangs at the point until its whole cgroup is killed.
    CgroupKill,
}

/// Where the agents of one case are tried, and what they are measured with.
struct Bench<'a> {
    lab: &'a Lab,
    subject: Subject,
    probe: Probe,
    before: Snapshot,
}

/// Tries one kind of crash at every point of one part of a fault's life.
pub(super) fn every_step(lab: &Lab, subject: Subject, crash: Crash, part: Part) -> Result<()> {
    let wanted: Vec<Point> = points(subject.engine).into_iter().filter(|point| point.part == part).collect();
    at(lab, subject, &wanted.iter().map(|point| (point.clone(), crash)).collect::<Vec<_>>())
}

/// Tries one kind of crash at a few points.
pub(super) fn named(lab: &Lab, subject: Subject, crash: Crash, names: &[&str]) -> Result<()> {
    let all = points(subject.engine);
    let find = |name: &&str| all.iter().find(|point| point.name == *name).cloned();
    let found: Vec<(Point, Crash)> = names.iter().filter_map(find).map(|point| (point, crash)).collect();
    ensure!(found.len() == names.len(), "one of {names:?} is no point of {}", subject.engine);
    at(lab, subject, &found)
}

/// Tries a seeded tenth of all steps and crashes of a fault; all of them in a soak.
pub(super) fn sample(lab: &Lab, subject: Subject) -> Result<()> {
    let mut all = Vec::new();
    for point in points(subject.engine) {
        all.extend([Crash::Kill, Crash::Stop, Crash::CgroupKill].map(|crash| (point.clone(), crash)));
    }
    if !lab.settings().soak {
        let seed = usize::try_from(lab.settings().seed % 10).context("a remainder of 10")?;
        all = all.into_iter().enumerate().filter(|(number, _)| number % 10 == seed).map(|(_, one)| one).collect();
    }
    at(lab, subject, &all)
}

/// Tries these points, one after the other, on one lab.
pub(super) fn at(lab: &Lab, subject: Subject, wanted: &[(Point, Crash)]) -> Result<()> {
    ensure!(!wanted.is_empty(), "no point is to be tried");
    let before = lab.snapshot()?;
    let bench = Bench { lab, subject, probe: Probe::start(lab, subject.slow())?, before };
    for (point, crash) in wanted {
        let tried = match crash {
            Crash::Kill | Crash::CgroupKill => bench.dies(point, *crash),
            Crash::Stop => bench.stops(point),
        };
        tried.with_context(|| format!("{crash:?} at {}", point.name))?;
    }
    // Once is enough: a second successor has nothing to tell.
    let again = bench.nobody().run()?.expect(4)?;
    ensure!(!again.err.contains("swept:") && !again.err.contains("restored"), "told again:\n{}", again.err);
    // Late answers to what was sent under a fault are neighbours' business; the lab itself is as it was.
    lab.expect_unchanged(&bench.before)
}

impl Bench<'_> {
    /// Long enough to be stopped for a lease and go on; the way back begins when it is over.
    fn lasts(&self, part: Part, crash: Crash) -> Duration {
        let lease = self.lab.settings().lease;
        match (part.is_applying(), crash) {
            (true, Crash::Stop) => lease * 4,
            (true, Crash::Kill | Crash::CgroupKill) => lease * 3,
            (false, _) => lease.clamp(Duration::from_secs(1), Duration::from_secs(2)),
        }
    }

    fn order(&self, point: &Point, action: &str, lasts: Duration) -> Order {
        let mark = self.mark();
        let (name, flags) =
            self.subject.flags.split_first().map_or(("", [].as_slice()), |(name, flags)| (*name, flags));
        self.lab
            .fault(name, flags)
            .and(&["--for", &format!("{}ms", lasts.as_millis())])
            .env("RUMPUS_FAILPOINT", format!("{}:{action}", point.name))
            .env("RUMPUS_FAILPOINT_MARK", mark.display().to_string())
    }

    fn mark(&self) -> std::path::PathBuf {
        self.lab.state_dir().join("mark")
    }

    fn dies(&self, point: &Point, crash: Crash) -> Result<()> {
        let began = boottime();
        let lasts = self.lasts(point.part, crash);
        let action = if crash == Crash::CgroupKill { "hang" } else { "kill" };
        let running = self.order(point, action, lasts).start()?;
        let group = if crash == Crash::CgroupKill { Some(Group::new(self.lab)?) } else { None };
        if let Some(group) = &group {
            group.add(running.pid())?;
        }
        let deadline = accepted(self.lab, &running)? + lasts;
        if let Some(group) = &group {
            // A step that is never reached would end in the run's own end.
            poll(self.lab, "at the point", || {
                Ok((super::child::is_dead(running.pid()) || self.mark().exists()).then_some(()))
            })?;
            group.kill()?;
        }
        let died = dead(self.lab, &running)?;
        expect_killed(&running.wait()?)?;
        self.remove_mark()?;
        self.effect_ends(point, began, died, deadline)?;
        self.successor(point)
    }

    fn stops(&self, point: &Point) -> Result<()> {
        let began = boottime();
        let lasts = self.lasts(point.part, Crash::Stop);
        let running = self.order(point, "stop", lasts).start()?;
        let deadline = accepted(self.lab, &running)? + lasts;
        if point.name == "arm.between" {
            // The kernel kills the agent at the instant that it was about to write into the gate.
            let latest = poll(self.lab, "stopped", || Ok(self.mark().exists().then(boottime)))?;
            let died = dead(self.lab, &running)?;
            let (lease, slack) = (self.lab.settings().lease, slack(self.lab));
            ensure!(
                died <= latest + lease + slack,
                "a stopped agent could arm a gate {:?} after its lease",
                died - latest
            );
            expect_killed(&running.wait()?)?;
            self.remove_mark()?;
            self.effect_ends(point, began, latest, deadline)?;
            return self.successor(point);
        }
        let at = stopped(self.lab, &running)?;
        self.effect_ends(point, began, at, deadline)?;
        self.is_refused_beside(&running)?;
        // Where nothing was in effect, its end came before the lease's.
        std::thread::sleep((at + self.lab.settings().lease + slack(self.lab)).saturating_sub(boottime()));
        running.signal(Signal::CONT)?;
        let ended = running.wait()?;
        self.remove_mark()?;
        self.went_on(point, &ended, at, deadline)
    }

    /// The effect is gone within the lease of a crash, and within a second of the deadline.
    fn effect_ends(&self, point: &Point, began: Duration, crashed: Duration, deadline: Duration) -> Result<()> {
        let (lease, slack) = (self.lab.settings().lease, slack(self.lab));
        // The row that shows it takes a while to be sent.
        self.probe.untouched_since(crashed, lease + slack + self.lab.patience() / 4)?;
        let (hits, of) = self.probe.hits_between(began, boottime());
        ensure!(!point.was_seen || hits > 0, "none of {of} datagrams was hit: there was no effect to end");
        let latest = (crashed + lease + slack).min(deadline + Duration::from_secs(1));
        self.probe.expect_no_hit_after(latest, "the lease or the deadline")
    }

    /// A stopped agent still holds its state directory.
    fn is_refused_beside(&self, running: &Running) -> Result<()> {
        let refused = self.nobody().run()?.expect(3)?;
        let pid = format!("pid {}", running.pid());
        ensure!(refused.err.contains(&pid), "a refusal that does not name {pid}:\n{}", refused.err);
        Ok(())
    }

    /// What was stopped for longer than its lease puts back what it did, and arms nothing again.
    fn went_on(&self, point: &Point, ended: &Ended, stopped: Duration, deadline: Duration) -> Result<()> {
        let (lease, slack) = (self.lab.settings().lease, slack(self.lab));
        let latest = deadline + Duration::from_secs(1);
        let latest = if point.begun { latest.min(stopped + lease + slack) } else { latest };
        self.probe.expect_no_hit_after(latest, "going on after SIGCONT")?;
        // Its time was over, its lease was, its worker had gone, or a step had no time left.
        ensure!(matches!(ended.code(), Some(0 | 3 | 4 | 6)), "it ended with {}:\n{}", ended.status, ended.err);
        let state = attested(ended, "state")?;
        // A delay that lost its worker is lost, not restored.
        ensure!(state == "Restored" || state == "Lost", "it ended as {state}:\n{}", ended.err);
        nothing_left(self.lab)?;
        let successor = self.nobody().run()?.expect(4)?;
        ensure!(!successor.err.contains("swept:"), "it left something behind:\n{}", successor.err);
        Ok(())
    }

    /// The next agent on the same state directory finds and reports what is there, and writes its end down.
    fn successor(&self, point: &Point) -> Result<()> {
        let before = records(self.lab)?.records;
        let open: Vec<&Record> = before.iter().filter(|record| matches!(record, Record::Intent(_))).collect();
        let ended = self.nobody().run()?.expect(4)?;
        let found = |what: &str| ended.err.lines().any(|line| line.contains("swept:") && line.contains(what));
        ensure!(found("table rumpus_") == point.table, "a table is left: {}; told:\n{}", point.table, ended.err);
        ensure!(found("device ") == point.links, "links are left: {}; told:\n{}", point.links, ended.err);
        ensure!(
            ended.err.contains("restored") == point.open,
            "an intent without an end: {} of {}; told:\n{}",
            point.open,
            open.len(),
            ended.err
        );
        let after = records(self.lab)?;
        ensure!(after.damage.is_none(), "the journal is damaged: {:?}", after.damage);
        let swept = |record: &Record| matches!(record, Record::Ended { cause: EndCause::Swept, .. });
        if point.open {
            ensure!(after.records.last().is_some_and(swept), "the sweep is not in the journal: {:?}", after.records);
        }
        nothing_left(self.lab)?;
        Ok(())
    }

    /// A run that selects nothing: its agent sweeps, and that is all.
    fn nobody(&self) -> Order {
        self.lab.rumpus(&["run", "kill", "--arm", "--signal", "KILL", "--name", "no-such-name"])
    }

    fn remove_mark(&self) -> Result<()> {
        match std::fs::remove_file(self.mark()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("remove the mark"),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Reads the journal of the lab's state directory.
pub(super) fn records(lab: &Lab) -> Result<Recovered<Record>> {
    let path = lab.state_dir().join(journal::FILE);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(journal::recover(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(journal::recover(&[])),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}
