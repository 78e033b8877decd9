//! Whether a demo may begin: nothing is halted, no other demo lives, and its names are free.
//!
//! It must never take away what it cannot prove to be a dead demo's.

use super::marker::{self, Marker};
use super::namespace;
use super::show::Show;
use crate::args::Global;
use crate::failure::Failure;
use crate::local;
use rumpus_model::world::Halted;

/// Takes the demo's names, after what a killed demo left has been taken away.
///
/// # Errors
/// Another demo lives, or the names are somebody else's.
pub fn claim(show: &Show) -> Result<Marker, Failure> {
    let failed = |what: &str, why: String| Failure::refused(format!("{what}: {why}"), "see `rumpus residue`");
    let found = marker::find().map_err(|e| failed("look for other demos", e.to_string()))?;
    if let Some(living) = found.living.first() {
        let hint = format!("wait for it, or `rumpus halt --state-dir {}`", living.display());
        return Err(Failure::refused("another demo is running", hint));
    }
    for dead in found.dead {
        show.say(&format!("removing what a killed demo left: {}", dead.dir.display()));
        let problems = dead.remove();
        if !problems.is_empty() {
            return Err(failed("remove what a killed demo left", problems.join("; ")));
        }
    }
    let taken = namespace::taken();
    if let Some(name) = taken.first() {
        let hint = format!("they are not a demo's; if nobody needs them: ip netns delete {name}");
        return Err(Failure::refused(format!("network namespaces are there already: {}", taken.join(", ")), hint));
    }
    let directory = namespace::missing().map_err(|e| failed("look at /run/netns", e.to_string()))?;
    Marker::make(directory).map_err(|e| failed("make the demo's state directory", e.to_string()))
}

/// Sees that nobody has halted the state directory that `run` would use.
///
/// # Errors
/// It is halted, or that is unknown.
pub fn not_halted(global: &Global) -> Result<(), Failure> {
    let dir = global.state_dir.display();
    match local::halted(global) {
        Ok(Halted::No) => Ok(()),
        Ok(Halted::Yes { reason, .. }) => {
            let hint = format!("`rumpus resume --state-dir {dir}` lifts it, if you may");
            Err(Failure::refused(format!("{dir} is halted: {reason}"), hint))
        }
        Ok(Halted::Unreadable { why }) | Err(why) => {
            let hint = "nothing begins as long as it is unknown whether it is halted";
            Err(Failure::refused(format!("the halt of {dir} cannot be read: {why}"), hint))
        }
    }
}
