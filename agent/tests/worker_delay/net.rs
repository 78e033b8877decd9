//! Two network namespaces with a veth pair between them, and traffic to measure.

use crate::rule;
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

static MADE: AtomicU32 = AtomicU32::new(0);

/// The target's namespace, which the rules are in, and its peer's. Dropping it deletes both.
pub struct Pair {
    pub target: String,
    pub peer: String,
}

pub const TARGET4: &str = "10.77.0.1";
pub const PEER4: &str = "10.77.0.2";
pub const TARGET6: &str = "fd77::1";
pub const PEER6: &str = "fd77::2";

impl Pair {
    pub fn new() -> Self {
        let tag = format!("rqueue{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let pair = Self { target: format!("{tag}-t"), peer: format!("{tag}-p") };
        for name in [&pair.target, &pair.peer] {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        ip(&["-n", &pair.target, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", &pair.peer]);
        let ends = [(&pair.target, TARGET4, TARGET6), (&pair.peer, PEER4, PEER6)];
        for (name, four, six) in ends {
            ip(&["-n", name, "addr", "add", &format!("{four}/24"), "dev", "eth0"]);
            ip(&["-n", name, "addr", "add", &format!("{six}/64"), "dev", "eth0", "nodad"]);
            ip(&["-n", name, "link", "set", "eth0", "up"]);
        }
        pair
    }

    pub fn netns(&self) -> File {
        File::open(format!("/run/netns/{}", self.target)).unwrap()
    }

    pub fn install(&self, family: u8, hooks: &'static [u32], queue: u16) {
        inside(&self.target, move || rule::install(family, hooks, queue));
    }

    pub fn remove(&self, family: u8) {
        inside(&self.target, move || rule::remove(family));
    }

    /// Answers every datagram in the peer's namespace until the returned guard is dropped; port 7.
    pub fn echo(&self, address: &str) -> Echo {
        let socket = bind(&self.peer, address, 7);
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let mut bytes = [0; 65_536];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut bytes) {
                    drop(socket.send_to(&bytes[..length], from));
                }
            }
        });
        Echo { stop, thread: Some(thread) }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for name in [&self.target, &self.peer] {
            drop(Command::new("ip").args(["netns", "del", name]).status());
        }
    }
}

pub struct Echo {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Runs `act` on a thread inside the namespace `name`.
pub fn inside<T: Send>(name: &str, act: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        scope
            .spawn(|| {
                setns(File::open(format!("/run/netns/{name}")).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
                act()
            })
            .join()
            .unwrap()
    })
}

/// Returns a datagram socket of the namespace `name`.
pub fn bind(name: &str, address: &str, port: u16) -> UdpSocket {
    let at = SocketAddr::new(address.parse::<IpAddr>().unwrap(), port);
    let socket = inside(name, || UdpSocket::bind(at).unwrap());
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBufForce, &(64 << 20)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    socket
}

/// Sends `count` datagrams of `size` bytes one after another and returns how long each answer took.
pub fn ping(socket: &UdpSocket, to: &str, port: u16, size: usize, count: usize) -> Vec<Duration> {
    let to = SocketAddr::new(to.parse().unwrap(), port);
    let mut bytes = vec![0; 65_536];
    (0..count)
        .map(|_| {
            let start = Instant::now();
            socket.send_to(&vec![1; size], to).unwrap();
            socket.recv_from(&mut bytes).expect("no answer within 3 s");
            start.elapsed()
        })
        .collect()
}

/// Sends numbered datagrams, `every` apart.
pub fn send_numbered(socket: &UdpSocket, to: &str, port: u16, count: u32, every: Duration) {
    let to = SocketAddr::new(to.parse().unwrap(), port);
    let start = Instant::now();
    for number in 0..count {
        let due = start + every * number;
        if let Some(wait) = due.checked_duration_since(Instant::now()) {
            thread::sleep(wait);
        }
        let mut bytes = [0; 64];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        socket.send_to(&bytes, to).unwrap();
    }
}

/// Receives until `count` numbers came or none came for `quiet`.
pub fn receive_numbered(socket: &UdpSocket, count: u32, quiet: Duration) -> Vec<u32> {
    socket.set_read_timeout(Some(quiet)).unwrap();
    let mut numbers = Vec::new();
    let mut bytes = [0; 64];
    while numbers.len() < count as usize && socket.recv(&mut bytes).is_ok() {
        numbers.push(u32::from_be_bytes(bytes[..4].try_into().unwrap()));
    }
    numbers
}

pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn ip(words: &[&str]) {
    let done = Command::new("ip").args(words).output().expect("the tool `ip` is needed");
    assert!(done.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&done.stderr));
}
