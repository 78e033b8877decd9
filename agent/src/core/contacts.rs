//! When each injection was last heard of by whoever keeps it alive.
//!
//! On a host one contact, the reading of the Halt, counts for everything. In a cluster each injection has its own: what
//! is cut off from one object must not live on another's contact.

use std::collections::BTreeMap;
use std::time::Duration;

/// The contacts of one agent. Instants are CLOCK_BOOTTIME.
#[derive(Debug)]
pub(super) enum Contacts {
    Each(BTreeMap<String, Duration>),
    Node(Option<Duration>),
}

impl Contacts {
    pub(super) fn each() -> Self {
        Self::Each(BTreeMap::new())
    }

    /// Notes a contact that counts for everything.
    pub(super) fn node(&mut self, at: Duration) {
        if let Self::Node(last) = self {
            *last = Some(at);
        }
    }

    /// Notes a contact of one injection; an older answer that comes late does not move it back.
    pub(super) fn heard(&mut self, injection: &str, at: Duration) {
        if let Self::Each(all) = self {
            let last = all.entry(injection.to_owned()).or_insert(at);
            *last = (*last).max(at);
        }
    }

    pub(super) fn forget(&mut self, injection: &str) {
        if let Self::Each(all) = self {
            all.remove(injection);
        }
    }

    /// Returns the last contact. A node that has not had its first one yet counts from now on; an injection that was
    /// never heard of has had none.
    pub(super) fn last(&self, injection: &str, now: Duration) -> Duration {
        match self {
            Self::Each(all) => all.get(injection).copied().unwrap_or_default(),
            Self::Node(last) => last.unwrap_or(now),
        }
    }
}
