//! Bytes as a world of the simulator: what people do, what trouble there is, and what does not go its usual way, each at the
//! place that the bytes name. Every invariant of the simulator has to hold (docs/simulator.md).

use super::draw::Draw;
use rumpus_sim::api::Kind;
use rumpus_sim::rng::Rng;
use rumpus_sim::schedule::{At, Deed, Schedule, Scope, Then, Trouble, Turn, Verb, What, Who, Work};
use rumpus_sim::{specs, world};

/// How long anything may go wrong, in seconds.
const LENGTH: u64 = 60;
/// Most of each kind of thing: a world is to be over soon.
const MOST: usize = 24;

/// Runs the world of these bytes.
///
/// # Panics
/// An invariant is broken.
pub fn world(data: &[u8]) {
    let schedule = schedule(&mut Draw::new(data));
    let end = world::replay(&schedule, false, None);
    assert!(end.broken.is_none(), "{:?}: {:?}", end.broken, schedule.to_text());
}

fn schedule(draw: &mut Draw<'_>) -> Schedule {
    let (nodes, controllers) = (2 + draw.below(2), 1 + draw.below(2));
    let mut schedule = Schedule {
        seed: draw.long(),
        seconds: LENGTH,
        nodes,
        budget: 1 + draw.below(3),
        radius: draw.flag().then(|| u32::from(1 + draw.byte() % 4)),
        controllers: vec![0; controllers],
        ..Schedule::default()
    };
    while !draw.is_used_up() {
        let at = u64::from(draw.short()) % (LENGTH * 1000 * 3 / 4);
        match draw.below(3) {
            0 if schedule.deeds.len() < MOST => {
                let what = deed(draw, schedule.deeds.len());
                schedule.deeds.push(At { at, what });
            }
            1 if schedule.troubles.len() < MOST => {
                schedule.troubles.push(At { at, what: trouble(draw, nodes, controllers) });
            }
            _ if schedule.turns.len() < 4 * MOST => schedule.turns.push(turn(draw, nodes, controllers)),
            _ => break,
        }
    }
    schedule.deeds.sort_by_key(|deed| deed.at);
    schedule.troubles.sort_by_key(|trouble| trouble.at);
    // Of one thing there is one decision.
    schedule.turns.sort_by_key(|turn| (turn.who, turn.what, turn.nth));
    schedule.turns.dedup_by_key(|turn| (turn.who, turn.what, turn.nth));
    schedule
}

fn deed(draw: &mut Draw<'_>, number: usize) -> Deed {
    let pick = u64::from(draw.byte());
    match draw.below(8) {
        0 => Deed::Stop { pick },
        1 => Deed::DeleteRun { pick },
        2 => {
            let scope = draw.of([Scope::All, Scope::Namespace, Scope::FirstNode, Scope::OneRun]);
            Deed::Halt { name: format!("halt-{number}"), scope, pick }
        }
        3 => Deed::Resume { pick },
        4 => Deed::KillPod { pick },
        5 => Deed::Policy { name: "monkey".into(), spec: specs::policy(&mut Rng::new(pick, "policy")) },
        _ => {
            let (spec, invalid) = specs::draw(&mut Rng::new(pick, "people"));
            Deed::Run { name: format!("run-{number}"), spec, invalid }
        }
    }
}

fn trouble(draw: &mut Draw<'_>, nodes: usize, controllers: usize) -> Trouble {
    let (node, controller) = (draw.below(nodes), draw.below(controllers));
    let who = if draw.flag() { Who::Agent(node) } else { Who::Controller(controller) };
    let millis = 50 + u64::from(draw.short()) % 30_000;
    match draw.below(8) {
        0 => Trouble::Crash { who, millis, resigns: false, anew: false },
        1 => Trouble::Pause { who, millis },
        2 => Trouble::Cut { who, millis },
        3 => Trouble::Stale { who, millis },
        4 => Trouble::BreakWatch { who, kind: draw.of([Kind::Injection, Kind::Halt]) },
        5 => Trouble::Reboot { node, millis, wiped: draw.flag() },
        6 => Trouble::Suspend { node, millis },
        _ => Trouble::Jump { controller, seconds: i64::from(draw.short() % 7200) - 3600 },
    }
}

fn turn(draw: &mut Draw<'_>, nodes: usize, controllers: usize) -> Turn {
    let agent = Who::Agent(draw.below(nodes));
    let who = if draw.flag() { agent } else { Who::Controller(draw.below(controllers)) };
    let nth = u32::from(draw.byte());
    let verb = draw.of([Verb::Create, Verb::Delete, Verb::Get, Verb::List, Verb::Patch, Verb::Status]);
    let kind = draw.of([Kind::Halt, Kind::Injection, Kind::Lease, Kind::Ledger, Kind::Node, Kind::Run]);
    let work = draw.of([Work::Apply, Work::Check, Work::Disarm, Work::Remove, Work::Renew, Work::Resolve]);
    let late = Then::Late(100 + u64::from(draw.short()) % 8000);
    let (who, what, then) = match draw.below(6) {
        0 => (who, What::Request(verb, kind), draw.of([Then::Busy, Then::Fails, Then::Lies, Then::Lost, Then::Silent])),
        1 => (who, What::Way(verb, kind), late),
        2 => (who, What::Watch(kind), late),
        3 => (agent, What::Order(work), draw.of([Then::Fails, Then::Lies])),
        4 => (agent, What::Hand(work), late),
        _ => (agent, What::Write, late),
    };
    Turn { who, what, nth, then }
}
