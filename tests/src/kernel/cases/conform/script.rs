//! What happens: drawn from a seed alone, so that it is the same on every kernel.

use std::time::Duration;

use rumpus_sim::rng::Rng;

/// What has to happen in some script, and how the model answers it.
pub(super) const MET: &[(&str, &str)] = &[
    ("apply", "failed"),
    ("apply", "ok"),
    ("check", "read"),
    ("check", "vanished"),
    ("confirm", "failed"),
    ("confirm", "ok"),
    ("disarm", "ok"),
    ("disarm", "vanished"),
    ("remove", "ok"),
    ("renew", "ok"),
    ("renew", "vanished"),
    ("somebody", "ok"),
    ("sweep", "swept"),
    ("wait", "ok"),
];

/// What is done to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Loss,
    Partition,
}

/// An end of a gate, seen from the present.
#[derive(Debug, Clone, Copy)]
pub(super) enum Until {
    Past,
    /// Too near for a gate.
    Near,
    /// It comes within the script.
    Soon,
    Late,
}

impl Until {
    pub(super) fn at(self, now: Duration) -> Duration {
        match self {
            Self::Past => now.saturating_sub(Duration::from_secs(1)),
            Self::Near => now + Duration::from_millis(20),
            Self::Soon => now + SOON,
            Self::Late => now + Duration::from_secs(600),
        }
    }
}

/// Far enough for a busy machine to have carried out what comes before a wait.
pub(super) const SOON: Duration = Duration::from_millis(700);

/// One step; slots are counted, the first half of them in one network, the others in the other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Apply(usize, Until),
    Check(usize),
    Confirm(usize),
    Disarm(usize),
    /// The owners of other tables and queues add one.
    Foreign(usize),
    /// Somebody takes all tables of both networks away; others put theirs back.
    Flush,
    Remove(usize),
    Renew(usize, Until),
    Resolve(usize),
    /// The agent dies and begins anew.
    Restart,
    /// All of ours but this slot's.
    Sweep(usize),
    /// Until every gate whose end is near has run out.
    Wait,
}

/// How many slots there are.
pub(super) const SLOTS: usize = 4;

/// A script as far as it has come.
pub(super) struct Script(Rng);

impl Script {
    pub(super) fn new(seed: u64) -> Self {
        Self(Rng::new(seed, "kernel"))
    }

    fn until(&mut self) -> Until {
        match self.0.below(10) {
            0 => Until::Past,
            1 => Until::Near,
            2..5 => Until::Soon,
            _ => Until::Late,
        }
    }

    pub(super) fn draw(&mut self) -> Step {
        let slot = self.0.index(SLOTS);
        match self.0.below(100) {
            0..28 => Step::Apply(slot, self.until()),
            28..42 => Step::Check(slot),
            42..57 => Step::Renew(slot, self.until()),
            57..65 => Step::Disarm(slot),
            65..75 => Step::Remove(slot),
            75..83 => Step::Confirm(slot),
            83..86 => Step::Resolve(slot),
            86..88 => Step::Foreign(slot),
            88..91 => Step::Flush,
            91..94 => Step::Restart,
            94..97 => Step::Sweep(slot),
            _ => Step::Wait,
        }
    }
}
