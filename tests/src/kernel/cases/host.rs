//! The host's own network as the target: only in the guest, where the initial namespace is ours.
//!
//! The way in (sshd's port, the resolver) must stay open while everything else is cut.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::kernel::case::Case;
use crate::kernel::lab::{Connect, Lab};
use crate::kernel::matrix::{Engine, Fault, Kernel};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "the_host_stays_reachable_while_its_network_is_cut",
        fault: Fault::Partition,
        engine: Engine::Nft,
        kernels: &[Kernel::Qemu],
        run: the_host_stays_reachable_while_its_network_is_cut,
    },
    Case {
        name: "without_its_engines_a_fault_is_refused_by_name",
        fault: Fault::Kill,
        engine: Engine::Signal,
        kernels: &[Kernel::Host, Kernel::Qemu],
        run: without_its_engines_a_fault_is_refused_by_name,
    },
];

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 88, 0, 1));
const PATIENCE: Duration = Duration::from_secs(3);

fn the_host_stays_reachable_while_its_network_is_cut(lab: &Lab) -> Result<()> {
    fs::write("/etc/resolv.conf", "nameserver 10.88.0.53\n").context("write resolv.conf")?;
    ip(&["link", "add", "rh0", "type", "veth", "peer", "name", "rh1", "netns", lab.peer().name()])?;
    ip(&["address", "add", "10.88.0.1/24", "dev", "rh0"])?;
    ip(&["link", "set", "rh0", "up"])?;
    lab.peer().tool("/usr/sbin/ip", &["address", "add", "10.88.0.2/24", "dev", "rh1"])?;
    lab.peer().tool("/usr/sbin/ip", &["address", "add", "10.88.0.53/24", "dev", "rh1"])?;
    lab.peer().tool("/usr/sbin/ip", &["link", "set", "rh1", "up"])?;
    let mut sshd = sshd(lab)?;
    let other = TcpListener::bind((HOST, 7777)).context("listen on the host")?;
    let (ssh, web) = (SocketAddr::new(HOST, 22), SocketAddr::new(HOST, 7777));
    let connect = |to| lab.peer().connect(to, PATIENCE);
    let end = Instant::now() + lab.patience();
    while connect(ssh)? != Connect::Open {
        ensure!(Instant::now() < end, "the stand-in for sshd does not listen");
        thread::sleep(Duration::from_millis(100));
    }
    ensure!(connect(web)? == Connect::Open, "the host is not reachable to begin with");

    let cut =
        lab.rumpus(&["run", "partition", "--arm", "--host", "--direction", "Both", "--for", "10m"]).in_effect(1)?;
    ensure!(connect(ssh)? == Connect::Open, "the way in is cut");
    ensure!(connect(web)? == Connect::TimedOut, "nothing is cut");
    // The resolver's address is exempt whole, so a connection to it is answered (by nobody: refused).
    let resolver = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 88, 0, 53)), 53);
    let asked = std::net::TcpStream::connect_timeout(&resolver, PATIENCE).map_err(|error| error.kind());
    ensure!(matches!(asked, Err(std::io::ErrorKind::ConnectionRefused)), "the resolver is cut: {asked:?}");
    cut.interrupt()?.expect(130)?;
    ensure!(connect(web)? == Connect::Open, "the host is still cut");

    let words = ["--arm", "--host", "--direction", "Both", "--for", "5s"];
    let only = lab.rumpus(&["run", "partition", "--peer", "10.88.0.53"]).and(&words).run()?.expect(3)?;
    ensure!(only.out.contains("onlyExempt") || only.out.contains("OnlyExempt"), "not by name:\n{}", only.out);
    let slow = lab.rumpus(&["run", "latency", "--delay", "10ms"]).and(&words).run()?.expect(3)?;
    ensure!(slow.out.contains("own network"), "not by name:\n{}", slow.out);
    // Without the list of what must stay open nothing is cut.
    fs::remove_file("/etc/resolv.conf").context("remove resolv.conf")?;
    fs::create_dir("/etc/resolv.conf").context("put a folder in its place")?;
    let blind = lab.rumpus(&["run", "partition"]).and(&words).run()?.expect(3)?;
    ensure!(blind.out.contains("ockoutUnknown"), "not by name:\n{}", blind.out);
    drop(other);
    drop(sshd.kill());
    drop(sshd.wait());
    ip(&["link", "delete", "rh0"])
}

/// Starts something that the process table calls sshd and that listens on port 22.
fn sshd(lab: &Lab) -> Result<Child> {
    let program = lab.state_dir().join("sshd");
    fs::copy("/bin/busybox", &program).context("copy busybox")?;
    let mut command = Command::new(Path::new(&program));
    command.arg0("nc").args(["-ll", "-p", "22", "-e", "/bin/true"]).stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().context("start a stand-in for sshd")
}

fn without_its_engines_a_fault_is_refused_by_name(lab: &Lab) -> Result<()> {
    // One peer: the kernel's own multicast reports go to others, so that nothing is in scope.
    let words = ["--direction", "Both", "--for", "2s", "--peer", "10.77.0.2"];
    let hide = ["--without-engine", "nft", "--without-engine", "netem", "--without-engine", "nfqueue"];
    for fault in [&["latency", "--delay", "5ms"][..], &["partition"]] {
        let refused = lab.fault(fault[0], &fault[1..]).and(&words).and(&hide).run()?.expect(3)?;
        ensure!(refused.out.contains("ngineMissing"), "not by name:\n{}", refused.out);
    }
    // What the machine's own tool cannot do either is refused with the kernel's answer; else the fault runs, and
    // without traffic it proves nothing.
    let kernel_has_nft = lab.target().tool("nft", &["add", "table", "netdev", "t"]).is_ok();
    if kernel_has_nft {
        lab.target().tool("nft", &["delete", "table", "netdev", "t"])?;
    }
    let plain = lab.fault("partition", &words).run()?;
    let plain = plain.expect(if kernel_has_nft { 4 } else { 3 })?;
    ensure!(kernel_has_nft || plain.out.contains("ngineMissing"), "not by name:\n{}", plain.out);
    Ok(())
}

fn ip(args: &[&str]) -> Result<()> {
    let output = Command::new("/usr/sbin/ip").args(args).output().context("start ip")?;
    ensure!(output.status.success(), "ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
    Ok(())
}
