//! What a network fault did to the target's own TCP connections, by the kernel's `tcp_info`: evidence beside the counters
//! of our rules, where there are connections. It must never change them, and never fail a fault: without it there is less
//! evidence.

use crate::kernel::netns::NetNs;
use crate::kernel::sockets::{TcpConnection, established};
use rumpus_model::evidence::Sockets;
use rumpus_model::scope::Scope;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Of more connections than this none is looked at: the list of them would take tens of megabytes.
const MOST: u64 = 10_000;

/// The connections in scope before a fault, and in the moment when it was ended, where the kernel told.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    before: Option<Vec<TcpConnection>>,
    ended: Option<Vec<TcpConnection>>,
}

impl Looks {
    /// Looks before the fault.
    pub(crate) fn begin(&mut self, netns: &NetNs, scope: Option<&Scope>) {
        self.before = scope.and_then(|scope| look(netns, scope));
    }

    /// Looks as soon as the effect has ended, once: what waited for the peer is sent again soon.
    pub(crate) fn end(&mut self, netns: &NetNs, scope: Option<&Scope>) {
        if self.ended.is_none() {
            self.ended = scope.and_then(|scope| look(netns, scope));
        }
    }

    /// Returns what changed; none where nothing is connected, or one of the looks is missing.
    pub(crate) fn felt(&self) -> Option<Sockets> {
        felt(self.before.as_deref()?, self.ended.as_deref()?)
    }
}

/// Returns the connections in scope; none where the kernel does not tell, or there are too many.
fn look(netns: &NetNs, scope: &Scope) -> Option<Vec<TcpConnection>> {
    let all = netns.enter(|| if in_use()? > MOST { None } else { established().ok() }).ok()??;
    Some(all.into_iter().filter(|one| scope.has_connection(one.local, one.remote)).collect())
}

fn felt(before: &[TcpConnection], now: &[TcpConnection]) -> Option<Sockets> {
    let earlier: BTreeMap<u64, &TcpConnection> = before.iter().map(|one| (one.cookie, one)).collect();
    let lasting = now.iter().filter_map(|one| earlier.get(&one.cookie));
    let again = |one: &TcpConnection| {
        let had = earlier.get(&one.cookie).map_or(0, |earlier| earlier.retransmitted);
        u64::from(one.retransmitted.saturating_sub(had))
    };
    Some(Sockets {
        connections: u32::try_from(now.len()).unwrap_or(u32::MAX),
        rtt_before: median(lasting.map(|one| one.rtt)),
        rtt: median(now.iter().map(|one| one.rtt))?,
        retransmitted: now.iter().map(again).sum(),
        waiting: u32::try_from(now.iter().filter(|one| one.unanswered > 0).count()).unwrap_or(u32::MAX),
    })
}

fn median(all: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut all: Vec<Duration> = all.collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}

/// Returns how many TCP sockets the calling thread's namespace has.
fn in_use() -> Option<u64> {
    let text = |name: &str| fs::read_to_string(format!("/proc/thread-self/net/{name}")).ok();
    let count = |text: &str| {
        let of = |line: &str| line.split_once(": inuse ")?.1.split(' ').next()?.parse::<u64>().ok();
        text.lines().filter(|line| line.starts_with("TCP")).find_map(of)
    };
    // A kernel without IPv6 has no second file.
    Some(count(&text("sockstat")?)? + text("sockstat6").and_then(|text| count(&text)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::netns;

    fn connection(cookie: u64, micros: u64, retransmitted: u32) -> TcpConnection {
        let end = "10.0.0.1:80".parse().unwrap();
        TcpConnection {
            cookie,
            local: end,
            remote: end,
            rtt: Duration::from_micros(micros),
            retransmitted,
            unanswered: 0,
        }
    }

    #[test]
    fn what_was_sent_again_before_does_not_count() {
        let before = [connection(1, 100, 7), connection(2, 300, 0)];
        let now = [connection(1, 50_000, 9), connection(3, 70_000, 1)];
        let felt = felt(&before, &now).unwrap();
        assert_eq!((felt.connections, felt.retransmitted, felt.waiting), (2, 3, 0));
        assert_eq!((felt.rtt_before, felt.rtt), (Some(Duration::from_micros(100)), Duration::from_millis(70)));
        assert_eq!(super::felt(&before, &[]), None);
    }

    #[test]
    fn without_a_look_before_the_fault_nothing_is_said_to_have_come_of_it() {
        let ended = Some(vec![connection(1, 50_000, 9)]);
        assert_eq!(Looks { before: None, ended: ended.clone() }.felt(), None);
        assert!(Looks { before: Some(Vec::new()), ended }.felt().is_some());
    }

    #[test]
    fn a_new_namespace_has_no_socket() {
        assert_eq!(netns::scratch(in_use).unwrap(), Some(0));
    }
}
