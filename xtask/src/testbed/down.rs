//! Takes the testbed down and leaves nothing of it, whatever `up` had done of it.

use anyhow::{Result, bail};

use super::folder::Folder;
use super::{cgroup, network, part, tunables};

/// Ends all processes, then removes what they leave; goes on after a failure and reports every one.
pub(crate) fn run(folder: &Folder) -> Result<()> {
    let mut failures = Vec::new();
    let mut step = |what: &str, outcome: Result<()>| {
        if let Err(error) = outcome {
            failures.push(format!("{what}: {error:#}"));
        }
    };
    // A node's mounts and namespaces go with its last process.
    match part::kill_all() {
        Ok(count) => println!("   ended {count} processes"),
        Err(error) => step("processes", Err(error)),
    }
    step("network", network::remove());
    step("control groups", cgroup::remove());
    step("kernel settings", tunables::restore(folder));
    if !failures.is_empty() {
        bail!("the run folder is kept for another try:\n{}", failures.join("\n"));
    }
    folder.remove()?;
    println!("   the testbed is down");
    Ok(())
}
