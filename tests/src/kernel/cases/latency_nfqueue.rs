//! Latency by a delay line in user space.

use anyhow::Result;

use super::how::{BOTH, HOST, How, NFQUEUE, PARTITION};
use super::{latency, restored, scope, together};
use crate::kernel::case::Case;
use crate::kernel::lab::Lab;
use crate::kernel::matrix::Kernel;

const H: &How = &NFQUEUE;

pub(super) const CASES: &[Case] = &[
    case("round_trips_grow_by_what_was_asked", BOTH, |lab| latency::round_trips_grow_by_what_was_asked(lab, H)),
    case("jitter_keeps_the_order", HOST, |lab| latency::jitter_keeps_the_order(lab, H)),
    case("reordering_reorders", HOST, |lab| latency::reordering_reorders(lab, H)),
    case("what_is_held_at_the_end_arrives", HOST, |lab| latency::what_is_held_at_the_end_arrives(lab, H)),
    case("only_the_named_peers_are_hit", BOTH, |lab| scope::only_the_named_peers_are_hit(lab, H)),
    case("the_other_family_is_spared", HOST, |lab| scope::the_other_family_is_spared(lab, H)),
    case("excluded_peers_are_spared", HOST, |lab| scope::excluded_peers_are_spared(lab, H)),
    case("peers_and_ports_are_combined_with_and", HOST, |lab| scope::peers_and_ports_are_combined_with_and(lab, H)),
    case("own_ports_and_protocols_select", HOST, |lab| scope::own_ports_and_protocols_select(lab, H)),
    case("egress_is_what_the_target_sends", HOST, |lab| scope::egress_is_what_the_target_sends(lab, H)),
    case("ingress_is_what_the_target_gets", HOST, |lab| scope::ingress_is_what_the_target_gets(lab, H)),
    case("only_the_named_device_is_hit", HOST, |lab| scope::only_the_named_device_is_hit(lab, H)),
    case("names_come_from_the_targets_hosts_file", HOST, |lab| scope::names_come_from_the_targets_hosts_file(lab, H)),
    case("open_connections_are_hit_and_go_on_afterwards", HOST, |lab| {
        scope::open_connections_are_hit_and_go_on_afterwards(lab, H)
    }),
    case("a_fast_flow_to_another_peer_loses_nothing", HOST, |lab| {
        scope::a_fast_flow_to_another_peer_loses_nothing(lab, H)
    }),
    case("what_is_not_ours_stays_equal", BOTH, |lab| restored::what_is_not_ours_stays_equal(lab, H)),
    case("ctrl_c_and_sigterm_end_it_early", HOST, |lab| restored::ctrl_c_and_sigterm_end_it_early(lab, H)),
    case("without_traffic_it_is_inconclusive", HOST, |lab| restored::without_traffic_it_is_inconclusive(lab, H)),
    case("a_dry_run_names_what_the_real_run_hits", HOST, |lab| {
        restored::a_dry_run_names_what_the_real_run_hits(lab, H)
    }),
    case("a_halt_ends_it_and_blocks_the_next", HOST, |lab| restored::a_halt_ends_it_and_blocks_the_next(lab, H)),
    case("the_effect_has_ended_before_anything_is_removed", BOTH, |lab| {
        restored::the_effect_has_ended_before_anything_is_removed(lab, H)
    }),
    case("two_targets_of_one_run_are_both_hit", HOST, |lab| together::two_targets_of_one_run_are_both_hit(lab, H)),
    case("two_policies_of_a_file_run_side_by_side", HOST, |lab| {
        together::two_policies_of_a_file_run_side_by_side(lab, H)
    }),
    case("overlapping_delays_are_refused", HOST, |lab| together::overlapping_delays_are_refused(lab, H)),
    case("a_delay_of_other_peers_beside_it_ends_alone", HOST, |lab| {
        together::each_ends_alone(lab, (H, "10.77.0.2"), (H, "10.77.0.3"))
    }),
    case("a_partition_beside_it_ends_alone", HOST, |lab| {
        together::each_ends_alone(lab, (H, "10.77.0.2"), (&PARTITION, "10.77.0.2"))
    }),
];

const fn case(name: &'static str, kernels: &'static [Kernel], run: fn(&Lab) -> Result<()>) -> Case {
    Case { name, fault: NFQUEUE.fault, engine: NFQUEUE.engine, kernels, run }
}
