//! The loop: one happening after another until the time is over. First anything may go wrong; then all is healed, and
//! everything must come to rest.

use crate::agent::{Inside, Node};
use crate::api::{Answer, Kind, Object, Request};
use crate::check::Check;
use crate::controller::Controller;
use crate::net::{Call, CallId, Life, Net, Who};
use crate::plant::Plant;
use crate::rng::Rng;
use crate::swarm::Swarm;
use crate::users::{Deed, Users};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use rumpus_cluster::ChaosNode;
use rumpus_model::wire::NodeSpec;
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
    Trouble,
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
}

struct World {
    net: Net,
    controllers: Vec<Controller>,
    nodes: Vec<Node>,
    users: Users,
    trouble: Rng,
    /// How many pods there should be.
    pods: usize,
    rested: bool,
    happenings: u64,
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

/// Runs one seed; anything may go wrong for `time`.
pub fn run(seed: u64, time: Duration, trace: bool, plant: Option<Plant>) -> End {
    let mut world = World::new(seed, time, trace, plant);
    world.run();
    let Net { now, story, check, .. } = world.net;
    End {
        hash: story.hash,
        broken: check.broken,
        lines: story.lines.into(),
        time: now,
        happenings: world.happenings,
        faults: check.faults,
    }
}

impl World {
    fn new(seed: u64, time: Duration, trace: bool, plant: Option<Plant>) -> Self {
        let swarm = Swarm::draw(seed);
        let mut trouble = Rng::new(seed, "trouble");
        let mut net = Net::new(seed, swarm.clone(), trace, plant);
        net.tell(&format!("{swarm:?}"));
        net.check.tight = swarm.calm;
        let skew = |rng: &mut Rng| {
            let seconds = i64::try_from(rng.below(7200)).unwrap_or_default() - 3600;
            if swarm.skewed_clocks { SignedDuration::from_secs(seconds) } else { SignedDuration::ZERO }
        };
        let controllers = (0..swarm.controllers).map(|place| Controller::new(place, skew(&mut trouble))).collect();
        let nodes = (0..swarm.nodes).map(Node::new).collect();
        let mut world = Self {
            net,
            controllers,
            nodes,
            users: Users::new(seed),
            trouble,
            pods: swarm.nodes * 2,
            rested: false,
            happenings: 0,
        };
        world.begin(&swarm, time);
        world
    }

    fn begin(&mut self, swarm: &Swarm, time: Duration) {
        for place in 0..swarm.nodes {
            let metadata = ObjectMeta { name: Some(node_name(place)), ..ObjectMeta::default() };
            let node = Object::Node(Arc::new(ChaosNode::new(metadata, NodeSpec {})));
            drop(self.net.by_hand("setup", Request::Create(Box::new(node))));
            self.net.after(Duration::ZERO, Happening::Start(Who::Agent(place), true));
        }
        for place in 0..swarm.controllers {
            let wait = self.trouble.millis(0, 2000);
            self.net.after(wait, Happening::Start(Who::Controller(place), true));
        }
        self.deployment();
        for (at, deed) in self.users.intend(swarm.runs, swarm.hostile_users, time) {
            self.net.after(at, Happening::Deed(deed));
        }
        self.net.after(Duration::from_secs(2), Happening::Collect);
        self.net.after(Duration::from_secs(3), Happening::Trouble);
        self.net.after(time, Happening::Heal);
        self.net.after(time + REST, Happening::Rest);
    }

    fn run(&mut self) {
        let (mut second, mut within) = (0, 0);
        while let Some((at, happening)) = self.net.queue.pop() {
            self.net.now = at;
            self.happenings += 1;
            within = if at.as_secs() == second { within + 1 } else { 0 };
            second = at.as_secs();
            if within > MOST {
                self.net.check.fail("L1", "it never comes to rest");
            }
            self.happen(happening);
            Check::scan(&mut self.net, &self.nodes);
            if self.rested || self.net.check.broken.is_some() {
                return;
            }
        }
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
                let wait = self.trouble.millis(500, 8000);
                self.net.after(wait, Happening::Collect);
            }
            Happening::Deed(deed) => {
                self.users.act(&mut self.net, &deed);
                self.pods_end();
            }
            Happening::Deployment => self.deployment(),
            Happening::Heal => self.heal(),
            Happening::Rest => {
                Check::at_rest(&mut self.net, &self.nodes);
                self.users.act(&mut self.net, &Deed::Probe);
                self.net.after(PROOF, Happening::Proof);
            }
            Happening::Proof => {
                Check::works(&mut self.net);
                self.rested = true;
            }
            Happening::Relist(id) => self.net.relist(id),
            Happening::Start(who, anew) => self.start(who, anew),
            Happening::Trouble => self.make_trouble(),
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
        match who {
            Who::Agent(place) => {
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
            let wait = self.trouble.millis(500, 6000);
            self.net.after(wait, Happening::Deployment);
        }
    }

    fn deployment(&mut self) {
        while self.net.api.pods().count() < self.pods {
            let Some(pod) = self.users.pod(&mut self.net, self.nodes.len()) else { return };
            let uid = pod.metadata.uid.clone().unwrap_or_default();
            if let Some(node) = self.nodes.get_mut(pod.node) {
                node.kernel.pod_begins(&uid);
            }
        }
    }

    /// One piece of trouble, of those that are on.
    fn make_trouble(&mut self) {
        if self.net.swarm.calm {
            return;
        }
        let wait = self.trouble.millis(500, 20_000);
        self.net.after(wait, Happening::Trouble);
        let (net, rng) = (&mut self.net, &mut self.trouble);
        let (node, controller) = (rng.index(self.nodes.len()), rng.index(self.controllers.len()));
        let spell = if rng.chance(700) { rng.millis(50, 4000) } else { rng.millis(1000, 60_000) };
        let swarm = net.swarm.clone();
        match rng.below(7) {
            0 if swarm.crash_controllers => {
                let anew = rng.chance(500);
                let Some(found) = self.controllers.get_mut(controller).filter(|c| c.lives()) else { return };
                found.crash(net, rng.chance(300));
                net.after(spell, Happening::Start(Who::Controller(controller), anew));
            }
            1 if swarm.pause_controllers => {
                let Some(found) = self.controllers.get_mut(controller).filter(|c| c.lives()) else { return };
                found.paused = Some(net.now + spell);
                net.tell(&format!("{} is paused for {spell:?}", found.who()));
            }
            2 if swarm.crash_agents => {
                let Some(found) = self.nodes.get_mut(node).filter(|n| n.lives()) else { return };
                found.crash(net);
                net.after(spell, Happening::Start(Who::Agent(node), false));
            }
            3 if swarm.pause_agents => {
                let Some(found) = self.nodes.get_mut(node).filter(|n| n.lives()) else { return };
                found.paused = Some(net.now + spell);
                net.tell(&format!("{} is paused for {spell:?}", found.who()));
            }
            4 if swarm.reboots => {
                let wiped = swarm.journal_errors && rng.chance(300);
                let Some(found) = self.nodes.get_mut(node) else { return };
                found.reboot(net, wiped);
                net.after(spell, Happening::Start(Who::Agent(node), false));
            }
            5 if swarm.cuts => {
                let who = if rng.chance(500) { Who::Agent(node) } else { Who::Controller(controller) };
                net.cut.insert(who, net.now + spell);
                net.tell(&format!("{who:?} is cut off for {spell:?}"));
            }
            6 if swarm.broken_watches => {
                let id = net.any_watch();
                net.break_watch(id);
            }
            _ => {}
        }
    }

    /// All trouble is over.
    fn heal(&mut self) {
        let net = &mut self.net;
        net.tell("everything is healed");
        net.swarm.heal();
        net.cut.clear();
        let halts: Vec<_> = net.api.list(Kind::Halt).map(Object::key).collect();
        for key in halts {
            drop(net.by_hand("user", Request::Delete { kind: Kind::Halt, key, uid: None }));
        }
        for node in &mut self.nodes {
            node.paused = None;
            net.after(Duration::from_secs(1), Happening::Start(Who::Agent(node.place), false));
        }
        for (place, controller) in self.controllers.iter_mut().enumerate() {
            controller.paused = None;
            net.after(Duration::from_secs(1), Happening::Start(Who::Controller(place), true));
        }
    }
}
