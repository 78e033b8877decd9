//! Durations, percentages, networks and ports as policies write them, each beside a second reader of the same text that
//! is too simple to be wrong in the same way. The first byte says which of them the rest is.

use super::draw::Draw;
use rumpus_model::fault::{Fault, Loss, Network};
use rumpus_model::pick::{Pick, Rounding};
use rumpus_model::policy::{self, Amount, Limits, Policy, Problem, Site};
use rumpus_model::scope::Protocol;
use rumpus_model::{duration, wire};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Milliseconds of each unit.
const UNITS: [(&str, u128); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// How long a fault may last, in milliseconds: 1 s to 24 h.
const LASTS: std::ops::RangeInclusive<u128> = 1_000..=86_400_000;

/// Reads one text.
pub fn duration_cidr(data: &[u8]) {
    let mut draw = Draw::new(data);
    let kind = draw.below(5);
    let Ok(text) = std::str::from_utf8(draw.rest()) else { return };
    match kind {
        0 => time(text),
        1 => lasting(text),
        2 => share(text),
        3 => network(text),
        _ => ports(text),
    }
}

/// The digits of a number that ends the text or stands before `unit`; `None` where there are others.
fn number(text: &str, unit: &str) -> Option<u128> {
    let digits = text.strip_suffix(unit)?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let more = |n: u128, digit: u8| n.saturating_mul(10).saturating_add(u128::from(digit.saturating_sub(b'0')));
    plain.then(|| digits.bytes().fold(0, more))
}

fn millis(text: &str) -> Option<u128> {
    let fits = |n: &u128| *n <= u128::from(u64::MAX);
    UNITS.iter().find_map(|(unit, size)| number(text, unit).filter(fits).map(|n| n.saturating_mul(*size)).filter(fits))
}

fn time(text: &str) {
    let read = duration::parse(text);
    assert_eq!(read.as_ref().ok().map(Duration::as_millis), millis(text), "{text:?}: {read:?}");
    match read {
        Ok(time) => {
            let shown = duration::show(time);
            assert_eq!(duration::parse(&shown), Ok(time), "{text:?} is shown as {shown}");
            // What is read and shown stays as it is.
            assert_eq!(duration::parse(&shown).map(duration::show), Ok(shown));
        }
        Err(why) => assert!(why.contains(text), "{why} does not say that it is about {text:?}"),
    }
}

/// Checks the experiment of one policy for a cluster.
fn check(change: impl FnOnce(&mut wire::Experiment)) -> Result<Policy, Vec<Problem>> {
    let some_text = |text: &str| Some(text.to_owned());
    let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
    let selector = wire::LabelSelector { match_labels: Some(labels), match_expressions: None };
    let pods = wire::Pods { selector: Some(selector), ..wire::Pods::default() };
    let mut experiment = wire::Experiment {
        targets: Some(wire::Targets { pods: Some(pods), ..wire::Targets::default() }),
        pick: Some(wire::Pick { count: Some(1), ..wire::Pick::default() }),
        faults: Some(vec![loss(|_| {})]),
        duration: some_text("5s"),
        limits: None,
        steady_state: Some(wire::SteadyState {
            none: Some(wire::NoChecks { reason: some_text("a trial") }),
            checks: None,
        }),
    };
    change(&mut experiment);
    Policy::from_wire(&wire::ChaosPolicy::by_hand("a", experiment), Site::Cluster)
}

fn loss(change: impl FnOnce(&mut wire::Loss)) -> wire::Fault {
    let direction = Some(wire::Direction::Both);
    let mut loss = wire::Loss { percent: Some(1), direction, ..wire::Loss::default() };
    change(&mut loss);
    wire::Fault { loss: Some(loss), ..wire::Fault::default() }
}

/// Asserts that all problems are about one field.
fn about(problems: &[Problem], field: &str) {
    assert!(!problems.is_empty() && problems.iter().all(|p| p.path.starts_with(field)), "{field}: {problems:?}");
}

fn lasting(text: &str) {
    let good = millis(text).filter(|m| LASTS.contains(m));
    match check(|e| e.duration = Some(text.to_owned())) {
        Ok(policy) => assert_eq!(policy.experiment.duration.map(|d| d.as_millis()), good, "{text:?}"),
        Err(problems) => {
            assert_eq!(good, None, "{text:?}: {problems:?}");
            about(&problems, "spec.experiment.duration");
        }
    }
}

/// A number or a percentage: of pods that stay healthy, and of candidates that are taken.
fn share(text: &str) {
    let written = wire::NumberOrText::plain(text);
    let percent = number(text, "%").filter(|n| *n <= 100);
    // `-0` is a number, and none that is below zero.
    let unsigned = text.strip_prefix('-').filter(|digits| number(digits, "") == Some(0)).unwrap_or(text);
    let count = number(unsigned, "").filter(|n| *n <= u128::from(u32::MAX));
    let limits = wire::Limits { min_healthy: Some(written.clone()), ..wire::Limits::default() };
    let read = check(|e| e.limits = Some(limits)).map(|p| p.experiment.limits);
    let wanted = match read {
        Ok(Limits { min_healthy: Some(Amount::Percent(n)), .. }) => (Some(u128::from(n)), None),
        Ok(Limits { min_healthy: Some(Amount::Count(n)), .. }) => (None, Some(u128::from(n))),
        Ok(Limits { min_healthy: None, .. }) => (Some(u128::MAX), Some(u128::MAX)),
        Err(problems) => {
            about(&problems, "spec.experiment.limits.minHealthy");
            (None, None)
        }
    };
    assert_eq!((percent, count), wanted, "{text:?}");
    let wire::NumberOrText::Number(n) = written else { return };
    let pick = wire::Pick { percent: Some(n), rounding: Some(wire::Rounding::Up), ..wire::Pick::default() };
    match check(|e| (e.pick, e.faults) = (Some(pick), Some(vec![loss(|l| l.percent = Some(n))]))) {
        Ok(policy) => {
            let percent = u8::try_from(n).unwrap_or(u8::MAX);
            let Fault::Loss(Loss { percent: lost, .. }) = policy.experiment.fault else { return };
            let picked = Pick::Percent { percent, rounding: Rounding::Up };
            assert!((1..=100).contains(&n) && lost == percent && policy.experiment.pick == picked, "{n}");
        }
        Err(problems) => {
            assert!(!(1..=100).contains(&n), "{problems:?}");
            about(&problems, if n == 0 { "spec.experiment.faults[0].loss.percent" } else { "spec.experiment" });
        }
    }
}

fn with_network(change: impl FnOnce(&mut wire::Loss)) -> Result<Network, Vec<Problem>> {
    match policy::fault(&loss(change), Site::Cluster)? {
        Fault::Loss(loss) => Ok(loss.network),
        Fault::Kill(_) | Fault::Latency(_) | Fault::Partition(_) | Fault::PodDelete(_) | Fault::PodEvict(_) => {
            Err(Vec::new())
        }
    }
}

/// The first address and the prefix of a network, IPv4 in IPv6 taken for IPv4.
fn net(text: &str) -> Option<(IpAddr, u128)> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let address: IpAddr = address.parse().ok()?;
    let bits: u128 = if address.is_ipv4() { 32 } else { 128 };
    // No sign, and no zero before another digit.
    let plain = |p: &str| p == "0" || !p.starts_with('0');
    let prefix = prefix.map_or(Some(bits), |p| number(p, "").filter(|n| *n <= bits && plain(p)))?;
    let value = match address {
        IpAddr::V4(a) => u128::from(u32::from(a)),
        IpAddr::V6(a) => u128::from(a),
    };
    let host = u32::try_from(bits - prefix).ok()?;
    let below = 1_u128.checked_shl(host).map_or(u128::MAX, |past| past - 1);
    match address.to_canonical() {
        IpAddr::V4(v4) if prefix + 32 >= bits => (value & below == 0).then_some((v4.into(), prefix + 32 - bits)),
        IpAddr::V4(_) | IpAddr::V6(_) => (value & below == 0).then_some((address, prefix)),
    }
}

fn network(text: &str) {
    let peers = |text: &str| wire::Peers { addresses: Some(vec![text.to_owned()]), ..wire::Peers::default() };
    let read = |text: &str| with_network(|l| l.peers = Some(peers(text)));
    let wanted = net(text);
    match read(text) {
        Ok(network) => {
            let nets = network.peers.map(|p| p.addresses).unwrap_or_default();
            assert!(
                matches!(nets.as_slice(), [one] if Some((one.addr(), u128::from(one.prefix_len()))) == wanted),
                "{text:?}: {nets:?}"
            );
            for one in nets {
                assert_eq!(read(&one.to_string()).map(|n| n.peers.map(|p| p.addresses)), Ok(Some(vec![one])));
            }
        }
        Err(problems) => {
            assert_eq!(wanted, None, "{text:?}: {problems:?}");
            about(&problems, "loss.peers.addresses[0]");
        }
    }
}

/// The ports of one entry by protocol: TCP, UDP.
fn range(text: &str) -> Option<[Option<(u16, u16)>; 2]> {
    let (range, protocol) = text.split_once('/').map_or((text, None), |(r, p)| (r, Some(p)));
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    let port = |text| number(text, "").filter(|n| *n >= 1).and_then(|n| u16::try_from(n).ok());
    let range = port(from).zip(port(to)).filter(|(from, to)| from <= to)?;
    match protocol {
        None => Some([Some(range); 2]),
        Some("TCP") => Some([Some(range), None]),
        Some("UDP") => Some([None, Some(range)]),
        Some(_) => None,
    }
}

/// Ports, one entry after each comma, at most 8.
fn ports(text: &str) {
    let entries: Vec<&str> = text.split(',').take(8).collect();
    let written = |entries: &[String]| entries.iter().map(|e| wire::NumberOrText::plain(e)).collect::<Vec<_>>();
    let read = |entries: &[String]| with_network(|l| l.local_ports = Some(written(entries))).map(|n| n.local_ports);
    let owned: Vec<String> = entries.iter().map(|e| (*e).to_owned()).collect();
    let wanted: Option<Vec<_>> = entries.iter().map(|e| range(e)).collect();
    match read(&owned) {
        Ok(ports) => {
            let ranges = wanted.unwrap_or_default();
            for (at, protocol) in [Protocol::Tcp, Protocol::Udp].into_iter().enumerate() {
                let mine: Vec<_> = ports.iter().filter(|p| p.protocol == protocol).collect();
                // Of what is sorted and has gaps the bounds decide about all that is between them.
                assert!(mine.windows(2).all(|w| u32::from(w[0].to) + 1 < u32::from(w[1].from)), "{text:?}: {ports:?}");
                let bounds = ranges.iter().filter_map(|r| r[at]).flat_map(|(from, to)| [from, to]);
                let bounds = bounds.chain(mine.iter().flat_map(|p| [p.from, p.to]));
                for port in bounds.flat_map(|b| [b.saturating_sub(1), b, b.saturating_add(1)]) {
                    let meant = ranges.iter().filter_map(|r| r[at]).any(|(from, to)| (from..=to).contains(&port));
                    assert_eq!(mine.iter().any(|p| (p.from..=p.to).contains(&port)), meant, "{text:?}: {port}");
                }
            }
            let shown: Vec<String> = ports.iter().map(ToString::to_string).collect();
            assert_eq!(read(&shown), Ok(ports), "{text:?} is shown as {shown:?}");
        }
        Err(problems) => {
            assert_eq!(wanted, None, "{text:?}: {problems:?}");
            about(&problems, "loss.localPorts[");
        }
    }
}
