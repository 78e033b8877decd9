//! One kind's objects as far as they are kept, fed by a list or a watch.
//!
//! A list that is begun anew does not empty the table: what it does not name by its end is gone, and only that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A table of which nothing was heard for as long is not known any more. A watch that lives says something each 10 s, and
/// one that is dead is opened anew after 15 s.
pub(crate) const SILENT: Duration = Duration::from_secs(20);

/// What a watch or a list says.
#[derive(Debug)]
pub(crate) enum Told<T> {
    ListBegins,
    Listed(String, T),
    ListEnds,
    Changed(String, T),
    Gone(String),
    /// Nothing can be told for now.
    Failed(String),
    /// One object is there that cannot be read.
    Unread(String),
    Alive,
}

impl<T> Told<T> {
    /// Returns the uid that it is about, if it is about one.
    pub(crate) fn uid(&self) -> Option<&str> {
        match self {
            Self::Listed(uid, _) | Self::Changed(uid, _) | Self::Gone(uid) => Some(uid),
            Self::ListBegins | Self::ListEnds | Self::Failed(_) | Self::Unread(_) | Self::Alive => None,
        }
    }

    pub(crate) fn map<R>(self, row: impl FnOnce(T) -> R) -> Told<R> {
        match self {
            Self::ListBegins => Told::ListBegins,
            Self::Listed(uid, seen) => Told::Listed(uid, row(seen)),
            Self::ListEnds => Told::ListEnds,
            Self::Changed(uid, seen) => Told::Changed(uid, row(seen)),
            Self::Gone(uid) => Told::Gone(uid),
            Self::Failed(why) => Told::Failed(why),
            Self::Unread(why) => Told::Unread(why),
            Self::Alive => Told::Alive,
        }
    }
}

/// What changed in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Diff {
    Put(String),
    Removed(String),
}

/// Rows by UID.
#[derive(Debug)]
pub(crate) struct Table<T> {
    rows: BTreeMap<String, T>,
    listing: Option<BTreeSet<String>>,
    /// Whole at least once; or why not.
    known: Result<(), String>,
    /// One that cannot be read makes all unknown, until a list without it: what is not seen would allow more.
    strict: bool,
    unread: Option<String>,
    /// When anything but a failure was told last, on the clock that runs on while the machine sleeps.
    heard: Duration,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            listing: None,
            known: Err("it was not listed yet".into()),
            strict: false,
            unread: None,
            heard: Duration::ZERO,
        }
    }
}

impl<T> Table<T> {
    /// One for what forbids: budgets, Halts.
    pub(crate) fn strict() -> Self {
        Self { strict: true, ..Self::default() }
    }

    /// Takes in what was told. A failure after the list was whole keeps what is there: a watch that broke for a moment
    /// is no reason to know nothing.
    pub(crate) fn take(&mut self, told: Told<T>, now: Duration) -> Vec<Diff> {
        if !matches!(told, Told::Failed(_)) {
            self.heard = now;
        }
        match told {
            Told::ListBegins => {
                self.listing = Some(BTreeSet::new());
                self.unread = None;
            }
            Told::Listed(uid, row) => {
                if let Some(listing) = &mut self.listing {
                    listing.insert(uid.clone());
                }
                self.rows.insert(uid.clone(), row);
                return vec![Diff::Put(uid)];
            }
            Told::ListEnds => {
                self.known = self.unread.take().map_or(Ok(()), Err);
                let Some(listed) = self.listing.take() else { return Vec::new() };
                let gone: Vec<String> = self.rows.keys().filter(|uid| !listed.contains(*uid)).cloned().collect();
                self.rows.retain(|uid, _| listed.contains(uid));
                return gone.into_iter().map(Diff::Removed).collect();
            }
            Told::Changed(uid, row) => {
                self.rows.insert(uid.clone(), row);
                return vec![Diff::Put(uid)];
            }
            Told::Gone(uid) => {
                self.rows.remove(&uid);
                return vec![Diff::Removed(uid)];
            }
            Told::Failed(why) => {
                if self.known.is_err() {
                    self.known = Err(why);
                }
            }
            Told::Unread(why) if self.strict && self.listing.is_none() => self.known = Err(why),
            Told::Unread(why) if self.strict => self.unread = Some(why),
            Told::Unread(_) | Told::Alive => {}
        }
        Vec::new()
    }

    pub(crate) fn get(&self, uid: &str) -> Option<&T> {
        self.rows.get(uid)
    }

    /// Whether what is kept may be taken for what is there, or why not.
    pub(crate) fn known(&self, now: Duration) -> Result<(), String> {
        self.known.clone()?;
        let silent = self.silence(now);
        if silent < SILENT { Ok(()) } else { Err(format!("nothing was heard of it for {} s", silent.as_secs())) }
    }

    /// Returns how long nothing was heard.
    pub(crate) fn silence(&self, now: Duration) -> Duration {
        now.saturating_sub(self.heard)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&String, &T)> {
        self.rows.iter()
    }

    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.rows.values_mut()
    }
}

/// UIDs of one kind whose objects are kept elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Index(Table<()>);

impl Index {
    /// Returns the object that was told, and the uids of those that are gone.
    pub(crate) fn take<T>(&mut self, told: Told<T>) -> (Option<T>, Vec<String>) {
        let mut object = None;
        let diffs = self.0.take(told.map(|row| object = Some(row)), Duration::ZERO);
        let gone = diffs.into_iter().filter_map(|d| match d {
            Diff::Removed(uid) => Some(uid),
            Diff::Put(_) => None,
        });
        (object, gone.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Diff, SILENT, Table, Told};
    use std::time::Duration;

    const NOW: Duration = Duration::from_secs(1000);

    #[test]
    fn of_what_forbids_one_that_cannot_be_read_makes_all_unknown_until_a_list_without_it() {
        let list = |table: &mut Table<i32>, unread: bool| {
            table.take(Told::ListBegins, NOW);
            table.take(Told::Listed("a".into(), 1), NOW);
            if unread {
                table.take(Told::Unread("b cannot be read".into()), NOW);
            }
            table.take(Told::ListEnds, NOW);
            table.known(NOW)
        };
        let mut strict = Table::strict();
        assert_eq!(list(&mut strict, true), Err("b cannot be read".into()));
        assert_eq!(list(&mut strict, false), Ok(()));
        strict.take(Told::Unread("a cannot be read".into()), NOW);
        assert_eq!(strict.known(NOW), Err("a cannot be read".into()));
        assert_eq!(list(&mut strict, false), Ok(()));
        let mut other = Table::default();
        assert_eq!(list(&mut other, true), Ok(()), "it hides no other");
    }

    #[test]
    fn what_a_second_list_does_not_name_is_gone_at_its_end() {
        let mut table = Table::default();
        assert!(table.known(NOW).is_err());
        for told in [Told::ListBegins, Told::Listed("a".into(), 1), Told::Listed("b".into(), 2), Told::ListEnds] {
            table.take(told, NOW);
        }
        assert!(table.known(NOW).is_ok());
        table.take(Told::Failed("broken".into()), NOW);
        assert!(table.known(NOW).is_ok());
        table.take(Told::ListBegins, NOW);
        table.take(Told::Listed("b".into(), 3), NOW);
        assert_eq!(table.rows().count(), 2, "not gone before the end");
        assert_eq!(table.take(Told::ListEnds, NOW), [Diff::Removed("a".into())]);
        assert_eq!(table.get("b"), Some(&3));
    }

    #[test]
    fn what_nothing_is_heard_of_is_not_known_until_it_is_heard_again() {
        let mut table: Table<u8> = Table::default();
        for told in [Told::ListBegins, Told::ListEnds] {
            table.take(told, NOW);
        }
        let later = NOW + SILENT;
        assert!(table.known(later - Duration::from_millis(1)).is_ok());
        table.take(Told::Failed("broken".into()), later);
        assert_eq!(table.known(later), Err("nothing was heard of it for 20 s".into()));
        table.take(Told::Alive, later);
        assert!(table.known(later).is_ok());
    }
}
