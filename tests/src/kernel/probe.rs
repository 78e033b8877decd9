//! A steady stream of numbered datagrams from the target to the peer, and what became of each.
//!
//! Every datagram's sending is stamped with CLOCK_BOOTTIME, so that "the last packet that was hit" is an instant that
//! can be compared with a crash, a lease and a deadline. It must never call a datagram hit because the reader was slow:
//! answers are waited for long after the stream has ended.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rumpus_agent::kernel::timer::boottime;

use super::case::Settings;
use super::lab::{Echo, Lab, address};
use super::matrix::Kernel;

/// How often the reader looks whether it is to stop.
const TICK: Duration = Duration::from_millis(20);

/// Datagrams in a row that went through, after which the stream counts as untouched: with half of them dropped, such a
/// row comes by chance once in 10^12.
const ROW: usize = 40;

/// When one datagram was sent, and how long its answer took.
#[derive(Debug, Clone, Copy)]
struct Trip {
    sent: Duration,
    took: Option<Duration>,
}

/// The stream; it ends when it is dropped.
#[derive(Debug)]
pub struct Probe {
    _echo: Echo,
    stop: Arc<AtomicBool>,
    trips: Arc<Mutex<Vec<Trip>>>,
    threads: Vec<JoinHandle<()>>,
    /// An answer that takes as long as this shows a delay; without one, only a missing answer counts.
    slow: Option<Duration>,
    /// A datagram that is not answered for this long counts as lost, until its answer comes after all.
    lost: Duration,
}

impl Probe {
    /// Starts the stream. An answer that takes `slow` or longer counts as hit, and so does a missing one. Where there is
    /// no `slow`, an answer that a busy machine gives late does not.
    ///
    /// # Errors
    /// If the sockets cannot be made, or the first datagrams are not answered: then nothing could be measured.
    pub fn start(lab: &Lab, slow: Option<Duration>) -> Result<Self> {
        let probe = Self::begin(lab, slow)?;
        probe.untouched_since(boottime(), lab.patience()).context("before any fault")?;
        Ok(probe)
    }

    /// Starts the stream where a fault may be in effect already.
    ///
    /// # Errors
    /// If the sockets cannot be made.
    pub fn begin(lab: &Lab, slow: Option<Duration>) -> Result<Self> {
        let echo = lab.peer().udp_echo(address::PEER_V4)?;
        let to = echo.address();
        let trips = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let socket = lab.target().run(|| client(to))?;
        let threads = vec![sender(&socket, gap(lab.settings()), &trips, &stop)?, reader(socket, &trips, &stop)];
        let lost = match lab.settings().kernel {
            Kernel::Host => Duration::from_millis(300),
            Kernel::Qemu => Duration::from_millis(1500),
        };
        let lost = slow.map_or(lost, |slow| slow.max(lost));
        Ok(Self { _echo: echo, stop, trips, threads, slow, lost })
    }

    /// Returns when the last datagram that was hit was sent; one that may still be answered in time counts as not hit.
    #[must_use]
    pub fn last_hit(&self) -> Option<Duration> {
        let now = boottime();
        self.trips().iter().rev().find(|trip| self.is_hit(trip, now)).map(|trip| trip.sent)
    }

    /// Returns how many of the datagrams that were sent between two instants were hit, and how many there were.
    #[must_use]
    pub fn hits_between(&self, from: Duration, to: Duration) -> (usize, usize) {
        let now = boottime();
        let trips = self.trips();
        let within = trips.iter().filter(|trip| (from..=to).contains(&trip.sent));
        let all: Vec<&Trip> = within.collect();
        (all.iter().filter(|trip| self.is_hit(trip, now)).count(), all.len())
    }

    /// Waits until datagrams are hit that were sent after `since`.
    ///
    /// # Errors
    /// If none is within `patience`.
    pub fn hit_since(&self, since: Duration, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if self.last_hit().is_some_and(|at| at >= since) {
                return Ok(());
            }
            thread::sleep(TICK);
        }
        bail!("no datagram was hit within {patience:?}")
    }

    /// Waits until a long row of datagrams, all sent after `since`, went through untouched, with none hit behind it.
    ///
    /// # Errors
    /// If there is none within `patience`.
    pub fn untouched_since(&self, since: Duration, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if self.row(since) >= ROW {
                return Ok(());
            }
            thread::sleep(TICK);
        }
        bail!("after {patience:?} only {} datagrams in a row went through untouched, of {ROW}", self.row(since))
    }

    /// Fails if a datagram that was sent after `latest` was hit; waits until each has had its time to be answered.
    ///
    /// # Errors
    /// With how much later.
    pub fn expect_no_hit_after(&self, latest: Duration, what: &str) -> Result<()> {
        let asked = boottime();
        while boottime() < asked + self.lost {
            thread::sleep(TICK);
        }
        if let Some(last) = self.last_hit() {
            let late = last.saturating_sub(latest);
            ensure!(late.is_zero(), "{what}: a datagram was hit {late:?} later than it may be");
        }
        Ok(())
    }

    /// Returns the length of the row of untouched answers at the end of the stream. What was sent last has no answer yet;
    /// what has none although a later one has may be lost.
    fn row(&self, since: Duration) -> usize {
        let now = boottime();
        let trips = self.trips();
        let answered = trips.iter().rev().skip_while(|trip| trip.took.is_none() && !self.is_hit(trip, now));
        answered.take_while(|trip| trip.sent >= since && trip.took.is_some() && !self.is_hit(trip, now)).count()
    }

    fn is_hit(&self, trip: &Trip, now: Duration) -> bool {
        match trip.took {
            Some(took) => self.slow.is_some_and(|slow| took >= slow),
            None => now.saturating_sub(trip.sent) >= self.lost,
        }
    }

    fn trips(&self) -> MutexGuard<'_, Vec<Trip>> {
        self.trips.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic's own message stands in the case's output.
            drop(thread.join());
        }
    }
}

/// Emulation sends a datagram in about a millisecond.
fn gap(settings: &Settings) -> Duration {
    match settings.kernel {
        Kernel::Host => Duration::from_millis(5),
        Kernel::Qemu => Duration::from_millis(25),
    }
}

fn client(to: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind("0.0.0.0:0").context("bind the probe")?;
    socket.connect(to).context("connect the probe")?;
    socket.set_read_timeout(Some(TICK)).context("limit the wait of the probe")?;
    Ok(socket)
}

fn sender(
    socket: &UdpSocket,
    gap: Duration,
    trips: &Arc<Mutex<Vec<Trip>>>,
    stop: &Arc<AtomicBool>,
) -> Result<JoinHandle<()>> {
    let socket = socket.try_clone().context("duplicate the probe")?;
    let (trips, stop) = (Arc::clone(trips), Arc::clone(stop));
    let number = AtomicU64::new(0);
    Ok(thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            let number = number.fetch_add(1, Ordering::Relaxed);
            // Before it is sent: a pause in between makes a hit look earlier than it was, by no more than the pause, and
            // never makes an untouched datagram look hit later.
            let trip = Trip { sent: boottime(), took: None };
            trips.lock().unwrap_or_else(PoisonError::into_inner).push(trip);
            // What a rule forbids to be sent stays unanswered.
            drop(socket.send(&number.to_be_bytes()));
            thread::sleep(gap);
        }
    }))
}

fn reader(socket: UdpSocket, trips: &Arc<Mutex<Vec<Trip>>>, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (trips, stop) = (Arc::clone(trips), Arc::clone(stop));
    thread::spawn(move || {
        let mut answer = [0; 8];
        while !stop.load(Ordering::Relaxed) {
            match socket.recv(&mut answer) {
                Ok(8) => note(&trips, u64::from_be_bytes(answer)),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                // An ICMP error is the fault at work.
                Err(_refused) => {}
            }
        }
    })
}

fn note(trips: &Mutex<Vec<Trip>>, number: u64) {
    let now = boottime();
    let Ok(number) = usize::try_from(number) else { return };
    let mut trips = trips.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(trip) = trips.get_mut(number) {
        trip.took = Some(now.saturating_sub(trip.sent));
    }
}
