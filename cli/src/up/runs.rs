//! What the daemon does with its runs: recorded, planned, judged once more, handed over, followed, and settled.
//!
//! It must never plan what is not on disk.

use super::daemon::{Daemon, Event};
use super::live::{Following, Live, OfSlot, Stage};
use super::talk::Said;
use super::tell;
use crate::commands::plan::random;
use crate::local::{LocalAgent, LocalHost};
use jiff::{SignedDuration, Timestamp};
use rumpus_controller::follow::Follow;
use rumpus_controller::host::history::{End, Entry};
use rumpus_controller::host::store::Store;
use rumpus_controller::host::timetable::still_wanted;
use rumpus_controller::{act, observe};
use rumpus_model::injection::Attestation;
use rumpus_model::plan::Plan;
use rumpus_model::policy::Mode;
use rumpus_model::run::Outcome;
use rumpus_model::schedule::Slot;
use rumpus_model::schedule::agenda::{run_name, run_seed};
use rumpus_model::schedule::change::{Change, Who};
use std::thread::Builder;

/// How soon a store that failed is tried again.
const AGAIN: SignedDuration = SignedDuration::from_secs(5);

impl<S: Store> Daemon<S> {
    /// Records a slot as begun, and only then plans its run.
    pub(super) fn begin(&mut self, who: Who, slot: Slot, until: Timestamp, now: Timestamp) {
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
        let rate = policy.schedule.as_ref().and_then(|schedule| schedule.rate);
        let begun = self.history.begin(&who, &slot, rate, entry);
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

    /// Records and starts a run by hand.
    pub(super) fn begin_by_hand(&mut self, entry: Entry, live: impl FnOnce(u64) -> Live) -> bool {
        let begun = self.history.begin_by_hand(entry);
        let Some(number) = self.told.stored(begun) else { return false };
        self.start(live(number));
        true
    }

    /// Ends runs early.
    pub(super) fn stop(&mut self, which: impl Fn(&Live) -> bool, by: &str) {
        for live in self.live.iter_mut().filter(|live| which(live) && live.stopped.is_none()) {
            live.stopped = Some(by.to_owned());
            if let Stage::Following(following) = &live.stage {
                following.injections.iter().for_each(|i| self.agent.stop(Some(i.uid.clone()), by));
            }
        }
    }

    /// A run is planned: judged once more, and handed to the agent.
    pub(super) fn planned(&mut self, run: &str, plans: Result<Vec<Plan>, String>) {
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

    pub(super) fn attested(&mut self, attestation: &Attestation) {
        let taken = self.live.iter_mut().find_map(|live| live.take(attestation).map(|news| (live.run.clone(), news)));
        let Some((run, news)) = taken else { return tell::attested(None, attestation) };
        if news {
            tell::attested(Some(&run), attestation);
        }
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

    /// Returns a name for a run by hand.
    pub(super) fn new_run(&self) -> String {
        random()
    }
}
