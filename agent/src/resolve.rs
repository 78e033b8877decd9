//! Target -> the real thing, compared with what was planned. Opened for one action and closed after it: a namespace
//! that is held open would outlive its pod.

use crate::core::Outcome;
use crate::kernel::netns::{self, NetNs};
use crate::kernel::pidfd::{Identity, PidfdError, Pinned};
use crate::kernel::proc;
use rumpus_model::target::{NetNsTarget, ProcessTarget, Via};
use std::path::{Path, PathBuf};

/// Where `ip netns` keeps its names.
pub const NAMED: &str = "/run/netns";

/// Opens a planned namespace, wherever it can still be reached.
///
/// # Errors
/// [`Outcome::TargetGone`] where no process but ours is in it and its name is gone or means another one.
pub fn netns(target: &NetNsTarget) -> Result<NetNs, Outcome> {
    let path = match &target.via {
        Via::Host => None,
        Via::Name(name) => Some(Path::new(NAMED).join(name)),
        Via::Process(process) => Some(PathBuf::from(format!("/proc/{}/ns/net", process.pid))),
    };
    let opened = match path {
        None => netns::open_host(),
        Some(path) => NetNs::open(path),
    };
    match opened {
        Ok(found) if found.same_as(&target.id) => Ok(found),
        Ok(_) | Err(_) if !target.host => by_any_process(target),
        Ok(_) => Err(gone("the host's network namespace is another one".into())),
        Err(error) => Err(Outcome::Failed { why: chain(&error) }),
    }
}

/// Looks for a process in the namespace that is not ours: our own worker must not keep a dead namespace alive.
fn by_any_process(target: &NetNsTarget) -> Result<NetNs, Outcome> {
    let processes = proc::scan().map_err(|e| Outcome::Failed { why: chain(&e) })?;
    let inside =
        processes.iter().filter(|p| p.netns == Some((target.id.dev, target.id.ino)) && !p.comm.starts_with("rumpus"));
    for process in inside {
        if let Ok(found) = NetNs::of_pid(process.pid)
            && found.same_as(&target.id)
        {
            return Ok(found);
        }
    }
    Err(gone(format!("no name and no process leads to {} any more", target.id)))
}

/// Pins a planned process by a pidfd and sees that it is the one that was planned.
///
/// # Errors
/// [`Outcome::TargetGone`] where it is gone, or its pid means another process.
pub fn process(target: &ProcessTarget) -> Result<Pinned, Outcome> {
    let Ok(pid) = u32::try_from(target.id.pid) else { return Err(gone("no such pid".into())) };
    let expected = Identity {
        pid,
        start: target.id.start,
        boot_id: target.boot_id.clone(),
        comm: Some(target.comm.clone()),
        cgroup: Some(target.cgroup.clone()),
        inode: None,
    };
    Pinned::open(&expected).map_err(|error| match error {
        PidfdError::Gone { .. } | PidfdError::NotTheSame { .. } => gone(chain(&error)),
        PidfdError::Denied { .. } | PidfdError::Read { .. } | PidfdError::Os { .. } => {
            Outcome::Failed { why: chain(&error) }
        }
    })
}

/// Says that the target is gone.
pub fn gone(what: String) -> Outcome {
    Outcome::TargetGone { what }
}

/// Writes an error with its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text += &format!(": {source}");
        cause = source.source();
    }
    text
}
