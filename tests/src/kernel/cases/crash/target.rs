//! The target goes away, or somebody else takes our rules: the fault is lost, says so, and keeps nothing alive.

use std::os::linux::fs::MetadataExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sched::{CloneFlags, unshare};
use rumpus_agent::kernel::timer::boottime;

use super::child::{attested, nothing_left, slack, within};
use super::points::{PARTITION, Subject};
use crate::kernel::command::{Ended, Running};
use crate::kernel::lab::{DEVICE, Lab};
use crate::kernel::probe::Probe;

/// More lines than this, in the seconds that are left of a lost fault, are an error loop.
const FEW: usize = 12;

/// Starts a fault that would last, and shows that it is there.
fn fault(lab: &Lab, subject: Subject, probe: &Probe) -> Result<Running> {
    let (name, flags) = subject.flags.split_first().map_or(("", [].as_slice()), |(name, flags)| (*name, flags));
    let began = boottime();
    let running = lab.fault(name, flags).and(&["--for", "30s"]).in_effect(1)?;
    probe.hit_since(began, lab.patience())?;
    Ok(running)
}

fn lost(lab: &Lab, running: Running, cause: &str) -> Result<Ended> {
    let ended = running.wait()?;
    ensure!(attested(&ended, "state")? == "Lost", "it is not lost:\n{}", ended.err);
    let why = attested(&ended, "cause")?;
    // On a machine that is busy for a whole lease, the lease is over before the loss is seen.
    let seen = ended.code() == Some(4) && why[cause].is_object();
    let late = ended.code() == Some(6) && why == "leaseLost";
    ensure!(seen || late, "{}, and the cause is not {cause}: {why}", ended.status);
    let lines = ended.err.lines().count();
    ensure!(lines <= FEW, "{lines} lines are an error loop:\n{}", ended.err);
    let next = lab.rumpus(&["run", "kill", "--arm", "--signal", "KILL", "--name", "no-such-name"]).run()?.expect(4)?;
    ensure!(!next.err.contains("swept:"), "it left something behind:\n{}", next.err);
    Ok(ended)
}

/// The namespace's name is deleted: nothing leads to it any more, and the kernel ends what is in it.
pub(super) fn name_deleted(lab: &Lab, subject: Subject) -> Result<()> {
    let probe = Probe::start(lab, subject.slow())?;
    let running = fault(lab, subject, &probe)?;
    let netns = netns_of(&lab.target().path().display().to_string())?;
    let output = Command::new("ip").args(["netns", "delete", lab.target().name()]).output().context("start ip")?;
    ensure!(output.status.success(), "ip netns delete: {}", String::from_utf8_lossy(&output.stderr));
    let deleted = boottime();
    lost(lab, running, "targetGone")?;
    probe.untouched_since(deleted, lab.settings().lease + lab.patience())?;
    probe.expect_no_hit_after(deleted + lab.settings().lease + slack(lab), "the lease of a lost target")?;
    ensure!(inside(netns)?.is_empty(), "a process of ours is still in the namespace");
    Ok(())
}

/// Somebody flushes every rule of the namespace, or deletes our table.
pub(super) fn rules_deleted(lab: &Lab, subject: Subject) -> Result<()> {
    for whole in [true, false] {
        let before = lab.snapshot()?;
        let probe = Probe::start(lab, subject.slow())?;
        let running = fault(lab, subject, &probe)?;
        if whole {
            lab.target().tool("nft", &["flush", "ruleset"])?;
        } else {
            for line in lab.target().tool("nft", &["list", "tables"])?.lines().filter(|line| line.contains("rumpus")) {
                let words: Vec<&str> = ["delete"].into_iter().chain(line.split(' ')).collect();
                // The agent notices the first one and may be quicker with the second.
                if let Err(error) = lab.target().tool("nft", &words) {
                    ensure!(error.to_string().contains("No such file"), "{error:#}");
                }
            }
        }
        let deleted = boottime();
        lost(lab, running, "vanished")?;
        probe.expect_no_hit_after(deleted + slack(lab), "the end of our rules")?;
        lab.expect_unchanged(&before)?;
    }
    Ok(())
}

/// The device that carries our chains is deleted. What is left of the table is taken away all the same.
pub(super) fn device_deleted(lab: &Lab) -> Result<()> {
    let probe = Probe::start(lab, None)?;
    let running = fault(lab, PARTITION, &probe)?;
    lab.target().tool("ip", &["link", "delete", DEVICE])?;
    thread::sleep(lab.settings().lease);
    running.signal(rustix::process::Signal::TERM)?;
    let ended = running.wait()?;
    ensure!(matches!(ended.code(), Some(4 | 6)), "it ended with {}:\n{}", ended.status, ended.err);
    let tables = lab.target().tool("nft", &["list", "tables"])?;
    ensure!(!tables.contains("rumpus"), "tables are left: {tables}");
    ensure!(ended.err.lines().count() <= FEW, "an error loop:\n{}", ended.err);
    Ok(())
}

/// The last process of a nameless namespace ends: our worker must not keep the namespace alive.
pub(super) fn process_ends(lab: &Lab) -> Result<()> {
    let seconds = format!("1000.{}", std::process::id());
    let mut victim = Victim(victim(&seconds)?);
    let id = netns_of(&format!("/proc/{}/ns/net", victim.0.id()))?;
    let running = lab
        .rumpus(&["run", "latency", "--arm", "--direction", "Egress", "--delay", "200ms", "--for", "30s"])
        .and(&["--cmdline", &format!("^sleep {seconds}$")])
        .in_effect(1)?;
    ensure!(inside(id)?.len() == 2, "the victim and a worker are in the namespace: {:?}", inside(id)?);
    victim.0.kill().context("kill the victim")?;
    victim.0.wait().context("wait for the victim")?;
    // Two ticks: the first may have begun before the victim died.
    let patience = lab.settings().lease / 5 * 2 + slack(lab) * 2;
    within(patience, "free of our worker", || Ok(inside(id)?.is_empty().then_some(())))?;
    lost(lab, running, "targetGone").map(drop)
}

/// The agent holds no namespace and no socket between two actions, and nothing of it listens at any time.
pub(super) fn nothing_is_held(lab: &Lab) -> Result<()> {
    let running = lab.fault("partition", &["--direction", "Both", "--for", "30s"]).in_effect(1)?;
    let (mut held, samples) = (0, 100);
    for _sample in 0..samples {
        let links = descriptors(running.pid())?;
        held += usize::from(links.iter().any(|link| link.starts_with("net:[")));
        let sockets: Vec<&str> =
            links.iter().filter_map(|link| link.strip_prefix("socket:[")?.strip_suffix(']')).collect();
        for table in ["tcp", "tcp6", "udp", "udp6", "udplite", "raw", "raw6", "packet"] {
            let text = std::fs::read_to_string(format!("/proc/{}/net/{table}", running.pid())).unwrap_or_default();
            let mine = text.lines().find(|line| line.split_whitespace().any(|word| sockets.contains(&word)));
            ensure!(mine.is_none(), "the agent has a {table} socket: {mine:?}");
        }
        let unix = std::fs::read_to_string(format!("/proc/{}/net/unix", running.pid())).context("read unix sockets")?;
        // The flag of a listening socket.
        let listens = |line: &&str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(3) == Some(&"00010000") && words.get(6).is_some_and(|inode| sockets.contains(inode))
        };
        ensure!(!unix.lines().any(|line| listens(&line)), "the agent listens on a unix socket");
        thread::sleep(Duration::from_millis(10));
    }
    // A renewal takes milliseconds of each 200 ms.
    ensure!(held <= samples / 2, "in {held} of {samples} looks the agent held a network namespace");
    running.interrupt()?.expect(130)?;
    nothing_left(lab)
}

/// A process that is killed with its case.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a process in a namespace of its own that has no name: the child inherits it from a thread that then ends.
fn victim(seconds: &str) -> Result<Child> {
    thread::scope(|scope| {
        let inside = scope.spawn(|| -> Result<Child> {
            unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace")?;
            for words in ["link add v0 type veth peer name v1", "link set v0 up", "link set v1 up"] {
                let status = Command::new("ip").args(words.split(' ')).status().context("start ip")?;
                ensure!(status.success(), "ip {words}: {status}");
            }
            Command::new("sleep").arg(seconds).stdin(Stdio::null()).spawn().context("start a victim")
        });
        inside.join().map_err(|_panic| anyhow!("the thread that starts a victim panicked"))?
    })
}

fn descriptors(pid: u32) -> Result<Vec<String>> {
    let mut links = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).context("list descriptors")? {
        // One that was closed meanwhile is not held.
        if let Ok(link) = std::fs::read_link(entry.context("list descriptors")?.path()) {
            links.push(link.to_string_lossy().into_owned());
        }
    }
    Ok(links)
}

/// Returns the inode of a namespace's file.
pub(super) fn netns_of(path: &str) -> Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| format!("look at {path}"))?.st_ino())
}

/// Returns the processes in a network namespace.
pub(super) fn inside(netns: u64) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("list processes")? {
        let name = entry.context("list processes")?.file_name();
        let Ok(pid) = name.to_string_lossy().parse::<u32>() else { continue };
        // A process that has ended meanwhile is in none.
        if netns_of(&format!("/proc/{pid}/ns/net")).is_ok_and(|inode| inode == netns) {
            found.push(pid);
        }
    }
    Ok(found)
}
