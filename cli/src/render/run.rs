//! A run as text: each change as it happens, and at the end the evidence.

use super::text::{safe, wrap};
use crate::commands::run::Report;
use owo_colors::OwoColorize;
use rumpus_model::evidence::{Effective, Reading};
use rumpus_model::injection::{Attestation, EndCause, State};
use rumpus_model::run::Outcome;
use std::time::Duration;

/// Longest single item.
const ITEM: usize = 200;

/// Renders one change of one target, on one line.
pub fn change(attestation: &Attestation) -> String {
    let target = safe(&attestation.target, ITEM);
    match attestation.state {
        State::Accepted => format!("accepted    {target}"),
        State::InEffect => format!("{}   {target} (rules read back)", "in effect".yellow()),
        State::Ending => format!("ending      {target}: {}", cause(attestation)),
        State::Restored => format!("{}    {target}: nothing of ours is left, as read back", "restored".green()),
        State::Done => format!("{}        {target}: {}", "done".green(), readings(&attestation.readings)),
        State::Lost => format!("{}        {target}: {}", "lost".yellow(), cause(attestation)),
        State::Refused => format!("{}     {target}: {}", "refused".red(), cause(attestation)),
        State::RestoreFailed => {
            let problems = attestation.problems.join("; ");
            format!("{} {target}: {}", "NOT RESTORED".red().bold(), safe(&problems, 2 * ITEM))
        }
    }
}

/// Renders how a run ended: evidence per target, and the verdict.
pub fn end(report: &Report) -> String {
    let mut page = String::new();
    if !report.attestations.is_empty() {
        page += "\nEVIDENCE\n";
    }
    for attestation in &report.attestations {
        page += &evidence(attestation);
    }
    let refusals = report.plans.iter().any(|p| !p.refusals.is_empty());
    let text = match report.outcome {
        Outcome::DryRun => format!(
            "dry run: nothing was done. The same with --arm --seed {} hits exactly these.",
            safe(&report.seed, ITEM)
        ),
        Outcome::Proven => "proven: every fault had its effect, and everything is back as it was.".into(),
        Outcome::Halted => {
            "ended early (halted, stopped, or its lease ran out): everything that had begun is back as it was.".into()
        }
        Outcome::Interrupted => "interrupted: everything that had begun is back as it was.".into(),
        Outcome::Inconclusive if report.attestations.is_empty() => "nothing was selected, and nothing was done.".into(),
        Outcome::Inconclusive => {
            "inconclusive: no packet or process of the target showed the effect; everything is back as it was.".into()
        }
        Outcome::Refused if refusals => "refused: nothing was done.".into(),
        Outcome::Refused => "refused: what had begun is back as it was.".into(),
        Outcome::RestoreProblem => {
            "NOT RESTORED: see above; the kernel ends every effect by itself. `rumpus residue` shows what is left."
                .into()
        }
    };
    page + &wrap("\n", &text)
}

fn evidence(attestation: &Attestation) -> String {
    let effective = match attestation.effective {
        Effective::True => "effective",
        Effective::False => "NOT effective",
        Effective::Unknown => "effect unknown",
    };
    let head = format!("{} {}", safe(&attestation.id, 8), safe(&attestation.target, ITEM));
    let mut page = wrap("  ", &format!("{head}: {:?}, {effective}; {}", attestation.state, cause(attestation)));
    if let (Some(from), Some(to)) = (attestation.in_effect, attestation.effect_ended) {
        let clean = attestation.clean.map(|c| format!(", clean {} later", millis(c.saturating_sub(to))));
        // Where the lease ran out the kernel ended it before anybody looked.
        let most = if attestation.cause == Some(EndCause::LeaseLost) { "at most " } else { "" };
        let text = format!("in effect for {most}{}{}", millis(to.saturating_sub(from)), clean.unwrap_or_default());
        page += &wrap("           ", &text);
    }
    if !attestation.readings.is_empty() {
        page += &wrap("           ", &readings(&attestation.readings));
    }
    for problem in &attestation.problems {
        page += &wrap("           problem: ", &safe(problem, 2 * ITEM));
    }
    page
}

fn cause(attestation: &Attestation) -> String {
    let cause = attestation.cause.as_ref();
    let hint = match cause {
        Some(EndCause::Refused(refusal)) => format!(" (hint: {})", refusal.hint()),
        Some(_) | None => String::new(),
    };
    safe(&format!("{}{hint}", cause.map(ToString::to_string).unwrap_or_default()), 2 * ITEM)
}

fn readings(readings: &[Reading]) -> String {
    readings.iter().map(reading).collect::<Vec<_>>().join("; ")
}

fn reading(reading: &Reading) -> String {
    match reading {
        Reading::Delayed(d) if d.lost > 0 => format!("{} packets delayed, up to {} lost in it", d.delayed, d.lost),
        Reading::Delayed(d) => format!("{} packets delayed", d.delayed),
        Reading::Filtered(f) => format!(
            "{} packets hit ({} out, {} in), {} passed behind our rule",
            f.hit.packets(),
            f.hit.egress,
            f.hit.ingress,
            f.passed.packets()
        ),
        Reading::Sockets(sockets) => sockets.to_string(),
        Reading::Killed(k) if k.gone => {
            let how = if k.escalated { ", SIGKILL was needed" } else { "" };
            format!("{} gone after {}, by {}{how}", processes(k.processes), millis(k.after), safe(&k.by, ITEM))
        }
        Reading::Killed(k) => format!("{} still there after {}", processes(k.survivors), millis(k.after)),
    }
}

fn processes(count: u32) -> String {
    if count == 1 { "1 process".into() } else { format!("{count} processes") }
}

/// Writes a span with milliseconds.
pub fn millis(span: Duration) -> String {
    format!("{:.3} s", span.as_secs_f64())
}
