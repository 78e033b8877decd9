//! The steps of a task: each announced, timed and counted; a failed one does not stop the others.

use std::time::{Duration, Instant};

use anyhow::Result;

/// What a step counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Checks, tests or cases that passed.
    pub(crate) passed: usize,
    /// And that failed.
    pub(crate) failed: usize,
}

impl Count {
    /// A step that is one check, and passed.
    pub(crate) const ONE: Self = Self { passed: 1, failed: 0 };
}

#[derive(Debug)]
struct Row {
    name: String,
    count: Count,
    took: Duration,
}

/// The steps so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    rows: Vec<Row>,
}

impl Steps {
    /// Runs a step; an error is one failure, printed at once and remembered.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce() -> Result<Count>) {
        println!("== {name}");
        let started = Instant::now();
        let count = step().unwrap_or_else(|error| {
            println!("   FAILED {name}: {error:#}");
            Count { passed: 0, failed: 1 }
        });
        let took = started.elapsed();
        println!("== {name}: {} passed, {} failed, {:.1} s", count.passed, count.failed, took.as_secs_f64());
        self.rows.push(Row { name: name.to_owned(), count, took });
    }

    /// Prints the table of all steps.
    pub(crate) fn table(&self) {
        println!("\n{:<24} {:>7} {:>7} {:>9}", "step", "passed", "failed", "seconds");
        for Row { name, count, took } in &self.rows {
            println!("{name:<24} {:>7} {:>7} {:>9.1}", count.passed, count.failed, took.as_secs_f64());
        }
        let all: Duration = self.rows.iter().map(|row| row.took).sum();
        println!("{:<24} {:>7} {:>7} {:>9.1}", "all", "", "", all.as_secs_f64());
    }

    /// Returns the sum of all steps.
    pub(crate) fn total(&self) -> Count {
        self.rows.iter().fold(Count::default(), |sum, row| Count {
            passed: sum.passed + row.count.passed,
            failed: sum.failed + row.count.failed,
        })
    }
}
