//! What the client measured in a span of time. Pure.

use super::service::line::{Answer, Sample};
use serde::Serialize;
use std::time::Duration;

/// The requests that were sent within a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    pub requests: usize,
    /// Answered by an error, or not at all.
    pub failed: usize,
    /// Of those that were answered well; zero if there is none.
    #[serde(rename = "p50Micros", serialize_with = "micros")]
    pub p50: Duration,
    #[serde(rename = "p99Micros", serialize_with = "micros")]
    pub p99: Duration,
}

impl Window {
    /// Sums up the requests sent from `from` until before `to`.
    pub fn of(samples: &[Sample], from: Duration, to: Duration) -> Self {
        let within: Vec<&Sample> = samples.iter().filter(|s| (from..to).contains(&s.at)).collect();
        let good = within.iter().filter(|s| s.answer == Answer::Good);
        let mut took: Vec<Duration> = good.map(|s| s.took).collect();
        took.sort_unstable();
        // The nearest rank: at least `percent` of the values are not above it.
        let rank = |percent: usize| {
            let place = (took.len() * percent).div_ceil(100).saturating_sub(1);
            took.get(place).copied().unwrap_or_default()
        };
        Self { requests: within.len(), failed: within.len() - took.len(), p50: rank(50), p99: rank(99) }
    }

    /// Returns how many percent of the requests failed, rounded down; 0 of none.
    pub fn failed_percent(&self) -> usize {
        (self.failed * 100).checked_div(self.requests).unwrap_or(0)
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let failed = format!("{} of {} requests failed ({} %)", self.failed, self.requests, self.failed_percent());
        if self.requests == self.failed {
            return f.write_str(&failed);
        }
        write!(f, "p50 {}, p99 {}, {failed}", millis(self.p50), millis(self.p99))
    }
}

/// Writes a latency in milliseconds.
pub fn millis(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1000.0)
}

fn micros<S: serde::Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u128(span.as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_span_counts_and_ranks_are_nearest() {
        let ms = Duration::from_millis;
        let sample = |at, took, answer| Sample { at: ms(at), took: ms(took), answer };
        let mut samples: Vec<Sample> = (1..=100).map(|n| sample(n, n, Answer::Good)).collect();
        samples.push(sample(50, 900, Answer::StoreUnavailable));
        samples.push(sample(101, 900, Answer::NoApi));
        let window = Window::of(&samples, ms(1), ms(101));
        assert_eq!(window, Window { requests: 101, failed: 1, p50: ms(50), p99: ms(99) });
        assert_eq!(Window::of(&samples, ms(101), ms(102)).failed_percent(), 100);
        assert_eq!(Window::of(&samples, ms(200), ms(300)), Window::default());
    }
}
