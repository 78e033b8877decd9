//! The part that all network faults share.

use super::place::Place;
use super::{peers, ports};
use crate::fault::{Network, network as fault};
use crate::scope::{Device, Devices, Direction};
use crate::wire::{self, NumberOrText, OneOrMany, Peers, Probes, Protocol};

/// The shared fields of a network fault, whichever it is.
#[derive(Debug)]
pub(super) struct Written<'w> {
    pub(super) direction: Option<wire::Direction>,
    device: Option<&'w OneOrMany>,
    peers: Option<&'w Peers>,
    pub(super) ports: Option<&'w Vec<NumberOrText>>,
    pub(super) local_ports: Option<&'w Vec<NumberOrText>>,
    pub(super) protocols: Option<&'w Vec<Protocol>>,
    probes: Option<Probes>,
}

macro_rules! written {
    ($fault:expr) => {
        Written {
            direction: $fault.direction,
            device: $fault.device.as_ref(),
            peers: $fault.peers.as_ref(),
            ports: $fault.ports.as_ref(),
            local_ports: $fault.local_ports.as_ref(),
            protocols: $fault.protocols.as_ref(),
            probes: $fault.probes,
        }
    };
}

impl<'w> Written<'w> {
    pub(super) fn of_latency(fault: &'w wire::Latency) -> Self {
        written!(fault)
    }

    pub(super) fn of_loss(fault: &'w wire::Loss) -> Self {
        written!(fault)
    }

    pub(super) fn of_partition(fault: &'w wire::Partition) -> Self {
        written!(fault)
    }
}

pub(super) fn check(written: &Written<'_>, place: &Place<'_>) -> Option<Network> {
    if written.probes.is_some() && !place.in_cluster() {
        let why = "probes are a kubelet's; a host has none to leave alone";
        place.field("probes").unbuilt(why, "leave it out; write `peers: {except: …}` for what must keep working");
    }
    let direction = match written.direction {
        None => place.field("direction").missing("write Egress (what the target sends), Ingress or Both"),
        Some(wire::Direction::Egress) => Some(Direction::Egress),
        Some(wire::Direction::Ingress) => Some(Direction::Ingress),
        Some(wire::Direction::Both) => Some(Direction::Both),
    };
    let devices = devices(written.device, &place.field("device"));
    let peers = peers::check(written.peers, &place.field("peers"));
    let ports = ports::check(written, place);
    let (peers, except) = peers?;
    let ports = ports?;
    let follow = place.in_cluster() && written.peers.is_some_and(|p| p.follow == Some(true));
    Some(Network {
        direction: direction?,
        devices: devices?,
        peers,
        except,
        ports: ports.peer,
        local_ports: ports.local,
        protocols: ports.protocols,
        probes: match written.probes {
            None | Some(Probes::Exempt) => fault::Probes::Exempt,
            Some(Probes::Include) => fault::Probes::Include,
        },
        follow,
    })
}

fn devices(written: Option<&OneOrMany>, place: &Place<'_>) -> Option<Devices> {
    let Some(OneOrMany(names)) = written else { return Some(Devices::AllButLoopback) };
    if names.is_empty() {
        place.wrong("an empty list names nothing", "leave it out to mean every device but loopback");
        return None;
    }
    let mut devices = Vec::new();
    for name in names {
        match Device::parse(name) {
            Ok(device) => devices.push(device),
            Err(why) => place.wrong(format!("`{name}` is no device: {why}"), ""),
        }
    }
    devices.sort();
    devices.dedup();
    (devices.len() == names.len()).then_some(Devices::Named(devices))
}
