//! A node's boot clock, which drifts and goes on while the machine sleeps.

use super::Node;
use std::time::Duration;

/// What the boot clock shows at boot.
const AT_BOOT: Duration = Duration::from_secs(1000);

impl Node {
    /// Returns what CLOCK_BOOTTIME shows.
    pub fn boot(&self, now: Duration) -> Duration {
        let up = now.saturating_sub(self.booted);
        let gained = i64::try_from(up.as_nanos()).unwrap_or(i64::MAX) / 1_000_000 * self.drift;
        let nanos = Duration::from_nanos(gained.unsigned_abs());
        AT_BOOT + if gained < 0 { up.saturating_sub(nanos) } else { up + nanos }
    }

    /// Returns how long the machine was awake between two instants.
    pub fn awake(&self, from: Duration, to: Duration) -> Duration {
        let asleep = self.slept.iter().map(|(a, b)| (*b).min(to).saturating_sub((*a).max(from)));
        to.saturating_sub(from).saturating_sub(asleep.sum())
    }

    pub fn is_asleep(&self, now: Duration) -> bool {
        self.slept.last().is_some_and(|(_, until)| *until > now)
    }

    /// Returns until when it sleeps.
    pub fn wakes_at(&self) -> Duration {
        self.slept.last().map(|(_, until)| *until).unwrap_or_default()
    }

    /// The machine sleeps until then: what its kernel counts stands still, its boot clock does not.
    pub fn sleeps(&mut self, now: Duration, until: Duration) {
        self.slept.push((now, until));
        self.kernel.sleeps(self.boot(now), until.saturating_sub(now));
        self.paused = Some(self.paused.unwrap_or_default().max(until));
    }
}
