//! Schedules on one host: the same model as in a cluster, with a folder in the place of the API server and a file in that of
//! the Ledger.
//!
//! ```text
//! folder.rs (files as they are) -> judge.rs (policies, or what is wrong) -> timetable.rs (what is due: acts)
//!                                     history.rs (records and runs) -> store.rs (on disk, before anything is planned)
//! ```
//! It must never begin what is not on disk: a slot runs once at most, whoever is killed and when.

pub mod folder;
pub mod history;
pub mod judge;
pub mod store;
pub mod timetable;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod folder_tests;
#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod timetable_tests;
