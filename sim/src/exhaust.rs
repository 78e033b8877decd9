//! All orders of a small world: whatever happens to one process at the same instant happens in every order, and one
//! process may die before anything that happens to it.
//!
//! Times are whole milliseconds here, so that much falls together. A world cannot be copied; each branch is run from the
//! beginning, and left where it comes to a state that was seen before. What happens to different processes at the same
//! instant is not put into every order: neither sees the other before a later instant.

use crate::decide::Decider;
use crate::net::Life;
use crate::plant::Plant;
use crate::schedule::{Schedule, Who};
use crate::world::{Happening, World};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a process that has died stays away.
const AWAY: Duration = Duration::from_millis(500);

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Different states at which there was a choice.
    pub states: usize,
    /// Worlds that were run, each from the beginning.
    pub worlds: u64,
    /// Worlds that came to their end, and not to a state that was seen before.
    pub ends: u64,
    /// The most choices of one world.
    pub deepest: usize,
    /// What was broken first, and by which choices.
    pub broken: Option<(String, Vec<u8>)>,
    /// Branches that were not looked at.
    pub left: usize,
}

/// Who something happens to; what belongs to nobody is the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Actor {
    Server,
    Process(Who),
}

/// What all workers share.
#[derive(Debug, Default)]
struct Shared {
    found: Found,
    seen: HashSet<u64>,
    stack: Vec<Vec<u8>>,
    /// How many worlds run.
    busy: usize,
}

/// The choices of one world.
#[derive(Debug)]
pub(crate) struct Chooser<'a> {
    prefix: &'a [u8],
    path: Vec<u8>,
    shared: &'a Mutex<Shared>,
    deaths: u8,
    pub(crate) pruned: bool,
}

/// What comes next.
pub(crate) enum Next {
    Happens(Duration, Happening),
    Dies(Duration, Who),
    Over,
}

/// Runs every world of a schedule, with so many deaths, `most` at most, on so many threads.
pub fn exhaust(schedule: &Schedule, plant: Option<Plant>, deaths: u8, most: u64, jobs: usize) -> Found {
    let shared = Mutex::new(Shared { stack: vec![Vec::new()], ..Shared::default() });
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(prefix) = next(&shared, most) {
                    one(schedule, plant, deaths, &shared, &prefix);
                }
            });
        }
    });
    let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    Found { states: shared.seen.len(), left: shared.stack.len(), ..shared.found }
}

/// Returns the next branch; waits where only others may still find one.
fn next(shared: &Mutex<Shared>, most: u64) -> Option<Vec<u8>> {
    loop {
        let mut all = lock(shared);
        if all.found.worlds >= most || all.found.broken.is_some() {
            return None;
        }
        if let Some(prefix) = all.stack.pop() {
            all.busy += 1;
            all.found.worlds += 1;
            return Some(prefix);
        }
        if all.busy == 0 {
            return None;
        }
        drop(all);
        std::thread::yield_now();
    }
}

fn one(schedule: &Schedule, plant: Option<Plant>, deaths: u8, shared: &Mutex<Shared>, prefix: &[u8]) {
    let chooser = Chooser { prefix, path: Vec::new(), shared, deaths, pruned: false };
    let world = World::new(schedule.clone(), Decider::whole(schedule.seed), false, plant);
    let (end, chooser) = world.explored(chooser);
    let mut all = lock(shared);
    all.busy -= 1;
    all.found.ends += u64::from(!chooser.pruned);
    all.found.deepest = all.found.deepest.max(chooser.path.len());
    if let Some(broken) = end.broken {
        all.found.broken.get_or_insert((broken, chooser.path));
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the one world of these choices; `trace`: and tells each event.
pub fn retrace(schedule: &Schedule, plant: Option<Plant>, deaths: u8, path: &[u8], trace: bool) -> Option<String> {
    let shared = Mutex::new(Shared::default());
    let chooser = Chooser { prefix: path, path: Vec::new(), shared: &shared, deaths, pruned: false };
    World::new(schedule.clone(), Decider::whole(schedule.seed), trace, plant).explored(chooser).0.broken
}

impl Chooser<'_> {
    /// Whether everything up to here was run, and judged, before.
    pub(crate) fn is_known(&self) -> bool {
        self.path.len() < self.prefix.len()
    }

    fn choose(&mut self, count: usize, state: impl FnOnce() -> u64) -> usize {
        let place = self.path.len();
        let choice = match self.prefix.get(place) {
            Some(choice) => *choice,
            None => {
                let state = state();
                let mut all = lock(self.shared);
                if !all.seen.insert(state) {
                    self.pruned = true;
                    return 0;
                }
                for other in 1..u8::try_from(count).unwrap_or(u8::MAX) {
                    let mut branch = self.path.clone();
                    branch.push(other);
                    all.stack.push(branch);
                }
                0
            }
        };
        self.path.push(choice);
        usize::from(choice)
    }
}

impl World {
    /// What happens next, of all that may.
    pub(crate) fn chosen(&mut self, chooser: &mut Chooser<'_>) -> Next {
        let Some((at, mut all)) = self.net.queue.pop_instant() else { return Next::Over };
        let first = all.iter().map(|(_, h)| self.actor(h)).min().unwrap_or(Actor::Server);
        let (mut own, others): (Vec<_>, Vec<_>) = all.drain(..).partition(|(_, h)| self.actor(h) == first);
        self.net.queue.put_back(at, others);
        let mortal = match first {
            Actor::Process(who) if chooser.deaths > 0 && self.is_there(who) => Some(who),
            Actor::Process(_) | Actor::Server => None,
        };
        let options = own.len() + usize::from(mortal.is_some());
        let mut choice = 0;
        if options > 1 {
            let happens: Vec<&Happening> = own.iter().map(|(_, happening)| happening).collect();
            let (deaths, happens) = (chooser.deaths, format!("{happens:?}"));
            choice = chooser.choose(options, || self.state(at, deaths, &happens));
        }
        if chooser.pruned {
            return Next::Over;
        }
        match mortal {
            Some(who) if choice == own.len() => {
                self.net.queue.put_back(at, own);
                chooser.deaths -= 1;
                self.net.after(AWAY, Happening::Start(who, true));
                Next::Dies(at, who)
            }
            Some(_) | None => {
                let (_, happening) = own.remove(choice.min(own.len() - 1));
                self.net.queue.put_back(at, own);
                Next::Happens(at, happening)
            }
        }
    }

    fn actor(&self, happening: &Happening) -> Actor {
        let of = |life: &Life| Actor::Process(life.who);
        match happening {
            Happening::Agent(life, _) | Happening::Answer(life, ..) | Happening::ControllerWake(life) => of(life),
            Happening::Start(who, _) => Actor::Process(*who),
            Happening::Watch(id, stream) => match self.net.watcher(*id, *stream) {
                Some(who) => Actor::Process(who),
                None => Actor::Server,
            },
            Happening::Arrive(_)
            | Happening::Collect
            | Happening::Deed(_)
            | Happening::Deployment
            | Happening::Heal
            | Happening::Rest
            | Happening::Proof
            | Happening::Relist(_)
            | Happening::Trouble(_) => Actor::Server,
        }
    }

    fn is_there(&self, who: Who) -> bool {
        match who {
            Who::Agent(place) => self.nodes.get(place).is_some_and(crate::agent::Node::lives),
            Who::Controller(place) => self.controllers.get(place).is_some_and(crate::controller::Controller::lives),
        }
    }

    /// Everything that decides what happens from here on, and what will be thought of it.
    fn state(&self, at: Duration, deaths: u8, happens: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (at, deaths, happens).hash(&mut hasher);
        format!("{:?}", self.nodes).hash(&mut hasher);
        format!("{:?}", self.controllers).hash(&mut hasher);
        self.net.hash_state(&mut hasher);
        hasher.finish()
    }
}
