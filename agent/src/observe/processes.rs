//! Processes and users as the model wants them.
//!
//! It must never fill in a value for one that could not be read.

use super::ObserveError;
use crate::kernel::cgroup::container_of;
use crate::kernel::proc::{self, ProcError, ProcessFacts};
use rumpus_model::target::{NetNsId, ProcessId};
use rumpus_model::world::Process;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Bit `n - 1` is signal `n` (signal(7)).
const SIGKILL: u64 = 1 << (9 - 1);
const SIGSTOP: u64 = 1 << (19 - 1);

/// Lists all processes; each has a readable status.
pub(super) fn scan() -> Result<Vec<ProcessFacts>, ObserveError> {
    let mut all = Vec::new();
    for facts in proc::scan().map_err(ObserveError::Processes)? {
        let pid = facts.pid;
        if facts.uid.is_some() {
            all.push(facts);
            continue;
        }
        // It exited between two of its files, unless it is still there.
        match proc::one(pid) {
            Ok(again) if again.uid.is_some() => all.push(again),
            Ok(_) => return Err(ObserveError::Status { pid }),
            Err(ProcError::Gone { .. }) => {}
            Err(error) => return Err(ObserveError::Processes(error)),
        }
    }
    Ok(all)
}

/// Turns facts into the model's process. `cookies` are the namespaces that were visited, by device and inode: the
/// model compares ids as a whole.
pub(super) fn process(facts: &ProcessFacts, cookies: &BTreeMap<(u64, u64), NetNsId>) -> Result<Process, ObserveError> {
    let (Some(uid), Ok(pid), Ok(ppid)) = (facts.uid, i32::try_from(facts.pid), i32::try_from(facts.ppid)) else {
        return Err(ObserveError::Status { pid: facts.pid });
    };
    let netns = facts.netns.map(|(dev, ino)| {
        let unvisited = NetNsId { dev, ino, cookie: None };
        cookies.get(&(dev, ino)).copied().unwrap_or(unvisited)
    });
    // A path that climbs says nothing about where the process is.
    let trusted = facts.cgroup.as_ref().and_then(|paths| Some((paths, container_of(paths).ok()?)));
    let container = trusted.as_ref().and_then(|(_, found)| found.as_ref()).filter(|found| !found.ours);
    Ok(Process {
        id: ProcessId { pid, start: facts.start },
        ppid,
        comm: facts.comm.clone(),
        cmdline: facts.cmdline.clone().unwrap_or_default(),
        exe: facts.exe.as_ref().map(|path| program(&path.to_string_lossy())),
        uid,
        kernel_thread: facts.kernel_thread,
        zombie: facts.has_exited(),
        netns,
        container: container.map(|found| found.id.clone()),
        cgroup: trusted.as_ref().map(|(paths, _)| paths.identity().to_owned()),
        ignores: ignores(facts),
    })
}

/// The path of a program whose file was replaced while it runs ends in ` (deleted)`: it is still that program.
fn program(path: &str) -> String {
    path.strip_suffix(" (deleted)").unwrap_or(path).to_owned()
}

/// Returns the signals that the kernel drops for PID 1 of a namespace: those without a handler. SIGKILL and SIGSTOP
/// reach it from outside its namespace only (`sig_task_ignored` in kernel/signal.c); pid 1 here is in ours.
fn ignores(facts: &ProcessFacts) -> u64 {
    match (facts.init_of_pid_namespace, facts.caught) {
        (Some(true), Some(caught)) if facts.pid == 1 => !caught,
        (Some(true), Some(caught)) => !caught & !(SIGKILL | SIGSTOP),
        (Some(_) | None, _) => 0,
    }
}

/// Reads the names of users; a host without the file has none.
pub(super) fn users(path: &Path) -> Result<BTreeMap<String, u32>, ObserveError> {
    match fs::read(path) {
        Ok(bytes) => Ok(parse_users(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(source) => Err(ObserveError::Users { path: path.into(), source }),
    }
}

/// passwd(5): `name:password:uid:…`; the first line of a name counts.
fn parse_users(text: &str) -> BTreeMap<String, u32> {
    let mut users = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(uid))) = (fields.next(), fields.nth(1).map(str::parse)) {
            users.entry(name.to_owned()).or_insert(uid);
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> ProcessFacts {
        proc::one(std::process::id()).unwrap()
    }

    #[test]
    fn users_are_the_first_line_of_each_name() {
        let users = parse_users("root:x:0:0::/root:/bin/sh\n#no:x:1:\n+::::\nweb:x:33:33\nweb:x:34:34\nbroken\n");
        assert_eq!(users, BTreeMap::from([("root".into(), 0), ("web".into(), 33)]));
    }

    #[test]
    fn only_pid_1_of_a_namespace_drops_what_it_does_not_handle() {
        let sigterm = 1_u64 << 14;
        let init = ProcessFacts { pid: 5, init_of_pid_namespace: Some(true), caught: Some(sigterm), ..facts() };
        assert_eq!(ignores(&init), !(sigterm | SIGKILL | SIGSTOP));
        assert_eq!(ignores(&ProcessFacts { pid: 1, ..init.clone() }), !sigterm);
        assert_eq!(ignores(&ProcessFacts { init_of_pid_namespace: Some(false), ..init }), 0);
    }

    #[test]
    fn a_process_takes_the_cookie_of_its_namespace() {
        let facts = facts();
        let (dev, ino) = facts.netns.unwrap();
        let id = NetNsId { dev, ino, cookie: Some(7) };
        let known = process(&facts, &BTreeMap::from([((dev, ino), id)])).unwrap();
        assert_eq!(known.netns, Some(id));
        assert_eq!(process(&facts, &BTreeMap::new()).unwrap().netns, Some(NetNsId { cookie: None, ..id }));
    }

    #[test]
    fn a_replaced_program_is_still_that_program() {
        assert_eq!(program("/usr/sbin/sshd (deleted)"), "/usr/sbin/sshd");
    }
}
