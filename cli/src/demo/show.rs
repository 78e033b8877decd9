//! What the demo says while it goes on: lines, and on a terminal one live line. Without a terminal there are no control
//! codes. Goes to standard output with `-o table`, else to standard error.

use super::measure::Window;
use super::seen::Seen;
use rumpus_agent::kernel::timer::boottime;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// The span that the live line is about: longer than the longest wait for an answer of the api.
const LATELY: Duration = Duration::from_secs(1);

/// Where the demo speaks.
#[derive(Debug)]
pub struct Show {
    out: bool,
    terminal: bool,
    began: Duration,
}

impl Show {
    pub fn new(out: bool) -> Self {
        Self { out, terminal: std::io::stderr().is_terminal(), began: boottime() }
    }

    pub fn began(&self) -> Duration {
        self.began
    }

    /// Says one line with the time since the begin.
    pub fn say(&self, text: &str) {
        let at = boottime().saturating_sub(self.began).as_secs_f64();
        self.page(&format!("[{at:7.3}s] {text}"));
    }

    /// Says several lines as they are.
    pub fn page(&self, text: &str) {
        self.clear();
        let text = text.trim_end_matches('\n');
        if self.out {
            anstream::println!("{text}");
        } else {
            anstream::eprintln!("{text}");
        }
    }

    /// Shows what the client sees right now.
    pub fn live(&self, seen: &Seen) {
        if self.terminal {
            let now = boottime();
            let window = Window::of(&seen.told().samples, now.saturating_sub(LATELY), now);
            drop(write!(std::io::stderr(), "\r\x1b[K  the client right now: {window} "));
        }
    }

    pub fn clear(&self) {
        if self.terminal {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
    }
}
