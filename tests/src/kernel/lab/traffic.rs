//! Traffic between the two ends of a lab, and what it shows: round trips, losses, connections.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};

use super::Namespace;

/// How often a server looks whether it is to stop.
const TICK: Duration = Duration::from_millis(20);

/// A server on a thread of its own that sends back what it gets, until it is dropped.
#[derive(Debug)]
pub struct Echo {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What a burst of datagrams met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Datagrams that were sent, or that the kernel refused to send.
    pub sent: u32,
    /// Answers that came back in time.
    pub answered: u32,
}

/// How an attempt to connect ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connect {
    /// The connection stands.
    Open,
    /// The other end, or a rule, answered with a reset or an ICMP error.
    Refused,
    /// Nothing came back.
    TimedOut,
    /// The kernel knows no way, or a rule forbids it.
    Unreachable,
}

impl Echo {
    /// Returns where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            // The panic's own message stands in the case's output.
            self.thread = None;
        }
    }
}

impl Namespace {
    /// Starts a UDP echo server on a port that the kernel chooses.
    ///
    /// # Errors
    /// If the socket cannot be made inside the namespace.
    pub fn udp_echo(&self, address: IpAddr) -> Result<Echo> {
        self.udp_echo_at((address, 0).into())
    }

    /// Starts a UDP echo server.
    ///
    /// # Errors
    /// If the socket cannot be made inside the namespace.
    pub fn udp_echo_at(&self, address: SocketAddr) -> Result<Echo> {
        let socket = self.run(|| {
            let socket = UdpSocket::bind(address).with_context(|| format!("bind UDP to {address}"))?;
            socket.set_read_timeout(Some(TICK)).context("limit the wait of a socket")?;
            Ok(socket)
        })?;
        let address = socket.local_addr().context("read a socket's address")?;
        Ok(Echo::start(address, move |stop| {
            let mut datagram = [0; 2048];
            while !stop.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut datagram) {
                    // An answer that a rule forbids is the measured fault, not an error of the server.
                    drop(socket.send_to(datagram.get(..length).unwrap_or_default(), from));
                }
            }
        }))
    }

    /// Starts a TCP echo server on a port that the kernel chooses.
    ///
    /// # Errors
    /// If the socket cannot be made inside the namespace.
    pub fn tcp_echo(&self, address: IpAddr) -> Result<Echo> {
        let listener = self.run(|| {
            let listener = TcpListener::bind((address, 0)).with_context(|| format!("bind TCP to {address}"))?;
            listener.set_nonblocking(true).context("make a listener non-blocking")?;
            Ok(listener)
        })?;
        let address = listener.local_addr().context("read a socket's address")?;
        Ok(Echo::start(address, move |stop| {
            let mut connections = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let stop = Arc::clone(stop);
                        connections.push(thread::spawn(move || serve(stream, &stop)));
                    }
                    Err(_nothing_yet) => thread::sleep(TICK),
                }
            }
            for connection in connections {
                // A connection that broke under a fault has nothing left to do.
                drop(connection.join());
            }
        }))
    }

    /// Sends `count` datagrams one after the other and returns each round trip; `None` where no
    /// answer came within `patience`.
    ///
    /// # Errors
    /// If the socket cannot be made; a datagram that a rule forbids counts as unanswered.
    pub fn round_trips(&self, to: SocketAddr, count: u32, patience: Duration) -> Result<Vec<Option<Duration>>> {
        self.run(|| {
            let socket = client(to, patience)?;
            let mut trips = Vec::new();
            for number in 0..count {
                trips.push(round_trip(&socket, number, patience));
            }
            Ok(trips)
        })
    }

    /// Sends `count` datagrams, `gap` apart, without waiting for answers in between, and counts the
    /// answers that come until `patience` after the last one.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub fn loss(&self, to: SocketAddr, count: u32, gap: Duration, patience: Duration) -> Result<Loss> {
        self.run(|| {
            let socket = client(to, patience)?;
            let all_sent = AtomicBool::new(false);
            let answered = thread::scope(|scope| {
                let counter = scope.spawn(|| count_answers(&socket, count, &all_sent));
                for number in 0..count {
                    // A datagram that a rule forbids is a lost one: it is not answered.
                    drop(socket.send(&number.to_be_bytes()));
                    thread::sleep(gap);
                }
                all_sent.store(true, Ordering::Relaxed);
                counter.join().map_err(|_panic| anyhow!("the counter of answers panicked"))
            })?;
            Ok(Loss { sent: count, answered })
        })
    }

    /// Tries to open a TCP connection and says how that ended.
    ///
    /// # Errors
    /// If it ended in a way that no fault explains.
    pub fn connect(&self, to: SocketAddr, patience: Duration) -> Result<Connect> {
        self.run(|| {
            let Err(error) = TcpStream::connect_timeout(&to, patience) else {
                return Ok(Connect::Open);
            };
            let kind = error.kind();
            if matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) {
                Ok(Connect::Refused)
            } else if matches!(kind, ErrorKind::TimedOut | ErrorKind::WouldBlock) {
                Ok(Connect::TimedOut)
            } else if matches!(
                kind,
                ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::PermissionDenied
            ) {
                Ok(Connect::Unreachable)
            } else {
                bail!("connect to {to}: {error}")
            }
        })
    }
}

impl Echo {
    fn start(address: SocketAddr, serve: impl FnOnce(&Arc<AtomicBool>) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = thread::spawn(move || serve(&seen));
        Self { address, stop, thread: Some(thread) }
    }
}

/// Sends back what one connection brings, until it closes or the server stops.
fn serve(mut stream: TcpStream, stop: &AtomicBool) {
    if stream.set_nonblocking(false).is_err() || stream.set_read_timeout(Some(TICK)).is_err() {
        return;
    }
    let mut bytes = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(length) => {
                if stream.write_all(bytes.get(..length).unwrap_or_default()).is_err() {
                    return;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_broken) => return,
        }
    }
}

fn client(to: SocketAddr, patience: Duration) -> Result<UdpSocket> {
    let any: SocketAddr = if to.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).context("bind a UDP client")?;
    socket.connect(to).with_context(|| format!("connect UDP to {to}"))?;
    socket.set_read_timeout(Some(patience)).context("limit the wait of a socket")?;
    Ok(socket)
}

/// Waits for the answer to this number only: a late answer to an earlier one is not it.
fn round_trip(socket: &UdpSocket, number: u32, patience: Duration) -> Option<Duration> {
    let started = Instant::now();
    socket.send(&number.to_be_bytes()).ok()?;
    let mut answer = [0; 64];
    while started.elapsed() < patience {
        let length = socket.recv(&mut answer).ok()?;
        if answer.get(..length) == Some(&number.to_be_bytes()) {
            return Some(started.elapsed());
        }
    }
    None
}

fn count_answers(socket: &UdpSocket, most: u32, all_sent: &AtomicBool) -> u32 {
    let mut answer = [0; 64];
    let mut answered = 0;
    while answered < most {
        // Read before the wait: a wait that began after the last datagram and met silence is the end.
        let last_wait = all_sent.load(Ordering::Relaxed);
        match socket.recv(&mut answer) {
            Ok(_) => answered += 1,
            // An ICMP error on the socket is the fault at work, not the end of the answers.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(_silence) if last_wait => break,
            Err(_silence) => {}
        }
    }
    answered
}
