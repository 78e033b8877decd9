//! The order in which candidates are picked: a hash of each one's identity and the seed.
//!
//! It does not depend on the order of a list, and stays as it is when other candidates come and go.

use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// Fixed for ever: changing it would change every seeded plan.
const KEY: (u64, u64) = (0x5275_6d70_7573_2e72, 0x616e_6b2e_7631_0000);

/// Returns a candidate's rank; the lowest are picked first. SipHash-2-4 over the seed and the identity.
pub fn rank(seed: &str, identity: &str) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(KEY.0, KEY.1);
    for part in [seed, identity] {
        hasher.write_u64(part.len() as u64);
        hasher.write(part.as_bytes());
    }
    hasher.finish()
}

/// Returns a short id (8 hex digits) that is the same for the same parts.
pub fn short_id(parts: &[&str]) -> String {
    let hash = rank("id", &parts.join("\u{1f}"));
    format!("{:08x}", hash >> 32)
}
