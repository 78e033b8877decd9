//! State directories, all of them temporary.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::time::{Duration, Instant};

use super::*;
use crate::kernel::proc::{boot_id, one};

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("state");
    (parent, path)
}

/// The kernel closes an exec'd child's copies only after it lets the parent go on, and
/// other tests start children too, so "free" may come a little late; never is the failure.
fn eventually(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(1);
    while !holds() {
        assert!(Instant::now() < deadline, "never came true");
        std::thread::yield_now();
    }
}

fn open_within_a_second(path: &Path) -> Result<StateDir, StateDirError> {
    let mut opened = StateDir::open(path);
    eventually(|| {
        if matches!(opened, Err(StateDirError::Held { .. })) {
            opened = StateDir::open(path);
        }
        !matches!(opened, Err(StateDirError::Held { .. }))
    });
    opened
}

fn halt(id: &str) -> Halt {
    Halt { id: id.into(), reason: "r".into(), by: "b".into(), at: "t".into() }
}

#[test]
fn the_directory_is_made_private_and_keeps_its_instance() {
    let (_parent, path) = scratch();
    let first = StateDir::open(&path).unwrap().instance().to_owned();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(first.len(), 8);
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(open_within_a_second(&path).unwrap().instance(), first);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o700);
    let (_other_parent, other) = scratch();
    assert_ne!(StateDir::open(&other).unwrap().instance(), first);
}

#[test]
fn a_second_opener_is_told_who_holds_it_and_gets_it_when_free() {
    let (_parent, path) = scratch();
    let held = StateDir::open(&path).unwrap();
    let own = one(std::process::id()).unwrap();
    let expected = Holder { pid: own.pid, start: own.start, boot_id: boot_id().unwrap() };
    let error = StateDir::open(&path).unwrap_err();
    assert!(error.to_string().contains(&format!("(pid {})", own.pid)), "{error}");
    assert!(matches!(error, StateDirError::Held { holder: Some(holder), .. } if holder == expected));
    let observer = Observer::open(&path).unwrap().unwrap();
    assert_eq!(observer.holder().unwrap(), LockState::Held(Some(expected)));
    assert_eq!(observer.instance().unwrap().as_deref(), Some(held.instance()));
    drop(held);
    drop(open_within_a_second(&path).unwrap());
    eventually(|| observer.holder().unwrap() == LockState::Free);
}

#[test]
fn a_child_that_execs_does_not_keep_the_lock() {
    let (_parent, path) = scratch();
    let held = StateDir::open(&path).unwrap();
    let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    drop(held);
    let again = open_within_a_second(&path);
    child.kill().unwrap();
    child.wait().unwrap();
    again.unwrap();
}

#[test]
fn an_unreadable_holder_is_still_a_holder() {
    let (_parent, path) = scratch();
    let held = StateDir::open(&path).unwrap();
    fs::write(path.join("lock"), "rubbish").unwrap();
    assert!(matches!(StateDir::open(&path), Err(StateDirError::Held { holder: None, .. })));
    let observer = Observer::open(&path).unwrap().unwrap();
    assert_eq!(observer.holder().unwrap(), LockState::Held(None));
    drop(held);
}

#[test]
fn links_files_and_other_users_directories_are_refused() {
    let (parent, path) = scratch();
    let real = parent.path().join("real");
    fs::create_dir(&real).unwrap();
    symlink(&real, &path).unwrap();
    for link in [path.clone(), parent.path().join("state/")] {
        assert!(matches!(StateDir::open(&link), Err(StateDirError::NotADirectory { .. })), "{link:?}");
        assert!(matches!(Observer::open(&link), Err(StateDirError::NotADirectory { .. })));
    }
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(StateDir::open(&file), Err(StateDirError::NotADirectory { .. })));
    chown(&real, Some(12345), None).unwrap();
    assert!(matches!(StateDir::open(&real), Err(StateDirError::ForeignOwner { owner: 12345, .. })));
    assert!(fs::read_dir(&real).unwrap().next().is_none(), "nothing was written");
    assert!(Observer::open(&parent.path().join("none")).unwrap().is_none());
}

#[test]
fn a_bad_instance_file_is_not_replaced() {
    for bad in ["", "1234567", "123456789", "ABCDEF01", "../../et"] {
        let (_parent, path) = scratch();
        drop(StateDir::open(&path).unwrap());
        fs::write(path.join("instance"), bad).unwrap();
        let refused = open_within_a_second(&path);
        assert!(matches!(refused, Err(StateDirError::Instance { .. })), "{bad}");
        assert_eq!(fs::read_to_string(path.join("instance")).unwrap(), bad);
    }
}

#[test]
fn a_halt_is_written_without_the_lock_read_and_removed() {
    let (_parent, path) = scratch();
    let held = StateDir::open(&path).unwrap();
    let observer = Observer::open(&path).unwrap().unwrap();
    assert_eq!(read_halt(&held), HaltState::None);
    assert!(!read_halt(&held).is_halted());
    write_halt(&observer, &halt("h-1")).unwrap();
    write_halt(&observer, &halt("h-2")).unwrap();
    assert_eq!(read_halt(&held), HaltState::Halted(halt("h-2")));
    assert!(read_halt(&held).is_halted());
    assert!(remove_halt(&held).unwrap() && !remove_halt(&held).unwrap());
    assert_eq!(read_halt(&observer), HaltState::None);
    let names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "instance and lock alone: {names:?}");
}

#[test]
fn an_unreadable_halt_halts() {
    let (_parent, path) = scratch();
    let held = StateDir::open(&path).unwrap();
    let file = path.join("halt.json");
    let whole = serde_json::to_string(&halt("h")).unwrap();
    for cut in 0..whole.len() {
        fs::write(&file, &whole[..cut]).unwrap();
        assert!(matches!(read_halt(&held), HaltState::Unreadable(_)) && read_halt(&held).is_halted());
    }
    fs::remove_file(&file).unwrap();
    symlink("/nowhere", &file).unwrap();
    assert!(matches!(read_halt(&held), HaltState::Unreadable(_)));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(read_halt(&held), HaltState::Unreadable(_)));
    assert!(remove_halt(&held).is_err() && read_halt(&held).is_halted());
}

#[test]
fn attestations_bear_the_id_of_their_halt() {
    let (_parent, path) = scratch();
    let held = StateDir::open(&path).unwrap();
    assert_eq!(read_attestation::<u32>(&held, "h-1").unwrap(), None);
    write_attestation(&held, "h-1", &7).unwrap();
    assert_eq!(read_attestation::<u32>(&held, "h-1").unwrap(), Some(7));
    assert_eq!(read_attestation::<u32>(&held, "h-2").unwrap(), None);
    fs::write(path.join("attest-h-1.json"), "x").unwrap();
    assert!(read_attestation::<u32>(&held, "h-1").is_err());
    assert!(remove_attestation(&held, "h-1").unwrap());
    for bad in ["", "../x", "A", "a/b", &"x".repeat(65)] {
        assert!(matches!(write_attestation(&held, bad, &7), Err(StateDirError::HaltId { .. })), "{bad}");
        assert!(matches!(write_halt(&held, &halt(bad)), Err(StateDirError::HaltId { .. })));
    }
}

#[test]
fn what_a_dead_writer_left_is_tidied_and_what_a_living_one_writes_is_not() {
    let (_parent, path) = scratch();
    drop(StateDir::open(&path).unwrap());
    let mut ended = std::process::Command::new("/bin/true").spawn().unwrap();
    let dead = ended.id();
    ended.wait().unwrap();
    let (left, writing) = (format!(".halt.json.{dead}.new"), format!(".halt.json.{}.new", std::process::id()));
    for name in [&left, &writing] {
        fs::write(path.join(name), "x").unwrap();
    }
    let held = StateDir::open(&path).unwrap();
    assert!(!held.path().join(left).exists() && held.path().join(writing).exists());
}
