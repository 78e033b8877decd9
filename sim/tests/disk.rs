//! The disk of the simulator, compared with a file in a directory: the production journal over both is told the same,
//! drawn from a seed, and answers, holds and reads back the same.
//!
//! What only a machine that stops can show (what was not synced is lost) is not asked: no test stops this one.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at what it did not expect, and tells what it left out"
)]

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rumpus_agent::journal::{FILE, FileStorage, Journal, JournalError, Recovered, Storage, encode};
use rumpus_sim::disk::{CAPACITY, Disk, Fault};
use rumpus_sim::rng::Rng;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How many things a script does.
const LENGTH: usize = 300;

fn seeds() -> u64 {
    if std::env::var_os("RUMPUS_SOAK").is_some() { 50 } else { 5 }
}

/// One journal over each.
struct Both<'a> {
    dir: &'a Path,
    disk: Disk,
    model: Journal<String, Disk>,
    real: Journal<String, FileStorage>,
    /// What is in them, as far as it was said to be.
    records: Vec<String>,
}

/// What a journal says of itself.
fn says<S: Storage>(journal: &Journal<String, S>) -> (usize, bool, bool, bool) {
    (journal.used(), journal.is_writable(), journal.is_damaged(), journal.wants_compaction())
}

fn code(answer: &Result<(), JournalError>) -> &'static str {
    match answer {
        Ok(()) => "ok",
        Err(JournalError::Encode(_)) => "encode",
        Err(JournalError::Damaged) => "damaged",
        Err(JournalError::Full { .. }) => "full",
        Err(JournalError::Bad) => "bad",
        Err(JournalError::NoSpace { .. }) => "no space",
        Err(JournalError::ReadOnly { .. }) => "read-only",
        Err(JournalError::Io { .. }) => "io",
    }
}

fn storage(dir: &Path) -> FileStorage {
    FileStorage::open(File::open(dir).unwrap().into(), FILE, CAPACITY).unwrap()
}

/// Opens over a storage; also tells whether a damaged content was put aside.
fn open<S: Storage>(storage: S, damaged: bool) -> (Journal<String, S>, Recovered<String>, bool) {
    let mut kept = false;
    let keep = || {
        kept = true;
        Ok(())
    };
    let (journal, found) = Journal::over(storage, CAPACITY, damaged, keep).unwrap();
    (journal, found, kept)
}

impl<'a> Both<'a> {
    fn new(dir: &'a Path) -> Self {
        let disk = Disk::default();
        disk.make();
        let (model, real) = (open(disk.clone(), false).0, open(storage(dir), false).0);
        Self { dir, disk, model, real, records: Vec::new() }
    }

    /// Both processes are gone, and begin anew.
    fn reopen(&mut self, damaged: bool) {
        let (model, found, kept) = open(self.disk.clone(), damaged);
        let (real, really, set_aside) = open(storage(self.dir), damaged);
        assert_eq!((&found, kept), (&really, set_aside));
        (self.model, self.real, self.records) = (model, real, found.records);
    }

    /// Changes what both hold, by the same hand.
    fn bend(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.disk.bytes();
        change(&mut bytes);
        self.disk.put_back(&bytes);
        std::fs::write(self.dir.join(FILE), bytes).unwrap();
    }

    fn append(&mut self, record: String, intent: bool) -> &'static str {
        let [model, real] = if intent {
            [self.model.append_intent(&record), self.real.append_intent(&record)]
        } else {
            [self.model.append(&record), self.real.append(&record)]
        }
        .map(|answer| code(&answer));
        assert_eq!(model, real);
        if model == "ok" {
            self.records.push(record);
        }
        model
    }

    /// Keeps only these records.
    fn compact(&mut self, keeps: &mut dyn FnMut() -> bool) -> &'static str {
        let live: Vec<String> = self.records.iter().filter(|_| keeps()).cloned().collect();
        let all: Vec<&String> = live.iter().collect();
        let [model, real] = [self.model.compact(&all), self.real.compact(&all)].map(|answer| code(&answer));
        assert_eq!(model, real);
        if model == "ok" {
            self.records = live;
        }
        model
    }

    /// The machine stops when so many bytes of a record are written: nobody is answered.
    fn tear(&mut self, record: &String, count: usize) {
        let used = u64::try_from(self.real.used()).unwrap();
        let frame = encode(record).unwrap();
        let file = File::options().write(true).open(self.dir.join(FILE)).unwrap();
        file.write_all_at(&frame[..count.min(frame.len())], used).unwrap();
        self.disk.goes_wrong(Some(Fault::Torn(count)));
        assert_eq!(code(&self.model.append(record)), "io");
        self.disk.stops();
    }

    fn compare(&self) {
        assert_eq!(says(&self.model), says(&self.real));
        assert!(self.disk.bytes() == std::fs::read(self.dir.join(FILE)).unwrap(), "the bytes differ");
    }
}

fn script(seed: u64) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let mut both = Both::new(dir.path());
    let mut rng = Rng::new(seed, "disk");
    let mut torn = 0;
    for step in 0..LENGTH {
        let record = format!("{step} {}", "x".repeat(rng.index(700)));
        match rng.below(100) {
            0..45 => drop(both.append(record, true)),
            45..70 => drop(both.append(record, false)),
            70..78 => drop(both.compact(&mut || rng.chance(500))),
            78..84 => both.reopen(both.real.is_damaged()),
            84..92 if both.real.used() + 800 < CAPACITY && both.real.is_writable() => {
                both.tear(&record, rng.index(record.len() + 16));
                let held = both.records.clone();
                both.reopen(false);
                // Torn behind its last byte, it is whole.
                assert!(both.records.starts_with(&held) && both.records.len() <= held.len() + 1);
                torn += 1;
            }
            92..94 => {
                let at = rng.index(CAPACITY);
                both.bend(|bytes| bytes.truncate(at));
                both.reopen(both.real.is_damaged());
            }
            94..96 => {
                let at = rng.index(both.real.used().max(1));
                both.bend(|bytes| bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 0x55));
                both.reopen(both.real.is_damaged());
            }
            // Somebody has cleared the damage.
            _ => both.reopen(false),
        }
        both.compare();
    }
    torn
}

#[test]
fn a_journal_on_the_models_disk_is_one_in_a_file() {
    let torn: usize = (0..seeds()).map(script).sum();
    assert!(torn > 0, "no script tore a record");
}

/// Below the journal: what it never asks for, too.
#[test]
fn bytes_are_where_they_were_written() {
    for seed in 0..seeds() {
        let dir = tempfile::tempdir().unwrap();
        let (mut model, mut real, mut rng) = (Disk::default(), storage(dir.path()), Rng::new(seed, "bytes"));
        model.make();
        for _ in 0..LENGTH {
            let bytes: Vec<u8> = (0..rng.index(300) * rng.index(4)).map(|_| rng.draw().to_le_bytes()[0]).collect();
            let at = rng.below(u64::try_from(CAPACITY).unwrap() * 2);
            let both = match rng.below(10) {
                0..6 => (model.write_at(at, &bytes), real.write_at(at, &bytes)),
                6..8 => (model.sync(), real.sync()),
                8 => (model.replace(&bytes), real.replace(&bytes)),
                _ => {
                    real = storage(dir.path());
                    (Ok(()), Ok(()))
                }
            };
            assert!(both.0.is_ok() && both.1.is_ok(), "seed {seed}: {both:?}");
            assert!(model.read_all().unwrap() == real.read_all().unwrap(), "seed {seed}");
        }
    }
}

/// Does something in a small file system of its own, which goes with the thread; only root can have one.
fn on_a_small_disk(what: impl FnOnce(&Path) + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        println!("not asked: only root can mount a disk");
        return;
    }
    let alone = move || {
        let dir = tempfile::tempdir().unwrap();
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some("tmpfs"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some("size=64k")).unwrap();
        what(dir.path());
        nix::mount::umount2(dir.path(), nix::mount::MntFlags::MNT_DETACH).unwrap();
    };
    std::thread::spawn(alone).join().unwrap();
}

/// Takes all the room that is left.
fn fill(dir: &Path) {
    let file = File::options().create(true).append(true).open(dir.join("filler")).unwrap();
    while std::io::Write::write(&mut &file, &[1; 4096]).is_ok_and(|count| count > 0) {}
}

#[test]
fn a_full_disk_leaves_a_journal_as_it_was() {
    on_a_small_disk(|dir| {
        let mut both = Both::new(dir);
        for number in 0..8 {
            assert_eq!(both.append(format!("{number}"), true), "ok");
        }
        fill(dir);
        both.disk.goes_wrong(Some(Fault::Full));
        assert_eq!(both.compact(&mut || false), "no space");
        both.compare();
        // What was written when it was made takes records all the same.
        assert_eq!(both.append("on a full disk".into(), true), "ok");
        both.reopen(false);
        assert_eq!(both.records.len(), 9);
        std::fs::remove_file(dir.join("filler")).unwrap();
        assert_eq!(both.compact(&mut || false), "ok");
        both.reopen(false);
        both.compare();
    });
}

/// A file system that puts what is written anew elsewhere (copy on write, holes) may be full for a record, too.
#[test]
fn a_record_for_which_there_is_no_room_is_written_in_part() {
    on_a_small_disk(|dir| {
        let mut both = Both::new(dir);
        both.append("x".repeat(3900), true);
        let file = File::options().write(true).open(dir.join(FILE)).unwrap();
        let hole = nix::fcntl::FallocateFlags::FALLOC_FL_PUNCH_HOLE | nix::fcntl::FallocateFlags::FALLOC_FL_KEEP_SIZE;
        nix::fcntl::fallocate(&file, hole, 4096, 12 * 1024).unwrap();
        fill(dir);
        both.disk.goes_wrong(Some(Fault::Full));
        assert_eq!(both.append("y".repeat(1000), true), "no space");
        both.compare();
        std::fs::remove_file(dir.join("filler")).unwrap();
        assert_eq!(both.append("z".repeat(100), true), "ok");
        both.compare();
        both.reopen(false);
        assert_eq!(both.records.len(), 2);
    });
}
