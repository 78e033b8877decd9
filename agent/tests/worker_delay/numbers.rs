//! Measurements: the engine against no engine, in one run on one machine. Printed; speed is never asserted.

use crate::cases::{BOTH, MS, args, delayed, spawner};
use crate::net::{PEER4, Pair, TARGET4, bind, inside, percentile, ping, receive_numbered, send_numbered};
use crate::rule::{IPV4, POSTROUTING, PREROUTING};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

const FAR: Duration = Duration::from_secs(120);

pub fn run() -> ExitCode {
    round_trips();
    accuracy();
    streams();
    senders_that_block();
    cost();
    ExitCode::SUCCESS
}

fn row(name: &str, times: &mut [Duration]) {
    let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(times, percent));
    println!("{name:<44} p50 {p50:>10.1?}  p99 {p99:>10.1?}  max {max:>10.1?}");
}

fn round_trips() {
    println!("-- round trip of 64 bytes, 20000 each");
    let pair = Pair::new();
    let _echo = pair.echo(PEER4);
    let socket = bind(&pair.target, TARGET4, 0);
    row("direct", &mut ping(&socket, PEER4, 7, 64, 20_000));
    for (name, hooks) in [("delay 0, one hook", &[PREROUTING] as &[u32]), ("delay 0, both hooks", BOTH)] {
        let (pair, _spawner, _worker) = delayed(IPV4, hooks, &args(Duration::ZERO, FAR));
        let _echo = pair.echo(PEER4);
        row(name, &mut ping(&bind(&pair.target, TARGET4, 0), PEER4, 7, 64, 20_000));
    }
}

fn accuracy() {
    println!("-- what a round trip takes beyond a delay of one way");
    for (delay, count) in [(1, 2000), (10, 500), (100, 50)] {
        let delay = MS * delay;
        let (pair, _spawner, mut worker) = delayed(IPV4, &[PREROUTING], &args(delay, FAR));
        let _echo = pair.echo(PEER4);
        let times = ping(&bind(&pair.target, TARGET4, 0), PEER4, 7, 64, count);
        let early = times.iter().filter(|time| **time < delay).count();
        let mut over: Vec<_> = times.iter().map(|time| time.saturating_sub(delay)).collect();
        row(&format!("{delay:?}, early {early}, late at most {} us", worker.stats().unwrap().max_late_us), &mut over);
    }
}

/// Sends for one second from the namespace `from` to `to` and returns GB/s of what arrived.
fn stream(from: &str, to: &str, address: &str) -> f64 {
    let listener = inside(to, || TcpListener::bind((address, 99)).unwrap());
    let receiver = thread::spawn(move || {
        let mut connection = listener.accept().unwrap().0;
        let (mut bytes, mut sum, start) = (vec![0; 1 << 20], 0, Instant::now());
        while let Ok(read @ 1..) = connection.read(&mut bytes) {
            sum += read;
        }
        sum as f64 / start.elapsed().as_secs_f64() / 1e9
    });
    let mut connection = inside(from, || TcpStream::connect((address, 99)).unwrap());
    let (bytes, end) = (vec![0; 1 << 18], Instant::now() + Duration::from_secs(2));
    while Instant::now() < end {
        connection.write_all(&bytes).unwrap();
    }
    drop(connection);
    receiver.join().unwrap()
}

fn streams() {
    println!("-- one TCP stream, GB/s");
    let pair = Pair::new();
    println!("direct, out {:.3}", stream(&pair.target, &pair.peer, PEER4));
    println!("direct, in  {:.3}", stream(&pair.peer, &pair.target, TARGET4));
    for delay in [0, 1, 10] {
        for (name, hooks) in [("prerouting", &[PREROUTING] as &[u32]), ("postrouting", &[POSTROUTING]), ("both", BOTH)]
        {
            let (pair, _spawner, mut worker) = delayed(IPV4, hooks, &args(MS * delay, FAR));
            let out = stream(&pair.target, &pair.peer, PEER4);
            let packets = worker.stats().unwrap().delayed;
            let back = stream(&pair.peer, &pair.target, TARGET4);
            let all = worker.stats().unwrap();
            println!(
                "{delay} ms, {name:<11} out {out:.3} ({packets} entries)  in {back:.3} ({})",
                all.delayed - packets
            );
        }
    }
}

/// A held packet stays charged to its sender's send buffer.
fn senders_that_block() {
    let (pair, _spawner, _worker) = delayed(IPV4, &[POSTROUTING], &args(Duration::from_secs(2), FAR));
    let socket = bind(&pair.target, TARGET4, 0);
    let _echo = pair.echo(PEER4);
    socket.set_nonblocking(true).unwrap();
    let sent = (0..100_000).take_while(|_| socket.send_to(&[0; 64], (PEER4, 7)).is_ok()).count();
    println!("-- datagrams held at postrouting before their sender blocks: {sent}");
}

fn cost() {
    let pair = Pair::new();
    let spawner = spawner();
    let start = Instant::now();
    let worker = spawner.delay(pair.netns().as_fd(), &args(MS * 50, FAR)).unwrap();
    println!("-- spawn until ready {:.1?}", start.elapsed());
    pair.install(IPV4, &[PREROUTING], args(MS, FAR).queue);
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", worker.pid())).unwrap();
        let fields: Vec<u64> = stat.rsplit(')').next().unwrap().split(' ').filter_map(|f| f.parse().ok()).collect();
        // Fields 14 and 15, behind the state and ten numbers.
        (fields[10], fields[11])
    };
    let (inside, outside) = (bind(&pair.target, TARGET4, 9), bind(&pair.peer, PEER4, 0));
    let arrived = thread::scope(|scope| {
        scope.spawn(|| send_numbered(&outside, TARGET4, 9, 30_000, Duration::from_micros(100)));
        receive_numbered(&inside, 30_000, MS * 500).len()
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.pid())).unwrap();
    let memory = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    println!("30000 packets in 3 s: {arrived} arrived, user and system ticks {:?}, {memory}", ticks());
}
