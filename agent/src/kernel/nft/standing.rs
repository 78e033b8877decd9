//! The delays that stand in a namespace, read back from the tables that carry them.
//!
//! Only reads, and errs towards more: what cannot be decoded counts as everyone, both ways.

use super::build::{IN, OUT};
use super::message::{GET_ELEMENTS, GET_RULE, HEAD};
use super::read::{dump, list, state};
use super::scope::Version;
use super::{Family, NftError, TableName};
use crate::kernel::attr::{Attributes, be32, dig, find, text, walk};
use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use rumpus_model::scope::{Addresses, Direction, Peers};
use rumpus_model::world::StandingDelay;
use std::net::{Ipv4Addr, Ipv6Addr};

/// `NFT_SET_ELEM_INTERVAL_END`: the first key that is not in the interval any more.
const INTERVAL_END: u32 = 1;

/// Returns the armed delays in the calling thread's namespace, whichever instance of ours made them.
///
/// # Errors
/// The kernel's tables could not be read; then nothing is known.
pub fn delays() -> Result<Vec<StandingDelay>, NftError> {
    let mut all = Vec::new();
    for (family, name) in list()? {
        // An empty gate delays nothing. A table that vanished meanwhile neither.
        let armed = state(&name)?.is_some_and(|state| state.armed.iter().any(|(_, left)| left.is_some()));
        if armed {
            all.extend(delay(family, &name)?);
        }
    }
    Ok(all)
}

/// What one rule says: nothing if it delays nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    chain: String,
    /// Names of the sets that it asks.
    sets: Vec<String>,
}

fn delay(family: Family, name: &TableName) -> Result<Option<StandingDelay>, NftError> {
    let table = name.to_string();
    let wanted = Attributes::new().text(1, &table);
    let bodies = dump("read a table's rules", family.number(), GET_RULE, wanted)?;
    let rules: Vec<Rule> = bodies.iter().filter_map(|body| rule(body.get(HEAD..)?, &table)).collect();
    let Some(direction) = direction(&rules) else { return Ok(None) };
    let mut nets = Vec::new();
    for rule in &rules {
        let peers = [Version::V4, Version::V6].into_iter().find(|v| rule.sets.iter().any(|set| set == v.peers()));
        let Some(version) = peers else {
            return Ok(Some(StandingDelay { table, direction, peers: Peers::Everyone }));
        };
        match networks(&elements(family, &table, version)?, version) {
            Some(found) => nets.extend(found),
            None => return Ok(Some(StandingDelay { table, direction, peers: Peers::Everyone })),
        }
    }
    Ok(Some(StandingDelay { table, direction, peers: Peers::Only(Addresses::new(nets)) }))
}

/// Reads a rule that hands packets on: `fwd`, or the compat target NFQUEUE.
fn rule(attributes: &[u8], table: &str) -> Option<Rule> {
    if find(attributes, 1).map(text).as_deref() != Some(table) {
        return None;
    }
    let (mut delays, mut sets) = (false, Vec::new());
    for (_, expression) in walk(find(attributes, 4)?) {
        match find(expression, 1).map(text).as_deref() {
            Some("fwd" | "queue" | "target") => delays = true,
            Some("lookup") => sets.extend(dig(expression, &[2, 1]).map(text)),
            Some(_) | None => {}
        }
    }
    delays.then(|| Rule { chain: find(attributes, 2).map(text).unwrap_or_default(), sets })
}

/// Returns the way of the rules' packets; none where no rule delays.
fn direction(rules: &[Rule]) -> Option<Direction> {
    let only = |chain: &str| rules.iter().all(|rule| rule.chain == chain);
    (!rules.is_empty()).then(|| match (only(OUT), only(IN)) {
        (true, _) => Direction::Egress,
        (_, true) => Direction::Ingress,
        (false, false) => Direction::Both,
    })
}

/// Returns the keys of a table's set of peers, with whether each is an interval's end.
fn elements(family: Family, table: &str, version: Version) -> Result<Vec<(Vec<u8>, bool)>, NftError> {
    let wanted = Attributes::new().text(1, table).text(2, version.peers());
    let mut keys = Vec::new();
    for body in dump("read a set of peers", family.number(), GET_ELEMENTS, wanted)? {
        let list = body.get(HEAD..).and_then(|attributes| find(attributes, 3)).unwrap_or_default();
        keys.extend(walk(list).map(|(_, element)| {
            let key = dig(element, &[1, 1]).unwrap_or_default().to_vec();
            (key, find(element, 3).and_then(be32).unwrap_or(0) & INTERVAL_END != 0)
        }));
    }
    Ok(keys)
}

/// Turns keys into networks; none where they are no list of intervals.
fn networks(keys: &[(Vec<u8>, bool)], version: Version) -> Option<Vec<IpNet>> {
    let mut sorted: Vec<(u128, bool)> = Vec::new();
    for (key, end) in keys {
        let number = match version {
            Version::V4 => u128::from(u32::from_be_bytes(key.as_slice().try_into().ok()?)),
            Version::V6 => u128::from_be_bytes(key.as_slice().try_into().ok()?),
        };
        sorted.push((number, *end));
    }
    // One interval's end may be the next one's first key: the end comes before it.
    sorted.sort_by_key(|(number, end)| (*number, !*end));
    let (mut nets, mut open) = (Vec::new(), None);
    for (number, end) in sorted {
        match (open, end) {
            (None, false) => open = Some(number),
            (Some(first), true) => {
                nets.extend(subnets(first, number.checked_sub(1)?, version)?);
                open = None;
            }
            // The kernel closes the space below the first interval by an end at 0.
            (None, true) if number == 0 => {}
            (None, true) | (Some(_), false) => return None,
        }
    }
    if let Some(first) = open {
        let last = match version {
            Version::V4 => u128::from(u32::MAX),
            Version::V6 => u128::MAX,
        };
        nets.extend(subnets(first, last, version)?);
    }
    (!nets.is_empty()).then_some(nets)
}

fn subnets(first: u128, last: u128, version: Version) -> Option<Vec<IpNet>> {
    Some(match version {
        Version::V4 => {
            let (first, last) = (u32::try_from(first).ok()?, u32::try_from(last).ok()?);
            Ipv4Subnets::new(Ipv4Addr::from(first), Ipv4Addr::from(last), 0).map(IpNet::V4).collect()
        }
        Version::V6 => Ipv6Subnets::new(Ipv6Addr::from(first), Ipv6Addr::from(last), 0).map(IpNet::V6).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(keys: &[([u8; 4], bool)]) -> Option<Vec<String>> {
        let keys: Vec<(Vec<u8>, bool)> = keys.iter().map(|(key, end)| (key.to_vec(), *end)).collect();
        networks(&keys, Version::V4).map(|nets| nets.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn intervals_in_any_order_become_networks() {
        let keys = [([10, 0, 1, 0], true), ([10, 0, 0, 0], false), ([10, 0, 1, 0], false), ([10, 0, 1, 1], true)];
        assert_eq!(v4(&keys).unwrap(), ["10.0.0.0/24", "10.0.1.0/32"]);
        assert_eq!(v4(&[([255, 0, 0, 0], false), ([0; 4], true)]).unwrap(), ["255.0.0.0/8"]);
    }

    #[test]
    fn what_is_no_list_of_intervals_is_none() {
        assert_eq!(v4(&[]), None);
        assert_eq!(v4(&[([1, 0, 0, 0], true)]), None);
        assert_eq!(v4(&[([1, 0, 0, 0], false), ([2, 0, 0, 0], false)]), None);
        assert_eq!(networks(&[(vec![1, 2], false)], Version::V4), None);
    }
}
