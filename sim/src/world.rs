//! The loop: one happening after another until the time is over. First anything may go wrong; then all is healed, and
//! everything must come to rest.

use crate::agent::{Inside, Node};
use crate::api::{Answer, Kind, Object, Request};
use crate::check::Check;
use crate::controller::Controller;
use crate::decide::Decider;
use crate::exhaust::{Chooser, Next};
use crate::net::{Call, CallId, Life, Net};
use crate::plant::Plant;
use crate::schedule::{Deed, Schedule, Trouble, Who};
use crate::{swarm, users};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rumpus_cluster::ChaosNode;
use rumpus_model::wire::NodeSpec;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long it may take until everything is at rest: the longest fault, its start window, the lease and its slack.
const REST: Duration = Duration::from_secs(240);
/// How long a short run may take when nothing goes wrong.
const PROOF: Duration = Duration::from_secs(60);
/// More than this many happenings in a simulated second are no rest.
const MOST: u64 = 50_000;

/// One thing that happens.
#[derive(Debug)]
pub enum Happening {
    Agent(Life, Inside),
    Answer(Life, CallId, Answer),
    Arrive(Box<Call>),
    Collect,
    ControllerWake(Life),
    Deed(Deed),
    Deployment,
    Heal,
    Rest,
    Proof,
    Relist(usize),
    Start(Who, bool),
    Trouble(Trouble),
    Watch(usize, u32),
}

/// What became of a seed.
#[derive(Debug)]
pub struct End {
    pub hash: u64,
    pub broken: Option<String>,
    pub lines: Vec<String>,
    pub time: Duration,
    pub happenings: u64,
    pub faults: u64,
    /// How often something happened that has to happen sometimes.
    pub sometimes: BTreeMap<Cow<'static, str>, u64>,
    /// All of it as data.
    pub schedule: Schedule,
    /// What was written and never came about.
    pub unmet: Vec<String>,
}

pub(crate) struct World {
    pub(crate) net: Net,
    pub(crate) controllers: Vec<Controller>,
    pub(crate) nodes: Vec<Node>,
    schedule: Schedule,
    unmet: Vec<String>,
    /// How many pods there should be.
    pods: usize,
    rested: bool,
    happenings: u64,
    /// Of these, in the present second.
    within: u64,
}

/// Returns a node's name.
pub fn node_name(place: usize) -> String {
    format!("node-{place}")
}

/// Returns the wall clock of somebody who is so much ahead.
pub fn wall(now: Duration, skew: SignedDuration) -> Timestamp {
    let since = SignedDuration::try_from(now).unwrap_or_default();
    let begin = Timestamp::from_second(1_800_000_000).unwrap_or_default();
    begin.checked_add(since).and_then(|t| t.checked_add(skew)).unwrap_or(begin)
}

/// Returns a node's instant as it is displayed.
pub fn shown(at: Duration) -> String {
    format!("{:.6}", wall(at, SignedDuration::ZERO))
}

/// Runs the world of a seed; anything may go wrong for `length`.
pub fn run(seed: u64, length: Duration, trace: bool, plant: Option<Plant>) -> End {
    let (schedule, classes) = swarm::draw(seed, length);
    World::new(schedule, Decider::drawing(seed, classes), trace, plant).finished()
}

/// Runs the world of a schedule.
pub fn replay(schedule: &Schedule, trace: bool, plant: Option<Plant>) -> End {
    let decide = Decider::given(schedule.seed, &schedule.turns);
    World::new(schedule.clone(), decide, trace, plant).finished()
}

impl World {
    pub(crate) fn new(schedule: Schedule, decide: Decider, trace: bool, plant: Option<Plant>) -> Self {
        let mut net = Net::new(&schedule, decide, trace, plant);
        net.tell(&format!(
            "{} nodes {:?}, controllers {:?}, {} runs and {:?} pods at once, calm={}",
            schedule.nodes, schedule.drifts, schedule.controllers, schedule.budget, schedule.radius, schedule.calm
        ));
        net.check.tight = schedule.calm;
        net.check.lonely = schedule.lonely;
        net.check.short = schedule.rest.is_some();
        let ahead = schedule.controllers.iter().map(|seconds| SignedDuration::from_secs(*seconds));
        let controllers = ahead.enumerate().map(|(place, skew)| Controller::new(place, skew)).collect();
        let drift = |place: usize| schedule.drifts.get(place).copied().unwrap_or_default();
        let nodes = (0..schedule.nodes).map(|place| Node::new(place, drift(place))).collect();
        let pods = schedule.nodes * 2;
        let mut world = Self {
            net,
            controllers,
            nodes,
            schedule,
            unmet: Vec::new(),
            pods,
            rested: false,
            happenings: 0,
            within: 0,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for place in 0..self.nodes.len() {
            let metadata = ObjectMeta { name: Some(node_name(place)), ..ObjectMeta::default() };
            let node = Object::Node(Arc::new(ChaosNode::new(metadata, NodeSpec {})));
            drop(self.net.by_hand("setup", Request::Create(Box::new(node))));
            self.net.after(Duration::ZERO, Happening::Start(Who::Agent(place), true));
        }
        for place in 0..self.controllers.len() {
            let who = Who::Controller(place);
            let wait = self.net.decide.millis(Some(who), "begin", 0, 2000);
            self.net.after(wait, Happening::Start(who, true));
        }
        self.deployment();
        for deed in &self.schedule.deeds {
            self.net.queue.push(deed.time(), Happening::Deed(deed.what.clone()));
        }
        for trouble in &self.schedule.troubles {
            self.net.queue.push(trouble.time(), Happening::Trouble(trouble.what.clone()));
        }
        self.net.after(Duration::from_secs(2), Happening::Collect);
        self.net.after(self.schedule.length(), Happening::Heal);
        let rest = self.schedule.rest.map_or(REST, Duration::from_secs);
        self.net.after(self.schedule.length() + rest, Happening::Rest);
    }

    fn finished(mut self) -> End {
        self.run();
        self.end()
    }

    fn end(self) -> End {
        let Net { now, story, check, decide, .. } = self.net;
        let mut unmet = self.unmet;
        for turn in self.schedule.turns.iter().filter(|turn| !decide.made.contains(turn)) {
            unmet.push(format!("{} never does {:?} for the {}. time", turn.who, turn.what, turn.nth));
        }
        End {
            hash: story.hash,
            broken: check.broken,
            lines: story.lines.into(),
            time: now,
            happenings: self.happenings,
            faults: check.faults,
            sometimes: check.sometimes,
            schedule: Schedule { turns: decide.made, ..self.schedule },
            unmet,
        }
    }

    fn run(&mut self) {
        while let Some((at, happening)) = self.net.queue.pop() {
            if self.goes_on(at, happening, true) {
                return;
            }
        }
    }

    /// Runs with choices.
    pub(crate) fn explored<'a>(mut self, mut chooser: Chooser<'a>) -> (End, Chooser<'a>) {
        loop {
            match self.chosen(&mut chooser) {
                Next::Over => break,
                Next::Dies(at, who) => {
                    self.net.now = at;
                    self.dies(who, false);
                }
                Next::Happens(at, happening) => {
                    if self.goes_on(at, happening, !chooser.is_known()) {
                        break;
                    }
                }
            }
        }
        (self.end(), chooser)
    }

    /// One thing happens, and is judged unless it was before; returns whether it was the last.
    fn goes_on(&mut self, at: Duration, happening: Happening, judged: bool) -> bool {
        self.within = if at.as_secs() == self.net.now.as_secs() { self.within + 1 } else { 0 };
        self.net.now = at;
        self.happenings += 1;
        if self.within > MOST {
            self.net.check.fail("L1", "it never comes to rest");
        }
        self.happen(happening);
        if judged {
            Check::scan(&mut self.net, &self.nodes);
        }
        self.rested || self.net.check.broken.is_some()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrive(call) => {
                let ends = matches!(call.request, Request::Delete { kind: Kind::Pod, .. });
                let place = if let Request::Delete { key, .. } = &call.request { Some(key.clone()) } else { None };
                let pod = place.filter(|_| ends).and_then(|key| self.net.api.get(Kind::Pod, &key).cloned());
                self.net.arrive(*call);
                if let Some(pod) = pod
                    && self.net.api.get(Kind::Pod, &pod.key()).is_none_or(|now| now.uid() != pod.uid())
                {
                    self.net.check.pod_deleted(pod.uid());
                }
                if ends {
                    self.pods_end();
                }
            }
            Happening::Collect => {
                if self.net.api.collect() > 0 {
                    self.net.tell("garbage is collected");
                    self.net.spread();
                }
                let wait = self.net.decide.millis(None, "collect", 500, 8000);
                self.net.after(wait, Happening::Collect);
            }
            Happening::Deed(deed) => {
                users::act(&mut self.net, &deed);
                self.pods_end();
            }
            Happening::Deployment => self.deployment(),
            Happening::Heal => self.heal(),
            Happening::Rest => {
                Check::at_rest(&mut self.net, &self.nodes);
                if self.schedule.rest.is_some() {
                    self.rested = true;
                    return;
                }
                users::act(&mut self.net, &Deed::Probe);
                self.net.after(PROOF, Happening::Proof);
            }
            Happening::Proof => {
                Check::works(&mut self.net);
                self.rested = true;
            }
            Happening::Relist(id) => self.net.relist(id),
            Happening::Start(who, anew) => self.start(who, anew),
            Happening::Trouble(trouble) => {
                if !self.trouble(&trouble) {
                    self.unmet.push(format!("nothing is left for {trouble:?}"));
                }
            }
            Happening::Watch(id, stream) => self.watch(id, stream),
            Happening::Agent(life, _) | Happening::Answer(life, ..) | Happening::ControllerWake(life) => {
                self.inside(life, happening);
            }
        }
    }

    /// Something happens to a process: never if it is another life, later if it is paused.
    fn inside(&mut self, life: Life, happening: Happening) {
        if !self.lives(life) {
            return;
        }
        if let Some(until) = self.paused(life.who) {
            return self.net.queue.push(until, happening);
        }
        let net = &mut self.net;
        match life.who {
            Who::Agent(place) => {
                let Some(node) = self.nodes.get_mut(place) else { return };
                if let Happening::Agent(_, inside) = happening {
                    node.inside(net, inside);
                } else if let Happening::Answer(_, id, answer) = happening {
                    node.answer(net, id, answer);
                }
            }
            Who::Controller(place) => {
                let Some(controller) = self.controllers.get_mut(place) else { return };
                if let Happening::Answer(_, id, answer) = happening {
                    controller.answer(net, id, answer);
                } else if let Happening::ControllerWake(_) = happening {
                    controller.wake(net);
                }
            }
        }
    }

    /// Whether this is the present life of its process.
    fn lives(&self, life: Life) -> bool {
        let number = match life.who {
            Who::Agent(place) => self.nodes.get(place).map(|n| n.life),
            Who::Controller(place) => self.controllers.get(place).map(|c| c.life),
        };
        number == Some(life.number)
    }

    /// Returns until when a process is paused, if it is.
    fn paused(&self, who: Who) -> Option<Duration> {
        let until = match who {
            Who::Agent(place) => self.nodes.get(place)?.paused,
            Who::Controller(place) => self.controllers.get(place)?.paused,
        };
        until.filter(|until| *until > self.net.now)
    }

    fn watch(&mut self, id: usize, stream: u32) {
        let Some(who) = self.net.watcher(id, stream) else { return };
        if let Some(until) = self.paused(who) {
            return self.net.queue.push(until, Happening::Watch(id, stream));
        }
        let Some((life, kind, seen)) = self.net.take(id, stream) else { return };
        match life.who {
            Who::Agent(place) => {
                if let Some(node) = self.nodes.get_mut(place).filter(|n| n.life == life.number) {
                    node.seen(&mut self.net, kind, seen);
                }
            }
            Who::Controller(place) => {
                if let Some(controller) = self.controllers.get_mut(place).filter(|c| c.life == life.number) {
                    controller.seen(&mut self.net, kind, seen);
                }
            }
        }
    }

    fn start(&mut self, who: Who, anew: bool) {
        let now = self.net.now;
        match who {
            Who::Agent(place) => {
                if let Some(node) = self.nodes.get(place).filter(|n| n.is_asleep(now)) {
                    return self.net.queue.push(node.wakes_at(), Happening::Start(who, anew));
                }
                if let Some(node) = self.nodes.get_mut(place).filter(|n| !n.lives()) {
                    node.start(&mut self.net);
                }
            }
            Who::Controller(place) => {
                if let Some(controller) = self.controllers.get_mut(place).filter(|c| !c.lives()) {
                    controller.start(&mut self.net, anew);
                }
            }
        }
    }

    /// Pods that were deleted end on their nodes.
    fn pods_end(&mut self) {
        let there: Vec<String> = self.net.api.pods().filter_map(|p| p.metadata.uid.clone()).collect();
        let mut any = false;
        for node in &mut self.nodes {
            let gone: Vec<String> =
                node.kernel.networks.values().map(|n| n.pod.clone()).filter(|p| !there.contains(p)).collect();
            any |= !gone.is_empty();
            gone.iter().for_each(|pod| node.kernel.pod_ends(pod));
        }
        if any {
            let wait = self.net.decide.millis(None, "replace a pod", 500, 6000);
            self.net.after(wait, Happening::Deployment);
        }
    }

    fn deployment(&mut self) {
        while self.net.api.pods().count() < self.pods {
            let Some(pod) = users::pod(&mut self.net, self.nodes.len()) else { return };
            let uid = pod.metadata.uid.clone().unwrap_or_default();
            if let Some(node) = self.nodes.get_mut(pod.node) {
                node.kernel.pod_begins(&uid);
            }
        }
    }
}
