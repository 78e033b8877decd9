//! The instruments have to see a fault that a tool makes, or their silence about ours means nothing.
//!
//! The sabotage `blind` leaves the tool's fault out, so that each of these cases has to fail.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::kernel::case::Case;
use crate::kernel::lab::{Connect, DEVICE, Lab, Namespace, address};
use crate::kernel::matrix::{Engine, Fault, Kernel};

const BOTH: &[Kernel] = &[Kernel::Host, Kernel::Qemu];

/// Long enough for an answer under emulation on a busy machine.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) const CASES: &[Case] = &[
    case("both_families_reach_every_peer", BOTH, both_families_reach_every_peer),
    case("a_delay_of_a_qdisc_shows_in_round_trips", &[Kernel::Qemu], a_delay_of_a_qdisc_shows_in_round_trips),
    case("a_rule_that_drops_half_shows_as_loss", BOTH, a_rule_that_drops_half_shows_as_loss),
    case("a_rule_that_drops_all_times_a_connection_out", BOTH, a_rule_that_drops_all_times_a_connection_out),
    case("what_a_tool_leaves_behind_shows_in_a_snapshot", BOTH, what_a_tool_leaves_behind_shows_in_a_snapshot),
];

const fn case(name: &'static str, kernels: &'static [Kernel], run: fn(&Lab) -> Result<()>) -> Case {
    Case { name, fault: Fault::Harness, engine: Engine::Tools, kernels, run }
}

/// Lets a tool make a fault, unless the run is to show that its absence is noticed.
fn fault(lab: &Lab, namespace: &Namespace, tool: &str, args: &[&str]) -> Result<()> {
    if lab.settings().sabotage.as_deref() == Some("blind") {
        return Ok(());
    }
    namespace.tool(tool, args).map(drop)
}

fn both_families_reach_every_peer(lab: &Lab) -> Result<()> {
    if lab.settings().sabotage.as_deref() == Some("blind") {
        lab.peer().tool("ip", &["link", "set", DEVICE, "down"])?;
    }
    for to in [address::PEER_V4, address::OTHER_V4, address::PEER_V6, address::OTHER_V6] {
        let udp = lab.peer().udp_echo(to)?;
        let trips = lab.target().round_trips(udp.address(), 5, PATIENCE)?;
        ensure!(trips.iter().all(Option::is_some), "{to} does not answer each datagram: {trips:?}");
        let tcp = lab.peer().tcp_echo(to)?;
        let ended = lab.target().connect(tcp.address(), PATIENCE)?;
        ensure!(ended == Connect::Open, "a connection to {to}: {ended:?}");
    }
    Ok(())
}

fn a_delay_of_a_qdisc_shows_in_round_trips(lab: &Lab) -> Result<()> {
    let echo = lab.peer().udp_echo(address::PEER_V4)?;
    fault(lab, lab.target(), "tc", &["qdisc", "add", "dev", DEVICE, "root", "netem", "delay", "50ms"])?;
    let trips = lab.target().round_trips(echo.address(), 10, PATIENCE)?;
    let slow = trips.iter().flatten().filter(|trip| **trip >= Duration::from_millis(50)).count();
    ensure!(slow == trips.len(), "{slow} of {} round trips were delayed: {trips:?}", trips.len());
    Ok(())
}

fn a_rule_that_drops_half_shows_as_loss(lab: &Lab) -> Result<()> {
    let echo = lab.peer().udp_echo(address::PEER_V6)?;
    for statement in [
        "add table inet half",
        "add chain inet half out { type filter hook output priority 0; }",
        "add rule inet half out meta l4proto udp numgen inc mod 2 < 1 drop",
    ] {
        fault(lab, lab.target(), "nft", &[statement])?;
    }
    let loss = lab.target().loss(echo.address(), 100, Duration::from_millis(1), PATIENCE)?;
    ensure!(loss.answered == 50, "a rule drops every second datagram, but: {loss:?}");
    Ok(())
}

fn a_rule_that_drops_all_times_a_connection_out(lab: &Lab) -> Result<()> {
    let echo = lab.peer().tcp_echo(address::PEER_V4)?;
    for statement in
        ["add table inet wall", "add chain inet wall in { type filter hook input priority 0; policy drop; }"]
    {
        fault(lab, lab.peer(), "nft", &[statement])?;
    }
    let ended = lab.target().connect(echo.address(), Duration::from_millis(500))?;
    ensure!(ended == Connect::TimedOut, "a connection through a rule that drops all: {ended:?}");
    Ok(())
}

fn what_a_tool_leaves_behind_shows_in_a_snapshot(lab: &Lab) -> Result<()> {
    let left_behind: &[(&str, &[&str])] = &[
        ("nft", &["add table inet stray"]),
        ("tc", &["qdisc", "add", "dev", DEVICE, "root", "handle", "9:", "pfifo"]),
        ("ip", &["link", "add", "stray0", "type", "veth", "peer", "name", "stray1"]),
        ("ip", &["address", "add", "10.99.0.1/32", "dev", "lo"]),
        ("ip", &["rule", "add", "from", "10.99.0.1", "lookup", "99"]),
        ("iptables", &["-A", "OUTPUT", "-d", "10.99.0.1", "-j", "DROP"]),
    ];
    let mut before = lab.snapshot()?;
    lab.expect_unchanged(&before)?;
    for (tool, args) in left_behind {
        fault(lab, lab.target(), tool, args)?;
        ensure!(lab.expect_unchanged(&before).is_err(), "the snapshot does not show `{tool} {}`", args.join(" "));
        before = lab.snapshot()?;
    }
    Ok(())
}
