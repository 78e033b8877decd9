//! Where records and runs are kept: one file of redb in the state directory. A write is on disk when it returns.
//!
//! It must never be taken for empty when it cannot be read.

use super::history::Entry;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};
use rumpus_model::schedule::change::{Records, Who};
use rumpus_model::schedule::record::Record;
use rumpus_model::wire::ledger::Group;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Name of the file in the state directory.
pub const FILE: &str = "history.redb";
/// Memory for pages: the whole file is smaller.
const CACHE: usize = 4 * 1024 * 1024;
/// The form of what is stored.
const FORM: u64 = 1;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// By policy, and whether it is a dry run; each a group as a Ledger holds it.
const GROUPS: TableDefinition<'_, (&str, &str, bool), &[u8]> = TableDefinition::new("groups");
const RUNS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("runs");

/// Why nothing can be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("open {}", path.display())]
    Open { path: PathBuf, source: Box<redb::Error> },
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: Box<redb::Error> },
    #[error("write {}", path.display())]
    Write { path: PathBuf, source: Box<redb::Error> },
    #[error("read {}: an entry makes no sense: {why}", path.display())]
    Entry { path: PathBuf, why: String },
    #[error("read {}: its form is {found}, and this program knows {FORM}", path.display())]
    Form { path: PathBuf, found: u64 },
    #[error("an entry cannot be put into words")]
    Words(#[source] serde_json::Error),
}

/// What changes in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub records: Vec<(Who, Record)>,
    pub runs: Vec<(u64, Entry)>,
    /// Numbers of runs that are kept no longer.
    pub gone: Vec<u64>,
}

/// Everything that is stored.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub records: Records,
    pub runs: BTreeMap<u64, Entry>,
}

/// Keeps records and runs.
pub trait Store {
    /// # Errors
    /// It cannot be read, which says nothing about what is in it.
    fn read(&mut self) -> Result<Stored, StoreError>;

    /// Writes all of it or nothing; it is on disk when this returns.
    ///
    /// # Errors
    /// It may be written, or not.
    fn write(&mut self, batch: &Batch) -> Result<(), StoreError>;
}

/// The file.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    /// Opened again after an error: the library then wants it so.
    open: Option<Database>,
}

impl FileStore {
    /// Names the file in a state directory that this process holds.
    pub fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join(FILE), open: None }
    }

    fn database(&mut self) -> Result<&Database, StoreError> {
        if self.open.is_none() {
            let made = Builder::new().set_cache_size(CACHE).create(&self.path);
            self.open =
                Some(made.map_err(|e| StoreError::Open { path: self.path.clone(), source: Box::new(e.into()) })?);
        }
        let path = &self.path;
        self.open.as_ref().ok_or_else(|| StoreError::Entry { path: path.clone(), why: "it is not open".into() })
    }
}

impl Store for FileStore {
    fn read(&mut self) -> Result<Stored, StoreError> {
        let path = self.path.clone();
        let database = self.database()?;
        let rows = rows(database).map_err(|e| StoreError::Read { path: path.clone(), source: Box::new(e) })?;
        let wrong = |why: String| StoreError::Entry { path: path.clone(), why };
        if let Some(found) = rows.form.filter(|form| *form != FORM) {
            return Err(StoreError::Form { path: path.clone(), found });
        }
        let mut stored = Stored::default();
        for bytes in rows.groups {
            let group: Group = serde_json::from_slice(&bytes).map_err(|e| wrong(e.to_string()))?;
            let record = Record::read(&group).map_err(|e| wrong(format!("policy {}: {e}", group.policy)))?;
            let who = Who { policy: group.policy, dry_run: group.dry_run, group: group.group };
            stored.records.insert(who, record);
        }
        for (number, bytes) in rows.runs {
            let entry = serde_json::from_slice(&bytes).map_err(|e| wrong(format!("run {number}: {e}")))?;
            stored.runs.insert(number, entry);
        }
        Ok(stored)
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let path = self.path.clone();
        let groups = batch.records.iter().map(|(who, record)| {
            let written = record.write(&who.policy, &who.group, who.dry_run);
            serde_json::to_vec(&written).map(|bytes| (who, bytes)).map_err(StoreError::Words)
        });
        let groups: Vec<(&Who, Vec<u8>)> = groups.collect::<Result<_, _>>()?;
        let runs = batch
            .runs
            .iter()
            .map(|(number, entry)| serde_json::to_vec(entry).map(|bytes| (*number, bytes)).map_err(StoreError::Words));
        let runs: Vec<(u64, Vec<u8>)> = runs.collect::<Result<_, _>>()?;
        let written = put(self.database()?, &groups, &runs, &batch.gone);
        written.map_err(|source| {
            self.open = None;
            StoreError::Write { path, source: Box::new(source) }
        })
    }
}

#[derive(Default)]
struct Rows {
    form: Option<u64>,
    groups: Vec<Vec<u8>>,
    runs: Vec<(u64, Vec<u8>)>,
}

fn rows(database: &Database) -> Result<Rows, redb::Error> {
    let read = database.begin_read()?;
    let mut rows = Rows::default();
    match read.open_table(META) {
        Ok(table) => rows.form = table.get("form")?.map(|form| form.value()),
        // A new file has no tables.
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(rows),
        Err(error) => return Err(error.into()),
    }
    for row in read.open_table(GROUPS)?.iter()? {
        rows.groups.push(row?.1.value().to_vec());
    }
    for row in read.open_table(RUNS)?.iter()? {
        let (number, bytes) = row?;
        rows.runs.push((number.value(), bytes.value().to_vec()));
    }
    Ok(rows)
}

fn put(
    database: &Database,
    groups: &[(&Who, Vec<u8>)],
    runs: &[(u64, Vec<u8>)],
    gone: &[u64],
) -> Result<(), redb::Error> {
    // Durable by default: the commit returns after the file is synced.
    let write = database.begin_write()?;
    {
        write.open_table(META)?.insert("form", FORM)?;
        let mut table = write.open_table(GROUPS)?;
        for (who, bytes) in groups {
            table.insert((who.policy.as_str(), who.group.as_str(), who.dry_run), bytes.as_slice())?;
        }
        let mut table = write.open_table(RUNS)?;
        for (number, bytes) in runs {
            table.insert(*number, bytes.as_slice())?;
        }
        for number in gone {
            table.remove(*number)?;
        }
    }
    write.commit()?;
    Ok(())
}
