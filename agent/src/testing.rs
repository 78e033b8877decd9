//! Failpoints and sabotage for the test suite: they exist only with the feature `testing`, which a release build
//! refuses. Without it everything here is empty and costs nothing.
//!
//! `RUMPUS_FAILPOINT=NAME:ACTION` acts when the point is reached the first time: `kill` and `stop` raise SIGKILL and
//! SIGSTOP, `hang` writes the file named by `RUMPUS_FAILPOINT_MARK` and sleeps, `error` makes the step fail.
//! `RUMPUS_SABOTAGE=NAME` breaks one promise on purpose.

/// Promises that a test run can break on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    ExclusionsIgnored,
    ForeignFlushed,
    HaltIgnored,
    NoGate,
    NoJournal,
    NoRestore,
    VerifySaysYes,
    WrongPid,
}

impl Sabotage {
    pub const ALL: [Self; 8] = [
        Self::ExclusionsIgnored,
        Self::ForeignFlushed,
        Self::HaltIgnored,
        Self::NoGate,
        Self::NoJournal,
        Self::NoRestore,
        Self::VerifySaysYes,
        Self::WrongPid,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::ExclusionsIgnored => "exclusions-ignored",
            Self::ForeignFlushed => "foreign-flushed",
            Self::HaltIgnored => "halt-ignored",
            Self::NoGate => "no-gate",
            Self::NoJournal => "no-journal",
            Self::NoRestore => "no-restore",
            Self::VerifySaysYes => "verify-says-yes",
            Self::WrongPid => "wrong-pid",
        }
    }
}

/// Reaches a failpoint.
///
/// # Errors
/// The failpoint says that the step fails.
#[cfg(not(feature = "testing"))]
#[inline]
pub fn point(_name: &str) -> Result<(), String> {
    Ok(())
}

/// Returns whether a promise is broken on purpose.
#[cfg(not(feature = "testing"))]
#[inline]
pub fn sabotaged(_what: Sabotage) -> bool {
    false
}

#[cfg(feature = "testing")]
pub use live::{point, sabotaged};

#[cfg(feature = "testing")]
mod live {
    use super::Sabotage;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    static REACHED: AtomicBool = AtomicBool::new(false);

    /// See the crate-level twin.
    pub fn point(name: &str) -> Result<(), String> {
        static WANTED: OnceLock<Option<(String, String)>> = OnceLock::new();
        let wanted = WANTED.get_or_init(|| {
            let text = std::env::var("RUMPUS_FAILPOINT").ok()?;
            text.rsplit_once(':').map(|(n, a)| (n.to_owned(), a.to_owned()))
        });
        let Some((_, action)) = wanted.as_ref().filter(|(n, _)| n == name) else { return Ok(()) };
        if REACHED.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        if let Ok(mark) = std::env::var("RUMPUS_FAILPOINT_MARK") {
            std::fs::write(mark, name).map_err(|e| e.to_string())?;
        }
        let raise = |signal| nix::sys::signal::raise(signal).map_err(|e| e.to_string());
        match action.as_str() {
            "kill" => raise(nix::sys::signal::Signal::SIGKILL),
            "stop" => raise(nix::sys::signal::Signal::SIGSTOP),
            "hang" => {
                std::thread::sleep(Duration::from_secs(3600));
                Ok(())
            }
            _error => Err(format!("failpoint {name}")),
        }
    }

    /// See the crate-level twin.
    pub fn sabotaged(what: Sabotage) -> bool {
        static ACTIVE: OnceLock<Option<String>> = OnceLock::new();
        ACTIVE.get_or_init(|| std::env::var("RUMPUS_SABOTAGE").ok()).as_deref() == Some(what.name())
    }
}
