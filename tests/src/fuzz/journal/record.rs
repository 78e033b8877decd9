//! Records, drawn.

use crate::fuzz::draw::Draw;
use rumpus_agent::core::{Intent, Record};
use rumpus_model::engine::Engine;
use rumpus_model::injection::{EndCause, State, Unwanted};
use rumpus_model::refusal::Refusal;
use rumpus_model::target::{
    ContainerTarget, NetNsId, NetNsTarget, ProcessId, ProcessLabel, ProcessTarget, Target, Via,
};
use std::time::Duration;

/// Longest text that is drawn.
const TEXT: usize = 24;

/// Draws one record.
pub(super) fn record(draw: &mut Draw<'_>) -> Record {
    match draw.below(4) {
        0 => Record::Intent(Box::new(intent(draw))),
        1 => Record::Applied { id: id(draw) },
        2 => Record::Ended { id: id(draw), state: state(draw), cause: cause(draw), at: time(draw) },
        _ => Record::Kept { injection: id(draw), until: draw.long().cast_signed() },
    }
}

/// Of few names, so that records are about each other.
fn id(draw: &mut Draw<'_>) -> String {
    draw.of(["00000001", "00000002", "0", ""]).to_owned()
}

fn time(draw: &mut Draw<'_>) -> Duration {
    Duration::from_nanos(draw.long())
}

fn intent(draw: &mut Draw<'_>) -> Intent {
    Intent {
        injection: id(draw),
        policy: draw.text(TEXT),
        id: id(draw),
        fault: draw.text(TEXT),
        lasts: draw.flag(),
        engine: draw.of([Engine::Cgroup, Engine::Netem, Engine::Nfqueue, Engine::Nft, Engine::Signal]),
        target: target(draw),
        expected: draw.text(TEXT),
        deadline: draw.flag().then(|| time(draw)),
        at: time(draw),
        not_after: draw.flag().then(|| draw.long().cast_signed()),
    }
}

fn process(draw: &mut Draw<'_>) -> ProcessTarget {
    let id = ProcessId { pid: i32::from(draw.short()), start: draw.long() };
    ProcessTarget { id, comm: draw.text(TEXT), cgroup: draw.text(TEXT), boot_id: draw.text(TEXT) }
}

fn target(draw: &mut Draw<'_>) -> Target {
    let label = |draw: &mut Draw<'_>| ProcessLabel { pid: i32::from(draw.short()), comm: draw.text(TEXT) };
    let labels = |draw: &mut Draw<'_>| (0..draw.below(4)).map(|_| label(draw)).collect();
    match draw.below(3) {
        0 => Target::Container(ContainerTarget {
            id: draw.text(TEXT),
            cgroup: draw.text(TEXT),
            boot_id: draw.text(TEXT),
            init: draw.flag().then(|| process(draw)),
            processes: labels(draw),
        }),
        1 => Target::NetNs(NetNsTarget {
            id: NetNsId { dev: draw.long(), ino: draw.long(), cookie: draw.flag().then(|| draw.long()) },
            via: match draw.below(3) {
                0 => Via::Host,
                1 => Via::Name(draw.text(TEXT)),
                _ => Via::Process(ProcessId { pid: i32::from(draw.short()), start: draw.long() }),
            },
            boot_id: draw.text(TEXT),
            host: draw.flag(),
            processes: labels(draw),
        }),
        _ => Target::Process(process(draw)),
    }
}

fn state(draw: &mut Draw<'_>) -> State {
    draw.of([State::RestoreFailed, State::Done, State::Restored, State::Lost, State::Refused])
}

fn cause(draw: &mut Draw<'_>) -> EndCause {
    match draw.below(9) {
        0 => EndCause::Deadline,
        1 => EndCause::Once,
        2 => EndCause::Swept,
        3 => EndCause::Failed { step: draw.text(TEXT), why: draw.text(TEXT) },
        4 => EndCause::Halted { id: draw.text(TEXT) },
        5 => EndCause::Refused(Refusal::DurationLimit { wanted: time(draw), most: time(draw) }),
        6 => EndCause::Refused(Refusal::EngineMissing {
            fault: draw.text(TEXT),
            tried: vec![(draw.text(TEXT), draw.text(TEXT))],
        }),
        7 => EndCause::Stopped { by: draw.text(TEXT) },
        _ => EndCause::Unwanted(draw.of([Unwanted::Absent, Unwanted::Orphaned])),
    }
}
