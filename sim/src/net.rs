//! Everything between the parties: requests and answers that are late or lost, and watches that lag, each by itself.

use crate::api::{Answer, Api, Kind, No, Object, Reply, Request, Told, key_of};
use crate::check::Check;
use crate::decide::Decider;
use crate::plant::Plant;
use crate::queue::Queue;
use crate::schedule::{Deed, Schedule, Then, Verb, What, Who};
use crate::story::Story;
use crate::world::Happening;
use rumpus_model::wire::{PolicySpec, RunStatus};
use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// One life of a process: what was meant for a former one reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    pub who: Who,
    pub number: u32,
}

/// Names a request, for its answer.
pub type CallId = u64;

/// A request on its way.
#[derive(Clone, Debug)]
pub struct Call {
    pub id: CallId,
    pub life: Life,
    pub request: Request,
    fate: Option<Then>,
}

/// What a watch says next.
#[derive(Clone, Debug)]
pub enum Seen {
    Listed(Vec<Object>),
    Changed(Object),
    Gone(Object),
}

#[derive(Debug)]
struct Watch {
    life: Life,
    kind: Kind,
    queue: VecDeque<(Duration, Seen)>,
    broken: bool,
    /// Of the tokens in the queue only those of this stream count.
    stream: u32,
    last: Duration,
}

/// Names a watch.
pub type WatchId = usize;

/// What all parties share.
#[derive(Debug)]
pub struct Net {
    pub now: Duration,
    pub queue: Queue<Happening>,
    pub api: Api,
    pub decide: Decider,
    /// How many runs may be active at once.
    pub budget: usize,
    /// How many pods may be under fault at once.
    pub radius: Option<u32>,
    /// Whether there are policies at all.
    pub policies: bool,
    pub story: Story,
    pub check: Check,
    /// Who is cut off, and until when.
    pub cut: BTreeMap<Who, Duration>,
    /// Whose watches are behind, and until when.
    pub stale: BTreeMap<Who, Duration>,
    pub plant: Option<Plant>,
    /// By process, so that what one does moves no number of another.
    calls: BTreeMap<Who, CallId>,
    watches: Vec<Watch>,
}

impl Net {
    pub fn new(schedule: &Schedule, decide: Decider, trace: bool, plant: Option<Plant>) -> Self {
        Self {
            now: Duration::ZERO,
            queue: Queue::new(schedule.seed),
            api: Api::new(plant),
            decide,
            budget: schedule.budget,
            radius: schedule.radius,
            policies: schedule.deeds.iter().any(|deed| matches!(deed.what, Deed::Policy { .. })),
            story: Story::new(trace),
            check: Check::default(),
            cut: BTreeMap::new(),
            stale: BTreeMap::new(),
            plant,
            calls: BTreeMap::new(),
            watches: Vec::new(),
        }
    }

    pub fn tell(&mut self, line: &str) {
        self.story.tell(self.now, line);
    }

    pub fn after(&mut self, wait: Duration, event: Happening) {
        self.queue.push(self.now + wait, event);
    }

    pub fn is_cut(&self, who: Who) -> bool {
        self.cut.get(&who).is_some_and(|until| *until > self.now)
    }

    /// Sends a request; its answer comes as [`Happening::Answer`], within `limit` in any case.
    pub fn call(&mut self, life: Life, limit: Duration, request: Request) -> CallId {
        let count = self.calls.entry(life.who).or_default();
        *count += 1;
        let id = *count;
        let (verb, kind) = about(&request);
        let late = self.decide.turn(life.who, What::Way(verb, kind), |on, rng| {
            (on.slow_requests && rng.chance(100)).then(|| Then::Late(50 + rng.below(8950)))
        });
        let usual = self.decide.micros(Some(life.who), "way", 500, 4000);
        let fate = self.decide.turn(life.who, What::Request(verb, kind), |on, rng| match rng.below(1000) {
            0..40 if on.lost_requests => Some(Then::Lost),
            40..80 if on.lost_replies => Some(Then::Silent),
            80..110 if on.busy_server => Some(Then::Busy),
            110..130 if on.busy_server => Some(Then::Fails),
            130..150 if on.busy_server => Some(Then::Lies),
            _ => None,
        });
        self.after(waits(late, usual), Happening::Arrive(Box::new(Call { id, life, request, fate })));
        self.after(limit, Happening::Answer(life, id, Err(No::Timeout)));
        id
    }

    /// A request reaches the server.
    pub fn arrive(&mut self, call: Call) {
        let Call { id, life, request, fate } = call;
        if self.is_cut(life.who) || fate == Some(Then::Lost) {
            return;
        }
        let (verb, kind) = about(&request);
        let answer = match fate {
            Some(Then::Busy) => Err(No::Busy),
            Some(Then::Fails) => Err(No::Server),
            None | Some(_) => {
                let shown = show(&request);
                let answer = self.api.carry_out(request.clone());
                if let Some(shown) = shown {
                    let line = format!("{life}: {shown} -> {}", result(&answer));
                    self.tell(&line);
                    if kind != Kind::Node {
                        self.check.written = Some((self.now, line));
                    }
                }
                self.check.carried_out(self.now, &request, &answer);
                if fate.is_none() {
                    self.check.answered(self.now, life, &request, &answer);
                }
                self.spread();
                answer
            }
        };
        let answer = match fate {
            Some(Then::Lies) => Err(No::Server),
            Some(Then::Silent) => return self.check.sometimes("an answer is lost"),
            None | Some(_) => answer,
        };
        if let Err(no) = &answer {
            self.check.sometimes(no.name());
        }
        let late = self.decide.turn(life.who, What::Answer(verb, kind), |on, rng| {
            (on.slow_requests && rng.chance(50)).then(|| Then::Late(50 + rng.below(3950)))
        });
        let usual = self.decide.micros(Some(life.who), "answer", 300, 3000);
        self.after(waits(late, usual), Happening::Answer(life, id, answer));
    }

    /// A request of somebody who is never cut off and never unsure.
    pub fn by_hand(&mut self, who: &str, request: Request) -> Answer {
        let shown = show(&request).unwrap_or_default();
        let makes = matches!(&request, Request::Create(object) if object.kind() == Kind::Policy);
        let edits = makes || matches!(request, Request::Policy(..));
        let answer = self.api.carry_out(request);
        if edits && answer.is_ok() {
            self.check.edited = Some(self.now);
        }
        let line = format!("{who}: {shown} -> {}", result(&answer));
        self.tell(&line);
        self.spread();
        answer
    }

    /// Hashes what decides what comes of it all.
    pub(crate) fn hash_state(&self, hasher: &mut impl Hasher) {
        self.check.hash_state(hasher);
        format!("{:?} {:?} {:?}", self.api, self.watches, self.calls).hash(hasher);
        format!("{:?}", self.queue.all()).hash(hasher);
    }

    /// Every Halt is lifted, and no policy begins anything any more.
    pub fn lift_all(&mut self) {
        let policies: Vec<_> = self.api.policies().map(|p| (key_of(&p.metadata), p.spec.clone())).collect();
        for (key, spec) in policies {
            let spec = PolicySpec { suspend: Some(true), ..spec };
            drop(self.by_hand("user", Request::Policy(key, Box::new(spec))));
        }
        let halts: Vec<_> = self.api.list(Kind::Halt).map(Object::key).collect();
        for key in halts {
            drop(self.by_hand("user", Request::Delete { kind: Kind::Halt, key, uid: None }));
        }
    }

    /// Tells every watch what has changed.
    pub fn spread(&mut self) {
        for told in self.api.take_news() {
            let (object, gone) = match told {
                Told::Changed(object) => (object, false),
                Told::Gone(object) => (object, true),
            };
            for id in 0..self.watches.len() {
                let Some(watch) = self.watches.get(id) else { continue };
                if watch.kind != object.kind() || watch.broken {
                    continue;
                }
                let (who, kind) = (watch.life.who, watch.kind);
                let late = self.decide.turn(who, What::Watch(kind), |on, rng| {
                    (on.slow_watches && rng.chance(50)).then(|| Then::Late(100 + rng.below(7900)))
                });
                let usual = self.decide.micros(Some(who), "watch", 300, 5000);
                let behind = self.stale.get(&who).copied().unwrap_or_default();
                let at = behind.max(self.now) + waits(late, usual);
                let Some(watch) = self.watches.get_mut(id) else { continue };
                watch.last = watch.last.max(at);
                let seen = if gone { Seen::Gone(object.clone()) } else { Seen::Changed(object.clone()) };
                watch.queue.push_back((watch.last, seen));
                let (last, stream) = (watch.last, watch.stream);
                self.queue.push(last, Happening::Watch(id, stream));
            }
        }
    }

    /// Begins a watch.
    pub fn watch(&mut self, life: Life, kind: Kind) {
        self.watches.push(Watch { life, kind, queue: VecDeque::new(), broken: true, stream: 0, last: Duration::ZERO });
        let wait = self.decide.millis(Some(life.who), "begin to watch", 1, 20);
        self.after(wait, Happening::Relist(self.watches.len() - 1));
    }

    /// What was watched for a process that is no more.
    pub fn unwatch(&mut self, who: Who) {
        for watch in self.watches.iter_mut().filter(|w| w.life.who == who) {
            watch.broken = true;
            watch.stream += 1;
            watch.life.number = u32::MAX;
            watch.queue.clear();
        }
    }

    /// Breaks one of the watches: what was on its way is lost.
    pub fn break_watch(&mut self, id: WatchId) {
        let Some(watch) = self.watches.get_mut(id).filter(|w| !w.broken) else { return };
        watch.broken = true;
        watch.stream += 1;
        watch.queue.clear();
        let who = watch.life.who;
        let line = format!("watch of {} on {:?} breaks", watch.life, watch.kind);
        self.tell(&line);
        let wait = self.decide.millis(Some(who), "list again", 10, 12_000);
        self.after(wait, Happening::Relist(id));
    }

    /// Returns the present watch of somebody on a kind.
    pub fn watch_of(&self, who: Who, kind: Kind) -> Option<WatchId> {
        let is_it = |w: &Watch| w.life.who == who && w.life.number != u32::MAX && w.kind == kind;
        self.watches.iter().position(is_it)
    }

    /// A broken watch lists anew.
    pub fn relist(&mut self, id: WatchId) {
        let Some((who, kind)) = self.watches.get(id).map(|w| (w.life, w.kind)) else { return };
        if who.number == u32::MAX {
            return;
        }
        let lag = self.decide.millis(Some(who.who), "list", 1, 10);
        if self.is_cut(who.who) {
            return self.after(Duration::from_secs(1) + lag, Happening::Relist(id));
        }
        let listed: Vec<Object> = self.api.list(kind).cloned().collect();
        let now = self.now;
        let Some(watch) = self.watches.get_mut(id) else { return };
        watch.broken = false;
        watch.stream += 1;
        watch.last = now + lag;
        watch.queue = VecDeque::from([(now + lag, Seen::Listed(listed))]);
        let stream = watch.stream;
        self.after(lag, Happening::Watch(id, stream));
    }

    /// Returns whose watch it is, if this is what it now says.
    pub fn watcher(&self, id: WatchId, stream: u32) -> Option<Who> {
        self.watches.get(id).filter(|w| w.stream == stream && !w.broken).map(|w| w.life.who)
    }

    /// Takes what a watch says next.
    pub fn take(&mut self, id: WatchId, stream: u32) -> Option<(Life, Kind, Seen)> {
        let watch = self.watches.get(id)?;
        if watch.stream != stream || watch.broken {
            return None;
        }
        if self.is_cut(watch.life.who) {
            self.break_watch(id);
            return None;
        }
        let watch = self.watches.get_mut(id)?;
        let (_, seen) = watch.queue.pop_front()?;
        Some((watch.life, watch.kind, seen))
    }
}

impl std::fmt::Display for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.who, self.number)
    }
}

/// How long it takes.
pub(crate) fn waits(late: Option<Then>, usual: Duration) -> Duration {
    if let Some(Then::Late(millis)) = late { Duration::from_millis(millis) } else { usual }
}

/// Returns what is asked of what.
fn about(request: &Request) -> (Verb, Kind) {
    match request {
        Request::Create(object) => (Verb::Create, object.kind()),
        Request::Delete { kind, .. } => (Verb::Delete, *kind),
        Request::Get(kind, _) => (Verb::Get, *kind),
        Request::List(kind) => (Verb::List, *kind),
        Request::InjectionStatus { .. } => (Verb::Status, Kind::Injection),
        Request::NodeStatus { .. } => (Verb::Status, Kind::Node),
        Request::RunStatus { .. } => (Verb::Status, Kind::Run),
        Request::Phase { .. } => (Verb::Patch, Kind::Injection),
        Request::Renew { .. } => (Verb::Patch, Kind::Lease),
        Request::Ledger { .. } => (Verb::Patch, Kind::Ledger),
        Request::Policy(..) => (Verb::Patch, Kind::Policy),
        Request::Stop(_) => (Verb::Patch, Kind::Run),
    }
}

fn result(answer: &Answer) -> String {
    match answer {
        Ok(Reply::One(object)) => format!("v{}", object.meta().resource_version.as_deref().unwrap_or("?")),
        Ok(Reply::Done | Reply::Many(_)) => "ok".into(),
        Err(no) => format!("{no:?}"),
    }
}

/// Shows a write; reads are too many.
fn show(request: &Request) -> Option<String> {
    match request {
        Request::Create(object) => Some(format!("create {:?} {}", object.kind(), object.key().name)),
        Request::Delete { kind, key, .. } => Some(format!("delete {kind:?} {}", key.name)),
        Request::Get(..) | Request::List(_) | Request::Renew { .. } => None,
        Request::InjectionStatus { key, status, .. } => {
            Some(format!("status {} {:?} clean={}", key.name, status.state, status.clean.is_some()))
        }
        Request::NodeStatus { name, status, .. } => Some(format!(
            "status {name} active={} ended={} halts={}",
            status.active.len(),
            status.ended.len(),
            status.halts.len()
        )),
        Request::Policy(key, _) => Some(format!("policy {} is another", key.name)),
        Request::Phase { key, phase, version, .. } => Some(format!("{phase:?} {} if v{version}", key.name)),
        Request::RunStatus { key, version, status } => {
            let RunStatus { state, verdict, confirmation, .. } = &**status;
            Some(format!("status {} {state:?} {verdict:?} {confirmation:?} if v{version}", key.name))
        }
        Request::Ledger { version, spec, .. } => {
            let runs: Vec<&str> = spec.reservations.iter().map(|r| r.name.as_str()).collect();
            let groups = spec.groups.iter().map(|g| format!("{} {:?}", g.group, g.slot)).collect::<Vec<_>>();
            Some(format!("ledger {runs:?} {groups:?} of epoch {} if v{version}", spec.epoch))
        }
        Request::Stop(key) => Some(format!("stop {}", key.name)),
    }
}
