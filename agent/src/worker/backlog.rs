//! Which held packet is due when: the delay engine's schedule, without clock or socket.
//!
//! It must never put a packet behind a later one of the same direction unless `reorder` asks for it, and never lose
//! one: each id that goes in comes out exactly once.

use crate::kernel::nfqueue::{Direction, QueuedPacket};
use rumpus_model::change::Delay;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// How the packets that are due can be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Nothing is due.
    Nothing,
    /// Everything up to and including this id is due, and nothing else.
    Through(u32),
    /// The ids that were appended to the caller's list, in this order.
    Each,
}

/// A held packet. The derived order is by due time, then by arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    due: Duration,
    arrival: u64,
    id: u32,
}

/// Every packet that waits.
#[derive(Debug)]
pub struct Backlog {
    delay: Delay,
    random: Random,
    arrivals: u64,
    /// One line per direction, each in the order of arrival and of due time. Unused with `reorder`.
    lines: [VecDeque<Held>; 2],
    /// With `reorder`: by due time alone.
    heap: BinaryHeap<Reverse<Held>>,
}

impl Backlog {
    /// Returns an empty schedule that has room for a busy queue, so that the first packets need no memory.
    pub fn new(delay: Delay, seed: u64) -> Self {
        let (line, heap) = if delay.reorder { (0, 4096) } else { (4096, 0) };
        Self {
            delay,
            random: Random(seed),
            arrivals: 0,
            lines: [VecDeque::with_capacity(line), VecDeque::with_capacity(line)],
            heap: BinaryHeap::with_capacity(heap),
        }
    }

    /// Takes a packet that arrived at `now`.
    pub fn push(&mut self, packet: QueuedPacket, now: Duration) {
        let due = now + self.draw();
        self.arrivals += 1;
        let mut held = Held { due, arrival: self.arrivals, id: packet.id };
        if self.delay.reorder {
            self.heap.push(Reverse(held));
            return;
        }
        let line = &mut self.lines[line_of(packet.direction)];
        if let Some(last) = line.back() {
            held.due = held.due.max(last.due);
        }
        line.push_back(held);
    }

    /// Returns when the next packet is due.
    pub fn next_due(&self) -> Option<Duration> {
        let heap = self.heap.peek().map(|held| held.0.due);
        self.lines.iter().filter_map(|line| line.front().map(|held| held.due)).chain(heap).min()
    }

    /// Takes out what is due at `now`: how many, how to release them, and by how much the earliest is late.
    pub fn release(&mut self, now: Duration, ids: &mut Vec<u32>) -> (Release, Duration) {
        ids.clear();
        let mut newest: Option<Held> = None;
        let mut late = Duration::ZERO;
        while let Some(held) = self.pop_due(now) {
            late = late.max(now.saturating_sub(held.due));
            if newest.is_none_or(|newest| newest.arrival < held.arrival) {
                newest = Some(held);
            }
            ids.push(held.id);
        }
        let release = match newest {
            None => Release::Nothing,
            Some(newest) if self.all_held_came_after(newest.arrival) => Release::Through(newest.id),
            Some(_) => Release::Each,
        };
        (release, late)
    }

    pub fn len(&self) -> usize {
        self.heap.len() + self.lines.iter().map(VecDeque::len).sum::<usize>()
    }

    /// Forgets every packet; for when all were released at once.
    pub fn clear(&mut self) {
        self.lines.iter_mut().for_each(VecDeque::clear);
        self.heap.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn pop_due(&mut self, now: Duration) -> Option<Held> {
        if self.heap.peek().is_some_and(|held| held.0.due <= now) {
            return self.heap.pop().map(|held| held.0);
        }
        let first = self
            .lines
            .iter_mut()
            .filter(|line| line.front().is_some_and(|held| held.due <= now))
            .min_by_key(|line| line.front().copied());
        first.and_then(VecDeque::pop_front)
    }

    /// The kernel releases a range in the order of arrival, so a range is right only where that is the order that is
    /// due; with `reorder` it never is.
    fn all_held_came_after(&self, arrival: u64) -> bool {
        !self.delay.reorder && self.lines.iter().all(|line| line.front().is_none_or(|held| held.arrival > arrival))
    }

    /// Draws one delay, uniform over `delay ± jitter` and never negative.
    fn draw(&mut self) -> Duration {
        let jitter = u64::try_from(self.delay.jitter.as_nanos()).unwrap_or(u64::MAX);
        if jitter == 0 {
            return self.delay.delay;
        }
        let drawn = self.random.below(jitter.saturating_mul(2).saturating_add(1));
        (self.delay.delay + Duration::from_nanos(drawn)).saturating_sub(self.delay.jitter)
    }
}

fn line_of(direction: Direction) -> usize {
    match direction {
        Direction::In => 0,
        Direction::Out => 1,
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough for jitter, and reproducible from its seed.
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// Returns a number below `bound`. The bias of the multiplication is below `bound / 2^64`.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        u64::try_from((u128::from(z) * u128::from(bound)) >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn backlog(delay: u32, jitter: u32, reorder: bool) -> Backlog {
        Backlog::new(Delay { delay: MS * delay, jitter: MS * jitter, reorder }, 1)
    }

    fn packet(id: u32, direction: Direction) -> QueuedPacket {
        QueuedPacket { id, direction }
    }

    #[test]
    fn a_constant_delay_is_released_as_one_range() {
        let mut backlog = backlog(10, 0, false);
        for id in 1..=5 {
            backlog.push(packet(id, if id % 2 == 0 { Direction::In } else { Direction::Out }), MS * id);
        }
        let mut ids = Vec::new();
        assert_eq!(backlog.next_due(), Some(MS * 11));
        assert_eq!(backlog.release(MS * 10, &mut ids), (Release::Nothing, Duration::ZERO));
        assert_eq!(backlog.release(MS * 13, &mut ids), (Release::Through(3), MS * 2));
        assert_eq!(ids, [1, 2, 3]);
        assert_eq!(backlog.len(), 2);
    }

    #[test]
    fn a_range_is_never_used_over_a_packet_that_is_not_due() {
        let mut backlog = backlog(10, 0, false);
        backlog.lines[0].push_back(Held { due: MS * 50, arrival: 1, id: 1 });
        backlog.lines[1].push_back(Held { due: MS * 20, arrival: 2, id: 2 });
        let mut ids = Vec::new();
        assert_eq!(backlog.release(MS * 20, &mut ids).0, Release::Each);
        assert_eq!(ids, [2]);
    }

    proptest! {
        #[test]
        fn each_packet_comes_out_once_within_its_bounds_and_in_order(
            jitter in 0u32..20, reorder: bool, seed: u64, gaps in proptest::collection::vec((0u32..3000, any::<bool>()), 1..200)
        ) {
            let delay = Delay { delay: MS * 10, jitter: MS * jitter, reorder };
            let mut backlog = Backlog::new(delay, seed);
            let (mut now, mut out, mut ids) = (Duration::ZERO, Vec::new(), Vec::new());
            let mut entered = Vec::new();
            for (id, (gap, inwards)) in (0u32..).zip(&gaps) {
                now += Duration::from_micros(u64::from(*gap));
                backlog.push(packet(id, if *inwards { Direction::In } else { Direction::Out }), now);
                entered.push(now);
                backlog.release(now, &mut ids);
                out.extend(ids.iter().map(|id| (*id, now)));
            }
            while let Some(due) = backlog.next_due() {
                backlog.release(due, &mut ids);
                out.extend(ids.iter().map(|id| (*id, due)));
            }
            prop_assert_eq!(out.len(), gaps.len());
            prop_assert!(backlog.is_empty());
            for direction in [true, false] {
                let line: Vec<u32> =
                    out.iter().map(|(id, _)| *id).filter(|id| gaps[*id as usize].1 == direction).collect();
                let mut sorted = line.clone();
                sorted.sort_unstable();
                sorted.dedup();
                prop_assert!(reorder || line == sorted, "{:?}", line);
                prop_assert_eq!(sorted.len(), line.len());
            }
            for (id, at) in out {
                let held = at - entered[id as usize];
                prop_assert!(held >= (MS * 10).saturating_sub(delay.jitter));
                if reorder || jitter == 0 {
                    // Up to the next look at the schedule, at most one gap later.
                    prop_assert!(held <= MS * 10 + delay.jitter + MS * 3);
                }
            }
        }
    }
}
