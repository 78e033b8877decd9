//! The `rumpus` command, as a library so that its text can be tested.

pub mod render;
