//! Loss by nft rules.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::how::{BOTH, HOST, How, LOSS, nothing_left, sent_to, spared};
use super::{restored, scope, together};
use crate::kernel::case::Case;
use crate::kernel::lab::address::{OTHER_V4, PEER_V4, PEER_V6};
use crate::kernel::lab::{Flow, Lab};
use crate::kernel::matrix::Kernel;

const L: &How = &LOSS;

pub(super) const CASES: &[Case] = &[
    case("as_many_as_asked_are_lost", BOTH, as_many_as_asked_are_lost),
    case("both_ways_are_lost_each_for_itself", HOST, both_ways_are_lost_each_for_itself),
    case("only_the_named_peers_are_hit", BOTH, |lab| scope::only_the_named_peers_are_hit(lab, L)),
    case("the_other_family_is_spared", HOST, |lab| scope::the_other_family_is_spared(lab, L)),
    case("excluded_peers_are_spared", HOST, |lab| scope::excluded_peers_are_spared(lab, L)),
    case("peers_and_ports_are_combined_with_and", HOST, |lab| scope::peers_and_ports_are_combined_with_and(lab, L)),
    case("own_ports_and_protocols_select", HOST, |lab| scope::own_ports_and_protocols_select(lab, L)),
    case("egress_is_what_the_target_sends", HOST, |lab| scope::egress_is_what_the_target_sends(lab, L)),
    case("ingress_is_what_the_target_gets", HOST, |lab| scope::ingress_is_what_the_target_gets(lab, L)),
    case("only_the_named_device_is_hit", HOST, |lab| scope::only_the_named_device_is_hit(lab, L)),
    case("names_come_from_the_targets_hosts_file", HOST, |lab| scope::names_come_from_the_targets_hosts_file(lab, L)),
    case("open_connections_are_hit_and_go_on_afterwards", HOST, |lab| {
        scope::open_connections_are_hit_and_go_on_afterwards(lab, L)
    }),
    case("a_fast_flow_to_another_peer_loses_nothing", HOST, |lab| {
        scope::a_fast_flow_to_another_peer_loses_nothing(lab, L)
    }),
    case("what_is_not_ours_stays_equal", HOST, |lab| restored::what_is_not_ours_stays_equal(lab, L)),
    case("ctrl_c_and_sigterm_end_it_early", HOST, |lab| restored::ctrl_c_and_sigterm_end_it_early(lab, L)),
    case("without_traffic_it_is_inconclusive", HOST, |lab| restored::without_traffic_it_is_inconclusive(lab, L)),
    case("a_dry_run_names_what_the_real_run_hits", HOST, |lab| {
        restored::a_dry_run_names_what_the_real_run_hits(lab, L)
    }),
    case("a_halt_ends_it_and_blocks_the_next", HOST, |lab| restored::a_halt_ends_it_and_blocks_the_next(lab, L)),
    case("the_effect_has_ended_before_anything_is_removed", HOST, |lab| {
        restored::the_effect_has_ended_before_anything_is_removed(lab, L)
    }),
    case("two_targets_of_one_run_are_both_hit", HOST, |lab| together::two_targets_of_one_run_are_both_hit(lab, L)),
    case("two_policies_of_a_file_run_side_by_side", HOST, |lab| {
        together::two_policies_of_a_file_run_side_by_side(lab, L)
    }),
];

const fn case(name: &'static str, kernels: &'static [Kernel], run: fn(&Lab) -> Result<()>) -> Case {
    Case { name, fault: LOSS.fault, engine: LOSS.engine, kernels, run }
}

/// Many datagrams; fewer under emulation.
fn many<'a>(lab: &'a Lab, flow: Flow<'a>) -> Flow<'a> {
    let count = match lab.settings().kernel {
        Kernel::Host => 10_000,
        Kernel::Qemu => 2_000,
    };
    Flow { count, gap: Duration::ZERO, ..flow }
}

/// Fails if `lost` of `sent` is not within five standard deviations of a binomial distribution: one run in 1.7 million.
fn binomial(lost: u32, sent: u32, share: f64) -> Result<()> {
    let (lost, sent) = (f64::from(lost), f64::from(sent));
    let bound = 5.0 * (sent * share * (1.0 - share)).sqrt();
    ensure!((lost - sent * share).abs() <= bound, "{lost} of {sent} lost; {share} ± {bound:.0} packets were asked");
    Ok(())
}

fn as_many_as_asked_are_lost(lab: &Lab) -> Result<()> {
    let percents: &[u8] = match lab.settings().kernel {
        Kernel::Host => &[1, 30],
        Kernel::Qemu => &[30],
    };
    for percent in percents {
        let words = ["--loss", &percent.to_string(), "--for", "5m", "--direction", "Egress"].map(str::to_owned);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let peers = ["--peer", "10.77.0.2", "--peer", "fd77::2"];
        let running = lab.fault("loss", &words).and(&peers).in_effect(1)?;
        let (v4, other) = (many(lab, sent_to(lab, PEER_V4)).send()?, many(lab, sent_to(lab, OTHER_V4)).send()?);
        let v6 = many(lab, sent_to(lab, PEER_V6)).send()?;
        let ended = running.interrupt()?.expect(130)?;
        for arrivals in [&v4, &v6] {
            binomial(arrivals.lost(), arrivals.sent, f64::from(*percent) / 100.0)?;
            ensure!(arrivals.overtaken() == 0, "{} were overtaken", arrivals.overtaken());
        }
        ensure!(other.lost() == 0, "{} of {} to another peer were lost", other.lost(), other.sent);
        let counts = (ended.counter("/filtered/hit/egress")?, ended.counter("/filtered/passed/egress")?);
        let lost = u64::from(v4.lost() + v6.lost());
        let sent = u64::from(v4.sent + v6.sent);
        ensure!(counts == (lost, sent - lost), "hit and passed {counts:?}; {lost} of {sent} were lost");
        nothing_left(lab)?;
    }
    spared(sent_to(lab, PEER_V4))
}

fn both_ways_are_lost_each_for_itself(lab: &Lab) -> Result<()> {
    let words = ["--loss", "20", "--for", "5m", "--direction", "Both", "--peer", "10.77.0.2"];
    let running = lab.fault("loss", &words).in_effect(1)?;
    let out = many(lab, sent_to(lab, PEER_V4)).send()?;
    let into = many(lab, super::how::got_from(lab, PEER_V4)).send()?;
    let ended = running.interrupt()?.expect(130)?;
    binomial(out.lost(), out.sent, 0.2)?;
    binomial(into.lost(), into.sent, 0.2)?;
    L.counted(&ended, out.lost(), into.lost())
}
