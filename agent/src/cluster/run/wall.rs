//! This node's wall clock: for display only, nothing is ever decided by it.

use crate::cluster::report::Wall;
use crate::kernel::timer::boottime;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// The wall clock as it is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock;

impl Wall for Clock {
    fn show(&self, at: Duration) -> String {
        let ago = boottime().saturating_sub(at);
        let ago = SignedDuration::try_from(ago).unwrap_or(SignedDuration::ZERO);
        let at = Timestamp::now().checked_sub(ago).unwrap_or_else(|_out_of_range| Timestamp::now());
        format!("{at:.6}")
    }

    fn now(&self) -> String {
        format!("{:.6}", Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_shown_in_microseconds_and_in_the_past() {
        let before = Clock.show(boottime().saturating_sub(Duration::from_secs(60)));
        assert!(before < Clock.now(), "{before}");
        assert_eq!(before.len(), "2026-11-24T20:00:00.000000Z".len());
    }
}
