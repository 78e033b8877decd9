//! Runs programs for the tasks: argument vectors only, never a shell string.
//!
//! A program that a signal killed, or that could not be started, is a failure with its full
//! command line; so is every exit code but 0 unless the caller asks for the code itself.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail};

/// Where the system's tools lie; a login that is not root's often has only the first half.
const SYSTEM: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Returns the search path of every program that a task runs: the caller's, then the system's.
pub(crate) fn path() -> String {
    match env::var("PATH") {
        Ok(path) => format!("{path}:{SYSTEM}"),
        Err(_unset) => SYSTEM.to_owned(),
    }
}

/// Builds a command from a program and its arguments.
pub(crate) fn command<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args).env("PATH", path());
    command
}

/// Returns the command as one line, for messages only.
pub(crate) fn line(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// Runs a program with the terminal's own output streams; anything but exit 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("   $ {}", line(command));
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("start {}", line(command)))?;
    judge(command, status)
}

/// Runs a program and returns what it wrote to its standard output; anything but exit 0 is an error
/// that carries its standard error.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {}", line(command)))?;
    judge(command, output.status).with_context(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())?;
    String::from_utf8(output.stdout).with_context(|| format!("read the output of {}", line(command)))
}

/// Runs a program, shows its output line by line as it comes, and hands each line to `seen`.
/// Returns how it ended, so that a failing test run can still be counted.
pub(crate) fn stream(command: &mut Command, mut seen: impl FnMut(&str)) -> Result<ExitStatus> {
    println!("   $ {}", line(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", line(command)))?;
    let stdout = child.stdout.take().context("the output pipe is missing")?;
    for text in BufReader::new(stdout).split(b'\n') {
        let text = text.with_context(|| format!("read the output of {}", line(command)))?;
        let text = String::from_utf8_lossy(&text);
        println!("{text}");
        seen(&text);
    }
    child.wait().with_context(|| format!("wait for {}", line(command)))
}

/// Turns everything but exit 0 into an error.
pub(crate) fn judge(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    match (status.signal(), status.code()) {
        (Some(signal), _) => bail!("`{}` was killed by signal {signal}", line(command)),
        (None, Some(code)) => bail!("`{}` ended with exit code {code}", line(command)),
        (None, None) => bail!("`{}` ended in an unknown way", line(command)),
    }
}
