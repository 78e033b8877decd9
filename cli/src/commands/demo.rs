//! `rumpus demo`: see [`crate::demo`].

use crate::args::Global;
use crate::demo;
use crate::failure::Failure;

/// Shows the main job on services of its own, and puts everything back.
///
/// # Errors
/// It was refused before anything was made.
pub fn run(global: &Global) -> Result<u8, Failure> {
    demo::run(global)
}
