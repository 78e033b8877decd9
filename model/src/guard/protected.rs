//! What is never hit: pid 1, kernel threads, Rumpus itself and its ancestors, and the daemons that a host is reached
//! and run by.

use crate::world::{Process, World};

/// Daemons of a host, by comm (15 bytes at most) or the name of their executable. A process inside a container that
/// merely calls itself so is not one.
const DAEMONS: [&str; 15] = [
    "conmon",
    "containerd",
    "containerd-shim",
    "containerd-shim-runc-v2",
    "crio",
    "dbus-daemon",
    "docker-proxy",
    "dockerd",
    "init",
    "kubelet",
    "podman",
    "runc",
    "sshd",
    "systemd",
    "systemd-journald",
];

/// Name of the process that delays the packets of one namespace, from inside it.
const WORKER: &str = "rumpus-delay";

/// Returns whether a process belongs to a fault in its namespace: it is no reason to leave the namespace alone, or no
/// second fault could stand beside a delay.
pub fn is_worker(process: &Process) -> bool {
    process.comm == WORKER
}

/// Returns why a process may not be hit, or nothing.
pub fn why(process: &Process, world: &World) -> Option<String> {
    if process.id.pid == 1 {
        return Some("pid 1".into());
    }
    if process.kernel_thread {
        return Some("kernel thread".into());
    }
    if world.own.contains(&process.id.pid) {
        return Some("Rumpus itself or one of its ancestors".into());
    }
    if process.comm.starts_with("rumpus") {
        return Some("a process of Rumpus".into());
    }
    if process.container.is_some() {
        return None;
    }
    let exe = process.exe.as_ref().and_then(|e| e.rsplit('/').next());
    let daemon = DAEMONS.iter().find(|d| **d == process.comm || exe == Some(**d));
    daemon.map(|d| format!("{d} keeps this host reachable or running"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::ProcessId;

    fn process(comm: &str) -> Process {
        Process {
            id: ProcessId { pid: 100, start: 1 },
            ppid: 1,
            comm: comm.to_owned(),
            cmdline: String::new(),
            exe: None,
            uid: 0,
            kernel_thread: false,
            zombie: false,
            netns: None,
            cgroup: None,
            container: None,
            ignores: 0,
        }
    }

    #[test]
    fn a_delay_worker_is_no_reason_to_leave_its_namespace_alone_and_is_never_a_target() {
        let worker = process("rumpus-delay");
        assert!(is_worker(&worker) && why(&worker, &World::default()).is_some());
        assert!(!is_worker(&process("rumpus")) && !is_worker(&process("rumpus-delay2")));
    }
}
