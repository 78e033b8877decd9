//! Looks for what faults have left on this host: ours, those of other instances, and those of other tools.
//!
//! Only looks. What others left is reported and must never be touched.

mod cgroups;
mod marks;
mod network;

use crate::kernel::netns::{self, NetNs};
use crate::kernel::proc;
use crate::resolve::chain;

/// Whose a leftover is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// Of the instance that asked.
    Ours(u32),
    OtherRumpus(u32),
    /// Of another tool, by its name or kind.
    Foreign(String),
}

impl Owner {
    fn rumpus(instance: u32, own: Option<u32>) -> Self {
        if own == Some(instance) { Self::Ours(instance) } else { Self::OtherRumpus(instance) }
    }
}

/// One thing that was left, or that still works.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Residue {
    pub owner: Owner,
    /// `table`, `chain`, `link`, `qdisc`, `set`, `process`, `cgroup`.
    pub kind: &'static str,
    /// The namespace or directory that it is in.
    pub place: String,
    pub what: String,
    /// Whether it has an effect now: an armed gate, a running worker, a qdisc, a frozen group.
    pub live: bool,
}

/// Returns what was found, and what could not be looked at.
///
/// Chains of the legacy iptables are invisible from outside; where its tables are in use, that is a problem told.
pub fn scan(own_instance: Option<u32>) -> (Vec<Residue>, Vec<String>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    match netns::all() {
        Err(error) => problems.push(chain(&error)),
        Ok(census) => {
            // PID 1 is in the host's namespace, which is found by a kernel thread where PID 1 may not be asked.
            let host = netns::host().is_ok_and(|host| census.found.iter().any(|(id, _)| host.same(id)));
            let unreadable = census.unreadable.iter().filter(|(path, _)| !(host && path.starts_with("/proc/1/")));
            problems.extend(unreadable.map(|(path, e)| format!("{}: {}", path.display(), chain(e))));
            for (id, path) in census.found {
                let place = path.display().to_string();
                match NetNs::open(path) {
                    Ok(netns) if netns.same_as(&id) => match netns.enter(|| network::look(&place, own_instance)) {
                        Ok((more, trouble)) => {
                            found.extend(more);
                            problems.extend(trouble);
                        }
                        Err(error) => problems.push(format!("{place}: {}", chain(&error))),
                    },
                    // It has gone since, and all that was in it.
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }
    match proc::scan() {
        Err(error) => problems.push(chain(&error)),
        Ok(processes) => {
            let live = processes.iter().filter(|process| !process.has_exited());
            found.extend(live.filter_map(|process| worker(process, own_instance)));
        }
    }
    cgroups::look(own_instance, &mut found, &mut problems);
    found.sort();
    found.dedup();
    (found, problems)
}

fn worker(process: &proc::ProcessFacts, own: Option<u32>) -> Option<Residue> {
    if !process.comm.starts_with("rumpus") {
        return None;
    }
    let instance = instance_of_worker(process.cmdline.as_deref()?)?;
    let what = format!("{}({})", process.comm, process.pid);
    Some(Residue { owner: Owner::rumpus(instance, own), kind: "process", place: "/proc".into(), what, live: true })
}

/// `… worker delay INSTANCE ID …`
fn instance_of_worker(cmdline: &str) -> Option<u32> {
    let mut words = cmdline.split(' ').skip_while(|word| *word != "worker").skip(1);
    (words.next()? == "delay").then(|| u32::from_str_radix(words.next()?, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_told_by_its_command_line() {
        assert_eq!(instance_of_worker("rumpus-worker worker delay 0000abcd 11223344 7 1"), Some(0xabcd));
        assert_eq!(instance_of_worker("rumpus run x worker"), None);
        assert_eq!(instance_of_worker("rumpus worker disk 1"), None);
    }

    #[test]
    fn an_instance_is_ours_only_if_it_is_the_one_that_asks() {
        assert_eq!(Owner::rumpus(7, Some(7)), Owner::Ours(7));
        assert_eq!(Owner::rumpus(7, Some(8)), Owner::OtherRumpus(7));
        assert_eq!(Owner::rumpus(7, None), Owner::OtherRumpus(7));
    }
}
