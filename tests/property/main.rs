//! Property tests: what holds for every input, not for three of them.

mod policies;
mod selection;
