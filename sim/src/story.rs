//! What happened, one line each: the last ones are kept, all of them are hashed.

use crate::rng::{FNV, fnv};
use std::collections::VecDeque;
use std::io::Write;
use std::time::Duration;

/// How many lines are kept.
const LINES: usize = 50;

/// The story of one seed.
#[derive(Debug)]
pub struct Story {
    pub hash: u64,
    pub lines: VecDeque<String>,
    trace: bool,
}

impl Story {
    pub fn new(trace: bool) -> Self {
        Self { hash: FNV, lines: VecDeque::new(), trace }
    }

    pub fn tell(&mut self, at: Duration, line: &str) {
        let line = format!("{:>12.6} {line}", at.as_secs_f64());
        self.hash = fnv(line.as_bytes(), self.hash);
        if self.trace {
            // A reader that has gone away is no reason to stop.
            drop(writeln!(std::io::stdout(), "{line}"));
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}
