//! From which address a node reaches a pod: the source of the kubelet's probes.
//!
//! The kernel is asked by connecting a datagram socket, which looks the route up and sends nothing.

use crate::kernel::netns::NetNs;
use crate::resolve::chain;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Returns the addresses from which `host` would talk to the pod whose network is `pod`: at most one for each IP
/// version.
///
/// # Errors
/// A namespace cannot be looked into, or the pod has an address that the node has no route to.
pub fn towards(host: &NetNs, pod: &NetNs) -> Result<Vec<IpAddr>, String> {
    let own = pod.enter(global_addresses).map_err(|e| chain(&e))??;
    let ask = || own.iter().map(|to| source(*to)).collect::<Result<Vec<IpAddr>, String>>();
    let mut sources = host.enter(ask).map_err(|e| chain(&e))??;
    sources.sort_unstable();
    sources.dedup();
    Ok(sources)
}

/// The addresses of the calling thread's namespace that others can reach.
fn global_addresses() -> Result<Vec<IpAddr>, String> {
    let all = nix::ifaddrs::getifaddrs().map_err(|e| format!("list the pod's addresses: {e}"))?;
    let address = |i: nix::ifaddrs::InterfaceAddress| {
        let address = i.address?;
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    };
    let reachable = |a: &IpAddr| match a {
        IpAddr::V4(a) => !a.is_loopback() && !a.is_link_local(),
        IpAddr::V6(a) => !a.is_loopback() && !a.is_unicast_link_local(),
    };
    Ok(all.filter_map(address).filter(reachable).collect())
}

/// The source address that the calling thread's namespace would use.
fn source(to: IpAddr) -> Result<IpAddr, String> {
    let any: SocketAddr = match to {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let failed = |e: std::io::Error| format!("find the node's route to {to}: {e}");
    let socket = UdpSocket::bind(any).map_err(failed)?;
    socket.connect(SocketAddr::new(to, 9)).map_err(failed)?;
    Ok(socket.local_addr().map_err(failed)?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_towards_loopback_is_loopback() {
        assert_eq!(source(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
}
