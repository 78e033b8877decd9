//! A record for the journal's tests, shaped like what an agent writes.
//!
//! It must never lose a field by an older program: a record with an unknown field or
//! kind is damage, not a record with something left out.

use serde::{Deserialize, Serialize};

/// A network namespace that a fault is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetnsRecord {
    /// Device of the namespace file.
    pub(super) dev: u64,
    /// Inode of the namespace file.
    pub(super) ino: u64,
    /// A path that led to it when the fault began; a hint, to be compared with the two above.
    pub(super) path: String,
}

/// One line of a fault's life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Record {
    /// It is about to be applied. Written and durable before the first change.
    #[serde(rename_all = "camelCase")]
    Intent {
        /// The fault's id: 8 hex digits.
        id: String,
        /// Name of the run.
        run: String,
        /// The fault as planned.
        fault: serde_json::Value,
        /// Its target as planned.
        target: serde_json::Value,
        /// Where its network changes are.
        netns: Option<NetnsRecord>,
        /// The boot that the two times below belong to.
        boot_id: String,
        /// When it must have ended, in CLOCK_BOOTTIME nanoseconds.
        deadline_boot_ns: u64,
        /// When this was written, in CLOCK_BOOTTIME nanoseconds.
        at_boot_ns: u64,
    },
    /// It is in effect.
    #[serde(rename_all = "camelCase")]
    Applied {
        /// The fault's id.
        id: String,
        /// When, in CLOCK_BOOTTIME nanoseconds.
        at_boot_ns: u64,
    },
    /// It has ended, for good.
    #[serde(rename_all = "camelCase")]
    Ended {
        /// The fault's id.
        id: String,
        /// Why it ended.
        how: String,
        /// When nothing new was affected any more, in CLOCK_BOOTTIME nanoseconds.
        effect_ended_boot_ns: u64,
        /// Whether nothing of it is left.
        clean: bool,
    },
    /// Residue without a living fault was removed.
    #[serde(rename_all = "camelCase")]
    Swept {
        /// The fault's id, where the residue bears one.
        id: Option<String>,
        /// What was removed.
        what: String,
        /// When, in CLOCK_BOOTTIME nanoseconds.
        at_boot_ns: u64,
    },
}

impl Record {
    /// Returns the id of the fault that it is about.
    #[must_use]
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::Intent { id, .. } | Self::Applied { id, .. } | Self::Ended { id, .. } => Some(id),
            Self::Swept { id, .. } => id.as_deref(),
        }
    }
}

/// Returns the records of faults that have not ended clean, in order: what a
/// compaction keeps, and what a restart has to put back.
#[must_use]
pub(super) fn live(records: &[Record]) -> Vec<&Record> {
    let is_live = |record: &Record| match record.id() {
        Some(id) if !matches!(record, Record::Swept { .. }) => {
            let mut last = None;
            for other in records.iter().filter(|other| other.id() == Some(id)) {
                match other {
                    Record::Intent { .. } | Record::Applied { .. } => {}
                    Record::Ended { clean, .. } => last = Some(*clean),
                    Record::Swept { .. } => {}
                }
            }
            last != Some(true)
        }
        Some(_) | None => false,
    };
    records.iter().filter(|record| is_live(record)).collect()
}
