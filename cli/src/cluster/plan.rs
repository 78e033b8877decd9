//! `rumpus plan` in a cluster: not known yet. It must never show a list that the controller would not choose.

use super::place::ClusterFlags;
use crate::args::{Global, Plan as Args};
use crate::failure::Failure;

/// Says what to use instead.
///
/// # Errors
/// Always.
pub fn run(_global: &Global, _which: &ClusterFlags, args: &Args) -> Result<u8, Failure> {
    let hint =
        format!("`rumpus run {}` without --arm is a dry run: the controller plans, and nothing is done", args.what);
    Err(Failure::refused("plan is not known in a cluster yet", hint))
}
