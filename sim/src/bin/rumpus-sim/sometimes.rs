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
    "a controller dies",
    "a controller hangs",
    "a controller is cut off",
    "a machine restarts",
    "a machine sleeps",
    "a wall clock jumps",
    "a watch breaks",
    "an agent dies",
    "an agent ends in order",
    "an agent is asked to end",
    "an agent hangs",
    "an agent is cut off",
    "somebody adds something",
    "somebody flushes our tables",
    "watches are behind",
    "a run ended: AdmissionGuardMissing",
    "a run ended: Deadline",
    "a run ended: Done",
    "a run ended: DryRun",
    "a run ended: Failed",
    "a run ended: FaultOverlaps",
    "a run ended: Halted",
    "a run ended: Interrupted",
    "a run ended: Invalid",
    "a run ended: JournalUnwritable",
    "a run ended: LeaseLost",
    "a run ended: StaleEpoch",
    "a run ended: Stopped",
    "a run ended: TargetChanged",
    "a run ended: TargetGone",
    "a run ended: TooManyRuns",
    "a run ended: Unrestored",
    "a run ended: Vanished",
    "a verdict: Aborted",
    "a verdict: Inconclusive",
    "a verdict: NotApplicable",
    "a verdict: Refused",
    "an end: Confirmed",
    "an end: Unconfirmed",
    "an injection: Done",
    "an injection: Lost",
    "an injection: Refused",
    "an injection: Restored",
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
