//! Gated nf_tables tables: one for each network fault.
//!
//! The effect of a table ends by the kernel's own clock when nobody renews it. Everything here works in the network
//! namespace of the calling thread ([`super::netns::NetNs::enter`]), opens a socket, acts and closes it. Nothing
//! here touches a table whose name is not the one that was asked for.

mod build;
mod expr;
pub(super) mod message;
pub mod names;
pub mod read;
mod scope;
pub mod standing;
pub mod table;
#[cfg(test)]
mod tests;

pub use build::{BuildError, Wiring, families};
pub use message::Family;
pub use names::TableName;
pub use read::{TableState, list, state};
pub use table::{create, delete, disarm, renew};

use super::netlink::NetlinkError;
use super::timer::TimerError;
use nix::errno::Errno;

#[derive(Debug, thiserror::Error)]
pub enum NftError {
    #[error("build the table")]
    Build(#[from] BuildError),
    /// A table of this name is there already; nothing was changed.
    #[error("there is a table {name} already")]
    Exists { name: TableName },
    /// The time is over or too short for a gate. Nothing was changed: an armed gate keeps its deadline.
    #[error("less than {} ms are left", table::SHORTEST.as_millis())]
    Expired,
    /// The table is not in this namespace; nothing was changed.
    #[error("there is no table {name}")]
    Gone { name: TableName },
    #[error("{operation}")]
    Netlink { operation: &'static str, source: NetlinkError },
    #[error("guard the gate by a timer")]
    Timer(#[source] TimerError),
    /// The gate was disarmed again.
    #[error("the gate could not be armed quickly enough to be sure of its deadline")]
    TooSlow,
}

impl NftError {
    fn netlink(operation: &'static str) -> impl Fn(NetlinkError) -> Self {
        move |source| Self::Netlink { operation, source }
    }

    /// Returns the kernel's reason, if it was the kernel that refused.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Netlink { source, .. } => source.errno(),
            Self::Build(_)
            | Self::Exists { .. }
            | Self::Expired
            | Self::Gone { .. }
            | Self::Timer(_)
            | Self::TooSlow => None,
        }
    }
}
