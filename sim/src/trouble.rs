//! Trouble, carried out.

use crate::net::Life;
use crate::schedule::{Trouble, Who};
use crate::world::{Happening, World};
use jiff::SignedDuration;
use std::time::Duration;

impl World {
    /// Something goes wrong, where it still can; returns whether it could.
    pub(crate) fn trouble(&mut self, trouble: &Trouble) -> bool {
        let effects = self.nodes.iter().any(|node| node.kernel.live(node.boot(self.net.now)).next().is_some());
        let could = self.goes_wrong(trouble);
        if could && effects {
            // That it happens while a fault is in effect is what counts.
            self.net.check.sometimes(trouble.name());
        }
        could
    }

    fn goes_wrong(&mut self, trouble: &Trouble) -> bool {
        let now = self.net.now;
        let after = |millis: &u64| Duration::from_millis(*millis);
        match trouble {
            Trouble::Crash { who: Who::Agent(place), millis, resigns: true, .. } => {
                let found = self.nodes.get_mut(*place).filter(|n| !n.is_asleep(now));
                return found.is_some_and(|node| node.asked_to_end(&mut self.net, after(millis)));
            }
            Trouble::Crash { who, millis, resigns, anew } => {
                if !self.dies(*who, *resigns) {
                    return false;
                }
                self.net.after(after(millis), Happening::Start(*who, *anew));
            }
            Trouble::Pause { who, millis } => {
                let Some(life) = self.pauses(*who, now + after(millis)) else { return false };
                self.net.tell(&format!("{life} is paused for {:?}", after(millis)));
            }
            Trouble::Cut { who, millis } => {
                self.net.cut.insert(*who, now + after(millis));
                self.net.tell(&format!("{who} is cut off for {:?}", after(millis)));
            }
            Trouble::Stale { who, millis } => {
                self.net.stale.insert(*who, now + after(millis));
                self.net.tell(&format!("what {who} watches is behind for {:?}", after(millis)));
            }
            Trouble::BreakWatch { who, kind } => match self.net.watch_of(*who, *kind) {
                Some(id) => self.net.break_watch(id),
                None => return false,
            },
            Trouble::Reboot { node, millis, wiped } => {
                let Some(found) = self.nodes.get_mut(*node).filter(|n| !n.is_asleep(now)) else { return false };
                found.reboot(&mut self.net, *wiped);
                self.net.after(after(millis), Happening::Start(Who::Agent(*node), false));
            }
            Trouble::Suspend { node, millis } => {
                let Some(found) = self.nodes.get_mut(*node).filter(|n| !n.is_asleep(now)) else { return false };
                found.sleeps(now, now + after(millis));
                self.net.tell(&format!("node-{node} sleeps for {:?}", after(millis)));
            }
            Trouble::Jump { controller, seconds } => {
                let Some(found) = self.controllers.get_mut(*controller) else { return false };
                found.jumps(SignedDuration::from_secs(*seconds));
                self.net.tell(&format!("the wall clock of controller-{controller} jumps by {seconds} s"));
            }
            Trouble::Flush { node } => {
                let Some(found) = self.nodes.get_mut(*node) else { return false };
                let gone = found.kernel.flushed();
                self.net.tell(&format!("somebody flushes the networks of node-{node}: {gone} tables of ours"));
            }
            Trouble::Foreign { node } => {
                let Some(found) = self.nodes.get_mut(*node) else { return false };
                found.kernel.foreign(&format!("put there at {now:?}"));
                self.net.tell(&format!("somebody puts something into the networks of node-{node}"));
            }
        }
        true
    }

    pub(crate) fn dies(&mut self, who: Who, resigns: bool) -> bool {
        let now = self.net.now;
        match who {
            Who::Agent(place) => {
                let found = self.nodes.get_mut(place).filter(|n| n.lives() && !n.is_asleep(now));
                found.map(|node| node.crash(&mut self.net)).is_some()
            }
            Who::Controller(place) => {
                let found = self.controllers.get_mut(place).filter(|c| c.lives());
                found.map(|controller| controller.crash(&mut self.net, resigns)).is_some()
            }
        }
    }

    fn pauses(&mut self, who: Who, until: Duration) -> Option<Life> {
        match who {
            Who::Agent(place) => {
                let node = self.nodes.get_mut(place).filter(|n| n.lives())?;
                node.paused = node.paused.max(Some(until));
                Some(node.who())
            }
            Who::Controller(place) => {
                let controller = self.controllers.get_mut(place).filter(|c| c.lives())?;
                controller.paused = Some(until);
                Some(controller.who())
            }
        }
    }

    /// All trouble is over.
    pub(crate) fn heal(&mut self) {
        let net = &mut self.net;
        net.tell("everything is healed");
        net.decide.heal();
        net.cut.clear();
        net.stale.clear();
        net.lift_all();
        let now = net.now;
        for node in &mut self.nodes {
            node.paused = node.paused.filter(|_| node.is_asleep(now));
            net.after(Duration::from_secs(1), Happening::Start(Who::Agent(node.place), false));
        }
        for (place, controller) in self.controllers.iter_mut().enumerate() {
            controller.paused = None;
            net.after(Duration::from_secs(1), Happening::Start(Who::Controller(place), true));
        }
    }
}
