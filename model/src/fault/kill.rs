//! Kill: a signal to one process, or the end of a whole container. One-shot: nothing is put back.

use crate::change::{Change, Signal};
use crate::duration;
use crate::engine::Engine;
use crate::evidence::{Effective, Reading};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Signal number of SIGKILL on every Linux architecture.
pub const SIGKILL: i32 = 9;

/// What is killed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kill {
    /// Every process of the container, at once.
    Container,
    /// One process: the signal, then SIGKILL if it still lives after `grace` (0 to 10 min).
    Process { signal: i32, grace: Duration },
}

impl Kill {
    pub(super) fn engines(&self) -> &'static [Engine] {
        match self {
            Self::Container => &[Engine::Cgroup],
            Self::Process { .. } => &[Engine::Signal],
        }
    }

    pub(super) fn expected(&self) -> String {
        match self {
            Self::Container => "every process of the container is gone".into(),
            Self::Process { signal: SIGKILL, .. } => "the process is gone at once (SIGKILL)".into(),
            Self::Process { signal, grace } => format!(
                "the process gets {} and is gone within {} (then SIGKILL)",
                signal_name(*signal),
                duration::show(*grace)
            ),
        }
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        match *self {
            Self::Container => vec![Change::KillContainer],
            Self::Process { signal, grace } => {
                vec![Change::Signal(Signal {
                    number: signal,
                    grace: if signal == SIGKILL { Duration::ZERO } else { grace },
                })]
            }
        }
    }

    /// Effective once the pinned process was seen to be gone, and nothing of a container survived.
    pub(super) fn effective(&self, readings: &[Reading]) -> Effective {
        let mut verdict = Effective::Unknown;
        for reading in readings {
            if let Reading::Killed(killed) = reading {
                if !killed.gone || killed.survivors > 0 {
                    return Effective::False;
                }
                verdict = Effective::True;
            }
        }
        verdict
    }
}

/// Signals that a policy may name, with the numbers of x86 and arm (signal(7)).
pub const SIGNALS: [(&str, i32); 14] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("TERM", 15),
];

/// Returns a signal's name with its `SIG`.
pub fn signal_name(number: i32) -> String {
    match SIGNALS.iter().find(|(_, n)| *n == number) {
        Some((name, _)) => format!("SIG{name}"),
        None => format!("signal {number}"),
    }
}
