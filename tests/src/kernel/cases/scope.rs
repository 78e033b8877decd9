//! Only what is named is hit: peers, exceptions, ports, protocols, directions, devices, names. The
//! same functions try every network fault.
//!
//! Each sends a known number of datagrams in scope and beside it. What is in scope has to show the
//! fault, what is not has to arrive whole and at once, and our rules may have counted the former only.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::how::{DELAY, Effect, FEW, How, expect, flow_between, got_from, own, sent_to, spared};
use crate::kernel::lab::address::{OTHER_V4, OTHER_V6, PEER_V4, PEER_V6};
use crate::kernel::lab::{Connect, DEVICE, Lab, Side, Talk};
use crate::kernel::matrix::Kernel;

const PORT: u16 = 4000;
const OTHER_PORT: u16 = 4001;

/// Minimise delay: real-time traffic, which queues like to prefer.
const TOS: u8 = 0x10;

/// Peers in both families, whatever the type of service.
pub(super) fn only_the_named_peers_are_hit(lab: &Lab, how: &How) -> Result<()> {
    let words = ["--direction", "Both", "--peer", "10.77.0.2", "--peer", "fd77::2"];
    let ended = how.under(lab, &words, || {
        for (peer, other) in [(PEER_V4, OTHER_V4), (PEER_V6, OTHER_V6)] {
            how.hits(sent_to(lab, peer))?;
            how.hits(got_from(lab, peer))?;
            spared(sent_to(lab, other))?;
            spared(got_from(lab, other))?;
        }
        for (peer, wanted) in [(PEER_V4, how.effect()), (OTHER_V4, Effect::None)] {
            let mut marked = sent_to(lab, peer);
            marked.tos = TOS;
            expect(marked, wanted)?;
        }
        Ok(())
    })?;
    how.counted(&ended, 3 * FEW, 2 * FEW)?;
    spared(sent_to(lab, PEER_V4))?;
    spared(sent_to(lab, PEER_V6))
}

/// A family that no peer is in is untouched.
pub(super) fn the_other_family_is_spared(lab: &Lab, how: &How) -> Result<()> {
    let ended = how.under(lab, &["--direction", "Both", "--peer", "fd77::/64"], || {
        how.hits(sent_to(lab, PEER_V6))?;
        how.hits(sent_to(lab, OTHER_V6))?;
        spared(sent_to(lab, PEER_V4))?;
        spared(got_from(lab, PEER_V4))
    })?;
    how.counted(&ended, 2 * FEW, 0)
}

/// Exceptions win over peers.
pub(super) fn excluded_peers_are_spared(lab: &Lab, how: &How) -> Result<()> {
    let peers = ["--direction", "Both", "--peer", "10.77.0.0/24", "--peer", "fd77::/64"];
    let words = [&peers[..], &["--except", "10.77.0.3", "--except", "fd77::3"]].concat();
    let ended = how.under(lab, &words, || {
        how.hits(sent_to(lab, PEER_V4))?;
        how.hits(sent_to(lab, PEER_V6))?;
        spared(sent_to(lab, OTHER_V4))?;
        spared(got_from(lab, OTHER_V6))
    })?;
    how.counted(&ended, 2 * FEW, 0)
}

/// A peer and a port of it: both have to match.
pub(super) fn peers_and_ports_are_combined_with_and(lab: &Lab, how: &How) -> Result<()> {
    let listener = lab.peer().run(|| TcpListener::bind((PEER_V4, PORT)).context("listen"))?;
    let port = format!("{PORT}/UDP");
    let words = ["--direction", "Both", "--peer", "10.77.0.2", "--port", &port];
    let sent = |to: IpAddr, port: u16| flow_between(lab, Side::Target, (own(to), 0).into(), (to, port).into());
    let got = |from: IpAddr, port: u16| flow_between(lab, Side::Peer, (from, port).into(), (own(from), 0).into());
    let ended = how.under(lab, &words, || {
        how.hits(sent(PEER_V4, PORT))?;
        how.hits(got(PEER_V4, PORT))?;
        spared(sent(PEER_V4, OTHER_PORT))?;
        spared(got(PEER_V4, OTHER_PORT))?;
        spared(sent(OTHER_V4, PORT))?;
        spared(got(OTHER_V4, PORT))?;
        let tcp = lab.target().connect((PEER_V4, PORT).into(), lab.patience())?;
        ensure!(tcp == Connect::Open, "TCP to the same port: {tcp:?}");
        Ok(())
    })?;
    drop(listener);
    how.counted(&ended, FEW, FEW)
}

/// The target's own port, and a protocol.
pub(super) fn own_ports_and_protocols_select(lab: &Lab, how: &How) -> Result<()> {
    let port = PORT.to_string();
    let words = ["--direction", "Both", "--local-port", &port, "--protocol", "UDP"];
    let got = |port: u16| flow_between(lab, Side::Peer, (PEER_V4, 0).into(), (own(PEER_V4), port).into());
    let sent = |port: u16| flow_between(lab, Side::Target, (own(PEER_V6), port).into(), (PEER_V6, 0).into());
    let listener = lab.target().run(|| TcpListener::bind((own(PEER_V4), PORT)).context("listen"))?;
    let ended = how.under(lab, &words, || {
        how.hits(got(PORT))?;
        how.hits(sent(PORT))?;
        spared(got(OTHER_PORT))?;
        spared(sent(OTHER_PORT))?;
        let tcp = lab.peer().connect((own(PEER_V4), PORT).into(), lab.patience())?;
        ensure!(tcp == Connect::Open, "TCP to the same port: {tcp:?}");
        Ok(())
    })?;
    drop(listener);
    how.counted(&ended, FEW, FEW)
}

/// One way out.
pub(super) fn egress_is_what_the_target_sends(lab: &Lab, how: &How) -> Result<()> {
    let ended = how.under(lab, &["--direction", "Egress", "--peer", "10.77.0.2"], || {
        how.hits(sent_to(lab, PEER_V4))?;
        spared(got_from(lab, PEER_V4))
    })?;
    how.counted(&ended, FEW, 0)
}

/// One way in.
pub(super) fn ingress_is_what_the_target_gets(lab: &Lab, how: &How) -> Result<()> {
    let ended = how.under(lab, &["--direction", "Ingress", "--peer", "fd77::2"], || {
        how.hits(got_from(lab, PEER_V6))?;
        spared(sent_to(lab, PEER_V6))
    })?;
    how.counted(&ended, 0, FEW)
}

/// Two cables, one of them named.
pub(super) fn only_the_named_device_is_hit(lab: &Lab, how: &How) -> Result<()> {
    let ends = [(lab.target(), "10.78.0.1/24"), (lab.peer(), "10.78.0.2/24")];
    let cable = ["link", "add", "eth1", "type", "veth", "peer", "name", "eth1", "netns", lab.peer().name()];
    lab.target().tool("ip", &cable)?;
    for (namespace, address) in ends {
        namespace.tool("ip", &["address", "add", address, "dev", "eth1"])?;
        namespace.tool("ip", &["link", "set", "eth1", "up"])?;
    }
    let [mine, far] = [1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(10, 78, 0, last)));
    let second = flow_between(lab, Side::Target, (mine, 0).into(), (far, 0).into());
    let first = || sent_to(lab, PEER_V4);
    // The kernel brings a link up a moment after it was asked to.
    let end = Instant::now() + lab.patience();
    while second.send()?.lost() > 0 {
        ensure!(Instant::now() < end, "the second cable does not come up");
    }
    let ended = how.under(lab, &["--direction", "Both", "--device", "eth1", "--protocol", "UDP"], || {
        how.hits(second)?;
        spared(first())
    })?;
    how.counted(&ended, FEW, 0)?;
    let ended = how.under(lab, &["--direction", "Both", "--device", DEVICE, "--protocol", "UDP"], || {
        how.hits(first())?;
        spared(second)
    })?;
    how.counted(&ended, FEW, 0)
}

/// Files that programs in the target see in place of /etc, as `ip netns` has it; removed when dropped.
struct Etc(PathBuf);

impl Etc {
    fn of(lab: &Lab, name: &str, text: &str) -> Result<Self> {
        let folder = PathBuf::from("/etc/netns").join(lab.target().name());
        let etc = Self(folder);
        fs::create_dir_all(&etc.0).with_context(|| format!("make {}", etc.0.display()))?;
        fs::write(etc.0.join(name), text).with_context(|| format!("write {name}"))?;
        Ok(etc)
    }
}

impl Drop for Etc {
    fn drop(&mut self) {
        // Other labs may have theirs beside it: the parent goes only if it is empty.
        drop(fs::remove_dir_all(&self.0));
        drop(self.0.parent().map(fs::remove_dir));
    }
}

/// A name out of the target's own hosts file.
pub(super) fn names_come_from_the_targets_hosts_file(lab: &Lab, how: &How) -> Result<()> {
    let _etc = Etc::of(lab, "hosts", "10.77.0.2 victim.test\nfd77::2 victim.test\n10.77.0.3 other.test\n")?;
    let ended = how.under(lab, &["--direction", "Both", "--peer-name", "victim.test"], || {
        how.hits(sent_to(lab, PEER_V4))?;
        how.hits(sent_to(lab, PEER_V6))?;
        spared(sent_to(lab, OTHER_V4))
    })?;
    how.counted(&ended, 2 * FEW, 0)
}

/// A name that the target's own name server knows.
pub(super) fn names_come_from_the_targets_name_server(lab: &Lab, how: &How) -> Result<()> {
    let _etc = Etc::of(lab, "resolv.conf", "nameserver 10.77.0.3\n")?;
    let server = lab.peer().run(|| {
        let socket = std::net::UdpSocket::bind((OTHER_V4, 53)).context("bind a name server")?;
        socket.set_read_timeout(Some(Duration::from_millis(20))).context("limit the wait of a socket")?;
        Ok(socket)
    })?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut query = [0; 512];
            while !stop.load(Ordering::SeqCst) {
                if let Ok((length, from)) = server.recv_from(&mut query)
                    && let Some(answer) = answer(query.get(..length).unwrap_or_default())
                {
                    drop(server.send_to(&answer, from));
                }
            }
        });
        let tried = how.under(lab, &["--direction", "Both", "--peer-name", "victim.test"], || {
            how.hits(sent_to(lab, PEER_V4))?;
            spared(sent_to(lab, OTHER_V4))
        });
        stop.store(true, Ordering::SeqCst);
        how.counted(&tried?, FEW, 0)
    })
}

/// Answers a question (RFC 1035, 4.1) for `victim.test` and type A with the peer's address, and any other with nothing.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let name_end = 12 + query.get(12..)?.iter().position(|byte| *byte == 0)? + 1;
    let question = query.get(12..name_end + 4)?;
    let asks = question.starts_with(b"\x06victim\x04test\x00\x00\x01");
    let mut out = query.get(..2)?.to_vec();
    out.extend([0x81, 0x80, 0, 1, 0, u8::from(asks), 0, 0, 0, 0]);
    out.extend_from_slice(question);
    if asks {
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 77, 0, 2]);
    }
    Some(out)
}

/// A rule that lets established connections pass, before ours in nobody's eyes but the firewall's.
const FIREWALL: [&str; 5] = [
    "add table inet firewall",
    "add chain inet firewall in { type filter hook input priority -400; }",
    "add rule inet firewall in ct state established accept",
    "add chain inet firewall out { type filter hook output priority -400; }",
    "add rule inet firewall out ct state established accept",
];

/// A connection that stood before is hit, and goes on afterwards.
pub(super) fn open_connections_are_hit_and_go_on_afterwards(lab: &Lab, how: &How) -> Result<()> {
    let echo = lab.peer().tcp_echo(PEER_V4)?;
    for statement in FIREWALL {
        lab.target().tool("nft", &[statement])?;
    }
    let mut talk = Talk::open(lab.target(), echo.address(), lab.patience())?;
    let fast = talk.say(lab.patience())?.context("no answer before the fault")?;
    let ended = how.under(lab, &["--direction", "Both", "--peer", "10.77.0.2"], || {
        // Long enough for the kernel to send again what is lost.
        let said = talk.say(if how.effect() == Effect::Delayed { lab.patience() } else { 6 * DELAY })?;
        match (how.effect(), said) {
            (Effect::Delayed, Some(trip)) => {
                ensure!(trip + Duration::from_millis(2) >= 2 * DELAY, "a round trip took {trip:?}, {fast:?} before");
            }
            (Effect::Dropped, None) => {}
            (wanted, said) => return Err(anyhow!("wanted {wanted:?}, the connection answered after {said:?}")),
        }
        Ok(())
    })?;
    // What the kernel knows of the connection is in the evidence.
    ensure!(ended.counter("/sockets/connections")? == 1, "another connection is in the evidence:\n{}", ended.out);
    if how.effect() == Effect::Delayed {
        // A smoothed round trip takes an eighth of each new one.
        let rtt = ended.counter("/sockets/rtt/secs")? * 1000 + ended.counter("/sockets/rtt/nanos")? / 1_000_000;
        ensure!(rtt >= 20, "the round trip is said to have been {rtt} ms");
    } else if lab.settings().kernel == Kernel::Host {
        // An emulated machine is so slow that the kernel may have sent it again before anybody looked.
        ensure!(ended.counter("/sockets/waiting")? == 1, "it is said to have got its answers:\n{}", ended.out);
    }
    // The kernel sends again what was lost at growing intervals.
    talk.say(lab.patience())?.context("the connection does not go on after the fault")?;
    let after = talk.say(lab.patience())?.context("the connection does not go on after the fault")?;
    ensure!(after < DELAY, "a round trip still takes {after:?}");
    Ok(())
}

/// A thousand datagrams a second to another peer, while the fault comes and goes.
pub(super) fn a_fast_flow_to_another_peer_loses_nothing(lab: &Lab, how: &How) -> Result<()> {
    let stop = AtomicBool::new(false);
    let to: SocketAddr = (OTHER_V4, 0).into();
    let mut fast = flow_between(lab, Side::Target, (own(OTHER_V4), 0).into(), to);
    (fast.count, fast.gap, fast.patience) = (u32::MAX, Duration::from_millis(1), lab.patience() / 10);
    let (arrivals, tried) = thread::scope(|scope| {
        let flowing = scope.spawn(|| fast.send_until(&stop));
        let tried = (0..2).try_for_each(|_| {
            let words = ["--direction", "Both", "--peer", "10.77.0.2"];
            let ended = how.under(lab, &words, || how.hits(sent_to(lab, PEER_V4)))?;
            how.counted(&ended, FEW, 0)
        });
        stop.store(true, Ordering::SeqCst);
        let arrivals = flowing.join().map_err(|_panic| anyhow!("the flow panicked"))?;
        anyhow::Ok((arrivals?, tried))
    })?;
    tried?;
    ensure!(arrivals.sent >= 100, "only {} were sent beside the fault", arrivals.sent);
    ensure!(arrivals.lost() == 0, "{} of {} were lost", arrivals.lost(), arrivals.sent);
    ensure!(arrivals.overtaken() == 0, "{} were overtaken", arrivals.overtaken());
    Ok(())
}
