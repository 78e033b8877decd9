//! What will happen, by time. Of what happens at the same instant the seed decides, for each instant anew, whether the
//! first or the last that was asked for comes first.

use crate::rng::Rng;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// What will happen, earliest first.
#[derive(Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Entry<E>>,
    seed: u64,
    next: u64,
}

#[derive(Debug)]
struct Entry<E> {
    key: (Duration, u64),
    event: E,
}

impl<E> Queue<E> {
    pub fn new(seed: u64) -> Self {
        Self { heap: BinaryHeap::new(), seed, next: 0 }
    }

    pub fn push(&mut self, at: Duration, event: E) {
        self.next += 1;
        let instant = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        let last_first = Rng::at(self.seed, instant).chance(500);
        let key = (at, if last_first { u64::MAX - self.next } else { self.next });
        self.heap.push(Entry { key, event });
    }

    pub fn len(&self) -> usize {
        self.heap.len()
    }

    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Takes all that happens next at the same instant, in the order in which it was asked for.
    pub fn pop_instant(&mut self) -> Option<(Duration, Vec<(u64, E)>)> {
        let at = self.heap.peek()?.key.0;
        let mut all = Vec::new();
        while self.heap.peek().is_some_and(|e| e.key.0 == at) {
            all.extend(
                self.heap.pop().map(|e| (if e.key.1 > u64::MAX / 2 { u64::MAX - e.key.1 } else { e.key.1 }, e.event)),
            );
        }
        all.sort_by_key(|(number, _)| *number);
        Some((at, all))
    }

    /// Puts back what was taken.
    pub fn put_back(&mut self, at: Duration, all: Vec<(u64, E)>) {
        self.heap.extend(all.into_iter().map(|(number, event)| Entry { key: (at, number), event }));
    }

    /// Returns all that will happen, in its order.
    pub fn all(&self) -> Vec<(Duration, &E)> {
        let mut all: Vec<&Entry<E>> = self.heap.iter().collect();
        all.sort_by_key(|e| e.key);
        all.into_iter().map(|e| (e.key.0, &e.event)).collect()
    }

    pub fn pop(&mut self) -> Option<(Duration, E)> {
        self.heap.pop().map(|e| (e.key.0, e.event))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}
