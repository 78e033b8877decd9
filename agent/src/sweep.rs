//! Takes away what is left of an instance: at start, each minute, and on demand. Only names that carry the instance's
//! id are touched; errors are collected, and the rest goes on.

use crate::core::Outcome;
use crate::hands::Names;
use crate::kernel::link::{self, IfbName};
use crate::kernel::netns::{self, NetNs};
use crate::kernel::nft::{self, NftError};
use crate::kernel::pidfd::{Identity, Pinned};
use crate::kernel::proc;
use crate::resolve::chain;
use crate::testing::{Sabotage, sabotaged};
use nix::errno::Errno;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a killed worker may take to be gone.
const WORKER_GONE: Duration = Duration::from_secs(2);

/// Sweeps every namespace of the machine and every worker of ours, but for the ids in `keep`.
pub fn sweep(instance: u32, keep: &BTreeSet<String>) -> Outcome {
    let mut found = Vec::new();
    let mut failed = Vec::new();
    if sabotaged(Sabotage::NoRestore) {
        return Outcome::Swept { found, failed };
    }
    let census = match netns::all() {
        Ok(census) => census,
        Err(error) => return Outcome::Failed { why: chain(&error) },
    };
    for (id, path) in census.found {
        let place = path.display().to_string();
        match NetNs::open(path) {
            Ok(netns) if netns.same_as(&id) => one(&netns, instance, keep, &place, &mut found, &mut failed),
            // It has gone since, and all that was in it.
            Ok(_) | Err(_) => {}
        }
    }
    workers(instance, keep, &mut found, &mut failed);
    Outcome::Swept { found, failed }
}

fn one(
    netns: &NetNs,
    instance: u32,
    keep: &BTreeSet<String>,
    place: &str,
    found: &mut Vec<String>,
    failed: &mut Vec<String>,
) {
    let kept: Vec<Names> = keep.iter().filter_map(|id| Names::new(instance, id)).collect();
    let swept = netns.enter(|| {
        let (mut done, mut problems) = (Vec::new(), Vec::new());
        // The table first: a link that is deleted while a gate feeds it would lose every packet.
        match nft::list() {
            Err(error) => problems.push(format!("{place}: {}", chain(&error))),
            Ok(tables) => {
                for (family, table) in tables.into_iter().filter(|(_, t)| t.instance == instance) {
                    if kept.iter().any(|k| k.table == table) {
                        continue;
                    }
                    match nft::delete(&table, &[family]) {
                        Ok(()) => done.push(format!("table {table} in {place}")),
                        Err(NftError::Gone { .. }) => {}
                        Err(error) => problems.push(format!("table {table} in {place}: {}", chain(&error))),
                    }
                }
            }
        }
        let prefix = IfbName::prefix(instance);
        match link::devices() {
            Err(error) => problems.push(format!("{place}: {}", chain(&error))),
            Ok(devices) => {
                let is_kept = |name: &str| kept.iter().any(|k| k.egress.as_str() == name || k.ingress.as_str() == name);
                for device in devices.iter().filter(|d| link::is_ours(d) && d.name.starts_with(&prefix)) {
                    if is_kept(&device.name) {
                        continue;
                    }
                    match link::delete_ours(device) {
                        Ok(()) => done.push(format!("device {} in {place}", device.name)),
                        Err(error) if error.errno() == Some(Errno::ENODEV) => {}
                        Err(error) => problems.push(format!("device {} in {place}: {}", device.name, chain(&error))),
                    }
                }
            }
        }
        (done, problems)
    });
    match swept {
        Ok((done, problems)) => {
            found.extend(done);
            failed.extend(problems);
        }
        Err(error) => failed.push(format!("{place}: {}", chain(&error))),
    }
}

/// Kills the workers of an instance that no agent holds any more.
fn workers(instance: u32, keep: &BTreeSet<String>, found: &mut Vec<String>, failed: &mut Vec<String>) {
    let processes = match proc::scan() {
        Ok(processes) => processes,
        Err(error) => return failed.push(chain(&error)),
    };
    let boot_id = proc::boot_id().unwrap_or_default();
    for process in processes {
        let Some(id) = worker_of(process.cmdline.as_deref().unwrap_or_default(), instance) else { continue };
        if keep.contains(&id) || process.has_exited() {
            continue;
        }
        let Ok(pinned) = Pinned::open(&Identity::of(&process, &boot_id)) else { continue };
        let killed = pinned.signal(Signal::KILL).and_then(|()| pinned.wait_gone(WORKER_GONE));
        match killed {
            Ok(true) => found.push(format!("worker {id} (process {})", process.pid)),
            Ok(false) => failed.push(format!("worker {id} (process {}) was killed and is still there", process.pid)),
            Err(_gone_meanwhile) => {}
        }
    }
}

/// Returns the id of an instance's worker from its command line: `rumpus-worker worker delay INSTANCE ID …`.
pub fn worker_of(cmdline: &str, instance: u32) -> Option<String> {
    let mut words = cmdline.split(' ').skip_while(|w| *w != "delay").skip(1);
    let owner = words.next()?;
    let id = words.next()?;
    let ours = cmdline.starts_with("rumpus-worker ") && u32::from_str_radix(owner, 16).ok() == Some(instance);
    ours.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::worker_of;

    #[test]
    fn only_a_worker_of_the_instance_is_recognised() {
        let line = "rumpus-worker worker delay 0000abcd 11223344 7 1 0 ordered 5 6";
        assert_eq!(worker_of(line, 0xabcd).as_deref(), Some("11223344"));
        assert_eq!(worker_of(line, 0xabce), None);
        assert_eq!(worker_of("cat delay 0000abcd 11223344", 0xabcd), None);
    }
}
