//! The steps of a fault's life, in order, and what is to be found after a crash at each.

use std::time::Duration;

use crate::kernel::matrix::{Engine, Fault};

/// A fault by one engine, as the command is asked for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) fault: Fault,
    pub(super) engine: Engine,
    /// Flags of the fault itself.
    pub(super) flags: &'static [&'static str],
    /// An answer that takes as long as this, in milliseconds, shows the fault; 0 where only a missing answer does.
    pub(super) slow: u64,
}

impl Subject {
    /// Returns the threshold for the probe.
    pub(super) fn slow(self) -> Option<Duration> {
        (self.slow > 0).then(|| Duration::from_millis(self.slow))
    }
}

pub(super) const PARTITION: Subject =
    Subject { fault: Fault::Partition, engine: Engine::Nft, flags: &["partition", "--direction", "Both"], slow: 0 };
pub(super) const LOSS: Subject = Subject {
    fault: Fault::Loss,
    engine: Engine::Nft,
    flags: &["loss", "--direction", "Both", "--loss", "50"],
    slow: 0,
};
pub(super) const NFQUEUE: Subject = Subject {
    fault: Fault::Latency,
    engine: Engine::Nfqueue,
    flags: &["latency", "--direction", "Egress", "--delay", "400ms", "--without-engine", "netem"],
    slow: 350,
};
pub(super) const NETEM: Subject = Subject {
    fault: Fault::Latency,
    engine: Engine::Netem,
    flags: &["latency", "--direction", "Egress", "--delay", "400ms", "--without-engine", "nfqueue"],
    slow: 350,
};

/// The part of a fault's life that a point belongs to: one case each, so that they can run side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Until the gate is armed.
    Begin,
    /// From then on, as long as it is renewed.
    Hold,
    /// Until the effect has ended.
    End,
    /// Until nothing is left.
    Clear,
}

impl Part {
    /// Whether it lies before the deadline.
    pub(super) fn is_applying(self) -> bool {
        match self {
            Self::Begin | Self::Hold => true,
            Self::End | Self::Clear => false,
        }
    }
}

/// A failpoint, and what stands when it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) name: String,
    pub(super) part: Part,
    /// The journal has the intent and no end.
    pub(super) open: bool,
    /// The table is there.
    pub(super) table: bool,
    /// The first step of all was begun and done: after a pause longer than the lease nothing more is applied.
    pub(super) begun: bool,
    /// The links are there; they outlive the agent.
    pub(super) links: bool,
    /// The fault was in effect for long enough before that packets must have shown it.
    pub(super) was_seen: bool,
}

/// Returns the points of a fault's whole life, in order.
pub(super) fn points(engine: Engine) -> Vec<Point> {
    let first = match engine {
        Engine::Nfqueue => Some("worker"),
        Engine::Netem => Some("links"),
        Engine::Cgroup | Engine::Nft | Engine::Signal | Engine::Tools => None,
    };
    let mut acts: Vec<(String, Part)> = Vec::new();
    let mut add = |name: &str, part| acts.push((name.to_owned(), part));
    add("resolve", Part::Begin);
    add("record-intent", Part::Begin);
    if let Some(first) = first {
        add(&format!("apply-{first}"), Part::Begin);
    }
    add("apply-filter", Part::Begin);
    for name in ["check", "record-applied", "renew"] {
        add(name, Part::Hold);
    }
    for name in ["disarm", "drain"] {
        add(name, Part::End);
    }
    add("remove-filter", Part::Clear);
    if let Some(first) = first {
        add(&format!("remove-{first}"), Part::Clear);
    }
    add("confirm", Part::Clear);
    add("record-ended", Part::Clear);
    let mut state = Point {
        name: String::new(),
        part: Part::Begin,
        open: false,
        table: false,
        begun: false,
        links: false,
        was_seen: false,
    };
    let mut all = Vec::new();
    for (act, part) in acts {
        state.part = part;
        all.push(Point { name: format!("{act}.before"), ..state.clone() });
        if act == "apply-filter" {
            all.push(Point { name: "arm.between".to_owned(), ..state.clone() });
        }
        match act.as_str() {
            "record-intent" => state.open = true,
            "record-ended" => state.open = false,
            "apply-links" => (state.links, state.begun) = (true, true),
            "apply-worker" => state.begun = true,
            "apply-filter" => {
                // A gate stays armed when its agent dies at once; a worker dies with it.
                (state.table, state.begun, state.was_seen) = (true, true, engine != Engine::Nfqueue);
                state.part = Part::Hold;
            }
            "remove-filter" => state.table = false,
            "remove-links" => state.links = false,
            _changes_nothing => {}
        }
        all.push(Point { name: format!("{act}.after"), ..state.clone() });
        // A worker that dies lets go what it holds, so that its packets show a delay only after the delay's own time.
        state.was_seen |= act == "renew";
    }
    all
}
