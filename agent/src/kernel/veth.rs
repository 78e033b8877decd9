//! Cables: a veth pair between two network namespaces, and IPv4 addresses on its ends.
//!
//! Only for namespaces that the caller made itself: it adds devices and addresses, and never changes what is there.

use super::attr::Attributes;
use super::link::{self, LinkError};
use super::netlink::{Connection, Message, NLM_F_CREATE, NLM_F_EXCL, NetlinkError};
use super::netns::NetNs;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

// include/uapi/linux/rtnetlink.h
const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
/// `AF_INET`, `AF_INET6`, include/linux/socket.h.
const INET: u8 = 2;
const INET6: u16 = 10;
/// `IN6_ADDR_GEN_MODE_NONE`, include/uapi/linux/if_link.h.
const NO_ADDRESS: u8 = 1;
const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;

/// One end of a cable.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    pub netns: &'a NetNs,
    /// The device's name, at most 15 bytes.
    pub device: &'a str,
    pub address: Ipv4Addr,
}

/// Lays a cable: makes the pair, gives each end its address with the other end's as its only neighbour, and brings
/// both up. The ends make no IPv6 addresses of their own, so that nothing changes on them by itself.
///
/// # Errors
/// A name is taken, or the kernel has no veth. What was made until then stays in the namespaces.
pub fn connect(one: End<'_>, other: End<'_>) -> Result<(), LinkError> {
    one.netns.enter(|| add_pair(one.device, other))??;
    for (end, peer) in [(one, other), (other, one)] {
        end.netns.enter(|| {
            let index = link::index_of(end.device)?;
            make_no_addresses(index)?;
            add_address(index, end.address, peer.address)?;
            link::set_up(index)
        })??;
    }
    Ok(())
}

/// Brings the loopback device of the calling thread's namespace up.
///
/// # Errors
/// The kernel refuses.
pub fn set_loopback_up() -> Result<(), LinkError> {
    link::set_up(link::index_of("lo")?)
}

/// `ip link add DEVICE type veth peer name OTHER netns FD`
fn add_pair(device: &str, other: End<'_>) -> Result<(), LinkError> {
    // VETH_INFO_PEER { struct ifinfomsg, attributes }; IFLA_NET_NS_FD
    let mut peer = vec![0; 16];
    let descriptor = other.netns.as_fd().as_raw_fd().to_ne_bytes();
    peer.extend_from_slice(Attributes::new().text(3, other.device).with(28, &descriptor).bytes());
    // IFLA_LINKINFO { IFLA_INFO_KIND, IFLA_INFO_DATA { VETH_INFO_PEER } }
    let kind = Attributes::new().text(1, "veth").nest(2, &Attributes::new().with(1, &peer));
    send("add a veth pair", NEW_LINK, NEW, vec![0; 16], Attributes::new().text(3, device).nest(18, &kind))
}

/// `ip link set DEVICE addrgenmode none`; a kernel without IPv6 makes none anyway.
fn make_no_addresses(index: u32) -> Result<(), LinkError> {
    let mut head = vec![0; 4];
    head.extend(index.to_ne_bytes());
    head.extend([0; 8]);
    // IFLA_AF_SPEC { AF_INET6 { IFLA_INET6_ADDR_GEN_MODE } }
    let mode = Attributes::new().with(8, &[NO_ADDRESS]);
    let attributes = Attributes::new().nest(26, &Attributes::new().nest(INET6, &mode));
    match send("make no IPv6 addresses", NEW_LINK, 0, head, attributes) {
        Err(error) if error.errno() == Some(Errno::EAFNOSUPPORT) => Ok(()),
        done => done,
    }
}

/// `ip address add LOCAL peer PEER dev INDEX`: it brings the route to the peer with it, and no other.
fn add_address(index: u32, local: Ipv4Addr, peer: Ipv4Addr) -> Result<(), LinkError> {
    // struct ifaddrmsg { family, prefix length, flags, scope, index }; IFA_ADDRESS is the peer's, IFA_LOCAL ours.
    let mut head = vec![INET, 32, 0, 0];
    head.extend(index.to_ne_bytes());
    let attributes = Attributes::new().with(1, &peer.octets()).with(2, &local.octets());
    send("add an address", NEW_ADDRESS, NEW, head, attributes)
}

fn send(
    operation: &'static str,
    kind: u16,
    flags: u16,
    head: Vec<u8>,
    attributes: Attributes,
) -> Result<(), LinkError> {
    let message = Message { kind, flags, head, attributes };
    let sent: Result<(), NetlinkError> =
        Connection::open(NETLINK_ROUTE).and_then(|mut connection| connection.request(&message));
    sent.map_err(LinkError::during(operation))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::netns;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    /// A namespace that lives as long as its descriptor.
    fn namespace() -> NetNs {
        netns::scratch(|| NetNs::open("/proc/thread-self/ns/net").unwrap()).unwrap()
    }

    #[test]
    fn two_namespaces_talk_over_a_cable() {
        let (left, right) = (namespace(), namespace());
        let (a, b) = (Ipv4Addr::new(10, 88, 0, 1), Ipv4Addr::new(10, 88, 0, 2));
        let ends = |device| (End { netns: &left, device, address: a }, End { netns: &right, device, address: b });
        let (one, other) = ends("veth-test");
        connect(one, other).unwrap();
        assert!(connect(one, other).is_err());
        let listener = right.enter(|| TcpListener::bind((b, 7000)).unwrap()).unwrap();
        let called = left.enter(|| TcpStream::connect_timeout(&(b, 7000).into(), Duration::from_secs(2))).unwrap();
        assert!(called.is_ok());
        drop(listener);
    }
}
