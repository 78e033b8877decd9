//! TCP between the two ends of a lab: ping-pong of 64 bytes, and one stream as fast as it goes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::kernel::lab::Namespace;

/// Bytes of a ping.
pub(super) const PING: usize = 64;

/// Bytes of one write of a stream.
const PIECE: usize = 256 * 1024;

/// How often a server looks whether it is to stop.
const TICK: Duration = Duration::from_millis(50);

/// The longest wait for a connection or an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a server does with what it gets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manner {
    /// Sends it back.
    Echo,
    /// Counts it.
    Sink,
}

/// A server on threads of its own, until it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(namespace: &Namespace, address: IpAddr, manner: Manner) -> Result<Self> {
        let listener = namespace.run(|| TcpListener::bind((address, 0)).context("bind a server"))?;
        listener.set_nonblocking(true).context("make a listener non-blocking")?;
        let address = listener.local_addr().context("read a server's address")?;
        let (stop, received) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&received));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let (stopped, counter) = (Arc::clone(&stopped), Arc::clone(&counter));
                        // It ends when its client closes, or a tick after the server stops.
                        drop(thread::spawn(move || serve(stream, manner, &stopped, &counter)));
                    }
                    Err(_nothing_yet) => thread::sleep(Duration::from_millis(1)),
                }
            }
        });
        Ok(Self { address, received, stop, thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the bytes received so far, of all connections.
    fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic's own message is in the output.
            drop(thread.join());
        }
    }
}

fn serve(mut stream: TcpStream, manner: Manner, stop: &AtomicBool, received: &AtomicU64) {
    let ready = stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true));
    if ready.and_then(|()| stream.set_read_timeout(Some(TICK))).is_err() {
        return;
    }
    let mut bytes = vec![0; PIECE];
    while !stop.load(Ordering::Relaxed) {
        match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(length) => {
                received.fetch_add(u64::try_from(length).unwrap_or(u64::MAX), Ordering::Relaxed);
                let answer = bytes.get(..length).unwrap_or_default();
                if matches!(manner, Manner::Echo) && stream.write_all(answer).is_err() {
                    return;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_broken) => return,
        }
    }
}

/// Sends pings over one connection, one after the other, and returns each round trip.
pub(super) fn ping_pong(namespace: &Namespace, to: SocketAddr, count: usize) -> Result<Vec<Duration>> {
    namespace.run(|| {
        let mut stream = connect(to)?;
        let mut trips = Vec::with_capacity(count);
        let (ping, mut pong) = ([7; PING], [0; PING]);
        for number in 0..count + 1 {
            let began = Instant::now();
            stream.write_all(&ping).context("send a ping")?;
            stream.read_exact(&mut pong).context("wait for an answer")?;
            // The first one also waits for the server to take the connection.
            if number > 0 {
                trips.push(began.elapsed());
            }
        }
        Ok(trips)
    })
}

/// Sends as fast as it goes for `time` and returns the bytes per second that arrived at the server.
pub(super) fn flood(namespace: &Namespace, to: SocketAddr, server: &Server, time: Duration) -> Result<f64> {
    namespace.run(|| {
        let mut stream = connect(to)?;
        let piece = vec![7; PIECE];
        let until = |end: Instant, stream: &mut TcpStream| -> Result<()> {
            while Instant::now() < end {
                stream.write_all(&piece).context("send a piece")?;
            }
            Ok(())
        };
        // The window of the connection grows first.
        until(Instant::now() + time / 4, &mut stream)?;
        let (began, before) = (Instant::now(), server.received());
        until(began + time, &mut stream)?;
        let (after, took) = (server.received(), began.elapsed());
        ensure!(after > before, "nothing arrived");
        // Exact below 2^53 bytes.
        #[expect(clippy::cast_precision_loss, reason = "a rate of three digits")]
        let bytes = (after - before) as f64;
        Ok(bytes / took.as_secs_f64())
    })
}

fn connect(to: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE).with_context(|| format!("connect to {to}"))?;
    stream.set_nodelay(true).context("switch Nagle off")?;
    stream.set_read_timeout(Some(PATIENCE)).context("limit a wait")?;
    stream.set_write_timeout(Some(PATIENCE)).context("limit a wait")?;
    Ok(stream)
}
