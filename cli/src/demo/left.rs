//! The last look for what the demo's agent might have left, before the namespaces go.

use crate::args::Global;
use rumpus_agent::core::Outcome as Did;
use rumpus_agent::state_dir::Observer;
use rumpus_agent::sweep;
use std::collections::BTreeSet;

/// Looks in all namespaces of the machine for what the demo's agent might have left.
///
/// # Errors
/// It cannot be seen, or what was found cannot be taken away.
pub fn sweep_again(global: &Global) -> Result<Vec<String>, String> {
    let dir = Observer::open(&global.state_dir).map_err(|e| e.to_string())?.ok_or("the state directory is gone")?;
    let instance = dir.instance().map_err(|e| e.to_string())?.ok_or("it has no instance id")?;
    let instance = u32::from_str_radix(&instance, 16).map_err(|e| e.to_string())?;
    match sweep::sweep(instance, &BTreeSet::new()) {
        Did::Swept { found, failed } if failed.is_empty() => Ok(found),
        Did::Swept { failed, .. } => Err(failed.join("; ")),
        Did::Failed { why } => Err(why),
        odd @ (Did::Ok
        | Did::Halt(_)
        | Did::Leave(_)
        | Did::Read(_)
        | Did::TargetGone { .. }
        | Did::Vanished { .. }) => Err(format!("a sweep cannot end as {odd:?}")),
    }
}
