//! Medians and 99th percentiles of what was measured, and how they are written.

use std::time::Duration;

/// Samples of one thing.
#[derive(Debug, Default, Clone)]
pub(super) struct Samples(Vec<Duration>);

impl Samples {
    pub(super) fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    pub(super) fn extend(&mut self, samples: impl IntoIterator<Item = Duration>) {
        self.0.extend(samples);
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the middle one; zero without samples.
    pub(super) fn median(&self) -> Duration {
        self.at(50)
    }

    /// Returns the 99th percentile by nearest rank: the largest one of fewer than a hundred.
    pub(super) fn p99(&self) -> Duration {
        self.at(99)
    }

    pub(super) fn max(&self) -> Duration {
        self.at(100)
    }

    fn at(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Samples {
    fn from_iter<I: IntoIterator<Item = Duration>>(samples: I) -> Self {
        Self(samples.into_iter().collect())
    }
}

/// Writes a duration with about three digits.
pub(super) fn show(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match duration.as_micros() {
        0..1_000 => format!("{:.0} µs", seconds * 1e6),
        1_000..10_000 => format!("{:.2} ms", seconds * 1e3),
        10_000..100_000 => format!("{:.1} ms", seconds * 1e3),
        100_000..1_000_000 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}

/// Writes how far `value` is from `base`, with its sign.
pub(super) fn offset(value: Duration, base: Duration) -> String {
    match value.checked_sub(base) {
        Some(more) => format!("+{}", show(more)),
        None => format!("-{}", show(base.saturating_sub(value))),
    }
}

/// Writes how many times `ours` goes into `theirs`.
pub(super) fn times(theirs: Duration, ours: Duration) -> String {
    if ours.is_zero() {
        return "×?".to_owned();
    }
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    if ratio < 10.0 { format!("×{ratio:.1}") } else { format!("×{ratio:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let samples: Samples = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(samples.median(), Duration::from_millis(100));
        assert_eq!(samples.p99(), Duration::from_millis(198));
        assert_eq!(samples.max(), Duration::from_millis(200));
        assert_eq!(Samples::default().p99(), Duration::ZERO);
    }

    #[test]
    fn durations_are_written_with_three_digits() {
        assert_eq!(show(Duration::from_micros(42)), "42 µs");
        assert_eq!(show(Duration::from_micros(4_234)), "4.23 ms");
        assert_eq!(show(Duration::from_millis(2_350)), "2.35 s");
        assert_eq!(offset(Duration::from_micros(90), Duration::from_micros(100)), "-10 µs");
        assert_eq!(times(Duration::from_millis(84), Duration::from_millis(2)), "×42");
    }
}
