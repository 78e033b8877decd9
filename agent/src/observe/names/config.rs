//! hosts(5) and resolv.conf(5), as far as a stub resolver obeys them.
//!
//! Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

/// resolv.conf(5): at most 3 servers are asked (`MAXNS`).
const MOST_SERVERS: usize = 3;
const PORT: u16 = 53;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    pub servers: Vec<SocketAddr>,
    search: Vec<String>,
    /// A name with fewer dots than this is tried in the search list first.
    ndots: usize,
}

impl Config {
    /// Reads a resolv.conf; without a server the local one is meant.
    ///
    /// # Errors
    /// A server's address cannot be used from here.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut config = Self { servers: Vec::new(), search: Vec::new(), ndots: 1 };
        for line in text.lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.split_first() {
                Some((&"nameserver", [server, ..])) if config.servers.len() < MOST_SERVERS => {
                    config.servers.push(address(server)?);
                }
                Some((&("search" | "domain"), domains)) => {
                    config.search = domains.iter().map(|domain| domain.trim_end_matches('.').to_owned()).collect();
                }
                Some((&"options", options)) => {
                    let ndots = options.iter().find_map(|option| option.strip_prefix("ndots:")?.parse::<usize>().ok());
                    config.ndots = ndots.unwrap_or(config.ndots).min(15);
                }
                Some(_) | None => {}
            }
        }
        if config.servers.is_empty() {
            config.servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
        }
        Ok(config)
    }

    /// Returns the full names that stand for `name`, in the order in which they are tried.
    pub(super) fn candidates(&self, name: &str) -> Vec<String> {
        let plain = name.trim_end_matches('.').to_owned();
        if name.ends_with('.') || plain.matches('.').count() >= self.ndots {
            return vec![plain];
        }
        let searched = self.search.iter().filter(|domain| !domain.is_empty());
        searched.map(|domain| format!("{plain}.{domain}")).chain([plain.clone()]).collect()
    }
}

/// `10.0.0.53`, `fd00::53`, `fe80::1%3`; a device's name behind the percent sign means another number elsewhere.
fn address(text: &str) -> Result<SocketAddr, String> {
    let unusable = || format!("the resolver address {text} cannot be used");
    match text.split_once('%') {
        None => Ok(SocketAddr::new(text.parse().map_err(|_no_address| unusable())?, PORT)),
        Some((address, zone)) => {
            let (Ok(address), Ok(zone)) = (address.parse(), zone.parse()) else { return Err(unusable()) };
            Ok(SocketAddr::V6(SocketAddrV6::new(address, PORT, 0, zone)))
        }
    }
}

/// Returns the addresses that a hosts file has for a name.
pub(super) fn hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.');
    let mut found: Vec<IpAddr> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split('#').next()?.split_ascii_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|word| word.trim_end_matches('.').eq_ignore_ascii_case(name)).then_some(address)
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_search_and_ndots_are_read() {
        let text = "# x\nnameserver 10.0.0.53\nnameserver fe80::1%3\nsearch a.example b.example.\noptions x ndots:2\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(config.servers[0].to_string(), "10.0.0.53:53");
        assert_eq!(config.servers[1].to_string(), "[fe80::1%3]:53");
        assert_eq!(config.candidates("db.x"), ["db.x.a.example", "db.x.b.example", "db.x"]);
        assert_eq!(config.candidates("db."), ["db"]);
        assert_eq!(config.candidates("a.b.c"), ["a.b.c"]);
        assert_eq!(Config::parse("").unwrap().servers[0].to_string(), "127.0.0.1:53");
        assert!(Config::parse("nameserver fe80::1%eth0").is_err());
        assert!(Config::parse("nameserver nonsense").is_err());
    }

    #[test]
    fn hosts_match_whole_names_of_any_case() {
        let text = "10.0.0.1 db DB2 # web\n::1 db\nnonsense db\n";
        assert_eq!(hosts(text, "Db.").len(), 2);
        assert_eq!(hosts(text, "db2").len(), 1);
        assert!(hosts(text, "web").is_empty() && hosts(text, "d").is_empty());
    }
}
