//! What `rumpus doctor` shows: each thing that a fault needs, whether it is here, and what to do where it is not.
//!
//! It must never change anything; the state directory is asked, not written.

use super::{Attempt, attempts, network};
use crate::kernel::netns;
use crate::kernel::proc;
use crate::resolve::chain;
use rumpus_model::engine::Engine;
use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, ResolveFlags};
use serde::Serialize;
use std::fs;
use std::path::Path;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    pub name: String,
    /// Whether nothing works without it; the others cost some faults only.
    pub needed: bool,
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do; empty where it is all right.
    pub hint: String,
}

/// Capabilities that faults need, with their numbers (include/uapi/linux/capability.h).
const CAPABILITIES: [(&str, u32, bool); 5] = [
    ("CAP_NET_ADMIN", 12, true),
    ("CAP_SYS_ADMIN", 21, true),
    ("CAP_SYS_PTRACE", 19, true),
    ("CAP_KILL", 5, true),
    ("CAP_DAC_READ_SEARCH", 2, false),
];

/// Looks at this host. Loads kernel modules where the kernel does so on demand.
pub fn doctor(state_dir: &Path) -> Vec<Check> {
    let mut checks = vec![root()];
    checks.extend(capabilities());
    checks.extend([kernel(), egress()]);
    for (name, engine, needed) in [
        ("signal by pidfd", Engine::Signal, true),
        ("nf_tables", Engine::Nft, true),
        ("netem behind an ifb link", Engine::Netem, false),
        ("NFQUEUE", Engine::Nfqueue, false),
        ("cgroups", Engine::Cgroup, false),
    ] {
        if let Some(attempt) = attempts().get(&engine) {
            checks.push(of(name, needed, attempt.clone()));
        }
    }
    checks.push(of("a way to delay packets", true, delay()));
    checks.extend([openat2(), host_netns(), boot_id(), state(state_dir), names()]);
    checks
}

fn check(name: &str, needed: bool, ok: bool, detail: impl Into<String>, hint: &str) -> Check {
    let hint = if ok { String::new() } else { hint.to_owned() };
    Check { name: name.to_owned(), needed, ok, detail: detail.into(), hint }
}

fn of(name: &str, needed: bool, attempt: Attempt) -> Check {
    match attempt {
        Ok(detail) => check(name, needed, true, detail, ""),
        Err(failure) => check(name, needed, false, failure.what, &failure.hint),
    }
}

fn root() -> Check {
    let uid = rustix::process::geteuid().as_raw();
    check("root", false, uid == 0, format!("effective user {uid}"), "run as root, or with the capabilities below")
}

fn capabilities() -> Vec<Check> {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = effective(&status);
    let one = |(name, number, needed): (&str, u32, bool)| match effective {
        None => check(name, needed, false, "CapEff could not be read", "mount /proc"),
        Some(bits) => {
            let ok = bits >> number & 1 == 1;
            let detail = if ok { "effective" } else { "not effective" };
            check(name, needed, ok, detail, "run as root, or grant it")
        }
    };
    CAPABILITIES.into_iter().map(one).collect()
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

pub(super) fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Returns whether a kernel release is at least this; one that cannot be read is not.
pub(super) fn at_least(release: &str, wanted: (u32, u32)) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= wanted,
        (_, _) => false,
    }
}

fn kernel() -> Check {
    let release = release();
    let ok = at_least(&release, (5, 10));
    check("kernel", true, ok, release, "Linux 5.10 is the oldest that is supported")
}

fn egress() -> Check {
    let release = release();
    let ok = at_least(&release, (5, 16));
    let detail = format!("{release}; the netdev egress hook came with 5.16");
    check("kernel for netdev egress", false, ok, detail, "a newer kernel; partition, loss and netem need it")
}

fn delay() -> Attempt {
    let tried = |engine| attempts().get(&engine).cloned().unwrap_or_else(network::nfqueue);
    tried(Engine::Netem).or_else(|_shown_above| tried(Engine::Nfqueue))
}

fn openat2() -> Check {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat2(CWD, "/", flags, Mode::empty(), ResolveFlags::IN_ROOT);
    let detail = opened.as_ref().map_or_else(|e| format!("openat2: {e}"), |_| "RESOLVE_IN_ROOT".to_owned());
    check("openat2", true, opened.is_ok(), detail, "needs Linux 5.6 and a seccomp profile that lets it through")
}

fn host_netns() -> Check {
    let found = netns::host();
    let detail = found.as_ref().map_or_else(|e| chain(e), ToString::to_string);
    let hint = "share the host's PID namespace and have CAP_SYS_PTRACE; no network fault without it";
    check("the host's network namespace", true, found.is_ok(), detail, hint)
}

fn boot_id() -> Check {
    let found = proc::boot_id();
    let detail = found.as_ref().map_or_else(|e| chain(e), Clone::clone);
    check("boot id", true, found.is_ok(), detail, "mount /proc with /proc/sys")
}

/// The directory itself, or the nearest one above it that is there: it is made at the first run.
fn state(state_dir: &Path) -> Check {
    let place = state_dir.ancestors().find(|path| path.exists()).unwrap_or(state_dir);
    let asked = rustix::fs::accessat(CWD, place, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
    let is_dir = place.is_dir();
    let detail = match (&asked, is_dir) {
        (Ok(()), true) if place == state_dir => format!("{} is writable", place.display()),
        (Ok(()), true) => format!("{} will be made in {}", state_dir.display(), place.display()),
        (Ok(()), false) => format!("{} is not a directory", place.display()),
        (Err(errno), _) => format!("{}: {errno}", place.display()),
    };
    check("state directory", true, asked.is_ok() && is_dir, detail, "name another one by --state-dir")
}

fn names() -> Check {
    let place = Path::new(netns::NAMED);
    let read = netns::named(place);
    let detail = match &read {
        Ok(names) => format!("{} namespaces in {}", names.len(), place.display()),
        Err(error) => chain(error),
    };
    check("named network namespaces", false, read.is_ok(), detail, "make /run/netns readable")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_their_first_two_numbers() {
        assert!(at_least("5.16.0-rc1", (5, 16)) && at_least("6.1.0-18-amd64", (5, 16)));
        assert!(!at_least("5.9.16", (5, 10)) && !at_least("unknown", (5, 10)));
    }

    #[test]
    fn capabilities_are_read_by_bit() {
        assert_eq!(effective("Name:\tx\nCapEff:\t0000000000001000\n"), Some(1 << 12));
        assert_eq!(effective("Name:\tx\n"), None);
    }

    #[test]
    fn a_state_directory_that_is_a_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(state(dir.path()).ok && state(&dir.path().join("new/er")).ok);
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(!state(&file).ok && !state(&file.join("below")).ok);
    }

    #[test]
    fn a_hint_stands_only_where_something_lacks() {
        for check in doctor(Path::new("/nonexistent")) {
            assert_eq!(check.ok, check.hint.is_empty(), "{check:?}");
            assert!(!check.detail.is_empty(), "{check:?}");
        }
    }
}
