//! The testbed's addresses and cables: a bridge that only the nodes hang on.
//!
//! No node has a default route and this machine forwards nothing, so no packet leaves the machine.
//! The routes to the pods let the API server answer them, and a test reach them.

use anyhow::{Context as _, Result};

use crate::command::{capture, command};

/// The bridge of this machine's first network namespace; at most 15 characters.
pub(crate) const BRIDGE: &str = "testbed0";
/// The bridge's own address: the API server's.
pub(crate) const HOST: &str = "10.77.0.1";
/// Addresses of all pods; node N has `10.78.N.0/24`.
pub(crate) const PODS: &str = "10.78.0.0/16";
/// Addresses of Services.
pub(crate) const SERVICES: &str = "10.79.0.0/16";
/// The Service of the API server: the first address of `SERVICES`, as every cluster has it.
pub(crate) const KUBERNETES: &str = "10.79.0.1";
/// The name server; coredns.yaml says the same.
pub(crate) const DNS: &str = "10.79.0.10";
/// The API server's port.
const PORT: u16 = 6443;

/// Returns the address by which everything reaches the API server.
pub(crate) fn api_server() -> String {
    format!("https://{HOST}:{PORT}")
}

/// Returns the API server's port.
pub(crate) fn port() -> String {
    PORT.to_string()
}

/// One of the nodes, by its number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node(pub(crate) u8);

impl Node {
    /// All nodes.
    pub(crate) const ALL: [Self; 3] = [Self(1), Self(2), Self(3)];

    /// The name in Kubernetes, and the host name.
    pub(crate) fn name(self) -> String {
        format!("node-{}", self.0)
    }

    /// The value of the label `topology.kubernetes.io/zone`.
    pub(crate) fn zone(self) -> &'static str {
        ["zone-a", "zone-b", "zone-c"][usize::from(self.0.saturating_sub(1)) % 3]
    }

    /// The node's address on the bridge.
    pub(crate) fn address(self) -> String {
        format!("10.77.0.{}", 10 + self.0)
    }

    /// The addresses of the node's pods.
    pub(crate) fn pods(self) -> String {
        format!("10.78.{}.0/24", self.0)
    }

    /// The end of the node's cable that hangs on the bridge.
    pub(crate) fn cable(self) -> String {
        format!("testbed-n{}", self.0)
    }
}

/// Makes the bridge with its address and the routes to the pods, as far as they are missing.
pub(crate) fn bridge() -> Result<()> {
    if !exists(BRIDGE) {
        // The bridge must answer at once: no port of it can make a loop.
        ip(&["link", "add", BRIDGE, "type", "bridge", "forward_delay", "0"])?;
    }
    ip(&["address", "replace", &format!("{HOST}/24"), "dev", BRIDGE])?;
    ip(&["link", "set", BRIDGE, "up"])?;
    for node in Node::ALL {
        ip(&["route", "replace", &node.pods(), "via", &node.address(), "dev", BRIDGE])?;
    }
    Ok(())
}

/// Lays the cable from the bridge into the network namespace of a process.
pub(crate) fn plug(node: Node, namespace: &str) -> Result<()> {
    if exists(&node.cable()) {
        ip(&["link", "delete", &node.cable()])?;
    }
    ip(&["link", "add", &node.cable(), "type", "veth", "peer", "name", "eth0", "netns", namespace])?;
    ip(&["link", "set", &node.cable(), "master", BRIDGE, "up"])
}

/// Gives the node its address and its routes; to be called inside of its network namespace.
pub(crate) fn configure(node: Node) -> Result<()> {
    ip(&["link", "set", "lo", "up"])?;
    ip(&["address", "add", &format!("{}/24", node.address()), "dev", "eth0"])?;
    ip(&["link", "set", "eth0", "up"])?;
    for other in Node::ALL.into_iter().filter(|other| *other != node) {
        ip(&["route", "add", &other.pods(), "via", &other.address()])?;
    }
    // A Service's address is rewritten after the route was chosen: there has to be one.
    ip(&["route", "add", SERVICES, "via", HOST])
}

/// Removes the bridge and what is left of the cables.
pub(crate) fn remove() -> Result<()> {
    let cables = Node::ALL.map(Node::cable);
    for link in cables.iter().map(String::as_str).chain([BRIDGE]) {
        // A cable goes with its node's namespace, which may be in the middle of it.
        if exists(link)
            && let Err(error) = ip(&["link", "delete", link])
            && exists(link)
        {
            return Err(error);
        }
    }
    Ok(())
}

fn exists(link: &str) -> bool {
    std::path::Path::new("/sys/class/net").join(link).exists()
}

fn ip(args: &[&str]) -> Result<()> {
    capture(&mut command("ip", args)).map(drop).context("set up the testbed's network")
}
