//! The `rumpus` command: on-call verbs, and the local mode, which is controller and agent in one process.
//!
//! A library too, so that the test suite can carry the whole command inside its one static binary.

use std::ffi::OsString;
use std::process::ExitCode;

pub mod args;
pub mod cluster;
pub mod failure;
pub mod commands;
pub mod demo;
pub mod flags;
pub mod instances;
pub mod local;
pub mod progress;
pub mod recorded;
pub mod render;
pub mod signals;
pub mod standing;
pub mod takeover;
pub mod up;

/// Runs the command line in `args` (the program's name first) and returns the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // A worker is this program again. It has no use for anything else here, and must be ready at once.
    if args.get(1).is_some_and(|a| a == "worker") && args.get(2).is_some_and(|a| a == "delay") {
        let words = args.iter().skip(3).map(|a| a.to_string_lossy().into_owned());
        return rumpus_agent::worker::delay::main(words);
    }
    if args.get(1).is_some_and(|a| a == demo::service::WORD) {
        return demo::service::main(args.get(2..).unwrap_or_default());
    }
    let parsed = match args::parse(&args) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    match commands::run(&parsed) {
        Ok(outcome) => ExitCode::from(outcome),
        Err(failure) => {
            failure.tell();
            ExitCode::from(failure.exit_code())
        }
    }
}
