//! Reading real processes, all of them started here.

use super::super::test_process::{Clone3, Play, Sleeper};
use super::*;

#[test]
fn a_scan_finds_this_process_and_its_child_with_all_facts() {
    let child = Sleeper::start();
    let found = scan().unwrap();
    let facts = found.iter().find(|facts| facts.pid == child.pid()).unwrap();
    assert_eq!(facts.cmdline.as_deref(), Some("sleep 600"));
    assert_eq!(facts.ppid, std::process::id());
    assert_eq!(facts.uid, Some(rustix::process::geteuid().as_raw()));
    assert_eq!(facts.init_of_pid_namespace, Some(false));
    assert!(facts.exe.is_some() && facts.cgroup.is_some() && !facts.kernel_thread);
    let own = found.iter().find(|facts| facts.pid == std::process::id()).unwrap();
    assert_eq!(facts.netns, own.netns);
    assert!(own.start <= facts.start);
    assert!(found.is_sorted_by_key(|facts| facts.pid));
}

#[test]
fn kernel_threads_are_told_from_processes() {
    // Every PID view of a host has kthreadd or none of its threads.
    let found = scan().unwrap();
    for facts in found.iter().filter(|facts| facts.kernel_thread) {
        assert_eq!(facts.cmdline.as_deref(), Some(""), "{}", facts.comm);
        assert_eq!(facts.exe, None);
    }
    assert!(found.iter().any(|facts| !facts.kernel_thread));
}

#[test]
fn a_process_that_is_gone_is_gone() {
    let pid = Sleeper::start().end();
    assert!(matches!(one(pid), Err(ProcError::Gone { .. })));
    assert!(matches!(one(0), Err(ProcError::Gone { .. })));
}

#[test]
fn ancestors_lead_from_the_child_over_here_to_the_first() {
    let child = Sleeper::start();
    let found = ancestors(child.pid()).unwrap();
    assert_eq!(found[0], std::process::id());
    assert_eq!(found[1..], ancestors(std::process::id()).unwrap());
    assert_eq!(one(*found.last().unwrap()).unwrap().ppid, 0);
}

#[test]
fn a_leader_that_exited_is_read_through_its_living_thread() {
    let child = Clone3::start(None, false, Play::LeaderExits);
    while one(child.pid()).unwrap().state != ProcessState::Zombie {
        std::thread::yield_now();
    }
    let facts = one(child.pid()).unwrap();
    let own = one(std::process::id()).unwrap();
    let leader = std::fs::read(format!("/proc/{}/cmdline", child.pid())).unwrap();
    assert!(leader.is_empty(), "the leader has no memory left");
    assert_eq!(facts.cmdline, own.cmdline);
    assert_eq!((facts.exe, facts.netns, facts.cgroup), (own.exe, own.netns, own.cgroup));
    assert_eq!(facts.threads, 2);
}

#[test]
fn a_thread_is_not_taken_for_a_process() {
    let (tell, told) = std::sync::mpsc::channel();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let named = std::thread::Builder::new().name("rumpus-trap".into());
    let thread = named.spawn(move || {
        tell.send(u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap()).unwrap();
        wait.recv().unwrap_or(());
    });
    let tid = told.recv().unwrap();
    let found = scan().unwrap();
    assert!(found.iter().all(|facts| facts.pid != tid && facts.comm != "rumpus-trap"));
    drop(release);
    thread.unwrap().join().unwrap();
}

#[test]
fn the_boot_id_is_a_uuid_and_stays() {
    let id = boot_id().unwrap();
    assert_eq!(id.len(), 36);
    assert_eq!(boot_id().unwrap(), id);
}
