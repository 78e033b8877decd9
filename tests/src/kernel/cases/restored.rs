//! Afterwards everything is as before: however the fault ends, and whatever else lives in the namespace.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::process::Signal;

use super::how::{FEW, How, nothing_left, sent_to, spared};
use crate::kernel::command::Order;
use crate::kernel::lab::address::{OTHER_V4, PEER_V4, PEER_V6};
use crate::kernel::lab::{DEVICE, Lab};
use crate::kernel::matrix::Kernel;

const PEERS: [&str; 6] = ["--direction", "Both", "--peer", "10.77.0.2", "--peer", "fd77::2"];

/// What somebody else has in the namespace: rules of both kinds, with counters and a name that looks like ours, and a
/// qdisc of their own.
const FOREIGN: &[(&str, &[&str])] = &[
    ("nft", &["add table inet rumpus_like"]),
    ("nft", &["add chain inet rumpus_like in { type filter hook input priority -350; }"]),
    ("nft", &["add rule inet rumpus_like in ip saddr 10.77.0.2 counter accept"]),
    ("nft", &["add table netdev other"]),
    ("nft", &["add chain netdev other in { type filter hook ingress device eth0 priority -350; }"]),
    ("nft", &["add rule netdev other in counter"]),
    ("iptables", &["-A", "OUTPUT", "-d", "10.99.0.1", "-j", "DROP"]),
    ("ip6tables", &["-t", "mangle", "-A", "PREROUTING", "-s", "fd99::1", "-j", "DROP"]),
    ("tc", &["qdisc", "add", "dev", DEVICE, "root", "handle", "9:", "pfifo", "limit", "500"]),
    ("tc", &["qdisc", "add", "dev", DEVICE, "clsact"]),
];

/// The end of the busy loop, should nobody stop it.
const MOST: u32 = 500;

/// Changes rules of its own beside us, one after the other, until it is told to stop.
fn busy(lab: &Lab, most: u32, stop: &AtomicBool) -> Result<u32> {
    let rule = ["INPUT", "-s", "10.99.0.2", "-j", "DROP"];
    let mut rounds = 0;
    while rounds < most && !stop.load(Ordering::SeqCst) {
        lab.target().tool("iptables", &[&["-w", "-A"], &rule[..]].concat())?;
        lab.target().tool("iptables", &[&["-w", "-D"], &rule[..]].concat())?;
        rounds += 1;
    }
    Ok(rounds)
}

/// What is not ours stays equal, and works, while the fault comes, is renewed, and ends at its deadline.
pub(super) fn what_is_not_ours_stays_equal(lab: &Lab, how: &How) -> Result<()> {
    for (tool, args) in FOREIGN {
        lab.target().tool(tool, args)?;
    }
    // iptables makes a chain's base when it is used first, and keeps it.
    busy(lab, 1, &AtomicBool::new(false))?;
    let before = lab.snapshot()?;
    let stop = AtomicBool::new(false);
    let hit = AtomicU32::new(0);
    let (rounds, tried) = thread::scope(|scope| {
        let beside = scope.spawn(|| busy(lab, MOST, &stop));
        let tried = (|| {
            let running = how.order(lab, &["--for", &deadline(lab)]).and(&PEERS).in_effect(1)?;
            how.hits(sent_to(lab, PEER_V4))?;
            how.hits(sent_to(lab, PEER_V6))?;
            hit.store(2 * FEW, Ordering::SeqCst);
            running.wait()?.expect(0)
        })();
        stop.store(true, Ordering::SeqCst);
        (beside.join().map_err(|_panic| anyhow!("the busy loop panicked")), tried)
    });
    let ended = tried?;
    ensure!(rounds?? > 0, "the busy loop did nothing");
    how.counted(&ended, hit.into_inner(), 0)?;
    let attested = ended.attestations()?;
    let first = attested.first().context("nothing was attested")?;
    ensure!(first["effective"] == "True" && first["cause"] == "deadline", "{first:#}");
    ensure!(!first["clean"].is_null() && first["state"] == "Restored", "{first:#}");
    lab.expect_unchanged(&before)?;
    spared(sent_to(lab, PEER_V4))?;
    spared(sent_to(lab, PEER_V6))
}

/// Long enough for the flows of a case on a busy machine: a fault that ends before them proves nothing.
fn deadline(lab: &Lab) -> String {
    match lab.settings().kernel {
        Kernel::Host => "4s".to_owned(),
        Kernel::Qemu => "20s".to_owned(),
    }
}

/// Ctrl-C and SIGTERM end it before its time, with the exit codes of their own.
pub(super) fn ctrl_c_and_sigterm_end_it_early(lab: &Lab, how: &How) -> Result<()> {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 6)] {
        let running = how.order(lab, &["--for", "5m"]).and(&PEERS).in_effect(1)?;
        how.hits(sent_to(lab, PEER_V4))?;
        running.signal(signal)?;
        let ended = running.wait()?.expect(code)?;
        let attested = ended.attestations()?;
        let first = attested.first().context("nothing was attested")?;
        ensure!(first["state"] == "Restored" && first["effective"] == "True", "{first:#}");
        spared(sent_to(lab, PEER_V4))?;
        nothing_left(lab)?;
    }
    Ok(())
}

/// No packet in scope: nothing is proven.
pub(super) fn without_traffic_it_is_inconclusive(lab: &Lab, how: &How) -> Result<()> {
    let running = how.order(lab, &["--for", &deadline(lab)]).and(&PEERS).in_effect(1)?;
    spared(sent_to(lab, OTHER_V4))?;
    let ended = running.wait()?.expect(4)?;
    let attested = ended.attestations()?;
    let first = attested.first().context("nothing was attested")?;
    ensure!(first["effective"] == "False" && first["state"] == "Restored", "{first:#}");
    how.counted(&ended, 0, 0)
}

/// A dry run touches nothing, keeps nothing, and names what the real run then hits.
pub(super) fn a_dry_run_names_what_the_real_run_hits(lab: &Lab, how: &How) -> Result<()> {
    let names = [lab.target().name(), lab.peer().name()];
    let words = ["run", how.fault.name(), "--netns", names[0], "--netns", names[1], "--count", "1"];
    let words = [&words[..], how.words, &["--direction", "Both", "--for", "1s"]].concat();
    let mut picked = [false; 2];
    for seed in 0..16_u8 {
        let before = if seed == 0 { Some(lab.snapshot()?) } else { None };
        let seed = ["--seed", &seed.to_string()].map(str::to_owned);
        let seed = [seed[0].as_str(), seed[1].as_str()];
        let dry = lab.rumpus(&words).and(&seed).run()?.expect(0)?;
        if let Some(before) = before {
            lab.expect_unchanged(&before)?;
            let kept: Vec<_> = fs::read_dir(lab.state_dir()).context("list the state folder")?.collect();
            ensure!(kept.is_empty(), "a dry run keeps {kept:?}");
        }
        let chosen = chosen(&dry.report()?)?;
        let which = usize::from(chosen.contains(names[1]));
        if picked[which] {
            continue;
        }
        picked[which] = true;
        let armed = lab.rumpus(&words).and(&seed).and(&["--arm"]).run()?;
        let attested = armed.attestations()?;
        let hit: Vec<_> = attested.iter().filter_map(|one| one["target"].as_str()).collect();
        ensure!(hit == [chosen.as_str()], "the dry run chose {chosen}, the real run hit {hit:?}");
        if picked == [true, true] {
            return Ok(());
        }
    }
    Err(anyhow!("16 seeds chose one of two targets: {picked:?}"))
}

fn chosen(report: &serde_json::Value) -> Result<String> {
    let targets = report["plans"][0]["targets"].as_array().context("no targets")?;
    ensure!(targets.len() == 1, "one of two was to be chosen: {targets:?}");
    let name = targets[0].pointer("/target/NetNs/via/Name").and_then(serde_json::Value::as_str).context("no name")?;
    Ok(format!("netns {name}"))
}

/// "Effect ended" is no promise for later: between it and the removal of our objects nothing is hit.
pub(super) fn the_effect_has_ended_before_anything_is_removed(lab: &Lab, how: &How) -> Result<()> {
    let mark = lab.state_dir().join("mark");
    let running = how
        .order(lab, &["--for", "5m"])
        .and(&PEERS)
        .env("RUMPUS_FAILPOINT", "remove-filter.before:stop")
        .env("RUMPUS_FAILPOINT_MARK", mark.display().to_string())
        .env("RUMPUS_LEASE", "60s")
        .in_effect(1)?;
    how.hits(sent_to(lab, PEER_V4))?;
    running.signal(Signal::INT)?;
    let end = Instant::now() + lab.patience();
    while !mark.exists() {
        ensure!(Instant::now() < end, "the removal was not reached:\n{}", running.errors());
        thread::sleep(Duration::from_millis(5));
    }
    // The process is stopped, its lease is long: only an emptied gate can spare these.
    let left = spared(sent_to(lab, PEER_V4));
    running.stopped()?;
    running.signal(Signal::CONT)?;
    running.wait()?.expect(130)?;
    left?;
    spared(sent_to(lab, PEER_V6))?;
    nothing_left(lab)
}

/// A halt ends what is in effect, and nothing new begins until it is lifted.
pub(super) fn a_halt_ends_it_and_blocks_the_next(lab: &Lab, how: &How) -> Result<()> {
    let running = how.order(lab, &["--for", "5m"]).and(&PEERS).in_effect(1)?;
    how.hits(sent_to(lab, PEER_V4))?;
    lab.rumpus(&["halt", "--reason", "a test"]).run()?.expect(0)?;
    spared(sent_to(lab, PEER_V4))?;
    running.wait()?;
    nothing_left(lab)?;
    lab.rumpus(&["resume"]).run()?.expect(0)?;
    refused_while_halted(lab, || how.order(lab, &["--for", "5m"]).and(&PEERS))?;
    spared(sent_to(lab, PEER_V4))
}

/// Fails unless an armed run is refused while a halt stands; the halt is lifted afterwards.
pub(super) fn refused_while_halted(lab: &Lab, order: impl Fn() -> Order) -> Result<()> {
    lab.rumpus(&["halt", "--reason", "a test"]).run()?.expect(0)?;
    let refused = order().run()?.expect(3)?;
    ensure!(refused.attestations()?.is_empty(), "something was injected under a halt:\n{}", refused.out);
    lab.rumpus(&["resume"]).run()?.expect(0).map(drop)
}
