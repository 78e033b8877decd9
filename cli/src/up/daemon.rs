//! The daemon's one thread, which decides nothing: it looks, asks the timetable, hears and tells; `runs.rs` is what it does.
//!
//! ```text
//! folder, clock -> timetable -> history (on disk) -> plan, in a thread of its own -> judged once more -> agent
//! agent -> attestations -> the run's end -> history                       socket -> runs by hand, questions
//! ```

use super::live::{Client, Live, OfSlot, Stage};
use super::report::{self, Look as ReportLook};
use super::talk::{Order, Said};
use super::tell::{self, Told};
use crate::args::Global;
use crate::local::Note;
use crate::signals::Asked;
use jiff::{SignedDuration, Timestamp};
use rumpus_agent::driver::Agent;
use rumpus_agent::kernel::timer::boottime;
use rumpus_controller::host::folder::Folder;
use rumpus_controller::host::history::History;
use rumpus_controller::host::store::Store;
use rumpus_controller::host::timetable::{Act, Look, Running, tick};
use rumpus_model::plan::Plan;
use rumpus_model::run::Outcome;
use rumpus_model::schedule::change::Change;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

/// How often the folder and the clock are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// A clock that moved by more than this against the machine's own was set.
const JUMP: i128 = 1000;

/// What the daemon hears.
#[derive(Debug)]
pub(super) enum Event {
    Agent(Note),
    Planned {
        run: String,
        plans: Result<Vec<Plan>, String>,
    },
    Run {
        token: u64,
        uid: u32,
        order: Box<Order>,
        client: Sender<Said>,
    },
    Schedule {
        days: u32,
        policy: Option<String>,
        client: Sender<Said>,
    },
    /// A run's command asks to end it, or is gone.
    Leave {
        token: u64,
        by: String,
    },
}

impl From<Note> for Event {
    fn from(note: Note) -> Self {
        Self::Agent(note)
    }
}

/// The daemon.
pub(super) struct Daemon<S> {
    pub(super) global: Global,
    pub(super) agent: Agent,
    /// What tells this host from others.
    pub(super) host: String,
    pub(super) events: Sender<Event>,
    pub(super) folder: Folder,
    pub(super) history: History<S>,
    pub(super) told: Told,
    pub(super) live: Vec<Live>,
    /// By whose wish everything ends.
    pub(super) ending: Option<Asked>,
    pub(super) state: State,
}

/// When to look at what.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Nothing begins before what a predecessor left was swept.
    swept: bool,
    pub(super) news: bool,
    pub(super) wake: Option<Timestamp>,
    looked: Duration,
    /// Between the wall clock and the machine's own, in milliseconds.
    offset: i128,
}

impl<S: Store> Daemon<S> {
    /// Serves until it is told to end, and everything has ended; returns whether all of it is put back.
    pub(super) fn serve(mut self, queue: &Receiver<Event>) -> bool {
        self.look();
        loop {
            self.tick();
            self.flush();
            if self.ending.is_some() && self.live.iter().all(Live::is_stuck) {
                return self.end(queue);
            }
            let mut event = queue.recv_timeout(self.patience()).ok();
            while let Some(heard) = event {
                self.hear(heard);
                event = queue.try_recv().ok();
            }
            if boottime().saturating_sub(self.state.looked) >= LOOK {
                self.look();
            }
        }
    }

    fn patience(&self) -> Duration {
        let due = self.state.wake.map(|at| Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default());
        due.unwrap_or(LOOK).min(LOOK).max(Duration::from_millis(10))
    }

    /// Looks at the folder and at the clock.
    fn look(&mut self) {
        self.state.looked = boottime();
        let offset =
            i128::from(Timestamp::now().as_millisecond()) - i128::try_from(boottime().as_millis()).unwrap_or_default();
        self.state.news |= (offset - self.state.offset).abs() > JUMP;
        self.state.offset = offset;
        let looked = self.folder.look();
        self.state.news |= matches!(looked, Ok(true) | Err(_));
        self.told.folder(looked.as_ref().err());
        if self.state.news {
            let look = ReportLook {
                judged: self.folder.judged(),
                records: self.history.records(),
                host: &self.host,
                now: Timestamp::now(),
            };
            self.told.policies(look, &self.folder);
        }
    }

    fn tick(&mut self) {
        let now = Timestamp::now();
        let due = self.state.news || self.state.wake.is_none_or(|at| at <= now);
        if !due || !self.state.swept || self.ending.is_some() {
            return;
        }
        self.state.news = false;
        let running: Vec<Running> = self.live.iter().map(Live::running).collect();
        let look = Look {
            now,
            host: &self.host,
            policies: &self.folder.judged().policies,
            records: self.history.records(),
            running: &running,
        };
        let answer = tick(&look);
        let idle = now.checked_add(SignedDuration::from_secs(600)).unwrap_or(now);
        self.state.wake = Some(answer.wake.unwrap_or(idle));
        for act in answer.acts {
            match act {
                Act::Seen { who } => self.history.change(&who, &Change::Seen(now)),
                Act::Pass { who, slot, why } => {
                    tell::passed(&who, &slot, &why);
                    self.history.change(&who, &Change::Pass(slot));
                }
                Act::Stop { run } => self.stop(|live| live.run == run, "the next run of its schedule"),
                Act::Begin { who, slot, until } => self.begin(who, slot, until, now),
            }
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Agent(Note::Attested(attestation)) => self.attested(&attestation),
            Event::Agent(Note::Swept { found, failed }) => {
                tell::swept(&found, &failed);
                (self.state.swept, self.state.news) = (true, true);
            }
            Event::Agent(Note::Asked(asked)) => self.asked(asked),
            Event::Planned { run, plans } => self.planned(&run, plans),
            Event::Run { token, uid, order, client } => {
                super::hand::begin(self, Client { token, said: client }, uid, &order)
            }
            Event::Schedule { days, policy, client } => {
                let look = ReportLook {
                    judged: self.folder.judged(),
                    records: self.history.records(),
                    host: &self.host,
                    now: Timestamp::now(),
                };
                let mut report = report::report(look, days, policy.as_deref(), self.history.runs());
                report.problems.extend(self.told.trouble());
                drop(client.send(Said::Scheduled(Box::new(report))));
            }
            Event::Leave { token, by } => {
                self.stop(|live| live.client.as_ref().is_some_and(|client| client.token == token), &by);
            }
        }
    }

    fn asked(&mut self, asked: Asked) {
        tell::ending(asked, self.ending.is_some(), self.live.len());
        self.ending = Some(self.ending.unwrap_or(asked));
        self.agent.stop(None, asked.by());
        self.stop(|_| true, asked.by());
        // What is not planned yet has done nothing, and never will.
        let unplanned = self.live.iter().filter(|live| matches!(live.stage, Stage::Planning));
        for run in unplanned.map(|live| live.run.clone()).collect::<Vec<_>>() {
            self.planned(&run, Ok(Vec::new()));
        }
    }

    fn flush(&mut self) {
        let written = self.history.flush();
        self.told.stored(written);
    }

    /// Waits for the agent, and records what became of what was left.
    fn end(mut self, queue: &Receiver<Event>) -> bool {
        let last = self.agent.finish();
        // What the agent told meanwhile is in what it returns.
        queue.try_iter().for_each(drop);
        let restored = last.iter().all(|attestation| attestation.state.is_final());
        for attestation in &last {
            self.live.iter_mut().for_each(|live| {
                live.take(attestation);
            });
        }
        for live in &self.live {
            let (acted, end) = live.judge();
            tell::ended(&live.run, end.outcome.unwrap_or(Outcome::RestoreProblem), &end);
            if let Some(OfSlot { who, begun, .. }) = &live.slot {
                self.history.change(who, &Change::Settle { begun: *begun, acted });
            }
            self.history.end(live.number, Timestamp::now(), end);
        }
        let written = self.history.flush();
        self.told.stored(written);
        restored
    }
}
