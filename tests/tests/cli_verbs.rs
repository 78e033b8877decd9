//! The on-call verbs as a person meets them: exit codes and texts of the real command, with an agent that works, one that
//! is stopped, one that died, and a directory that is held, damaged, halted or read-only.
//!
//! Needs root. Touches only a lab and a state directory of its own for each test.
#![expect(clippy::unwrap_used, reason = "what surrounds a test fails by it, as the test does")]

use anyhow::{Context as _, Result, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rumpus_agent::state_dir::StateDir;
use rumpus_tests::kernel::case::Settings;
use rumpus_tests::kernel::lab::{self, Lab};
use rumpus_tests::kernel::matrix::Kernel;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_rumpus-ktest");
/// How long something that has to come is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
const LOSS: [&str; 6] = ["loss", "--loss", "50", "--direction", "Egress", "--arm"];

/// What a command said, without times and the directory's name.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn command(binary: &Path, state: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.arg("rumpus").args(words).arg("--state-dir").arg(state).env_remove("SUDO_USER").env("USER", "ann");
    command.env_remove("RUMPUS_STATE_DIR").stdin(Stdio::null());
    command
}

fn said(mut command: Command, state: &Path) -> Said {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&state.display().to_string(), "DIR");
    Said { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

fn rumpus(state: &Path, words: &[&str]) -> Said {
    said(command(Path::new(BINARY), state, words), state)
}

/// An agent that does not outlive its test.
struct Agent(Child);

impl Agent {
    fn code(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A lab that is removed whatever becomes of the test.
struct Place {
    id: String,
    lab: Lab,
}

impl Place {
    fn new(name: &str) -> Self {
        let id = format!("cli-{name}-{}", std::process::id());
        let settings =
            Settings { kernel: Kernel::Host, lease: Duration::from_secs(15), seed: 1, soak: false, sabotage: None };
        Self { lab: Lab::new(&id, settings).unwrap(), id }
    }

    fn state(&self) -> &Path {
        self.lab.state_dir()
    }

    fn loss(&self, length: &str) -> Vec<String> {
        let place = ["--netns", self.lab.target().name(), "--for", length];
        let words = ["run"].iter().chain(&LOSS).chain(&place);
        words.map(|word| (*word).to_owned()).collect()
    }

    /// Runs a fault to its end.
    fn run(&self) -> Said {
        let words = self.loss("1s");
        rumpus(self.state(), &words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Starts a fault and waits until the kernel has its table.
    fn start(&self) -> Result<Agent> {
        let words = self.loss("60s");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut started = command(Path::new(BINARY), self.state(), &words);
        let agent = Agent(started.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        let end = Instant::now() + PATIENCE;
        while !rumpus(self.state(), &["active"]).out.contains("armed for") {
            ensure!(Instant::now() < end, "the fault is not in effect: {}", rumpus(self.state(), &["active"]).out);
            thread::sleep(Duration::from_millis(20));
        }
        Ok(agent)
    }

    fn tables(&self) -> Result<String> {
        self.lab.target().tool("nft", &["list", "tables"])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(lab::sweep(&self.id));
    }
}

fn signal(agent: &Agent, signal: nix::sys::signal::Signal) -> Result<()> {
    let pid = i32::try_from(agent.0.id())?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).context("signal the agent")
}

/// Runs a command where the state directory is a read-only mount.
fn read_only(state: &Path, words: &[&str]) -> Said {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            // Only this thread has the mounts, and what it starts; both end here.
            unshare(CloneFlags::CLONE_NEWNS)?;
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
            mount(Some(state), state, none, MsFlags::MS_BIND, none)?;
            mount(none, state, none, MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, none)?;
            anyhow::Ok(rumpus(state, words))
        });
        inside.join().unwrap().unwrap()
    })
}

#[test]
fn without_root_nothing_is_done_and_sudo_is_hinted() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = dir.path().join("rumpus-copy");
    fs::copy(BINARY, &binary).unwrap();
    let state = dir.path().join("state");
    for words in
        [&["halt"][..], &["resume"], &["active"], &["residue", "--clean"], &["run", "kill", "--name", "x", "--arm"]]
    {
        let mut asked = command(&binary, &state, words);
        asked.uid(65534).gid(65534);
        let said = said(asked, &state);
        assert_eq!(said.code, Some(3), "{words:?}: {}", said.err);
        assert!(said.err.contains("this needs root") && said.err.contains("hint: run it with sudo"), "{}", said.err);
        assert!(!state.exists());
    }
}

#[test]
fn what_makes_no_sense_is_told_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let said = rumpus(dir.path(), &["run", "lateny"]);
    insta::assert_snapshot!(said.err, @r"
    error: there is no file and no fault `lateny`
    hint: faults are: kill, latency, loss, partition
    ");
    assert_eq!(said.code, Some(2));
    let file = dir.path().join("bad.yaml");
    fs::write(&file, "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {name: a}\nspec: {exlude: 1}\n")
        .unwrap();
    let said = rumpus(dir.path(), &["run", file.to_str().unwrap()]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("exlude") && said.err.contains("hint:") && said.err.ends_with("nothing was done\n"),
        "{}",
        said.err
    );
}

#[test]
fn a_held_directory_names_its_holder() {
    let place = Place::new("held");
    let held = StateDir::open(place.state()).unwrap();
    let said = place.run();
    let pid = std::process::id();
    assert_eq!(said.code, Some(3));
    assert!(said.err.contains(&format!("held by another process (pid {pid})")), "{}", said.err);
    assert!(said.err.contains("`rumpus halt` ends it"), "{}", said.err);
    let active = rumpus(place.state(), &["active"]);
    assert_eq!(
        (active.code, active.out.contains(&format!("held by process {pid}"))),
        (Some(0), true),
        "{}",
        active.out
    );
    let clean = rumpus(place.state(), &["residue", "--clean"]);
    assert!(clean.out.contains("nothing was cleaned: an agent holds it"), "{}", clean.out);
    drop(held);
}

#[test]
fn a_halt_stands_until_it_is_lifted_and_the_first_one_counts() {
    let place = Place::new("stands");
    let first = rumpus(place.state(), &["halt", "--reason", "checkout\u{1b}[2J is down"]);
    assert_eq!(first.code, Some(0), "{}{}", first.out, first.err);
    assert!(first.out.contains("halted DIR: checkout\\u{1b}[2J is down"), "{}", first.out);
    let refused = place.run();
    assert_eq!(refused.code, Some(3));
    assert!(refused.out.contains("no: halted: checkout\\u{1b}[2J is down"), "{}", refused.out);
    assert!(refused.out.contains("hint: `rumpus resume` lifts the halt"), "{}", refused.out);
    let second = rumpus(place.state(), &["halt", "--reason", "other"]);
    assert_eq!(second.code, Some(0));
    assert!(second.out.contains("already halted by ann since ") && second.out.contains("is down"), "{}", second.out);
    let lifted = rumpus(place.state(), &["resume"]);
    assert_eq!(
        (lifted.code, lifted.out.starts_with("lifted the halt of ann since ")),
        (Some(0), true),
        "{}",
        lifted.out
    );
    insta::assert_snapshot!(rumpus(place.state(), &["resume"]).out, @"nothing to lift: DIR is not halted.");
    // No packet comes by, so it proves nothing; but it runs.
    assert_eq!(place.run().code, Some(4));
}

#[test]
fn a_living_agent_ends_everything_and_attests_it() {
    let place = Place::new("living");
    let mut agent = place.start().unwrap();
    let halt = rumpus(place.state(), &["halt", "-o", "json"]);
    assert_eq!(halt.code, Some(0), "{}{}", halt.out, halt.err);
    let report: serde_json::Value = serde_json::from_str(&halt.out).unwrap();
    assert_eq!(report["holder"], agent.0.id());
    assert!(report["effectEndedMs"].is_u64() && report["cleanMs"].is_u64(), "{report}");
    assert_eq!((&report["killed"], &report["swept"]), (&serde_json::Value::Null, &serde_json::json!([])));
    assert_eq!(place.tables().unwrap(), "");
    assert_eq!(agent.code(), Some(6));
}

#[test]
fn a_stopped_agent_is_killed_and_its_faults_end() {
    let place = Place::new("stopped");
    let mut agent = place.start().unwrap();
    signal(&agent, nix::sys::signal::Signal::SIGSTOP).unwrap();
    let halt = rumpus(place.state(), &["halt"]);
    assert_eq!(halt.code, Some(0), "{}{}", halt.out, halt.err);
    assert!(
        halt.out.contains(&format!("killed process {}: it attested nothing within 1 s", agent.0.id())),
        "{}",
        halt.out
    );
    assert!(halt.out.contains("  taken away  table rumpus_"), "{}", halt.out);
    assert_eq!(place.tables().unwrap(), "");
    assert_eq!(agent.code(), None);
    assert!(rumpus(place.state(), &["active"]).out.contains("nothing is live"));
}

#[test]
fn what_a_dead_agent_left_is_shown_and_cleaned() {
    let place = Place::new("dead");
    let mut agent = place.start().unwrap();
    agent.0.kill().unwrap();
    assert_eq!(agent.code(), None);
    let active = rumpus(place.state(), &["active"]);
    assert!(active.out.contains("no agent") && active.out.contains("its agent has died"), "{}", active.out);
    let residue = rumpus(place.state(), &["residue"]);
    assert_eq!((residue.code, residue.out.contains("this directory, no agent")), (Some(5), true), "{}", residue.out);
    assert!(rumpus(place.state(), &["resume"]).out.contains("left by an agent that died: table rumpus_"));
    let clean = rumpus(place.state(), &["residue", "--clean", "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&clean.out).unwrap();
    assert_eq!(report["cleaned"]["closed"].as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!(report["cleaned"]["left"], serde_json::json!([]));
    assert_eq!(place.tables().unwrap(), "");
    assert!(!rumpus(place.state(), &["residue"]).out.contains("this directory"));
}

#[test]
fn a_damaged_journal_refuses_runs_until_it_is_cleaned() {
    let place = Place::new("damaged");
    drop(StateDir::open(place.state()).unwrap());
    fs::write(place.state().join("journal"), "garbage").unwrap();
    for _ in 0..2 {
        let refused = place.run();
        assert_eq!(refused.code, Some(3), "{}", refused.out);
        assert!(refused.out.contains("it was damaged") && refused.out.contains("residue --clean"), "{}", refused.out);
    }
    assert!(rumpus(place.state(), &["active"]).out.contains("problem: the journal was damaged"));
    let clean = rumpus(place.state(), &["residue", "--clean"]);
    assert!(clean.out.contains("note: the journal was damaged; new runs may begin again"), "{}", clean.out);
    assert_eq!(place.run().code, Some(4));
    let kept = fs::read_dir(place.state()).unwrap().flatten();
    assert_eq!(kept.filter(|e| e.file_name().to_string_lossy().starts_with("journal.bad-")).count(), 1);
}

#[test]
fn where_nothing_can_be_written_everything_ends_and_nothing_is_promised() {
    let place = Place::new("readonly");
    let mut agent = place.start().unwrap();
    let halt = read_only(place.state(), &["halt"]);
    assert_eq!(halt.code, Some(5), "{}{}", halt.out, halt.err);
    for text in ["the halt could not be written in DIR", "killed process", "taken away", "new runs are NOT blocked"] {
        assert!(halt.out.replace('\n', " ").contains(text), "{text}: {}", halt.out);
    }
    assert_eq!(place.tables().unwrap(), "");
    assert_eq!(agent.code(), None);
    let words = place.loss("1s");
    let run = read_only(place.state(), &words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((run.code, run.err.contains("on a disk that can be written")), (Some(3), true), "{}", run.err);
    assert_eq!(read_only(place.state(), &["residue", "--clean"]).code, Some(5));
    let resume = read_only(place.state(), &["resume"]);
    assert_eq!(
        (resume.code, resume.out.starts_with("nothing to lift")),
        (Some(0), true),
        "{}{}",
        resume.out,
        resume.err
    );
}
