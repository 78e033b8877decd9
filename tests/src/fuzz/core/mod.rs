//! The agent's reconciler under any sequence of events, with a kernel and a journal that fail in any way.
//!
//! ```text
//! bytes -> play: events, and how each command goes -> Core::step -> rules: what no command and no attestation may say
//!                          | world: what is really there
//! ```
//! Unlike the simulator it has neither a cluster nor a desk around the reconciler: events come in any order, answers of
//! any kind to any question, and a fuzzer looks for the sequences.

mod injection;
mod play;
mod rules;
mod world;

use super::draw::Draw;
use play::Play;
pub(crate) use world::World;

/// Most events of one play.
const EVENTS: usize = 400;

/// Plays one sequence, and then lets everything come to rest.
pub fn core(data: &[u8]) {
    let mut draw = Draw::new(data);
    let mut play = Play::new(&mut draw);
    for _ in 0..EVENTS {
        if draw.is_used_up() {
            break;
        }
        play.next(&mut draw);
    }
    play.rest();
}
