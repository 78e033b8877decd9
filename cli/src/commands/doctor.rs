//! `rumpus doctor`: what this machine can do, found out by trying.

use crate::args::Global;
use crate::commands::print;
use crate::failure::Failure;
use crate::render;
use rumpus_agent::probe;
use serde::Serialize;

/// Exit code when something lacks without which nothing works.
const MISSING: u8 = 3;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    pub name: String,
    /// Nothing works without it; the others cost some faults only.
    pub needed: bool,
    pub ok: bool,
    pub detail: String,
    /// What to do; empty where it is all right.
    pub hint: String,
}

/// Looks at this machine.
///
/// # Errors
/// The result cannot be printed as asked.
pub fn run(global: &Global) -> Result<u8, Failure> {
    let found = probe::doctor(&global.state_dir).into_iter();
    let checks: Vec<Check> =
        found.map(|c| Check { name: c.name, needed: c.needed, ok: c.ok, detail: c.detail, hint: c.hint }).collect();
    print(global, &checks, || render::doctor::page(&checks))?;
    Ok(if checks.iter().any(|c| c.needed && !c.ok) { MISSING } else { 0 })
}
