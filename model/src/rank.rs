//! The order in which candidates are picked: a hash of each one's identity and the seed.
//!
//! It does not depend on the order of a list, and stays as it is when other candidates come and go.

use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// Fixed for ever: changing it would change every seeded plan.
const KEY: (u64, u64) = (0x5275_6d70_7573_2e72, 0x616e_6b2e_7631_0000);

/// Ranks candidates by one seed.
#[derive(Clone, Copy, Debug)]
pub struct Ranks {
    /// Has read the seed already: 100,000 candidates need not read it again.
    seeded: SipHasher24,
}

impl Ranks {
    pub fn new(seed: &str) -> Self {
        let mut seeded = SipHasher24::new_with_keys(KEY.0, KEY.1);
        part(&mut seeded, seed);
        Self { seeded }
    }

    /// Returns a candidate's rank; the lowest are picked first. SipHash-2-4 over the seed and the identity.
    pub fn of(&self, identity: &str) -> u64 {
        let mut hasher = self.seeded;
        part(&mut hasher, identity);
        hasher.finish()
    }

    /// Returns a hash of everything so far and of one more part.
    pub fn chain(so_far: u64, next: &str) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(KEY.0, KEY.1);
        hasher.write_u64(so_far);
        part(&mut hasher, next);
        hasher.finish()
    }
}

fn part(hasher: &mut SipHasher24, text: &str) {
    hasher.write_u64(text.len() as u64);
    hasher.write(text.as_bytes());
}

/// Returns a candidate's rank, as [`Ranks::of`].
pub fn rank(seed: &str, identity: &str) -> u64 {
    Ranks::new(seed).of(identity)
}

/// Returns a short id (8 hex digits) that is the same for the same parts.
pub fn short_id(parts: &[&str]) -> String {
    let hash = rank("id", &parts.join("\u{1f}"));
    format!("{:08x}", hash >> 32)
}
