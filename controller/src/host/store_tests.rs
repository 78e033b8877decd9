//! What is written is there again, and only the last thousand runs are.

use super::history::{End, Entry, History, RUNS};
use super::store::{FILE, FileStore, Store, StoreError};
use jiff::Timestamp;
use rumpus_model::run::{Outcome, Verdict};
use rumpus_model::schedule::Slot;
use rumpus_model::schedule::change::{Change, Who};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn who() -> Who {
    Who { policy: "a".into(), dry_run: false, group: String::new() }
}

fn entry(run: &str) -> Entry {
    Entry { run: run.into(), policies: vec!["a".into()], began: at("2026-11-30T10:00:00Z"), ..Entry::default() }
}

#[test]
fn what_is_written_is_there_again_and_a_slot_is_taken_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let now = at("2026-11-30T10:00:00Z");
    let slot = Slot { key: "20261130t100000".into(), at: now };
    let mut history = History::open(FileStore::in_folder(folder.path()), now).unwrap();
    assert_eq!(history.begin(&who(), &slot, None, entry("one")).unwrap(), None, "a group that was never seen");
    history.change(&who(), &Change::Seen(at("2026-11-30T09:00:00Z")));
    let number = history.begin(&who(), &slot, None, entry("one")).unwrap().unwrap();
    history.change(&who(), &Change::Settle { begun: now, acted: true });
    let end = End { targets: vec!["process 7".into()], outcome: Some(Outcome::Proven), note: None };
    history.end(number, at("2026-11-30T10:00:05Z"), end);
    history.flush().unwrap();
    let (records, run) = (history.records().clone(), history.runs().next().unwrap().clone());
    assert_eq!(run.verdict, Some(Verdict::NotApplicable));
    drop(history);
    let mut again = History::open(FileStore::in_folder(folder.path()), now).unwrap();
    assert_eq!((again.records(), again.runs().next()), (&records, Some(&run)));
    assert_eq!(again.begin(&who(), &slot, None, entry("two")).unwrap(), None);
}

#[test]
fn only_the_last_thousand_runs_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let now = at("2026-11-30T10:00:00Z");
    let mut history = History::open(FileStore::in_folder(folder.path()), now).unwrap();
    for run in 0..RUNS + 20 {
        let number = history.begin_by_hand(entry(&run.to_string())).unwrap();
        history.end(number, now, End::default());
    }
    history.flush().unwrap();
    drop(history);
    let stored = FileStore::in_folder(folder.path()).read().unwrap();
    assert_eq!((stored.runs.len(), stored.runs.values().next().unwrap().run.as_str()), (RUNS, "20"));
}

#[test]
fn what_cannot_be_read_is_an_error_and_never_empty() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), vec![7; 8192]).unwrap();
    let error = History::open(FileStore::in_folder(folder.path()), at("2026-11-30T10:00:00Z")).unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    let missing = folder.path().join("missing");
    assert!(History::open(FileStore::in_folder(&missing), at("2026-11-30T10:00:00Z")).is_err());
}

#[test]
fn a_file_that_lost_its_end_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let now = at("2026-11-30T10:00:00Z");
    let mut history = History::open(FileStore::in_folder(folder.path()), now).unwrap();
    for run in 0..50 {
        history.begin_by_hand(entry(&run.to_string())).unwrap();
    }
    drop(history);
    let path = folder.path().join(FILE);
    let whole = std::fs::read(&path).unwrap();
    for part in [1, 100, 4096, whole.len() / 2, whole.len() - 4096] {
        std::fs::write(&path, &whole[..part]).unwrap();
        assert!(History::open(FileStore::in_folder(folder.path()), now).is_err(), "{part} bytes");
    }
}
