//! Many seeds, several at a time.

use crate::Arguments;
use rumpus_sim::plant::Plant;
use rumpus_sim::world::{self, End};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Of so many seeds one is run again, by the schedule that it came to.
const TWICE: u64 = 100;

/// What all workers add to.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) seeds: u64,
    pub(crate) failures: u64,
    pub(crate) simulated: Duration,
    pub(crate) faults: u64,
    pub(crate) happenings: u64,
    pub(crate) sometimes: BTreeMap<Cow<'static, str>, u64>,
    /// The failing seed with the lowest number of those that were run.
    pub(crate) first: Option<(u64, End)>,
    pub(crate) lines: Vec<String>,
}

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    first: u64,
    end: u64,
    pub(crate) until: Option<Instant>,
    length: Duration,
    pub(crate) trace: bool,
    plant: Option<Plant>,
    /// Goes on after a failure.
    pub(crate) all: bool,
}

impl Batch {
    pub(crate) fn new(arguments: &Arguments, end: u64, plant: Option<Plant>) -> Self {
        let length = Duration::from_secs(arguments.length);
        Self { first: arguments.seed, end, until: None, length, trace: false, plant, all: false }
    }

    pub(crate) fn run(&self, jobs: usize) -> Sum {
        let next = AtomicU64::new(self.first);
        let sum = Mutex::new(Sum::default());
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| self.work(&next, &sum));
            }
        });
        sum.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, next: &AtomicU64, sum: &Mutex<Sum>) {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end || self.until.is_some_and(|until| Instant::now() >= until) {
                return;
            }
            let end = world::run(seed, self.length, self.trace, self.plant);
            let again = seed.is_multiple_of(TWICE) && !self.trace;
            let same = !again || world::replay(&end.schedule, false, self.plant).hash == end.hash;
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            if !same {
                sum.failures += 1;
                sum.lines.push(format!("seed {seed} is not the same when its schedule is run"));
            }
            if sum.add(seed, end, self.all) {
                // Nothing new is begun.
                next.store(self.end, Ordering::Relaxed);
            }
        }
    }
}

impl Sum {
    /// Returns whether to stop.
    fn add(&mut self, seed: u64, end: End, all: bool) -> bool {
        (self.seeds, self.simulated) = (self.seeds + 1, self.simulated + end.time);
        (self.faults, self.happenings) = (self.faults + end.faults, self.happenings + end.happenings);
        for (what, count) in &end.sometimes {
            *self.sometimes.entry(what.clone()).or_default() += count;
        }
        let Some(broken) = &end.broken else { return false };
        self.failures += 1;
        if all {
            self.lines.push(format!("seed {seed}: {broken}"));
        } else if self.first.as_ref().is_none_or(|(before, _)| seed < *before) {
            self.first = Some((seed, end));
        }
        !all
    }
}
