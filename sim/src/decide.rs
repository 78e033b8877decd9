//! What does not go its usual way, and how long the usual takes.
//!
//! Each thing that somebody does is counted by who does it and what it is, so that one decision less does not move all
//! others. In a seed's world what goes wrong is drawn, and written down; in a schedule's world it is looked up.

use crate::rng::{FNV, Rng, fnv};
use crate::schedule::{Then, Turn, What, Who};
use crate::swarm::Classes;
use std::collections::BTreeMap;
use std::time::Duration;

/// Decides.
#[derive(Debug)]
pub struct Decider {
    seed: u64,
    /// What may be drawn; `None`: nothing is, all is looked up.
    classes: Option<Classes>,
    /// Everything takes a whole number of milliseconds, the shortest that it may.
    whole: bool,
    given: BTreeMap<(Who, What), BTreeMap<u32, Then>>,
    turns: BTreeMap<(Who, What), (u32, Rng)>,
    usual: BTreeMap<(Option<Who>, &'static str), (u64, u64)>,
    /// What was decided, or met.
    pub made: Vec<Turn>,
}

impl Decider {
    /// Decides by a seed.
    pub fn drawing(seed: u64, classes: Classes) -> Self {
        let (given, turns, usual) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { seed, classes: Some(classes), whole: false, given, turns, usual, made: Vec::new() }
    }

    /// Decides as it is written.
    pub fn given(seed: u64, written: &[Turn]) -> Self {
        let mut given: BTreeMap<(Who, What), BTreeMap<u32, Then>> = BTreeMap::new();
        for turn in written {
            given.entry((turn.who, turn.what)).or_default().insert(turn.nth, turn.then);
        }
        let (turns, usual) = (BTreeMap::new(), BTreeMap::new());
        Self { seed, classes: None, whole: false, given, turns, usual, made: Vec::new() }
    }

    /// Everything goes its usual way, in whole milliseconds.
    pub fn whole(seed: u64) -> Self {
        Self { whole: true, ..Self::given(seed, &[]) }
    }

    /// From now on everything goes its usual way.
    pub fn heal(&mut self) {
        self.given.clear();
        if let Some(classes) = &mut self.classes {
            *classes = Classes::default();
        }
    }

    /// Somebody does something: returns what happens instead of the usual. `draw` says what may.
    pub fn turn(
        &mut self,
        who: Who,
        what: What,
        draw: impl FnOnce(&Classes, &mut Rng) -> Option<Then>,
    ) -> Option<Then> {
        let seed = self.seed;
        let begin = || (0, Rng::new(seed, &format!("{who} {what:?}")));
        let (count, rng) = self.turns.entry((who, what)).or_insert_with(begin);
        let nth = *count;
        *count += 1;
        let then = match &self.classes {
            Some(classes) => draw(classes, rng),
            None => self.given.get(&(who, what)).and_then(|g| g.get(&nth)).copied(),
        }?;
        self.made.push(Turn { who, what, nth, then });
        Some(then)
    }

    /// Returns how long the usual takes, in microseconds from and to.
    pub fn micros(&mut self, who: Option<Who>, what: &'static str, from: u64, to: u64) -> Duration {
        if self.whole { Duration::from_millis((from / 1000).max(1)) } else { self.usual(who, what).micros(from, to) }
    }

    /// The same in milliseconds.
    pub fn millis(&mut self, who: Option<Who>, what: &'static str, from: u64, to: u64) -> Duration {
        self.micros(who, what, from * 1000, to * 1000)
    }

    /// Returns what decides something that is neither right nor wrong, this time.
    pub fn usual(&mut self, who: Option<Who>, what: &'static str) -> Rng {
        let seed = self.seed;
        let hash = || {
            let place = match who {
                None => 0,
                Some(Who::Agent(place)) => place * 2 + 1,
                Some(Who::Controller(place)) => place * 2 + 2,
            };
            fnv(&place.to_le_bytes(), fnv(what.as_bytes(), seed ^ FNV))
        };
        let (hash, count) = self.usual.entry((who, what)).or_insert_with(|| (hash(), 0));
        *count += 1;
        Rng::at(*hash, *count)
    }
}
