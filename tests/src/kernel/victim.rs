//! Processes to kill: this binary under another name, which does nothing but wait.
//!
//! The name is that of a link to this binary, since names that begin with `rumpus` are protected.
//! Each is killed and reaped when its handle is dropped, and ends by itself after five minutes.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};

use super::lab::Lab;

/// The life of a victim that nobody kills.
const LIFE: Duration = Duration::from_secs(300);

/// Blocks SIGTERM, which then stays pending for ever.
pub const DEAF: &str = "--deaf";

/// The victim itself; `words` are those behind `victim`. It says when it is ready.
#[expect(clippy::print_stderr, reason = "a victim that cannot start has nobody else to tell")]
pub fn main(words: impl IntoIterator<Item = String>) -> ExitCode {
    let mut term = SigSet::empty();
    term.add(Signal::SIGTERM);
    let deaf = words.into_iter().any(|word| word == DEAF);
    let ready = if deaf { term.thread_block().map_err(std::io::Error::from) } else { Ok(()) };
    match ready.and_then(|()| writeln!(std::io::stdout(), "ready")) {
        Ok(()) => thread::sleep(LIFE),
        Err(error) => eprintln!("{error}"),
    }
    ExitCode::SUCCESS
}

/// A process that waits to be killed.
#[derive(Debug)]
pub struct Victim {
    child: Child,
}

impl Victim {
    /// Starts one under the lab's name for `letter`; `words` are seen on its command line.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(lab: &Lab, letter: char, words: &[&str]) -> Result<Self> {
        Self::of(command(lab, letter, words)?.spawn().context("start a victim")?)
    }

    /// Starts one as the first process of a pid namespace.
    ///
    /// # Errors
    /// If the kernel makes no namespace, or it cannot be started.
    pub fn first_of_a_namespace(lab: &Lab, letter: char, words: &[&str]) -> Result<Self> {
        let mut command = command(lab, letter, words)?;
        // Only children of the thread that asked are born into the namespace.
        let child = thread::scope(|scope| {
            let inside = scope.spawn(|| -> Result<Child> {
                unshare(CloneFlags::CLONE_NEWPID).context("make a pid namespace")?;
                command.spawn().context("start a victim")
            });
            inside.join().map_err(|_panic| anyhow!("the thread that starts a victim panicked"))?
        })?;
        Self::of(child)
    }

    fn of(mut child: Child) -> Result<Self> {
        let out = child.stdout.take().context("a victim has no output")?;
        let victim = Self { child };
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).context("wait for a victim")?;
        ensure!(line == "ready\n", "a victim did not start: {line}");
        Ok(victim)
    }

    /// Returns its process id, which is not reused before the handle is gone.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns whether it lives.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub fn lives(&mut self) -> Result<bool> {
        Ok(self.child.try_wait().context("look at a victim")?.is_none())
    }

    /// Fails unless this signal has ended it.
    ///
    /// # Errors
    /// If it lives on, or ended in another way.
    pub fn died_of(&mut self, signal: Signal, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().context("look at a victim")? {
                break status;
            }
            ensure!(Instant::now() < end, "process {} lives on", self.pid());
            thread::sleep(Duration::from_millis(2));
        };
        ensure!(status.signal() == Some(signal as i32), "process {} ended with {status}, not {signal}", self.pid());
        Ok(())
    }

    /// Kills and reaps it, so that its id is free.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn end(mut self) -> Result<()> {
        self.child.kill().context("kill a victim")?;
        self.child.wait().context("reap a victim").map(drop)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // One that was reaped already cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the name that the lab's victims of this letter have: at most 15 bytes, and unlike that of any other lab.
#[must_use]
pub fn name(lab: &Lab, letter: char) -> String {
    let id = lab.target().name().trim_start_matches("rt-").trim_end_matches("-t").replace('-', ".");
    format!("{letter}{id}")
}

fn command(lab: &Lab, letter: char, words: &[&str]) -> Result<Command> {
    let folder = lab.state_dir().join("victims");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let link: PathBuf = folder.join(name(lab, letter));
    if !link.exists() {
        symlink(std::env::current_exe().context("find this binary")?, &link).context("name a victim")?;
    }
    let mut command = Command::new(link);
    command.arg("victim").args(words).stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command)
}
