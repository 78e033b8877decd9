//! The table: one row for each thing measured.
#![expect(clippy::print_stdout, reason = "the table is what the bench is run for")]

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::machine;
use super::stats::{Samples, show};

/// One thing that was measured.
#[derive(Debug, Default)]
pub(super) struct Row {
    what: String,
    value: String,
    p99: String,
    count: String,
    peers: String,
    goal: String,
}

impl Row {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    /// Says it in words, or as another number than a time.
    pub(super) fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    /// Says median, 99th percentile and count.
    pub(super) fn times(mut self, samples: &Samples) -> Self {
        self.value = show(samples.median());
        self.p99 = show(samples.p99());
        self.count = samples.count().to_string();
        self
    }

    /// Says how often it was measured.
    pub(super) fn count(mut self, count: usize) -> Self {
        self.count = count.to_string();
        self
    }

    pub(super) fn p99(mut self, p99: impl Into<String>) -> Self {
        self.p99 = p99.into();
        self
    }

    /// Says what peers did.
    pub(super) fn peers(mut self, peers: impl Into<String>) -> Self {
        self.peers = peers.into();
        self
    }

    pub(super) fn goal(mut self, goal: &str) -> Self {
        self.goal = goal.to_owned();
        self
    }
}

/// The rows so far.
#[derive(Debug)]
pub(super) struct Table {
    /// Heading of the column of the peers.
    peers: &'static str,
    machine: String,
    load: String,
    rows: Vec<Row>,
}

impl Table {
    pub(super) fn begin(peers: &'static str) -> Result<Self> {
        Ok(Self { peers, machine: machine::line()?, load: machine::load()?, rows: Vec::new() })
    }

    pub(super) fn add(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }

    /// Prints the table and writes it to `out`.
    pub(super) fn finish(&self, out: Option<&Path>) -> Result<()> {
        let text = self.markdown(&machine::load()?);
        println!("{text}");
        match out {
            Some(path) => fs::write(path, &text).with_context(|| format!("write {}", path.display())),
            None => Ok(()),
        }
    }

    fn markdown(&self, load: &str) -> String {
        let mut text = format!("{}; load {} before, {load} after\n\n", self.machine, self.load);
        text.push_str(&format!("| what | median | p99 | n | {} | goal |\n|---|---|---|---|---|---|\n", self.peers));
        for row in &self.rows {
            let cells = [&row.what, &row.value, &row.p99, &row.count, &row.peers, &row.goal];
            // A text cannot make a cell of its own.
            let cells = cells.map(|cell| cell.replace('|', "/").replace('\n', " "));
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_with_six_cells_whatever_it_says() {
        let rows = vec![Row::new("a|b").value("c\nd")];
        let table = Table { peers: "p", machine: "m".into(), load: "1".into(), rows };
        let text = table.markdown("2");
        assert_eq!(text.lines().last(), Some("| a/b | c d |  |  |  |  |"));
    }
}
