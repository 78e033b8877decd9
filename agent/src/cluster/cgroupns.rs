//! The cgroup namespace: a container's own shows every other container as `/../..`, so the agent joins that of the
//! node's PID 1 before it reads a control group.
//!
//! Called once, before any other thread is started: threads inherit what their parent has. A thread that has not joined
//! would take every pod for unknown, never for another one.

use crate::kernel::proc;
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

const OURS: &str = "/proc/thread-self/ns/cgroup";
const HOSTS: &str = "/proc/1/ns/cgroup";
/// The parent of all kernel threads: it never leaves the first namespaces.
const KERNEL_THREAD: u32 = 2;

/// Puts the calling thread into the cgroup namespace of PID 1, and sees that it is there.
///
/// # Errors
/// What was tried and what the kernel said: then no pod can be told from another.
pub fn join_host() -> Result<(), String> {
    let hint = "needs hostPID, CAP_SYS_ADMIN and CAP_SYS_PTRACE";
    let host = open_host().map_err(|e| format!("open {HOSTS}: {e} ({hint})"))?;
    let wanted = host.metadata().map_err(|e| format!("examine {HOSTS}: {e}"))?.ino();
    let current = || std::fs::metadata(OURS).map(|m| m.ino()).map_err(|e| format!("examine {OURS}: {e}"));
    if current()? == wanted {
        return Ok(());
    }
    let joined = setns(&host, CloneFlags::CLONE_NEWCGROUP);
    joined.map_err(|e| format!("join the cgroup namespace of PID 1: {e} ({hint})"))?;
    if current()? == wanted { Ok(()) } else { Err("the cgroup namespace of PID 1 was joined and is not ours".into()) }
}

/// That of PID 1, or where PID 1 may not be looked at, of a kernel thread.
fn open_host() -> io::Result<File> {
    File::open(HOSTS).or_else(|error| {
        let kernel = proc::one(KERNEL_THREAD).is_ok_and(|p| p.kernel_thread);
        if kernel { File::open(format!("/proc/{KERNEL_THREAD}/ns/cgroup")) } else { Err(error) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_with_a_namespace_of_its_own_comes_back_to_the_hosts() {
        // A thread, so that the test's own process keeps what it has. Needs root, as the kernel cases do.
        let joined = std::thread::spawn(|| {
            nix::sched::unshare(CloneFlags::CLONE_NEWCGROUP).unwrap();
            let own = std::fs::metadata(OURS).unwrap().ino();
            let host = open_host().unwrap().metadata().unwrap().ino();
            assert_ne!(own, host);
            join_host().unwrap();
            std::fs::metadata(OURS).unwrap().ino() == host
        });
        assert!(joined.join().unwrap());
    }
}
