//! The messages of whole tables, checked without a kernel.

use super::build::{self, ARM_AT, BuildError, Wiring, families};
use super::message::{Family, HEAD, Table};
use super::scope::{Version, selections};
use crate::kernel::attr::{be64, dig, find, text, walk};
use crate::kernel::netlink::Message;
use rumpus_model::change::{Filter, Hook, Verdict};
use rumpus_model::scope::{Addresses, Device, Devices, Direction, Exempt, Peers, Port, Protocol, Scope};
use std::time::Duration;

fn everything() -> Scope {
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

fn wired() -> Wiring {
    Wiring { devices: vec!["eth0".into()], egress_link: Some(5), ingress_link: Some(6), queue: Some(77) }
}

fn built(hook: Hook, verdict: Verdict, scope: Scope) -> Result<Vec<Message>, BuildError> {
    let filter = Filter { hook, scope, verdict };
    let family = families(hook)[0];
    build::table(Table { family, name: "rumpus_00000001_00000002" }, "test", &filter, &wired())
}

/// The expressions of each rule in `chain`, by name.
fn rules(messages: &[Message], chain: &str) -> Vec<String> {
    let in_chain = |message: &&Message| {
        message.kind == (10 << 8 | 6) && find(message.attributes.bytes(), 2).map(text).as_deref() == Some(chain)
    };
    let names = |message: &Message| {
        let list = find(message.attributes.bytes(), 4).unwrap();
        walk(list).map(|(_, one)| text(find(one, 1).unwrap())).collect::<Vec<_>>().join(" ")
    };
    messages.iter().filter(in_chain).map(names).collect()
}

#[test]
fn the_table_is_claimed_and_armed_before_anything_else() {
    for (hook, verdict) in [
        (Hook::Device, Verdict::Delay),
        (Hook::Device, Verdict::Drop),
        (Hook::Routing, Verdict::Queue),
        (Hook::Stack, Verdict::Reject),
    ] {
        let messages = built(hook, verdict, everything()).unwrap();
        // NLM_F_CREATE | NLM_F_EXCL
        assert_eq!((messages[0].kind, messages[0].flags), (10 << 8, 0x600));
        let gate = &messages[ARM_AT];
        let list = find(gate.attributes.bytes(), 3).unwrap();
        assert_eq!(walk(list).count(), build::gate(families(hook)[0]).len());
        for (_, element) in walk(list) {
            assert_eq!(find(element, 4).and_then(be64), Some(1000), "each key of the gate has its timeout");
        }
    }
}

#[test]
fn the_gate_keeps_its_length_whatever_time_it_gets() {
    for family in Family::ALL {
        let table = Table { family, name: "t" };
        let lengths = [1, 86_400].map(|s| build::arm(table, Duration::from_secs(s)).attributes.bytes().len());
        assert_eq!(lengths[0], lengths[1]);
    }
}

#[test]
fn neighbour_discovery_is_accepted_first_and_the_witness_has_no_verdict() {
    let messages = built(Hook::Device, Verdict::Drop, everything()).unwrap();
    for chain in ["out", "in"] {
        assert_eq!(
            rules(&messages, chain),
            [
                "meta cmp meta cmp payload cmp cmp immediate",
                "meta cmp meta cmp payload cmp immediate",
                "meta cmp counter immediate",
                "meta cmp counter immediate"
            ]
        );
        let witness = rules(&messages, &format!("{chain}_passed"));
        assert_eq!(witness[2..], ["meta cmp counter", "meta cmp counter"]);
        assert_eq!(rules(&messages, &format!("{chain}0")), ["meta lookup immediate"]);
    }
}

#[test]
fn loss_is_drawn_before_it_is_counted() {
    let messages = built(Hook::Device, Verdict::Lose { per_million: 5 }, everything()).unwrap();
    assert_eq!(rules(&messages, "out")[2], "meta cmp numgen byteorder cmp counter immediate");
}

#[test]
fn a_direction_that_is_not_meant_has_no_chain() {
    let scope = Scope { direction: Direction::Egress, ..everything() };
    let messages = built(Hook::Device, Verdict::Drop, scope).unwrap();
    assert!(!rules(&messages, "out0").is_empty() && rules(&messages, "in0").is_empty());
}

#[test]
fn ports_limit_a_scope_to_their_protocols() {
    let port = |protocol| Port { protocol, from: 53, to: 53 };
    let scope = Scope { ports: vec![port(Protocol::Udp)], ..everything() };
    let found: Vec<_> = selections(&scope, Family::Inet).into_iter().map(|s| (s.version, s.protocol)).collect();
    assert_eq!(found, [(Version::V4, Some(Protocol::Udp)), (Version::V6, Some(Protocol::Udp))]);
    let contrary = Scope { protocols: vec![Protocol::Tcp], ..scope };
    assert_eq!(built(Hook::Stack, Verdict::Drop, contrary), Err(BuildError::Unmatchable));
}

#[test]
fn peers_of_one_version_leave_the_other_alone() {
    let peers = Peers::Only(Addresses::new(["fd00::/8".parse().unwrap()]));
    let found = selections(&Scope { peers, ..everything() }, Family::Netdev);
    assert_eq!(found.iter().map(|s| s.version).collect::<Vec<_>>(), [Version::V6]);
    assert!(selections(&Scope { peers: Peers::Only(Addresses::default()), ..everything() }, Family::Inet).is_empty());
}

#[test]
fn overlapping_ports_are_merged_and_the_last_address_has_no_end() {
    let port = |from, to| Port { protocol: Protocol::Tcp, from, to };
    let peers = Peers::Only(Addresses::new(["255.255.255.0/24".parse().unwrap(), "10.0.0.0/8".parse().unwrap()]));
    let scope =
        Scope { peers, ports: vec![port(80, 90), port(85, 95), port(96, 96), port(443, 65535)], ..everything() };
    let messages = built(Hook::Device, Verdict::Drop, scope).unwrap();
    let keys = |set: &str| -> Vec<Vec<u8>> {
        let of_set = messages
            .iter()
            .filter(|m| m.kind == (10 << 8 | 12) && find(m.attributes.bytes(), 2).map(text).as_deref() == Some(set));
        let lists = of_set.flat_map(|m| walk(find(m.attributes.bytes(), 3).unwrap()));
        lists.map(|(_, element)| dig(element, &[1, 1]).unwrap().to_vec()).collect()
    };
    assert_eq!(keys("t4"), [vec![10, 0, 0, 0], vec![11, 0, 0, 0], vec![255, 255, 255, 0]]);
    let bytes = |port: u16| port.to_be_bytes().to_vec();
    assert_eq!(keys("pt"), [bytes(80), bytes(97), bytes(443)]);
}

#[test]
fn ten_thousand_networks_are_split_into_messages_that_fit() {
    let nets = (0..10_000_u32).map(|n| std::net::Ipv4Addr::from(0x0a00_0000 + 2 * n).into());
    let peers = Peers::Only(Addresses::new(nets.map(|a: std::net::IpAddr| a.into())));
    let messages = built(Hook::Device, Verdict::Drop, Scope { peers, ..everything() }).unwrap();
    assert!(messages.iter().all(|message| !message.attributes.is_too_long()));
    let elements = messages.iter().filter(|message| message.kind == (10 << 8 | 12));
    let longest = elements.map(|m| walk(find(m.attributes.bytes(), 3).unwrap()).count()).max();
    assert_eq!(longest, Some(500));
}

#[test]
fn a_verdict_at_a_hook_where_it_does_not_work_is_refused() {
    let all_hooks = [Hook::Device, Hook::Stack, Hook::Routing];
    let verdicts = [Verdict::Delay, Verdict::Drop, Verdict::Lose { per_million: 1 }, Verdict::Queue, Verdict::Reject];
    let works = |hook, verdict| match hook {
        Hook::Device => !matches!(verdict, Verdict::Queue | Verdict::Reject),
        Hook::Routing => verdict == Verdict::Queue,
        Hook::Stack => !matches!(verdict, Verdict::Queue | Verdict::Delay),
    };
    for hook in all_hooks {
        for verdict in verdicts {
            let refused = matches!(built(hook, verdict, everything()), Err(BuildError::Hook { .. }));
            assert_eq!(refused, !works(hook, verdict), "{hook:?} {verdict:?}");
        }
    }
}

#[test]
fn what_is_missing_is_refused_by_name() {
    let filter = |hook, verdict| Filter { hook, scope: everything(), verdict };
    let table = Table { family: Family::Netdev, name: "t" };
    let unwired = Wiring { devices: vec!["eth0".into()], ..Wiring::default() };
    let delay = build::table(table, "", &filter(Hook::Device, Verdict::Delay), &unwired);
    assert_eq!(delay, Err(BuildError::NotWired { verdict: Verdict::Delay }));
    let nowhere = build::table(table, "", &filter(Hook::Device, Verdict::Drop), &Wiring::default());
    assert_eq!(nowhere, Err(BuildError::NoDevice));
    let long = build::table(table, &"x".repeat(128), &filter(Hook::Device, Verdict::Drop), &unwired);
    assert_eq!(long, Err(BuildError::Comment));
}

#[test]
fn an_exemption_comes_before_the_verdict_and_never_exempts_everything() {
    let exempt = Exempt { reason: "sshd".into(), protocol: None, peer: None, peer_port: None, local_port: Some(22) };
    let scope = Scope { exempt: vec![exempt.clone()], ..everything() };
    let chain = rules(&built(Hook::Stack, Verdict::Drop, scope).unwrap(), "out");
    // Neighbour discovery, multicast reports, then TCP and UDP of each IP version, then the verdicts.
    assert_eq!(chain[2..6], ["meta cmp meta cmp payload cmp immediate"; 4]);
    assert_eq!(chain.len(), 8);
    let all = Exempt { local_port: None, ..exempt };
    let refused = built(Hook::Stack, Verdict::Drop, Scope { exempt: vec![all], ..everything() });
    assert_eq!(refused, Err(BuildError::ExemptsEverything { reason: "sshd".into() }));
}

#[test]
fn named_devices_get_a_rule_each_at_the_stack() {
    let names = ["eth0", "eth1"].map(|name| Device::parse(name).unwrap());
    let scope = Scope { devices: Devices::Named(names.to_vec()), ..everything() };
    let messages = built(Hook::Stack, Verdict::Drop, scope).unwrap();
    assert_eq!(rules(&messages, "out0"), ["meta lookup meta cmp immediate"; 2]);
}

#[test]
fn the_queue_is_the_compat_target_with_bypass() {
    let messages = built(Hook::Routing, Verdict::Queue, everything()).unwrap();
    let target: Vec<u8> =
        [&b"NFQUEUE\0"[..], &[8, 0, 2, 0, 0, 0, 0, 3], &[12, 0, 3, 0, 77, 0, 1, 0, 1, 0, 0, 0]].concat();
    let found = messages.iter().any(|m| m.attributes.bytes().windows(target.len()).any(|bytes| bytes == target));
    assert!(found, "no rule with the target's exact bytes");
    assert_eq!(HEAD, messages[0].head.len());
}
