//! Everything that talks to the kernel: the only place with `unsafe`.
//!
//! It finds out and it acts; it must never decide whether an act is allowed.

pub mod attr;
pub mod cgroup;
pub mod dump;
pub mod foreign;
pub mod inherited;
pub mod kill;
pub mod link;
pub mod netlink;
pub mod netns;
pub mod nfqueue;
pub mod nft;
pub mod pidfd;
pub mod proc;
pub mod sockets;
pub mod timer;
pub mod veth;

#[cfg(test)]
mod test_process;
