//! The lines of the two pipes between parent and worker, as types.
//!
//! One line is one message and stays below PIPE_BUF, so a write of it is whole or fails.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A line longer than this is not ours; the reader gives up on it.
pub const LONGEST_LINE: usize = 512;

/// What the parent asks of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// No packet comes any more: exit as soon as nothing is held.
    Drain,
    /// Move the deadline to this time of CLOCK_BOOTTIME.
    Renew(Duration),
    /// Report the counters.
    Stats,
}

/// What a worker tells its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The queue number is taken by another process of the namespace.
    QueueTaken,
    /// The worker could not start, or had to stop, for this reason.
    Error(String),
    /// The queue is bound and the kill timer armed.
    Ready,
    Stats(Stats),
}

/// A delay worker's counters since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets taken from the queue.
    pub delayed: u64,
    /// Packets that went on again.
    pub released: u64,
    /// Packets held at this moment.
    pub backlog: u64,
    /// The longest that a packet was released after it was due, in microseconds.
    pub max_late_us: u64,
    /// Times that packets may have passed undelayed: the notice buffer overflowed, or the queue was full.
    pub enobufs: u64,
    /// Packets that the kernel dropped while they were held, at least.
    pub gone: u64,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drain => f.write_str("drain"),
            Self::Renew(until) => write!(f, "renew {}", until.as_nanos()),
            Self::Stats => f.write_str("stats"),
        }
    }
}

impl FromStr for Request {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        match line.split_once(' ') {
            None if line == "drain" => Ok(Self::Drain),
            None if line == "stats" => Ok(Self::Stats),
            Some(("renew", until)) => until.parse().map(|until| Self::Renew(Duration::from_nanos(until))).or(Err(())),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueTaken => f.write_str("queue-taken"),
            Self::Error(text) => {
                let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
                write!(f, "error {line}")
            }
            Self::Ready => f.write_str("ready"),
            Self::Stats(stats) => write!(
                f,
                "stats delayed={} released={} backlog={} max_late_us={} enobufs={} gone={}",
                stats.delayed, stats.released, stats.backlog, stats.max_late_us, stats.enobufs, stats.gone
            ),
        }
    }
}

impl FromStr for Report {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        match line.split_once(' ') {
            None if line == "ready" => Ok(Self::Ready),
            None if line == "queue-taken" => Ok(Self::QueueTaken),
            Some(("error", text)) => Ok(Self::Error(text.to_owned())),
            Some(("stats", fields)) => Stats::parse(fields).map(Self::Stats).ok_or(()),
            _ => Err(()),
        }
    }
}

impl Stats {
    fn parse(fields: &str) -> Option<Self> {
        let mut fields = fields.split(' ');
        let mut next = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
        Some(Self {
            delayed: next("delayed")?,
            released: next("released")?,
            backlog: next("backlog")?,
            max_late_us: next("max_late_us")?,
            enobufs: next("enobufs")?,
            gone: next("gone")?,
        })
    }
}

/// Cuts a byte stream into lines.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
}

impl Lines {
    /// Adds what was read. Bytes beyond [`LONGEST_LINE`] without a line end are thrown away.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > LONGEST_LINE && !self.bytes.contains(&b'\n') {
            self.bytes.clear();
        }
    }

    /// Takes out the next whole line.
    pub fn next_line(&mut self) -> Option<String> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let line = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        self.bytes.drain(..=end);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_as_it_was_written() {
        for request in [Request::Drain, Request::Renew(Duration::from_nanos(123_456_789_012)), Request::Stats] {
            assert_eq!(request.to_string().parse(), Ok(request));
        }
        let stats = Stats { delayed: 1, released: 2, backlog: 3, max_late_us: 4, enobufs: 5, gone: 6 };
        for report in [Report::QueueTaken, Report::Error("a b".into()), Report::Ready, Report::Stats(stats)] {
            assert_eq!(report.to_string().parse(), Ok(report));
        }
        for wrong in ["", "renew", "renew x", "stats now", "drain 1"] {
            assert_eq!(wrong.parse::<Request>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn a_line_comes_out_whole_however_it_was_cut() {
        let mut lines = Lines::default();
        lines.push(b"sta");
        assert_eq!(lines.next_line(), None);
        lines.push(b"ts\ndrain\n");
        assert_eq!(lines.next_line().as_deref(), Some("stats"));
        assert_eq!(lines.next_line().as_deref(), Some("drain"));
        lines.push(&[b'x'; LONGEST_LINE + 1]);
        lines.push(b"drain\n");
        assert_eq!(lines.next_line().as_deref(), Some("drain"));
    }
}
