//! What the cases of all network faults share: how each fault is asked for, and how its effect on a
//! flow of datagrams is told from none.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::kernel::command::{Ended, Order};
use crate::kernel::lab::{Arrivals, Flow, Lab, Side, address};
use crate::kernel::matrix::{Engine, Fault, Kernel};

/// What the cases of latency ask for. Far above what a busy machine adds by itself to the fastest of a few datagrams.
pub(super) const DELAY: Duration = Duration::from_millis(100);

/// Datagrams in a flow that is to show whether it is hit.
pub(super) const FEW: u32 = 8;

pub(super) const BOTH: &[Kernel] = &[Kernel::Host, Kernel::Qemu];
pub(super) const HOST: &[Kernel] = &[Kernel::Host];
pub(super) const QEMU: &[Kernel] = &[Kernel::Qemu];

/// One way to ask for a network fault whose effect no datagram escapes.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    pub(super) fault: Fault,
    pub(super) engine: Engine,
    pub(super) words: &'static [&'static str],
}

pub(super) const PARTITION: How = How { fault: Fault::Partition, engine: Engine::Nft, words: &[] };
pub(super) const LOSS: How = How { fault: Fault::Loss, engine: Engine::Nft, words: &["--loss", "100"] };
pub(super) const NETEM: How =
    How { fault: Fault::Latency, engine: Engine::Netem, words: &["--delay", "100ms", "--without-engine", "nfqueue"] };
pub(super) const NFQUEUE: How =
    How { fault: Fault::Latency, engine: Engine::Nfqueue, words: &["--delay", "100ms", "--without-engine", "netem"] };

/// What a flow shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// All arrived, and at least one of them at once.
    None,
    /// All arrived, each after the delay.
    Delayed,
    /// None arrived.
    Dropped,
}

impl How {
    pub(super) fn effect(&self) -> Effect {
        if self.fault == Fault::Latency { Effect::Delayed } else { Effect::Dropped }
    }

    /// Returns the flags by which a latency is made by this engine or refused, never made by the other one.
    pub(super) fn only(&self) -> &'static [&'static str] {
        match self.engine {
            Engine::Netem => &["--without-engine", "nfqueue"],
            Engine::Nfqueue => &["--without-engine", "netem"],
            Engine::Tools | Engine::Signal | Engine::Cgroup | Engine::Nft => &[],
        }
    }

    /// Makes an armed run that lasts longer than a case.
    pub(super) fn order(&self, lab: &Lab, words: &[&str]) -> Order {
        lab.fault(self.fault.name(), self.words).and(words)
    }

    /// Runs `body` while the fault is in effect on the lab's target, ends the fault by Ctrl-C, and sees that nothing
    /// of it is left. The fault must have been effective.
    pub(super) fn under(&self, lab: &Lab, words: &[&str], body: impl FnOnce() -> Result<()>) -> Result<Ended> {
        let running = self.order(lab, &["--for", "5m"]).and(words).in_effect(1)?;
        body()?;
        let ended = running.interrupt()?.expect(130)?;
        let attested = ended.attestations()?;
        let first = attested.first().context("nothing was attested")?;
        ensure!(first["effective"] == "True", "the fault was not effective: {first:#}");
        let engine = ended.report()?["plans"][0]["targets"][0]["engine"].clone();
        ensure!(engine == self.engine.name(), "the engine was {engine}, not {}", self.engine);
        nothing_left(lab)?;
        Ok(ended)
    }

    /// Fails unless the flow shows this fault.
    pub(super) fn hits(&self, flow: Flow<'_>) -> Result<()> {
        expect(flow, self.effect())
    }

    /// Fails unless the agent's evidence counts exactly these packets, out and in.
    pub(super) fn counted(&self, ended: &Ended, out: u32, into: u32) -> Result<()> {
        let counts = (ended.counter("/filtered/hit/egress")?, ended.counter("/filtered/hit/ingress")?);
        ensure!(counts == (out.into(), into.into()), "{counts:?} packets were hit; ({out}, {into}) were in scope");
        Ok(())
    }
}

/// A few datagrams from one side of the lab to an address of the other.
pub(super) fn flow(lab: &Lab, from: Side, source: IpAddr, target: IpAddr) -> Flow<'_> {
    flow_between(lab, from, (source, 0).into(), (target, 0).into())
}

/// The same with ports.
pub(super) fn flow_between(lab: &Lab, from: Side, source: SocketAddr, target: SocketAddr) -> Flow<'_> {
    let other = if from == Side::Target { Side::Peer } else { Side::Target };
    let patience = match lab.settings().kernel {
        Kernel::Host => Duration::from_millis(400),
        Kernel::Qemu => Duration::from_secs(1),
    };
    let gap = Duration::from_millis(2);
    Flow { from: lab.side(from), to: lab.side(other), source, target, count: FEW, gap, patience, tos: 0 }
}

/// What the target sends to an IPv4 or IPv6 address of the other side.
pub(super) fn sent_to(lab: &Lab, target: IpAddr) -> Flow<'_> {
    flow(lab, Side::Target, own(target), target)
}

/// What the target gets from an IPv4 or IPv6 address of the other side.
pub(super) fn got_from(lab: &Lab, source: IpAddr) -> Flow<'_> {
    flow(lab, Side::Peer, source, own(source))
}

/// The target's address in the family of `other`.
pub(super) fn own(other: IpAddr) -> IpAddr {
    if other.is_ipv4() { address::TARGET_V4 } else { address::TARGET_V6 }
}

/// Fails unless the flow shows this effect.
pub(super) fn expect(flow: Flow<'_>, wanted: Effect) -> Result<()> {
    let arrivals = flow.send()?;
    let seen = effect(&arrivals)?;
    ensure!(seen == wanted, "from {} to {}: {seen:?}, not {wanted:?}: {arrivals:?}", flow.source, flow.target);
    Ok(())
}

/// Fails unless the flow is untouched.
pub(super) fn spared(flow: Flow<'_>) -> Result<()> {
    expect(flow, Effect::None)
}

fn effect(arrivals: &Arrivals) -> Result<Effect> {
    // Two clocks of one machine: the kernel's timer may be early by its tick.
    let all_late = arrivals.all.iter().all(|arrival| arrival.after + Duration::from_millis(1) >= DELAY);
    if arrivals.all.is_empty() {
        Ok(Effect::Dropped)
    } else if arrivals.lost() > 0 {
        bail!("{} of {} were lost", arrivals.lost(), arrivals.sent)
    } else if all_late {
        Ok(Effect::Delayed)
    } else if arrivals.shortest() < DELAY / 2 {
        Ok(Effect::None)
    } else {
        bail!("neither delayed nor not: {arrivals:?}")
    }
}

/// Fails if a table or a device of ours is in one of the namespaces.
pub(super) fn nothing_left(lab: &Lab) -> Result<()> {
    for namespace in [lab.target(), lab.peer()] {
        for (tool, args) in [("nft", ["list", "tables"]), ("ip", ["link", "show"])] {
            let text = namespace.tool(tool, &args)?;
            let ours = text.lines().find(|line| line.contains("rumpus") || line.contains("ifb"));
            if let Some(line) = ours {
                bail!("left in {}: {line}", namespace.name());
            }
        }
    }
    Ok(())
}
