//! Randomness that a seed decides: one stream for each purpose, so that a draw more in one does not move all others.

use std::time::Duration;

/// One stream (SplitMix64).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Begins the stream of a purpose.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut rng = Self(seed ^ fnv(purpose.as_bytes(), FNV));
        rng.draw();
        rng
    }

    /// Begins at a place of a stream, whatever was drawn before it.
    pub fn at(stream: u64, place: u64) -> Self {
        Self(stream.wrapping_add(place.wrapping_mul(0xD1B5_4A32_D192_ED03)))
    }

    /// Draws any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Draws a number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// Draws an index below `end`.
    pub fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(u64::try_from(end).unwrap_or(u64::MAX))).unwrap_or(0)
    }

    /// Returns `true` so many times of a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// Draws a time of so many microseconds.
    pub fn micros(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(from + self.below(to.saturating_sub(from) + 1))
    }

    /// Draws a time of so many milliseconds.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        self.micros(from * 1000, to * 1000)
    }
}

/// Where a hash begins.
pub const FNV: u64 = 0xCBF2_9CE4_8422_2325;

/// Goes on with a hash (FNV-1a).
pub fn fnv(bytes: &[u8], hash: u64) -> u64 {
    bytes.iter().fold(hash, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01B3))
}
