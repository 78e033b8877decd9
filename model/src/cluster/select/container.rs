//! Which container of a pod is meant: the one that is named, or the only one. Never a guess.

use super::left_out::Reason;
use crate::cluster::pod::{Container, Role};
use crate::fault::Fault;

/// What a fault is about in a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<'w> {
    /// Several could be meant and none is named.
    Ambiguous,
    One(&'w Container),
    /// The fault is about the pod, not about a container of it.
    WholePod,
}

/// Chooses the container; init containers and sidecars are meant only when they are named.
///
/// # Errors
/// The pod has no such container, or it does not run.
pub(crate) fn choose<'w>(
    containers: &'w [Container],
    wanted: Option<&str>,
    fault: &Fault,
) -> Result<Choice<'w>, Reason> {
    let kill = match fault {
        Fault::Kill(_) => true,
        Fault::Latency(_) | Fault::Loss(_) | Fault::Partition(_) | Fault::PodDelete(_) | Fault::PodEvict(_) => false,
    };
    let chosen = match wanted {
        Some(name) => containers.iter().find(|c| &*c.name == name).ok_or(Reason::NoSuchContainer)?,
        None if !kill => return Ok(Choice::WholePod),
        None => {
            let mut apps = containers.iter().filter(|c| c.role == Role::App);
            match (apps.next(), apps.next()) {
                (Some(only), None) => only,
                (Some(_), Some(_)) => return Ok(Choice::Ambiguous),
                (None, _) => return Err(Reason::NoSuchContainer),
            }
        }
    };
    if kill && !(chosen.running && chosen.id.is_some()) {
        return Err(Reason::ContainerNotRunning);
    }
    Ok(Choice::One(chosen))
}
