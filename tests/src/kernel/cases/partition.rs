//! Partition by nft rules.

use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::how::{BOTH, HOST, How, LOSS, PARTITION, nothing_left, own, sent_to, spared};
use super::{kill_cgroup, restored, scope, together};
use crate::kernel::case::Case;
use crate::kernel::lab::address::{OTHER_V4, PEER_V4, PEER_V6};
use crate::kernel::lab::{Connect, Lab};
use crate::kernel::matrix::Kernel;
use crate::kernel::runc::Runc;

const P: &How = &PARTITION;

pub(super) const CASES: &[Case] = &[
    case("connects_time_out_both_ways", BOTH, connects_time_out_both_ways),
    case("reject_answers_at_once", BOTH, reject_answers_at_once),
    case("only_the_named_peers_are_hit", BOTH, |lab| scope::only_the_named_peers_are_hit(lab, P)),
    case("the_other_family_is_spared", HOST, |lab| scope::the_other_family_is_spared(lab, P)),
    case("excluded_peers_are_spared", HOST, |lab| scope::excluded_peers_are_spared(lab, P)),
    case("peers_and_ports_are_combined_with_and", HOST, |lab| scope::peers_and_ports_are_combined_with_and(lab, P)),
    case("own_ports_and_protocols_select", HOST, |lab| scope::own_ports_and_protocols_select(lab, P)),
    case("egress_is_what_the_target_sends", HOST, |lab| scope::egress_is_what_the_target_sends(lab, P)),
    case("ingress_is_what_the_target_gets", HOST, |lab| scope::ingress_is_what_the_target_gets(lab, P)),
    case("only_the_named_device_is_hit", HOST, |lab| scope::only_the_named_device_is_hit(lab, P)),
    case("names_come_from_the_targets_hosts_file", HOST, |lab| scope::names_come_from_the_targets_hosts_file(lab, P)),
    case("names_come_from_the_targets_name_server", HOST, |lab| scope::names_come_from_the_targets_name_server(lab, P)),
    case("open_connections_are_hit_and_go_on_afterwards", BOTH, |lab| {
        scope::open_connections_are_hit_and_go_on_afterwards(lab, P)
    }),
    case("a_fast_flow_to_another_peer_loses_nothing", HOST, |lab| {
        scope::a_fast_flow_to_another_peer_loses_nothing(lab, P)
    }),
    case("what_is_not_ours_stays_equal", BOTH, |lab| restored::what_is_not_ours_stays_equal(lab, P)),
    case("ctrl_c_and_sigterm_end_it_early", HOST, |lab| restored::ctrl_c_and_sigterm_end_it_early(lab, P)),
    case("without_traffic_it_is_inconclusive", HOST, |lab| restored::without_traffic_it_is_inconclusive(lab, P)),
    case("a_dry_run_names_what_the_real_run_hits", HOST, |lab| {
        restored::a_dry_run_names_what_the_real_run_hits(lab, P)
    }),
    case("a_halt_ends_it_and_blocks_the_next", HOST, |lab| restored::a_halt_ends_it_and_blocks_the_next(lab, P)),
    case("the_effect_has_ended_before_anything_is_removed", BOTH, |lab| {
        restored::the_effect_has_ended_before_anything_is_removed(lab, P)
    }),
    case("two_targets_of_one_run_are_both_hit", HOST, |lab| together::two_targets_of_one_run_are_both_hit(lab, P)),
    case("two_policies_of_a_file_run_side_by_side", HOST, |lab| {
        together::two_policies_of_a_file_run_side_by_side(lab, P)
    }),
    case("a_containers_fault_outlives_its_restart", BOTH, a_containers_fault_outlives_its_restart),
    case("a_loss_beside_it_ends_alone", HOST, |lab| {
        together::each_ends_alone(lab, (P, "10.77.0.2"), (&LOSS, "10.77.0.2"))
    }),
];

const fn case(name: &'static str, kernels: &'static [Kernel], run: fn(&Lab) -> Result<()>) -> Case {
    Case { name, fault: PARTITION.fault, engine: PARTITION.engine, kernels, run }
}

fn connects_time_out_both_ways(lab: &Lab) -> Result<()> {
    const PATIENCE: Duration = Duration::from_millis(300);
    let mine = lab.target().tcp_echo(own(PEER_V6))?;
    let theirs = lab.peer().tcp_echo(PEER_V4)?;
    let others = lab.peer().tcp_echo(OTHER_V4)?;
    let ended = P.under(lab, &["--direction", "Both", "--peer", "10.77.0.2", "--peer", "fd77::/64"], || {
        let out = lab.target().connect(theirs.address(), PATIENCE)?;
        let into = lab.peer().connect(mine.address(), PATIENCE)?;
        ensure!((out, into) == (Connect::TimedOut, Connect::TimedOut), "out {out:?}, in {into:?}");
        let other = lab.target().connect(others.address(), lab.patience())?;
        ensure!(other == Connect::Open, "another peer: {other:?}");
        Ok(())
    })?;
    let passed = (ended.counter("/filtered/passed/egress")?, ended.counter("/filtered/passed/ingress")?);
    ensure!(passed == (0, 0), "{passed:?} packets passed");
    for (namespace, echo) in [(lab.target(), &theirs), (lab.peer(), &mine)] {
        let again = namespace.connect(echo.address(), lab.patience())?;
        ensure!(again == Connect::Open, "after the fault: {again:?}");
    }
    Ok(())
}

fn reject_answers_at_once(lab: &Lab) -> Result<()> {
    let echoes = [lab.peer().tcp_echo(PEER_V4)?, lab.peer().tcp_echo(PEER_V6)?];
    let other = lab.peer().tcp_echo(OTHER_V4)?;
    let words = ["--reject", "--direction", "Both", "--peer", "10.77.0.2", "--peer", "fd77::2"];
    P.under(lab, &words, || {
        for echo in &echoes {
            let began = Instant::now();
            let ended = lab.target().connect(echo.address(), lab.patience())?;
            ensure!(ended == Connect::Refused, "{}: {ended:?} after {:?}", echo.address(), began.elapsed());
        }
        let spared = lab.target().connect(other.address(), lab.patience())?;
        ensure!(spared == Connect::Open, "another peer: {spared:?}");
        udp_is_answered_by_icmp(lab, PEER_V4)
    })?;
    for echo in &echoes {
        let ended = lab.target().connect(echo.address(), lab.patience())?;
        ensure!(ended == Connect::Open, "after the fault, {}: {ended:?}", echo.address());
    }
    Ok(())
}

/// A connected UDP socket gets the ICMP error of what it sent: administratively prohibited is EHOSTUNREACH.
fn udp_is_answered_by_icmp(lab: &Lab, peer: IpAddr) -> Result<()> {
    lab.target().run(|| {
        let socket = UdpSocket::bind((own(peer), 0)).context("bind")?;
        socket.connect((peer, 4000)).context("connect")?;
        socket.set_read_timeout(Some(lab.patience())).context("limit the wait of a socket")?;
        let sent = socket.send(b"?").and_then(|_| socket.recv(&mut [0; 8]));
        match sent {
            Err(error) if matches!(error.kind(), ErrorKind::HostUnreachable | ErrorKind::PermissionDenied) => Ok(()),
            other => bail!("a rejected datagram: {other:?}"),
        }
    })
}

/// The container's process changes, its network namespace stays: so does the fault, and it is put back.
fn a_containers_fault_outlives_its_restart(lab: &Lab) -> Result<()> {
    let id = kill_cgroup::id(lab, 1);
    let before = Runc::start(lab, lab.target(), &id)?;
    let words = ["--for", "5m", "--direction", "Both", "--peer", "10.77.0.2", "--arm", "--container-id", &id];
    let running = lab.rumpus(&["run", "partition"]).and(&words).in_effect(1)?;
    P.hits(sent_to(lab, PEER_V4))?;
    spared(sent_to(lab, OTHER_V4))?;
    let old = before.pid()?;
    before.delete()?;
    let after = Runc::start(lab, lab.target(), &id)?;
    ensure!(after.pid()? != old, "the container was not restarted");
    // The lease of before the restart has run out by then: only renewals keep the fault.
    std::thread::sleep(lab.settings().lease + Duration::from_millis(500));
    P.hits(sent_to(lab, PEER_V4))?;
    running.interrupt()?.expect(130)?;
    nothing_left(lab)?;
    spared(sent_to(lab, PEER_V4))?;
    after.delete()
}
