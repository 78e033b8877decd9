//! Network faults on a real kernel, in two network namespaces of the test's own joined by a veth pair.
//!
//! Needs root, and `ip` and `nft` as independent witnesses. Touches no other namespace.

#![expect(clippy::unwrap_used, clippy::unwrap_in_result, clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "times are reported, never asserted")]

mod lab;

use lab::{Lab, OTHER4, OURS4, OURS6, PEER4, PEER6, after, drain, everything, make_link, net, only, run};
use rumpus_agent::kernel::dump::dump;
use rumpus_agent::kernel::link::{self, IfbName};
use rumpus_agent::kernel::netns;
use rumpus_agent::kernel::nft::{self, NftError, TableName, Wiring, families};
use rumpus_agent::kernel::timer::boottime;
use rumpus_model::change::{Delay, Filter, Hook, Verdict};
use rumpus_model::scope::{Addresses, Direction, Peers, Port, Protocol, Scope};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn a_partition_drops_both_directions_of_both_families_and_nothing_else() {
    let lab = Lab::new();
    let name = lab.create(Hook::Device, Verdict::Drop, only(&[PEER4, PEER6]), 5000);
    for (ours, peer) in [(OURS4, PEER4), (OURS6, PEER6)] {
        assert_eq!(lab.received(ours, peer, 100), 0, "sent to {peer}");
        assert_eq!(lab.received_back(peer, ours, 100), 0, "received from {peer}");
    }
    assert_eq!(lab.received(OURS4, OTHER4, 1000), 1000);
    let state = lab.state(name);
    assert!(state.is_armed());
    assert!(state.hit.egress.packets >= 200 && state.hit.ingress.packets >= 200, "{state:?}");
    assert_eq!((state.passed.egress.packets, state.passed.ingress.packets), (0, 0));
    lab.ours.enter(|| nft::disarm(&name, families(Hook::Device))).unwrap().unwrap();
    assert_eq!(lab.received(OURS4, PEER4, 100), 100);
    assert_eq!(lab.received_back(PEER6, OURS6, 100), 100);
}

#[test]
fn a_one_way_fault_leaves_the_other_way_alone() {
    let lab = Lab::new();
    let scope = Scope { direction: Direction::Ingress, ..only(&[PEER4]) };
    let name = lab.create(Hook::Device, Verdict::Drop, scope, 5000);
    assert_eq!(lab.received(OURS4, PEER4, 100), 100);
    assert_eq!(lab.received_back(PEER4, OURS4, 100), 0);
    assert_eq!(lab.state(name).hit.egress.packets, 0);
}

#[test]
fn an_excepted_peer_and_other_ports_are_left_alone() {
    let lab = Lab::new();
    let except = Addresses::new(["10.77.0.3/32".parse().unwrap()]);
    let ports = vec![Port { protocol: Protocol::Udp, from: 7000, to: 7001 }];
    let scope = Scope { peers: net("10.77.0.0/24"), except, ports, ..everything() };
    lab.create(Hook::Device, Verdict::Drop, scope, 5000);
    assert_eq!(lab.exchange(&lab.ours, OURS4, 0, &lab.theirs, PEER4, 7001, 50), 0);
    assert_eq!(lab.exchange(&lab.ours, OURS4, 0, &lab.theirs, PEER4, 7002, 50), 50);
    assert_eq!(lab.exchange(&lab.ours, OURS4, 0, &lab.theirs, OTHER4, 7001, 50), 50);
    assert_eq!(lab.exchange(&lab.theirs, PEER4, 7000, &lab.ours, OURS4, 0, 50), 0);
}

#[test]
fn a_gate_ends_on_time_with_nobody_alive() {
    let lab = Lab::new();
    for hook in [Hook::Device, Hook::Stack] {
        let until = boottime() + Duration::from_millis(700);
        let name = TableName { instance: 7, id: 1 };
        lab.create_until(name, hook, Verdict::Drop, only(&[PEER4]), until).unwrap();
        let (sender, receiver) = lab.pair(&lab.ours, OURS4, 0, &lab.theirs, PEER4, 0);
        receiver.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let mut buffer = [0; 8];
        let healed = loop {
            drop(sender.send(b"probe"));
            if receiver.recv(&mut buffer).is_ok() {
                break boottime();
            }
            assert!(boottime() < until + Duration::from_secs(2), "never ended");
        };
        assert!(healed <= until + Duration::from_millis(50), "late by {:?}", healed - until);
        assert!(healed + Duration::from_millis(50) >= until, "early by {:?}", until - healed);
        assert!(!lab.state(name).is_armed());
        lab.ours.enter(|| nft::delete(&name, families(hook))).unwrap().unwrap();
    }
}

#[test]
fn a_hundred_renewals_let_no_packet_through() {
    let lab = Lab::new();
    let name = lab.create(Hook::Device, Verdict::Drop, only(&[PEER4]), 5000);
    let (sender, receiver) = lab.pair(&lab.ours, OURS4, 0, &lab.theirs, PEER4, 0);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                drop(sender.send(b"probe"));
            }
        });
        for _ in 0..100 {
            let renewed = lab.ours.enter(|| nft::renew(&name, families(Hook::Device), after(2000))).unwrap();
            renewed.unwrap();
            sleep(Duration::from_millis(2));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(drain(&receiver), 0);
    assert!(lab.state(name).hit.egress.packets > 1000);
}

#[test]
fn a_renewal_moves_the_deadline_both_ways() {
    let lab = Lab::new();
    for hook in [Hook::Device, Hook::Stack, Hook::Routing] {
        let verdict = if hook == Hook::Routing { Verdict::Queue } else { Verdict::Drop };
        let name = lab.create(hook, verdict, everything(), 3000);
        for wanted in [60_000, 1500] {
            lab.ours.enter(|| nft::renew(&name, families(hook), after(wanted))).unwrap().unwrap();
            for (family, left) in lab.state(name).armed {
                let left = left.expect("armed");
                let range = Duration::from_millis(wanted - 500)..=Duration::from_millis(wanted);
                assert!(range.contains(&left), "{family:?}: {left:?} of {wanted} ms");
            }
        }
        lab.ours.enter(|| nft::delete(&name, families(hook))).unwrap().unwrap();
    }
}

#[test]
fn thirty_percent_loss_loses_thirty_percent() {
    let lab = Lab::new();
    let scope = Scope { direction: Direction::Egress, ..only(&[PEER4]) };
    let name = lab.create(Hook::Device, Verdict::Lose { per_million: 300_000 }, scope, 60_000);
    let received = lab.received(OURS4, PEER4, 10_000);
    // 10,000 draws of 0.7: the standard deviation is 46; this is more than 6 of them.
    assert!((6700..=7300).contains(&received), "{received} of 10,000 arrived");
    let state = lab.state(name);
    assert_eq!(state.hit.egress.packets + state.passed.egress.packets, 10_000);
    assert_eq!(state.passed.egress.packets, u64::try_from(received).unwrap());
}

#[test]
fn a_rejected_connection_is_refused_and_a_rejected_datagram_unreachable() {
    let lab = Lab::new();
    lab.create(Hook::Stack, Verdict::Reject, only(&[PEER4, PEER6]), 5000);
    for peer in [PEER4, PEER6] {
        let address = SocketAddr::new(peer.parse().unwrap(), 9);
        let connected = lab.ours.enter(|| TcpStream::connect_timeout(&address, Duration::from_secs(2))).unwrap();
        assert_eq!(connected.unwrap_err().kind(), io::ErrorKind::ConnectionRefused, "{peer}");
    }
    let (sender, receiver) = lab.pair(&lab.ours, OURS4, 0, &lab.theirs, PEER4, 0);
    drop(sender.send(b"probe"));
    let refused = sender.send(b"probe").unwrap_err();
    assert!(matches!(refused.kind(), io::ErrorKind::HostUnreachable | io::ErrorKind::PermissionDenied), "{refused}");
    assert_eq!(drain(&receiver), 0);
}

#[test]
fn a_queue_that_nobody_reads_lets_everything_through() {
    let lab = Lab::new();
    let name = lab.create(Hook::Routing, Verdict::Queue, only(&[PEER4, PEER6]), 5000);
    assert_eq!(lab.received(OURS4, PEER4, 100), 100);
    assert_eq!(lab.received_back(PEER6, OURS6, 100), 100);
    let listed = run("ip", &["netns", "exec", &lab.names[0], "nft", "list", "ruleset"]);
    // One rule for each direction and IP version.
    assert_eq!(listed.matches("num 77 bypass").count(), 4, "{listed}");
    let state = lab.state(name);
    assert_eq!((state.hit.egress.packets, state.passed.egress.packets), (100, 100));
    assert!(state.hit.ingress.packets >= 100, "{state:?}");
}

#[test]
fn a_table_is_claimed_once_and_gone_is_told_apart() {
    let lab = Lab::new();
    for (hook, verdict) in [(Hook::Device, Verdict::Drop), (Hook::Routing, Verdict::Queue)] {
        let name = TableName { instance: 3, id: 4 };
        lab.create_until(name, hook, verdict, everything(), after(3000)).unwrap();
        let again = lab.create_until(name, hook, verdict, everything(), after(3000));
        assert!(matches!(again, Err(NftError::Exists { .. })), "{again:?}");
        let listed = lab.ours.enter(nft::list).unwrap().unwrap();
        assert_eq!(listed, families(hook).iter().map(|family| (*family, name)).collect::<Vec<_>>());
        lab.ours.enter(|| nft::delete(&name, families(hook))).unwrap().unwrap();
        for gone in [
            lab.ours.enter(|| nft::renew(&name, families(hook), after(3000))).unwrap(),
            lab.ours.enter(|| nft::disarm(&name, families(hook))).unwrap(),
            lab.ours.enter(|| nft::delete(&name, families(hook))).unwrap(),
        ] {
            assert!(matches!(gone, Err(NftError::Gone { .. })), "{gone:?}");
        }
        assert_eq!(lab.ours.enter(|| nft::state(&name)).unwrap().unwrap(), None);
    }
}

#[test]
fn a_deadline_that_is_over_is_refused_and_kills_nobody() {
    let lab = Lab::new();
    let past = boottime().saturating_sub(Duration::from_secs(1));
    let name = TableName { instance: 3, id: 4 };
    let refused = lab.create_until(name, Hook::Device, Verdict::Drop, everything(), past);
    assert!(matches!(refused, Err(NftError::Expired)), "{refused:?}");
    assert_eq!(lab.ours.enter(nft::list).unwrap().unwrap(), []);
}

#[test]
fn ten_thousand_networks_fit_into_one_table() {
    let lab = Lab::new();
    for count in [1_u32, 1_000, 10_000] {
        // Every other address: none can be merged with its neighbour.
        let first = u32::from_be_bytes([10, 80, 0, 1]);
        let far = (0..count).map(|n| IpAddr::from((first + 2 * n).to_be_bytes()).into());
        let peers = Addresses::new(far.chain([format!("{PEER4}/32").parse().unwrap()]));
        let scope = Scope { peers: Peers::Only(peers), ..everything() };
        let start = Instant::now();
        let name = lab.create(Hook::Device, Verdict::Drop, scope, 20_000);
        let created = start.elapsed();
        assert_eq!(lab.received(OURS4, PEER4, 20), 0);
        assert_eq!(lab.received(OURS4, OTHER4, 20), 20);
        let start = Instant::now();
        lab.ours.enter(|| nft::renew(&name, families(Hook::Device), after(20_000))).unwrap().unwrap();
        let renewed = start.elapsed();
        let start = Instant::now();
        lab.ours.enter(|| nft::delete(&name, families(Hook::Device))).unwrap().unwrap();
        eprintln!("{count} networks: create {created:?}, renew {renewed:?}, delete {:?}", start.elapsed());
    }
}

#[test]
fn what_the_nft_tool_lists_is_what_was_meant() {
    let lab = Lab::new();
    let scope =
        Scope { ports: vec![Port { protocol: Protocol::Tcp, from: 80, to: 90 }], ..only(&["10.77.0.2", "fd77::2"]) };
    lab.create(Hook::Device, Verdict::Drop, scope, 5000);
    let listed = run("ip", &["netns", "exec", &lab.names[0], "nft", "list", "ruleset"]);
    for expected in [
        "comment \"test\"",
        "type filter hook egress device \"eth0\" priority -350; policy accept;",
        "type filter hook ingress device \"eth0\" priority -349; policy accept;",
        "meta protocol @armed jump out",
        "ip daddr @t4 tcp dport @pt counter packets",
        "ip6 saddr @t6 tcp sport @pt counter packets",
        "elements = { 80-90 }",
    ] {
        assert!(listed.contains(expected), "no `{expected}` in\n{listed}");
    }
}

#[test]
fn neighbour_discovery_survives_a_partition() {
    let lab = Lab::new();
    lab.create(Hook::Device, Verdict::Drop, only(&[PEER6]), 10_000);
    run("ip", &["-n", &lab.names[0], "neigh", "flush", "dev", "eth0"]);
    assert_eq!(lab.received(OURS6, PEER6, 20), 0);
    let neighbours = run("ip", &["-n", &lab.names[0], "-6", "neigh", "show", PEER6]);
    assert!(neighbours.contains("lladdr"), "the peer's link address was not resolved: {neighbours}");
}

#[test]
fn forwarded_packets_pass_through_the_link_and_arrive_once() {
    let lab = Lab::new();
    let links = [IfbName::new(0x1a, 1, true), IfbName::new(0x1a, 1, false)];
    let before = lab.ours.enter(dump).unwrap().unwrap();
    let indexes: Vec<u32> = lab.ours.enter(|| links.iter().map(make_link).collect()).unwrap();
    let wiring = Wiring {
        devices: vec!["eth0".into()],
        egress_link: Some(indexes[0]),
        ingress_link: Some(indexes[1]),
        queue: None,
    };
    let name = TableName { instance: 0x1a, id: 1 };
    let filter = Filter { hook: Hook::Device, scope: only(&[PEER4, PEER6]), verdict: Verdict::Delay };
    lab.ours.enter(|| nft::create(&name, "test", &filter, &wiring, after(5000))).unwrap().unwrap();
    for (ours, peer) in [(OURS4, PEER4), (OURS6, PEER6)] {
        assert_eq!(lab.received(ours, peer, 100), 100);
        assert_eq!(lab.received_back(peer, ours, 100), 100);
    }
    let state = lab.state(name);
    assert!(state.hit.egress.packets >= 200 && state.hit.ingress.packets >= 200, "{state:?}");
    assert_eq!((state.passed.egress.packets, state.passed.ingress.packets), (0, 0));
    assert_ne!(lab.ours.enter(dump).unwrap().unwrap(), before, "the dump does not see the fault");
    lab.ours.enter(|| nft::delete(&name, families(Hook::Device))).unwrap().unwrap();
    lab.ours.enter(|| links.iter().for_each(|name| link::delete(name).unwrap())).unwrap();
    assert_eq!(lab.ours.enter(dump).unwrap().unwrap(), before);
}

#[test]
fn netem_delays_and_keeps_the_order_only_if_asked_to() {
    for reorder in [false, true] {
        let lab = Lab::new();
        let link = IfbName::new(0x1a, 1, true);
        let index = lab.ours.enter(|| make_link(&link)).unwrap();
        let delay = Delay { delay: Duration::from_millis(100), jitter: Duration::from_millis(50), reorder };
        if let Err(error) = lab.ours.enter(|| link::add_netem(index, &delay, 1000)).unwrap() {
            // A kernel without netem says so by name; that is what the probe relies on.
            assert_eq!(error.errno(), Some(nix::errno::Errno::ENOENT), "{error:?}");
            continue;
        }
        let wiring = Wiring { devices: vec!["eth0".into()], egress_link: Some(index), ..Wiring::default() };
        let scope = Scope { direction: Direction::Egress, ..only(&[PEER4]) };
        let filter = Filter { hook: Hook::Device, scope, verdict: Verdict::Delay };
        let name = TableName { instance: 0x1a, id: 1 };
        lab.ours.enter(|| nft::create(&name, "test", &filter, &wiring, after(20_000))).unwrap().unwrap();
        let (sender, receiver) = lab.pair(&lab.ours, OURS4, 0, &lab.theirs, PEER4, 0);
        receiver.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        for number in 0..200_u8 {
            sender.send(&[number]).unwrap();
            sleep(Duration::from_millis(1));
        }
        let mut arrived = Vec::new();
        let mut buffer = [0; 8];
        while arrived.len() < 200 {
            receiver.recv(&mut buffer).unwrap();
            arrived.push(buffer[0]);
        }
        assert_eq!(arrived.is_sorted(), !reorder, "{arrived:?}");
        let stats = lab.ours.enter(|| link::qdisc_stats(index)).unwrap().unwrap().expect("a root qdisc");
        assert_eq!((stats.packets, stats.backlog, stats.drops), (200, 0, 0));
        assert!(round(&lab, OURS4, PEER4) >= Duration::from_millis(50));
        assert!(round(&lab, OURS4, OTHER4) < Duration::from_millis(50));
    }
}

/// Returns how long one packet takes.
fn round(lab: &Lab, from: &str, to: &str) -> Duration {
    let (sender, receiver) = lab.pair(&lab.ours, from, 0, &lab.theirs, to, 0);
    receiver.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let start = Instant::now();
    sender.send(b"probe").unwrap();
    receiver.recv(&mut [0; 8]).unwrap();
    start.elapsed()
}

#[test]
fn the_namespace_is_the_same_after_every_kind_of_table() {
    let lab = Lab::new();
    run(
        "ip",
        &[
            "netns",
            "exec",
            &lab.names[0],
            "nft",
            "add table ip foreign { set s { type ipv4_addr; elements = { 10.9.9.9 }; }; chain c { type filter hook input priority 0; ip saddr @s counter; }; }",
        ],
    );
    let before = lab.ours.enter(dump).unwrap().unwrap();
    assert!(before.contains("foreign"), "{before}");
    for (hook, verdict) in [
        (Hook::Device, Verdict::Drop),
        (Hook::Device, Verdict::Lose { per_million: 1 }),
        (Hook::Stack, Verdict::Reject),
        (Hook::Stack, Verdict::Drop),
        (Hook::Routing, Verdict::Queue),
    ] {
        let name = lab.create(hook, verdict, only(&[PEER4, PEER6]), 5000);
        lab.received(OURS4, PEER4, 10);
        let during = lab.ours.enter(dump).unwrap().unwrap();
        assert!(during.contains(&name.to_string()), "{during}");
        lab.ours.enter(|| nft::delete(&name, families(hook))).unwrap().unwrap();
        assert_eq!(lab.ours.enter(dump).unwrap().unwrap(), before, "{hook:?} {verdict:?}");
    }
}

#[test]
fn named_namespaces_are_found_by_name() {
    let lab = Lab::new();
    let named = netns::named(std::path::Path::new(netns::NAMED)).unwrap();
    assert!(named.contains(&(lab.names[0].clone(), lab.ours.id())), "{named:?}");
    let census = netns::all().unwrap();
    assert!(census.found.iter().any(|(id, _)| *id == lab.theirs.id()));
    assert_ne!(netns::host().unwrap(), lab.ours.id());
}
