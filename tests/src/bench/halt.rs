//! `rumpus halt` from another terminal while 100 faults are in effect, and what an agent weighs then.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use rumpus_agent::kernel::timer::boottime;
use rumpus_model::injection::Attestation;

use super::site::Site;
use super::stats::{Samples, show};
use super::supervise::progress;
use super::table::Row;
use crate::kernel::command::{Ended, Order};
use crate::kernel::lab::{Echo, Lab, address};

/// Two faults in each: one at either end of its cable.
const LABS: usize = 50;
const ROUNDS: usize = 7;

/// How often every path is probed; also how late an end can be seen.
const PROBE: Duration = Duration::from_millis(4);

/// How long paths may take to open again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Many labs, with the cables probed.
#[derive(Debug)]
pub(super) struct Crowd {
    pub labs: Vec<Lab>,
}

impl Crowd {
    pub(super) fn gather(site: &Site) -> Result<Self> {
        progress(&format!("makes {} namespaces", 2 * LABS));
        Ok(Self { labs: (0..LABS).map(|number| site.lab(number)).collect::<Result<_>>()? })
    }

    pub(super) fn scatter(self, site: &Site) -> Result<()> {
        self.labs.into_iter().enumerate().try_for_each(|(number, lab)| site.remove(lab, number))
    }

    /// Makes a partition of every namespace from its cable's other end.
    pub(super) fn partition(&self) -> Result<Order> {
        let first = self.labs.first().context("no lab")?;
        let order = first.rumpus(&["run", "partition", "--arm", "--direction", "Both", "--for", "10m"]);
        let order = order.and(&["--peer", "10.77.0.0/24"]);
        Ok(self
            .labs
            .iter()
            .fold(order, |order, lab| order.and(&["--netns", lab.target().name(), "--netns", lab.peer().name()])))
    }

    pub(super) fn faults(&self) -> usize {
        2 * self.labs.len()
    }
}

pub(super) fn measure(site: &Site, _toxiproxy: &Path) -> Result<Vec<Row>> {
    let crowd = Crowd::gather(site)?;
    let echoes: Vec<Echo> =
        crowd.labs.iter().map(|lab| lab.peer().udp_echo(address::PEER_V4)).collect::<Result<_>>()?;
    let probes: Vec<UdpSocket> =
        crowd.labs.iter().zip(&echoes).map(|(lab, echo)| probe(lab, echo)).collect::<Result<_>>()?;
    let (mut ended, mut seen, mut clean, mut exit) = <(Samples, Samples, Samples, Samples)>::default();
    let mut began = Samples::default();
    for round in 0..ROUNDS {
        progress(&format!("halt {} of {ROUNDS}", round + 1));
        let once = once(&crowd, &probes)?;
        began.push(once.began);
        ended.push(once.ended);
        seen.push(once.seen);
        clean.push(once.clean);
        exit.push(once.exit);
    }
    drop((probes, echoes));
    let faults = crowd.faults();
    crowd.scatter(site)?;
    let what = format!("`rumpus halt` with {faults} faults: its start → the last one's effect ended, read back");
    let row = |what: &str, samples: &Samples| Row::new(what).times(samples).p99(show(samples.max()) + " (worst)");
    Ok(vec![
        row(&what, &ended).goal("≤ 100 ms"),
        row("… → the last path open, as seen by traffic", &seen).goal("≤ 100 ms"),
        row("… → the last one clean, read back", &clean),
        row("… → the halt command has ended", &exit),
        row(&format!("{faults} partitions: the first one in effect → the last one"), &began),
    ])
}

struct Once {
    began: Duration,
    ended: Duration,
    seen: Duration,
    clean: Duration,
    exit: Duration,
}

fn once(crowd: &Crowd, probes: &[UdpSocket]) -> Result<Once> {
    let run = crowd.partition()?.in_effect(crowd.faults())?;
    let first = crowd.labs.first().context("no lab")?;
    ensure!(!answers(probes)?.contains(&true), "a path is open although both of its ends are partitioned");
    let halted = AtomicBool::new(false);
    let (start, seen, halt) = thread::scope(|scope| {
        let watch = scope.spawn(|| watch(probes, &halted));
        let start = boottime();
        halted.store(true, Ordering::Relaxed);
        let halt = first.rumpus(&["halt", "--reason", "bench"]).run();
        let exit = boottime();
        let seen = watch.join().map_err(|_panic| anyhow!("the probes panicked"))?;
        anyhow::Ok((start, seen?, (halt?, exit)))
    })?;
    let (halt, exit) = halt;
    halt.expect(0)?;
    let said = attestations(&run.wait()?)?;
    first.rumpus(&["resume"]).run()?.expect(0)?;
    ensure!(said.len() == crowd.faults(), "{} attestations of {} faults", said.len(), crowd.faults());
    let last = |at: fn(&Attestation) -> Option<Duration>| {
        let instants: Option<Vec<Duration>> = said.iter().map(at).collect();
        instants.and_then(|all| all.into_iter().max()).context("an instant is missing")
    };
    Ok(Once {
        began: last(|one| one.in_effect)?.saturating_sub(first_effect(&said)?),
        ended: last(|one| one.effect_ended)?.saturating_sub(start),
        seen: seen.saturating_sub(start),
        clean: last(|one| one.clean)?.saturating_sub(start),
        exit: exit.saturating_sub(start),
    })
}

fn first_effect(said: &[Attestation]) -> Result<Duration> {
    said.iter().filter_map(|one| one.in_effect).min().context("nothing was in effect")
}

fn attestations(ended: &Ended) -> Result<Vec<Attestation>> {
    let all = ended.attestations()?.into_iter();
    all.map(|one| serde_json::from_value(one).context("read an attestation")).collect()
}

fn probe(lab: &Lab, echo: &Echo) -> Result<UdpSocket> {
    lab.target().run(|| {
        let socket = UdpSocket::bind(("0.0.0.0", 0)).context("bind a probe")?;
        socket.connect(echo.address()).context("connect a probe")?;
        socket.set_nonblocking(true).context("make a probe non-blocking")?;
        Ok(socket)
    })
}

/// Sends one datagram on each path and says which ones answer within 100 ms.
fn answers(probes: &[UdpSocket]) -> Result<Vec<bool>> {
    for probe in probes {
        // What came late to an earlier question is no answer to this one.
        while answered(probe) {}
        send(probe);
    }
    thread::sleep(Duration::from_millis(100));
    Ok(probes.iter().map(answered).collect())
}

/// Probes until every path has answered, and returns when the last one did.
fn watch(probes: &[UdpSocket], halted: &AtomicBool) -> Result<Duration> {
    let mut open = vec![false; probes.len()];
    let mut end = boottime() + PATIENCE;
    while open.contains(&false) {
        for (probe, open) in probes.iter().zip(&mut open).filter(|(_, open)| !**open) {
            send(probe);
            *open = answered(probe);
        }
        thread::sleep(PROBE);
        if !halted.load(Ordering::Relaxed) {
            end = boottime() + PATIENCE;
        }
        ensure!(boottime() < end, "{} paths stay closed", open.iter().filter(|open| !**open).count());
    }
    Ok(boottime())
}

fn send(probe: &UdpSocket) {
    // A datagram that the fault refuses is the fault at work.
    drop(probe.send(b"there?"));
}

fn answered(probe: &UdpSocket) -> bool {
    let mut answer = [0; 16];
    probe.recv(&mut answer).is_ok()
}
