//! The kernel's own end for a process: a timer that sends SIGKILL at a time of CLOCK_BOOTTIME.
//!
//! It fires on a process that is stopped, frozen by cgroup v2, or hangs. It must never be dropped early: dropping it
//! disarms it. It does not survive exec.

use nix::errno::Errno;
use nix::sys::signal::{SigEvent, SigevNotify, Signal};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use std::fmt;
use std::time::Duration;

/// Why the timer could not be armed.
#[derive(Debug, thiserror::Error)]
pub enum TimerError {
    #[error("create a kill timer")]
    Create(#[source] Errno),
    #[error("set a kill timer to {at:?} after boot")]
    Set {
        at: Duration,
        #[source]
        source: Errno,
    },
}

/// Kills the calling process at its time, unless it is moved or dropped before.
#[must_use = "dropping the timer disarms it"]
pub struct DeathTimer(Timer);

impl fmt::Debug for DeathTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeathTimer").finish()
    }
}

impl DeathTimer {
    /// Arms the timer at `until`, a time of CLOCK_BOOTTIME; one in the past kills at once.
    ///
    /// # Errors
    /// [`TimerError`] if the kernel refuses; then nothing is armed.
    pub fn at(until: Duration) -> Result<Self, TimerError> {
        let notify = SigevNotify::SigevSignal { signal: Signal::SIGKILL, si_value: 0 };
        let timer = Timer::new(ClockId::CLOCK_BOOTTIME, SigEvent::new(notify)).map_err(TimerError::Create)?;
        let mut armed = Self(timer);
        armed.move_to(until)?;
        Ok(armed)
    }

    /// Moves the end to `until`.
    ///
    /// # Errors
    /// [`TimerError::Set`]; the timer then stands where it was.
    pub fn move_to(&mut self, until: Duration) -> Result<(), TimerError> {
        // A zero time would disarm the timer.
        let at = until.max(Duration::from_nanos(1));
        self.0
            .set(Expiration::OneShot(at.into()), TimerSetTimeFlags::TFD_TIMER_ABSTIME)
            .map_err(|source| TimerError::Set { at: until, source })
    }
}

/// Returns the time since boot, suspension included (CLOCK_BOOTTIME).
pub fn boottime() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
