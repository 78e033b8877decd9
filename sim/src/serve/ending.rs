//! The last words of an agent that was asked to end.

use super::Serve;
use crate::agent::Node;
use crate::net::Net;
use crate::plant::Plant;
use std::time::Duration;

/// As the agent's own.
const LAST_REPORTS: Duration = Duration::from_secs(40);

impl Serve {
    pub(crate) fn stop(&mut self, node: &mut Node, net: &mut Net, now: Duration) {
        self.stopping = Some(now.saturating_add(LAST_REPORTS));
        self.forgetful = net.plant == Some(Plant::LastWord);
        let acts = self.desk.stop();
        self.carry_out(node, net, acts, now);
        self.due(node, net, now);
    }

    pub(crate) fn has_told_all(&self) -> bool {
        self.desk.is_empty() && (!self.owes_node || self.forgetful)
    }

    /// Returns whether it was asked to end, and has nothing more to say or no more time for it.
    pub(crate) fn is_over(&self, now: Duration) -> bool {
        self.stopping.is_some_and(|latest| self.has_told_all() || now >= latest)
    }

    /// Returns the UIDs of the injections whose end it knows.
    pub(crate) fn ends_told(&self) -> Vec<String> {
        let status = self.node.status(Vec::new(), self.desk.guard(), String::new());
        status.ended.into_iter().map(|ended| ended.uid).collect()
    }
}
