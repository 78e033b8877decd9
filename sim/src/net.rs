//! Everything between the parties: requests and answers that are late or lost, and watches that lag, each by itself.

use crate::api::{Answer, Api, Kind, No, Object, Reply, Request, Told};
use crate::check::Check;
use crate::plant::Plant;
use crate::queue::Queue;
use crate::rng::Rng;
use crate::story::Story;
use crate::swarm::Swarm;
use crate::world::Happening;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A process, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Agent(usize),
    Controller(usize),
}

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
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Not done.
    Busy,
    /// 5xx, not done.
    Fails,
    /// 5xx, done.
    FailsLate,
    /// The request is lost.
    Lost,
    /// The answer is lost.
    Silent,
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
    pub swarm: Swarm,
    pub story: Story,
    pub check: Check,
    /// Who is cut off, and until when.
    pub cut: BTreeMap<Who, Duration>,
    pub hands: Rng,
    pub plant: Option<Plant>,
    next_call: CallId,
    calls: Rng,
    lags: Rng,
    watches: Vec<Watch>,
}

impl Net {
    pub fn new(seed: u64, swarm: Swarm, trace: bool, plant: Option<Plant>) -> Self {
        Self {
            now: Duration::ZERO,
            queue: Queue::new(seed),
            api: Api::new(plant),
            swarm,
            story: Story::new(trace),
            check: Check::default(),
            cut: BTreeMap::new(),
            hands: Rng::new(seed, "hands"),
            plant,
            next_call: 1,
            calls: Rng::new(seed, "calls"),
            lags: Rng::new(seed, "lags"),
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
        let id = self.next_call;
        self.next_call += 1;
        let slow = self.swarm.slow_requests && self.calls.chance(100);
        let wait = if slow { self.calls.millis(50, 9000) } else { self.calls.micros(500, 4000) };
        let fate = self.fate();
        self.after(wait, Happening::Arrive(Box::new(Call { id, life, request, fate })));
        self.after(limit, Happening::Answer(life, id, Err(No::Timeout)));
        id
    }

    fn fate(&mut self) -> Fate {
        let swarm = &self.swarm;
        let draw = self.calls.below(1000);
        match draw {
            0..40 if swarm.lost_requests => Fate::Lost,
            40..80 if swarm.lost_replies => Fate::Silent,
            80..110 if swarm.busy_server => Fate::Busy,
            110..130 if swarm.busy_server => Fate::Fails,
            130..150 if swarm.busy_server => Fate::FailsLate,
            _ => Fate::Answered,
        }
    }

    /// A request reaches the server.
    pub fn arrive(&mut self, call: Call) {
        let Call { id, life, request, fate } = call;
        if self.is_cut(life.who) || fate == Fate::Lost {
            return;
        }
        let answer = match fate {
            Fate::Busy => Err(No::Busy),
            Fate::Fails => Err(No::Server),
            Fate::Answered | Fate::FailsLate | Fate::Silent | Fate::Lost => {
                let shown = show(&request);
                let answer = self.api.carry_out(request.clone());
                if let Some(shown) = shown {
                    let line = format!("{life}: {shown} -> {}", result(&answer));
                    self.tell(&line);
                }
                if fate == Fate::Answered {
                    self.check.answered(self.now, life.who, &request, &answer);
                }
                self.spread();
                answer
            }
        };
        let answer = match fate {
            Fate::FailsLate => Err(No::Server),
            Fate::Silent | Fate::Lost => return,
            Fate::Answered | Fate::Busy | Fate::Fails => answer,
        };
        let slow = self.swarm.slow_requests && self.calls.chance(50);
        let wait = if slow { self.calls.millis(50, 4000) } else { self.calls.micros(300, 3000) };
        self.after(wait, Happening::Answer(life, id, answer));
    }

    /// A request of somebody who is never cut off and never unsure.
    pub fn by_hand(&mut self, who: &str, request: Request) -> Answer {
        let shown = show(&request).unwrap_or_default();
        let answer = self.api.carry_out(request);
        let line = format!("{who}: {shown} -> {}", result(&answer));
        self.tell(&line);
        self.spread();
        answer
    }

    /// Tells every watch what has changed.
    pub fn spread(&mut self) {
        for told in self.api.take_news() {
            let (object, gone) = match told {
                Told::Changed(object) => (object, false),
                Told::Gone(object) => (object, true),
            };
            for id in 0..self.watches.len() {
                let slow = self.swarm.slow_watches && self.lags.chance(50);
                let lag = if slow { self.lags.millis(100, 8000) } else { self.lags.micros(300, 5000) };
                let now = self.now;
                let Some(watch) = self.watches.get_mut(id) else { continue };
                if watch.kind != object.kind() || watch.broken {
                    continue;
                }
                watch.last = watch.last.max(now + lag);
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
        let wait = self.lags.millis(1, 20);
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
        let line = format!("watch of {} on {:?} breaks", watch.life, watch.kind);
        self.tell(&line);
        let wait = self.lags.millis(10, 12_000);
        self.after(wait, Happening::Relist(id));
    }

    pub fn any_watch(&mut self) -> WatchId {
        self.lags.index(self.watches.len())
    }

    /// A broken watch lists anew.
    pub fn relist(&mut self, id: WatchId) {
        let Some((who, kind)) = self.watches.get(id).map(|w| (w.life, w.kind)) else { return };
        if who.number == u32::MAX {
            return;
        }
        let lag = self.lags.millis(1, 10);
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
        match self.who {
            Who::Agent(n) => write!(f, "agent-{n}.{}", self.number),
            Who::Controller(n) => write!(f, "controller-{n}.{}", self.number),
        }
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
        Request::NodeStatus { name, status } => Some(format!(
            "status {name} active={} ended={} halts={}",
            status.active.len(),
            status.ended.len(),
            status.halts.len()
        )),
        Request::Phase { key, phase, version, .. } => Some(format!("{phase:?} {} if v{version}", key.name)),
        Request::RunStatus { key, status, .. } => {
            Some(format!("status {} {:?} {:?} {:?}", key.name, status.state, status.verdict, status.confirmation))
        }
        Request::Ledger { version, spec, .. } => {
            let runs: Vec<&str> = spec.reservations.iter().map(|r| r.name.as_str()).collect();
            Some(format!("ledger {runs:?} of epoch {} if v{version}", spec.epoch))
        }
        Request::Stop(key) => Some(format!("stop {}", key.name)),
    }
}
