//! What may be changed in the records of groups, one change at a time, so that it can be made twice and is lost where it was
//! made before. Pure; where records are kept is somebody else's.

use super::Slot;
use super::rate::Rate;
use super::record::Record;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A group of a policy; dry runs have a record of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    pub policy: String,
    pub dry_run: bool,
    /// Empty: the policy as a whole.
    pub group: String,
}

/// Every group that is known.
pub type Records = BTreeMap<Who, Record>;

/// One change of a record.
#[derive(Clone, Debug)]
pub enum Change {
    /// It is looked at; the first time counts.
    Seen(Timestamp),
    /// A slot passes without a run.
    Pass(Slot),
    /// A slot's run begins; the instant tells ours from another's. With the policy's rate.
    Take(Slot, Timestamp, Option<Rate>),
    /// A slot that was begun has this run, by its UID; the first one counts.
    Bind { slot: String, run: String },
    /// What was begun at that instant has ended.
    Settle { begun: Timestamp, acted: bool },
}

/// Makes a change, among `most` groups; returns whether there was one to be made.
pub fn apply(records: &mut Records, most: usize, who: &Who, change: &Change) -> bool {
    let room = records.len() < most;
    let Some(record) = records.get_mut(who) else {
        if let Change::Seen(at) = change
            && room
        {
            records.insert(who.clone(), Record::new(*at));
            return true;
        }
        return false;
    };
    match change {
        Change::Pass(slot) if !record.is_taken(slot) => record.pass(slot),
        Change::Take(slot, at, rate) if !record.is_taken(slot) => record.take(slot, *at, *rate),
        Change::Bind { slot, run } if record.is_free(slot) => record.run = Some(run.clone()),
        Change::Settle { begun, acted } if record.begun == Some(*begun) => record.settle(*acted),
        Change::Bind { .. } | Change::Seen(_) | Change::Pass(_) | Change::Take(..) | Change::Settle { .. } => {
            return false;
        }
    }
    true
}
