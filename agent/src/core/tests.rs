//! The reconciler by itself: events in, commands out.

mod answers;
mod each;
mod many;
mod steps;

use super::{Act, Command, Core, Event, Intent, Leave, Outcome, Record};
use rumpus_model::change::Delay;
use rumpus_model::engine::Engine;
use rumpus_model::evidence::{Counts, Delayed, Effective, Filtered, Killed, Reading};
use rumpus_model::fault::network::{PeerNames, Probes};
use rumpus_model::fault::partition::How;
use rumpus_model::fault::{Fault, Kill, Latency, Network, Partition};
use rumpus_model::halt::{Halt, HaltScope, Reach};
use rumpus_model::injection::{Attestation, EndCause, Injection, State};
use rumpus_model::plan::Planned;
use rumpus_model::scope::{Devices, Direction};
use rumpus_model::target::{NetNsId, NetNsTarget, ProcessId, ProcessTarget, Target, Via};
use rumpus_model::world::Halted;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(15);

#[test]
fn a_fault_goes_through_every_step_and_back() {
    let mut world = Fake::new(partition());
    world.run_for(Duration::from_secs(40));
    let steps = world.log.join(" ");
    assert_eq!(
        steps.replace(" renew", ""),
        "sweep resolve intent halt? apply check applied disarm check drain remove confirm ended"
    );
    let last = world.last();
    assert_eq!((last.state, last.cause.clone()), (State::Restored, Some(EndCause::Deadline)));
    assert_eq!(last.effective, Effective::True);
    assert!(world.core.is_idle());
}

#[test]
fn a_renewal_asks_for_the_lease_and_never_for_more_than_the_deadline() {
    let mut world = Fake::new(partition());
    world.run_for(Duration::from_secs(40));
    assert!(world.untils.iter().all(|u| *u <= Duration::from_secs(130)), "{:?}", world.untils);
    assert!(world.untils.len() > 5);
}

#[test]
fn a_halted_agent_applies_nothing() {
    for halted in [Halted::Yes { id: "h".into(), reason: "r".into() }, Halted::Unreadable { why: "EIO".into() }] {
        let mut world = Fake::new(partition());
        world.halted = halted;
        world.run_for(Duration::from_secs(5));
        assert!(!world.log.iter().any(|l| l == "apply"), "{:?}", world.log);
        assert_eq!(world.last().state, State::Refused);
    }
}

#[test]
fn a_halt_in_mid_fault_ends_it_and_is_attested_after_the_read_back() {
    let mut world = Fake::new(partition());
    world.run_for(Duration::from_secs(3));
    world.halted = Halted::Yes { id: "h1".into(), reason: "r".into() };
    world.run_for(Duration::from_secs(4));
    assert_eq!(world.last().cause, Some(EndCause::Halted { id: "h1".into() }));
    let disarm = world.log.iter().position(|l| l == "disarm").unwrap();
    let attest = world.log.iter().position(|l| l == "halt-attested ended=true clean=false").unwrap();
    assert!(disarm < attest);
    assert!(world.log.iter().any(|l| l == "halt-attested ended=true clean=true"));
}

#[test]
fn without_contact_the_fault_is_ended_and_never_renewed_again() {
    let mut world = Fake::new(partition());
    world.run_for(Duration::from_secs(3));
    world.contact = false;
    world.run_for(Duration::from_secs(25));
    assert_eq!(world.last().cause, Some(EndCause::LeaseLost));
    assert_eq!(world.last().state, State::Restored);
}

#[test]
fn a_gate_that_is_still_armed_is_not_called_ended() {
    let mut world = Fake::new(partition());
    world.stuck = true;
    world.run_for(Duration::from_secs(35));
    let last = world.last();
    assert_eq!(last.state, State::RestoreFailed);
    assert_eq!(last.effect_ended, None);
    assert!(!last.problems.is_empty());
    world.stuck = false;
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.last().state, State::Restored);
}

#[test]
fn nothing_new_is_injected_while_something_is_not_restored() {
    let mut world = Fake::new(partition());
    world.stuck = true;
    world.run_for(Duration::from_secs(35));
    let mut second = partition();
    second.uid = "second".into();
    second.targets[0].id = "bbbbbbbb".into();
    world.give(Event::Submit(Box::new(second)));
    assert_eq!(world.last().state, State::Refused);
}

#[test]
fn every_step_that_fails_is_undone_from_there() {
    for failing in ["resolve", "intent", "apply", "applied", "check"] {
        let mut world = Fake::new(latency());
        world.fail = Some(failing.into());
        world.run_for(Duration::from_secs(3));
        world.fail = None;
        world.run_for(Duration::from_secs(3));
        let last = world.last();
        assert!(last.state.is_final(), "{failing}: {:?} {:?}", last.state, world.log);
        assert!(matches!(last.cause, Some(EndCause::Failed { .. })), "{failing}: {:?}", last.cause);
        let applied = world.log.iter().filter(|l| *l == "apply").count();
        let removed = world.log.iter().filter(|l| *l == "remove").count();
        assert_eq!(applied, removed, "{failing}: {:?}", world.log);
    }
}

#[test]
fn a_journal_that_cannot_be_written_refuses_new_faults() {
    let mut world = Fake::empty();
    world.give(Event::Journal(Err("no space".into())));
    world.give(Event::Submit(Box::new(partition())));
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.last().state, State::Refused);
    assert!(!world.log.iter().any(|l| l == "apply"));
}

#[test]
fn rules_that_somebody_else_removed_are_lost_not_restored() {
    let mut world = Fake::new(partition());
    world.run_for(Duration::from_secs(2));
    world.vanished = true;
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.last().state, State::Lost);
    assert!(matches!(world.last().cause, Some(EndCause::Vanished { .. })));
}

#[test]
fn a_delay_is_removed_only_after_its_backlog_is_gone() {
    let mut world = Fake::new(latency());
    world.run_for(Duration::from_secs(3));
    world.backlog = 7;
    world.give(Event::Stop { injection: None, by: "Ctrl-C".into() });
    assert!(!world.log.iter().any(|l| l == "remove"));
    assert!(world.last().effect_ended.is_some());
    world.backlog = 0;
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.last().state, State::Restored);
}

#[test]
fn what_a_predecessor_left_is_swept_before_anything_begins() {
    let mut world = Fake::empty();
    world.give(Event::Recovered(vec![intent()]));
    assert_eq!(world.log, ["sweep", "ended"]);
    assert_eq!(world.last().cause, Some(EndCause::Swept));
}

#[test]
fn no_halt_is_attested_before_what_a_predecessor_began_is_taken_away() {
    let now = Duration::from_secs(100);
    let mut core = Core::new(LEASE, "boot".into(), now);
    let attests = |commands: &[Command]| commands.iter().any(|c| matches!(c, Command::AttestHalt { .. }));
    let halt = Halt { id: "h".into(), reason: "checkout is down".into(), scope: HaltScope::All };
    core.step(now, Event::Recovered(vec![intent()]));
    assert!(!attests(&core.step(now, Event::Halts(vec![halt]))), "nothing was looked at yet");
    let failed = Outcome::Swept { found: vec![], failed: vec!["table x: EBUSY".into()] };
    assert!(!attests(&core.step(now, Event::Done { op: 1, outcome: failed })), "it is still there");
    let later = now + LEASE;
    let commands = core.step(later, Event::Wake);
    let op = commands.iter().find_map(|c| if let Command::Sweep { op, .. } = c { Some(*op) } else { None });
    let swept = Outcome::Swept { found: vec![], failed: vec![] };
    assert!(attests(&core.step(later, Event::Done { op: op.unwrap(), outcome: swept })));
}

#[test]
fn an_agent_is_not_idle_before_its_predecessors_ends_are_written() {
    let now = Duration::from_secs(100);
    let mut core = Core::new(LEASE, "boot".into(), now);
    core.step(now, Event::Recovered(vec![intent()]));
    let sweep = Outcome::Swept { found: vec![], failed: vec![] };
    let commands = core.step(now, Event::Done { op: 1, outcome: sweep });
    let Some(Command::Record { op, .. }) = commands.last() else { panic!("{commands:?}") };
    assert!(!core.is_idle());
    assert!(!core.is_stuck(), "where nothing was tried in vain nothing is given up");
    core.step(now, Event::Done { op: *op, outcome: Outcome::Ok });
    assert!(core.is_idle());
}

#[test]
fn a_lease_that_is_lost_between_two_changes_ends_the_fault_before_the_second() {
    let mut world = Fake::new(latency());
    world.pause_after = Some("apply".into());
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.log.iter().filter(|l| *l == "apply").count(), 1, "{:?}", world.log);
    let last = world.last();
    assert_eq!((last.state, last.cause.clone()), (State::Restored, Some(EndCause::LeaseLost)));
}

#[test]
fn a_process_that_outlives_its_grace_is_killed_unless_a_halt_comes_first() {
    let mut world = Fake::new(kill());
    world.alive = true;
    world.run_for(Duration::from_secs(4));
    assert!(!world.log.iter().any(|l| l == "escalate"));
    world.run_for(Duration::from_secs(8));
    assert!(world.log.iter().any(|l| l == "escalate"));
    assert_eq!((world.last().state, world.last().effective), (State::Done, Effective::True));

    let mut world = Fake::new(kill());
    world.alive = true;
    world.run_for(Duration::from_secs(4));
    world.halted = Halted::Yes { id: "h".into(), reason: "r".into() };
    world.run_for(Duration::from_secs(20));
    assert!(!world.log.iter().any(|l| l == "escalate"));
    assert_eq!(world.last().state, State::Done);
}

fn intent() -> Intent {
    let planned = partition().targets.remove(0);
    Intent {
        injection: "old".into(),
        policy: "p".into(),
        id: planned.id,
        fault: "partition".into(),
        lasts: true,
        engine: Engine::Nft,
        target: planned.target,
        expected: String::new(),
        deadline: None,
        at: Duration::ZERO,
        not_after: None,
    }
}

/// A node with one kernel whose answers the test sets.
struct Fake {
    core: Core,
    now: Duration,
    log: Vec<String>,
    seen: Vec<Attestation>,
    untils: Vec<Duration>,
    /// The number of each command that was given.
    ops: Vec<u64>,
    contact: bool,
    halted: Halted,
    stuck: bool,
    vanished: bool,
    alive: bool,
    backlog: u64,
    fail: Option<String>,
    armed: bool,
    /// No gate is ever armed.
    unarmed: bool,
    /// The answer to the question before the first change; none: what the Halt says.
    leave: Option<Leave>,
    /// Submitted when time begins to run.
    waiting: Option<Injection>,
    /// The command after which the whole agent stands still for longer than its lease.
    pause_after: Option<String>,
}

impl Fake {
    fn empty() -> Self {
        let now = Duration::from_secs(100);
        Self {
            core: Core::new(LEASE, "boot".into(), now),
            now,
            log: Vec::new(),
            seen: Vec::new(),
            untils: Vec::new(),
            ops: Vec::new(),
            contact: true,
            halted: Halted::No,
            stuck: false,
            vanished: false,
            alive: false,
            backlog: 0,
            fail: None,
            armed: false,
            unarmed: false,
            leave: None,
            waiting: None,
            pause_after: None,
        }
    }

    fn new(injection: Injection) -> Self {
        Self { waiting: Some(injection), ..Self::empty() }
    }

    fn last(&self) -> &Attestation {
        self.seen.last().unwrap()
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        if self.contact {
            self.give(Event::Contact(self.halted.clone()));
        }
        if let Some(injection) = self.waiting.take() {
            self.give(Event::Submit(Box::new(injection)));
        }
        while self.now < end {
            self.now += Duration::from_millis(50);
            let tick = self.now.as_millis().is_multiple_of(3_000);
            let halt = self.halted != Halted::No;
            if self.contact && (tick || halt) {
                self.give(Event::Contact(self.halted.clone()));
            } else {
                self.give(Event::Wake);
            }
        }
    }

    fn give(&mut self, event: Event) {
        let mut queue: Vec<Command> = self.core.step(self.now, event);
        while !queue.is_empty() {
            let command = queue.remove(0);
            let Some((op, outcome)) = self.carry_out(command) else { continue };
            queue.extend(self.core.step(self.now, Event::Done { op, outcome }));
        }
    }

    fn carry_out(&mut self, command: Command) -> Option<(u64, Outcome)> {
        let (op, name, outcome) = match command {
            Command::Attest(a) => {
                self.seen.push(*a);
                return None;
            }
            Command::AttestHalt { ended, clean, .. } => {
                self.log.push(format!("halt-attested ended={ended} clean={clean}"));
                return None;
            }
            Command::ReadHalt { op, .. } => {
                let leave = self.leave.clone().map(Outcome::Leave);
                (op, "halt?", leave.unwrap_or_else(|| Outcome::Halt(self.halted.clone())))
            }
            Command::Sweep { op, .. } => (op, "sweep", Outcome::Swept { found: vec![], failed: vec![] }),
            Command::Record { op, record } => match record {
                Record::Intent(_) => (op, "intent", Outcome::Ok),
                Record::Applied { .. } => (op, "applied", Outcome::Ok),
                Record::Ended { .. } | Record::Kept { .. } => (op, "ended", Outcome::Ok),
            },
            Command::Order { op, order } => {
                let (name, outcome) = self.act(order.act, order.fault.lasts());
                (op, name, outcome)
            }
        };
        self.ops.push(op);
        if name != "sweep" || self.log.is_empty() {
            self.log.push(name.into());
        }
        if self.pause_after.as_deref() == Some(name) {
            self.pause_after = None;
            self.now += LEASE + Duration::from_secs(1);
        }
        let failed = self.fail.as_deref() == Some(name);
        Some((op, if failed { Outcome::Failed { why: "told to".into() } } else { outcome }))
    }

    fn act(&mut self, act: Act, lasts: bool) -> (&'static str, Outcome) {
        let gone = || Outcome::Vanished { what: "table".into() };
        match act {
            Act::Resolve => ("resolve", Outcome::Ok),
            Act::Apply { until, .. } if lasts => {
                self.untils.push(until);
                self.armed = true;
                ("apply", Outcome::Ok)
            }
            Act::Apply { .. } => ("apply", Outcome::Read(vec![self.killed(false)])),
            Act::Check if lasts && self.vanished => ("check", gone()),
            Act::Check if lasts => ("check", Outcome::Read(self.readings())),
            Act::Check => ("look", Outcome::Read(vec![self.killed(false)])),
            Act::Renew { .. } if self.vanished => ("renew", gone()),
            Act::Renew { until } => {
                self.untils.push(until);
                ("renew", Outcome::Ok)
            }
            Act::Escalate => {
                self.alive = false;
                ("escalate", Outcome::Read(vec![self.killed(true)]))
            }
            Act::Disarm if self.vanished => ("disarm", gone()),
            Act::Disarm => {
                self.armed = self.stuck;
                ("disarm", Outcome::Ok)
            }
            Act::Drain => ("drain", Outcome::Ok),
            Act::Remove { .. } if self.vanished => ("remove", gone()),
            Act::Remove { .. } => ("remove", Outcome::Ok),
            Act::Confirm => ("confirm", Outcome::Ok),
        }
    }

    fn readings(&self) -> Vec<Reading> {
        let armed_for = (self.armed && !self.unarmed).then_some(Duration::from_secs(1));
        let hit = Counts { egress: 3, ingress: 0 };
        vec![
            Reading::Filtered(Filtered { armed_for, hit, passed: Counts::default() }),
            Reading::Delayed(Delayed { delayed: 3, backlog: self.backlog, lost: 0 }),
        ]
    }

    fn killed(&self, escalated: bool) -> Reading {
        Reading::Killed(Killed {
            gone: !self.alive,
            escalated,
            after: Duration::ZERO,
            processes: 1,
            survivors: 0,
            by: "pidfd".into(),
        })
    }
}

fn network() -> Network {
    Network {
        direction: Direction::Both,
        devices: Devices::AllButLoopback,
        peers: None,
        except: PeerNames::default(),
        ports: vec![],
        local_ports: vec![],
        protocols: vec![],
        probes: Probes::Exempt,
        follow: false,
    }
}

fn partition() -> Injection {
    injection(Fault::Partition(Partition { how: How::Drop, network: network() }), Engine::Nft, true)
}

fn latency() -> Injection {
    let delay = Delay { delay: Duration::from_millis(100), jitter: Duration::ZERO, reorder: false };
    injection(Fault::Latency(Latency { delay, network: network() }), Engine::Netem, true)
}

fn kill() -> Injection {
    let fault = Fault::Kill(Kill::Process { signal: 15, grace: Duration::from_secs(10) });
    injection(fault, Engine::Signal, false)
}

fn injection(fault: Fault, engine: Engine, lasts: bool) -> Injection {
    let netns = NetNsTarget {
        id: NetNsId { dev: 4, ino: 5, cookie: None },
        via: Via::Name("a".into()),
        boot_id: "boot".into(),
        host: false,
        processes: vec![],
    };
    let id = ProcessId { pid: 7, start: 7 };
    let process = ProcessTarget { id, comm: "web".into(), cgroup: "/".into(), boot_id: "boot".into() };
    let target = if lasts { Target::NetNs(netns) } else { Target::Process(process) };
    let scope = fault.network().map(|n| n.scope(|_| None, vec![]).unwrap());
    let planned = Planned { id: "aaaaaaaa".into(), target, why: "named".into(), engine, scope };
    let duration = lasts.then_some(Duration::from_secs(30));
    Injection {
        uid: "one".into(),
        policy: "p".into(),
        fault,
        duration,
        targets: vec![planned],
        reach: Reach::default(),
        not_after: None,
    }
}
