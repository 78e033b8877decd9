//! What Rumpus decides.
pub mod scope;
pub mod change;
