//! The Halt of a host, and the attestations that everything has ended under it.
//!
//! It must never take an unreadable Halt for none.

use std::os::fd::AsFd;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{StateDirError, file, file_error};

const HALT: &str = "halt.json";

/// A standing order that no fault may be in effect or begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// Its id: 1 to 64 of a-z, 0-9 and dash; attestations bear it.
    pub id: String,
    /// Why, in the words of who ordered it.
    pub reason: String,
    /// Who ordered it.
    pub by: String,
    /// When, by the writer's clock; for people, never compared.
    pub at: String,
}

/// Whether faults are halted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HaltState {
    /// No Halt stands.
    None,
    /// This one stands.
    Halted(Halt),
    /// There is something that cannot be read, for this reason: it counts as a Halt.
    Unreadable(String),
}

impl HaltState {
    /// Whether nothing may be in effect: every state but a readable "none".
    #[must_use]
    pub fn is_halted(&self) -> bool {
        match self {
            Self::None => false,
            Self::Halted(_) | Self::Unreadable(_) => true,
        }
    }
}

/// Writes a Halt, durably, in place of one that may stand. Needs no lock.
///
/// # Errors
/// Fails when the id is no file name or the directory cannot be written.
pub fn write_halt(dir: impl AsFd, halt: &Halt) -> Result<(), StateDirError> {
    attestation_name(&halt.id)?;
    write(&dir, HALT, halt)
}

/// Returns whether a Halt stands.
#[must_use]
pub fn read_halt(dir: impl AsFd) -> HaltState {
    match file::read(&dir, HALT) {
        Ok(None) => HaltState::None,
        Ok(Some(bytes)) => match serde_json::from_slice(&bytes) {
            Ok(halt) => HaltState::Halted(halt),
            Err(error) => HaltState::Unreadable(error.to_string()),
        },
        Err(error) => HaltState::Unreadable(error.to_string()),
    }
}

/// Removes the Halt, durably; returns whether one stood.
///
/// # Errors
/// Fails when the directory cannot be written: the Halt then stands.
pub fn remove_halt(dir: impl AsFd) -> Result<bool, StateDirError> {
    file::remove(&dir, HALT).map_err(|error| file_error("remove", HALT, error))
}

/// Writes what the holder attests under a Halt, durably.
///
/// # Errors
/// As [`write_halt`].
pub fn write_attestation<T: Serialize>(dir: impl AsFd, halt_id: &str, said: &T) -> Result<(), StateDirError> {
    write(&dir, &attestation_name(halt_id)?, said)
}

/// Returns what was attested under a Halt; none when nothing has been yet.
///
/// # Errors
/// Fails when there is something that cannot be read.
pub fn read_attestation<T: DeserializeOwned>(dir: impl AsFd, halt_id: &str) -> Result<Option<T>, StateDirError> {
    let name = attestation_name(halt_id)?;
    let bytes = file::read(&dir, &name).map_err(|error| file_error("read", &name, error))?;
    let said = bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose();
    said.map_err(|error| file_error("read", &name, error.into()))
}

/// Removes an attestation, durably; returns whether there was one.
///
/// # Errors
/// As [`remove_halt`].
pub fn remove_attestation(dir: impl AsFd, halt_id: &str) -> Result<bool, StateDirError> {
    let name = attestation_name(halt_id)?;
    file::remove(&dir, &name).map_err(|error| file_error("remove", &name, error))
}

fn attestation_name(halt_id: &str) -> Result<String, StateDirError> {
    let plain = halt_id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if plain && (1..=64).contains(&halt_id.len()) {
        Ok(format!("attest-{halt_id}.json"))
    } else {
        Err(StateDirError::HaltId { id: halt_id.to_owned() })
    }
}

fn write<T: Serialize>(dir: &impl AsFd, name: &str, value: &T) -> Result<(), StateDirError> {
    let written = serde_json::to_vec(value).map_err(Into::into);
    let written = written.and_then(|bytes| file::replace(dir, name, &bytes));
    written.map_err(|error| file_error("write", name, error))
}
