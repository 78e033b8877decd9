//! Leftovers in a namespace of the test's own: ours, another instance's, and what other tools make.

use super::{LONG, Lab, run};
use rumpus_agent::kernel::link::{self, IfbName};
use rumpus_agent::residue::{Owner, Residue, scan};
use rumpus_model::change::{Hook, Verdict};
use rumpus_model::scope::{Direction, Peers};
use std::time::Duration;

fn found(lab: &Lab, own: Option<u32>) -> Vec<Residue> {
    let (all, problems) = scan(own);
    let place = format!("/run/netns/{}", lab.name);
    assert!(!problems.iter().any(|problem| problem.starts_with(&place)), "{problems:?}");
    all.into_iter().filter(|residue| residue.place == place).collect()
}

#[test]
fn a_clean_namespace_has_none() {
    assert_eq!(found(&Lab::new(), Some(9)), []);
}

#[test]
fn tables_and_links_of_ours_are_told_from_those_of_another_instance() {
    let lab = Lab::new();
    lab.filter(1, Hook::Device, Verdict::Drop, Direction::Both, Peers::Everyone, LONG);
    lab.filter(2, Hook::Device, Verdict::Drop, Direction::Both, Peers::Everyone, Duration::from_millis(200));
    lab.netns.enter(|| link::add_ifb(&IfbName::new(9, 1, true))).unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    let ours = found(&lab, Some(9));
    let brief: Vec<_> = ours.iter().map(|r| (r.kind, r.what.clone(), r.live)).collect();
    let link = IfbName::new(9, 1, true).to_string();
    let table = |id: u32, live| ("table", format!("rumpus_00000009_{id:08x}"), live);
    assert_eq!(brief, [("link", link, false), table(1, true), table(2, false)]);
    assert!(ours.iter().all(|residue| residue.owner == Owner::Ours(9)));
    let others = found(&lab, Some(8));
    assert_eq!(others.iter().filter(|residue| residue.owner == Owner::OtherRumpus(9)).count(), 2);
    assert!(!others.iter().any(|residue| matches!(residue.owner, Owner::Ours(_))));
}

#[test]
fn what_other_tools_leave_is_reported() {
    let lab = Lab::new();
    run("ip", &["netns", "exec", &lab.name, "nft", "add", "table", "ip", "filter"]);
    run("ip", &["netns", "exec", &lab.name, "nft", "add", "chain", "ip", "filter", "CHAOS-INPUT"]);
    run("ip", &["netns", "exec", &lab.name, "nft", "add", "table", "inet", "pumba"]);
    let brief: Vec<_> = found(&lab, None).into_iter().map(|r| (r.owner, r.kind, r.what)).collect();
    let foreign = |tool: &str, kind, what: &str| (Owner::Foreign(tool.into()), kind, what.to_owned());
    let expected = [foreign("Chaos Mesh", "chain", "ip filter CHAOS-INPUT"), foreign("Pumba", "table", "inet pumba")];
    assert_eq!(brief, expected);
}
