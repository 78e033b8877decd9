//! Latency by a qdisc on a link of our own.

use anyhow::Result;

use super::how::{How, NETEM, PARTITION, QEMU};
use super::{latency, restored, scope, together};
use crate::kernel::case::Case;
use crate::kernel::lab::Lab;
use crate::kernel::matrix::Kernel;

const H: &How = &NETEM;

pub(super) const CASES: &[Case] = &[
    case("round_trips_grow_by_what_was_asked", QEMU, |lab| latency::round_trips_grow_by_what_was_asked(lab, H)),
    case("jitter_keeps_the_order", QEMU, |lab| latency::jitter_keeps_the_order(lab, H)),
    case("reordering_reorders", QEMU, |lab| latency::reordering_reorders(lab, H)),
    case("what_is_held_at_the_end_arrives", QEMU, |lab| latency::what_is_held_at_the_end_arrives(lab, H)),
    case("only_the_named_peers_are_hit", QEMU, |lab| scope::only_the_named_peers_are_hit(lab, H)),
    case("excluded_peers_are_spared", QEMU, |lab| scope::excluded_peers_are_spared(lab, H)),
    case("egress_is_what_the_target_sends", QEMU, |lab| scope::egress_is_what_the_target_sends(lab, H)),
    case("ingress_is_what_the_target_gets", QEMU, |lab| scope::ingress_is_what_the_target_gets(lab, H)),
    case("only_the_named_device_is_hit", QEMU, |lab| scope::only_the_named_device_is_hit(lab, H)),
    case("open_connections_are_hit_and_go_on_afterwards", QEMU, |lab| {
        scope::open_connections_are_hit_and_go_on_afterwards(lab, H)
    }),
    case("a_fast_flow_to_another_peer_loses_nothing", QEMU, |lab| {
        scope::a_fast_flow_to_another_peer_loses_nothing(lab, H)
    }),
    case("what_is_not_ours_stays_equal", QEMU, |lab| restored::what_is_not_ours_stays_equal(lab, H)),
    case("ctrl_c_and_sigterm_end_it_early", QEMU, |lab| restored::ctrl_c_and_sigterm_end_it_early(lab, H)),
    case("a_halt_ends_it_and_blocks_the_next", QEMU, |lab| restored::a_halt_ends_it_and_blocks_the_next(lab, H)),
    case("the_effect_has_ended_before_anything_is_removed", QEMU, |lab| {
        restored::the_effect_has_ended_before_anything_is_removed(lab, H)
    }),
    case("overlapping_delays_are_refused", QEMU, |lab| together::overlapping_delays_are_refused(lab, H)),
    case("a_delay_of_other_peers_beside_it_ends_alone", QEMU, |lab| {
        together::each_ends_alone(lab, (H, "10.77.0.2"), (H, "10.77.0.3"))
    }),
    case("a_partition_beside_it_ends_alone", QEMU, |lab| {
        together::each_ends_alone(lab, (&PARTITION, "10.77.0.2"), (H, "10.77.0.2"))
    }),
];

const fn case(name: &'static str, kernels: &'static [Kernel], run: fn(&Lab) -> Result<()>) -> Case {
    Case { name, fault: NETEM.fault, engine: NETEM.engine, kernels, run }
}
