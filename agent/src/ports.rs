//! What the reconciler's surroundings must be able to do. The host, the cluster and the simulator each bring their own.

use crate::core::{Order, Outcome, Record};
use rumpus_model::injection::Attestation;
use rumpus_model::world::Halted;
use std::collections::BTreeSet;

/// Touches the kernel. Carries out one act and reports; decides nothing.
pub trait Hands: Send + Sync {
    fn carry_out(&self, order: &Order) -> Outcome;
    /// Takes away everything of this instance but `keep`.
    fn sweep(&self, keep: &BTreeSet<String>) -> Outcome;
}

/// The Halt, wherever it lives.
pub trait Lever: Send + Sync {
    /// Asks, right before an injection's first change, whether it may begin. [`Outcome::Halt`], [`Outcome::Leave`], or
    /// [`Outcome::Failed`]: what could not be asked does not begin.
    fn ask(&self, injection: &str) -> Outcome;
    /// Says that under this Halt everything in its scope has ended, or is clean.
    ///
    /// # Errors
    /// Why it could not be said.
    fn attest(&self, halt: &str, ended: bool, clean: bool) -> Result<(), String>;
}

/// A contact that counts for everything on the node: a host's own tick.
pub trait Tick: Send + Sync {
    /// Reads the Halt now; what cannot be read is [`Halted::Unreadable`].
    fn read(&self) -> Halted;
    /// Blocks until it may have changed, or for `most`.
    fn wait(&self, most: std::time::Duration);
}

/// Keeps records across a crash.
pub trait Diary: Send {
    /// Returns once the record is durable.
    ///
    /// # Errors
    /// Why it is not.
    fn record(&mut self, record: &Record) -> Result<(), String>;
    /// Returns why nothing new may be recorded, if so.
    fn refuses(&self) -> Option<String>;
    /// Tries, after an error, to make room for new records again; what is known is kept.
    fn mend(&mut self);
}

/// Hears of every change.
pub trait Witness: Send {
    fn attested(&mut self, attestation: &Attestation);
    /// What a sweep found (and took away), and what it could not take away.
    fn swept(&mut self, found: &[String], failed: &[String]);
}
