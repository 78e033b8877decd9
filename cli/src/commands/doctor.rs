//! `rumpus doctor`: what this machine can do, found out by trying.

use crate::args::Global;
use crate::commands::print;
use crate::failure::Failure;
use crate::render;
use rumpus_agent::probe;

/// Exit code when something lacks without which nothing works.
const MISSING: u8 = 3;

/// Looks at this machine.
///
/// # Errors
/// The result cannot be printed as asked.
pub fn run(global: &Global) -> Result<u8, Failure> {
    let checks = probe::doctor(&global.state_dir);
    print(global, &checks, || render::doctor::page(&checks))?;
    Ok(if checks.iter().any(|c| c.needed && !c.ok) { MISSING } else { 0 })
}
