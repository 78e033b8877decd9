//! What the kernel knows of each open TCP connection: `tcp_info` by the sock_diag family of netlink.
//!
//! Works in the network namespace of the calling thread. Only read: it must never ask the kernel to destroy a socket.

use super::attr::{Attributes, find, ne32};
use super::netlink::{Connection as Netlink, Message, NetlinkError, Reply};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// `SOCK_DIAG_BY_FAMILY`, include/uapi/linux/sock_diag.h.
const BY_FAMILY: u16 = 20;
/// `AF_INET`, `AF_INET6`.
const FAMILIES: [u8; 2] = [2, 10];
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// `INET_DIAG_INFO`, include/uapi/linux/inet_diag.h; in a request it is bit `n - 1`.
const INFO: u16 = 2;
/// `TCP_ESTABLISHED` as a bit of a mask of states.
const ESTABLISHED: u32 = 1 << 1;
/// Bytes of `struct inet_diag_sockid`, and of the fields before it in a request and in an answer.
const ID: usize = 48;
const BEFORE_ID: (usize, usize) = (8, 4);
/// `idiag_wqueue` in `struct inet_diag_msg`, and the bytes of it.
const UNANSWERED: usize = 60;
const ANSWER: usize = 72;
/// `tcpi_rtt` (microseconds) and `tcpi_total_retrans` in `struct tcp_info`, include/uapi/linux/tcp.h.
const RTT: usize = 68;
const RETRANSMITTED: usize = 100;

/// An established TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpConnection {
    /// The kernel's number for the socket, never given twice.
    pub cookie: u64,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// The smoothed round-trip time.
    pub rtt: Duration,
    /// Segments that were sent again since the connection began. What our own side drops on its way out is not counted
    /// by the kernel: it was never sent.
    pub retransmitted: u32,
    /// Bytes that were written and that the peer has not acknowledged.
    pub unanswered: u32,
}

/// Returns the established TCP connections of this namespace; addresses of IPv4 in IPv6 are those of IPv4.
///
/// # Errors
/// ENOENT where the kernel has no `tcp_diag`.
pub fn established() -> Result<Vec<TcpConnection>, NetlinkError> {
    let mut netlink = Netlink::open(NETLINK_SOCK_DIAG)?;
    let mut all = Vec::new();
    for family in FAMILIES {
        let message = Message { kind: BY_FAMILY, flags: 0, head: request(family), attributes: Attributes::new() };
        all.extend(netlink.dump(&message)?.iter().filter_map(connection));
    }
    Ok(all)
}

/// `struct inet_diag_req_v2 { family, protocol, ext, pad, states, id }`.
fn request(family: u8) -> Vec<u8> {
    let mut head = vec![family, TCP, 1 << (INFO - 1), 0];
    head.extend(ESTABLISHED.to_ne_bytes());
    head.resize(BEFORE_ID.0 + ID, 0);
    head
}

fn connection(reply: &Reply) -> Option<TcpConnection> {
    let body = reply.body.as_slice();
    let id = body.get(BEFORE_ID.1..BEFORE_ID.1 + ID)?;
    let port = |at: usize| Some(u16::from_be_bytes(id.get(at..at + 2)?.try_into().ok()?));
    let address = |at: usize| match body.first()? {
        2 => Some(IpAddr::from(<[u8; 4]>::try_from(id.get(at..at + 4)?).ok()?)),
        10 => Some(IpAddr::from(<[u8; 16]>::try_from(id.get(at..at + 16)?).ok()?).to_canonical()),
        _ => None,
    };
    let info = find(body.get(ANSWER..)?, INFO)?;
    Some(TcpConnection {
        cookie: u64::from_ne_bytes(id.get(40..48)?.try_into().ok()?),
        local: SocketAddr::new(address(4)?, port(0)?),
        remote: SocketAddr::new(address(20)?, port(2)?),
        rtt: Duration::from_micros(info.get(RTT..).and_then(ne32)?.into()),
        retransmitted: info.get(RETRANSMITTED..).and_then(ne32)?,
        unanswered: body.get(UNANSWERED..).and_then(ne32)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{link, netns};
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv6Addr, TcpListener, TcpStream};

    #[test]
    fn a_connection_is_seen_from_both_ends_with_its_round_trip() {
        for loopback in [IpAddr::from([127, 0, 0, 1]), IpAddr::from(Ipv6Addr::LOCALHOST)] {
            netns::scratch(|| {
                link::set_up(link::index_of("lo").unwrap()).unwrap();
                assert_eq!(established().unwrap(), []);
                let listener = TcpListener::bind((loopback, 0)).unwrap();
                let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let (mut server, _) = listener.accept().unwrap();
                client.write_all(b"x").unwrap();
                server.read_exact(&mut [0]).unwrap();
                let mut seen = established().unwrap();
                seen.sort_by_key(|one| one.local != client.local_addr().unwrap());
                assert_eq!(seen.len(), 2, "{seen:?}");
                assert_eq!((seen[0].local, seen[0].remote), (seen[1].remote, seen[1].local));
                assert_eq!(seen[0].local, client.local_addr().unwrap());
                assert!(seen[0].rtt > Duration::ZERO && seen[0].retransmitted == 0, "{seen:?}");
                assert_ne!(seen[0].cookie, seen[1].cookie);
            })
            .unwrap();
        }
    }
}
