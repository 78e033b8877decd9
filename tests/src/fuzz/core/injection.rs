//! Injections and Halts, drawn from few names, so that they meet.

use crate::fuzz::draw::Draw;
use rumpus_agent::core::Intent;
use rumpus_model::change::Delay;
use rumpus_model::engine::Engine;
use rumpus_model::fault::network::{PeerNames, Probes};
use rumpus_model::fault::partition::How;
use rumpus_model::fault::{Fault, Kill, Latency, Loss, Network, Partition, PodDelete};
use rumpus_model::halt::{Halt, HaltScope, Reach};
use rumpus_model::injection::Injection;
use rumpus_model::plan::Planned;
use rumpus_model::scope::{Devices, Direction};
use rumpus_model::target::{NetNsId, NetNsTarget, ProcessId, ProcessTarget, Target, Via};
use std::collections::BTreeSet;
use std::time::Duration;

/// The boot that everything is planned in, but for one target in a few.
pub(super) const BOOT: &str = "boot";

const NAMESPACES: [&str; 2] = ["shop", "team"];

fn network() -> Network {
    Network {
        direction: Direction::Both,
        devices: Devices::AllButLoopback,
        peers: None,
        except: PeerNames::default(),
        ports: vec![],
        local_ports: vec![],
        protocols: vec![],
        probes: Probes::Exempt,
        follow: false,
    }
}

fn fault(draw: &mut Draw<'_>) -> (Fault, Engine) {
    let network = network();
    let delay = Delay { delay: Duration::from_millis(100), jitter: Duration::from_millis(10), reorder: false };
    match draw.below(8) {
        0 => (Fault::Partition(Partition { how: How::Drop, network }), Engine::Nft),
        1 => (Fault::Latency(Latency { delay, network }), Engine::Netem),
        2 => (Fault::Latency(Latency { delay, network }), Engine::Nfqueue),
        3 => (Fault::Loss(Loss { percent: 30, network }), Engine::Nft),
        4 => (Fault::Kill(Kill::Container), Engine::Cgroup),
        5 => (Fault::Kill(Kill::Process { signal: 9, grace: Duration::ZERO }), Engine::Signal),
        6 => (Fault::Kill(Kill::Process { signal: 15, grace: Duration::from_secs(10) }), Engine::Signal),
        // Nothing that an agent does.
        _ => (Fault::PodDelete(PodDelete { grace_period: None }), Engine::Nft),
    }
}

fn target(fault: &Fault, draw: &mut Draw<'_>) -> Target {
    let boot_id = if draw.below(16) == 15 { "another" } else { BOOT }.to_owned();
    if fault.lasts() {
        let id = NetNsId { dev: 4, ino: 5, cookie: None };
        Target::NetNs(NetNsTarget { id, via: Via::Host, boot_id, host: draw.below(4) == 3, processes: vec![] })
    } else {
        let id = ProcessId { pid: 7, start: 7 };
        Target::Process(ProcessTarget { id, comm: "web".into(), cgroup: "/".into(), boot_id })
    }
}

/// Draws an injection of this name: one to three targets whose ids others may have too.
pub(super) fn injection(uid: String, draw: &mut Draw<'_>) -> Injection {
    let (fault, engine) = fault(draw);
    let seconds = draw.of([30, 1, 5, 86_400, 0, 86_401, u64::MAX]);
    let duration = (draw.below(8) != 7).then_some(Duration::from_secs(seconds));
    let first = draw.below(4);
    let scope = fault.network().and_then(|n| n.scope(|_| None, vec![]).ok());
    let planned = |at: usize, draw: &mut Draw<'_>| Planned {
        id: format!("{:08x}", first + at),
        target: target(&fault, draw),
        why: "named".into(),
        engine,
        scope: scope.clone(),
    };
    let targets = (0..=draw.below(3)).map(|at| planned(at, draw)).collect();
    let namespaces = BTreeSet::from([draw.of(NAMESPACES).to_owned()]);
    let reach = Reach { node: Some("n1".into()), run: Some(format!("team/{uid}")), namespaces };
    Injection {
        uid,
        policy: "p".into(),
        duration: duration.filter(|_| fault.lasts() || draw.flag()),
        fault,
        targets,
        reach,
        not_after: None,
    }
}

/// Draws Halts, each with a name of its own.
pub(super) fn halts(draw: &mut Draw<'_>) -> Vec<Halt> {
    let named = |name: &str| BTreeSet::from([name.to_owned()]);
    let halt = |at: usize, draw: &mut Draw<'_>| Halt {
        id: format!("h{}-{at}", draw.below(3)),
        reason: "r".into(),
        scope: match draw.below(4) {
            0 => HaltScope::All,
            1 => HaltScope::Namespaces(named(draw.of(NAMESPACES))),
            2 => HaltScope::Nodes(named(draw.of(["n1", "n2"]))),
            _ => HaltScope::Runs(named(draw.of(["team/u1", "team/u2"]))),
        },
    };
    (0..draw.below(3)).map(|at| halt(at, draw)).collect()
}

/// Draws what a predecessor's journal holds: names that later injections may have too.
pub(super) fn recovered(draw: &mut Draw<'_>) -> Vec<Intent> {
    let intent = |at: usize, draw: &mut Draw<'_>| {
        let (fault, engine) = fault(draw);
        Intent {
            injection: "before".into(),
            policy: "p".into(),
            id: format!("{at:08x}"),
            fault: fault.name().into(),
            lasts: fault.lasts(),
            engine,
            target: target(&fault, draw),
            expected: String::new(),
            deadline: None,
            at: Duration::ZERO,
            not_after: None,
        }
    };
    (0..draw.below(3)).map(|at| intent(at, draw)).collect()
}
