//! What a journal gives back, whatever became of its bytes.
//!
//! ```text
//! first byte 0: the rest is a journal's bytes
//!            1: each line of the rest is the body of a sound frame
//!            2: records are drawn, written, and then damaged
//! ```
//! The form of a frame is written down here a second time.

mod damage;
mod record;

use super::draw::Draw;
use damage::{Damaged, damaged};
use rumpus_agent::cluster::diary::Entries;
use rumpus_agent::core::Record;
use rumpus_agent::journal::{Recovered, encode, recover};
use rumpus_agent::local;

/// Reads one journal.
pub fn journal(data: &[u8]) {
    let mut draw = Draw::new(data);
    match draw.below(3) {
        0 => drop(sound(draw.rest())),
        1 => {
            let bodies = draw.rest().split(|byte| *byte == b'\n').filter(|body| !body.is_empty());
            let frames: Vec<Vec<u8>> = bodies.map(frame).collect();
            let found = sound(&frames.concat());
            let good = frames.iter().filter(|f| !recover::<Record>(f).records.is_empty()).count();
            assert_eq!(found.records.len(), good, "a sound frame was not read");
            assert_eq!(found.damage.is_none(), good == frames.len());
            assert_eq!((found.end, found.torn_tail), (frames.concat().len(), false));
        }
        _ => judge(&damaged(&mut draw)),
    }
}

/// A frame as the journal's documentation describes it.
fn frame(body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let covered = [&1_u16.to_le_bytes()[..], &len, body].concat();
    [&b"RMPJ"[..], &covered[..6], &crc32c(&covered).to_le_bytes(), body].concat()
}

/// CRC-32C bit by bit (RFC 3720, appendix B.4).
fn crc32c(bytes: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}

/// Recovers, and asserts what holds for any bytes.
fn sound(bytes: &[u8]) -> Recovered<Record> {
    let found = recover::<Record>(bytes);
    assert!(found.end <= bytes.len());
    assert!(found.damage.as_ref().is_none_or(|d| d.offset < bytes.len()), "{:?}", found.damage);
    // What is found is what is found again, now without damage.
    let frames: Vec<Vec<u8>> = found.records.iter().map_while(|r| encode(r).ok()).collect();
    assert_eq!(frames.len(), found.records.len(), "a record that was read cannot be written");
    let again = recover::<Record>(&frames.concat());
    let clean = Recovered { records: found.records, torn_tail: false, damage: None, end: frames.concat().len() };
    assert_eq!(again, clean);
    // What an agent makes of it: nothing without an end is lost by making the journal smaller.
    let entries = Entries::of(again.records.clone());
    let smaller = entries.records();
    assert_eq!(Entries::of(smaller.clone()).records(), smaller);
    let live = local::live(again.records);
    assert_eq!(entries.live(), live.values().cloned().collect::<Vec<_>>());
    assert_eq!(local::live(smaller), live);
    Recovered { records: clean.records, ..found }
}

/// Judges what was recovered of a journal whose records, and whose damage, are known.
fn judge(journal: &Damaged) {
    let found = sound(&journal.bytes);
    let used = journal.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    // Every frame that is whole is found, wherever it has come to lie, and nothing else is.
    let whole = journal.whole();
    let wanted: Vec<&Record> = whole.iter().map(|(_, record)| *record).collect();
    assert_eq!(found.records.iter().collect::<Vec<_>>(), wanted);
    // Up to the damage that is told, or up to the torn end, there is frame after frame.
    let sound_until = match (&found.damage, found.torn_tail) {
        (Some(damage), _) => damage.offset,
        (None, true) => found.end,
        (None, false) => used,
    };
    let mut at = 0;
    for (offset, record) in &whole {
        if *offset < sound_until {
            assert_eq!(*offset, at, "something before {record:?} was passed over in silence");
            at += encode(record).map_or(0, |frame| frame.len());
        }
    }
    assert_eq!(at, sound_until, "something was passed over in silence");
    if found.torn_tail && found.damage.is_none() {
        assert!(
            journal.bytes.get(at..at + 4).is_none_or(|magic| b"RMPJ".iter().zip(magic).all(|(m, b)| m == b || *b == 0))
        );
    }
    // A write that was cut off costs its own record alone, and is no damage.
    if let Some(cut) = journal.only_torn_at {
        let before = journal.written_before(cut);
        assert_eq!((found.records.len(), found.damage), (before, None), "torn at {cut}");
    }
}
