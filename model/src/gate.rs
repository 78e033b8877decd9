//! Gates: questions that must be answered with yes before a run begins. No answer is a no.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// One question (a steady-state check with role Gate).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    pub name: String,
    pub probe: Probe,
}

/// Who is asked what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    Http(HttpProbe),
    Workload(WorkloadProbe),
}

/// A GET whose status must be one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// As it was written, in lower case: a name, or an address without brackets.
    pub host: String,
    pub port: u16,
    /// With its query; begins with `/`.
    pub path: String,
    /// Empty: 200 to 299.
    pub statuses: Vec<u16>,
    /// For all of it: name, connection, answer; 100 ms to 5 s.
    pub timeout: Duration,
}

/// A workload of the policy's own namespace, all of whose pods must be ready, and which must not be in a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadProbe {
    pub kind: &'static str,
    pub name: String,
}

impl HttpProbe {
    /// Returns whether a status means yes.
    pub fn accepts(&self, status: u16) -> bool {
        if self.statuses.is_empty() { (200..300).contains(&status) } else { self.statuses.contains(&status) }
    }

    /// Returns host and port, as a request names them.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for HttpProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET http://{}{}", self.authority(), self.path)
    }
}

impl fmt::Display for WorkloadProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// Returns whether an administrator's list has a host: by its name, or `*.SUFFIX` for all names below a suffix.
pub fn is_listed(host: &str, list: &[String]) -> bool {
    list.iter().any(|entry| match entry.strip_prefix("*.") {
        Some(suffix) => host.strip_suffix(suffix).is_some_and(|head| head.len() > 1 && head.ends_with('.')),
        None => host.eq_ignore_ascii_case(entry),
    })
}

/// Addresses at which clouds tell machines their credentials, besides the link-local one.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Returns what an address is, if nobody who may write a policy may make the controller ask it.
pub fn forbidden(address: IpAddr) -> Option<&'static str> {
    let address = embedded(address);
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let nowhere = match address {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_unspecified(),
    };
    match () {
        () if address.is_loopback() => Some("loopback"),
        () if link_local => Some("link-local"),
        () if address.is_multicast() => Some("multicast"),
        () if nowhere => Some("no host's address"),
        () if METADATA.contains(&address) => Some("a cloud's metadata"),
        () => None,
    }
}

/// Returns the IPv4 address that an IPv6 one stands for: mapped (`::ffff:`), compatible (`::`), translated
/// (`64:ff9b::`, RFC 6052; `64:ff9b:1::`, RFC 8215) or tunnelled (`2002:`, RFC 3056).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match (a, b, [c, d, e]) {
        (0, 0, [0, 0, 0]) if f == 0xffff || (f == 0 && g != 0) => v4(g, h),
        (0x64, 0xff9b, [0, 0, 0]) if f == 0 => v4(g, h),
        (0x64, 0xff9b, [1, ..]) => v4(g, h),
        (0x2002, high, [low, ..]) => v4(high, low),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_of_writing_it_reaches_what_is_forbidden() {
        for address in [
            "127.0.0.1",
            "127.8.8.8",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a9fe:a9fe",
            "2002:7f00:1::1",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
        ] {
            assert!(forbidden(address.parse().unwrap()).is_some(), "{address}");
        }
        for address in ["10.96.0.10", "192.168.1.1", "8.8.8.8", "fd00::1", "2001:db8::1", "64:ff9b::808:808"] {
            assert_eq!(forbidden(address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn a_list_is_of_names_and_of_suffixes() {
        let list = ["status.example.com", "*.monitoring.svc"].map(str::to_owned);
        for yes in ["status.example.com", "prometheus.monitoring.svc", "a.b.monitoring.svc"] {
            assert!(is_listed(yes, &list), "{yes}");
        }
        for no in ["example.com", "x.status.example.com", "monitoring.svc", ".monitoring.svc", "evilmonitoring.svc"] {
            assert!(!is_listed(no, &list), "{no}");
        }
        assert!(!is_listed("anything", &[]), "an empty list has nothing");
    }

    #[test]
    fn a_status_means_yes_only_if_it_is_named() {
        let probe = |statuses: &[u16]| HttpProbe {
            host: "::1".into(),
            port: 80,
            path: "/".into(),
            statuses: statuses.to_vec(),
            timeout: Duration::from_secs(2),
        };
        assert_eq!([199, 200, 204, 299, 300].map(|s| probe(&[]).accepts(s)), [false, true, true, true, false]);
        assert_eq!([200, 404].map(|s| probe(&[404]).accepts(s)), [false, true]);
        assert_eq!(probe(&[]).to_string(), "GET http://[::1]:80/");
    }
}
