//! When something that failed is tried again.

use std::time::Duration;

/// The first wait; it doubles with each failure.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait: a third of the shortest time that a person notices, and no load for an API server that is down.
const LONGEST: Duration = Duration::from_secs(5);

/// How often something failed, and until when it is left alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retry {
    failures: u32,
    at: Option<Duration>,
}

impl Retry {
    pub(crate) fn failed(&mut self, now: Duration) {
        let wait = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.at = Some(now + wait);
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn is_due(&self, now: Duration) -> bool {
        self.at.is_none_or(|at| now >= at)
    }

    /// Returns until when it waits, if it does.
    pub(crate) fn wake_at(&self, now: Duration) -> Option<Duration> {
        self.at.filter(|at| *at > now)
    }
}
