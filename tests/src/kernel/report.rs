//! The report of a run: a line per case for people, a JSON line per case for `cargo xtask test`.
#![expect(clippy::print_stdout, reason = "the report of a run is its output")]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::case::Case;
use super::matrix::{Engine, Fault, Kernel};

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The kernel showed the behaviour.
    Passed,
    /// It did not, or the case died, hung, or left something behind.
    Failed,
}

/// One case's line in the results file.
#[derive(Debug, Serialize)]
struct Line<'a> {
    case: &'a str,
    fault: Fault,
    engine: Engine,
    kernel: Kernel,
    outcome: Outcome,
    seconds: f64,
    detail: &'a str,
}

/// Writes results as they come, and counts them.
#[derive(Debug)]
pub struct Report {
    file: Option<File>,
    kernel: Kernel,
    passed: usize,
    failed: usize,
}

impl Report {
    /// Opens the results file, which may be a device.
    ///
    /// # Errors
    /// If it cannot be opened for writing.
    pub fn new(path: Option<&Path>, kernel: Kernel) -> Result<Self> {
        let file = match path {
            Some(path) => {
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(true);
                Some(options.open(path).with_context(|| format!("open {}", path.display()))?)
            }
            None => None,
        };
        Ok(Self { file, kernel, passed: 0, failed: 0 })
    }

    /// Says something that belongs to no case.
    pub fn note(&self, text: &str) {
        println!("{text}");
    }

    /// Reports one case.
    ///
    /// # Errors
    /// If the results file cannot be written.
    pub fn add(&mut self, case: &Case, outcome: Outcome, took: Duration, detail: &str) -> Result<()> {
        let seconds = took.as_secs_f64();
        match outcome {
            Outcome::Passed => {
                self.passed += 1;
                println!("ok {seconds:.2}s {}", case.id());
            }
            Outcome::Failed => {
                self.failed += 1;
                println!("FAILED {seconds:.2}s {}", case.id());
                for line in detail.lines() {
                    println!("    {line}");
                }
            }
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let (fault, engine, kernel) = (case.fault, case.engine, self.kernel);
        let line = Line { case: case.name, fault, engine, kernel, outcome, seconds, detail };
        let mut text = serde_json::to_vec(&line).context("write a result as JSON")?;
        text.push(b'\n');
        file.write_all(&text).context("write the results file")
    }

    /// Prints the count and says whether every case passed and at least one ran.
    #[must_use]
    pub fn finish(&self, seed: u64) -> bool {
        println!("{}: {} passed, {} failed, seed {seed}", self.kernel, self.passed, self.failed);
        self.failed == 0 && self.passed > 0
    }
}
