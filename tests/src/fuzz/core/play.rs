//! Events, and how each command goes. It keeps to what a driver promises: an answer for each command at most once, and a
//! wake-up whenever the reconciler asked for one.

use super::injection::{BOOT, halts, injection, recovered};
use super::rules::Rules;
use super::world::World;
use crate::fuzz::draw::Draw;
use rumpus_agent::core::{Command, Core, Event, Leave, OpId, Outcome, Record};
use rumpus_model::injection::{EndCause, Unwanted};
use rumpus_model::world::Halted;
use std::collections::BTreeMap;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(15);
/// Steps within which everything comes to rest once nothing goes wrong any more.
const REST: usize = 3_000;

/// One agent, played.
pub(super) struct Play {
    core: Core,
    now: Duration,
    world: World,
    rules: Rules,
    /// Commands without an answer.
    open: BTreeMap<OpId, Command>,
    submitted: usize,
}

/// How a command goes.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Honest,
    FailsUndone,
    FailsDone,
    TargetGone,
    Vanished,
    /// An answer to another question.
    Nonsense,
}

fn failed() -> Outcome {
    Outcome::Failed { why: "EBUSY".into() }
}

fn op_of(command: &Command) -> Option<OpId> {
    match command {
        Command::Order { op, .. }
        | Command::ReadHalt { op, .. }
        | Command::Record { op, .. }
        | Command::Sweep { op, .. } => Some(*op),
        Command::Attest(_) | Command::AttestHalt { .. } => None,
    }
}

fn halted(draw: &mut Draw<'_>) -> Halted {
    match draw.below(4) {
        0 => Halted::Yes { id: draw.of(["h0-0", "h9"]).into(), reason: "r".into() },
        1 => Halted::Unreadable { why: "EIO".into() },
        _ => Halted::No,
    }
}

impl Play {
    /// An agent starts, with or without a predecessor that died.
    pub(super) fn new(draw: &mut Draw<'_>) -> Self {
        let now = Duration::from_secs(draw.of([100, 0, 1 << 40]));
        let each = draw.flag();
        let core =
            if each { Core::with_contact_each(LEASE, BOOT.into(), now) } else { Core::new(LEASE, BOOT.into(), now) };
        let mut world = World::default();
        let intents = recovered(draw);
        for intent in &intents {
            world.left(&intent.id, now.saturating_add(draw.of([LEASE, Duration::ZERO])));
        }
        let rules = Rules::new(each, LEASE, &intents);
        let mut play = Self { core, now, world, rules, open: BTreeMap::new(), submitted: 0 };
        play.step(Event::Recovered(intents));
        play
    }

    /// One thing happens.
    pub(super) fn next(&mut self, draw: &mut Draw<'_>) {
        let uid = format!("u{}", draw.below(4));
        match draw.below(16) {
            0..=4 => self.answer(draw),
            5 | 6 => {
                self.submitted += 1;
                let injection = injection(format!("u{}", self.submitted), draw);
                self.step(Event::Submit(Box::new(injection)));
            }
            7 | 8 => self.pass(draw),
            9 => self.step(match draw.below(4) {
                0 => Event::Stop { injection: None, by: "Ctrl-C".into() },
                1 => Event::Stop { injection: Some(uid), by: "stop".into() },
                2 => Event::End { injection: uid, cause: EndCause::Unwanted(Unwanted::Absent) },
                _ => Event::Forget { injection: uid },
            }),
            10 => self.step(Event::Contact(halted(draw))),
            11 => {
                let back = Duration::from_secs(draw.of([0, 2, 20, 1 << 41]));
                let at = if draw.flag() { self.now.saturating_sub(back) } else { self.now.saturating_add(back) };
                self.step(Event::Heard { injection: uid, at });
            }
            12 => self.step(Event::Halts(halts(draw))),
            13 => self.step(match draw.below(3) {
                0 => Event::Lease(draw.of([LEASE, Duration::from_millis(200), Duration::from_secs(3600)])),
                1 => Event::Journal(Err("EIO".into())),
                _ => Event::Journal(Ok(())),
            }),
            14 => match draw.below(3) {
                0 => self.world.stubborn = draw.flag(),
                1 => self.world.backlog = draw.of([0, 7]),
                // Nobody asked that, or not any more.
                _ => match draw.long() {
                    op if self.open.contains_key(&op) => {}
                    op => self.step(Event::Done { op, outcome: Outcome::Ok }),
                },
            },
            _ => self.settle(),
        }
    }

    /// Time goes on, at least to when the reconciler wants to be woken if that comes first.
    fn pass(&mut self, draw: &mut Draw<'_>) {
        let until =
            self.now.saturating_add(Duration::from_millis(draw.of([20, 200, 3_000, 15_000, 61_000, 90_000_000])));
        for _ in 0..64 {
            let next = self.core.wake_at().filter(|at| *at < until);
            self.now = next.unwrap_or(until).max(self.now);
            self.step(Event::Wake);
            if next.is_none() {
                break;
            }
        }
    }

    fn answer(&mut self, draw: &mut Draw<'_>) {
        let at = draw.below(self.open.len());
        let Some((op, chosen)) = self.open.iter().nth(at) else { return };
        // One thread writes the journal, in order.
        let records = self.open.iter().filter(|(_, c)| matches!(c, Command::Record { .. }));
        let first = records.map(|(op, _)| *op).next().filter(|_| matches!(chosen, Command::Record { .. }));
        let op = first.unwrap_or(*op);
        let way = draw.of([
            Way::Honest,
            Way::Honest,
            Way::FailsUndone,
            Way::FailsDone,
            Way::TargetGone,
            Way::Vanished,
            Way::Nonsense,
        ]);
        let Some(command) = self.open.remove(&op) else { return };
        let (outcome, honest) = match &command {
            Command::ReadHalt { .. } => (self.leave(draw), true),
            Command::Order { order, .. } => self.order(order, way, draw),
            Command::Record { record, .. } => (self.record(record, way), true),
            Command::Sweep { keep, .. } => {
                let done = matches!(way, Way::Honest | Way::FailsDone);
                let found = if done { self.world.sweep(keep) } else { Vec::new() };
                let failed = vec!["a table".to_owned()];
                let outcome = match way {
                    Way::Honest => Outcome::Swept { found, failed: Vec::new() },
                    Way::FailsDone | Way::FailsUndone => Outcome::Swept { found, failed },
                    Way::TargetGone => self::failed(),
                    Way::Vanished => Outcome::Read(Vec::new()),
                    Way::Nonsense => Outcome::Ok,
                };
                (outcome, true)
            }
            Command::Attest(_) | Command::AttestHalt { .. } => return,
        };
        self.done(op, &command, outcome, honest);
    }

    fn leave(&self, draw: &mut Draw<'_>) -> Outcome {
        let at = self.now.saturating_sub(Duration::from_secs(draw.of([0, 1, 20])));
        match draw.below(6) {
            0 | 1 => {
                let left = draw.flag().then(|| Duration::from_secs(draw.of([5, 0, 1000])));
                Outcome::Leave(Leave::Given { at, halts: halts(draw), left })
            }
            2 => Outcome::Halt(halted(draw)),
            3 => Outcome::Leave(Leave::Ended(EndCause::Unwanted(Unwanted::Orphaned))),
            // Nothing but these is a leave.
            4 => draw.of([Outcome::Ok, Outcome::Read(Vec::new()), Outcome::Swept { found: vec![], failed: vec![] }]),
            _ => failed(),
        }
    }

    fn order(&mut self, order: &rumpus_agent::core::Order, way: Way, draw: &mut Draw<'_>) -> (Outcome, bool) {
        let id = &order.planned.id;
        match way {
            Way::Honest => (self.world.act(order, self.now), true),
            Way::FailsUndone => (failed(), true),
            Way::FailsDone => {
                drop(self.world.act(order, self.now));
                (failed(), true)
            }
            Way::TargetGone | Way::Vanished => {
                self.world.rob(id);
                self.rules.robbed(id);
                let what = "it".to_owned();
                let gone = way == Way::TargetGone;
                (if gone { Outcome::TargetGone { what } } else { Outcome::Vanished { what } }, true)
            }
            // No answer to an order, which is as good as none; and one that is true of another.
            Way::Nonsense => {
                let given = Leave::Given { at: self.now, halts: Vec::new(), left: None };
                let nothing = Outcome::Swept { found: Vec::new(), failed: Vec::new() };
                match draw.below(5) {
                    0 => (Outcome::Leave(given), true),
                    1 => (Outcome::Halt(Halted::No), true),
                    2 => (nothing, true),
                    3 => (Outcome::Read(Vec::new()), false),
                    _ => (Outcome::Ok, false),
                }
            }
        }
    }

    fn record(&mut self, record: &Record, way: Way) -> Outcome {
        if matches!(way, Way::Honest | Way::FailsDone) {
            self.world.record(record);
        }
        let what = "it".to_owned();
        match way {
            Way::Honest => Outcome::Ok,
            Way::FailsUndone | Way::FailsDone => failed(),
            // Nothing but "yes" says that it is on disk.
            Way::TargetGone => Outcome::TargetGone { what },
            Way::Vanished => Outcome::Halt(Halted::No),
            Way::Nonsense => Outcome::Read(Vec::new()),
        }
    }

    /// Carries everything out that is asked for, until nothing is.
    fn settle(&mut self) {
        for _ in 0..REST {
            let Some((op, command)) = self.open.pop_first() else { return };
            let outcome = match &command {
                Command::ReadHalt { .. } => Outcome::Halt(Halted::No),
                Command::Order { order, .. } => self.world.act(order, self.now),
                Command::Record { record, .. } => self.record(record, Way::Honest),
                Command::Sweep { keep, .. } => Outcome::Swept { found: self.world.sweep(keep), failed: Vec::new() },
                Command::Attest(_) | Command::AttestHalt { .. } => continue,
            };
            self.done(op, &command, outcome, true);
        }
        assert!(self.open.is_empty(), "there is no end of commands at {:?}: {:?}", self.now, self.open);
    }

    fn done(&mut self, op: OpId, command: &Command, outcome: Outcome, honest: bool) {
        self.rules.done(self.now, op, command, &outcome, honest);
        self.step(Event::Done { op, outcome });
    }

    fn step(&mut self, event: Event) {
        let wake = matches!(event, Event::Wake);
        self.rules.hear(self.now, &event);
        let commands = self.core.step(self.now, event);
        for command in &commands {
            self.rules.judge(self.now, command, &self.world);
        }
        self.rules.look(self.now, &self.core.attestations(), &self.world);
        // Else whoever sleeps until then never sleeps.
        let at = self.core.wake_at();
        assert!(
            !wake || !commands.is_empty() || at.is_none_or(|at| at > self.now),
            "woken at {:?} for {at:?}",
            self.now
        );
        for command in commands {
            if let Some(op) = op_of(&command) {
                assert!(self.open.insert(op, command).is_none(), "op {op} names two commands");
            }
        }
    }

    /// Nothing goes wrong any more and nobody is heard of: everything that was begun has to end.
    pub(super) fn rest(mut self) {
        (self.world.stubborn, self.world.backlog) = (false, 0);
        for _ in 0..REST {
            self.settle();
            if self.core.is_idle() {
                break;
            }
            let wake = self.core.wake_at();
            assert!(wake.is_some(), "nobody is woken for what still lives");
            self.now = wake.unwrap_or_default().max(self.now);
            self.step(Event::Wake);
        }
        assert!(self.core.is_idle(), "this does not end: {:?}", self.core.attestations());
        self.rules.rested(&self.world);
    }
}
