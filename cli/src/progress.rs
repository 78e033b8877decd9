//! What happens while it happens: one line per change, and on a terminal a line that counts down.

use crate::render;
use crate::signals::Asked;
use owo_colors::OwoColorize;
use rumpus_agent::kernel::timer::boottime;
use rumpus_model::duration;
use rumpus_model::injection::{Attestation, Injection, State};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// The live view of a run. Goes to standard output with `-o table`, else to standard error.
#[derive(Debug)]
pub struct Progress {
    out: bool,
    terminal: bool,
    began: Duration,
    ends: Option<Duration>,
    states: BTreeMap<String, State>,
}

impl Progress {
    pub fn new(out: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { out, terminal, began: boottime(), ends: None, states: BTreeMap::new() }
    }

    /// Says what begins.
    pub fn begin(&mut self, injections: &[Injection]) {
        self.began = boottime();
        let longest = injections.iter().filter_map(|i| i.duration).max();
        self.ends = longest.map(|d| self.began.saturating_add(d));
        if let Some(longest) = longest {
            self.line(&format!("injecting for {}; Ctrl-C ends and restores everything", duration::show(longest)));
        }
    }

    /// Tells a change of one target.
    pub fn attested(&mut self, attestation: &Attestation) {
        let before = self.states.insert(attestation.id.clone(), attestation.state);
        if before != Some(attestation.state) {
            self.line(&render::change(attestation));
        }
    }

    /// Tells what a sweep took away, or could not.
    pub fn swept(&mut self, found: &[String], failed: &[String]) {
        for what in found {
            self.line(&format!("swept: {what} (left by an agent that died)"));
        }
        for what in failed {
            self.line(&format!("{} {what}", "could not sweep:".red()));
        }
    }

    pub fn asked(&mut self, asked: Asked, again: bool) {
        let text =
            if again { "still restoring; the kernel ends what is left by itself" } else { "ending and restoring" };
        self.line(&format!("{}: {text}", asked.by()));
    }

    /// Says anything else.
    pub fn say(&mut self, text: &str) {
        self.line(text);
    }

    /// Counts down, on a terminal only.
    pub fn tick(&mut self) {
        let Some(ends) = self.ends.filter(|_| self.terminal) else { return };
        let left = ends.saturating_sub(boottime());
        let live = self.states.values().filter(|s| **s == State::InEffect).count();
        if live > 0 {
            drop(write!(std::io::stderr(), "\r\x1b[K  {live} in effect, {} s left ", left.as_secs()));
        }
    }

    /// Shows what is waited for, on a terminal only; the next line takes its place.
    pub fn waiting(&mut self, text: &str) {
        if self.terminal && !text.is_empty() {
            drop(write!(std::io::stderr(), "\r\x1b[K  {text} "));
        }
    }

    pub fn end(&mut self) {
        self.clear();
    }

    fn clear(&self) {
        if self.terminal {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
    }

    fn line(&self, text: &str) {
        self.clear();
        let at = boottime().saturating_sub(self.began).as_secs_f64();
        if self.out {
            anstream::println!("[{at:7.3}s] {text}");
        } else {
            anstream::eprintln!("[{at:7.3}s] {text}");
        }
    }
}
