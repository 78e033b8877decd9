//! Whether the client saw what the plan promised: before, while in effect, and after. Pure.
//!
//! It never repairs the agent's verdict: a fault is proven only if the kernel's reading and the client's agree.

use super::measure::{Window, millis};
use super::play::Played;
use super::seen::{Started, Told};
use super::service::kept::PATIENCE;
use rumpus_model::fault::Fault;
use rumpus_model::run::Outcome;
use rumpus_model::target::Target;
use serde::Serialize;
use std::time::Duration;

/// While in effect, at least this share of requests has to fail under a partition.
const MOST_FAIL: usize = 90;
/// Before and after a fault, at most this share may: the machine may hiccup.
const FEW_FAIL: usize = 5;
/// What a request that was under way at the end may still take.
const SETTLE: Duration = Duration::from_millis(300);

/// What was measured about one fault, and whether it is proven.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    pub before: Window,
    pub during: Window,
    pub after: Window,
    /// Pids of killed api processes and of those that came in their place.
    pub replaced: Vec<(u32, u32)>,
    pub outcome: Outcome,
    /// What speaks against it; empty if it is proven.
    pub missing: Vec<String>,
}

impl Proof {
    pub fn holds(&self) -> bool {
        self.outcome == Outcome::Proven && self.missing.is_empty()
    }
}

/// Judges a fault: `before` is the calm span's window in front of it, `now` the end of the calm span after it.
pub fn judge(played: &Played, before: Window, told: &Told, now: Duration) -> Proof {
    let killed = killed(played);
    let replaced: Vec<Started> =
        killed.iter().filter_map(|pid| told.started.iter().find(|s| s.instead_of == Some(*pid)).copied()).collect();
    let (from, to, calm) = spans(played, &replaced);
    let during = Window::of(&told.samples, from, to);
    let after = Window::of(&told.samples, calm, now);
    let mut missing = Vec::new();
    let mut need = |holds: bool, what: String| {
        if !holds {
            missing.push(what);
        }
    };
    match &played.plan.fault {
        Fault::Latency(latency) => {
            let delay = latency.delay.delay;
            let more = during.p50.saturating_sub(before.p50);
            need(more >= delay * 9 / 10, format!("the client saw {} more, not {}", millis(more), millis(delay)));
            need(after.p50 < before.p50 + delay / 2, format!("the latency stayed at {}", millis(after.p50)));
        }
        Fault::Partition(_) => {
            let share = during.failed_percent();
            need(during.requests > 0 && share >= MOST_FAIL, format!("only {share} % of the requests failed"));
        }
        Fault::Loss(_) => need(during.p99 > before.p99 || during.failed > 0, "the client saw no loss".into()),
        Fault::Kill(_) => {
            let alive = |pid: &&u32| !replaced.iter().any(|s| s.instead_of == Some(**pid));
            let left: Vec<String> = killed.iter().filter(alive).map(u32::to_string).collect();
            need(left.is_empty(), format!("no new process in place of {}", left.join(", ")));
        }
        Fault::PodDelete(_) | Fault::PodEvict(_) => need(false, "pods are not part of the demo".into()),
    }
    need(after.requests > 0, "there was no request afterwards".into());
    let share = after.failed_percent();
    need(share <= FEW_FAIL, format!("{share} % of the requests fail afterwards"));
    let replaced = replaced.iter().filter_map(|s| Some((s.instead_of?, s.pid))).collect();
    Proof { before, during, after, replaced, outcome: played.outcome, missing }
}

/// From when to when requests had to suffer, and from when on no more.
fn spans(played: &Played, replaced: &[Started]) -> (Duration, Duration, Duration) {
    let from = played.attestations.iter().filter_map(|a| a.in_effect).max().unwrap_or(played.began);
    let end = played.attestations.iter().filter_map(|a| a.effect_ended).min().unwrap_or(played.ended);
    match &played.plan.fault {
        Fault::Kill(_) | Fault::PodDelete(_) | Fault::PodEvict(_) => {
            let back = replaced.iter().map(|s| s.at).max().unwrap_or(played.ended);
            (played.began, back, back.max(played.ended) + SETTLE)
        }
        // A request that was sent shortly before the end may see the end.
        Fault::Latency(latency) => (from, end.saturating_sub(latency.delay.delay), played.ended + SETTLE),
        Fault::Loss(_) | Fault::Partition(_) => (from, end.saturating_sub(PATIENCE), played.ended + SETTLE),
    }
}

fn killed(played: &Played) -> Vec<u32> {
    if !matches!(played.plan.fault, Fault::Kill(_)) {
        return Vec::new();
    }
    let pid = |target: &Target| match target {
        Target::Process(p) => u32::try_from(p.id.pid).ok(),
        Target::Container(_) | Target::NetNs(_) => None,
    };
    played.plan.targets.iter().filter_map(|t| pid(&t.target)).collect()
}
