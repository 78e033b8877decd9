//! A file that is another is read again, and what it said before is nothing any more.

use super::fake::file;
use super::folder::{Folder, check};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const TENS: &str = "schedule: {every: 10m}";

fn names(folder: &Folder) -> Vec<String> {
    folder.judged().policies.keys().cloned().collect()
}

/// Puts a file in place as an editor does.
fn put(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(".new"), text).unwrap();
    fs::rename(folder.join(".new"), folder.join(name)).unwrap();
}

#[test]
fn files_come_change_break_and_go() {
    let place = tempfile::tempdir().unwrap();
    put(place.path(), "a.yaml", &file("a", TENS));
    put(place.path(), "b.yml", &file("b", TENS));
    put(place.path(), "notes.txt", "no policy");
    let mut folder = Folder::new(place.path().into(), []);
    assert!(folder.look().unwrap());
    assert_eq!(names(&folder), ["a", "b"]);
    assert!(!folder.look().unwrap(), "nothing is another");
    let before = folder.judged().policies["a"].revision;
    put(place.path(), "a.yaml", &file("a", "schedule: {every: 20m}"));
    assert!(folder.look().unwrap());
    assert_ne!(folder.judged().policies["a"].revision, before);
    put(place.path(), "a.yaml", "kind: nonsense");
    assert!(folder.look().unwrap());
    assert_eq!((names(&folder), folder.judged().problems.len()), (vec!["b".to_owned()], 1));
    fs::remove_file(place.path().join("a.yaml")).unwrap();
    assert!(folder.look().unwrap());
    assert!(folder.judged().problems.is_empty());
    fs::remove_dir_all(place.path()).unwrap();
    assert!(folder.look().is_err());
    assert!(names(&folder).is_empty(), "a folder that is gone holds nothing");
    fs::create_dir(place.path()).unwrap();
}

#[test]
fn what_is_written_in_place_while_it_is_read_is_read_again() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.yaml");
    let mut folder = Folder::new(place.path().into(), []);
    // The same length, within one tick of the file system's clock.
    for name in ["a", "b", "c", "d"] {
        fs::write(&path, file(name, TENS)).unwrap();
        folder.look().unwrap();
        assert_eq!(names(&folder), [name]);
    }
}

#[test]
fn what_anybody_may_write_or_is_no_file_is_refused() {
    let place = tempfile::tempdir().unwrap();
    put(place.path(), "a.yaml", &file("a", TENS));
    fs::set_permissions(place.path().join("a.yaml"), fs::Permissions::from_mode(0o666)).unwrap();
    fs::create_dir(place.path().join("b.yaml")).unwrap();
    fs::write(place.path().join("c.yaml"), [0xff, 0xfe]).unwrap();
    let mut folder = Folder::new(place.path().into(), []);
    folder.look().unwrap();
    let words = |name: &str| folder.judged().problems[name][0].what.clone();
    assert!(words("a.yaml").contains("by anybody") && words("b.yaml").contains("no file"));
    assert!(words("c.yaml").contains("cannot be read"));
    assert_eq!(check(place.path()), Ok(()));
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(check(place.path()).unwrap_err().contains("anybody"));
    assert!(check(&place.path().join("a.yaml")).is_err());
}

#[test]
fn calendars_are_read_again_too() {
    let place = tempfile::tempdir().unwrap();
    put(place.path(), "a.yaml", &file("a", "schedule: {every: 10m, holidays: {calendars: [de]}}"));
    let ics = place.path().join("de.ics");
    let mut folder = Folder::new(place.path().into(), [("de".to_owned(), ics)]);
    folder.look().unwrap();
    assert_eq!((names(&folder).len(), folder.bad_calendars().count()), (0, 1));
    put(place.path(), "de.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261225\nEND:VEVENT\nEND:VCALENDAR\n");
    assert!(folder.look().unwrap());
    assert_eq!((names(&folder).len(), folder.bad_calendars().count()), (1, 0));
    let schedule = folder.judged().policies["a"].schedule.clone().unwrap();
    assert!(schedule.calendar.holidays.contains(&"2026-12-25".parse().unwrap()));
}
