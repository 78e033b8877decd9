//! Partition: nothing in scope gets through, silently (`Drop`) or with an answer (`Reject`).

use crate::change::{Change, Filter, Hook, Verdict};
use crate::evidence::{Effective, Reading};
use crate::fault::Network;
use crate::scope::{Direction, Scope};
use serde::{Deserialize, Serialize};

/// Packets in scope do not get through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    pub how: How,
    pub network: Network,
}

/// What becomes of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// They vanish: connects time out.
    Drop,
    /// They are answered: TCP by a reset, everything else by ICMP `admin-prohibited`.
    Reject,
}

impl Partition {
    pub(super) fn expected(&self) -> String {
        let what = match (self.how, self.network.direction) {
            (How::Drop, Direction::Both) => "nothing passes in either direction: connects time out",
            (How::Drop, Direction::Egress) => "nothing that the target sends arrives",
            (How::Drop, Direction::Ingress) => "nothing reaches the target",
            (How::Reject, Direction::Both | Direction::Egress) => "connects are refused at once",
            (How::Reject, Direction::Ingress) => "connects to the target are refused at once",
        };
        what.to_owned()
    }

    pub(super) fn changes(&self, scope: &Scope, host: bool) -> Vec<Change> {
        let (hook, verdict) = match self.how {
            How::Drop if host => (Hook::Stack, Verdict::Drop),
            How::Drop => (Hook::Device, Verdict::Drop),
            How::Reject => (Hook::Stack, Verdict::Reject),
        };
        vec![Change::Filter(Filter { hook, scope: scope.clone(), verdict })]
    }

    /// Effective once a packet was stopped and none was seen behind our rule.
    pub(super) fn effective(&self, readings: &[Reading]) -> Effective {
        Reading::filtered(readings).map_or(Effective::Unknown, |f| match (f.hit.packets(), f.passed.packets()) {
            (0, _) => Effective::False,
            (_, 0) => Effective::True,
            (_, _) => Effective::False,
        })
    }
}
