//! Reads a journal back, and tells a torn end from damage.
//!
//! A crash in the middle of a write leaves the *last* frame without its end: normal,
//! and its record never counted. Everything else that is not a frame is damage. It
//! must never drop a readable record, also not behind a damaged place: each may
//! stand for something that has to be put back.

use serde::de::DeserializeOwned;

use super::frame::{BODY_CAP, HEADER, MAGIC, Parsed, VERSION, parse};

/// What a journal file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered<R> {
    /// All readable records in the order in which they were written.
    pub records: Vec<R>,
    /// Whether the last frame was cut off in the middle of its writing.
    pub torn_tail: bool,
    /// The first thing that is wrong, where something is.
    pub damage: Option<Damage>,
    /// Where the next frame goes: behind the last good one.
    pub end: usize,
}

/// A place in a journal that nothing but a fault of disk or hand explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Byte offset of the place.
    pub offset: usize,
    /// What is wrong there.
    pub what: DamageKind,
}

/// How a place is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// A whole frame does not fit its checksum.
    Checksum,
    /// A frame of a version that this program does not know.
    UnknownVersion(u16),
    /// A sound frame whose JSON is no record that this program knows.
    UnknownRecord,
    /// No frame begins where one must.
    NoFrame,
    /// The file is shorter than it was made.
    Shortened,
}

/// Reads all frames; behind a damaged place it goes on at the next sound frame.
#[must_use]
pub fn recover<R: DeserializeOwned>(bytes: &[u8]) -> Recovered<R> {
    let mut found = Recovered { records: Vec::new(), torn_tail: false, damage: None, end: 0 };
    let end = used(bytes);
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|_| at < end) {
        match parse(rest) {
            Parsed::Whole { version, body } => {
                match read(version, body) {
                    Ok(record) => found.records.push(record),
                    Err(what) => note(&mut found.damage, at, what),
                }
                at += HEADER + body.len();
                found.end = at;
            }
            Parsed::Broken { .. } | Parsed::NoHeader => {
                let next = next_frame(rest);
                if next.is_none() && is_torn(rest) {
                    found.torn_tail = true;
                    break;
                }
                note(&mut found.damage, at, kind_of(rest));
                match next {
                    Some(offset) => at += offset,
                    None => break,
                }
            }
        }
    }
    found
}

/// Returns the number of bytes up to the last that is not zero.
pub(super) fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn read<R: DeserializeOwned>(version: u16, body: &[u8]) -> Result<R, DamageKind> {
    if version != VERSION {
        return Err(DamageKind::UnknownVersion(version));
    }
    serde_json::from_slice(body).map_err(|_cause| DamageKind::UnknownRecord)
}

fn note(damage: &mut Option<Damage>, offset: usize, what: DamageKind) {
    if damage.is_none() {
        *damage = Some(Damage { offset, what });
    }
}

/// Whether a tail is the front part of one frame and nothing else: zeros, or the end
/// of the file, come before the frame's last byte (which is never zero).
fn is_torn(tail: &[u8]) -> bool {
    let used = used(tail);
    let fits = |len: usize| used < HEADER + len;
    match parse(tail) {
        Parsed::Broken { len } => version_of(tail) == Some(VERSION) && fits(len),
        Parsed::Whole { .. } => false,
        // Torn within the header: what is there is what a header begins with.
        Parsed::NoHeader => {
            let version = VERSION.to_le_bytes();
            let begins = MAGIC.iter().chain(&version).zip(tail.iter().take(used)).all(|(a, b)| a == b);
            used < HEADER && begins && len_so_far(tail) <= BODY_CAP
        }
    }
}

fn version_of(tail: &[u8]) -> Option<u16> {
    tail.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes)
}

/// The length field, as far as it was written: its low bytes come first.
fn len_so_far(tail: &[u8]) -> usize {
    let field = tail.iter().skip(6).take(4);
    field.rev().fold(0, |len, byte| (len << 8) | usize::from(*byte))
}

fn kind_of(rest: &[u8]) -> DamageKind {
    match (parse(rest), version_of(rest)) {
        (Parsed::Broken { .. }, Some(version)) if version != VERSION => DamageKind::UnknownVersion(version),
        (Parsed::Broken { .. }, _) => DamageKind::Checksum,
        (Parsed::Whole { .. } | Parsed::NoHeader, _) => DamageKind::NoFrame,
    }
}

/// Returns the offset of the next whole frame behind the first byte.
fn next_frame(rest: &[u8]) -> Option<usize> {
    let starts = rest.windows(MAGIC.len()).enumerate().skip(1);
    starts
        .filter(|(_, window)| *window == MAGIC)
        .map(|(at, _)| at)
        .find(|at| rest.get(*at..).is_some_and(|tail| matches!(parse(tail), Parsed::Whole { .. })))
}
