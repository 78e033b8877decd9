//! The last byte that fits and the first that does not; and files that somebody else put in the way.

use super::*;
use std::os::unix::fs::{PermissionsExt as _, symlink};

/// A journal on a disk with room for four frames of one intent, and that intent.
fn four() -> (Disk, Journal<Record, Disk>, Record) {
    let record = intent("00000001");
    let disk = Disk::default();
    disk.0.borrow_mut().bytes = vec![0; encode(&record).unwrap().len() * 4];
    let journal = disk.journal().0;
    (disk, journal, record)
}

#[test]
fn three_quarters_are_for_beginnings_and_all_of_it_is_for_endings_to_the_byte() {
    let (disk, mut journal, record) = four();
    for _ in 0..3 {
        journal.append_intent(&record).unwrap();
    }
    assert!(!journal.wants_compaction());
    assert!(matches!(journal.append_intent(&record), Err(JournalError::Full { .. })));
    journal.append(&record).unwrap();
    assert!(journal.wants_compaction());
    let capacity = disk.0.borrow().bytes.len();
    assert!(matches!(journal.append(&record), Err(JournalError::Full { used, capacity: all }) if used == all));
    assert_eq!((journal.used(), disk.journal().1.records.len()), (capacity, 4));
}

#[test]
fn a_body_of_64_kib_is_a_record_and_one_byte_more_is_none() {
    let body = |len: usize| "x".repeat(len - 2);
    assert_eq!(recover::<String>(&encode(&body(65_536)).unwrap()).records, [body(65_536)]);
    assert!(matches!(encode(&body(65_537)), Err(EncodeError::TooLong { len: 65_537 })));
}

#[test]
fn a_disk_that_took_nothing_is_asked_again_by_a_new_file() {
    let disk = Disk::default();
    let (mut journal, _) = disk.journal();
    assert!(!journal.wants_compaction());
    disk.fail_writes(Some(libc::ENOSPC), 0);
    journal.append(&five()[0]).unwrap_err();
    assert!(journal.wants_compaction());
    disk.fail_writes(None, 0);
    journal.append(&five()[0]).unwrap();
    assert!(!journal.wants_compaction());
}

#[test]
fn damage_is_told_by_what_it_is() {
    let (bytes, ends) = file();
    let found = |bytes: &[u8]| recover::<Record>(bytes).damage.map(|damage| (damage.offset, damage.what));
    let bent = |at: usize, bit: u8| {
        let mut bent = bytes.clone();
        bent[ends[0] + at] ^= bit;
        bent
    };
    assert_eq!(found(&bent(4, 2)), Some((ends[0], DamageKind::UnknownVersion(3))));
    assert_eq!(found(&bent(5, 1)), Some((ends[0], DamageKind::UnknownVersion(257))));
    assert_eq!(found(&bent(frame::HEADER, 1)), Some((ends[0], DamageKind::Checksum)));
    assert_eq!(found(&bent(0, 1)), Some((ends[0], DamageKind::NoFrame)));
}

#[test]
fn what_no_write_of_ours_leaves_behind_is_no_torn_end() {
    let whole = encode(&five()[0]).unwrap();
    let header = |version: u16, len: u32| {
        let mut header = frame::MAGIC.to_vec();
        header.extend(version.to_le_bytes());
        header.extend(len.to_le_bytes());
        header
    };
    let torn = |tail: &[u8]| {
        let mut bytes = whole.clone();
        bytes.extend(tail);
        bytes.resize(bytes.len() + 64, 0);
        let found = recover::<Record>(&bytes);
        assert_eq!((found.records.len(), found.torn_tail), (1, found.damage.is_none()));
        found.torn_tail
    };
    assert!(torn(&header(1, 65_536)) && torn(&header(1, 513)) && torn(&header(1, 300)[..7]));
    assert!(!torn(&header(1, 65_537)), "longer than any record");
    assert!(!torn(&header(1, 1 << 24)) && !torn(&header(1, 0x0002_0000)), "longer than any record");
    assert!(!torn(&header(2, 300)), "of another version");
    let with_sum = |len: u32| [header(1, len), vec![1; 4]].concat();
    assert!(torn(&with_sum(300)));
    assert!(!torn(&with_sum(0)), "of no length");
    let cut = |version: u16| [header(version, 300), vec![1; 100]].concat();
    assert!(torn(&cut(1)) && !torn(&cut(2)));
}

#[test]
fn a_journal_says_whether_it_was_damaged_and_is_not_writable_then() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path()).unwrap();
    assert!(!journal.is_damaged() && journal.is_writable());
    File::options().write(true).open(dir.path().join(FILE)).unwrap().set_len(5_000).unwrap();
    for damage in [Some(Damage { offset: 5_000, what: DamageKind::Shortened }), None] {
        let (journal, found) = open(dir.path()).unwrap();
        assert_eq!(found.damage, damage);
        assert!(journal.is_damaged() && !journal.is_writable());
    }
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(DAMAGED_MARKER), mode(FILE)), (0o600, 0o600));
}

#[test]
fn no_symbolic_link_leads_out_of_the_directory() {
    for name in [FILE, "journal.new", DAMAGED_MARKER] {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let other = outside.path().join("other");
        if name == DAMAGED_MARKER {
            fs::write(dir.path().join(FILE), b"cut").unwrap();
        } else {
            fs::write(&other, vec![0; CAPACITY]).unwrap();
        }
        let before = fs::read(&other).ok();
        symlink(&other, dir.path().join(name)).unwrap();
        let refused = open(dir.path());
        assert!(matches!(refused, Err(JournalError::Io { .. })), "{name}: {refused:?}");
        assert_eq!(fs::read(&other).ok(), before, "{name}");
    }
}

#[test]
fn what_a_crash_left_of_a_new_file_is_no_part_of_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("journal.new"), vec![7; CAPACITY * 2]).unwrap();
    let (_, found) = open(dir.path()).unwrap();
    assert_eq!(found.damage, None);
    assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), vec![0; CAPACITY]);
}

#[test]
fn a_new_file_that_a_filling_disk_takes_in_part_is_none() {
    let disk = Tiny::mount();
    let dir = disk.0.path();
    let (mut journal, _) = open(dir).unwrap();
    journal.append_intent(&five()[0]).unwrap();
    fs::write(dir.join("filler"), vec![1; 640 * 1024]).unwrap();
    let refused = journal.compact(&[]);
    assert!(matches!(refused, Err(JournalError::NoSpace { .. })), "{refused:?}");
    assert_eq!(open(dir).unwrap().1.records, five()[..1]);
}
