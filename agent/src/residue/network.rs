//! What is left in the calling thread's network namespace.
//!
//! Only reads.

use super::{Owner, Residue, marks};
use crate::kernel::foreign;
use crate::kernel::link;
use crate::kernel::nft;
use crate::resolve::chain;
use std::collections::BTreeSet;
use std::fs;

/// Tables of the legacy iptables that are in use in the calling thread's namespace.
const LEGACY: [&str; 2] = ["/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"];

/// Returns what was found, and what could not be looked at.
pub(super) fn look(place: &str, own: Option<u32>) -> (Vec<Residue>, Vec<String>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    if let Err(why) = tables(place, own, &mut found) {
        problems.push(format!("{place}: {why}"));
    }
    if let Err(why) = names(place, &mut found) {
        problems.push(format!("{place}: {why}"));
    }
    if let Err(why) = links(place, own, &mut found) {
        problems.push(format!("{place}: {why}"));
    }
    problems.extend(LEGACY.iter().filter_map(|path| legacy(place, path)));
    (found, problems)
}

fn tables(place: &str, own: Option<u32>, found: &mut Vec<Residue>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for (_, name) in nft::list().map_err(|e| chain(&e))? {
        if !seen.insert(name) {
            continue;
        }
        let Some(state) = nft::state(&name).map_err(|e| chain(&e))? else { continue };
        let live = state.armed.iter().any(|(_, left)| left.is_some());
        let owner = Owner::rumpus(name.instance, own);
        found.push(Residue { owner, kind: "table", place: place.into(), what: name.to_string(), live });
    }
    Ok(())
}

/// Chains of iptables-nft are ordinary chains of the tables `ip filter` and so on.
fn names(place: &str, found: &mut Vec<Residue>) -> Result<(), String> {
    let foreign = |tool: &str, kind, what| {
        let owner = Owner::Foreign(tool.to_owned());
        Residue { owner, kind, place: place.to_owned(), what, live: true }
    };
    for (family, table, chain) in foreign::nft_names().map_err(|e| chain_of(&e))? {
        match &chain {
            None => found.extend(marks::tool(&table).map(|tool| foreign(tool, "table", format!("{family} {table}")))),
            Some(name) => {
                let what = format!("{family} {table} {name}");
                found.extend(marks::tool(name).map(|tool| foreign(tool, "chain", what)));
            }
        }
    }
    for set in foreign::ip_sets().map_err(|e| chain_of(&e))? {
        found.extend(marks::set(&set).map(|tool| foreign(tool, "set", set.clone())));
    }
    Ok(())
}

fn links(place: &str, own: Option<u32>, found: &mut Vec<Residue>) -> Result<(), String> {
    let devices = link::devices().map_err(|e| chain(&e))?;
    for device in devices.iter().filter(|device| link::is_ours(device)) {
        // The instance cannot be read from a link's name: it is shortened to 24 bits.
        let is_own = own.filter(|instance| device.name.starts_with(&link::IfbName::prefix(*instance)));
        let owner = is_own.map_or_else(|| Owner::Foreign("another instance of Rumpus".into()), Owner::Ours);
        found.push(Residue { owner, kind: "link", place: place.into(), what: device.name.clone(), live: device.up });
    }
    for qdisc in foreign::qdiscs().map_err(|e| chain_of(&e))?.iter().filter(|qdisc| qdisc.kind == "netem") {
        let device = devices.iter().find(|device| device.index == qdisc.device);
        if device.is_some_and(link::is_ours) {
            continue;
        }
        let name = device.map_or_else(|| format!("device {}", qdisc.device), |device| device.name.clone());
        let what = format!("netem {:x}: on {name}", qdisc.handle >> 16);
        let owner = Owner::Foreign("unknown (netem)".into());
        found.push(Residue { owner, kind: "qdisc", place: place.into(), what, live: true });
    }
    Ok(())
}

fn chain_of(error: &crate::kernel::netlink::NetlinkError) -> String {
    chain(error)
}

/// Tells that the legacy iptables is in use, whose chains cannot be listed from here.
fn legacy(place: &str, path: &str) -> Option<String> {
    let names = fs::read_to_string(path).ok()?;
    let names: Vec<&str> = names.lines().collect();
    (!names.is_empty())
        .then(|| format!("{place}: legacy iptables is in use ({}); its chains were not looked at", names.join(", ")))
}
