//! The agent crashes, hangs, is halted, meets bad state, or loses its target: the fault always ends.
//!
//! ```text
//! points (steps of a fault's life) -> steps (a crash at each) -> soak (a crash anywhere)
//! child, group (what is done to a command)        probe (what the target's packets show)
//! ```
//! It must never measure an end by what the agent says: packets and the machine's tools are the witnesses.

mod child;
mod clock;
mod group;
mod halt;
mod journal;
mod pair;
mod points;
mod soak;
mod steps;
mod target;

use anyhow::Result;

use crate::kernel::case::Case;
use crate::kernel::lab::Lab;
use crate::kernel::matrix::Kernel;
use points::{LOSS, NETEM, NFQUEUE, PARTITION, Part, Subject};
use steps::{Crash, every_step, named, sample};

const HOST: &[Kernel] = &[Kernel::Host];
const BOTH: &[Kernel] = &[Kernel::Host, Kernel::Qemu];
const QEMU: &[Kernel] = &[Kernel::Qemu];

pub(super) const CASES: &[Case] = &[
    case(PARTITION, "killed_at_each_step_before_it_is_in_effect", HOST, |lab| {
        every_step(lab, PARTITION, Crash::Kill, Part::Begin)
    }),
    case(PARTITION, "killed_at_each_step_while_it_is_in_effect", HOST, |lab| {
        every_step(lab, PARTITION, Crash::Kill, Part::Hold)
    }),
    case(PARTITION, "killed_at_each_step_while_its_effect_ends", HOST, |lab| {
        every_step(lab, PARTITION, Crash::Kill, Part::End)
    }),
    case(PARTITION, "killed_at_each_step_while_it_is_put_back", HOST, |lab| {
        every_step(lab, PARTITION, Crash::Kill, Part::Clear)
    }),
    case(PARTITION, "stopped_at_each_step_before_it_is_in_effect", HOST, |lab| {
        every_step(lab, PARTITION, Crash::Stop, Part::Begin)
    }),
    case(PARTITION, "stopped_at_each_step_while_it_is_in_effect", HOST, |lab| {
        every_step(lab, PARTITION, Crash::Stop, Part::Hold)
    }),
    case(PARTITION, "stopped_at_each_step_while_its_effect_ends", HOST, |lab| {
        every_step(lab, PARTITION, Crash::Stop, Part::End)
    }),
    case(PARTITION, "stopped_at_each_step_while_it_is_put_back", HOST, |lab| {
        every_step(lab, PARTITION, Crash::Stop, Part::Clear)
    }),
    case(PARTITION, "killed_with_its_cgroup_at_each_step_before_it_is_in_effect", HOST, |lab| {
        every_step(lab, PARTITION, Crash::CgroupKill, Part::Begin)
    }),
    case(PARTITION, "killed_with_its_cgroup_at_each_step_while_it_is_in_effect", HOST, |lab| {
        every_step(lab, PARTITION, Crash::CgroupKill, Part::Hold)
    }),
    case(PARTITION, "killed_with_its_cgroup_at_each_step_while_its_effect_ends", HOST, |lab| {
        every_step(lab, PARTITION, Crash::CgroupKill, Part::End)
    }),
    case(PARTITION, "killed_with_its_cgroup_at_each_step_while_it_is_put_back", HOST, |lab| {
        every_step(lab, PARTITION, Crash::CgroupKill, Part::Clear)
    }),
    case(NFQUEUE, "killed_at_each_step_before_it_is_in_effect", HOST, |lab| {
        every_step(lab, NFQUEUE, Crash::Kill, Part::Begin)
    }),
    case(NFQUEUE, "killed_at_each_step_while_it_is_in_effect", HOST, |lab| {
        every_step(lab, NFQUEUE, Crash::Kill, Part::Hold)
    }),
    case(NFQUEUE, "killed_at_each_step_while_its_effect_ends", HOST, |lab| {
        every_step(lab, NFQUEUE, Crash::Kill, Part::End)
    }),
    case(NFQUEUE, "killed_at_each_step_while_it_is_put_back", HOST, |lab| {
        every_step(lab, NFQUEUE, Crash::Kill, Part::Clear)
    }),
    case(NFQUEUE, "stopped_at_each_step_before_it_is_in_effect", HOST, |lab| {
        every_step(lab, NFQUEUE, Crash::Stop, Part::Begin)
    }),
    case(NFQUEUE, "stopped_at_each_step_while_it_is_in_effect", HOST, |lab| {
        every_step(lab, NFQUEUE, Crash::Stop, Part::Hold)
    }),
    case(NFQUEUE, "stopped_at_each_step_while_its_effect_ends", HOST, |lab| {
        every_step(lab, NFQUEUE, Crash::Stop, Part::End)
    }),
    case(NFQUEUE, "stopped_at_each_step_while_it_is_put_back", HOST, |lab| {
        every_step(lab, NFQUEUE, Crash::Stop, Part::Clear)
    }),
    case(NFQUEUE, "killed_with_its_cgroup_at_each_step_before_it_is_in_effect", HOST, |lab| {
        every_step(lab, NFQUEUE, Crash::CgroupKill, Part::Begin)
    }),
    case(NFQUEUE, "killed_with_its_cgroup_at_each_step_while_it_is_in_effect", HOST, |lab| {
        every_step(lab, NFQUEUE, Crash::CgroupKill, Part::Hold)
    }),
    case(NFQUEUE, "killed_with_its_cgroup_at_each_step_while_its_effect_ends", HOST, |lab| {
        every_step(lab, NFQUEUE, Crash::CgroupKill, Part::End)
    }),
    case(NFQUEUE, "killed_with_its_cgroup_at_each_step_while_it_is_put_back", HOST, |lab| {
        every_step(lab, NFQUEUE, Crash::CgroupKill, Part::Clear)
    }),
    case(LOSS, "crashes_at_a_tenth_of_its_steps", HOST, |lab| sample(lab, LOSS)),
    case(PARTITION, "a_halt_is_attested_by_its_holder_and_stands", HOST, halt::a_holder_attests),
    case(PARTITION, "a_halt_kills_a_stopped_holder", HOST, halt::a_stopped_holder_is_killed),
    case(PARTITION, "a_halt_ends_a_holder_that_hangs_in_apply", HOST, |lab| {
        halt::a_holder_that_hangs(lab, PARTITION, true)
    }),
    case(PARTITION, "a_halt_ends_a_holder_that_hangs_in_restore", HOST, |lab| {
        halt::a_holder_that_hangs(lab, PARTITION, false)
    }),
    case(NFQUEUE, "a_halt_ends_a_holder_that_hangs_in_apply", HOST, |lab| {
        halt::a_holder_that_hangs(lab, NFQUEUE, true)
    }),
    case(PARTITION, "a_halt_restores_for_a_dead_holder", HOST, halt::a_dead_holder),
    case(PARTITION, "a_halt_that_cannot_be_read_is_a_halt", HOST, halt::an_unreadable_halt),
    case(PARTITION, "a_second_agent_on_a_state_dir_is_refused", BOTH, pair::one_state_dir),
    case(PARTITION, "two_state_dirs_leave_each_other_alone", HOST, pair::two_state_dirs),
    case(PARTITION, "another_instances_residue_is_reported_and_not_swept", HOST, pair::residue_of_another),
    case(PARTITION, "a_damaged_journal_is_kept_and_refuses", HOST, journal::damaged),
    case(PARTITION, "a_torn_journal_is_normal", HOST, journal::torn),
    case(PARTITION, "a_full_disk_refuses_and_does_not_keep_an_end_out", HOST, journal::full_disk),
    case(PARTITION, "a_read_only_disk_refuses_and_can_be_halted", HOST, journal::read_only),
    case(PARTITION, "a_run_in_order_leaves_nothing_open_in_the_journal", HOST, journal::nothing_open),
    case(PARTITION, "killed_at_random_instants_series_one", HOST, |lab| soak::random_kills(lab, PARTITION)),
    case(PARTITION, "killed_at_random_instants_series_two", HOST, |lab| soak::random_kills(lab, PARTITION)),
    case(LOSS, "killed_at_random_instants_series_one", HOST, |lab| soak::random_kills(lab, LOSS)),
    case(LOSS, "killed_at_random_instants_series_two", HOST, |lab| soak::random_kills(lab, LOSS)),
    case(NFQUEUE, "killed_at_random_instants_series_one", HOST, |lab| soak::random_kills(lab, NFQUEUE)),
    case(NFQUEUE, "killed_at_random_instants_series_two", HOST, |lab| soak::random_kills(lab, NFQUEUE)),
    case(PARTITION, "its_named_netns_is_deleted", HOST, |lab| target::name_deleted(lab, PARTITION)),
    case(NFQUEUE, "its_named_netns_is_deleted", HOST, |lab| target::name_deleted(lab, NFQUEUE)),
    case(PARTITION, "its_rules_are_deleted_by_somebody_else", HOST, |lab| target::rules_deleted(lab, PARTITION)),
    case(NFQUEUE, "its_rules_are_deleted_by_somebody_else", HOST, |lab| target::rules_deleted(lab, NFQUEUE)),
    case(PARTITION, "its_device_is_deleted", HOST, target::device_deleted),
    case(NFQUEUE, "its_worker_keeps_no_dead_netns_alive", HOST, target::process_ends),
    case(PARTITION, "nothing_is_held_between_actions_and_nothing_listens", HOST, target::nothing_is_held),
    case(PARTITION, "frozen_by_its_cgroup", BOTH, |lab| clock::frozen(lab, PARTITION)),
    case(NFQUEUE, "frozen_by_its_cgroup", HOST, |lab| clock::frozen(lab, NFQUEUE)),
    case(PARTITION, "the_wall_clock_jumps_by_a_day", QEMU, |lab| clock::wall_clock_jumps(lab, PARTITION)),
    case(NETEM, "killed_where_its_links_stand", QEMU, |lab| {
        named(lab, NETEM, Crash::Kill, &["apply-links.after", "check.before", "remove-filter.after"])
    }),
    case(NETEM, "stopped_before_its_gate", QEMU, |lab| named(lab, NETEM, Crash::Stop, &["arm.between"])),
    case(NETEM, "stopped_between_its_links_and_its_gate", QEMU, |lab| {
        named(lab, NETEM, Crash::Stop, &["apply-links.after"])
    }),
    case(NETEM, "stopped_in_mid_fault", QEMU, |lab| named(lab, NETEM, Crash::Stop, &["renew.before"])),
];

const fn case(subject: Subject, name: &'static str, kernels: &'static [Kernel], run: fn(&Lab) -> Result<()>) -> Case {
    Case { name, fault: subject.fault, engine: subject.engine, kernels, run }
}
