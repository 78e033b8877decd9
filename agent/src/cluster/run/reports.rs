//! When which status is written: at once where others wait for it, soon otherwise, again after an error, and never two
//! at a time of one object.
//!
//! Pure: instants are arguments.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long what nobody waits for may be collected.
const SOON: Duration = Duration::from_millis(250);
/// The first and the longest pause after an error.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// What is to be written.
#[derive(Debug, Default)]
pub struct Reports {
    all: BTreeMap<String, Report>,
}

#[derive(Debug)]
struct Report {
    /// `None`: nothing is new.
    due: Option<Duration>,
    in_flight: bool,
    failures: u32,
}

impl Reports {
    /// Something is new.
    pub fn ask(&mut self, what: &str, urgent: bool, now: Duration) {
        let report = self.all.entry(what.to_owned()).or_insert(Report { due: None, in_flight: false, failures: 0 });
        // A pause after an error is not shortened: the server may be the one that is slow.
        let wanted = now.saturating_add(if urgent && report.failures == 0 { Duration::ZERO } else { SOON });
        report.due = Some(report.due.map_or(wanted, |due| due.min(wanted)));
    }

    /// Takes what is due; each must be answered by [`Reports::answered`].
    pub fn take(&mut self, now: Duration) -> Vec<String> {
        let mut taken = Vec::new();
        for (what, report) in &mut self.all {
            if !report.in_flight && report.due.is_some_and(|due| now >= due) {
                (report.in_flight, report.due) = (true, None);
                taken.push(what.clone());
            }
        }
        taken
    }

    /// Takes in that a write was stored (`true`) or not. Returns whether nothing newer waits to be written.
    pub fn answered(&mut self, what: &str, stored: bool, now: Duration) -> bool {
        let Some(report) = self.all.get_mut(what) else { return true };
        report.in_flight = false;
        if stored {
            report.failures = 0;
        } else {
            let pause = PAUSE.0.saturating_mul(1 << report.failures.min(10)).min(PAUSE.1);
            report.failures += 1;
            report.due = Some(now.saturating_add(pause));
        }
        report.due.is_none()
    }

    pub fn forget(&mut self, what: &str) {
        self.all.remove(what);
    }

    /// Returns when something is due.
    pub fn next(&self) -> Option<Duration> {
        self.all.values().filter(|r| !r.in_flight).filter_map(|r| r.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_urgent_goes_at_once_and_the_rest_is_collected() {
        let mut reports = Reports::default();
        reports.ask("a", false, ms(0));
        assert!(reports.take(ms(10)).is_empty());
        assert_eq!(reports.next(), Some(ms(250)));
        reports.ask("a", true, ms(20));
        assert_eq!(reports.take(ms(20)), ["a"]);
        // What comes while it is written is written after it.
        reports.ask("a", true, ms(21));
        assert!(reports.take(ms(30)).is_empty());
        assert!(!reports.answered("a", true, ms(40)));
        assert_eq!(reports.take(ms(40)), ["a"]);
        assert!(reports.answered("a", true, ms(50)));
        assert_eq!(reports.next(), None);
    }

    #[test]
    fn what_failed_is_tried_again_ever_more_slowly_and_never_dropped() {
        let mut reports = Reports::default();
        reports.ask("a", true, ms(0));
        let mut now = ms(0);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            assert_eq!(reports.take(now), ["a"]);
            assert!(!reports.answered("a", false, now));
            let next = reports.next().unwrap();
            pauses.push((next - now).as_millis());
            now = next;
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
    }
}
