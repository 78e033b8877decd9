//! Placeholder until its verb lands.
use crate::args::{Global, Residue};
use crate::failure::Failure;

/// Refuses.
///
/// # Errors
/// Always.
pub fn run(_global: &Global, _args: &Residue) -> Result<u8, Failure> {
    Err(Failure::refused("not built", "wait"))
}
