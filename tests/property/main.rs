//! Property tests: what holds for every input, not for three of them.

mod clusters;
mod fuzz;
mod picks;
mod policies;
mod selection;
