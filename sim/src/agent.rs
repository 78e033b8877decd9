//! One node: its kernel, its disk, and an agent process made of the production reconciler and desk.
//!
//! The reconciler's side is here, as `driver.rs` of the agent runs it: orders, records and questions each come back as an
//! event, later. The side that speaks with the API server is in `serve.rs`.

use crate::api::{Answer, Kind};
use crate::disk::{CAPACITY, Disk, Fault};
use crate::kernel::{Kernel, Wrong};
use crate::net::{CallId, Life, Net, Seen, waits};
use crate::plant::Plant;
use crate::schedule::{Then, What, Who, Work};
use crate::serve::{Note, Serve};
use crate::world::Happening;
use rumpus_agent::cluster::desk::Kept;
use rumpus_agent::cluster::diary::{ClusterDiary, Entries, Told};
use rumpus_agent::cluster::order::Order as Wanted;
use rumpus_agent::core::{Act, Command, Core, Event, OpId, Order, Outcome, Record};
use rumpus_agent::journal::Journal;
use rumpus_agent::ports::Diary;
use rumpus_model::change::Change;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

mod clock;
mod ending;
mod journal;

/// As the driver's own.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

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
    /// It is asked to end.
    Stop,
    /// It took too long to end.
    Killed,
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
    diary: ClusterDiary<Disk>,
    pub(crate) told: Told,
    mending: bool,
    next_wake: Option<Duration>,
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
    disarmed: BTreeSet<String>,
    boots: u32,
    booted: Duration,
    /// How many millionths its boot clock is too fast.
    drift: i64,
    /// When the machine slept.
    slept: Vec<(Duration, Duration)>,
    /// What the journal held before its last record.
    before: Option<Vec<u8>>,
    pub life: u32,
    /// When this life began.
    started: Duration,
    half: Option<Half>,
    serve: Option<Serve>,
    pub paused: Option<Duration>,
    ending: Option<ending::Ending>,
}

impl Node {
    pub fn new(place: usize, drift: i64) -> Self {
        Self {
            place,
            drift,
            slept: Vec::new(),
            before: None,
            kernel: Kernel::default(),
            disk: Disk::default(),
            known: BTreeSet::new(),
            disarmed: BTreeSet::new(),
            boots: 0,
            booted: Duration::ZERO,
            life: 0,
            started: Duration::ZERO,
            half: None,
            serve: None,
            paused: None,
            ending: None,
        }
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

    /// A process begins.
    pub fn start(&mut self, net: &mut Net) {
        self.life += 1;
        self.started = net.now;
        self.kernel.plant = net.plant;
        let life = self.who();
        let boot = self.boot(net.now);
        let fresh = self.disk.make();
        let Ok((journal, found)) = Journal::<Record, Disk>::over(self.disk.clone(), CAPACITY, false, || Ok(())) else {
            return net.check.fail("S8", &format!("{life}: the journal cannot be opened"));
        };
        if let Some(damage) = &found.damage {
            net.check.fail("S8", &format!("{life}: the journal is damaged: {damage:?}"));
        }
        if found.torn_tail {
            net.check.sometimes("a record is torn");
        }
        let entries = Entries::of(found.records);
        let (mut kept, recovered) = (Kept { fresh, ..entries.kept() }, entries.live());
        if net.plant == Some(Plant::Amnesia) {
            kept = Kept::default();
        }
        net.tell(&format!("{life}: begins, {} recovered", recovered.len()));
        let told = Told::default();
        let core = Core::with_contact_each(crate::controller::LEASE, self.boot_id(), boot);
        self.half = Some(Half {
            core,
            to_core: VecDeque::from([Event::Recovered(recovered), Event::Journal(Ok(()))]),
            to_serve: VecDeque::new(),
            records: VecDeque::new(),
            hands: BTreeMap::new(),
            next_hand: 0,
            open: BTreeSet::new(),
            diary: ClusterDiary::new(journal, entries, told.clone(), None),
            told,
            mending: false,
            next_wake: None,
        });
        self.serve = Some(Serve::new(self.place, &self.boot_id(), kept, boot));
        net.after(Duration::ZERO, Happening::Agent(life, Inside::ToCore));
        net.after(Duration::from_micros(1), Happening::Agent(life, Inside::ToCore));
        let wait = net.decide.millis(Some(life.who), "canary", 20, 400);
        net.after(wait, Happening::Agent(life, Inside::Canary));
        net.after(Duration::from_micros(2), Happening::Agent(life, Inside::ServeWake));
        net.watch(life, Kind::Injection);
        net.watch(life, Kind::Halt);
    }

    /// Whether everything was reported, as its process believes.
    pub fn has_told_all(&self) -> bool {
        self.serve.as_ref().is_none_or(Serve::has_told_all)
    }

    /// The process dies, perhaps in the middle of a record.
    pub fn crash(&mut self, net: &mut Net) {
        if let Some(half) = &mut self.half {
            net.story.tell(net.now, &format!("{}: dies", Life { who: Who::Agent(self.place), number: self.life }));
            if let Some((_, record)) = half.records.pop_front() {
                let count = net.decide.usual(Some(Who::Agent(self.place)), "tear").index(300);
                self.disk.goes_wrong(Some(Fault::Torn(count)));
                drop(half.diary.record(&record));
            }
            if let Some(before) = self.before.take().filter(|_| net.plant == Some(Plant::NoSync)) {
                self.disk.put_back(&before);
            }
            self.disk.stops();
            self.known = self.read_journal();
        }
        net.unwatch(Who::Agent(self.place));
        (self.half, self.serve, self.paused, self.ending) = (None, None, None, None);
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
            self.before = None;
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
            Inside::Stop => self.stop(net),
            Inside::Killed => self.killed(net),
        }
        self.ends(net);
    }

    pub fn answer(&mut self, net: &mut Net, id: CallId, answer: Answer) {
        let boot = self.boot(net.now);
        self.with_serve(net, |serve, node, net| serve.answer(node, net, id, answer, boot));
        self.ends(net);
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
        let wait = net.decide.micros(Some(life.who), "to the reconciler", 5, 300);
        net.after(wait, Happening::Agent(life, Inside::ToCore));
    }

    fn note(&mut self, net: &mut Net, note: Note) {
        let life = self.who();
        let Some(half) = &mut self.half else { return };
        half.to_serve.push_back(note);
        let wait = net.decide.micros(Some(life.who), "to the main loop", 5, 300);
        net.after(wait, Happening::Agent(life, Inside::ToServe));
    }

    pub(crate) fn reported(&mut self, uid: &str) {
        if let Some(half) = &self.half {
            half.told.reported(uid);
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
                let late = net.decide.turn(life.who, What::Write, |on, rng| {
                    (on.slow_disks && rng.chance(400)).then(|| Then::Late(20 + rng.below(1980)))
                });
                let wait = waits(late, net.decide.micros(Some(life.who), "record", 200, 8000));
                net.after(wait, Happening::Agent(life, Inside::Journal));
            }
        }
    }

    fn order(&mut self, net: &mut Net, hand: Hand) {
        let life = self.who();
        let Some(half) = &mut self.half else { return };
        half.next_hand += 1;
        let id = half.next_hand;
        let work = work(&hand);
        half.hands.insert(id, hand);
        let late = net.decide.turn(life.who, What::Hand(work), |on, rng| {
            (on.slow_kernels && rng.chance(50)).then(|| Then::Late(20 + rng.below(3980)))
        });
        let usual = net.decide.micros(Some(life.who), "hand", 50, 5000);
        let wait = waits(late, usual);
        net.after(wait, Happening::Agent(life, Inside::Hand(id)));
    }

    fn hand(&mut self, net: &mut Net, hand: u64) {
        let boot = self.boot(net.now);
        let life = self.who();
        let Some(hand) = self.half.as_mut().and_then(|h| h.hands.remove(&hand)) else { return };
        let then = net.decide.turn(life.who, What::Order(work(&hand)), |on, rng| match rng.below(1000) {
            0..15 if on.kernel_errors => Some(Then::Fails),
            15..25 if on.kernel_errors => Some(Then::Lies),
            _ => None,
        });
        let wrong = then.map(|then| if then == Then::Lies { Wrong::Lies } else { Wrong::Fails });
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
                    self.disarmed.insert(order.planned.id.clone());
                }
                let lie = net.plant == Some(Plant::GateStands);
                let outcome = match (&order.act, lie) {
                    (Act::Disarm | Act::Remove { .. } | Act::Confirm, true) => Outcome::Ok,
                    (Act::Check, true)
                        if order.planned.scope.is_some() && self.disarmed.contains(&order.planned.id) =>
                    {
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
                    net.check.begun(net.now, id, once, self.journaled(), self.started);
                }
            }
            Act::Disarm | Act::Remove { .. } | Act::Escalate => {
                let act = if matches!(order.act, Act::Disarm) { "disarms" } else { "removes" };
                net.tell(&format!("{life}: {act} {id}: {short}"));
            }
            Act::Resolve | Act::Check | Act::Renew { .. } | Act::Drain | Act::Confirm => {}
        }
    }
}

fn work(hand: &Hand) -> Work {
    let Hand::Order(_, order) = hand else { return Work::Sweep };
    match order.act {
        Act::Apply { .. } => Work::Apply,
        Act::Check => Work::Check,
        Act::Confirm => Work::Confirm,
        Act::Disarm => Work::Disarm,
        Act::Drain => Work::Drain,
        Act::Escalate => Work::Escalate,
        Act::Remove { .. } => Work::Remove,
        Act::Renew { .. } => Work::Renew,
        Act::Resolve => Work::Resolve,
    }
}
