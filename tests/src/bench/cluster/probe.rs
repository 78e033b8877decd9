//! Numbered datagrams between pods at a steady pace, and which of them arrived.
//!
//! Sockets lie inside the pods' networks; one thread sends on all flows and looks what came.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rumpus_agent::kernel::timer::boottime;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use super::trace::Trace;
use crate::live::pod::Pod;

/// How long silence means that a flow is lost, while one waits; the instant itself is taken from the trace.
const SILENCE: Duration = Duration::from_millis(50);

/// How long the last datagrams may be on their way.
const PATIENCE: Duration = Duration::from_millis(100);

/// Room for what a receiver that is not scheduled does not read.
const ROOM: usize = 1 << 20;

/// One way from one pod to another.
#[derive(Debug)]
pub(super) struct Flow {
    sender: UdpSocket,
    receiver: UdpSocket,
}

impl Flow {
    pub(super) fn open(from: &Pod, to: &Pod) -> Result<Self> {
        let receiver = to.net.run(|| {
            let socket = UdpSocket::bind((to.address, 0)).context("bind a receiver")?;
            set_socket_recv_buffer_size_force(&socket, ROOM).context("make room for a receiver")?;
            socket.set_nonblocking(true).context("make a receiver non-blocking")?;
            Ok(socket)
        })?;
        let target = receiver.local_addr().context("read a receiver's address")?;
        let sender = from.net.run(|| {
            let socket = UdpSocket::bind((from.address, 0)).context("bind a sender")?;
            socket.connect(target).context("connect a sender")?;
            socket.set_nonblocking(true).context("make a sender non-blocking")?;
            Ok(socket)
        })?;
        Ok(Self { sender, receiver })
    }
}

/// When the last datagram was sent, and the last one of each flow that arrived, in µs of CLOCK_BOOTTIME.
#[derive(Debug)]
struct Live {
    stop: AtomicBool,
    sent: AtomicU64,
    good: Vec<AtomicU64>,
}

/// Flows that are probed until [`Probe::finish`].
#[derive(Debug)]
pub(super) struct Probe {
    live: Arc<Live>,
    thread: JoinHandle<Vec<Trace>>,
}

impl Probe {
    pub(super) fn start(flows: Vec<Flow>, period: Duration) -> Self {
        let good = flows.iter().map(|_| AtomicU64::new(0)).collect();
        let live = Arc::new(Live { stop: AtomicBool::new(false), sent: AtomicU64::new(0), good });
        let theirs = Arc::clone(&live);
        Self { live, thread: thread::spawn(move || run(&flows, period, &theirs)) }
    }

    /// Whether nothing arrives on any flow.
    pub(super) fn all_lost(&self) -> bool {
        let sent = self.live.sent.load(Ordering::Relaxed);
        self.live.good.iter().all(|good| good.load(Ordering::Relaxed) + micros(SILENCE) < sent)
    }

    /// Whether something that was sent after this instant has arrived on every flow.
    pub(super) fn all_good(&self, after: Duration) -> bool {
        self.live.good.iter().all(|good| good.load(Ordering::Relaxed) > micros(after))
    }

    /// Ends it and returns what became of each flow, in their order.
    pub(super) fn finish(self) -> Result<Vec<Trace>> {
        self.live.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_panic| anyhow!("a probe panicked"))
    }
}

fn run(flows: &[Flow], period: Duration, live: &Live) -> Vec<Trace> {
    let mut traces: Vec<Trace> = flows.iter().map(|_| Trace::default()).collect();
    let mut next = boottime();
    while !live.stop.load(Ordering::Relaxed) {
        for (flow, trace) in flows.iter().zip(&mut traces) {
            let number = u32::try_from(trace.count()).unwrap_or(u32::MAX);
            let sent = boottime();
            // A datagram that a rule forbids is a lost one.
            drop(flow.sender.send(&number.to_be_bytes()));
            trace.sent(sent);
            live.sent.store(micros(sent), Ordering::Relaxed);
        }
        look(flows, &mut traces, live);
        next += period;
        let now = boottime();
        match next.checked_sub(now) {
            Some(rest) => thread::sleep(rest),
            // Late: what was missed is not made up for.
            None => next = now,
        }
    }
    thread::sleep(PATIENCE);
    look(flows, &mut traces, live);
    traces
}

fn look(flows: &[Flow], traces: &mut [Trace], live: &Live) {
    let mut datagram = [0; 8];
    for ((flow, trace), good) in flows.iter().zip(traces).zip(&live.good) {
        while let Ok(length) = flow.receiver.recv(&mut datagram) {
            let number = datagram.first_chunk::<4>().filter(|_| length == 4).map(|bytes| u32::from_be_bytes(*bytes));
            let index = number.and_then(|number| usize::try_from(number).ok());
            if let Some(sent) = index.and_then(|index| trace.arrived(index)) {
                good.fetch_max(micros(sent), Ordering::Relaxed);
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
