//! What is seen of a host, against namespaces, tables and processes of the test's own.
//!
//! Needs root, and `ip`, `nft` and `sleep`. Touches no other namespace.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod names;
mod residue;

use rumpus_agent::kernel::netns::NetNs;
use rumpus_agent::kernel::nft::{self, TableName, Wiring};
use rumpus_agent::kernel::timer::boottime;
use rumpus_agent::observe::{ObserveOptions, world};
use rumpus_model::change::{Filter, Hook, Verdict};
use rumpus_model::scope::{Addresses, Devices, Direction, Peers, Scope};
use rumpus_model::target::Via;
use rumpus_model::world::{self, StandingDelay};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// One namespace with a veth pair inside.
struct Lab {
    name: String,
    netns: NetNs,
}

impl Lab {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("rumpus-observe-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run("ip", &["netns", "add", &name]);
        run("ip", &["-n", &name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]);
        run("ip", &["-n", &name, "link", "set", "lo", "up"]);
        let netns = NetNs::open(format!("/run/netns/{name}")).unwrap();
        Self { name, netns }
    }

    /// Starts a process inside.
    fn sleeper(&self) -> Child {
        Command::new("ip").args(["netns", "exec", &self.name, "sleep", "60"]).spawn().unwrap()
    }

    fn seen(&self) -> world::NetNs {
        let world = world(&ObserveOptions::default()).unwrap();
        world.netns.into_iter().find(|netns| netns.names.contains(&self.name)).unwrap()
    }

    fn filter(&self, id: u32, hook: Hook, verdict: Verdict, direction: Direction, peers: Peers, left: Duration) {
        let scope = Scope {
            direction,
            devices: Devices::AllButLoopback,
            peers,
            except: Addresses::default(),
            ports: vec![],
            local_ports: vec![],
            protocols: vec![],
            exempt: vec![],
        };
        let filter = Filter { hook, scope, verdict };
        let wiring = Wiring {
            devices: vec!["eth0".into(), "eth1".into()],
            egress_link: Some(1),
            ingress_link: Some(1),
            queue: Some(77),
        };
        let name = TableName { instance: 9, id };
        self.netns.enter(|| nft::create(&name, "test", &filter, &wiring, boottime() + left)).unwrap().unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        run("ip", &["netns", "del", &self.name]);
    }
}

fn peers(networks: &[&str]) -> Peers {
    Peers::Only(Addresses::new(networks.iter().map(|network| network.parse().unwrap())))
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_named_namespace_is_seen_with_its_devices_and_processes() {
    let lab = Lab::new();
    let mut sleeper = lab.sleeper();
    std::thread::sleep(Duration::from_millis(200));
    let world = world(&ObserveOptions::default()).unwrap();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    let netns = world.netns.iter().find(|netns| netns.names.contains(&lab.name)).unwrap();
    assert_eq!(netns.via, Via::Name(lab.name.clone()));
    assert_eq!(netns.id, lab.netns.id());
    for device in ["lo", "eth0", "eth1"] {
        assert!(netns.devices.iter().any(|found| found == device), "{:?}", netns.devices);
    }
    let inside: Vec<_> = world.processes.iter().filter(|p| p.netns == Some(netns.id)).collect();
    assert_eq!(inside.len(), 1);
    assert_eq!((inside[0].comm.as_str(), inside[0].cmdline.as_str()), ("sleep", "sleep 60"));
    assert_eq!(world.netns.iter().filter(|n| n.via == Via::Host).count(), usize::from(world.host_netns.is_some()));
}

#[test]
fn a_namespace_without_a_name_is_reached_by_its_oldest_process() {
    let mut sleeper = Command::new("unshare").args(["--net", "sleep", "60"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let world = world(&ObserveOptions::default()).unwrap();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    let process = world.processes.iter().find(|p| u32::try_from(p.id.pid) == Ok(sleeper.id())).unwrap();
    let netns = world.netns.iter().find(|n| Some(n.id) == process.netns).unwrap();
    assert_eq!(netns.via, Via::Process(process.id.clone()));
    assert!(netns.names.is_empty());
    assert_eq!(netns.devices[0], "lo");
}

#[test]
fn a_queueing_delay_is_read_back_with_its_peers_and_direction() {
    let lab = Lab::new();
    let both = peers(&["10.0.0.0/8", "10.77.0.2/32", "255.255.255.0/24", "fd77::/64", "fe80::1/128"]);
    lab.filter(1, Hook::Routing, Verdict::Queue, Direction::Egress, both, LONG);
    lab.filter(2, Hook::Routing, Verdict::Queue, Direction::Both, Peers::Everyone, LONG);
    let found = lab.seen().delays;
    let of = |id| -> Vec<StandingDelay> {
        let table = TableName { instance: 9, id }.to_string();
        found.iter().filter(|delay| delay.table == table).cloned().collect()
    };
    // One table for each IP version.
    let expected = [peers(&["10.0.0.0/8", "255.255.255.0/24"]), peers(&["fd77::/64", "fe80::1/128"])];
    assert_eq!(of(1).iter().map(|delay| delay.peers.clone()).collect::<Vec<_>>(), expected);
    assert!(of(1).iter().all(|delay| delay.direction == Direction::Egress));
    assert!(of(2).iter().all(|delay| delay.direction == Direction::Both && delay.peers == Peers::Everyone));
    assert_eq!(of(2).len(), 2);
}

#[test]
fn a_drop_and_an_empty_gate_are_no_delay() {
    let lab = Lab::new();
    lab.filter(3, Hook::Device, Verdict::Drop, Direction::Both, Peers::Everyone, LONG);
    lab.filter(4, Hook::Routing, Verdict::Queue, Direction::Both, Peers::Everyone, Duration::from_millis(300));
    assert_eq!(lab.seen().delays.len(), 2);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(lab.seen().delays, []);
}

#[test]
fn a_forwarding_delay_is_read_back() {
    let lab = Lab::new();
    lab.filter(5, Hook::Device, Verdict::Delay, Direction::Ingress, peers(&["10.77.0.0/24", "fd77::2/128"]), LONG);
    let found = lab.seen().delays;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].direction, Direction::Ingress);
    assert_eq!(found[0].peers, peers(&["10.77.0.0/24", "fd77::2/128"]));
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
