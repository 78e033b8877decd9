//! Two network namespaces joined by a veth pair, and packets between them.

use rumpus_agent::kernel::link::{self, IfbName};
use rumpus_agent::kernel::netns::NetNs;
use rumpus_agent::kernel::nft::{self, NftError, TableName, Wiring};
use rumpus_agent::kernel::timer::boottime;
use rumpus_model::change::{Filter, Hook, Verdict};
use rumpus_model::scope::{Addresses, Devices, Direction, Peers, Scope};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) const OURS4: &str = "10.77.0.1";
pub(crate) const OURS6: &str = "fd77::1";
pub(crate) const PEER4: &str = "10.77.0.2";
pub(crate) const PEER6: &str = "fd77::2";
/// A second address of the other side, out of every scope below.
pub(crate) const OTHER4: &str = "10.77.0.3";

/// Two namespaces; ours has the faults.
pub(crate) struct Lab {
    pub(crate) names: [String; 2],
    pub(crate) ours: NetNs,
    pub(crate) theirs: NetNs,
}

impl Lab {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let lab = format!("rumpus-net-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let names = [format!("{lab}-a"), format!("{lab}-b")];
        for name in &names {
            run("ip", &["netns", "add", name]);
        }
        let [a, b] = [names[0].as_str(), names[1].as_str()];
        run("ip", &["-n", a, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b]);
        for (name, addresses) in [(a, vec![OURS4, OURS6]), (b, vec![PEER4, OTHER4, PEER6])] {
            for address in addresses {
                let length = if address.contains(':') { "64" } else { "24" };
                let mut arguments = vec!["-n", name, "address", "add"];
                let network = format!("{address}/{length}");
                arguments.extend([network.as_str(), "dev", "eth0"]);
                if length == "64" {
                    arguments.push("nodad");
                }
                run("ip", &arguments);
            }
            run("ip", &["-n", name, "link", "set", "lo", "up"]);
            // A link-local address would be tentative for a second, and nothing resolves before.
            run("ip", &["-n", name, "link", "set", "eth0", "addrgenmode", "none"]);
            run("ip", &["-n", name, "link", "set", "eth0", "up"]);
        }
        let open = |name: &str| NetNs::open(format!("/run/netns/{name}")).unwrap();
        let (ours, theirs) = (open(a), open(b));
        let lab = Self { names, ours, theirs };
        // The first solicitation can meet a link that is not up yet; the next one comes after a second.
        let works =
            |_| [(OURS4, PEER4), (OURS4, OTHER4), (OURS6, PEER6)].iter().all(|(a, b)| lab.received(a, b, 1) == 1);
        assert!((0..200).any(works), "the lab does not work");
        lab
    }

    pub(crate) fn create(&self, hook: Hook, verdict: Verdict, scope: Scope, milliseconds: u64) -> TableName {
        let name = TableName { instance: 0x1a, id: 1 };
        self.create_until(name, hook, verdict, scope, after(milliseconds)).unwrap();
        name
    }

    pub(crate) fn create_until(
        &self,
        name: TableName,
        hook: Hook,
        verdict: Verdict,
        scope: Scope,
        until: Duration,
    ) -> Result<(), NftError> {
        let wiring = Wiring { devices: vec!["eth0".into()], queue: Some(77), ..Wiring::default() };
        let filter = Filter { hook, scope, verdict };
        self.ours.enter(|| nft::create(&name, "test", &filter, &wiring, until)).unwrap()
    }

    pub(crate) fn state(&self, name: TableName) -> nft::TableState {
        self.ours.enter(|| nft::state(&name)).unwrap().unwrap().expect("the table is there")
    }

    pub(crate) fn received(&self, from: &str, to: &str, count: usize) -> usize {
        self.exchange(&self.ours, from, 0, &self.theirs, to, 0, count)
    }

    pub(crate) fn received_back(&self, from: &str, to: &str, count: usize) -> usize {
        self.exchange(&self.theirs, from, 0, &self.ours, to, 0, count)
    }

    #[expect(clippy::too_many_arguments, reason = "two ends, each a namespace, an address and a port")]
    pub(crate) fn exchange(
        &self,
        a: &NetNs,
        from: &str,
        source: u16,
        b: &NetNs,
        to: &str,
        port: u16,
        count: usize,
    ) -> usize {
        let (sender, receiver) = self.pair(a, from, source, b, to, port);
        let mut received = 0;
        for sent in 1..=count {
            drop(sender.send(b"probe"));
            if sent % 50 == 0 || sent == count {
                received += drain(&receiver);
            }
        }
        received
    }

    pub(crate) fn pair(
        &self,
        a: &NetNs,
        from: &str,
        source: u16,
        b: &NetNs,
        to: &str,
        port: u16,
    ) -> (UdpSocket, UdpSocket) {
        let bind = |netns: &NetNs, address: &str, port| {
            let address = SocketAddr::new(address.parse().unwrap(), port);
            netns.enter(|| UdpSocket::bind(address)).unwrap().unwrap()
        };
        let (sender, receiver) = (bind(a, from, source), bind(b, to, port));
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        (sender, receiver)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.names {
            run("ip", &["netns", "del", name]);
        }
    }
}

/// Counts what has arrived: on a veth that is all that was sent, once the softirq has run.
pub(crate) fn drain(receiver: &UdpSocket) -> usize {
    receiver.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut buffer = [0; 8];
    let mut count = 0;
    while receiver.recv(&mut buffer).is_ok() {
        count += 1;
    }
    count
}

pub(crate) fn make_link(name: &IfbName) -> u32 {
    let index = link::add_ifb(name).unwrap();
    link::set_up(index).unwrap();
    index
}

pub(crate) fn everything() -> Scope {
    Scope {
        direction: Direction::Both,
        devices: Devices::AllButLoopback,
        peers: Peers::Everyone,
        except: Addresses::default(),
        ports: vec![],
        local_ports: vec![],
        protocols: vec![],
        exempt: vec![],
    }
}

pub(crate) fn only(addresses: &[&str]) -> Scope {
    let nets = addresses.iter().map(|address| address.parse::<IpAddr>().unwrap().into());
    Scope { peers: Peers::Only(Addresses::new(nets)), ..everything() }
}

pub(crate) fn net(network: &str) -> Peers {
    Peers::Only(Addresses::new([network.parse().unwrap()]))
}

pub(crate) fn after(milliseconds: u64) -> Duration {
    boottime() + Duration::from_millis(milliseconds)
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
