//! What has to happen sometimes, in a few thousand seeds: a simulator that never gets there proves nothing about it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Fewer than this is never.
const ENOUGH: u64 = 10;

/// What has to happen.
const SOMETIMES: &[&str] = &[
    "429",
    "409 of a precondition",
    "409 of a name",
    "422",
    "404",
    "5xx",
    "an answer is lost",
    "the server refuses a run",
    "a record is torn",
];

/// Prints how often, and returns what never happened.
pub(crate) fn judge(out: &mut impl Write, counts: &BTreeMap<Cow<'static, str>, u64>) -> io::Result<usize> {
    writeln!(out, "| what happened | how often |\n|---|---|")?;
    for (what, count) in counts {
        writeln!(out, "| {what} | {count} |")?;
    }
    let never: Vec<&&str> =
        SOMETIMES.iter().filter(|what| counts.get(**what).copied().unwrap_or_default() < ENOUGH).collect();
    for what in &never {
        writeln!(out, "fewer than {ENOUGH} times: {what}")?;
    }
    Ok(never.len())
}
