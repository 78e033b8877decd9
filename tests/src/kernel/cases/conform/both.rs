//! The two kernels: the model, and the lab by the production hands. What is there is read by the machine's own tool.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rumpus_agent::core::{Act, Order, Outcome};
use rumpus_agent::hands::HostHands;
use rumpus_agent::kernel::netns::NetNs;
use rumpus_agent::kernel::timer::boottime;
use rumpus_agent::ports::Hands as _;
use rumpus_agent::worker::spawn::{Spawner, WorkerProgram};
use rumpus_model::change::Change;
use rumpus_model::engine::Engine;
use rumpus_model::evidence::Reading;
use rumpus_model::fault::network::{PeerNames, Probes};
use rumpus_model::fault::partition::How;
use rumpus_model::fault::{self, Fault, Loss, Partition};
use rumpus_model::plan::Planned;
use rumpus_model::scope::{Devices, Direction};
use rumpus_model::target::{NetNsTarget, Target, Via};
use rumpus_sim::kernel::{Kernel, Network, Part};
use serde_json::Value;

use super::script::{Kind, SLOTS, SOON, Step};
use crate::kernel::lab::{Lab, Namespace, Side};

/// How exactly a gate's end is known: a tick of a slow clock, and how late it may be sent.
const BLUR: Duration = Duration::from_millis(120);

/// What is not ours.
const FOREIGN: &str = "foreign";

pub(super) struct Both {
    instance: u32,
    slots: Vec<Planned>,
    fault: Fault,
    hands: HostHands,
    model: Kernel,
    foreign: BTreeSet<String>,
}

impl Both {
    pub(super) fn new(lab: &Lab, kind: Kind) -> Result<Self> {
        let instance = std::process::id();
        let mut model = Kernel::default();
        let mut slots = Vec::new();
        let fault = fault(kind);
        for side in [Side::Target, Side::Peer] {
            let namespace = lab.side(side);
            let id = NetNs::open(namespace.path()).context("open a network")?.id();
            let (things, foreign, expected) = Default::default();
            model.networks.insert(id.ino, Network { pod: namespace.name().to_owned(), things, foreign, expected });
            let (via, boot_id) = (Via::Name(namespace.name().to_owned()), String::new());
            let target = NetNsTarget { id, via, boot_id, host: false, processes: Vec::new() };
            let network = fault.network().context("it is about a network")?;
            let scope = network.scope(|_| None, Vec::new()).map_err(|why| anyhow::anyhow!("{why:?}"))?;
            for _ in 0..SLOTS / 2 {
                slots.push(Planned {
                    id: format!("{:08x}", 0xc0f0 + slots.len()),
                    target: Target::NetNs(target.clone()),
                    why: namespace.name().to_owned(),
                    engine: Engine::Nft,
                    scope: Some(scope.clone()),
                });
            }
        }
        Ok(Self { instance, slots, fault, hands: hands(instance)?, model, foreign: BTreeSet::new() })
    }

    /// Takes one step in both, compares the answers, and returns what it was and how it was answered.
    pub(super) fn take(&mut self, lab: &Lab, step: &Step) -> Result<(&'static str, &'static str)> {
        let now = boottime();
        let (what, answers) = match *step {
            Step::Apply(slot, until) => ("apply", self.apply(slot, until.at(now))?),
            Step::Check(slot) => ("check", self.order(slot, Act::Check)?),
            Step::Confirm(slot) => ("confirm", self.order(slot, Act::Confirm)?),
            Step::Disarm(slot) => ("disarm", self.order(slot, Act::Disarm)?),
            Step::Renew(slot, until) => ("renew", self.order(slot, Act::Renew { until: until.at(now) })?),
            Step::Resolve(slot) => ("resolve", self.order(slot, Act::Resolve)?),
            Step::Remove(slot) => ("remove", self.remove(slot)?),
            Step::Sweep(slot) => ("sweep", self.sweep(Some(slot))?),
            Step::Foreign(number) => {
                let name = format!("{FOREIGN}_{number}");
                self.model.foreign(&name);
                self.foreign.insert(name);
                self.put_foreign(lab)?;
                ("somebody", "ok")
            }
            Step::Flush => {
                self.model.flushed();
                both_sides(lab, |namespace| namespace.tool("nft", &["flush", "ruleset"]).map(drop))?;
                self.put_foreign(lab)?;
                ("somebody", "ok")
            }
            Step::Restart => {
                self.hands = hands(self.instance)?;
                ("restart", "ok")
            }
            Step::Wait => {
                std::thread::sleep(SOON);
                ("wait", "ok")
            }
        };
        Ok((what, answers))
    }

    fn put_foreign(&self, lab: &Lab) -> Result<()> {
        for name in &self.foreign {
            both_sides(lab, |namespace| namespace.tool("nft", &["add", "table", "inet", name]).map(drop))?;
        }
        Ok(())
    }

    /// Gives one order to both.
    fn order(&mut self, slot: usize, act: Act) -> Result<&'static str> {
        let planned = self.slots.get(slot).context("there is such a slot")?.clone();
        let order = Order { planned, fault: self.fault.clone(), act };
        let from = boottime();
        let model = self.model.act(&order, from, None);
        let real = self.hands.carry_out(&order);
        let clear = self
            .model
            .live(Duration::ZERO)
            .all(|(_, id, until)| id != order.planned.id || is_armed(until, from, boottime()).is_some());
        let same = answer(&model) == answer(&real) && (!clear || armed(&model) == armed(&real));
        ensure!(same, "{:?}:\n   model {model:?}\n   real  {real:?}", order.act);
        Ok(answer(&model))
    }

    fn changes(&self, slot: usize) -> Result<Vec<Change>> {
        Ok(self.slots.get(slot).context("there is such a slot")?.changes(&self.fault))
    }

    /// Applies each change until one fails, and returns the last answer.
    fn apply(&mut self, slot: usize, until: Duration) -> Result<&'static str> {
        let mut last = "ok";
        for change in self.changes(slot)? {
            last = self.order(slot, Act::Apply { change, until })?;
            if last != "ok" {
                break;
            }
        }
        Ok(last)
    }

    fn remove(&mut self, slot: usize) -> Result<&'static str> {
        let mut last = "ok";
        for change in self.changes(slot)?.into_iter().rev() {
            last = self.order(slot, Act::Remove { change })?;
        }
        Ok(last)
    }

    fn sweep(&mut self, keep: Option<usize>) -> Result<&'static str> {
        let keep: BTreeSet<String> = keep.and_then(|slot| Some(self.slots.get(slot)?.id.clone())).into_iter().collect();
        let (model, real) = (self.model.sweep(&keep, false), self.hands.sweep(&keep));
        let ids = |outcome: &Outcome| -> Result<(BTreeSet<String>, usize)> {
            let Outcome::Swept { found, failed } = outcome else { bail!("{outcome:?}") };
            let of = |text: &String| self.slots.iter().find(|slot| text.contains(&slot.id)).map(|slot| slot.id.clone());
            Ok((found.iter().filter_map(of).collect(), failed.len()))
        };
        ensure!(ids(&model)? == ids(&real)?, "swept:\n   model {model:?}\n   real  {real:?}");
        Ok("swept")
    }

    /// Compares what is there: the tables of ours, which of them are armed, and what is of others.
    pub(super) fn compare(&self, lab: &Lab) -> Result<()> {
        for side in [Side::Target, Side::Peer] {
            let namespace = lab.side(side);
            let network = self.model.networks.values().find(|n| n.pod == namespace.name()).context("it is modelled")?;
            let from = boottime();
            let (mut ours, others) = self.listed(namespace)?;
            let to = boottime();
            let mut modelled = BTreeMap::new();
            for ((id, _), thing) in network.things.iter().filter(|((_, part), _)| *part == Part::Table) {
                let armed = is_armed(thing.until, from, to);
                // In between it may be seen either way.
                if let (None, Some(seen)) = (armed, ours.get_mut(id)) {
                    *seen = false;
                }
                modelled.insert(id.clone(), armed.unwrap_or(false));
            }
            ensure!(modelled == ours, "{}: the model has {modelled:?} (armed), the kernel {ours:?}", namespace.name());
            let expected: BTreeSet<String> = network.foreign.keys().cloned().collect();
            ensure!(expected == others, "{}: of others {expected:?}, the kernel has {others:?}", namespace.name());
        }
        Ok(())
    }

    /// Returns the tables of ours by slot, each with whether its gate stands, and the names of the others.
    fn listed(&self, namespace: &Namespace) -> Result<(BTreeMap<String, bool>, BTreeSet<String>)> {
        let text = namespace.tool("nft", &["-j", "list", "ruleset"])?;
        let all: Value = serde_json::from_str(&text).context("read nft's answer")?;
        let (mut ours, mut others) = (BTreeMap::new(), BTreeSet::new());
        for item in all["nftables"].as_array().into_iter().flatten() {
            let of_ours = |name: &Value| {
                let id = name.as_str()?.strip_prefix(&format!("rumpus_{:08x}_", self.instance))?;
                Some(id.to_owned())
            };
            if let Some(name) = item["table"]["name"].as_str() {
                match of_ours(&item["table"]["name"]) {
                    Some(id) => drop(ours.entry(id).or_insert(false)),
                    None => drop(others.insert(name.to_owned())),
                }
            }
            if item["set"]["name"] == "armed"
                && let Some(id) = of_ours(&item["set"]["table"])
            {
                *ours.entry(id).or_default() |= item["set"]["elem"].as_array().is_some_and(|all| !all.is_empty());
            }
        }
        Ok((ours, others))
    }

    /// Takes everything away again.
    pub(super) fn end(&mut self, lab: &Lab) -> Result<()> {
        self.sweep(None)?;
        self.compare(lab)?;
        for name in std::mem::take(&mut self.foreign) {
            both_sides(lab, |namespace| namespace.tool("nft", &["delete", "table", "inet", &name]).map(drop))?;
        }
        self.model.networks.values_mut().for_each(|network| network.foreign.clear());
        self.hands = hands(self.instance)?;
        Ok(())
    }

    /// Of a network that has gone with its last process every order says so.
    pub(super) fn network_goes(&mut self, lab: &Lab) -> Result<()> {
        let late = boottime() + Duration::from_secs(600);
        let last = SLOTS - 1;
        ensure!(self.apply(last, late)? == "ok", "nothing was applied before its network went");
        lab.target().tool("ip", &["netns", "delete", lab.peer().name()])?;
        self.model.pod_ends(lab.peer().name());
        for act in [Act::Resolve, Act::Check, Act::Renew { until: late }, Act::Disarm, Act::Drain, Act::Confirm] {
            let said = self.order(last, act)?;
            ensure!(said == "target gone", "{said}");
        }
        ensure!(self.remove(last)? == "target gone", "it was removed");
        ensure!(self.apply(last, late)? == "target gone", "it was applied");
        self.sweep(None)?;
        Ok(())
    }
}

fn hands(instance: u32) -> Result<HostHands> {
    let prefix = ["rumpus", "worker"].map(Into::into).to_vec();
    let program = WorkerProgram { path: "/proc/self/exe".into(), prefix };
    Ok(HostHands::new(instance, Spawner::start(program).context("start the spawner")?))
}

fn both_sides(lab: &Lab, what: impl Fn(&Namespace) -> Result<()>) -> Result<()> {
    [Side::Target, Side::Peer].into_iter().try_for_each(|side| what(lab.side(side)))
}

/// Whether a gate stands all the time from here to there, or not for a moment of it.
fn is_armed(until: Duration, from: Duration, to: Duration) -> Option<bool> {
    if until > to + BLUR {
        return Some(true);
    }
    (until + BLUR < from).then_some(false)
}

/// Whether the gate stood when it was looked at.
fn armed(outcome: &Outcome) -> Option<bool> {
    match outcome {
        Outcome::Read(readings) => Reading::filtered(readings).map(|filtered| filtered.armed_for.is_some()),
        Outcome::Ok
        | Outcome::Halt(_)
        | Outcome::Leave(_)
        | Outcome::Swept { .. }
        | Outcome::Failed { .. }
        | Outcome::TargetGone { .. }
        | Outcome::Vanished { .. } => None,
    }
}

fn answer(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Halt(_) => "halt",
        Outcome::Leave(_) => "leave",
        Outcome::Read(_) => "read",
        Outcome::Swept { .. } => "swept",
        Outcome::Failed { .. } => "failed",
        Outcome::TargetGone { .. } => "target gone",
        Outcome::Vanished { .. } => "vanished",
    }
}

/// Everything of everyone, both ways: what is meant is not asked here.
fn fault(kind: Kind) -> Fault {
    let (none, nobody) = (Vec::new(), PeerNames::default());
    let network = fault::Network {
        direction: Direction::Both,
        devices: Devices::AllButLoopback,
        peers: None,
        except: nobody,
        ports: none.clone(),
        local_ports: none,
        protocols: Vec::new(),
        probes: Probes::Exempt,
        follow: false,
    };
    match kind {
        Kind::Loss => Fault::Loss(Loss { percent: 30, network }),
        Kind::Partition => Fault::Partition(Partition { how: How::Drop, network }),
    }
}
