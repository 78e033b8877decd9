//! Runs the reconciler: one thread that owns it, one that is its contact with the Halt (on a host; in a cluster contact
//! comes in as events), one each for the journal and for attestations, and one for each command in flight, so that nothing that hangs can hold up anything else.
//!
//! It must never decide: it hands events in and carries commands out.

use crate::core::{Command, Core, Event, Intent, OpId, Outcome, Record};
use crate::kernel::timer::boottime;
use crate::ports::{Diary, Hands, Lever, Tick, Witness};
use rumpus_model::injection::{Attestation, Injection};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// The longest that the reconciler's thread sleeps.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// How often a journal that refuses is tried to be made anew.
const MEND: Duration = Duration::from_secs(10);
/// How long the journal's thread waits while nothing is wrong.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How long an agent that has nothing left to do waits for its last attestations to be written.
const SAID_WITHIN: Duration = Duration::from_secs(1);

/// What an agent is made of.
pub struct Parts {
    pub lease: Duration,
    pub boot_id: String,
    pub hands: Arc<dyn Hands>,
    pub lever: Arc<dyn Lever>,
    /// What counts as contact for everything; `None`: each injection has its own, told by [`Agent::tell`].
    pub tick: Option<Arc<dyn Tick>>,
    pub diary: Box<dyn Diary>,
    pub witness: Box<dyn Witness>,
    /// Faults without an end in the journal.
    pub recovered: Vec<Intent>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    inputs: Sender<Input>,
    pulse: Arc<AtomicU64>,
    thread: JoinHandle<Vec<Attestation>>,
}

enum Input {
    Event(Event),
    /// End once nothing is live any more, or once what is left cannot be restored.
    FinishWhenIdle,
}

impl Agent {
    /// Starts it; the first thing it does is to sweep.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn start(parts: Parts) -> io::Result<Self> {
        let (inputs, queue) = channel();
        let core = match parts.tick {
            Some(tick) => {
                contact(tick, parts.lease / 5, inputs.clone())?;
                Core::new(parts.lease, parts.boot_id, boottime())
            }
            None => Core::with_contact_each(parts.lease, parts.boot_id, boottime()),
        };
        let pulse = Arc::new(AtomicU64::new(0));
        let records = journal(parts.diary, inputs.clone())?;
        let (attestations, said) = attester(Arc::clone(&parts.lever))?;
        let mut driver = Driver {
            core,
            pulse: Arc::clone(&pulse),
            inputs: inputs.clone(),
            records,
            attestations,
            hands: parts.hands,
            lever: parts.lever,
            witness: parts.witness,
            finish: false,
        };
        let recovered = parts.recovered;
        let thread = Builder::new().name("rumpus-agent".into()).spawn(move || {
            driver.step(Event::Recovered(recovered));
            let ended = driver.run(&queue);
            drop(driver);
            // A disconnect means that all is written; a disk that hangs must not keep the process.
            match said.recv_timeout(SAID_WITHIN) {
                Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => ended,
            }
        })?;
        Ok(Self { inputs, thread, pulse })
    }

    /// Hands an injection in; what becomes of it is attested to the witness.
    pub fn submit(&self, injection: Injection) {
        self.send(Input::Event(Event::Submit(Box::new(injection))));
    }

    /// Ends one injection, or all, and says by whose wish.
    pub fn stop(&self, injection: Option<String>, by: &str) {
        self.send(Input::Event(Event::Stop { injection, by: by.to_owned() }));
    }

    /// Tells the reconciler what has happened.
    pub fn tell(&self, event: Event) {
        self.send(Input::Event(event));
    }

    /// Returns when the reconciler's thread last went round (CLOCK_BOOTTIME): at least each 5 s, unless it hangs.
    pub fn pulse(&self) -> Duration {
        Duration::from_millis(self.pulse.load(Ordering::Relaxed))
    }

    /// Waits until everything has ended, and returns what became of it.
    pub fn finish(self) -> Vec<Attestation> {
        self.send(Input::FinishWhenIdle);
        self.thread.join().unwrap_or_default()
    }

    fn send(&self, input: Input) {
        // The thread is gone only after a panic, which ends the whole process in a release build.
        drop(self.inputs.send(input));
    }
}

/// What is attested under a Halt.
struct HaltSaid {
    halt: String,
    ended: bool,
    clean: bool,
}

struct Driver {
    core: Core,
    pulse: Arc<AtomicU64>,
    inputs: Sender<Input>,
    records: Sender<(OpId, Record)>,
    attestations: Sender<HaltSaid>,
    hands: Arc<dyn Hands>,
    lever: Arc<dyn Lever>,
    witness: Box<dyn Witness>,
    finish: bool,
}

impl Driver {
    fn run(&mut self, queue: &Receiver<Input>) -> Vec<Attestation> {
        loop {
            let now = u64::try_from(boottime().as_millis()).unwrap_or(u64::MAX);
            self.pulse.store(now, Ordering::Relaxed);
            if self.finish && (self.core.is_idle() || self.core.is_stuck()) {
                return self.core.attestations();
            }
            let sleep = self.core.wake_at().map_or(LONGEST_SLEEP, |at| at.saturating_sub(boottime()));
            match queue.recv_timeout(sleep.min(LONGEST_SLEEP)) {
                Ok(Input::Event(event)) => self.step(event),
                Ok(Input::FinishWhenIdle) => self.finish = true,
                Err(RecvTimeoutError::Timeout) => self.step(Event::Wake),
                Err(RecvTimeoutError::Disconnected) => return self.core.attestations(),
            }
        }
    }

    fn step(&mut self, event: Event) {
        let swept = if let Event::Done { outcome: Outcome::Swept { found, failed }, .. } = &event {
            Some((found.clone(), failed.clone()))
        } else {
            None
        };
        for command in self.core.step(boottime(), event) {
            self.carry_out(command);
        }
        // Last: who waits for the first sweep has then been told of every fault that it ended.
        if let Some((found, failed)) = swept {
            self.witness.swept(&found, &failed);
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Attest(attestation) => self.witness.attested(&attestation),
            // What could not be said is said by nobody: the halting side then looks for itself.
            Command::AttestHalt { halt, ended, clean } => {
                drop(self.attestations.send(HaltSaid { halt, ended, clean }));
            }
            Command::Order { op, order } => {
                let hands = Arc::clone(&self.hands);
                self.spawn(op, move || hands.carry_out(&order));
            }
            Command::ReadHalt { op, injection } => {
                let lever = Arc::clone(&self.lever);
                self.spawn(op, move || lever.ask(&injection));
            }
            Command::Record { op, record } => {
                if self.records.send((op, record)).is_err() {
                    self.answer(op, failed("the journal's thread is gone".into()));
                }
            }
            Command::Sweep { op, keep } => {
                let hands = Arc::clone(&self.hands);
                self.spawn(op, move || hands.sweep(&keep));
            }
        }
    }

    fn spawn(&self, op: OpId, act: impl FnOnce() -> Outcome + Send + 'static) {
        let inputs = self.inputs.clone();
        let spawned = Builder::new().name("rumpus-hand".into()).spawn(move || {
            let outcome = act();
            drop(inputs.send(Input::Event(Event::Done { op, outcome })));
        });
        if let Err(error) = spawned {
            self.answer(op, failed(format!("start a thread: {error}")));
        }
    }

    fn answer(&self, op: OpId, outcome: Outcome) {
        drop(self.inputs.send(Input::Event(Event::Done { op, outcome })));
    }
}

fn failed(why: String) -> Outcome {
    Outcome::Failed { why }
}

/// Reads the Halt whenever it may have changed, and at least each `period`. Each reading is a contact: if this thread
/// hangs, the lease runs out.
fn contact(tick: Arc<dyn Tick>, period: Duration, inputs: Sender<Input>) -> io::Result<()> {
    Builder::new()
        .name("rumpus-contact".into())
        .spawn(move || {
            while inputs.send(Input::Event(Event::Contact(tick.read()))).is_ok() {
                tick.wait(period);
            }
        })
        .map(drop)
}

/// Writes attestations under a Halt one after another: of two at a time the older one could be written last. The receiver
/// is disconnected once no sender is left and all is written.
fn attester(lever: Arc<dyn Lever>) -> io::Result<(Sender<HaltSaid>, Receiver<()>)> {
    let (attestations, queue) = channel::<HaltSaid>();
    let (written, said) = channel();
    Builder::new().name("rumpus-attest".into()).spawn(move || {
        for one in queue {
            drop(lever.attest(&one.halt, one.ended, one.clean));
        }
        drop(written);
    })?;
    Ok((attestations, said))
}

fn journal(mut diary: Box<dyn Diary>, inputs: Sender<Input>) -> io::Result<Sender<(OpId, Record)>> {
    let (records, queue) = channel::<(OpId, Record)>();
    drop(inputs.send(Input::Event(Event::Journal(diary.refuses().map_or(Ok(()), Err)))));
    Builder::new().name("rumpus-journal".into()).spawn(move || {
        loop {
            // While it refuses nothing new is begun, so no record comes by which it would be made anew.
            let wait = if diary.refuses().is_some() { MEND } else { LONGEST_WAIT };
            let done = match queue.recv_timeout(wait) {
                Ok((op, record)) => Some((op, diary.record(&record).map_or_else(failed, |()| Outcome::Ok))),
                Err(RecvTimeoutError::Timeout) => {
                    diary.mend();
                    None
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let state = diary.refuses().map_or(Ok(()), Err);
            let done = done.map(|(op, outcome)| Event::Done { op, outcome });
            for event in [Event::Journal(state)].into_iter().chain(done) {
                if inputs.send(Input::Event(event)).is_err() {
                    return;
                }
            }
        }
    })?;
    Ok(records)
}
