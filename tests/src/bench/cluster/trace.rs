//! What became of numbered datagrams, and where that shows that a flow was lost or good again.
//!
//! Pure. An instant is the one at which a datagram was sent, so it is never earlier than the truth and at most one
//! period of the probe later.

use std::time::Duration;

/// So many in a row have to be lost: a single one is no partition.
const LOST: usize = 5;

/// What became of each datagram of a flow: when it was sent (CLOCK_BOOTTIME), and whether it arrived.
#[derive(Debug, Default)]
pub(super) struct Trace(Vec<(Duration, bool)>);

/// Where a flow changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    /// When the first datagram was sent that met it.
    pub at: Duration,
    /// How long before that the one before it was sent: so much earlier it may have been.
    pub gap: Duration,
}

impl Trace {
    /// Notes that the next datagram is sent now.
    pub(super) fn sent(&mut self, at: Duration) {
        self.0.push((at, false));
    }

    /// Returns how many were sent.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Notes that this datagram has arrived, and returns when it was sent.
    pub(super) fn arrived(&mut self, number: usize) -> Option<Duration> {
        let (sent, arrived) = self.0.get_mut(number)?;
        *arrived = true;
        Some(*sent)
    }

    /// Returns where the flow was lost after this instant.
    pub(super) fn lost(&self, after: Duration) -> Option<Edge> {
        self.edge(after, |rest| rest.len() >= LOST && rest.iter().take(LOST).all(|(_, arrived)| !arrived))
    }

    /// Returns where the flow was good again after this instant.
    pub(super) fn good(&self, after: Duration) -> Option<Edge> {
        self.edge(after, |rest| rest.first().is_some_and(|(_, arrived)| *arrived))
    }

    fn edge(&self, after: Duration, met: impl Fn(&[(Duration, bool)]) -> bool) -> Option<Edge> {
        let begin = self.0.partition_point(|(sent, _)| *sent < after);
        let found = (begin..self.0.len()).find(|index| self.0.get(*index..).is_some_and(&met))?;
        let at = self.0.get(found)?.0;
        let before = found.checked_sub(1).and_then(|index| self.0.get(index)).map_or(at, |(sent, _)| *sent);
        Some(Edge { at, gap: at.saturating_sub(before) })
    }
}

/// Returns where each of these flows changed after this instant; `None` if one of them did not.
pub(super) fn edges(
    traces: &[Trace],
    after: Duration,
    edge: fn(&Trace, Duration) -> Option<Edge>,
) -> Option<Vec<Edge>> {
    traces.iter().map(|trace| edge(trace, after)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(arrived: &str) -> Trace {
        Trace((0..).map(Duration::from_millis).zip(arrived.chars().map(|one| one == '+')).collect())
    }

    fn edge(at: u64) -> Option<Edge> {
        Some(Edge { at: Duration::from_millis(at), gap: Duration::from_millis(1) })
    }

    #[test]
    fn a_flow_is_lost_at_the_first_of_several_and_not_at_a_single_one() {
        let trace = trace("++-+++------+++");
        assert_eq!(trace.lost(Duration::ZERO), edge(6));
        assert_eq!(trace.good(Duration::from_millis(7)), edge(12));
        assert_eq!(trace.lost(Duration::from_millis(12)), None);
    }

    #[test]
    fn what_was_lost_before_the_question_is_no_edge_of_its_own() {
        assert_eq!(trace("----------").good(Duration::ZERO), None);
        assert_eq!(trace("++++").lost(Duration::ZERO), None);
    }
}
