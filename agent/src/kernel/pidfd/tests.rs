//! Pinning, with ids that are reused on purpose.

use super::super::test_process::{Clone3, Play, Sleeper};
use super::*;

fn identity(pid: u32) -> Identity {
    let plain = Identity::of(&one(pid).unwrap(), &boot_id().unwrap());
    Pinned::open(&plain).unwrap().identity().clone()
}

/// Makes `pid` free and gives it to another process of the same name.
fn reuse(victim: Sleeper) -> Clone3 {
    let next = Clone3::start(Some(victim.end()), false, Play::Pause);
    while one(next.pid()).unwrap().comm != "sleep" {
        std::thread::yield_now();
    }
    next
}

#[test]
fn a_reused_id_is_never_signalled_by_the_old_pin_nor_pinned_anew() {
    let mut same_start = 0;
    for _ in 0..50 {
        let victim = Sleeper::start();
        let expected = identity(victim.pid());
        let pinned = Pinned::open(&expected).unwrap();
        let bystander = reuse(victim);
        assert_eq!(bystander.pid(), expected.pid);
        assert!(matches!(pinned.signal(Signal::KILL), Err(PidfdError::Gone { .. })));
        assert!(pinned.wait_gone(Duration::ZERO).unwrap());
        let again = Pinned::open(&expected);
        assert!(matches!(again, Err(PidfdError::NotTheSame { .. })), "{again:?}");
        same_start += usize::from(one(bystander.pid()).unwrap().start == expected.start);
        assert!(bystander.runs());
    }
    eprintln_count(same_start);
}

/// Shown with `--nocapture`: how often the start time alone would have been fooled.
#[expect(clippy::print_stderr, reason = "a measurement for who runs the test by hand")]
fn eprintln_count(same_start: usize) {
    eprintln!("equal start time in {same_start} of 50 reuses");
}

#[test]
fn each_field_of_the_identity_is_compared() {
    let victim = Sleeper::start();
    let right = identity(victim.pid());
    assert_eq!(Pinned::open(&right).unwrap().identity(), &right);
    let wrong = [
        ("boot id", Identity { boot_id: "other".into(), ..right.clone() }),
        ("start time", Identity { start: right.start + 1, ..right.clone() }),
        ("name", Identity { comm: Some("other".into()), ..right.clone() }),
        ("control group", Identity { cgroup: Some("/other".into()), ..right.clone() }),
    ];
    for (wanted, expected) in wrong {
        let error = Pinned::open(&expected).unwrap_err();
        assert!(matches!(error, PidfdError::NotTheSame { field, .. } if field == wanted), "{error}");
    }
    if let Some(inode) = right.inode {
        let expected = Identity { inode: Some(inode + 1), ..right.clone() };
        let error = Pinned::open(&expected).unwrap_err();
        assert!(matches!(error, PidfdError::NotTheSame { field: "pidfd inode", .. }), "{error}");
    }
    let loose = Identity { comm: None, cgroup: None, inode: None, ..right };
    Pinned::open(&loose).unwrap();
}

#[test]
fn a_zombie_is_gone_though_it_still_takes_signals() {
    let child = Clone3::start(None, false, Play::Pause);
    let expected = identity_of_named(child.pid());
    let pinned = Pinned::open(&expected).unwrap();
    assert!(!pinned.wait_gone(Duration::from_millis(20)).unwrap());
    pinned.signal(Signal::KILL).unwrap();
    assert!(pinned.wait_gone(Duration::from_secs(5)).unwrap());
    pinned.signal(Signal::TERM).unwrap();
    assert!(matches!(Pinned::open(&expected), Err(PidfdError::Gone { .. })));
    assert_eq!(child.killed_by(), libc::SIGKILL);
}

fn identity_of_named(pid: u32) -> Identity {
    while one(pid).unwrap().comm != "sleep" {
        std::thread::yield_now();
    }
    identity(pid)
}

#[test]
fn a_leader_that_exited_before_its_threads_is_not_gone() {
    let child = Clone3::start(None, false, Play::LeaderExits);
    while one(child.pid()).unwrap().state != super::super::proc::ProcessState::Zombie {
        std::thread::yield_now();
    }
    let pinned = Pinned::open(&identity(child.pid())).unwrap();
    assert!(!pinned.wait_gone(Duration::from_millis(50)).unwrap());
    pinned.signal(Signal::KILL).unwrap();
    assert!(pinned.wait_gone(Duration::from_secs(5)).unwrap());
}

#[test]
fn a_thread_id_cannot_be_pinned() {
    let (tell, told) = std::sync::mpsc::channel();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        tell.send(u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap()).unwrap();
        wait.recv().unwrap_or(());
    });
    let tid = told.recv().unwrap();
    assert!(matches!(open_pidfd(tid), Err(PidfdError::Gone { pid }) if pid == tid));
    drop(release);
    thread.join().unwrap();
}

#[test]
fn sigterm_is_predicted_from_masks_and_place() {
    let mut facts = one(std::process::id()).unwrap();
    let term = 1 << 14;
    for (init, caught, ignored, predicted) in [
        (false, 0, 0, false),
        (true, 0, 0, true),
        (true, term, 0, false),
        (true, !term, 0, true),
        (false, 0, term, true),
        (false, 0, !term, false),
    ] {
        facts.init_of_pid_namespace = Some(init);
        (facts.caught, facts.ignored) = (Some(caught), Some(ignored));
        assert_eq!(sigterm_ignored(&facts), Some(predicted));
    }
    facts.caught = None;
    assert_eq!(sigterm_ignored(&facts), None);
}
