//! The form of one record on disk: magic, version, length, checksum, JSON.
//!
//! ```text
//! 0      4        6     10       14
//! | magic | version | len | crc32c | body (len bytes of JSON) |
//! ```
//! All numbers are little endian. The checksum covers version, length and body, so
//! no field can be changed unnoticed. It must never hold a body that ends in a zero
//! byte: that is how a torn frame is told from a damaged one (JSON never does).

use serde::Serialize;
use thiserror::Error;

/// First bytes of each frame: `RMPJ`.
pub(super) const MAGIC: [u8; 4] = *b"RMPJ";
/// The version that this program writes, and the only one that it reads.
pub(super) const VERSION: u16 = 1;
/// Bytes before the body.
pub(super) const HEADER: usize = 14;
/// Longest body in bytes; a fault's spec is far below it.
pub const BODY_CAP: usize = 64 * 1024;

/// A record that has no frame.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// It has no JSON form.
    #[error("cannot write a journal record as JSON")]
    Json(#[source] serde_json::Error),
    /// It is longer than a frame may be.
    #[error("a journal record of {len} bytes is over the limit of {BODY_CAP}")]
    TooLong {
        /// Bytes of its JSON.
        len: usize,
    },
}

/// Returns the frame of a record.
///
/// # Errors
/// Fails when it has no JSON form or a too long one.
pub fn encode<R: Serialize>(record: &R) -> Result<Vec<u8>, EncodeError> {
    let body = serde_json::to_vec(record).map_err(EncodeError::Json)?;
    let len = u32::try_from(body.len()).ok().filter(|_| body.len() <= BODY_CAP);
    let len = len.ok_or(EncodeError::TooLong { len: body.len() })?;
    let mut frame = Vec::with_capacity(HEADER + body.len());
    frame.extend(MAGIC);
    frame.extend(VERSION.to_le_bytes());
    frame.extend(len.to_le_bytes());
    frame.extend(checksum(VERSION, len, &body).to_le_bytes());
    frame.extend(body);
    Ok(frame)
}

/// What the first bytes of a piece of the journal are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    /// A whole frame whose checksum is right.
    Whole { version: u16, body: &'a [u8] },
    /// A header, with a length in range, whose body is cut off or does not fit its checksum.
    Broken { len: usize },
    /// Nothing that begins as a frame does.
    NoHeader,
}

/// Reads the frame at the start of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Parsed::NoHeader };
    let [m0, m1, m2, m3, v0, v1, l0, l1, l2, l3, c0, c1, c2, c3] = *header;
    let raw_len = u32::from_le_bytes([l0, l1, l2, l3]);
    let len = usize::try_from(raw_len).ok().filter(|len| (1..=BODY_CAP).contains(len));
    let Some(len) = len.filter(|_| [m0, m1, m2, m3] == MAGIC) else { return Parsed::NoHeader };
    let version = u16::from_le_bytes([v0, v1]);
    match rest.get(..len) {
        Some(body) if checksum(version, raw_len, body) == u32::from_le_bytes([c0, c1, c2, c3]) => {
            Parsed::Whole { version, body }
        }
        Some(_) | None => Parsed::Broken { len },
    }
}

fn checksum(version: u16, len: u32, body: &[u8]) -> u32 {
    let sum = crc32c::crc32c(&version.to_le_bytes());
    let sum = crc32c::crc32c_append(sum, &len.to_le_bytes());
    crc32c::crc32c_append(sum, body)
}
