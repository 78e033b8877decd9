//! What will happen, by time. Of what happens at the same instant the seed decides the order.

use crate::rng::Rng;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// What will happen, earliest first.
#[derive(Debug)]
pub struct Queue<E> {
    heap: BinaryHeap<Entry<E>>,
    ties: Rng,
    next: u64,
}

#[derive(Debug)]
struct Entry<E> {
    key: (Duration, u64, u64),
    event: E,
}

impl<E> Queue<E> {
    pub fn new(seed: u64) -> Self {
        Self { heap: BinaryHeap::new(), ties: Rng::new(seed, "ties"), next: 0 }
    }

    pub fn push(&mut self, at: Duration, event: E) {
        self.next += 1;
        let key = (at, self.ties.draw(), self.next);
        self.heap.push(Entry { key, event });
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
