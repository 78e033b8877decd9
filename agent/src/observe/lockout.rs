//! The flows by which a host is reached and run: a fault on the host's own network must leave them alone.
//!
//! It must never return a list with a hole: what cannot be read is an error, and the fault is refused.

pub mod sockets;

use crate::kernel::netns;
use crate::kernel::proc;
use crate::resolve::chain;
use rumpus_model::scope::{Exempt, Protocol};
use sockets::{Connection, State};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

/// Names of processes that people log in by. OpenSSH hands a connection to `sshd-session` from 9.8.
const SSH: [&str; 4] = ["sshd", "sshd-session", "sshd-auth", "dropbear"];
/// Names of processes that run this host for a cluster.
const CLUSTER: [&str; 6] = ["kubelet", "kube-apiserver", "k3s-agent", "k3s-server", "kubelite", "rke2"];
/// It may listen for sshd (`ssh.socket`); which service a socket is for, it does not tell.
const ACTIVATOR: &str = "systemd";
/// Where the resolvers' addresses are; the second has those behind a local stub.
const RESOLVERS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// Returns the flows that stay exempt on this host.
///
/// # Errors
/// The file that could not be read, and why.
pub fn flows() -> Result<Vec<Exempt>, String> {
    let host = netns::open_host().map_err(|e| chain(&e))?;
    let tables = host.enter(sockets::tables).map_err(|e| chain(&e))??;
    let mut exempt = Vec::new();
    for process in proc::scan().map_err(|e| chain(&e))? {
        let name = process.comm.as_str();
        let activates = name == ACTIVATOR && process.pid == 1;
        if !SSH.contains(&name) && !CLUSTER.contains(&name) && !activates {
            continue;
        }
        let held = held(process.pid)?;
        let mine: Vec<&Connection> = tables.iter().filter(|c| held.contains(&c.inode)).collect();
        exempt.extend(of_process(name, &mine, !activates));
    }
    for path in RESOLVERS {
        exempt.extend(resolvers(&read(Path::new(path))?));
    }
    Ok(unique(exempt))
}

/// Returns the inodes of the sockets that a process holds; none where it has exited.
fn held(pid: u32) -> Result<BTreeSet<u64>, String> {
    let path = format!("/proc/{pid}/fd");
    let mut inodes = BTreeSet::new();
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if gone(&error) => return Ok(inodes),
        Err(error) => return Err(format!("read {path}: {error}")),
    };
    for entry in entries {
        let linked = entry.and_then(|entry| fs::read_link(entry.path()));
        match linked {
            Ok(link) => inodes.extend(sockets::inode(&link.to_string_lossy())),
            Err(error) if gone(&error) => {}
            Err(error) => return Err(format!("read {path}: {error}")),
        }
    }
    Ok(inodes)
}

/// Exempts the ports that a process listens on, and the flows that it has.
fn of_process(name: &str, connections: &[&Connection], flows: bool) -> Vec<Exempt> {
    let listening: BTreeSet<u16> =
        connections.iter().filter(|c| c.state == State::Listening).map(|c| c.local.port()).collect();
    let mut exempt: Vec<Exempt> = listening
        .iter()
        .map(|port| Exempt {
            reason: format!("{name} listens on {port}/TCP"),
            protocol: Some(Protocol::Tcp),
            peer: None,
            peer_port: None,
            local_port: Some(*port),
        })
        .collect();
    for flow in connections.iter().filter(|c| flows && c.state == State::Established) {
        let local_port = flow.local.port();
        if listening.contains(&local_port) || flow.peer.ip().is_loopback() {
            continue;
        }
        // A flow that is dialled again comes from another port: for a cluster's daemon its peer counts.
        let dials = CLUSTER.contains(&name);
        exempt.push(Exempt {
            reason: format!("{name} talks to {}", flow.peer),
            protocol: Some(Protocol::Tcp),
            peer: Some(flow.peer.ip()),
            peer_port: Some(flow.peer.port()),
            local_port: (!dials).then_some(local_port),
        });
    }
    exempt
}

/// Exempts the servers of a resolv.conf(5), whole: names are not all that they may serve.
fn resolvers(text: &str) -> Vec<Exempt> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let server = (words.next()? == "nameserver").then(|| words.next()).flatten()?;
        // A link-local address has its device behind a percent sign.
        server.split('%').next()?.parse::<IpAddr>().ok()
    });
    let exempt = |peer: IpAddr| Exempt {
        reason: format!("{peer} resolves names for this host"),
        protocol: None,
        peer: Some(peer),
        peer_port: None,
        local_port: None,
    };
    servers.map(exempt).collect()
}

/// Reads a file; one that is not there is empty.
fn read(path: &Path) -> Result<String, String> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("read {}: {error}", path.display())),
    }
}

/// Keeps one of several that say the same.
fn unique(exempt: Vec<Exempt>) -> Vec<Exempt> {
    let key = |e: &Exempt| (e.protocol, e.peer, e.peer_port, e.local_port);
    let by_key: BTreeMap<_, Exempt> = exempt.into_iter().map(|e| (key(&e), e)).collect();
    by_key.into_values().collect()
}

fn gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(state: State, local: &str, peer: &str) -> Connection {
        Connection { state, local: local.parse().unwrap(), peer: peer.parse().unwrap(), inode: 1 }
    }

    #[test]
    fn listening_ports_and_sessions_are_exempt() {
        let listens = connection(State::Listening, "0.0.0.0:22", "0.0.0.0:0");
        let session = connection(State::Established, "10.0.0.1:22", "10.0.0.9:50000");
        let lone = connection(State::Established, "10.0.0.1:2222", "10.0.0.9:50001");
        let found = of_process("sshd", &[&listens, &session, &lone], true);
        let brief: Vec<_> = found.iter().map(|e| (e.peer_port, e.local_port)).collect();
        assert_eq!(brief, [(None, Some(22)), (Some(50001), Some(2222))]);
        assert_eq!(found[0].reason, "sshd listens on 22/TCP");
        assert_eq!(of_process("systemd", &[&listens, &lone], false).len(), 1);
    }

    #[test]
    fn a_cluster_daemon_may_dial_again_from_another_port() {
        let api = connection(State::Established, "10.0.0.1:40000", "10.0.0.2:6443");
        let found = of_process("kubelet", &[&api], true);
        assert_eq!((found[0].peer_port, found[0].local_port), (Some(6443), None));
    }

    #[test]
    fn resolvers_are_exempt_whole() {
        let found = resolvers("# nameserver 9.9.9.9\nnameserver 10.0.0.53\nnameserver fe80::1%eth0\nsearch x\n");
        let peers: Vec<_> = found.iter().map(|e| e.peer.unwrap().to_string()).collect();
        assert_eq!(peers, ["10.0.0.53", "fe80::1"]);
        assert!(found.iter().all(|e| e.protocol.is_none() && e.peer_port.is_none()));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_what_is_not_there_is_empty() {
        assert!(read(Path::new("/proc/self/mem/x")).is_err());
        assert!(read(Path::new("/proc")).is_err());
        assert_eq!(read(Path::new("/nonexistent/file")).unwrap(), "");
    }
}
