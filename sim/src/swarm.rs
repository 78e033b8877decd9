//! What a seed draws: how big its world is, which kinds of trouble it has, what people do, and when.

use crate::api::Kind;
use crate::rng::Rng;
use crate::schedule::{At, Deed, Schedule, Scope, Trouble, Who};
use crate::specs;
use std::time::Duration;

/// What may go another way than the usual.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    pub lost_requests: bool,
    pub lost_replies: bool,
    pub slow_requests: bool,
    pub busy_server: bool,
    pub slow_watches: bool,
    pub kernel_errors: bool,
    pub slow_kernels: bool,
    pub full_disks: bool,
    pub broken_disks: bool,
    pub slow_disks: bool,
}

/// Which troubles there are.
#[derive(Debug)]
struct Kinds {
    crash_controllers: bool,
    pause_controllers: bool,
    crash_agents: bool,
    pause_agents: bool,
    reboots: bool,
    wipes: bool,
    cuts: bool,
    stale: bool,
    broken_watches: bool,
    suspends: bool,
    jumps: bool,
    flushes: bool,
    foreigners: bool,
}

/// Draws the world of a seed: all of it but what is decided while it runs.
pub fn draw(seed: u64, length: Duration) -> (Schedule, Classes) {
    let mut rng = Rng::new(seed, "swarm");
    let calm = rng.chance(300);
    let mut on = || !calm && rng.chance(400);
    let classes = Classes {
        lost_requests: on(),
        lost_replies: on(),
        slow_requests: on(),
        busy_server: on(),
        slow_watches: on(),
        kernel_errors: on(),
        slow_kernels: on(),
        full_disks: on(),
        broken_disks: on(),
        slow_disks: on(),
    };
    let kinds = Kinds {
        crash_controllers: on(),
        pause_controllers: on(),
        crash_agents: on(),
        pause_agents: on(),
        reboots: on(),
        wipes: on(),
        cuts: on(),
        stale: on(),
        broken_watches: on(),
        suspends: on(),
        jumps: on(),
        flushes: on(),
        foreigners: on(),
    };
    let (skewed, drifting, hostile) = (on(), on(), on());
    let mut schedule = Schedule {
        seed,
        seconds: length.as_secs(),
        calm,
        nodes: 2 + rng.index(3),
        budget: 1 + rng.index(3),
        ..Schedule::default()
    };
    let mut somewhere = |width: u64, on: bool| {
        let drawn = i64::try_from(rng.below(width * 2)).unwrap_or_default() - i64::try_from(width).unwrap_or_default();
        if on { drawn } else { 0 }
    };
    schedule.controllers = vec![somewhere(3600, skewed), somewhere(3600, skewed)];
    schedule.drifts = (0..schedule.nodes).map(|_| somewhere(200, drifting)).collect();
    schedule.controllers.truncate(1 + rng.index(2));
    let mut own = Rng::new(seed, "radius");
    schedule.radius = own.chance(500).then(|| u32::try_from(1 + own.below(4)).unwrap_or(1));
    let runs = 3 + rng.index(12);
    schedule.deeds = deeds(seed, runs, hostile, length);
    schedule.deeds.extend(policy(seed, length));
    schedule.deeds.sort_by_key(|deed| deed.at);
    if !calm {
        let size = (schedule.nodes, schedule.controllers.len());
        schedule.troubles = troubles(seed, &kinds, size, length);
    }
    // One in fifteen: whatever goes wrong does so on one node.
    if !calm && Rng::new(seed, "lonely").chance(65) {
        schedule.lonely = true;
        schedule.troubles.retain(|trouble| trouble.what.is_of(0));
        return (schedule, Classes::default());
    }
    (schedule, classes)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What people do in this time.
fn deeds(seed: u64, runs: usize, hostile: bool, length: Duration) -> Vec<At<Deed>> {
    let mut rng = Rng::new(seed, "people");
    let mut deeds = Vec::new();
    let mut add = |at: u64, what: Deed| deeds.push(At { at, what });
    for number in 1..=runs {
        let at = 3000 + rng.below((millis(length) * 3 / 4).max(3001) - 3000);
        let (spec, invalid) = specs::draw(&mut rng);
        add(at, Deed::Run { name: format!("run-{number}"), spec, invalid });
        let later = at + rng.below(40_000);
        let pick = rng.draw();
        match rng.below(10) {
            0 | 1 => add(later, Deed::Stop { pick }),
            2 => add(later, Deed::DeleteRun { pick }),
            3 => {
                let scopes = [Scope::All, Scope::Namespace, Scope::FirstNode, Scope::OneRun];
                let scope = scopes.get(rng.index(scopes.len())).copied().unwrap_or(Scope::All);
                add(later, Deed::Halt { name: format!("halt-{number}"), scope, pick });
                add(later + 500 + rng.below(39_500), Deed::Resume { pick: rng.draw() });
            }
            4 => add(later, Deed::KillPod { pick }),
            5 if hostile => add(later, Deed::DeleteInjection { pick }),
            6 if hostile => add(later, Deed::DeleteLedger),
            _ => {}
        }
    }
    deeds.sort_by_key(|deed| deed.at);
    deeds
}

/// In every other world, a policy with a schedule: it is applied, changed, deleted and applied again.
fn policy(seed: u64, length: Duration) -> Vec<At<Deed>> {
    let mut rng = Rng::new(seed, "policy");
    if rng.chance(500) {
        return Vec::new();
    }
    let spec = specs::policy(&mut rng);
    let name = || "monkey".to_owned();
    let mut deeds = vec![At { at: 1000 + rng.below(5000), what: Deed::Policy { name: name(), spec: spec.clone() } }];
    let mut at = 20_000;
    while at < millis(length) * 3 / 4 {
        let mut other = spec.clone();
        let what = match rng.below(4) {
            0 => Deed::DeletePolicy { name: name() },
            1 => {
                other["suspend"] = true.into();
                Deed::Policy { name: name(), spec: other }
            }
            2 => {
                other["mode"] = "DryRun".into();
                Deed::Policy { name: name(), spec: other }
            }
            _ => Deed::Policy { name: name(), spec: specs::policy(&mut rng) },
        };
        deeds.push(At { at, what });
        let later = at + 500 + rng.below(20_000);
        deeds.push(At { at: later, what: Deed::Policy { name: name(), spec: spec.clone() } });
        at += 25_000 + rng.below(60_000);
    }
    deeds
}

/// What trouble there is in this time.
fn troubles(seed: u64, kinds: &Kinds, size: (usize, usize), length: Duration) -> Vec<At<Trouble>> {
    let mut rng = Rng::new(seed, "trouble");
    let mut all = Vec::new();
    let mut at = 3000;
    while at < millis(length) {
        all.extend(trouble(&mut rng, kinds, size).map(|what| At { at, what }));
        at += 500 + rng.below(19_500);
    }
    all
}

fn trouble(rng: &mut Rng, on: &Kinds, (nodes, controllers): (usize, usize)) -> Option<Trouble> {
    let (node, controller) = (rng.index(nodes), rng.index(controllers));
    let (agent, chief) = (Who::Agent(node), Who::Controller(controller));
    let millis = if rng.chance(700) { 50 + rng.below(3950) } else { 1000 + rng.below(59_000) };
    let (either, coin, dice) = (if rng.chance(500) { agent } else { chief }, rng.chance(500), rng.chance(300));
    Some(match rng.below(14) {
        0 if on.crash_controllers => Trouble::Crash { who: chief, millis, resigns: dice, anew: coin },
        1 if on.pause_controllers => Trouble::Pause { who: chief, millis },
        2 | 12 if on.crash_agents => Trouble::Crash { who: agent, millis, resigns: false, anew: false },
        13 if on.crash_agents => Trouble::Crash { who: agent, millis, resigns: true, anew: false },
        3 if on.pause_agents => Trouble::Pause { who: agent, millis },
        4 if on.reboots => Trouble::Reboot { node, millis, wiped: on.wipes && dice },
        5 if on.cuts => Trouble::Cut { who: either, millis },
        6 if on.broken_watches => Trouble::BreakWatch { who: either, kind: watched(rng, either) },
        7 if on.stale => Trouble::Stale { who: either, millis },
        8 if on.suspends => Trouble::Suspend { node, millis },
        9 if on.jumps => {
            let seconds = i64::try_from(rng.below(7200)).unwrap_or_default() - 3600;
            Trouble::Jump { controller, seconds }
        }
        10 if on.flushes => Trouble::Flush { node },
        11 if on.foreigners => Trouble::Foreign { node },
        _ => return None,
    })
}

fn watched(rng: &mut Rng, who: Who) -> Kind {
    let kinds: &[Kind] = match who {
        Who::Agent(_) => &[Kind::Injection, Kind::Halt],
        Who::Controller(_) => &[Kind::Run, Kind::Injection, Kind::Halt, Kind::Node, Kind::Pod],
    };
    kinds.get(rng.index(kinds.len())).copied().unwrap_or(Kind::Injection)
}
