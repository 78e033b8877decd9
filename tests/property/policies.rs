//! The parser never panics, and its small parts agree with simpler ones.

use ipnet::IpNet;
use proptest::prelude::*;
use rumpus_model::duration;
use rumpus_model::policy::parse;
use rumpus_model::scope::Addresses;
use rumpus_model::target::Printable;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

const GOOD: &str = "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {name: a}\nspec:\n  experiment:\n    targets: \
                    {processes: {name: web, cmdline: 'a.c', user: 33}}\n    pick: {percent: 25, rounding: Up}\n    faults:\n    \
                    - latency: {delay: 1s, jitter: 5ms, direction: Both, peers: {addresses: [10.0.0.0/8], names: [a.b]}, \
                    ports: [5432/TCP, 80-90]}\n    duration: 5m\n    steadyState: {none: {reason: t}}\n";

fn net() -> impl Strategy<Value = IpNet> {
    // Few leading bits, so that networks often hold and touch each other.
    let v4 = (0u32..16, 0u8..=32)
        .prop_map(|(bits, prefix)| IpNet::new(Ipv4Addr::from((bits << 28) | bits).into(), prefix).map(|n| n.trunc()));
    let v6 = (0u128..16, 0u8..=128)
        .prop_map(|(bits, prefix)| IpNet::new(Ipv6Addr::from((bits << 124) | bits).into(), prefix).map(|n| n.trunc()));
    prop_oneof![v4, v6].prop_filter_map("prefix", Result::ok)
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0u32..16, 0u32..16).prop_map(|(a, b)| Ipv4Addr::from((a << 28) | b).into()),
        (0u128..16, 0u128..16).prop_map(|(a, b)| Ipv6Addr::from((a << 124) | b).into()),
    ]
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _read = parse(&text);
        let _inside = parse(&GOOD.replace("web", &text));
    }

    #[test]
    fn no_damage_to_a_good_policy_makes_the_parser_panic(
        at in 0usize..GOOD.len(),
        len in 0usize..20,
        by in "[-{}\\[\\]:,&*!|>'\"%@`#?\\n\\t \\x00-\\x1fa-z0-9]{0,6}",
    ) {
        prop_assert!(parse(GOOD).is_ok());
        let text = format!("{}{by}{}", &GOOD[..at], &GOOD[(at + len).min(GOOD.len())..]);
        if let Err(problems) = parse(&text) {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(!problem.to_string().chars().any(char::is_control), "{problem:?}");
            }
        }
    }

    #[test]
    fn a_duration_that_is_shown_is_read_back(millis in 0u64..=u64::MAX / 2) {
        let time = Duration::from_millis(millis);
        prop_assert_eq!(duration::parse(&duration::show(time)), Ok(time));
    }

    #[test]
    fn merged_addresses_hold_what_their_parts_hold(nets in prop::collection::vec(net(), 0..12), wanted in address()) {
        let merged = Addresses::new(nets.clone());
        prop_assert_eq!(merged.contains(wanted), nets.iter().any(|n| n.contains(&wanted)));
        let all: Vec<IpNet> = merged.v4().iter().copied().map(IpNet::from)
            .chain(merged.v6().iter().copied().map(IpNet::from)).collect();
        for (i, a) in all.iter().enumerate() {
            prop_assert_eq!(*a, a.trunc());
            prop_assert!(all.iter().skip(i + 1).all(|b| !a.contains(b) && !b.contains(a)), "{all:?}");
        }
    }

    #[test]
    fn two_sets_meet_where_an_address_is_in_both(
        a in prop::collection::vec(net(), 0..6),
        b in prop::collection::vec(net(), 0..6),
    ) {
        let naive = a.iter().any(|x| b.iter().any(|y| x.contains(&y.addr()) || y.contains(&x.addr())));
        prop_assert_eq!(Addresses::new(a).meets(&Addresses::new(b)), naive);
    }

    #[test]
    fn what_is_printed_steers_nothing(text in any::<String>()) {
        let shown = Printable(&text).to_string();
        prop_assert!(!shown.chars().any(char::is_control));
        prop_assert_eq!(Printable(&shown).to_string(), shown.clone());
    }
}
