//! A daemon without a host: the timetable and the history as the real one puts them together, on a disk that can fail, with a
//! log of what it began.

use super::history::{End, Entry, History};
use super::judge::{Calendars, Judged, Said, judge};
use super::store::{Batch, Store, StoreError, Stored};
use super::timetable::{Act, Look, Running, tick};
use jiff::Timestamp;
use rumpus_model::policy::parse;
use rumpus_model::run::Outcome;
use rumpus_model::schedule::change::{Change, Who};
use rumpus_model::schedule::rate::Rate;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A disk that outlives the daemon.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    stored: Rc<RefCell<Stored>>,
    pub(super) full: Rc<Cell<bool>>,
    pub(super) writes: Rc<Cell<usize>>,
}

impl Store for Disk {
    fn read(&mut self) -> Result<Stored, StoreError> {
        Ok(self.stored.borrow().clone())
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if self.full.get() {
            return Err(StoreError::Entry { path: "disk".into(), why: "no space".into() });
        }
        self.writes.set(self.writes.get() + 1);
        let mut stored = self.stored.borrow_mut();
        stored.records.extend(batch.records.iter().cloned());
        stored.runs.extend(batch.runs.iter().cloned());
        stored.runs.retain(|number, _| !batch.gone.contains(number));
        Ok(())
    }
}

/// A daemon.
pub(super) struct Daemon {
    pub(super) disk: Disk,
    pub(super) history: History<Disk>,
    pub(super) judged: Judged,
    /// With the number in the history, the record's owner and the instant.
    pub(super) live: Vec<(Running, u64)>,
    /// What happened, in words.
    pub(super) log: Vec<String>,
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// What settles a policy's run that has not ended.
pub(super) fn settle(daemon: &Daemon, who: &Who) -> Change {
    Change::Settle { begun: daemon.history.records()[who].begun.unwrap(), acted: true }
}

/// A file with a policy of this name; `spec` is what stands above the experiment.
pub(super) fn file(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n  experiment:\n    \
         targets: {{processes: {{name: worker}}}}\n    pick: {{count: 1}}\n    faults: [{{kill: {{signal: TERM}}}}]\n    \
         steadyState: {{none: {{reason: a test}}}}\n"
    )
}

pub(super) fn judged(files: &[(&str, String)], calendars: &Calendars) -> Judged {
    let said = |(name, text): &(&str, String)| ((*name).to_owned(), Said { revision: 1, policies: parse(text) });
    judge(&files.iter().map(said).collect::<BTreeMap<_, _>>(), calendars)
}

impl Daemon {
    pub(super) fn start(disk: &Disk, now: &str, files: &[(&str, String)]) -> Self {
        let history = History::open(disk.clone(), at(now)).unwrap();
        let judged = judged(files, &Calendars::new());
        Self { disk: disk.clone(), history, judged, live: Vec::new(), log: Vec::new() }
    }

    /// It dies and is started again.
    pub(super) fn restart(self, now: &str) -> Self {
        let history = History::open(self.disk.clone(), at(now)).unwrap();
        Self { history, live: Vec::new(), ..self }
    }

    pub(super) fn tick(&mut self, now: &str) -> Option<Timestamp> {
        let running: Vec<Running> = self.live.iter().map(|(running, _)| running.clone()).collect();
        let look = Look {
            now: at(now),
            host: "0badcafe",
            policies: &self.judged.policies,
            records: self.history.records(),
            running: &running,
        };
        let answer = tick(&look);
        for act in answer.acts {
            self.carry_out(now, act);
        }
        drop(self.history.flush());
        answer.wake
    }

    fn rate(&self, who: &Who) -> Option<Rate> {
        self.judged.policies.get(&who.policy).and_then(|listed| listed.policy.schedule.as_ref()?.rate)
    }

    fn carry_out(&mut self, now: &str, act: Act) {
        match act {
            Act::Seen { who } => self.history.change(&who, &Change::Seen(at(now))),
            Act::Pass { who, slot, why } => {
                self.log.push(format!("{} {} {}", why.reason(), who.policy, slot.key));
                self.history.change(&who, &Change::Pass(slot));
            }
            Act::Stop { run } => self.log.push(format!("stop {run}")),
            Act::Begin { who, slot, until: _ } => {
                let run = format!("{}-{}", who.policy, slot.key);
                let policies = vec![who.policy.clone()];
                let entry = Entry { run: run.clone(), policies, began: at(now), ..Entry::default() };
                let rate = self.rate(&who);
                match self.history.begin(&who, &slot, rate, Entry { slot: Some(slot.key.clone()), ..entry.clone() }) {
                    Ok(Some(number)) => {
                        self.log.push(format!("begin {run}"));
                        self.live.push((Running { run, policies: entry.policies, by_hand: false }, number));
                    }
                    Ok(None) => self.log.push(format!("taken {run}")),
                    Err(error) => self.log.push(error.to_string()),
                }
            }
        }
    }

    /// Every run that is live ends.
    pub(super) fn end_all(&mut self, now: &str, acted: bool) {
        for (running, number) in std::mem::take(&mut self.live) {
            let who = self.judged.policies[&running.policies[0]].who();
            let begun = self.history.records()[&who].begun.unwrap();
            self.history.change(&who, &Change::Settle { begun, acted });
            let outcome = Some(if acted { Outcome::Proven } else { Outcome::Refused });
            self.history.end(number, at(now), End { outcome, ..End::default() });
        }
        self.history.flush().unwrap();
    }

    pub(super) fn begun(&self) -> usize {
        self.log.iter().filter(|line| line.starts_with("begin ")).count()
    }
}
