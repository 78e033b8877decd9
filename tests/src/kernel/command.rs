//! Drives the real command: starts it as a child of the case, follows what it says, signals it, and
//! collects its report and exit code.
//!
//! It never calls the command's code directly: what a case sees here is what a person would see.
//! A child that is still there when its handle is dropped is killed by SIGKILL, as a crash would.

use std::io::Read;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;

use super::lab::Lab;
use super::matrix::Kernel;

/// How often a child is looked at.
const TICK: Duration = Duration::from_millis(2);

/// What the command says once a target's rules were read back.
const IN_EFFECT: &str = "in effect ";

/// A command line that is not started yet.
#[derive(Debug)]
pub struct Order {
    words: Vec<String>,
    environment: Vec<(String, String)>,
    state: PathBuf,
    patience: Duration,
}

/// The command while it runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    words: String,
    out: Stream,
    err: Stream,
    patience: Duration,
}

/// The command once it has ended.
#[derive(Debug)]
pub struct Ended {
    words: String,
    /// How the process ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub out: String,
    /// All of its standard error.
    pub err: String,
}

#[derive(Debug)]
struct Stream {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Lab {
    /// Returns how long a case waits for something that has to come: never a measure of speed.
    #[must_use]
    pub fn patience(&self) -> Duration {
        match self.settings().kernel {
            Kernel::Host => Duration::from_secs(20),
            Kernel::Qemu => Duration::from_secs(60),
        }
    }

    /// Makes a command line in this lab's state folder, with the run's lease and sabotage.
    #[must_use]
    pub fn rumpus(&self, words: &[&str]) -> Order {
        let settings = self.settings();
        let mut environment = vec![("RUMPUS_LEASE".to_owned(), format!("{}ms", settings.lease.as_millis()))];
        if let Some(sabotage) = &settings.sabotage {
            environment.push(("RUMPUS_SABOTAGE".to_owned(), sabotage.clone()));
        }
        Order {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            environment,
            state: self.state_dir().to_owned(),
            patience: self.patience(),
        }
    }

    /// Makes an armed run of one fault on the lab's target namespace.
    #[must_use]
    pub fn fault(&self, fault: &str, words: &[&str]) -> Order {
        self.rumpus(&["run", fault, "--arm", "--netns", self.target().name()]).and(words)
    }
}

impl Order {
    /// Adds words.
    #[must_use]
    pub fn and(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Uses another state folder than the lab's.
    #[must_use]
    pub fn state_dir(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.state);
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// If this binary cannot be started once more.
    pub fn start(self) -> Result<Running> {
        let mut command = Command::new(std::env::current_exe().context("find this binary")?);
        command.arg("rumpus").args(&self.words).arg("--state-dir").arg(&self.state).args(["-o", "json"]);
        command.envs(self.environment).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("start the command")?;
        let out = Stream::of(child.stdout.take().context("the command has no output")?);
        let err = Stream::of(child.stderr.take().context("the command has no errors")?);
        Ok(Running { child, words: self.words.join(" "), out, err, patience: self.patience })
    }

    /// Starts it and waits until its fault is in effect on `targets` targets.
    ///
    /// # Errors
    /// If it ends before that, or it takes too long.
    pub fn in_effect(self, targets: usize) -> Result<Running> {
        let mut running = self.start()?;
        running.wait_for(IN_EFFECT, targets)?;
        Ok(running)
    }

    /// Starts it and waits for its end.
    ///
    /// # Errors
    /// If it takes too long.
    pub fn run(self) -> Result<Ended> {
        self.start()?.wait()
    }
}

impl Running {
    /// Returns its process id; it is not reused before the handle is gone.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns its standard error so far.
    #[must_use]
    pub fn errors(&self) -> String {
        self.err.text()
    }

    /// Waits until `text` stands on its standard error `times` times.
    ///
    /// # Errors
    /// If it ends before that, or it takes too long.
    pub fn wait_for(&mut self, text: &str, times: usize) -> Result<()> {
        let end = Instant::now() + self.patience;
        loop {
            let ended = self.child.try_wait().context("look at the command")?;
            if self.err.text().matches(text).count() >= times {
                return Ok(());
            }
            if let Some(status) = ended {
                // What it said last may still be in the pipe.
                let said = self.err.finish();
                if said.matches(text).count() >= times {
                    return Ok(());
                }
                bail!("`{}` ended ({status}) before `{text}`:\n{said}{}", self.words, self.out.finish());
            }
            ensure!(Instant::now() < end, "`{}` does not say `{text}`:\n{}", self.words, self.err.text());
            thread::sleep(TICK);
        }
    }

    /// Waits until it is stopped: a failpoint leaves its mark just before it stops, and SIGCONT must not come first.
    ///
    /// # Errors
    /// If it takes too long.
    pub fn stopped(&self) -> Result<()> {
        let end = Instant::now() + self.patience;
        let path = format!("/proc/{}/stat", self.pid());
        loop {
            let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
            // The state stands behind the name, which ends with the last parenthesis.
            if text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "`{}` does not stop", self.words);
            thread::sleep(TICK);
        }
    }

    /// Sends a signal by pidfd.
    ///
    /// # Errors
    /// If it has ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no such pid")?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("open the command's pidfd")?;
        pidfd_send_signal(&pidfd, signal).with_context(|| format!("signal `{}`", self.words))
    }

    /// Waits for its end and collects what it said.
    ///
    /// # Errors
    /// If it takes too long; it is killed then.
    pub fn wait(mut self) -> Result<Ended> {
        let end = Instant::now() + self.patience + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.child.try_wait().context("wait for the command")? {
                break status;
            }
            ensure!(Instant::now() < end, "`{}` does not end:\n{}", self.words, self.err.text());
            thread::sleep(TICK);
        };
        Ok(Ended { words: self.words.clone(), status, out: self.out.finish(), err: self.err.finish() })
    }

    /// Ends it by Ctrl-C and waits for its end.
    ///
    /// # Errors
    /// If it has ended already, or takes too long.
    pub fn interrupt(self) -> Result<Ended> {
        self.signal(Signal::INT)?;
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A child that has ended and was waited for cannot be killed; any other has to go.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Ended {
    /// Returns its exit code; `None` if a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Fails unless it ended with this exit code.
    ///
    /// # Errors
    /// With all that it said.
    pub fn expect(self, code: i32) -> Result<Self> {
        let how = match self.status.signal() {
            Some(signal) => format!("died of signal {signal}"),
            None => format!("ended with {:?}", self.code()),
        };
        ensure!(self.code() == Some(code), "`{}` {how}, not {code}:\n{}{}", self.words, self.err, self.out);
        Ok(self)
    }

    /// Returns its report.
    ///
    /// # Errors
    /// If its output is no JSON.
    pub fn report(&self) -> Result<Value> {
        serde_json::from_str(&self.out).with_context(|| format!("the report of `{}`:\n{}", self.words, self.out))
    }

    /// Returns what it attested about its targets, in order.
    ///
    /// # Errors
    /// If there is no report with attestations.
    pub fn attestations(&self) -> Result<Vec<Value>> {
        let report = self.report()?;
        report["attestations"].as_array().cloned().with_context(|| format!("no attestations:\n{}", self.out))
    }

    /// Returns a counter of the first target's nft table or of its delay, as
    /// `/filtered/hit/egress` or `/delayed/lost`.
    ///
    /// # Errors
    /// If the evidence does not carry it.
    pub fn counter(&self, pointer: &str) -> Result<u64> {
        let all = self.attestations()?;
        let readings = all.iter().filter_map(|one| one["readings"].as_array()).flatten();
        readings
            .filter_map(|reading| reading.pointer(pointer).and_then(Value::as_u64))
            .next()
            .with_context(|| format!("no evidence {pointer}:\n{}", self.out))
    }
}

impl Stream {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut bytes) {
                let piece = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
                shared.lock().unwrap_or_else(PoisonError::into_inner).push_str(&piece);
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the end of the stream. A worker that outlives the command would hold it open, so
    /// the wait is bounded.
    fn finish(&mut self) -> String {
        let end = Instant::now() + Duration::from_secs(2);
        if let Some(reader) = self.reader.take() {
            while !reader.is_finished() && Instant::now() < end {
                thread::sleep(TICK);
            }
        }
        self.text()
    }
}
