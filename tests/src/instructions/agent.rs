//! One step of the agent's reconciler while it holds 100 faults.

use super::counted_part;
use crate::fuzz::core::World;
use anyhow::{Context as _, Result, bail, ensure};
use rumpus_agent::core::{Act, Command, Core, Event, Leave, OpId, Outcome};
use rumpus_model::engine::Engine;
use rumpus_model::fault::network::{PeerNames, Probes};
use rumpus_model::fault::partition::How;
use rumpus_model::fault::{Fault, Network, Partition};
use rumpus_model::halt::{Halt, HaltScope, Reach};
use rumpus_model::injection::{Injection, State};
use rumpus_model::plan::Planned;
use rumpus_model::scope::{Devices, Direction};
use rumpus_model::target::{NetNsId, NetNsTarget, ProcessId, Target, Via};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

const SLOTS: usize = 100;
const LEASE: Duration = Duration::from_secs(15);
const BOOT: &str = "boot";
const NOW: Duration = Duration::from_secs(100);
/// Steps within which all faults are in effect.
const STEPS: usize = 20_000;

/// One injection is heard of: of all slots one is renewed.
pub(super) fn contact() -> Result<()> {
    let mut agent = standing()?;
    let now = NOW + LEASE / 5;
    let commands = counted_part(|| agent.step(now, Event::Heard { injection: uid(SLOTS / 2), at: now }));
    let renewed =
        commands.iter().filter(|c| matches!(c, Command::Order { order, .. } if is_renewal(&order.act))).count();
    ensure!(renewed == 1, "{renewed} renewed: {commands:?}");
    Ok(())
}

/// Everything is halted: of all slots each is disarmed.
pub(super) fn halt() -> Result<()> {
    let mut agent = standing()?;
    let halt = Halt { id: "stop".into(), reason: "checkout is down".into(), scope: HaltScope::All };
    let commands = counted_part(|| agent.step(NOW, Event::Halts(vec![halt])));
    let ended =
        commands.iter().filter(|c| matches!(c, Command::Order { order, .. } if order.act == Act::Disarm)).count();
    ensure!(ended == SLOTS, "{ended} disarmed");
    Ok(())
}

fn is_renewal(act: &Act) -> bool {
    matches!(act, Act::Renew { .. })
}

/// Returns an agent whose faults are all in effect.
fn standing() -> Result<Core> {
    let mut core = Core::with_contact_each(LEASE, BOOT.into(), NOW);
    let mut world = World::default();
    let mut open: VecDeque<Command> = core.step(NOW, Event::Recovered(Vec::new())).into();
    for n in 0..SLOTS {
        open.extend(core.step(NOW, Event::Submit(Box::new(injection(n)))));
    }
    for _ in 0..STEPS {
        let Some(command) = open.pop_front() else { break };
        if let Some((op, outcome)) = answer(&mut world, command) {
            open.extend(core.step(NOW, Event::Done { op, outcome }));
        }
    }
    let there = core.attestations().iter().filter(|a| a.state == State::InEffect).count();
    if there != SLOTS || !open.is_empty() {
        bail!("{there} in effect: {:?}", core.attestations().first().context("nothing was accepted")?);
    }
    Ok(core)
}

/// Carries a command out, as a node on which nothing goes wrong.
fn answer(world: &mut World, command: Command) -> Option<(OpId, Outcome)> {
    match command {
        Command::Order { op, order } => Some((op, world.act(&order, NOW))),
        Command::ReadHalt { op, .. } => {
            let left = Some(Duration::from_secs(300));
            Some((op, Outcome::Leave(Leave::Given { at: NOW, halts: Vec::new(), left })))
        }
        Command::Record { op, record } => {
            world.record(&record);
            Some((op, Outcome::Ok))
        }
        Command::Sweep { op, keep } => Some((op, Outcome::Swept { found: world.sweep(&keep), failed: Vec::new() })),
        Command::Attest(_) | Command::AttestHalt { .. } => None,
    }
}

fn uid(n: usize) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

/// A partition of one network namespace.
fn injection(n: usize) -> Injection {
    let network = Network {
        direction: Direction::Both,
        devices: Devices::AllButLoopback,
        peers: None,
        except: PeerNames::default(),
        ports: vec![],
        local_ports: vec![],
        protocols: vec![],
        probes: Probes::Exempt,
        follow: false,
    };
    let scope = network.scope(|_| None, vec![]).ok();
    let number = u64::try_from(n).unwrap_or(0);
    let id = NetNsId { dev: 4, ino: 1_000 + number, cookie: Some(number) };
    let via = Via::Process(ProcessId { pid: 7, start: number });
    let target = NetNsTarget { id, via, boot_id: BOOT.into(), host: false, processes: vec![] };
    let planned = Planned {
        id: format!("{n:08x}"),
        target: Target::NetNs(target),
        why: "named".into(),
        engine: Engine::Nft,
        scope,
    };
    Injection {
        uid: uid(n),
        policy: "partition".into(),
        fault: Fault::Partition(Partition { how: How::Drop, network }),
        duration: Some(Duration::from_secs(300)),
        targets: vec![planned],
        reach: Reach {
            node: Some("node-1".into()),
            run: Some(format!("shop/trial-{n}")),
            namespaces: BTreeSet::from(["shop".to_owned()]),
        },
        not_after: None,
    }
}
