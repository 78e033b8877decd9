//! Placeholder until its verb lands.
use crate::args::Global;
use crate::failure::Failure;

/// Refuses.
///
/// # Errors
/// Always.
pub fn run(_global: &Global) -> Result<u8, Failure> {
    Err(Failure::refused("not built", "wait"))
}
