//! Latency: packets in scope are held back. Never reorders unless asked.

use crate::change::{Change, Delay, Filter, Hook, Verdict};
use crate::duration;
use crate::engine::Engine;
use crate::evidence::{Effective, Reading};
use crate::fault::Network;
use crate::scope::{Direction, Scope};
use serde::{Deserialize, Serialize};

/// Packets are held back by `delay`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    pub delay: Delay,
    pub network: Network,
}

impl Latency {
    /// A host's own network is never delayed: what is held would be the way in.
    pub(super) fn engines(&self, host: bool) -> &'static [Engine] {
        if host { &[] } else { &[Engine::Netem, Engine::Nfqueue] }
    }

    pub(super) fn expected(&self) -> String {
        let (delay, jitter) = (self.delay.delay, self.delay.jitter);
        let ways = if self.network.direction == Direction::Both { 2 } else { 1 };
        let mut text = format!("RTT +{}", duration::show(delay * ways));
        if !jitter.is_zero() {
            text += &format!(" ±{}", duration::show(jitter * ways));
        }
        text += match self.network.direction {
            Direction::Egress => " (on the way out)",
            Direction::Ingress => " (on the way in)",
            Direction::Both => " (half on the way out, half on the way in)",
        };
        if self.delay.reorder {
            text += ", packets may overtake each other";
        }
        text
    }

    pub(super) fn changes(&self, engine: Engine, scope: &Scope) -> Vec<Change> {
        let filter = |hook, verdict| Change::Filter(Filter { hook, scope: scope.clone(), verdict });
        match engine {
            Engine::Netem => vec![Change::DelayLinks(self.delay), filter(Hook::Device, Verdict::Delay)],
            Engine::Nfqueue => vec![Change::DelayWorker(self.delay), filter(Hook::Routing, Verdict::Queue)],
            Engine::Cgroup | Engine::Nft | Engine::Signal => Vec::new(),
        }
    }

    /// Effective once the qdisc or the worker itself counted a delayed packet: our rule's counter alone is no proof.
    pub(super) fn effective(&self, readings: &[Reading]) -> Effective {
        let delayed = readings.iter().filter_map(|r| match r {
            Reading::Delayed(d) => Some(d.delayed),
            Reading::Filtered(_) | Reading::Killed(_) | Reading::Sockets(_) => None,
        });
        match delayed.max() {
            None => Effective::Unknown,
            Some(0) => Effective::False,
            Some(_) => Effective::True,
        }
    }
}
