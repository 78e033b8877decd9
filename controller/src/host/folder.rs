//! A folder of policies, and the calendars: looked at every so often, and each file read again once it is another.
//!
//! It must never go on with what a file said before: one that cannot be read says nothing.

use super::judge::{Calendars, Judged, Said, judge};
use jiff::civil::Date;
use rumpus_model::policy::{self, MAX_BYTES, Problem};
use rumpus_model::schedule::ics;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Endings of files that hold policies.
const ENDINGS: [&str; 2] = ["yaml", "yml"];
/// A file that was changed so short a time ago may be changed again without looking another.
const YOUNG: Duration = Duration::from_millis(500);
/// Others may write it.
const BY_ANYBODY: u32 = 0o002;

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
    modified: (i64, i64),
    young: bool,
}

impl Stamp {
    fn of(seen: &Metadata) -> Self {
        let age = seen.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        Self {
            inode: seen.ino(),
            size: seen.size(),
            changed: (seen.ctime(), seen.ctime_nsec()),
            modified: (seen.mtime(), seen.mtime_nsec()),
            young: age.is_none_or(|age| age < YOUNG),
        }
    }

    /// Returns whether a file that was read in this state has to be read again in that.
    fn is_news(&self, now: &Self) -> bool {
        self.young || Self { young: false, ..*self } != Self { young: false, ..*now }
    }
}

/// A folder of policies.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// By name; the stamp is none where the file cannot be looked at.
    files: BTreeMap<String, (Option<Stamp>, Said)>,
    calendars: BTreeMap<String, Calendar>,
    revisions: u64,
    judged: Judged,
}

#[derive(Debug)]
struct Calendar {
    path: PathBuf,
    stamp: Option<Stamp>,
    days: Result<BTreeSet<Date>, String>,
}

impl Folder {
    /// Names a folder, and the file of each calendar; nothing is read before [`Folder::look`].
    pub fn new(path: PathBuf, calendars: impl IntoIterator<Item = (String, PathBuf)>) -> Self {
        let unread = |path| Calendar { path, stamp: None, days: Err("it was not read yet".to_owned()) };
        Self {
            path,
            files: BTreeMap::new(),
            calendars: calendars.into_iter().map(|(name, path)| (name, unread(path))).collect(),
            revisions: 0,
            judged: Judged::default(),
        }
    }

    /// Returns what the folder said when it was looked at last.
    pub fn judged(&self) -> &Judged {
        &self.judged
    }

    /// Returns why a calendar cannot be read, by its name.
    pub fn bad_calendars(&self) -> impl Iterator<Item = (&String, &String)> {
        self.calendars.iter().filter_map(|(name, calendar)| Some((name, calendar.days.as_ref().err()?)))
    }

    /// Looks again; returns whether anything is another than before.
    ///
    /// # Errors
    /// The folder cannot be read: it then holds no policies.
    pub fn look(&mut self) -> io::Result<bool> {
        let names = names(&self.path);
        let mut news = self.look_at_calendars();
        let before = self.files.len();
        let none = BTreeSet::new();
        let wanted = names.as_ref().unwrap_or(&none);
        self.files.retain(|name, _| wanted.contains(name));
        news |= self.files.len() != before;
        for name in wanted {
            let path = self.path.join(name);
            let now = std::fs::metadata(&path).map(|seen| Stamp::of(&seen));
            let same = match (self.files.get(name), &now) {
                (Some((Some(old), _)), Ok(now)) => !old.is_news(now),
                (_, _) => false,
            };
            if same {
                continue;
            }
            let policies = read(&path).and_then(|text| policy::parse(&text));
            let old = self.files.get(name).map(|(_, said)| said);
            // What was read again and says the same is the same.
            let as_before = old.filter(|old| said_same(&old.policies, &policies)).map(|old| old.revision);
            if as_before.is_none() {
                news = true;
                self.revisions += 1;
            }
            let revision = as_before.unwrap_or(self.revisions);
            self.files.insert(name.clone(), (now.ok(), Said { revision, policies }));
        }
        if news {
            let files = self.files.iter().map(|(name, (_, said))| (name.clone(), said.clone())).collect();
            let calendars: Calendars =
                self.calendars.iter().map(|(name, calendar)| (name.clone(), calendar.days.clone())).collect();
            self.judged = judge(&files, &calendars);
        }
        names.map(|_| news)
    }

    fn look_at_calendars(&mut self) -> bool {
        let mut news = false;
        for calendar in self.calendars.values_mut() {
            let now = std::fs::metadata(&calendar.path).map(|seen| Stamp::of(&seen)).ok();
            if matches!((&calendar.stamp, &now), (Some(old), Some(now)) if !old.is_news(now)) {
                continue;
            }
            let days = days(&calendar.path);
            news |= days != calendar.days;
            (calendar.stamp, calendar.days) = (now, days);
        }
        news
    }
}

fn days(path: &Path) -> Result<BTreeSet<Date>, String> {
    let text = text(path, MAX_BYTES + 1).map_err(|e| e.to_string())?;
    // One that was cut off would have days that nobody knows of.
    if text.len() > MAX_BYTES {
        return Err(format!("it has more than {MAX_BYTES} bytes"));
    }
    ics::days(&text).map_err(|e| e.to_string())
}

/// Policies have no equality; their words have.
fn said_same(old: &Result<Vec<policy::Policy>, Vec<Problem>>, new: &Result<Vec<policy::Policy>, Vec<Problem>>) -> bool {
    format!("{old:?}") == format!("{new:?}")
}

fn names(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path.extension().unwrap_or_default();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // An editor's own files begin with a dot.
        if ENDINGS.iter().any(|known| ending == *known) && !name.starts_with('.') {
            names.insert(name);
        }
    }
    Ok(names)
}

/// Reads one file, or says what is wrong with it as a problem of no field.
fn read(path: &Path) -> Result<String, Vec<Problem>> {
    let wrong = |what: String, hint: &str| vec![Problem::at("", what, hint)];
    let seen =
        std::fs::metadata(path).map_err(|e| wrong(format!("cannot be looked at: {e}"), "see that it is there"))?;
    if !seen.is_file() {
        return Err(wrong("is no file".to_owned(), "put files with policies here, and nothing else with this ending"));
    }
    if seen.mode() & BY_ANYBODY != 0 {
        let hint = "chmod o-w: who can write it decides what this host suffers";
        return Err(wrong("can be written by anybody".to_owned(), hint));
    }
    // The parser says by how much a longer one is too long.
    text(path, MAX_BYTES + 1).map_err(|e| wrong(format!("cannot be read: {e}"), "see that it is text, and may be read"))
}

fn text(path: &Path, most: usize) -> io::Result<String> {
    let mut text = String::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    File::open(path)?.take(most).read_to_string(&mut text)?;
    Ok(text)
}

/// Sees that a folder can be read, and written by nobody who should not decide what this host suffers.
///
/// # Errors
/// Why not, in words.
pub fn check(folder: &Path) -> Result<(), String> {
    let seen = std::fs::metadata(folder).map_err(|e| e.to_string())?;
    if !seen.is_dir() {
        return Err("it is no folder".to_owned());
    }
    if seen.mode() & BY_ANYBODY != 0 {
        return Err("anybody may write it, and who can write it decides what this host suffers".to_owned());
    }
    names(folder).map(drop).map_err(|e| e.to_string())
}
