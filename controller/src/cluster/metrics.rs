//! Numbers for Prometheus: what stands, and what was done. Labels have bounded values.

use super::core::View;
use super::core::event::Outcome;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rumpus_model::wire::RunState;
use std::time::Duration;

type Labels = Vec<(&'static str, String)>;

/// Every run state, so that one without runs is 0 and not absent.
const STATES: [RunState; 6] =
    [RunState::Pending, RunState::Gating, RunState::Injecting, RunState::Running, RunState::Ending, RunState::Finished];

/// All of them.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    runs: Family<Labels, Gauge>,
    injections: Gauge,
    leading: Gauge,
    guard_missing: Gauge,
    halts: Gauge,
    silence: Gauge,
    refusals: Family<Labels, Counter>,
    calls: Family<Labels, Counter>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("rumpus");
        let metrics = Self {
            runs: Family::default(),
            injections: Gauge::default(),
            leading: Gauge::default(),
            guard_missing: Gauge::default(),
            halts: Gauge::default(),
            silence: Gauge::default(),
            refusals: Family::default(),
            calls: Family::default(),
            registry: Registry::default(),
        };
        registry.register("runs", "Runs by state", metrics.runs.clone());
        registry.register(
            "injections_open",
            "Injections that nobody has attested to be over",
            metrics.injections.clone(),
        );
        registry.register("controller_leading", "Whether this controller may act", metrics.leading.clone());
        registry.register("admission_missing", "Admission policies that do not stand", metrics.guard_missing.clone());
        registry.register("halts", "Halts that stand", metrics.halts.clone());
        registry.register(
            "watch_silence_seconds",
            "For how long nothing was heard of the kind of object that was silent for longest",
            metrics.silence.clone(),
        );
        registry.register("refusals", "Runs that were refused, by reason", metrics.refusals.clone());
        registry.register("api_calls", "Calls of the API server by effect and outcome", metrics.calls.clone());
        Self { registry, ..metrics }
    }

    pub(crate) fn show(&self, view: &View, silence: Duration) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        for state in STATES {
            let runs = view.runs.get(&state).copied().unwrap_or_default();
            self.runs.get_or_create(&vec![("state", format!("{state:?}"))]).set(count(runs));
        }
        self.injections.set(count(view.injections));
        self.leading.set(i64::from(view.leading));
        self.guard_missing.set(view.guard_missing.map_or(-1, count));
        self.silence.set(i64::try_from(silence.as_secs()).unwrap_or(i64::MAX));
        self.halts.set(view.halts.map_or(-1, count));
    }

    /// The reason is one of a closed set of words.
    pub(crate) fn refused(&self, reason: &str) {
        self.refusals.get_or_create(&vec![("reason", reason.to_owned())]).inc();
    }

    pub(crate) fn called(&self, effect: &'static str, outcome: &Outcome) {
        let outcome = match outcome {
            Outcome::Planned(_)
            | Outcome::Agenda(_)
            | Outcome::Revised(_)
            | Outcome::Recovered { .. }
            | Outcome::Halts(_)
            | Outcome::Ledger(_)
            | Outcome::Policy(_)
            | Outcome::Run(_)
            | Outcome::Injection(_)
            | Outcome::Pod { .. }
            | Outcome::Reviewed { .. }
            | Outcome::Closed(_)
            | Outcome::Done => "ok",
            Outcome::Missing => "missing",
            Outcome::Exists => "exists",
            Outcome::Conflict => "conflict",
            Outcome::Busy { .. } => "busy",
            Outcome::Refused { .. } => "refused",
            Outcome::Unknown { .. } => "unknown",
        };
        self.calls.get_or_create(&vec![("effect", effect.to_owned()), ("outcome", outcome.to_owned())]).inc();
    }

    /// Returns the text that is scraped (OpenMetrics).
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a page for operators says must be what is there.
    #[test]
    fn the_page_of_metrics_names_each_of_them_and_no_other() {
        let metrics = Metrics::new();
        // A family is told of once it has a member.
        metrics.runs.get_or_create(&vec![("state", "Running".to_owned())]).set(1);
        metrics.refused("Halted");
        metrics.called("plan", &Outcome::Done);
        let text = metrics.text();
        let there: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
        let page = include_str!("../../../docs/metrics.md");
        let told: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        let plain: Vec<&str> = told.iter().map(|name| name.strip_suffix("_total").unwrap_or(name)).collect();
        assert_eq!(plain, there);
    }
}
