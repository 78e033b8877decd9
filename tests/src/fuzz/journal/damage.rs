//! Journals whose records are known, and what may become of their bytes.

use super::record::record;
use crate::fuzz::draw::Draw;
use rumpus_agent::core::Record;
use rumpus_agent::journal::encode;

/// Most records of one journal, and most things that become of it.
const RECORDS: usize = 12;
const DAMAGES: usize = 4;
/// Zeros behind the last record.
const TAIL: usize = 64;

/// A journal that was written whole and then damaged.
#[derive(Debug)]
pub(super) struct Damaged {
    pub(super) bytes: Vec<u8>,
    /// The only thing that became of it: from here on it is zeros.
    pub(super) only_torn_at: Option<usize>,
    written: Vec<(Vec<u8>, Record)>,
}

/// Draws records, writes them, and draws what becomes of the bytes.
pub(super) fn damaged(draw: &mut Draw<'_>) -> Damaged {
    let records = (0..=draw.below(RECORDS)).map(|_| record(draw));
    let written: Vec<(Vec<u8>, Record)> = records.filter_map(|r| Some((encode(&r).ok()?, r))).collect();
    let mut bytes: Vec<u8> = written.iter().flat_map(|(frame, _)| frame.iter().copied()).collect();
    let len = bytes.len();
    bytes.resize(len + TAIL, 0);
    let mut only_torn_at = Some(len);
    for round in 0..draw.below(DAMAGES + 1) {
        let torn = hurt(&mut bytes, draw);
        only_torn_at = torn.filter(|_| round == 0);
    }
    Damaged { bytes, only_torn_at, written }
}

/// Lets one thing become of the bytes; returns where it was a write that was cut off.
fn hurt(bytes: &mut Vec<u8>, draw: &mut Draw<'_>) -> Option<usize> {
    let kind = draw.below(7);
    let at = draw.below(bytes.len());
    let end = (at + 1 + draw.below(600)).min(bytes.len());
    match kind {
        // Torn: the file ends there, or what is behind it was never written.
        0 => bytes.truncate(at),
        1 => bytes.get_mut(at..).unwrap_or_default().fill(0),
        // A bit, or a stretch of one byte.
        2 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << draw.below(8)),
        3 => {
            let by = draw.byte();
            bytes.get_mut(at..end).unwrap_or_default().fill(by);
        }
        // A stretch is there twice, is missing, or lies over another.
        4 => drop(bytes.splice(at..at, bytes.get(at..end).unwrap_or_default().to_vec())),
        5 => drop(bytes.drain(at..end)),
        _ => {
            let stretch = bytes.get(at..end).unwrap_or_default().to_vec();
            let to = draw.below(bytes.len());
            bytes.iter_mut().skip(to).zip(stretch).for_each(|(byte, by)| *byte = by);
        }
    }
    (kind < 2).then_some(at)
}

impl Damaged {
    /// Returns each record whose frame lies in the bytes as it was written, with its place, in their order there.
    pub(super) fn whole(&self) -> Vec<(usize, &Record)> {
        let starts = (0..self.bytes.len()).filter(|at| self.bytes.get(*at..).is_some_and(|b| b.starts_with(b"RMPJ")));
        let frame = |at: usize| {
            let here = self.bytes.get(at..)?;
            self.written.iter().find(|(frame, _)| here.starts_with(frame)).map(|(_, record)| (at, record))
        };
        starts.filter_map(frame).collect()
    }

    /// Returns how many records were written whole before a place.
    pub(super) fn written_before(&self, place: usize) -> usize {
        let mut end = 0;
        self.written
            .iter()
            .take_while(|(frame, _)| {
                end += frame.len();
                end <= place
            })
            .count()
    }
}
