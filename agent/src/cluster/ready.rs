//! Readiness without a port: a file that the main loop keeps fresh, and a look at it.
//!
//! It cannot lie for long: it holds the clock's reading (CLOCK_BOOTTIME) of the last good round, and a reader that finds
//! it older than a lease says no. It is taken away while the admission guard is not proven.

use crate::kernel::timer::boottime;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

const FILE: &str = "ready";
const FRESH: &str = "ready.new";

/// Says that the last round was good, at `at`.
///
/// # Errors
/// The directory cannot be written.
pub fn write(dir: &Path, at: Duration) -> io::Result<()> {
    fs::write(dir.join(FRESH), format!("{}\n", at.as_millis()))?;
    fs::rename(dir.join(FRESH), dir.join(FILE))
}

/// Takes the file away; one that is not there is no error.
///
/// # Errors
/// The directory cannot be written.
pub fn clear(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Looks whether the last good round is younger than a lease.
///
/// # Errors
/// Why the agent is not ready.
pub fn check(dir: &Path, lease: Duration) -> Result<(), String> {
    let path = dir.join(FILE);
    let text = fs::read_to_string(&path).map_err(|e| format!("read {}: {e}", path.display()))?;
    let millis: u64 = text.trim().parse().map_err(|e| format!("{} holds no instant: {e}", path.display()))?;
    let age = boottime().checked_sub(Duration::from_millis(millis));
    match age {
        Some(age) if age < lease => Ok(()),
        Some(age) => Err(format!("the last good round was {} ms ago", age.as_millis())),
        None => Err("the last good round is of another boot".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fresh_instant_of_this_boot_is_ready() {
        let dir = tempfile::tempdir().unwrap();
        let lease = Duration::from_secs(15);
        let ready = || check(dir.path(), lease);
        assert!(ready().is_err());
        write(dir.path(), boottime()).unwrap();
        assert_eq!(ready(), Ok(()));
        write(dir.path(), boottime().saturating_sub(lease)).unwrap();
        assert!(ready().unwrap_err().contains("ago"));
        write(dir.path(), boottime() + lease).unwrap();
        assert!(ready().unwrap_err().contains("another boot"));
        fs::write(dir.path().join(FILE), "now").unwrap();
        assert!(ready().is_err());
        clear(dir.path()).unwrap();
        clear(dir.path()).unwrap();
        assert!(ready().is_err());
    }
}
