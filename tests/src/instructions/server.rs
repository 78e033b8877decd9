//! An API server as far as the controller's reconciler needs one; nothing goes wrong on it.

use crate::clusters::{NOW, cluster, service};
use anyhow::{Context as _, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use rumpus_controller::cluster::core::event::{
    Act, Command, Event, InjectionSeen, Key, LedgerSeen, Now, Outcome, RunSeen,
};
use rumpus_controller::cluster::core::{Core, Settings};
use rumpus_model::cluster::{World, plan};
use rumpus_model::schedule::rate::Rates;
use rumpus_model::wire::{InjectionSpec, InjectionStatus};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The term of office of the controller.
pub(super) const EPOCH: i64 = 2;
/// Commands until everything has come to rest.
const STEPS: usize = 10_000;

/// A leading controller, and what it reads and writes. No time passes.
pub(super) struct Server {
    pub(super) core: Core,
    pub(super) injections: BTreeMap<String, InjectionSeen>,
    run: Option<RunSeen>,
    world: World,
    version: u64,
}

/// The one instant.
pub(super) fn now() -> Now {
    let wall = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_700_000_000);
    Now { boot: Duration::from_secs(1_000), wall }
}

/// Returns a controller that leads and has listed everything, and its question for the Ledger.
pub(super) fn leading() -> Result<(Core, Command)> {
    let mut core = Core::new(Settings {
        holder: "us".into(),
        lease: Duration::from_secs(15),
        start_window: Duration::from_secs(30),
        max_duration: Duration::from_secs(3_600),
        pod_delete: true,
        pod_evict: true,
        calendars: BTreeMap::new(),
        rates: Rates::default(),
    });
    core.step(now(), Event::Guard(Ok(Vec::new())));
    core.step(now(), Event::Halts(Ok(Vec::new())));
    let op = core.step(now(), Event::Term(Some(EPOCH))).pop().context("nothing is listed")?.op;
    let outcome = Outcome::Recovered { runs: Vec::new(), injections: Vec::new() };
    let mut commands = core.step(now(), Event::Done { op, outcome });
    let command = commands.pop().filter(|c| matches!(c.act, Act::ReadLedger)).context("the Ledger is not read")?;
    Ok((core, command))
}

impl Server {
    /// Starts with so many pods on so many nodes, and a Ledger that the controller has written.
    pub(super) fn new(pods: usize, nodes: usize) -> Result<Self> {
        let (core, command) = leading()?;
        let mut world = cluster(pods, 10, nodes);
        world.services = Ok(vec![service(&world, "db", [10, 96, 0, 7], &["web-0", "web-1"])]);
        let mut server = Self { core, injections: BTreeMap::new(), run: None, world, version: 1 };
        server.carry_out(vec![command])?;
        Ok(server)
    }

    pub(super) fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// Tells the controller something, and carries out what comes of it until it has come to rest.
    pub(super) fn tell(&mut self, event: Event) -> Result<()> {
        if let Event::Run(run) = &event {
            self.run = Some((**run).clone());
        }
        let commands = self.core.step(now(), event);
        self.carry_out(commands)
    }

    fn carry_out(&mut self, commands: Vec<Command>) -> Result<()> {
        let mut open = VecDeque::from(commands);
        for _ in 0..STEPS {
            let Some(command) = open.pop_front() else { return Ok(()) };
            let outcome = self.answer(command.act)?;
            let seen = if let Outcome::Injection(seen) = &outcome { Some(seen.clone()) } else { None };
            open.extend(self.core.step(now(), Event::Done { op: command.op, outcome }));
            if let Some(seen) = seen {
                open.extend(self.core.step(now(), Event::Injection(seen)));
            }
        }
        bail!("it does not come to rest after {STEPS} commands")
    }

    /// Carries one command out.
    pub(super) fn answer(&mut self, act: Act) -> Result<Outcome> {
        Ok(match act {
            Act::Plan { input, active, .. } => {
                self.world.active = Ok(active);
                let plan = plan(&self.world, &input, NOW);
                ensure!(plan.acts(), "refused: {:?}", plan.refusals);
                Outcome::Planned(Box::new(plan))
            }
            Act::ReadLedger => Outcome::Missing,
            Act::WriteLedger { spec, .. } => {
                Outcome::Ledger(Box::new(LedgerSeen { resource_version: self.next_version(), spec: *spec }))
            }
            Act::Create(new) => self.put(new.key, new.spec),
            Act::SetPhase { key, mut spec, phase, .. } => {
                spec.phase = phase;
                self.put(key, *spec)
            }
            Act::WriteStatus { resource_version, status, .. } => {
                let version = self.next_version();
                let run = self.run.as_mut().context("there is no run")?;
                ensure!(
                    run.resource_version == resource_version,
                    "it is written on a version that is not the last one"
                );
                (run.resource_version, run.status) = (version, *status);
                Outcome::Run(Box::new(run.clone()))
            }
            Act::Tell(_) => Outcome::Done,
            Act::Revise { .. }
            | Act::Agenda(_)
            | Act::ReadGroups { .. }
            | Act::WriteGroups { .. }
            | Act::Begin(_)
            | Act::DeleteRun { .. }
            | Act::WritePolicyStatus { .. }
            | Act::Recover
            | Act::ListHalts
            | Act::ReadPolicy(_)
            | Act::ReadRun(_)
            | Act::ReadInjection(_)
            | Act::ReadPod(_)
            | Act::Review { .. }
            | Act::AskGates(_)
            | Act::DeleteInjection { .. }
            | Act::DeletePod(_)
            | Act::EvictPod(_) => bail!("nothing like this is to be asked for: {act:?}"),
        })
    }

    fn put(&mut self, key: Key, spec: InjectionSpec) -> Outcome {
        let resource_version = self.next_version();
        let name = key.name.clone();
        let (uid, status) = (format!("uid-{name}"), InjectionStatus::default());
        let seen = InjectionSeen { uid, key, resource_version, deleting: false, never_armed: false, spec, status };
        self.injections.insert(name, seen.clone());
        Outcome::Injection(Box::new(seen))
    }
}
