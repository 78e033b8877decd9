//! Placeholder until its verb lands.
use crate::args::{Global, Halt};
use crate::failure::Failure;

/// Refuses.
///
/// # Errors
/// Always.
pub fn run(_global: &Global, _args: &Halt) -> Result<u8, Failure> {
    Err(Failure::refused("not built", "wait"))
}
