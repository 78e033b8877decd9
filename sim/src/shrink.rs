//! Makes a schedule that breaks something as small as it can be made: what it can do without is left out, again and
//! again, until nothing more can.

use crate::plant::Plant;
use crate::schedule::Schedule;
use crate::world::{self, End};

/// When the first thing may be done: everybody is there by then, in milliseconds.
const BEGIN: u64 = 5000;

/// Makes it smaller, as long as it breaks the same invariant; `told` hears of each step. `most`: worlds that are run.
pub fn shrink(begin: &End, plant: Option<Plant>, most: usize, told: &mut dyn FnMut(&Schedule)) -> Schedule {
    let invariant = begin.broken.as_deref().map(name).unwrap_or_default().to_owned();
    let mut shrinking = Shrinking { best: begin.schedule.clone(), invariant, plant, left: most, told };
    loop {
        let before = size(&shrinking.best);
        shrinking.narrow();
        shrinking.thin(|s| s.troubles.len(), |s, from, to| drop(s.troubles.drain(from..to)));
        shrinking.thin(|s| s.deeds.len(), |s, from, to| drop(s.deeds.drain(from..to)));
        shrinking.thin(|s| s.turns.len(), |s, from, to| drop(s.turns.drain(from..to)));
        if size(&shrinking.best) == before || shrinking.left == 0 {
            return shrinking.best;
        }
    }
}

/// Returns the name of the invariant that was broken.
pub fn name(broken: &str) -> &str {
    broken.split(':').next().unwrap_or_default()
}

fn size(schedule: &Schedule) -> usize {
    let parts = schedule.turns.len() + schedule.troubles.len() + schedule.deeds.len();
    parts + schedule.nodes + schedule.controllers.len() + schedule.drifts.iter().filter(|d| **d != 0).count()
}

/// Returns when the last thing of it is done, in milliseconds.
fn last(schedule: &Schedule) -> u64 {
    let deeds = schedule.deeds.iter().map(|deed| deed.at);
    deeds.chain(schedule.troubles.iter().map(|trouble| trouble.at)).max().unwrap_or_default()
}

/// Begins as early as it can.
fn earlier(schedule: &mut Schedule) {
    let deeds = schedule.deeds.iter().map(|deed| deed.at);
    let first = deeds.chain(schedule.troubles.iter().map(|trouble| trouble.at)).min().unwrap_or_default();
    let by = first.saturating_sub(BEGIN);
    schedule.deeds.iter_mut().for_each(|deed| deed.at -= by);
    schedule.troubles.iter_mut().for_each(|trouble| trouble.at -= by);
}

struct Shrinking<'a> {
    best: Schedule,
    invariant: String,
    plant: Option<Plant>,
    left: usize,
    told: &'a mut dyn FnMut(&Schedule),
}

impl Shrinking<'_> {
    /// Keeps a smaller one, if it breaks the same: what it says it did, not what was asked of it.
    fn keeps(&mut self, smaller: Schedule) -> bool {
        if self.left == 0 || smaller == self.best {
            return false;
        }
        self.left -= 1;
        let end = world::replay(&smaller, false, self.plant);
        let same = end.broken.as_deref().map(name) == Some(self.invariant.as_str());
        if same {
            self.best = end.schedule;
            (self.told)(&self.best);
        }
        same
    }

    /// Fewer processes, fewer machines, better clocks, less time.
    fn narrow(&mut self) {
        let mut try_it = |change: &dyn Fn(&mut Schedule)| {
            let mut smaller = self.best.clone();
            change(&mut smaller);
            self.keeps(smaller)
        };
        try_it(&|s| s.turns.clear());
        try_it(&|s| s.troubles.clear());
        try_it(&|s| s.drifts.clear());
        try_it(&|s| s.controllers.iter_mut().for_each(|skew| *skew = 0));
        try_it(&|s| s.controllers.truncate(1));
        while try_it(&|s| s.nodes = (s.nodes - 1).max(1)) {}
        try_it(&earlier);
        try_it(&|s| s.seconds = last(s) / 1000 + 5);
    }

    /// Leaves out ever smaller parts of a list.
    fn thin(&mut self, len: impl Fn(&Schedule) -> usize, remove: impl Fn(&mut Schedule, usize, usize)) {
        let mut chunk = len(&self.best).div_ceil(2);
        while chunk > 0 {
            let mut at = 0;
            while at < len(&self.best) {
                let end = (at + chunk).min(len(&self.best));
                let mut smaller = self.best.clone();
                remove(&mut smaller, at, end);
                if !self.keeps(smaller) {
                    at = end;
                }
            }
            chunk /= 2;
        }
    }
}
