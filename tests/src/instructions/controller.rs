//! One step of the controller's reconciler: a run with 100 injections, and a Ledger that is full.

use super::counted_part;
use super::server::{EPOCH, Server, leading, now};
use anyhow::{Context as _, Result, ensure};
use rumpus_controller::cluster::core::event::{Act, Command, Event, InjectionSeen, Key, LedgerSeen, Outcome, RunSeen};
use rumpus_model::wire::ledger::{LedgerSpec, MAX_PODS, Reservation};
use rumpus_model::wire::{InjectionState, InjectionStatus, Phase, RunSpec, RunState, RunStatus};
use serde_json::json;

/// Nodes of the cluster, and so injections of the run; it hits each pod.
const NODES: usize = 100;
const PODS: usize = 1_000;
/// Reservations of a Ledger that is full.
const RESERVATIONS: usize = 100;

/// A run's plan is answered: it asks for its 100 injections.
pub(super) fn begin() -> Result<()> {
    let mut server = Server::new(PODS, NODES)?;
    let commands = server.core.step(now(), Event::Run(Box::new(run()?)));
    let plan = commands.into_iter().find(|c| matches!(c.act, Act::Plan { .. })).context("no plan is asked for")?;
    let outcome = server.answer(plan.act)?;
    let commands = counted_part(|| server.core.step(now(), Event::Done { op: plan.op, outcome }));
    let created = commands.iter().filter(|c| matches!(c.act, Act::Create(_))).count();
    ensure!(created == NODES, "{created} to be created");
    Ok(())
}

/// A run of which all injections but one are in effect hears of the last one.
pub(super) fn step() -> Result<()> {
    let mut server = Server::new(PODS, NODES)?;
    server.tell(Event::Run(Box::new(run()?)))?;
    let mut armed: Vec<InjectionSeen> = server.injections.values().cloned().collect();
    let all = armed.len();
    ensure!(all == NODES && armed.iter().all(|i| i.spec.phase == Phase::Armed), "{all} injections, not all armed");
    for seen in &mut armed {
        seen.resource_version = server.next_version();
        seen.status = InjectionStatus { state: Some(InjectionState::InEffect), ..InjectionStatus::default() };
    }
    let last = armed.pop().context("there is no injection")?;
    for seen in armed {
        server.tell(Event::Injection(Box::new(seen)))?;
    }
    let commands = counted_part(|| server.core.step(now(), Event::Injection(Box::new(last))));
    ensure!(commands.iter().any(says_running), "the run does not say that it is Running: {commands:?}");
    Ok(())
}

fn says_running(command: &Command) -> bool {
    matches!(&command.act, Act::WriteStatus { status, .. } if status.state == Some(RunState::Running))
}

/// A controller that takes over reads a Ledger that holds as many pods as it can, and fences its predecessor off.
pub(super) fn ledger() -> Result<()> {
    let (mut core, asked) = leading()?;
    let reservations = (0..RESERVATIONS).map(reservation).collect();
    let spec = LedgerSpec { epoch: EPOCH - 1, holder: "predecessor".into(), reservations, ..LedgerSpec::default() };
    let outcome = Outcome::Ledger(Box::new(LedgerSeen { resource_version: "7".into(), spec }));
    let commands = counted_part(|| core.step(now(), Event::Done { op: asked.op, outcome }));
    let written =
        commands.iter().find_map(|c| if let Act::WriteLedger { spec, .. } = &c.act { Some(spec) } else { None });
    let written = written.context("nothing is written")?;
    ensure!((written.epoch, written.reservations.len()) == (EPOCH, RESERVATIONS), "not what was inherited");
    Ok(())
}

fn reservation(n: usize) -> Reservation {
    let uid = |kind: usize, at: usize| format!("{kind:08}-0000-4000-8000-{at:012}");
    let each = MAX_PODS / RESERVATIONS;
    Reservation {
        namespace: "shop".into(),
        name: format!("trial-{n}"),
        uid: uid(1, n),
        policy: None,
        takes_down: false,
        delays: None,
        lasts_seconds: 300,
        injections: vec![uid(2, n)],
        pods: (0..each).map(|pod| uid(3, n * each + pod)).collect(),
        owners: Vec::new(),
        more_owners: false,
    }
}

/// The run, as the API server shows it.
fn run() -> Result<RunSeen> {
    let experiment = json!({
        "targets": {"pods": {"selector": {"matchLabels": {"app": "web"}}}},
        "pick": {"all": true},
        "faults": [{"partition": {"direction": "Both", "peers": {"services": ["db"]}}}],
        "duration": "5m",
        "steadyState": {"none": {"reason": "counted"}},
    });
    let spec: RunSpec = serde_json::from_value(json!({"mode": "Armed", "experiment": experiment}))?;
    Ok(RunSeen {
        key: Key { namespace: "shop".into(), name: "trial-1".into() },
        uid: "uid-trial-1".into(),
        resource_version: "1".into(),
        generation: 1,
        deleting: false,
        owners: Vec::new(),
        spec,
        status: RunStatus::default(),
    })
}
