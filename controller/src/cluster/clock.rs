//! Both clocks of this process, read in one place.

use super::core::event::Now;
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// Begins when the process does. The standard library's monotonic clock stands still while the machine sleeps, which
/// only makes every wait longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn boot(&self) -> Duration {
        // Never 0: an instant before the start must have a place too.
        Duration::from_secs(86_400) + self.0.elapsed()
    }

    pub(crate) fn now(&self) -> Now {
        Now { boot: self.boot(), wall: Timestamp::now() }
    }

    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.boot().as_millis()).unwrap_or(u64::MAX)
    }
}
