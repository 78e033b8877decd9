//! What Rumpus decides: nouns and pure decisions. No I/O, no clock, no randomness of its own; `now` and `seed` are
//! arguments.
//!
//! # Glossary
//! | word | meaning |
//! |---|---|
//! | Policy | what may run, and when: an experiment and its schedule |
//! | Experiment | what is tried: targets, pick, faults, duration, limits, steady state |
//! | Run | one experiment carried out |
//! | Injection | one run's share on one node |
//! | Halt | the lever: while it stands nothing is injected, and everything ends |
//! | World | the snapshot that a decision may look at |
//! | Target | one thing to hit, pinned |
//! | Plan | fully specified: nothing is left to choose when it is carried out |
//! | Fault | what is done, with its parameters |
//! | Gate | what must be well before a run begins |
//! | Change | one step on a node's kernel |
//! | Engine | one way to make a Change on this kernel |
//! | Evidence, Reading | what was read back |
//! | Blast radius | how much is under fault at once, over all runs together |
//! | Refusal | a "no" as a value, with its facts |
//! | Lease | the right to keep a fault alive; it ends by itself |
//! | Verdict | about the hypothesis, apart from the fault's state |

pub mod change;
pub mod cluster;
pub mod duration;
pub mod engine;
pub mod evidence;
pub mod fault;
pub mod faults;
pub mod gate;
pub mod guard;
pub mod halt;
pub mod injection;
mod number;
pub mod pick;
pub mod plan;
pub mod policy;
pub mod rank;
pub mod refusal;
pub mod run;
pub mod schedule;
pub mod scope;
pub mod select;
pub mod target;
pub mod wire;
pub mod world;
