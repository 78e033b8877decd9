//! Loss: packets in scope are dropped at random, each for itself.

use crate::change::{Change, Filter, Hook, Verdict};
use crate::evidence::{Effective, Reading};
use crate::fault::Network;
use crate::scope::{Direction, Scope};
use serde::{Deserialize, Serialize};

/// `percent` of the packets are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// 1 to 100.
    pub percent: u8,
    pub network: Network,
}

impl Loss {
    pub(super) fn expected(&self) -> String {
        let percent = u32::from(self.percent);
        match self.network.direction {
            Direction::Egress | Direction::Ingress => format!("{percent} % of the packets are lost"),
            Direction::Both => format!(
                "{percent} % of the packets are lost each way ({:.0} % of round trips fail)",
                f64::from(10_000 - (100 - percent) * (100 - percent)) / 100.0
            ),
        }
    }

    pub(super) fn changes(&self, scope: &Scope, host: bool) -> Vec<Change> {
        let verdict = Verdict::Lose { per_million: u32::from(self.percent) * 10_000 };
        let hook = if host { Hook::Stack } else { Hook::Device };
        vec![Change::Filter(Filter { hook, scope: scope.clone(), verdict })]
    }

    /// Effective once at least one packet of the victim was dropped.
    pub(super) fn effective(&self, readings: &[Reading]) -> Effective {
        Reading::filtered(readings).map_or(Effective::Unknown, |f| match f.hit.packets() {
            0 => Effective::False,
            _ => Effective::True,
        })
    }
}
