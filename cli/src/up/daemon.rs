//! The daemon's one thread that decides nothing: it asks the timetable, records, hands over, follows and tells.
//!
//! ```text
//! folder, clock -> timetable -> history (on disk) -> plan, in a thread of its own -> judged once more -> agent
//! agent -> attestations -> the run's end -> history                       socket -> runs by hand, questions
//! ```

use super::live::{Client, Following, Live, OfSlot, Stage};
use super::report::{self, Look as ReportLook};
use super::talk::{Order, Said};
use super::tell::{self, Told};
use crate::args::Global;
use crate::commands::plan::random;
use crate::local::{LocalAgent, LocalHost, Note};
use crate::signals::Asked;
use jiff::{SignedDuration, Timestamp};
use rumpus_agent::driver::Agent;
use rumpus_agent::kernel::timer::boottime;
use rumpus_controller::follow::Follow;
use rumpus_controller::host::folder::Folder;
use rumpus_controller::host::history::{End, Entry, History};
use rumpus_controller::host::store::Store;
use rumpus_controller::host::timetable::{Act, Look, Running, still_wanted, tick};
use rumpus_controller::{act, observe};
use rumpus_model::injection::Attestation;
use rumpus_model::plan::Plan;
use rumpus_model::policy::Mode;
use rumpus_model::run::Outcome;
use rumpus_model::schedule::Slot;
use rumpus_model::schedule::agenda::{run_name, run_seed};
use rumpus_model::schedule::change::{Change, Who};
use std::sync::mpsc::{Receiver, Sender};
use std::thread::Builder;
use std::time::Duration;

/// How often the folder and the clock are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How soon a store that failed is tried again.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);
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
    news: bool,
    wake: Option<Timestamp>,
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

    /// Records a slot as begun, and only then plans its run.
    fn begin(&mut self, who: Who, slot: Slot, until: Timestamp, now: Timestamp) {
        let Some(listed) = self.folder.judged().policies.get(&who.policy) else { return };
        let (policy, revision) = (listed.policy.clone(), listed.revision);
        let run = run_name(&who.policy, &who.group, &slot.key, who.dry_run);
        let seed = run_seed(&self.host, &who.policy, &who.group, &slot.key);
        let entry = Entry {
            run: run.clone(),
            policies: vec![policy.name.clone()],
            armed: policy.mode == Mode::Armed,
            slot: Some(slot.key.clone()),
            due: Some(slot.at),
            began: now,
            ..Entry::default()
        };
        let begun = self.history.begin(&who, &slot, entry);
        let number = match self.told.stored(begun) {
            Some(Some(number)) => number,
            Some(None) => return tell::unrecorded(&who, &slot),
            None => {
                let again = now.checked_add(AGAIN).unwrap_or(now);
                self.state.wake = Some(self.state.wake.map_or(again, |wake| wake.min(again)));
                return;
            }
        };
        tell::begins(&run, &policy, &slot);
        let armed = policy.mode == Mode::Armed;
        let slot = Some(OfSlot { who, begun: now, until, revision });
        let (policies, stage) = (vec![policy], Stage::Planning);
        self.start(Live { number, run, seed, policies, armed, slot, client: None, stage, stopped: None });
    }

    /// Plans a run, in a thread of its own: a name that is not resolved must hold nothing up.
    fn start(&mut self, live: Live) {
        let beside: Vec<Plan> = self.live.iter().flat_map(|live| live.plans().to_vec()).collect();
        let (global, events) = (self.global.clone(), self.events.clone());
        let (policies, seed, run) = (live.policies.clone(), live.seed.clone(), live.run.clone());
        self.live.push(live);
        let (name, failed) = (run.clone(), self.events.clone());
        let work = move || {
            let plans = observe::plans_beside(&LocalHost { global: &global }, &policies, (&seed, &run), &beside);
            drop(events.send(Event::Planned { run, plans }));
        };
        if let Err(error) = Builder::new().name("rumpus-plan".into()).spawn(work) {
            drop(failed.send(Event::Planned { run: name, plans: Err(format!("start a thread: {error}")) }));
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

    /// Records and starts a run by hand.
    pub(super) fn begin_by_hand(&mut self, entry: Entry, live: impl FnOnce(u64) -> Live) -> bool {
        let begun = self.history.begin_by_hand(entry);
        let Some(number) = self.told.stored(begun) else { return false };
        self.start(live(number));
        true
    }

    /// Ends runs early.
    fn stop(&mut self, which: impl Fn(&Live) -> bool, by: &str) {
        for live in self.live.iter_mut().filter(|live| which(live) && live.stopped.is_none()) {
            live.stopped = Some(by.to_owned());
            if let Stage::Following(following) = &live.stage {
                following.injections.iter().for_each(|i| self.agent.stop(Some(i.uid.clone()), by));
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

    /// A run is planned: judged once more, and handed to the agent.
    fn planned(&mut self, run: &str, plans: Result<Vec<Plan>, String>) {
        let policies = &self.folder.judged().policies;
        let Some(live) = self.live.iter_mut().find(|live| live.run == run) else { return };
        if !matches!(live.stage, Stage::Planning) {
            return;
        }
        let (plans, unseen) = match plans {
            Ok(plans) => (plans, None),
            Err(why) => (Vec::new(), Some(format!("see this host: {why}"))),
        };
        live.tell(Said::Planned(plans.clone()));
        let withdrawn = live.slot.as_ref().and_then(|slot| {
            let listed = policies.get(&slot.who.policy);
            still_wanted(listed, slot.revision, slot.until, Timestamp::now()).err()
        });
        let refused = unseen.or(withdrawn.map(|why| why.to_string()));
        if live.stopped.is_some() || refused.is_some() {
            let outcome = match (&refused, live.stopped.as_deref()) {
                (Some(_), None) => Outcome::Refused,
                (_, Some("Ctrl-C")) => Outcome::Interrupted,
                (_, _) => Outcome::Halted,
            };
            let note = refused.or_else(|| live.stopped.as_ref().map(|by| format!("stopped by {by}")));
            return self.finish(run, false, End { targets: Vec::new(), outcome: Some(outcome), note });
        }
        let injections = match live.armed {
            true => act::submit(&LocalAgent(&self.agent), &plans, run),
            false => Vec::new(),
        };
        live.tell(Said::Begun(injections.clone()));
        let followed = Follow::of(&injections);
        live.stage = Stage::Following(Box::new(Following { plans, injections, followed }));
        self.ended(run);
    }

    fn attested(&mut self, attestation: &Attestation) {
        let run = self.live.iter_mut().find_map(|live| live.take(attestation).then(|| live.run.clone()));
        tell::attested(run.as_deref(), attestation);
        let Some(run) = run else { return };
        if let Some(live) = self.live.iter().find(|live| live.run == run) {
            live.tell(Said::Attested(Box::new(attestation.clone())));
        }
        self.ended(&run);
    }

    /// Finishes a run if it is over; its command is told when it may never be.
    fn ended(&mut self, run: &str) {
        let Some(live) = self.live.iter_mut().find(|live| live.run == run) else { return };
        let (acted, end) = live.judge();
        if live.is_over() {
            self.finish(run, acted, end);
        } else if live.is_stuck() {
            live.tell(Said::Ended(Box::new(live.report(Outcome::RestoreProblem))));
            live.client = None;
        }
    }

    fn finish(&mut self, run: &str, acted: bool, end: End) {
        let Some(place) = self.live.iter().position(|live| live.run == run) else { return };
        let live = self.live.remove(place);
        let outcome = end.outcome.unwrap_or(Outcome::RestoreProblem);
        tell::ended(run, outcome, &end);
        live.tell(Said::Ended(Box::new(live.report(outcome))));
        if let Some(OfSlot { who, begun, .. }) = &live.slot {
            self.history.change(who, &Change::Settle { begun: *begun, acted });
        }
        self.history.end(live.number, Timestamp::now(), end);
        self.state.news = true;
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

    /// Returns a name for a run by hand.
    pub(super) fn new_run(&self) -> String {
        random()
    }
}
