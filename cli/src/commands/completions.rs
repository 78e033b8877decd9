//! Placeholder until its verb lands.
use crate::failure::Failure;

/// Refuses.
///
/// # Errors
/// Always.
pub fn run(_shell: clap_complete::Shell) -> Result<u8, Failure> {
    Err(Failure::refused("not built", "wait"))
}
