//! Every way in which a journal can be cut, bent or refused by its disk.

mod edges;

use std::cell::RefCell;
use std::fs::{self, File};
use std::path::Path;
use std::rc::Rc;

use super::recover::used;
use super::*;

/// A disk in memory that fails on demand. Clones share it, as a restart does.
#[derive(Debug, Clone, Default)]
struct Disk(Rc<RefCell<Fake>>);

#[derive(Debug, Default)]
struct Fake {
    bytes: Vec<u8>,
    write_error: Option<i32>,
    sync_error: Option<i32>,
    /// Bytes of the next failing write that reach the disk all the same.
    torn_at: usize,
    syncs: usize,
}

impl Disk {
    fn journal(&self) -> (Journal<Record, Self>, Recovered<Record>) {
        let mut fake = self.0.borrow_mut();
        if fake.bytes.is_empty() {
            fake.bytes = vec![0; CAPACITY];
        }
        let (bytes, found) = (fake.bytes.clone(), recover(&fake.bytes));
        drop(fake);
        let mut journal = Journal::on(self.clone(), (found.end, bytes.len()), CAPACITY);
        journal.wipe_torn_tail(&bytes).unwrap();
        (journal, found)
    }

    fn fail_writes(&self, errno: Option<i32>, torn_at: usize) {
        let mut fake = self.0.borrow_mut();
        (fake.write_error, fake.torn_at) = (errno, torn_at);
    }
}

impl Storage for Disk {
    fn read_all(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.0.borrow().bytes.clone())
    }
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut fake = self.0.borrow_mut();
        let error = fake.write_error;
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let kept = if error.is_some() { fake.torn_at.min(bytes.len()) } else { bytes.len() };
        fake.bytes[at..at + kept].copy_from_slice(&bytes[..kept]);
        error.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }
    fn sync(&mut self) -> io::Result<()> {
        let mut fake = self.0.borrow_mut();
        fake.syncs += 1;
        fake.sync_error.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().bytes = bytes.to_vec();
        Ok(())
    }
}

fn intent(id: &str) -> Record {
    Record::Intent {
        id: id.into(),
        run: "run-1".into(),
        fault: serde_json::json!({"loss": {"percent": 10}}),
        target: serde_json::json!("netns/a"),
        netns: Some(NetnsRecord { dev: 4, ino: 4026531840, path: "/run/netns/a".into() }),
        boot_id: "b".into(),
        deadline_boot_ns: 9,
        at_boot_ns: 1,
    }
}

fn ended(id: &str, clean: bool) -> Record {
    Record::Ended { id: id.into(), how: "deadline".into(), effect_ended_boot_ns: 10, clean }
}

fn five() -> Vec<Record> {
    let applied = Record::Applied { id: "00000001".into(), at_boot_ns: 2 };
    let swept = Record::Swept { id: None, what: "table".into(), at_boot_ns: 12 };
    vec![intent("00000001"), applied, ended("00000001", true), intent("00000002"), swept]
}

/// The file of five records with a tail of zeros, and where each frame ends.
fn file() -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for record in five() {
        bytes.extend(encode(&record).unwrap());
        ends.push(bytes.len());
    }
    bytes.resize(bytes.len() + 512, 0);
    (bytes, ends)
}

#[test]
fn a_whole_file_gives_all_records() {
    let (bytes, ends) = file();
    let found = recover::<Record>(&bytes);
    assert_eq!(found, Recovered { records: five(), torn_tail: false, damage: None, end: ends[4] });
    assert!(recover::<Record>(&[]).records.is_empty());
    assert_eq!(recover::<Record>(&[0; 4096]).damage, None);
}

#[test]
fn a_cut_at_any_byte_loses_the_cut_record_alone_and_is_no_damage() {
    let (bytes, ends) = file();
    for cut in 0..=ends[4] {
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let at_an_end = cut == 0 || ends.contains(&cut);
        let mut zeroed = bytes.clone();
        zeroed[cut..].fill(0);
        for text in [&bytes[..cut], &zeroed] {
            let found = recover::<Record>(text);
            assert_eq!(found.damage, None, "cut at {cut}");
            assert_eq!(found.records, five()[..whole], "cut at {cut}");
            assert_eq!(found.torn_tail, !at_an_end, "cut at {cut}");
        }
    }
}

#[test]
fn every_bit_flip_is_detected_or_costs_the_last_record_as_a_torn_one() {
    let (bytes, ends) = file();
    let (mut flips, mut as_torn) = (0, 0);
    for byte in 0..ends[4] {
        for bit in 0..8 {
            let mut bent = bytes.clone();
            bent[byte] ^= 1 << bit;
            let found = recover::<Record>(&bent);
            let hit = ends.iter().filter(|end| **end <= byte).count();
            flips += 1;
            if found.torn_tail {
                as_torn += 1;
                assert_eq!((hit, found.damage), (4, None), "byte {byte} bit {bit}");
                assert_eq!(found.records, five()[..4]);
                continue;
            }
            assert!(found.damage.is_some(), "byte {byte} bit {bit}");
            let mut others = five();
            others.remove(hit);
            assert_eq!(found.records, others, "byte {byte} bit {bit}");
        }
    }
    // Only the length field of the last frame can pass for a torn one.
    assert!(as_torn <= 32, "{as_torn} of {flips}");
}

#[test]
fn a_bit_in_the_zero_tail_is_damage() {
    let (bytes, ends) = file();
    for at in [ends[4], ends[4] + 100, bytes.len() - 1] {
        let mut bent = bytes.clone();
        bent[at] = 1;
        let found = recover::<Record>(&bent);
        assert_eq!(found.damage, Some(Damage { offset: ends[4], what: DamageKind::NoFrame }), "{at}");
        assert_eq!(found.records, five());
    }
}

#[test]
fn a_zero_hole_is_damage_and_what_is_behind_it_is_read() {
    let (bytes, ends) = file();
    for (from, to) in [(0, ends[0]), (ends[0], ends[1]), (ends[0] + 5, ends[2] + 3), (ends[2], ends[4] - 1)] {
        let mut holed = bytes.clone();
        holed[from..to].fill(0);
        let found = recover::<Record>(&holed);
        assert!(found.damage.is_some(), "{from}..{to}");
        let mut starts = vec![0];
        starts.extend(&ends[..4]);
        let untouched = starts.iter().zip(&ends).enumerate();
        let untouched = untouched.filter(|(_, (start, end))| **end <= from || **start >= to);
        let kept: Vec<Record> = untouched.map(|(at, _)| five()[at].clone()).collect();
        assert_eq!(found.records, kept, "{from}..{to}");
    }
}

#[test]
fn a_duplicated_tail_is_read_twice_and_changes_nothing() {
    let (bytes, ends) = file();
    let mut twice = bytes[..ends[4]].to_vec();
    twice.extend(&bytes[ends[2]..ends[4]]);
    let found = recover::<Record>(&twice);
    assert_eq!((found.records.len(), found.damage, found.torn_tail), (7, None, false));
    assert_eq!(live(&found.records).last(), Some(&&intent("00000002")));
}

#[test]
fn an_unknown_version_or_record_is_damage() {
    let mut frame = encode(&five()[1]).unwrap();
    let body = frame.split_off(frame::HEADER);
    let len = u32::try_from(body.len()).unwrap();
    let mut future = frame::MAGIC.to_vec();
    future.extend(2u16.to_le_bytes());
    future.extend(len.to_le_bytes());
    let sum = crc32c::crc32c_append(crc32c::crc32c(&future[4..10]), &body);
    future.extend(sum.to_le_bytes());
    future.extend(&body);
    future.extend(encode(&five()[0]).unwrap());
    let found = recover::<Record>(&future);
    assert_eq!(found.damage, Some(Damage { offset: 0, what: DamageKind::UnknownVersion(2) }));
    assert_eq!(found.records, five()[..1]);
    for text in [serde_json::json!({"applied": {"id": "1", "atBootNs": 1, "more": 2}}), serde_json::json!("x")] {
        let found = recover::<Record>(&encode(&text).unwrap());
        assert_eq!(found.damage, Some(Damage { offset: 0, what: DamageKind::UnknownRecord }));
    }
}

#[test]
fn a_record_over_the_cap_is_refused_and_one_below_it_is_read() {
    let long = "x".repeat(BODY_CAP);
    assert!(matches!(encode(&long), Err(EncodeError::TooLong { .. })));
    let most = "x".repeat(BODY_CAP - 2);
    assert_eq!(recover::<String>(&encode(&most).unwrap()).records, [most]);
}

#[test]
fn live_records_are_those_of_faults_that_did_not_end_clean() {
    let mut records = five();
    records.extend([intent("00000003"), ended("00000003", false)]);
    let ids: Vec<_> = live(&records).iter().map(|record| record.id().unwrap()).collect();
    assert_eq!(ids, ["00000002", "00000003", "00000003"]);
}

#[test]
fn what_was_appended_is_there_after_a_restart() {
    let disk = Disk::default();
    let (mut journal, _) = disk.journal();
    for record in five() {
        journal.append_intent(&record).unwrap();
    }
    assert_eq!(disk.0.borrow().syncs, 5);
    let (journal, found) = disk.journal();
    assert_eq!(found.records, five());
    assert_eq!(journal.used(), found.end);
}

#[test]
fn a_write_torn_at_any_byte_is_covered_by_the_next_and_by_a_restart() {
    let frame = encode(&intent("00000002")).unwrap();
    for torn_at in 0..frame.len() {
        for restart in [false, true] {
            let disk = Disk::default();
            disk.0.borrow_mut().bytes = vec![0; 4096];
            let (mut journal, _) = disk.journal();
            journal.append(&five()[0]).unwrap();
            disk.fail_writes(Some(libc::ENOSPC), torn_at);
            let refused = journal.append_intent(&intent("00000002"));
            assert!(matches!(refused, Err(JournalError::NoSpace { .. })));
            assert!(!journal.is_writable());
            disk.fail_writes(None, 0);
            if restart {
                journal = disk.journal().0;
            }
            journal.append(&five()[1]).unwrap();
            assert!(journal.is_writable());
            let found = disk.journal().1;
            assert_eq!((found.records, found.damage), (five()[..2].to_vec(), None), "{torn_at}");
        }
    }
}

#[test]
fn after_a_failed_sync_nothing_more_is_accepted_until_it_is_rewritten_whole() {
    let disk = Disk::default();
    let (mut journal, _) = disk.journal();
    disk.0.borrow_mut().sync_error = Some(libc::EIO);
    assert!(matches!(journal.append_intent(&five()[0]), Err(JournalError::Io { what: "sync", .. })));
    disk.0.borrow_mut().sync_error = None;
    assert!(!journal.is_writable());
    assert!(matches!(journal.append_intent(&five()[0]), Err(JournalError::Bad)));
    assert!(matches!(journal.append(&five()[2]), Err(JournalError::Bad)));
    assert!(journal.wants_compaction(), "whoever writes next is not told to make it anew");
    journal.compact(&[&five()[3]]).unwrap();
    assert!(journal.is_writable() && !journal.wants_compaction());
    assert_eq!(disk.journal().1.records, five()[3..4]);
}

#[test]
fn errors_of_the_disk_keep_their_kind() {
    for (errno, bad) in [(libc::ENOSPC, false), (libc::EROFS, false), (libc::EIO, true)] {
        let disk = Disk::default();
        let (mut journal, _) = disk.journal();
        disk.fail_writes(Some(errno), 0);
        let error = journal.append_intent(&five()[0]).unwrap_err();
        match errno {
            libc::ENOSPC => assert!(matches!(error, JournalError::NoSpace { .. })),
            libc::EROFS => assert!(matches!(error, JournalError::ReadOnly { .. })),
            _ => assert!(matches!(error, JournalError::Io { .. })),
        }
        disk.fail_writes(None, 0);
        assert_eq!(matches!(journal.append(&five()[0]), Err(JournalError::Bad)), bad);
    }
}

#[test]
fn the_last_quarter_is_kept_for_endings() {
    let disk = Disk::default();
    let (mut journal, _) = disk.journal();
    let mut intents = 0;
    while journal.append_intent(&intent("00000001")).is_ok() {
        intents += 1;
    }
    assert!(matches!(journal.append_intent(&intent("00000001")), Err(JournalError::Full { .. })));
    assert!(intents > 2_000 && journal.used() <= CAPACITY / 4 * 3);
    for _ in 0..1_000 {
        journal.append(&ended("00000001", true)).unwrap();
    }
    assert!(journal.wants_compaction());
    journal.compact(&[]).unwrap();
    assert!(!journal.wants_compaction() && journal.append_intent(&intent("00000002")).is_ok());
    assert_eq!(disk.journal().1.records, [intent("00000002")]);
}

fn open(dir: &Path) -> Result<(Journal<Record>, Recovered<Record>), JournalError> {
    match File::open(dir) {
        Ok(dir) => Journal::open(dir),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_real_file_is_made_whole_reopened_and_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, found) = open(dir.path()).unwrap();
    assert!(found.records.is_empty() && journal.is_writable());
    assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().len(), CAPACITY as u64);
    for record in five() {
        journal.append_intent(&record).unwrap();
    }
    drop(journal);
    let (mut journal, found) = open(dir.path()).unwrap();
    assert_eq!((found.records.clone(), found.damage), (five(), None));
    journal.compact(&live(&found.records)).unwrap();
    journal.append(&ended("00000002", true)).unwrap();
    let (_, found) = open(dir.path()).unwrap();
    assert_eq!(found.records, [intent("00000002"), ended("00000002", true)]);
}

#[test]
fn a_damaged_file_is_kept_and_refuses_new_faults_until_it_is_cleared() {
    for bend in [
        |file: &File| file.set_len(5_000).unwrap(),
        |file: &File| {
            std::os::unix::fs::FileExt::write_all_at(file, b"#", 40).unwrap();
        },
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(dir.path()).unwrap();
        for record in five() {
            journal.append(&record).unwrap();
        }
        let path = dir.path().join(FILE);
        bend(&File::options().write(true).open(&path).unwrap());
        let bent = fs::read(&path).unwrap();
        let (mut journal, found) = open(dir.path()).unwrap();
        assert!(found.damage.is_some() && found.records.len() >= 4);
        let kept: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap()).collect();
        let kept: Vec<_> =
            kept.iter().filter(|e| e.file_name().to_str().unwrap().starts_with("journal.bad-")).collect();
        assert_eq!((kept.len(), fs::read(kept[0].path()).unwrap()), (1, bent));
        for _ in 0..2 {
            assert!(matches!(journal.append_intent(&five()[0]), Err(JournalError::Damaged)));
            journal.append(&ended("00000002", true)).unwrap();
            // The next start finds a sound file with what was readable, and the marker.
            let again = open(dir.path()).unwrap();
            assert_eq!(again.1.damage, None);
            assert!(again.1.records.len() > found.records.len());
            journal = again.0;
        }
        assert!(is_damaged(File::open(dir.path()).unwrap()).unwrap());
        clear_damage(File::open(dir.path()).unwrap()).unwrap();
        open(dir.path()).unwrap().0.append_intent(&five()[0]).unwrap();
    }
}

/// A file system of 2 MiB, unmounted with its guard.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount() -> Self {
        use nix::mount::{MsFlags, mount};
        let dir = tempfile::tempdir().unwrap();
        let size = Some("size=2m,mode=700");
        mount(Some("rumpus-test-proc"), dir.path(), Some("tmpfs"), MsFlags::empty(), size).unwrap();
        Self(dir)
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        nix::mount::umount2(self.0.path(), nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}

#[test]
fn a_full_disk_takes_endings_and_a_new_journal_is_refused_by_name() {
    let disk = Tiny::mount();
    let dir = disk.0.path();
    let (mut journal, _) = open(dir).unwrap();
    journal.append_intent(&intent("00000001")).unwrap();
    let filled = fs::write(dir.join("filler"), vec![1; 3 << 20]).unwrap_err();
    assert_eq!(filled.raw_os_error(), Some(libc::ENOSPC));
    for _ in 0..2_000 {
        journal.append(&ended("00000001", true)).unwrap();
    }
    let refused = journal.compact(&[]);
    assert!(matches!(refused, Err(JournalError::NoSpace { .. })), "{refused:?}");
    journal.append(&ended("00000001", true)).unwrap();
    assert_eq!(open(dir).unwrap().1.records.len(), 2_002);
    fs::remove_file(dir.join(FILE)).unwrap();
    fs::write(dir.join("filler2"), vec![1; 3 << 20]).unwrap_err();
    assert!(matches!(open(dir), Err(JournalError::NoSpace { .. })));
}

#[test]
fn a_read_only_file_system_is_refused_by_name() {
    use nix::mount::{MsFlags, mount};
    let disk = Tiny::mount();
    drop(open(disk.0.path()).unwrap());
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, disk.0.path(), None::<&str>, flags, None::<&str>).unwrap();
    assert!(matches!(open(disk.0.path()), Err(JournalError::ReadOnly { .. })));
}

#[test]
fn leading_zeros_are_counted_as_unused() {
    assert_eq!((used(&[]), used(&[0, 0]), used(&[0, 1, 0])), (0, 0, 2));
}
