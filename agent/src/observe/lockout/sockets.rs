//! The kernel's tables of TCP sockets, and who holds one.
//!
//! A line that cannot be read is an error: it could be the way in.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Tables of the calling thread's network namespace.
const TABLES: [&str; 2] = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"];

/// A TCP socket; mapped IPv4 addresses are written as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    pub state: State,
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub inode: u64,
}

/// `enum` in include/net/tcp_states.h, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Established,
    Listening,
    Other,
}

/// Returns the TCP sockets of the calling thread's network namespace.
pub(super) fn tables() -> Result<Vec<Connection>, String> {
    let mut all = Vec::new();
    for path in TABLES {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            // No IPv6 in this kernel.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.ends_with('6') => continue,
            Err(error) => return Err(format!("read {path}: {error}")),
        };
        for line in text.lines().skip(1) {
            all.push(parse(line).ok_or_else(|| format!("{path} has a line of an unknown form: {line}"))?);
        }
    }
    Ok(all)
}

/// Reads `sl local rem st tx:rx tr:when retrnsmt uid timeout inode …` (proc_net_tcp in the kernel's documentation).
pub fn parse(line: &str) -> Option<Connection> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let local = address(fields.next()?)?;
    let peer = address(fields.next()?)?;
    let state = match fields.next()? {
        "01" => State::Established,
        "0A" => State::Listening,
        _other => State::Other,
    };
    Some(Connection { state, local, peer, inode: fields.nth(5)?.parse().ok()? })
}

/// `0100007F:0016`: words of 32 bits in host byte order, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    if address.len() != 8 && address.len() != 32 {
        return None;
    }
    let words: Option<Vec<[u8; 4]>> = address
        .as_bytes()
        .chunks(8)
        .map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok().map(u32::to_ne_bytes))
        .collect();
    let bytes = words?.concat();
    let ip = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?)).to_canonical(),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// Returns the inode in `socket:[12345]`.
pub fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_socket_of_ours_is_found_by_its_inode() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let link = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
            let ours = inode(&link.to_string_lossy()).unwrap();
            let found = tables().unwrap().into_iter().find(|c| c.inode == ours).unwrap();
            assert_eq!((found.state, found.local), (State::Listening, listener.local_addr().unwrap()));
        }
    }

    #[test]
    fn a_line_of_another_form_is_none() {
        assert_eq!(parse("0: 0100007F:0016 00000000:0000 0A"), None);
        assert_eq!(address("0100007F"), None);
        assert_eq!(address("01:0016"), None);
        assert_eq!(inode("pipe:[5]"), None);
    }
}
