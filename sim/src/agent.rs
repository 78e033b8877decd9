//! One node: its kernel, its disk, and an agent process made of the production reconciler and desk.
//!
//! The reconciler's side is here, as `driver.rs` of the agent runs it: orders, records and questions each come back as an
//! event, later. The side that speaks with the API server is in `serve.rs`.

use crate::api::{Answer, Kind};
use crate::kernel::{Kernel, Wrong};
use crate::net::{CallId, Life, Net, Seen, Who};
use crate::plant::Plant;
use crate::serve::{Note, Serve};
use crate::world::Happening;
use rumpus_agent::cluster::desk::Kept;
use rumpus_agent::cluster::diary::Entries;
use rumpus_agent::cluster::order::Order as Wanted;
use rumpus_agent::core::{Act, Command, Core, Event, OpId, Order, Outcome, Record};
use rumpus_model::change::Change;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// What the boot clock shows at boot.
const AT_BOOT: Duration = Duration::from_secs(1000);
/// As the driver's own.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
const MEND: Duration = Duration::from_secs(10);

/// What happens inside an agent.
#[derive(Debug)]
pub enum Inside {
    /// A note for the reconciler, or for the main loop, has arrived.
    ToCore,
    ToServe,
    CoreWake,
    ServeWake,
    /// A hand is at it.
    Hand(u64),
    /// The journal's thread takes the next record.
    Journal,
    /// The journal's thread tries to make it anew after an error.
    Mend,
    /// A question has waited too long.
    Late(OpId),
    Assemble(Box<Wanted>),
    Canary,
}

#[derive(Debug)]
enum Hand {
    Order(OpId, Box<Order>),
    Sweep(OpId, BTreeSet<String>),
}

/// The reconciler's half of a process.
#[derive(Debug)]
pub(crate) struct Half {
    core: Core,
    to_core: VecDeque<Event>,
    pub(crate) to_serve: VecDeque<Note>,
    records: VecDeque<(OpId, Record)>,
    hands: BTreeMap<u64, Hand>,
    next_hand: u64,
    /// Questions that still wait.
    pub(crate) open: BTreeSet<OpId>,
    entries: Entries,
    /// What the main loop says was reported.
    pub(crate) reported: BTreeSet<String>,
    /// The disk has failed: what it says is not believed until the journal is made anew.
    bad: bool,
    next_wake: Option<Duration>,
}

/// What outlives a process, and a boot.
#[derive(Debug, Default)]
struct Disk {
    journal: Vec<Record>,
    /// Its journal was made.
    made: bool,
}

/// One node.
#[derive(Debug)]
pub struct Node {
    pub place: usize,
    pub kernel: Kernel,
    disk: Disk,
    /// What the journal says, read anew whenever it changes.
    known: BTreeSet<String>,
    /// Slots that were asked to be disarmed.
    ending: BTreeSet<String>,
    boots: u32,
    booted: Duration,
    pub life: u32,
    half: Option<Half>,
    serve: Option<Serve>,
    pub paused: Option<Duration>,
}

impl Node {
    pub fn new(place: usize) -> Self {
        Self {
            place,
            kernel: Kernel::default(),
            disk: Disk::default(),
            known: BTreeSet::new(),
            ending: BTreeSet::new(),
            boots: 0,
            booted: Duration::ZERO,
            life: 0,
            half: None,
            serve: None,
            paused: None,
        }
    }

    /// Returns what CLOCK_BOOTTIME shows.
    pub fn boot(&self, now: Duration) -> Duration {
        AT_BOOT + now.saturating_sub(self.booted)
    }

    pub fn lives(&self) -> bool {
        self.half.is_some()
    }

    pub fn who(&self) -> Life {
        Life { who: Who::Agent(self.place), number: self.life }
    }

    pub(crate) fn boot_id(&self) -> String {
        format!("boot-{}-{}", self.place, self.boots)
    }

    /// Returns the slots that the journal knows of, as the next agent will read it.
    pub fn journaled(&self) -> &BTreeSet<String> {
        &self.known
    }

    fn read_journal(&self) -> BTreeSet<String> {
        let slots = Entries::of(self.disk.journal.clone()).records();
        let id = |record: &Record| match record {
            Record::Intent(intent) => Some(intent.id.clone()),
            Record::Applied { .. } | Record::Ended { .. } | Record::Kept { .. } => None,
        };
        slots.iter().filter_map(id).collect()
    }

    /// A process begins.
    pub fn start(&mut self, net: &mut Net) {
        self.life += 1;
        self.kernel.plant = net.plant;
        let life = self.who();
        let boot = self.boot(net.now);
        let entries = Entries::of(self.disk.journal.clone());
        let fresh = !std::mem::replace(&mut self.disk.made, true);
        let (mut kept, recovered) = (Kept { fresh, ..entries.kept() }, entries.live());
        if net.plant == Some(Plant::Amnesia) {
            kept = Kept::default();
        }
        net.tell(&format!("{life}: begins, {} recovered", recovered.len()));
        let core = Core::with_contact_each(crate::controller::LEASE, self.boot_id(), boot);
        self.half = Some(Half {
            core,
            to_core: VecDeque::from([Event::Recovered(recovered), Event::Journal(Ok(()))]),
            to_serve: VecDeque::new(),
            records: VecDeque::new(),
            hands: BTreeMap::new(),
            next_hand: 0,
            open: BTreeSet::new(),
            entries,
            reported: BTreeSet::new(),
            bad: false,
            next_wake: None,
        });
        self.serve = Some(Serve::new(self.place, &self.boot_id(), kept, boot));
        net.after(Duration::ZERO, Happening::Agent(life, Inside::ToCore));
        net.after(Duration::from_micros(1), Happening::Agent(life, Inside::ToCore));
        let wait = net.hands.millis(20, 400);
        net.after(wait, Happening::Agent(life, Inside::Canary));
        net.after(Duration::from_micros(2), Happening::Agent(life, Inside::ServeWake));
        net.watch(life, Kind::Injection);
        net.watch(life, Kind::Halt);
    }

    /// Whether everything was reported, as its process believes.
    pub fn has_told_all(&self) -> bool {
        self.serve.as_ref().is_none_or(Serve::has_told_all)
    }

    /// The process dies.
    pub fn crash(&mut self, net: &mut Net) {
        if self.lives() {
            net.tell(&format!("{}: dies", self.who()));
            if net.plant == Some(Plant::NoSync) {
                self.disk.journal.pop();
                self.known = self.read_journal();
            }
        }
        net.unwatch(Who::Agent(self.place));
        (self.half, self.serve, self.paused) = (None, None, None);
        self.life += 1;
    }

    /// The machine restarts; `wiped`: and its disk is new.
    pub fn reboot(&mut self, net: &mut Net, wiped: bool) {
        self.crash(net);
        net.tell(&format!("node-{} reboots, wiped={wiped}", self.place));
        self.boots += 1;
        self.booted = net.now;
        self.kernel.reboot();
        if wiped {
            self.disk = Disk::default();
            self.known.clear();
        }
    }

    /// Something happens inside.
    pub fn inside(&mut self, net: &mut Net, inside: Inside) {
        let boot = self.boot(net.now);
        match inside {
            Inside::ToCore => {
                let event = self.half.as_mut().and_then(|h| h.to_core.pop_front());
                if let Some(event) = event {
                    self.step(net, event);
                }
            }
            Inside::CoreWake => {
                // Of several that were asked for only the one that is due counts.
                let due = |half: &mut Half| half.next_wake.take_if(|at| *at <= net.now).is_some();
                if self.half.as_mut().is_some_and(due) {
                    self.step(net, Event::Wake);
                }
            }
            Inside::Hand(hand) => self.hand(net, hand),
            Inside::Journal => self.record(net),
            Inside::Mend => self.mend(net),
            Inside::Late(op) => self.answered(net, op, Outcome::Failed { why: "no answer in time".into() }),
            Inside::ToServe => {
                let note = self.half.as_mut().and_then(|h| h.to_serve.pop_front());
                if let Some(note) = note {
                    self.with_serve(net, |serve, node, net| serve.take(node, net, note, boot));
                }
            }
            Inside::ServeWake => self.with_serve(net, |serve, node, net| serve.wake(node, net, boot)),
            Inside::Canary => self.with_serve(net, |serve, node, net| serve.canary(node, net, boot)),
            Inside::Assemble(order) => {
                let (injection, assigned) = self.assemble(net, &order);
                let note = Note::Assembled(Box::new(injection), assigned);
                self.with_serve(net, |serve, node, net| serve.take(node, net, note, boot));
            }
        }
    }

    pub fn answer(&mut self, net: &mut Net, id: CallId, answer: Answer) {
        let boot = self.boot(net.now);
        self.with_serve(net, |serve, node, net| serve.answer(node, net, id, answer, boot));
    }

    pub fn seen(&mut self, net: &mut Net, kind: Kind, seen: Seen) {
        let boot = self.boot(net.now);
        self.with_serve(net, |serve, node, net| serve.seen(node, net, kind, seen, boot));
    }

    fn with_serve(&mut self, net: &mut Net, act: impl FnOnce(&mut Serve, &mut Self, &mut Net)) {
        let Some(mut serve) = self.serve.take() else { return };
        act(&mut serve, self, net);
        self.serve = Some(serve);
    }

    /// Hands an event to the reconciler.
    pub(crate) fn tell(&mut self, net: &mut Net, event: Event) {
        let life = self.who();
        let Some(half) = &mut self.half else { return };
        half.to_core.push_back(event);
        let wait = net.hands.micros(5, 300);
        net.after(wait, Happening::Agent(life, Inside::ToCore));
    }

    fn note(&mut self, net: &mut Net, note: Note) {
        let life = self.who();
        let Some(half) = &mut self.half else { return };
        half.to_serve.push_back(note);
        let wait = net.hands.micros(5, 300);
        net.after(wait, Happening::Agent(life, Inside::ToServe));
    }

    pub(crate) fn reported(&mut self, uid: &str) {
        if let Some(half) = &mut self.half {
            half.reported.insert(uid.to_owned());
        }
    }

    /// Answers a question of the reconciler's, unless it has stopped waiting.
    pub(crate) fn answered(&mut self, net: &mut Net, op: OpId, outcome: Outcome) {
        if self.half.as_mut().is_some_and(|h| h.open.remove(&op)) {
            self.tell(net, Event::Done { op, outcome });
        }
    }

    fn step(&mut self, net: &mut Net, event: Event) {
        let boot = self.boot(net.now);
        let life = self.who();
        let swept = match &event {
            Event::Done { outcome: Outcome::Swept { failed, .. }, .. } => Some(failed.clone()),
            Event::Done { .. }
            | Event::Recovered(_)
            | Event::Journal(_)
            | Event::Submit(_)
            | Event::Stop { .. }
            | Event::Contact(_)
            | Event::Heard { .. }
            | Event::Halts(_)
            | Event::Lease(_)
            | Event::End { .. }
            | Event::Forget { .. }
            | Event::Wake => None,
        };
        let Some(half) = &mut self.half else { return };
        let commands = half.core.step(boot, event);
        for command in commands {
            self.carry_out(net, command);
        }
        if let Some(failed) = swept {
            self.note(net, Note::Swept { failed });
        }
        let Some(half) = &mut self.half else { return };
        let sleep = half.core.wake_at().map_or(LONGEST_SLEEP, |at| at.saturating_sub(boot)).min(LONGEST_SLEEP);
        let at = net.now + sleep.max(Duration::from_millis(1));
        if half.next_wake.is_none_or(|next| at < next) {
            half.next_wake = Some(at);
            net.queue.push(at, Happening::Agent(life, Inside::CoreWake));
        }
    }

    fn carry_out(&mut self, net: &mut Net, command: Command) {
        let life = self.who();
        match command {
            Command::Attest(attestation) => {
                let cause = attestation.cause.as_ref().map(ToString::to_string);
                net.tell(&format!("{life}: attests {} {:?} {cause:?}", attestation.id, attestation.state));
                self.note(net, Note::Attested(attestation));
            }
            Command::AttestHalt { halt, ended, .. } => {
                if ended {
                    self.note(net, Note::HaltAttested { halt });
                }
            }
            Command::Order { op, order } => self.order(net, Hand::Order(op, order)),
            Command::Sweep { op, keep } => self.order(net, Hand::Sweep(op, keep)),
            Command::ReadHalt { op, injection } => {
                if let Some(half) = &mut self.half {
                    half.open.insert(op);
                }
                net.after(crate::serve::LIMIT * 3, Happening::Agent(life, Inside::Late(op)));
                self.note(net, Note::Ask { op, injection });
            }
            Command::Record { op, record } => {
                let Some(half) = &mut self.half else { return };
                half.records.push_back((op, record));
                let wait = net.hands.micros(200, 8000);
                net.after(wait, Happening::Agent(life, Inside::Journal));
            }
        }
    }

    fn order(&mut self, net: &mut Net, hand: Hand) {
        let life = self.who();
        let Some(half) = &mut self.half else { return };
        half.next_hand += 1;
        let id = half.next_hand;
        half.hands.insert(id, hand);
        let slow = net.swarm.slow_kernels && net.hands.chance(50);
        let wait = if slow { net.hands.millis(20, 4000) } else { net.hands.micros(50, 5000) };
        net.after(wait, Happening::Agent(life, Inside::Hand(id)));
    }

    fn hand(&mut self, net: &mut Net, hand: u64) {
        let boot = self.boot(net.now);
        let life = self.who();
        let Some(hand) = self.half.as_mut().and_then(|h| h.hands.remove(&hand)) else { return };
        let wrong = match net.hands.below(1000) {
            0..15 if net.swarm.kernel_errors => Some(Wrong::Fails),
            15..25 if net.swarm.kernel_errors => Some(Wrong::Lies),
            _ => None,
        };
        let (op, outcome) = match hand {
            Hand::Sweep(op, keep) => {
                let before = self.kernel.slots().count();
                let outcome = match net.plant {
                    Some(Plant::NoSweep) => Outcome::Swept { found: Vec::new(), failed: Vec::new() },
                    Some(_) | None => self.kernel.sweep(&keep, wrong.is_some()),
                };
                if before > 0 {
                    net.tell(&format!("{life}: sweeps {before} objects, keeps {keep:?}: {outcome:?}"));
                }
                (op, outcome)
            }
            Hand::Order(op, order) => {
                if matches!(order.act, Act::Disarm) {
                    self.ending.insert(order.planned.id.clone());
                }
                let lie = net.plant == Some(Plant::GateStands);
                let outcome = match (&order.act, lie) {
                    (Act::Disarm | Act::Remove { .. } | Act::Confirm, true) => Outcome::Ok,
                    (Act::Check, true) if order.planned.scope.is_some() && self.ending.contains(&order.planned.id) => {
                        Outcome::Read(Vec::new())
                    }
                    (_, _) => self.kernel.act(&order, boot, wrong),
                };
                self.watched(net, &order, boot, &outcome);
                (op, outcome)
            }
        };
        self.tell(net, Event::Done { op, outcome });
    }

    /// Tells the story, and the check, of an act on the kernel.
    fn watched(&self, net: &mut Net, order: &Order, boot: Duration, outcome: &Outcome) {
        let life = self.who();
        let id = &order.planned.id;
        let short = match outcome {
            Outcome::Ok | Outcome::Read(_) => "ok".to_owned(),
            Outcome::Halt(_)
            | Outcome::Leave(_)
            | Outcome::Swept { .. }
            | Outcome::Failed { .. }
            | Outcome::TargetGone { .. }
            | Outcome::Vanished { .. } => format!("{outcome:?}"),
        };
        match &order.act {
            Act::Apply { change, until } => {
                net.tell(&format!("{life}: applies {id} for {:?}: {short}", until.saturating_sub(boot)));
                let gated = matches!(change, Change::Filter(_));
                let once = matches!(change, Change::KillContainer | Change::Signal(_));
                let there = gated && self.kernel.live(boot).any(|(_, slot, _)| slot == id);
                if there || once {
                    net.check.begun(net.now, id, once, self.journaled());
                }
            }
            Act::Disarm | Act::Remove { .. } | Act::Escalate => {
                let act = if matches!(order.act, Act::Disarm) { "disarms" } else { "removes" };
                net.tell(&format!("{life}: {act} {id}: {short}"));
            }
            Act::Resolve | Act::Check | Act::Renew { .. } | Act::Drain | Act::Confirm => {}
        }
    }

    /// As the journal's thread of `driver.rs` does it.
    fn mend(&mut self, net: &mut Net) {
        let life = self.who();
        let Some(half) = self.half.as_mut().filter(|h| h.bad) else { return };
        if net.swarm.journal_errors && net.hands.chance(500) {
            return net.after(MEND, Happening::Agent(life, Inside::Mend));
        }
        half.bad = false;
        self.disk.journal = half.entries.records();
        self.known = self.read_journal();
        self.tell(net, Event::Journal(Ok(())));
    }

    /// As `diary.rs` does it; a compaction comes at random.
    fn record(&mut self, net: &mut Net) {
        let life = self.who();
        let Some(half) = &mut self.half else { return };
        let Some((op, record)) = half.records.pop_front() else { return };
        half.entries.reported(&std::mem::take(&mut half.reported));
        half.entries.note(&record);
        if net.hands.chance(100) {
            self.disk.journal = half.entries.records();
        }
        let full = net.swarm.journal_errors && net.hands.chance(40);
        let was_bad = half.bad;
        half.bad |= net.swarm.journal_errors && net.hands.chance(10);
        if half.bad && !was_bad {
            net.after(MEND, Happening::Agent(life, Inside::Mend));
        }
        let fails = full || half.bad;
        if !fails && net.plant != Some(Plant::NoJournal) {
            self.disk.journal.push(record);
        }
        let said = if half.bad { Err("an earlier write failed".to_owned()) } else { Ok(()) };
        self.known = self.read_journal();
        let outcome = if fails { Outcome::Failed { why: "EIO".into() } } else { Outcome::Ok };
        self.tell(net, Event::Journal(said));
        self.tell(net, Event::Done { op, outcome });
    }
}
