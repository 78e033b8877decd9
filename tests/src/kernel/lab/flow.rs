//! Flows of numbered datagrams in one direction, and one open connection: what an echo cannot show.
//!
//! Both ends are threads of one process, so one clock times the way from one namespace to the other.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use rustix::net::sockopt::{set_ip_tos, set_socket_recv_buffer_size_force};

use super::Namespace;

/// Room for every datagram of the largest flow, so that a receiver that is not scheduled loses none.
const ROOM: usize = 64 << 20;

/// How often a receiver looks whether the sender has finished.
const TICK: Duration = Duration::from_millis(50);

/// One flow: who sends to whom, how much, and how it is marked.
#[derive(Debug, Clone, Copy)]
pub struct Flow<'a> {
    /// Where it is sent.
    pub from: &'a Namespace,
    /// Where it is received.
    pub to: &'a Namespace,
    /// The sender's address and port; 0 lets the kernel choose.
    pub source: SocketAddr,
    /// The receiver's address and port; 0 lets the kernel choose.
    pub target: SocketAddr,
    /// The most datagrams that are sent.
    pub count: u32,
    /// The time between two of them.
    pub gap: Duration,
    /// How long silence after the last one means that no more will come.
    pub patience: Duration,
    /// The IPv4 type of service that they carry.
    pub tos: u8,
}

/// One datagram that arrived.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Its number; the first one is 0.
    pub number: u32,
    /// How long it was on its way.
    pub after: Duration,
}

/// What became of a flow.
#[derive(Debug)]
pub struct Arrivals {
    /// Datagrams that were sent or that the kernel refused to send.
    pub sent: u32,
    /// Those that arrived, in the order in which they did.
    pub all: Vec<Arrival>,
}

impl Flow<'_> {
    /// Sends `count` datagrams.
    ///
    /// # Errors
    /// If a socket cannot be made.
    pub fn send(&self) -> Result<Arrivals> {
        self.send_until(&AtomicBool::new(false))
    }

    /// Sends datagrams until `stop` is set, `count` at most.
    ///
    /// # Errors
    /// If a socket cannot be made.
    pub fn send_until(&self, stop: &AtomicBool) -> Result<Arrivals> {
        let receiver = self.to.run(|| {
            let socket = UdpSocket::bind(self.target).context("bind a flow's receiver")?;
            set_socket_recv_buffer_size_force(&socket, ROOM).context("make room for a flow")?;
            socket.set_read_timeout(Some(TICK)).context("limit the wait of a receiver")?;
            Ok(socket)
        })?;
        let to = receiver.local_addr().context("read a receiver's address")?;
        let began = Instant::now();
        let sent = AtomicU32::new(0);
        let done = AtomicBool::new(false);
        let all = thread::scope(|scope| {
            let arrivals = scope.spawn(|| receive(&receiver, self, began, &sent, &done));
            let sending = self.from.run(|| self.push(to, began, &sent, stop));
            done.store(true, Ordering::SeqCst);
            let all = arrivals.join().map_err(|_panic| anyhow!("a receiver panicked"))?;
            sending.map(|()| all)
        })?;
        Ok(Arrivals { sent: sent.into_inner(), all })
    }

    fn push(&self, to: SocketAddr, began: Instant, sent: &AtomicU32, stop: &AtomicBool) -> Result<()> {
        let socket = UdpSocket::bind(self.source).context("bind a flow's sender")?;
        if to.is_ipv4() && self.tos != 0 {
            set_ip_tos(&socket, self.tos).context("mark a flow")?;
        }
        for number in 0..self.count {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            let mut datagram = [0; 12];
            let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            datagram[..4].copy_from_slice(&number.to_be_bytes());
            datagram[4..].copy_from_slice(&nanos.to_be_bytes());
            // A datagram that a rule forbids is a lost one.
            drop(socket.send_to(&datagram, to));
            sent.fetch_add(1, Ordering::SeqCst);
            if !self.gap.is_zero() {
                thread::sleep(self.gap);
            }
        }
        Ok(())
    }
}

fn receive(socket: &UdpSocket, flow: &Flow<'_>, began: Instant, sent: &AtomicU32, done: &AtomicBool) -> Vec<Arrival> {
    let mut all = Vec::new();
    let mut quiet_since = Instant::now();
    let mut datagram = [0; 64];
    loop {
        if let Ok(12) = socket.recv(&mut datagram) {
            let number = datagram.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
            let at = datagram.get(4..).and_then(<[u8]>::first_chunk::<8>).map_or(0, |bytes| u64::from_be_bytes(*bytes));
            all.push(Arrival { number, after: began.elapsed().saturating_sub(Duration::from_nanos(at)) });
            quiet_since = Instant::now();
        } else if !done.load(Ordering::SeqCst) {
            quiet_since = Instant::now();
        }
        let complete = u32::try_from(all.len()).is_ok_and(|count| count >= sent.load(Ordering::SeqCst));
        if done.load(Ordering::SeqCst) && (complete || quiet_since.elapsed() > flow.patience) {
            return all;
        }
    }
}

impl Arrivals {
    /// Returns how many did not arrive.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.sent.saturating_sub(u32::try_from(self.all.len()).unwrap_or(u32::MAX))
    }

    /// Returns how many arrived after one that was sent after them.
    #[must_use]
    pub fn overtaken(&self) -> usize {
        let mut highest = 0;
        let mut overtaken = 0;
        for arrival in &self.all {
            if arrival.number < highest {
                overtaken += 1;
            }
            highest = highest.max(arrival.number);
        }
        overtaken
    }

    /// Returns the shortest way; zero if none arrived.
    #[must_use]
    pub fn shortest(&self) -> Duration {
        self.all.iter().map(|arrival| arrival.after).min().unwrap_or_default()
    }
}

/// A TCP connection to an echo that stays open.
#[derive(Debug)]
pub struct Talk {
    stream: TcpStream,
    number: u8,
}

impl Talk {
    /// Opens it from `namespace`.
    ///
    /// # Errors
    /// If it cannot be opened within `patience`.
    pub fn open(namespace: &Namespace, to: SocketAddr, patience: Duration) -> Result<Self> {
        let stream = namespace.run(|| {
            let stream = TcpStream::connect_timeout(&to, patience).with_context(|| format!("connect to {to}"))?;
            stream.set_nodelay(true).context("send at once")?;
            Ok(stream)
        })?;
        Ok(Self { stream, number: 0 })
    }

    /// Sends one byte and waits for it to come back; `None` if it does not within `patience`.
    ///
    /// # Errors
    /// If the connection is broken.
    pub fn say(&mut self, patience: Duration) -> Result<Option<Duration>> {
        self.number = self.number.wrapping_add(1);
        let began = Instant::now();
        self.stream.write_all(&[self.number]).context("send into a connection")?;
        while let Some(left) = patience.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
            self.stream.set_read_timeout(Some(left)).context("limit the wait of a connection")?;
            let mut bytes = [0; 64];
            match self.stream.read(&mut bytes) {
                Ok(0) => anyhow::bail!("the connection was closed"),
                Ok(length) if bytes.get(..length).unwrap_or_default().contains(&self.number) => {
                    return Ok(Some(began.elapsed()));
                }
                Ok(_earlier) => {}
                Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                    break;
                }
                Err(error) => return Err(error).context("read from a connection"),
            }
        }
        Ok(None)
    }
}
