//! An agent that is asked to end: it ends its faults, has its last words stored, and another one begins.
//!
//! As `serve` and `Stopped::finish` of `agent/src/cluster/run/` do it; whoever takes too long is killed, as a kubelet does.

use super::{Inside, Node};
use crate::disk::Disk;
use crate::net::Net;
use crate::schedule::Who;
use crate::world::Happening;
use rumpus_agent::core::Event;
use std::time::Duration;

/// The chart's terminationGracePeriodSeconds of an agent.
const GRACE: Duration = Duration::from_secs(60);

/// How it stands with an agent that was asked to end.
#[derive(Debug)]
pub(crate) struct Ending {
    /// After that long another one begins.
    next: Duration,
    /// It speaks with nobody any more, and had told everything.
    told: Option<bool>,
}

impl Node {
    /// Somebody asks it to end; returns whether there was anybody to be asked.
    pub(crate) fn asked_to_end(&mut self, net: &mut Net, next: Duration) -> bool {
        if !self.lives() || self.ending.is_some() {
            return false;
        }
        let life = self.who();
        net.tell(&format!("{life}: is asked to end"));
        self.ending = Some(Ending { next, told: None });
        net.after(Duration::ZERO, Happening::Agent(life, Inside::Stop));
        net.after(GRACE, Happening::Agent(life, Inside::Killed));
        true
    }

    pub(super) fn stop(&mut self, net: &mut Net) {
        let boot = self.boot(net.now);
        self.with_serve(net, |serve, node, net| serve.stop(node, net, boot));
        self.tell(net, Event::Stop { injection: None, by: "SIGTERM".into() });
    }

    pub(super) fn killed(&mut self, net: &mut Net) {
        let Some(Ending { next, .. }) = self.ending.take() else { return };
        net.check.sometimes("an agent takes too long to end");
        self.crash(net);
        net.after(next, Happening::Start(Who::Agent(self.place), false));
    }

    /// Ends as far as it can.
    pub(super) fn ends(&mut self, net: &mut Net) {
        let boot = self.boot(net.now);
        let Some(ending) = &mut self.ending else { return };
        if let Some(serve) = self.serve.take_if(|serve| serve.is_over(boot)) {
            let told = serve.has_told_all();
            ending.told = Some(told);
            net.unwatch(Who::Agent(self.place));
            if told {
                net.check.told_all(&net.api, self.place, serve.ends_told());
            }
        }
        let (Some(told), Some(half)) = (ending.told, &self.half) else { return };
        let (next, core) = (ending.next, &half.core);
        if !core.is_idle() && !core.is_stuck() {
            return;
        }
        let done = told && core.attestations().iter().all(|a| a.state.is_final());
        net.tell(&format!("{}: ends, done={done}", self.who()));
        net.check.sometimes(if done { "an agent ends in order" } else { "an agent ends and leaves something" });
        if done {
            self.disk = Disk::default();
            self.before = None;
            self.known.clear();
        } else {
            self.disk.stops();
            self.known = self.read_journal();
        }
        (self.half, self.serve, self.paused, self.ending) = (None, None, None, None);
        self.life += 1;
        net.after(next, Happening::Start(Who::Agent(self.place), false));
    }
}
