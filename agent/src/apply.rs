//! Change -> the kernel. Each step claims its names exclusively; what it half did is taken back by `revert`.

use crate::core::Outcome;
use crate::hands::{Held, Names, Shot};
use crate::kernel::cgroup::{Hierarchies, container_of};
use crate::kernel::kill::{KILL_WAIT, KillMethod, container_groups, kill_container, refuse_agent};
use crate::kernel::link::{self, IfbName};
use crate::kernel::nft::{self, NftError, Wiring};
use crate::kernel::{netns::NetNs, proc};
use crate::resolve::{self, chain, gone};
use crate::testing::{Sabotage, sabotaged};
use crate::worker::args::DelayArgs;
use crate::worker::spawn::{SpawnError, Spawner};
use rumpus_model::change::{Change, Delay, Filter, Signal, Verdict};
use rumpus_model::evidence::{Killed, Reading};
use rumpus_model::scope::{Addresses, Devices, Scope};
use rumpus_model::target::{ContainerTarget, ProcessTarget};
use std::time::{Duration, Instant};

/// How many queue numbers are tried before none is free.
const QUEUES: u16 = 16;
/// How long a signalled process is waited for at once; after that it is looked at from time to time.
const FIRST_LOOK: Duration = Duration::from_millis(100);

/// Makes the two links that delay, in the directions of `scope`.
pub(crate) fn links(netns: &NetNs, names: &Names, delay: &Delay, scope: &Scope) -> Outcome {
    // Packets in flight at a million a second, so that the limit is never what a fast flow sees; at least 1,000.
    let limit = u32::try_from(delay.drain().as_micros()).unwrap_or(u32::MAX).max(1_000);
    let make = |name: &IfbName| -> Result<(), link::LinkError> {
        let index = link::add_ifb(name)?;
        link::set_up(index)?;
        link::add_netem(index, delay, limit)
    };
    let made = netns.enter(|| {
        if scope.direction.egress() {
            make(&names.egress)?;
        }
        if scope.direction.ingress() {
            make(&names.ingress)?;
        }
        Ok::<(), link::LinkError>(())
    });
    match made {
        Ok(Ok(())) => Outcome::Ok,
        Ok(Err(error)) => Outcome::Failed { why: chain(&error) },
        Err(error) => Outcome::Failed { why: chain(&error) },
    }
}

/// Starts the process that delays, on a queue number that nobody holds.
pub(crate) fn worker(
    spawner: &Spawner,
    netns: &NetNs,
    names: &Names,
    delay: &Delay,
    held: &mut Held,
    until: Duration,
) -> Outcome {
    let first = u16::try_from(names.id % 60_000).unwrap_or(0) + 1;
    for attempt in 0..QUEUES {
        let queue = first.wrapping_add(attempt).max(1);
        let args = DelayArgs {
            instance: format!("{:08x}", names.instance),
            id: format!("{:08x}", names.id),
            queue,
            delay: *delay,
            until,
            seed: u64::from(names.id),
        };
        match spawner.delay(netns.as_fd(), &args) {
            Ok(handle) => {
                held.worker = Some(handle);
                held.queue = Some(queue);
                return Outcome::Ok;
            }
            Err(SpawnError::QueueTaken { .. }) => {}
            Err(error) => return Outcome::Failed { why: chain(&error) },
        }
    }
    Outcome::Failed { why: format!("{QUEUES} queue numbers from {first} on are taken") }
}

/// Makes the gated table and arms it.
pub(crate) fn filter(
    netns: &NetNs,
    names: &Names,
    filter: &Filter,
    comment: &str,
    held: &Held,
    until: Duration,
) -> Outcome {
    let mut filter = filter.clone();
    let mut until = until;
    if sabotaged(Sabotage::ExclusionsIgnored) {
        filter.scope.except = Addresses::default();
    }
    if sabotaged(Sabotage::NoGate) {
        until = until.saturating_add(Duration::from_secs(3600));
    }
    let made = netns.enter(|| {
        let all = link::devices().map_err(|e| chain(&e))?;
        let index = |name: &IfbName| all.iter().find(|l| l.name == name.as_str()).map(|l| l.index);
        let devices = match &filter.scope.devices {
            Devices::Named(devices) => devices.iter().map(ToString::to_string).collect(),
            Devices::AllButLoopback => {
                all.iter().filter(|l| l.name != "lo" && !link::is_ours(l)).map(|l| l.name.clone()).collect()
            }
        };
        let wiring = Wiring {
            devices,
            egress_link: index(&names.egress).filter(|_| filter.verdict == Verdict::Delay),
            ingress_link: index(&names.ingress).filter(|_| filter.verdict == Verdict::Delay),
            queue: held.queue,
        };
        nft::create(&names.table, comment, &filter, &wiring, until).map_err(|e: NftError| chain(&e))
    });
    match made {
        Ok(Ok(())) => Outcome::Ok,
        Ok(Err(why)) => Outcome::Failed { why },
        Err(error) => Outcome::Failed { why: chain(&error) },
    }
}

/// Moves everything's end: the worker's first, so that it outlives the gate that feeds it.
pub(crate) fn renew(netns: &NetNs, names: &Names, changes: &[Change], held: &mut Held, until: Duration) -> Outcome {
    if let Some(worker) = &mut held.worker
        && let Err(error) = worker.renew(until)
    {
        return Outcome::Vanished { what: format!("the delay worker: {}", chain(&error)) };
    }
    let families = families(changes);
    match netns.enter(|| nft::renew(&names.table, &families, until)) {
        // So near its end the gate needs no renewal: it keeps the end that it has.
        Ok(Ok(()) | Err(NftError::Expired)) => Outcome::Ok,
        Ok(Err(NftError::Gone { .. })) => Outcome::Vanished { what: format!("table {}", names.table) },
        Ok(Err(error)) => Outcome::Failed { why: chain(&error) },
        Err(error) => Outcome::Failed { why: chain(&error) },
    }
}

/// Returns the families that the table of these changes is in.
pub(crate) fn families(changes: &[Change]) -> Vec<nft::Family> {
    let mut all = Vec::new();
    for change in changes {
        if let Change::Filter(filter) = change {
            all.extend_from_slice(nft::families(filter.hook));
        }
    }
    all
}

/// Signals one process, and waits a moment for its end.
pub(crate) fn signal(target: &ProcessTarget, signal: Signal, held: &mut Held) -> Outcome {
    let target = if sabotaged(Sabotage::WrongPid) { &neighbour(target) } else { target };
    let pinned = match resolve::process(target) {
        Ok(pinned) => pinned,
        Err(outcome) => return outcome,
    };
    if let Err(error) = refuse_agent(&[pinned.facts().pid]) {
        return Outcome::Failed { why: chain(&error) };
    }
    let Some(number) = rustix::process::Signal::from_named_raw(signal.number) else {
        return Outcome::Failed { why: format!("signal {} has no name", signal.number) };
    };
    let began = Instant::now();
    if let Err(error) = pinned.signal(number) {
        return gone(chain(&error));
    }
    let wait = if signal.grace.is_zero() { KILL_WAIT } else { signal.grace.min(FIRST_LOOK) };
    match pinned.wait_gone(wait) {
        Err(error) => Outcome::Failed { why: chain(&error) },
        Ok(is_gone) => {
            held.shot = Some(Shot { pinned, began });
            Outcome::Read(vec![killed(is_gone, false, began.elapsed())])
        }
    }
}

/// Says what became of one process.
pub(crate) fn killed(gone: bool, escalated: bool, after: Duration) -> Reading {
    let (processes, survivors) = if gone { (1, 0) } else { (0, 1) };
    Reading::Killed(Killed { gone, escalated, after, processes, survivors, by: "pidfd".into() })
}

/// Kills every process of a container.
pub(crate) fn container(target: &ContainerTarget) -> Outcome {
    let inside = target.init.iter().map(|i| i.id.pid).chain(target.processes.iter().map(|p| p.pid));
    let found = inside.filter_map(|pid| u32::try_from(pid).ok()).find_map(|pid| {
        let paths = proc::cgroups_of(pid)?;
        let container = container_of(&paths).ok().flatten().filter(|c| c.id == target.id)?;
        Some((paths, container))
    });
    let Some((paths, container)) = found else { return gone("none of its processes is left".into()) };
    let killed = Hierarchies::detect().map_err(|e| chain(&e)).and_then(|hierarchies| {
        let groups = container_groups(&hierarchies, &paths, &container).map_err(|e| chain(&e))?;
        kill_container(&groups).map_err(|e| chain(&e))
    });
    match killed {
        Err(why) => Outcome::Failed { why },
        Ok(evidence) => Outcome::Read(vec![Reading::Killed(Killed {
            gone: evidence.survivors.is_empty(),
            escalated: false,
            after: evidence.after,
            processes: u32::try_from(evidence.killed).unwrap_or(u32::MAX),
            survivors: u32::try_from(evidence.survivors.len()).unwrap_or(u32::MAX),
            by: match evidence.method {
                KillMethod::CgroupKill => "cgroup.kill".into(),
                KillMethod::Rounds(rounds) => format!("pidfd in {rounds} rounds"),
            },
        })]),
    }
}

/// For sabotage only: another process of the same name.
fn neighbour(target: &ProcessTarget) -> ProcessTarget {
    let mut wrong = target.clone();
    let others = proc::scan().unwrap_or_default();
    let other = others.iter().find(|p| p.comm == target.comm && i32::try_from(p.pid) != Ok(target.id.pid));
    if let Some(other) = other {
        wrong.id.pid = i32::try_from(other.pid).unwrap_or(wrong.id.pid);
        wrong.id.start = other.start;
        wrong.cgroup = other.cgroup.as_ref().map(|c| c.identity().to_owned()).unwrap_or_default();
    }
    wrong
}
