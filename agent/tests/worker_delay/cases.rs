//! What the worker promises, one case each.

use crate::net::{
    PEER4, PEER6, Pair, TARGET4, TARGET6, bind, inside, percentile, ping, receive_numbered, send_numbered,
};
use crate::rule::{self, IPV4, IPV6, POSTROUTING, PREROUTING};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rumpus_agent::kernel::timer::boottime;
use rumpus_agent::worker::args::DelayArgs;
use rumpus_agent::worker::spawn::{SpawnError, Spawner, WorkerHandle, WorkerProgram};
use rumpus_model::change::Delay;
use std::io::BufRead;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub const ALL: [(&str, fn()); 17] = [
    ("one_way_is_delayed_once", one_way_is_delayed_once),
    ("both_ways_are_delayed_twice", both_ways_are_delayed_twice),
    ("ipv6_is_delayed_as_ipv4", ipv6_is_delayed_as_ipv4),
    ("loopback_is_delayed_at_both_hooks", loopback_is_delayed_at_both_hooks),
    ("fragments_arrive_whole", fragments_arrive_whole),
    ("jitter_keeps_the_order", jitter_keeps_the_order),
    ("reorder_reorders_and_loses_nothing", reorder_reorders_and_loses_nothing),
    ("a_killed_worker_lets_traffic_pass", a_killed_worker_lets_traffic_pass),
    ("a_stopped_worker_is_killed_by_the_kernel", a_stopped_worker_is_killed_by_the_kernel),
    ("a_dead_parent_ends_the_worker", a_dead_parent_ends_the_worker),
    ("the_deadline_releases_everything", the_deadline_releases_everything),
    ("renewing_moves_both_ends", renewing_moves_both_ends),
    ("draining_loses_nothing", draining_loses_nothing),
    ("what_the_kernel_drops_is_counted", what_the_kernel_drops_is_counted),
    ("ten_thousand_a_second_lose_nothing", ten_thousand_a_second_lose_nothing),
    ("a_taken_queue_is_named", a_taken_queue_is_named),
    ("a_worker_holds_only_what_it_needs", a_worker_holds_only_what_it_needs),
];

pub const MS: Duration = Duration::from_millis(1);
pub const BOTH: &[u32] = &[PREROUTING, POSTROUTING];
const QUEUE: u16 = 4711;
const FAR: Duration = Duration::from_secs(60);

pub fn spawner() -> Spawner {
    Spawner::start(WorkerProgram::this_binary()).unwrap()
}

pub fn args(delay: Duration, lasts: Duration) -> DelayArgs {
    let delay = Delay { delay, jitter: Duration::ZERO, reorder: false };
    DelayArgs { instance: "test".into(), id: "f1".into(), queue: QUEUE, delay, until: boottime() + lasts, seed: 7 }
}

/// A pair whose target's packets at `hooks` go through a worker.
pub fn delayed(family: u8, hooks: &'static [u32], args: &DelayArgs) -> (Pair, Spawner, WorkerHandle) {
    let pair = Pair::new();
    let spawner = spawner();
    let worker = spawner.delay(pair.netns().as_fd(), args).unwrap();
    pair.install(family, hooks, QUEUE);
    (pair, spawner, worker)
}

/// A delay is never short; on a busy machine it may be long, but not by another delay (100 ms).
const NOISE: Duration = Duration::from_millis(80);

fn assert_between(times: &mut [Duration], least: Duration, most: Duration) {
    let most = most + NOISE;
    let (first, middle) = (percentile(times, 0), percentile(times, 50));
    assert!(first >= least, "{first:?} is below {least:?}");
    assert!(middle <= most, "the median {middle:?} is above {most:?}");
}

fn one_way_is_delayed_once() {
    for hooks in [&[PREROUTING] as &[u32], &[POSTROUTING]] {
        let (pair, _spawner, mut worker) = delayed(IPV4, hooks, &args(MS * 100, FAR));
        let _echo = pair.echo(PEER4);
        let mut times = ping(&bind(&pair.target, TARGET4, 0), PEER4, 7, 64, 5);
        assert_between(&mut times, MS * 100, MS * 105);
        let stats = worker.stats().unwrap();
        assert_eq!((stats.delayed, stats.released, stats.backlog, stats.enobufs), (5, 5, 0, 0));
    }
}

fn both_ways_are_delayed_twice() {
    let (pair, _spawner, _worker) = delayed(IPV4, BOTH, &args(MS * 100, FAR));
    let _echo = pair.echo(PEER4);
    let mut times = ping(&bind(&pair.target, TARGET4, 0), PEER4, 7, 64, 5);
    assert_between(&mut times, MS * 200, MS * 210);
}

fn ipv6_is_delayed_as_ipv4() {
    for (hooks, ways) in [(&[PREROUTING] as &[u32], 1), (BOTH, 2)] {
        // The neighbour is learnt first: with both hooks its solicitations are delayed, too.
        let pair = Pair::new();
        let _echo = pair.echo(PEER6);
        let socket = bind(&pair.target, TARGET6, 0);
        ping(&socket, PEER6, 7, 64, 1);
        let spawner = spawner();
        let _worker = spawner.delay(pair.netns().as_fd(), &args(MS * 50, FAR)).unwrap();
        pair.install(IPV6, hooks, QUEUE);
        assert_between(&mut ping(&socket, PEER6, 7, 64, 5), MS * 50 * ways, MS * 55 * ways);
    }
}

fn loopback_is_delayed_at_both_hooks() {
    let (pair, _spawner, _worker) = delayed(IPV4, BOTH, &args(MS * 20, FAR));
    let socket = bind(&pair.target, "127.0.0.1", 9);
    let mut times = ping(&socket, "127.0.0.1", 9, 64, 5);
    assert_between(&mut times, MS * 40, MS * 45);
}

fn fragments_arrive_whole() {
    for (family, target, peer) in [(IPV4, TARGET4, PEER4), (IPV6, TARGET6, PEER6)] {
        let pair = Pair::new();
        let _echo = pair.echo(peer);
        let socket = bind(&pair.target, target, 0);
        ping(&socket, peer, 7, 64, 1);
        let spawner = spawner();
        let mut worker = spawner.delay(pair.netns().as_fd(), &args(MS * 20, FAR)).unwrap();
        pair.install(family, BOTH, QUEUE);
        assert_between(&mut ping(&socket, peer, 7, 4000, 5), MS * 40, MS * 45);
        // Out: one packet, cut up behind the hook. In: each of the three fragments is one.
        assert!(worker.stats().unwrap().delayed >= 5 * (1 + 3));
    }
}

fn numbered_through(jitter: Duration, reorder: bool) -> Vec<u32> {
    let mut args = args(MS * 20, FAR);
    args.delay.jitter = jitter;
    args.delay.reorder = reorder;
    let (pair, _spawner, _worker) = delayed(IPV4, &[PREROUTING], &args);
    let (inside, outside) = (bind(&pair.target, TARGET4, 9), bind(&pair.peer, PEER4, 0));
    thread::scope(|scope| {
        scope.spawn(|| send_numbered(&outside, TARGET4, 9, 2000, Duration::from_micros(200)));
        receive_numbered(&inside, 2000, MS * 500)
    })
}

fn jitter_keeps_the_order() {
    let numbers = numbered_through(MS * 15, false);
    assert_eq!(numbers, (0..2000).collect::<Vec<_>>());
}

fn reorder_reorders_and_loses_nothing() {
    let mut numbers = numbered_through(MS * 15, true);
    let overtaken = numbers.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!(overtaken > 200, "only {overtaken} of 2000 were overtaken");
    numbers.sort_unstable();
    assert_eq!(numbers, (0..2000).collect::<Vec<_>>());
}

fn a_killed_worker_lets_traffic_pass() {
    let (pair, _spawner, mut worker) = delayed(IPV4, BOTH, &args(MS * 100, FAR));
    let _echo = pair.echo(PEER4);
    let socket = bind(&pair.target, TARGET4, 0);
    assert_between(&mut ping(&socket, PEER4, 7, 64, 1), MS * 200, MS * 210);
    worker.kill().unwrap();
    let status = worker.wait_gone(MS * 500).unwrap().expect("still there");
    assert_eq!(status.signal(), Some(9));
    let first = ping(&socket, PEER4, 7, 64, 1)[0];
    assert!(first < MS * 50 + NOISE, "{first:?}");
}

fn a_stopped_worker_is_killed_by_the_kernel() {
    let args = args(MS * 50, MS * 700);
    let (pair, _spawner, mut worker) = delayed(IPV4, BOTH, &args);
    let _echo = pair.echo(PEER4);
    let socket = bind(&pair.target, TARGET4, 0);
    ping(&socket, PEER4, 7, 64, 1);
    kill(Pid::from_raw(worker.pid() as i32), Signal::SIGSTOP).unwrap();
    assert!(worker.stats().is_err(), "a stopped worker answered");
    let status = worker.wait_gone(Duration::from_secs(3)).unwrap().expect("still there");
    let late = boottime().saturating_sub(args.until);
    assert_eq!(status.signal(), Some(9));
    assert!(late >= MS * 500 && late < MS * 1000, "killed {late:?} after the deadline");
    let first = ping(&socket, PEER4, 7, 64, 1)[0];
    assert!(first < MS * 50 + NOISE, "{first:?}");
}

/// The role `parent`: starts a worker, says its pid, and waits to be killed.
pub fn parent(netns: &str) -> ExitCode {
    let spawner = spawner();
    let netns = std::fs::File::open(netns).unwrap();
    let worker = spawner.delay(netns.as_fd(), &args(Duration::from_secs(5), FAR)).unwrap();
    println!("{}", worker.pid());
    thread::sleep(FAR);
    ExitCode::FAILURE
}

fn a_dead_parent_ends_the_worker() {
    let pair = Pair::new();
    let mut parent = Command::new("/proc/self/exe")
        .args(["parent", &format!("/run/netns/{}", pair.target)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let worker = rustix::process::Pid::from_raw(line.trim().parse().unwrap()).unwrap();
    let worker = rustix::process::pidfd_open(worker, rustix::process::PidfdFlags::empty()).unwrap();
    pair.install(IPV4, &[PREROUTING], QUEUE);
    let (inside, outside) = (bind(&pair.target, TARGET4, 9), bind(&pair.peer, PEER4, 0));
    send_numbered(&outside, TARGET4, 9, 50, MS);
    assert_eq!(receive_numbered(&inside, 50, MS * 50), Vec::<u32>::new());
    parent.kill().unwrap();
    parent.wait().unwrap();
    let numbers = receive_numbered(&inside, 50, MS * 500);
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    let limit = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
    let mut fds = [rustix::event::PollFd::new(&worker, rustix::event::PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut fds, Some(&limit)).unwrap(), 1, "the worker outlived its parent");
}

fn the_deadline_releases_everything() {
    let args = args(Duration::from_secs(5), MS * 400);
    let (pair, _spawner, mut worker) = delayed(IPV4, &[PREROUTING], &args);
    let (inside, outside) = (bind(&pair.target, TARGET4, 9), bind(&pair.peer, PEER4, 0));
    let numbers = thread::scope(|scope| {
        // Goes on sending across the deadline.
        scope.spawn(|| send_numbered(&outside, TARGET4, 9, 3000, Duration::from_micros(200)));
        let numbers = receive_numbered(&inside, 1, Duration::from_secs(2));
        let late = boottime().saturating_sub(args.until);
        assert!(late < MS * 100, "released {late:?} after the deadline");
        [numbers, receive_numbered(&inside, 2999, MS * 500)].concat()
    });
    assert_eq!(numbers.len(), 3000, "lost at the deadline");
    let status = worker.wait_gone(MS * 500).unwrap().expect("still there");
    assert!(status.success(), "{status}");
    let stats = worker.stats().unwrap();
    assert!(stats.delayed > 500 && stats.backlog == 0 && stats.released == stats.delayed, "{stats:?}");
}

fn renewing_moves_both_ends() {
    let (pair, _spawner, mut worker) = delayed(IPV4, BOTH, &args(MS * 50, MS * 300));
    let _echo = pair.echo(PEER4);
    let socket = bind(&pair.target, TARGET4, 0);
    worker.renew(boottime() + MS * 1500).unwrap();
    let end = Instant::now() + MS * 1500;
    // Past the first deadline and its kill timer.
    assert_eq!(worker.wait_gone(MS * 1000).unwrap(), None);
    assert_between(&mut ping(&socket, PEER4, 7, 64, 1), MS * 100, MS * 110);
    assert!(worker.wait_gone(MS * 900).unwrap().expect("still there").success());
    assert!(Instant::now() < end + MS * 300);
}

fn draining_loses_nothing() {
    let (pair, _spawner, mut worker) = delayed(IPV4, &[PREROUTING], &args(MS * 200, FAR));
    let (inside, outside) = (bind(&pair.target, TARGET4, 9), bind(&pair.peer, PEER4, 0));
    let numbers = thread::scope(|scope| {
        scope.spawn(|| send_numbered(&outside, TARGET4, 9, 2000, Duration::from_micros(250)));
        let receiver = scope.spawn(|| receive_numbered(&inside, 2000, MS * 500));
        thread::sleep(MS * 300);
        pair.remove(IPV4);
        worker.drain().unwrap();
        let start = Instant::now();
        let status = worker.wait_gone(Duration::from_secs(1)).unwrap().expect("still there");
        assert!(status.success(), "{status}");
        assert!(start.elapsed() > MS * 150 && start.elapsed() < MS * 300, "{:?}", start.elapsed());
        receiver.join().unwrap()
    });
    assert_eq!(numbers.len(), 2000, "lost while draining");
    let stats = worker.stats().unwrap();
    assert!(stats.delayed > 800 && stats.backlog == 0 && stats.released == stats.delayed, "{stats:?}");
}

/// The kernel drops every queued packet of a namespace when any table in it loses a chain, here one of another family.
fn what_the_kernel_drops_is_counted() {
    for reorder in [false, true] {
        let mut args = args(MS * 300, FAR);
        (args.delay.jitter, args.delay.reorder) = (MS, reorder);
        let (pair, _spawner, mut worker) = delayed(IPV4, &[PREROUTING], &args);
        pair.install(IPV6, &[POSTROUTING], 1);
        let (target, outside) = (bind(&pair.target, TARGET4, 9), bind(&pair.peer, PEER4, 0));
        send_numbered(&outside, TARGET4, 9, 100, MS);
        inside(&pair.target, || rule::delete(IPV6));
        assert_eq!(receive_numbered(&target, 100, MS * 500), Vec::<u32>::new());
        let stats = worker.stats().unwrap();
        assert_eq!((stats.delayed, stats.released, stats.gone, stats.backlog), (100, 0, 100, 0), "{reorder}");
    }
}

fn ten_thousand_a_second_lose_nothing() {
    let (pair, _spawner, mut worker) = delayed(IPV4, &[PREROUTING], &args(MS * 50, FAR));
    let (inside, outside) = (bind(&pair.target, TARGET4, 9), bind(&pair.peer, PEER4, 0));
    let numbers = thread::scope(|scope| {
        scope.spawn(|| send_numbered(&outside, TARGET4, 9, 30_000, Duration::from_micros(100)));
        receive_numbered(&inside, 30_000, MS * 500)
    });
    assert_eq!(numbers, (0..30_000).collect::<Vec<_>>());
    let stats = worker.stats().unwrap();
    assert_eq!((stats.delayed, stats.backlog, stats.enobufs), (30_000, 0, 0));
}

fn a_taken_queue_is_named() {
    let (pair, spawner, _worker) = delayed(IPV4, BOTH, &args(MS, FAR));
    let second = spawner.delay(pair.netns().as_fd(), &args(MS, FAR));
    assert!(matches!(second, Err(SpawnError::QueueTaken { queue: QUEUE })), "{second:?}");
    let mut other = args(MS, FAR);
    other.queue += 1;
    drop(spawner.delay(pair.netns().as_fd(), &other).unwrap());
}

fn a_worker_holds_only_what_it_needs() {
    let (pair, _spawner, worker) = delayed(IPV4, BOTH, &args(MS, FAR));
    let process = format!("/proc/{}", worker.pid());
    assert_eq!(std::fs::read_to_string(format!("{process}/comm")).unwrap(), "rumpus-delay\n");
    let mut held: Vec<String> = std::fs::read_dir(format!("{process}/fd"))
        .unwrap()
        .map(|fd| std::fs::read_link(fd.unwrap().path()).unwrap().to_string_lossy().into_owned())
        .map(|link| link.split(':').next().unwrap().to_owned())
        .collect();
    held.sort_unstable();
    assert_eq!(held, ["anon_inode", "pipe", "pipe", "pipe", "pipe", "pipe", "socket"], "stdio, signalfd, queue");
    let mine = inside(&pair.target, || std::fs::read_link("/proc/thread-self/ns/net").unwrap());
    assert_eq!(std::fs::read_link(format!("{process}/ns/net")).unwrap(), mine);
}
