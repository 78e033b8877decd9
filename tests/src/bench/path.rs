//! What a packet pays on its way: our NFQUEUE engine beside Toxiproxy and beside no fault at all.
//!
//! ```text
//! direct      client (target) ------------------------------------> server (peer)
//! nfqueue     client (target) -- queue, worker --------------------> server (peer)
//! toxiproxy   client (target) -- loopback -- proxy (target) -------> server (peer)
//! ```
//! All three delay the client's side of the stream only, over the same cable, and are measured in turn.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rumpus_agent::worker::spawn::{Spawner, WorkerProgram};

use super::delay::Line;
use super::site::{Site, status_kb};
use super::stats::{Samples, offset, show};
use super::stream::{Manner, Server, flood, ping_pong};
use super::supervise::progress;
use super::table::Row;
use super::toxiproxy::Toxiproxy;
use crate::kernel::lab::{Lab, address};

const PING_ROUNDS: usize = 8;
const PINGS: usize = 2_000;
const FLOOD_ROUNDS: usize = 5;
const FLOOD: Duration = Duration::from_millis(800);

/// Delays, and how many pings measure each, twice.
const DELAYS: &[(u64, usize)] = &[(1, 250), (10, 60), (100, 15)];

/// Who is measured.
struct Peers<'a> {
    lab: &'a Lab,
    spawner: Spawner,
    toxiproxy: Toxiproxy<'a>,
    echo: Server,
    sink: Server,
    /// Toxiproxy's ways to the two servers.
    ping: SocketAddr,
    bulk: SocketAddr,
}

pub(super) fn measure(site: &Site, toxiproxy: &Path) -> Result<Vec<Row>> {
    let lab = site.lab(0)?;
    let echo = Server::start(lab.peer(), address::PEER_V4, Manner::Echo)?;
    let sink = Server::start(lab.peer(), address::PEER_V4, Manner::Sink)?;
    let toxiproxy = Toxiproxy::start(toxiproxy, lab.target())?;
    let ping = toxiproxy.proxy("ping", 7001, echo.address())?;
    let bulk = toxiproxy.proxy("bulk", 7002, sink.address())?;
    let spawner = Spawner::start(WorkerProgram::this_binary())?;
    let peers = Peers { lab: &lab, spawner, toxiproxy, echo, sink, ping, bulk };
    let mut rows = peers.round_trips()?;
    rows.push(peers.throughput()?);
    for (delay, pings) in DELAYS {
        progress(&format!("accuracy at {delay} ms"));
        rows.push(peers.accuracy(Duration::from_millis(*delay), *pings)?);
    }
    rows.push(peers.memory()?);
    drop(peers);
    site.remove(lab, 0)?;
    Ok(rows)
}

impl Peers<'_> {
    fn line(&self, to: &Server, delay: Duration) -> Result<Line> {
        Line::lay(&self.spawner, self.lab.target(), to.address(), delay)
    }

    fn pings(&self, to: SocketAddr, count: usize) -> Result<Vec<Duration>> {
        ping_pong(self.lab.target(), to, count)
    }

    fn round_trips(&self) -> Result<Vec<Row>> {
        let (mut direct, mut ours, mut theirs) = (Samples::default(), Samples::default(), Samples::default());
        for _round in 0..PING_ROUNDS {
            direct.extend(self.pings(self.echo.address(), PINGS)?);
            theirs.extend(self.pings(self.ping, PINGS)?);
            let line = self.line(&self.echo, Duration::ZERO)?;
            ours.extend(self.pings(self.echo.address(), PINGS)?);
            drop(line);
        }
        let more = |samples: &Samples| offset(samples.median(), direct.median());
        let peers = format!(
            "Toxiproxy {} ({}), p99 {}; direct {}, p99 {}",
            more(&theirs),
            show(theirs.median()),
            show(theirs.p99()),
            show(direct.median()),
            show(direct.p99())
        );
        let row = Row::new("64 B TCP ping-pong through engine nfqueue at delay 0, over direct");
        let value = format!("{} ({})", more(&ours), show(ours.median()));
        let row = row.value(value).p99(show(ours.p99())).count(ours.count()).peers(peers).goal("≤ +40 µs");
        Ok(vec![row])
    }

    fn throughput(&self) -> Result<Row> {
        let to = self.lab.target();
        let (mut direct, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for _round in 0..FLOOD_ROUNDS {
            direct.push(flood(to, self.sink.address(), &self.sink, FLOOD)?);
            theirs.push(flood(to, self.bulk, &self.sink, FLOOD)?);
            let line = self.line(&self.sink, Duration::ZERO)?;
            ours.push(flood(to, self.sink.address(), &self.sink, FLOOD)?);
            drop(line);
        }
        let median = |rates: &mut Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            rates.get(rates.len() / 2).copied().unwrap_or_default()
        };
        let (direct, ours, theirs) = (median(&mut direct), median(&mut ours), median(&mut theirs));
        let peers = format!(
            "Toxiproxy {:.2} GB/s (×{:.1} of it is ours); direct {:.2} GB/s",
            theirs / 1e9,
            ours / theirs,
            direct / 1e9
        );
        let row = Row::new("one TCP stream through engine nfqueue at delay 0").value(format!("{:.2} GB/s", ours / 1e9));
        Ok(row.count(FLOOD_ROUNDS).peers(peers).goal("> 2 GB/s"))
    }

    fn accuracy(&self, delay: Duration, pings: usize) -> Result<Row> {
        let (mut direct, mut ours, mut theirs) = (Samples::default(), Samples::default(), Samples::default());
        for _round in 0..2 {
            direct.extend(self.pings(self.echo.address(), pings)?);
            self.toxiproxy.latency("ping", delay)?;
            theirs.extend(self.pings(self.ping, pings)?);
            self.toxiproxy.latency("ping", Duration::ZERO)?;
            let line = self.line(&self.echo, delay)?;
            ours.extend(self.pings(self.echo.address(), pings)?);
            drop(line);
        }
        // What a ping takes without a delay is not the engine's error.
        let asked = delay + direct.median();
        let peers = format!("Toxiproxy {}, p99 {}", offset(theirs.median(), asked), offset(theirs.p99(), asked));
        let row = Row::new(format!("{} asked of engine nfqueue: error of the delay", show(delay)));
        let row = row.value(offset(ours.median(), asked)).p99(offset(ours.p99(), asked));
        Ok(row.count(ours.count()).peers(peers).goal("within 0.3 ms"))
    }

    /// After everything else, so that Toxiproxy has worked too.
    fn memory(&self) -> Result<Row> {
        let line = self.line(&self.sink, Duration::from_millis(1))?;
        flood(self.lab.target(), self.sink.address(), &self.sink, FLOOD)?;
        let ours = line.worker_kb().context("the worker's memory cannot be read")?;
        let theirs = status_kb(self.toxiproxy.pid(), "VmRSS").context("Toxiproxy's memory cannot be read")?;
        let row = Row::new("resident memory of one delay worker, after a stream at 1 ms").value(megabytes(ours));
        Ok(row.count(1).peers(format!("Toxiproxy {}", megabytes(theirs))))
    }
}

/// Writes kB as MB of a million bytes.
pub(super) fn megabytes(kb: u64) -> String {
    let tenths = kb * 1024 / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
