//! Lays the cable between the two namespaces and gives both ends their addresses.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::{DEVICE, Namespace, address};

/// Settings of IPv6 that would let a lab change by itself after it was made: duplicate address
/// detection leaves addresses tentative for a second, and router solicitations are stray packets.
const QUIET: &[(&str, &str)] = &[
    ("all/accept_dad", "0"),
    ("default/accept_dad", "0"),
    ("default/router_solicitations", "0"),
    ("default/accept_ra", "0"),
];

/// Connects the namespaces.
pub(super) fn lay(target: &Namespace, peer: &Namespace) -> Result<()> {
    for namespace in [target, peer] {
        namespace.run(|| {
            for (key, value) in QUIET {
                let path = format!("/proc/sys/net/ipv6/conf/{key}");
                fs::write(&path, value).with_context(|| format!("write {path}"))?;
            }
            Ok(())
        })?;
    }
    ip(target, &["link", "add", DEVICE, "type", "veth", "peer", "name", DEVICE, "netns", peer.name()])?;
    let ends = [
        (target, vec![address::TARGET_V4, address::TARGET_V6]),
        (peer, vec![address::PEER_V4, address::OTHER_V4, address::PEER_V6, address::OTHER_V6]),
    ];
    for (namespace, addresses) in ends {
        ip(namespace, &["link", "set", "lo", "up"])?;
        for address in addresses {
            let prefix = if address.is_ipv4() { 24 } else { 64 };
            ip(namespace, &["address", "add", &format!("{address}/{prefix}"), "dev", DEVICE])?;
        }
        ip(namespace, &["link", "set", DEVICE, "up"])?;
    }
    settle(target)?;
    settle(peer)
}

/// The kernel brings a link up and gives it its link-local address a moment after it was asked to;
/// a snapshot taken before that would differ from one taken after it.
fn settle(namespace: &Namespace) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let link = namespace.tool("ip", &["link", "show", "dev", DEVICE])?;
        let routes = namespace.tool("ip", &["-6", "route", "show", "table", "local"])?;
        if link.contains("state UP") && routes.contains("local fe80::") {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    bail!("the cable in {} did not come up in {} s", namespace.name(), PATIENCE.as_secs())
}

fn ip(namespace: &Namespace, args: &[&str]) -> Result<()> {
    namespace.tool("ip", args).map(drop)
}
