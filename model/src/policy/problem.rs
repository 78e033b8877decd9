//! What is wrong with a policy: where, what, and what to write instead.

use crate::target::Printable;
use std::fmt;

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, like `spec.experiment.faults[0].latency.delay`; empty where the text itself cannot be read.
    pub path: String,
    /// Counted from 1; `None` where there is no text (flags).
    pub line: Option<usize>,
    /// Counted from 1.
    pub column: Option<usize>,
    pub what: String,
    /// What to write instead; may be empty.
    pub hint: String,
}

impl Problem {
    /// Names a field that is wrong; where it stands is added by whoever has the text.
    pub fn at(path: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        // Both may quote the policy, and a policy may come from anywhere.
        let (what, hint) = (Printable(&what.into()).to_string(), Printable(&hint.into()).to_string());
        Self { path: path.into(), line: None, column: None, what, hint }
    }
}

impl fmt::Display for Problem {
    /// `spec.experiment.pick: write exactly one of count, percent and all (line 12)`; the hint is not part of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", Printable(&self.path))?;
        }
        f.write_str(&self.what)?;
        match self.line {
            Some(line) => write!(f, " (line {line})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
