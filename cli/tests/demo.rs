//! `rumpus demo` as a person starts it: what it proves, and that nothing of it is left however it ends.
//!
//! Needs root. There is one demo at a time on a machine, so these tests take turns.

use anyhow::{Context as _, Result, bail, ensure};
use rumpus_agent::kernel::{netns, proc};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const RUMPUS: &str = env!("CARGO_BIN_EXE_rumpus");
/// A bound for what has to come, never a measure of speed.
const PATIENCE: Duration = Duration::from_secs(90);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[test]
fn it_proves_every_fault_and_leaves_nothing() -> Result<()> {
    let _turn = turn();
    let demo = Demo::start(&["-o", "json"], Path::new("/"))?;
    let ended = demo.end()?;
    ensure!(ended.status.code() == Some(0), "{:?}\n{}", ended.status, ended.text());
    let report: serde_json::Value = serde_json::from_str(&ended.out)?;
    ensure!(report["outcome"] == "Proven" && report["dumpsEqual"] == true, "{report:#}");
    ensure!(report["swept"] == serde_json::json!([]) && report["problems"] == serde_json::json!([]), "{report:#}");
    let faults = report["faults"].as_array().context("faults")?;
    let names: Vec<&String> = faults.iter().filter_map(|f| f["plan"]["fault"].as_object()?.keys().next()).collect();
    ensure!(names == ["Latency", "Partition", "Kill"], "{names:?}");
    let seen = |at: usize, span: &str, what: &str| faults[at]["proof"][span][what].as_u64().unwrap_or(u64::MAX);
    ensure!(seen(0, "during", "p50Micros") >= 90_000 && seen(0, "after", "p50Micros") < 50_000, "{report:#}");
    ensure!(seen(1, "during", "failed") * 10 >= seen(1, "during", "requests") * 9, "{report:#}");
    ensure!(seen(1, "after", "failed") * 20 <= seen(1, "after", "requests"), "{report:#}");
    let (old, new) = (&faults[2]["proof"]["replaced"][0][0], &faults[2]["proof"]["replaced"][0][1]);
    ensure!(old.is_u64() && new.is_u64() && old != new, "{report:#}");
    ensure!(!ended.err.contains('\u{1b}'), "control codes without a terminal");
    ended.left_nothing()?;
    let residue = Command::new(RUMPUS).args(["residue", "-o", "json"]).output()?;
    ensure!(!String::from_utf8_lossy(&residue.stdout).contains("rumpus-demo"));
    Ok(())
}

#[test]
fn ctrl_c_at_any_moment_takes_everything_back() -> Result<()> {
    let _turn = turn();
    // Set-up takes about 80 ms in a debug build, tear-down about 100 ms.
    for bound in [15, 30, 45, 60, 75, 90, 110, 2_000, 4_000, 6_000] {
        let moment = Duration::from_micros(random(bound * 1000));
        let demo = Demo::start(&[], Path::new("/"))?;
        thread::sleep(moment);
        demo.signal(Signal::INT)?;
        // Again and again, in the middle of tear-down: it changes nothing.
        for _ in 0..5 {
            thread::sleep(Duration::from_micros(random(30_000)));
            drop(demo.signal(Signal::INT));
        }
        let ended = demo.end()?;
        let began = !ended.out.is_empty();
        // Before it listens to signals it has made nothing, and just dies.
        let fits = ended.status.code() == Some(130) || (!began && ended.status.signal() == Some(2));
        ensure!(fits, "after {moment:?}: {:?}\n{}", ended.status, ended.text());
        ensure!(!began || ended.out.contains("interrupted:"), "after {moment:?}\n{}", ended.text());
        ended.left_nothing().with_context(|| format!("after {moment:?}\n{}", ended.text()))?;
    }
    Ok(())
}

#[test]
fn a_signal_after_the_last_scene_still_counts() -> Result<()> {
    let _turn = turn();
    let folder = policies("demo-1.yaml", &short("rumpus-demo-api"))?;
    let mut demo = Demo::start(&[], folder.path())?;
    demo.wait_for("THE CLIENT'S VIEW")?;
    demo.signal(Signal::TERM)?;
    let ended = demo.end()?;
    ensure!(ended.status.code() == Some(6), "{:?}\n{}", ended.status, ended.text());
    ended.left_nothing()
}

#[test]
fn a_killed_demo_leaves_no_process_and_the_next_one_clears_the_rest() -> Result<()> {
    let _turn = turn();
    let mut demo = Demo::start(&[], Path::new("/"))?;
    demo.wait_for("in effect")?;
    ensure!(!services()?.is_empty());
    demo.signal(Signal::KILL)?;
    let dead = demo.end()?;
    ensure!(dead.status.signal() == Some(9));
    let until = Instant::now() + Duration::from_secs(2);
    while !services()?.is_empty() {
        ensure!(Instant::now() < until, "still there: {:?}", services()?);
        thread::sleep(Duration::from_millis(10));
    }
    let mut next = Demo::start(&[], Path::new("/"))?;
    next.wait_for("removing what a killed demo left")?;
    next.wait_for("the services answer")?;
    let other = Command::new(RUMPUS).arg("demo").output()?;
    ensure!(other.status.code() == Some(3), "a second demo: {:?}", other.status);
    next.signal(Signal::INT)?;
    let ended = next.end()?;
    ensure!(ended.status.code() == Some(130), "{:?}\n{}", ended.status, ended.text());
    ended.left_nothing()
}

#[test]
fn residue_finds_what_a_killed_demo_left_and_cleans_it() -> Result<()> {
    let _turn = turn();
    let mut demo = Demo::start(&[], Path::new("/"))?;
    demo.wait_for("in effect")?;
    let name = format!("/run/rumpus-demo-{}", demo.child.id());
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("state").display().to_string();
    let residue = |words: &[&str]| -> Result<String> {
        let ended = Command::new(RUMPUS).args(["residue", "-o", "json", "--state-dir", &state]).args(words).output()?;
        Ok(String::from_utf8(ended.stdout)?)
    };
    ensure!(!residue(&["--clean"])?.contains(&name), "a demo that lives is no residue");
    demo.signal(Signal::KILL)?;
    let dead = demo.end()?;
    ensure!(residue(&[])?.contains(&name) && Path::new(&name).exists(), "without --clean it is only told");
    let cleaned = residue(&["--clean"])?;
    ensure!(cleaned.contains("removed what a killed demo left"), "{cleaned}");
    dead.left_nothing()
}

#[test]
fn a_halt_ends_it() -> Result<()> {
    let _turn = turn();
    let mut demo = Demo::start(&[], Path::new("/"))?;
    demo.wait_for("in effect")?;
    let dir = format!("/run/rumpus-demo-{}", demo.child.id());
    let halt = Command::new(RUMPUS).args(["halt", "--state-dir", &dir]).output()?;
    ensure!(halt.status.success(), "{}", String::from_utf8_lossy(&halt.stdout));
    let ended = demo.end()?;
    ensure!(ended.status.code() == Some(6), "{:?}\n{}", ended.status, ended.text());
    ended.left_nothing()
}

#[test]
fn a_halted_state_directory_refuses_it() -> Result<()> {
    let _turn = turn();
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("state").display().to_string();
    let halt = Command::new(RUMPUS).args(["halt", "--state-dir", &dir]).output()?;
    ensure!(halt.status.success());
    let ended = Demo::start(&["--state-dir", &dir], Path::new("/"))?.end()?;
    ensure!(ended.status.code() == Some(3) && ended.err.contains("halted"), "{}", ended.text());
    ended.left_nothing()
}

#[test]
fn a_policy_that_would_hit_anything_else_is_refused() -> Result<()> {
    let _turn = turn();
    let fault = "- partition: {how: Drop, direction: Both, peers: {addresses: [10.87.0.3]}}\n    duration: 2s";
    let text = short("rumpus-demo-api").replace(fault, "- kill: {signal: TERM, grace: 1s}");
    // The supervisor, the client and the store are the demo's too, but not what a demo may hit.
    let everything = "processes: {cmdline: rumpus-demo-service}";
    let folder = policies("demo-1.yaml", &text.replace("netns: {names: [rumpus-demo-api]}", everything))?;
    let ended = Demo::start(&[], folder.path())?.end()?;
    ensure!(ended.status.code() == Some(3), "{:?}\n{}", ended.status, ended.text());
    ensure!(ended.err.contains("which is not the demo's"), "{}", ended.text());
    ended.left_nothing()
}

#[test]
fn names_that_are_somebody_elses_are_left_alone() -> Result<()> {
    let _turn = turn();
    let name = Path::new(netns::NAMED).join("rumpus-demo-store");
    let made = !Path::new(netns::NAMED).exists();
    std::fs::create_dir_all(netns::NAMED)?;
    std::fs::write(&name, "")?;
    let ended = Demo::start(&[], Path::new("/"))?.end();
    let kept = name.exists();
    std::fs::remove_file(&name)?;
    if made {
        std::fs::remove_dir(netns::NAMED)?;
    }
    let ended = ended?;
    ensure!(kept && ended.status.code() == Some(3), "{:?}\n{}", ended.status, ended.text());
    ended.left_nothing()
}

/// A policy that takes two seconds.
fn short(netns: &str) -> String {
    format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: short}}\nspec:\n  experiment:\n    \
         targets:\n      netns: {{names: [{netns}]}}\n    pick: {{all: true}}\n    faults:\n    \
         - partition: {{how: Drop, direction: Both, peers: {{addresses: [10.87.0.3]}}}}\n    duration: 2s\n    \
         steadyState: {{none: {{reason: a test}}}}\n"
    )
}

fn policies(name: &str, text: &str) -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("policies"))?;
    std::fs::write(folder.path().join("policies").join(name), text)?;
    Ok(folder)
}

fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a number below `bound`; the failing one is in the test's message.
fn random(bound: u64) -> u64 {
    let mut bytes = [0; 8];
    // Zeros if there is no randomness: a moment as good as any.
    let _drawn = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes) % bound
}

fn services() -> Result<Vec<u32>> {
    let ours = |p: &proc::ProcessFacts| {
        let line = p.cmdline.as_deref().unwrap_or_default();
        !p.has_exited() && line.starts_with("rumpus-demo-service")
    };
    Ok(proc::scan()?.iter().filter(|p| ours(p)).map(|p| p.pid).collect())
}

/// The command while it runs; killed when it is dropped.
struct Demo {
    child: Child,
    lines: Receiver<(bool, String)>,
    out: String,
    err: String,
}

struct Ended {
    status: ExitStatus,
    out: String,
    err: String,
}

impl Demo {
    fn start(words: &[&str], folder: &Path) -> Result<Self> {
        let mut command = Command::new(RUMPUS);
        command.arg("demo").args(words).current_dir(folder).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (tell, lines) = channel();
        let (out, err) = (child.stdout.take().context("output")?, child.stderr.take().context("errors")?);
        let also = tell.clone();
        thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).all(|l| tell.send((true, l)).is_ok()));
        thread::spawn(move || BufReader::new(err).lines().map_while(Result::ok).all(|l| also.send((false, l)).is_ok()));
        Ok(Self { child, lines, out: String::new(), err: String::new() })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        // Not reaped yet, so the number is the child's.
        let pid = Pid::from_raw(i32::try_from(self.child.id())?).context("pid")?;
        Ok(pidfd_send_signal(pidfd_open(pid, PidfdFlags::empty())?, signal)?)
    }

    fn wait_for(&mut self, text: &str) -> Result<()> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok((out, line)) => {
                    self.keep(out, &line);
                    if line.contains(text) {
                        return Ok(());
                    }
                }
                Err(_) => bail!("it never says {text:?}\n{}\n{}", self.out, self.err),
            }
        }
    }

    fn keep(&mut self, out: bool, line: &str) {
        let to = if out { &mut self.out } else { &mut self.err };
        to.push_str(line);
        to.push('\n');
    }

    fn end(mut self) -> Result<Ended> {
        // Its output ends with it, unless something of it lives on and holds the pipe.
        while let Ok((out, line)) = self.lines.recv_timeout(PATIENCE) {
            self.keep(out, &line);
        }
        let status = self.child.try_wait()?;
        let status = match status {
            Some(status) => status,
            None => self.child.wait()?,
        };
        let (out, err) = (std::mem::take(&mut self.out), std::mem::take(&mut self.err));
        Ok(Ended { status, out, err })
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Ended {
    fn text(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }

    /// Looks for itself, whatever the demo said.
    fn left_nothing(&self) -> Result<()> {
        ensure!(services()?.is_empty(), "processes: {:?}", services()?);
        let begins = |folder: &str| -> Result<Vec<PathBuf>> {
            if !Path::new(folder).exists() {
                return Ok(Vec::new());
            }
            let paths = std::fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
            let ours = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("rumpus-demo-"));
            Ok(paths.into_iter().filter(ours).collect())
        };
        let (dirs, names) = (begins("/run")?, begins(netns::NAMED)?);
        ensure!(dirs.is_empty() && names.is_empty(), "left: {dirs:?} {names:?}");
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        ensure!(!mounts.contains("rumpus-demo-"), "{mounts}");
        Ok(())
    }
}
