//! The supervisor: keeps three api processes running, and starts a new one in place of each that dies.

use super::{API_PORTS, Role, command, line, tell};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// From a death to the new process, as a supervisor has to wait in case it dies at once again.
const BACKOFF: Duration = Duration::from_millis(400);
const LOOK_EACH: Duration = Duration::from_millis(10);

struct Slot {
    port: u16,
    child: Option<Child>,
    died: Option<(u32, Instant)>,
}

/// Runs until the lifeline ends; then its processes end too, by the same lifeline.
///
/// # Errors
/// A process cannot be started at all.
pub fn run(netns: &Path) -> Result<(), String> {
    let mut slots = Vec::new();
    for port in API_PORTS {
        let child = start(port, netns, None)?;
        slots.push(Slot { port, child: Some(child), died: None });
    }
    tell(&line::ready());
    while !lifeline_ended() {
        for slot in &mut slots {
            look(slot, netns)?;
        }
    }
    for slot in &mut slots {
        if let Some(child) = &mut slot.child {
            // It may have ended by the lifeline meanwhile.
            drop(child.kill());
            drop(child.wait());
        }
    }
    Ok(())
}

fn look(slot: &mut Slot, netns: &Path) -> Result<(), String> {
    if let Some(child) = &mut slot.child
        && child.try_wait().map_err(|e| format!("look after an api process: {e}"))?.is_some()
    {
        slot.died = Some((child.id(), Instant::now()));
        slot.child = None;
    }
    if let Some((pid, at)) = slot.died
        && at.elapsed() >= BACKOFF
    {
        slot.child = Some(start(slot.port, netns, Some(pid))?);
        slot.died = None;
    }
    Ok(())
}

fn start(port: u16, netns: &Path, instead_of: Option<u32>) -> Result<Child, String> {
    let mut command = command(Role::Api, netns, Some(port));
    // The demo hears each api process say that it is ready, on the supervisor's own output.
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit());
    let child = command.spawn().map_err(|e| format!("start an api process: {e}"))?;
    tell(&line::started(port, child.id(), instead_of));
    Ok(child)
}

/// Waits a little, and says whether the demo is gone.
fn lifeline_ended() -> bool {
    let most = Timespec::try_from(LOOK_EACH).ok();
    let stdin = std::io::stdin();
    let mut lifeline = [PollFd::new(&stdin, PollFlags::IN)];
    // Nothing is ever written to it: whatever there is to read is its end.
    matches!(poll(&mut lifeline, most.as_ref()), Ok(1..))
}
