//! Finds out what this kernel can do, by doing it in a network namespace that ends with the attempt.
//!
//! It must never try anything in a namespace of somebody else. The host's devices are looked at only to take away what
//! loading the ifb module made there.

mod doctor;
mod network;

pub use doctor::{Check, doctor};

use crate::kernel::cgroup::{CgroupMode, Hierarchies};
use crate::kernel::pidfd::{Identity, Pinned};
use crate::kernel::proc;
use crate::resolve::chain;
use rumpus_model::engine::{Capability, Engine};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::OnceLock;

/// One attempt: what works, or what was tried and what the kernel said.
type Attempt = Result<String, Failure>;

/// Why something does not work here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    /// What was tried, and the kernel's reason.
    what: String,
    /// What usually lacks then.
    hint: String,
}

impl Failure {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }

    fn of(what: &str, error: &(dyn Error + 'static), hint: &str) -> Self {
        Self::new(format!("{what}: {}", chain(error)), hint)
    }
}

/// Returns what each engine can do on this kernel. Tried once in a process's life.
pub fn engines() -> BTreeMap<Engine, Capability> {
    attempts().iter().map(|(engine, attempt)| (*engine, capability(attempt))).collect()
}

fn capability(attempt: &Attempt) -> Capability {
    match attempt {
        Ok(_) => Capability::Ready,
        Err(failure) => Capability::Missing(format!("{} ({})", failure.what, failure.hint)),
    }
}

fn attempts() -> &'static BTreeMap<Engine, Attempt> {
    static ONCE: OnceLock<BTreeMap<Engine, Attempt>> = OnceLock::new();
    ONCE.get_or_init(|| Engine::ALL.into_iter().map(|engine| (engine, attempt(engine))).collect())
}

fn attempt(engine: Engine) -> Attempt {
    match engine {
        Engine::Cgroup => cgroup(),
        Engine::Netem => network::netem(),
        Engine::Nfqueue => network::nfqueue(),
        Engine::Nft => network::nft(),
        Engine::Signal => signal(),
    }
}

/// Returns how a whole container is killed: by `cgroup.kill` where it is (from 5.14), else in rounds.
fn cgroup() -> Attempt {
    let found = Hierarchies::detect();
    let found = found.map_err(|e| Failure::of("find the cgroup hierarchies", &e, "mount /sys/fs/cgroup"))?;
    let mode = match found.mode {
        CgroupMode::V1 => "v1",
        CgroupMode::Hybrid => "hybrid",
        CgroupMode::V2 => "v2",
    };
    let by_file = found.mode != CgroupMode::V1 && doctor::at_least(&doctor::release(), (5, 14));
    let method = match (found.mode, by_file) {
        (CgroupMode::V2, true) => "cgroup.kill",
        (CgroupMode::Hybrid, true) => "cgroup.kill where the v2 half shows the container, else SIGKILL in rounds",
        (CgroupMode::V1, _) | (_, false) => "SIGKILL by pidfd in rounds",
    };
    Ok(format!("{mode}; {method}"))
}

/// Pins this process and probes it by signal 0.
fn signal() -> Attempt {
    let hint = "needs Linux 5.3 and a seccomp profile that lets pidfd_open and pidfd_send_signal through";
    let failed = |e: &(dyn Error + 'static)| Failure::of("open a pidfd of this process and signal it", e, hint);
    let me = proc::one(std::process::id()).map_err(|e| failed(&e))?;
    let boot_id = proc::boot_id().map_err(|e| failed(&e))?;
    Pinned::open(&Identity::of(&me, &boot_id)).map_err(|e| failed(&e))?;
    Ok("pidfd_open and pidfd_send_signal".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_was_tried_and_what_may_lack() {
        let failure = Failure::new("add netem: ENOENT", "module sch_netem");
        assert_eq!(capability(&Err(failure)), Capability::Missing("add netem: ENOENT (module sch_netem)".into()));
        assert_eq!(capability(&Ok("x".into())), Capability::Ready);
    }

    #[test]
    fn this_process_can_be_signalled_and_every_engine_was_tried() {
        assert_eq!(engines()[&Engine::Signal], Capability::Ready);
        assert_eq!(engines().len(), Engine::ALL.len());
    }
}
