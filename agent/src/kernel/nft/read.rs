//! What the kernel says about our tables.
//!
//! Only reads. The numbers are the kernel's own counters.

use super::build::{ARMED, IN, IN_PASSED, OUT, OUT_PASSED};
use super::message::{Family, GET_ELEMENTS, GET_RULE, GET_TABLE, HEAD, message};
use super::{NftError, TableName};
use crate::kernel::attr::{Attributes, be64, dig, find, text, walk};
use crate::kernel::netlink::{Connection, NetlinkError};
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;
use std::time::Duration;

/// Packets and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub packets: u64,
    pub bytes: u64,
}

/// Packets by direction, seen from the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub egress: Count,
    pub ingress: Count,
}

/// One fault's table (two for hook `Routing`), as the kernel has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableState {
    /// For each family with a table: how long its gate stays armed; none if it is not.
    pub armed: Vec<(Family, Option<Duration>)>,
    /// What the verdict was applied to.
    pub hit: Counts,
    /// What was in scope and got past the verdict. For verdict `Queue`: what came back from the queue or bypassed it.
    pub passed: Counts,
    /// How many rules there are, so that a table which somebody emptied is noticed.
    pub rules: usize,
    pub comment: String,
}

impl TableState {
    /// Returns whether each gate is armed.
    pub fn is_armed(&self) -> bool {
        !self.armed.is_empty() && self.armed.iter().all(|(_, left)| left.is_some())
    }
}

/// Returns the tables in this namespace that are of ours, whatever instance made them.
pub fn list() -> Result<Vec<(Family, TableName)>, NftError> {
    let mut all: Vec<_> = tables()?.into_iter().map(|(family, name, _)| (family, name)).collect();
    all.sort_unstable();
    Ok(all)
}

/// Returns the state of a fault's table, none if it is not in this namespace.
pub fn state(name: &TableName) -> Result<Option<TableState>, NftError> {
    let mut state = TableState::default();
    for (family, found, comment) in tables()? {
        if found == *name {
            state.armed.push((family, remaining(family, name)?));
            state.comment = comment;
            count(family, name, &mut state)?;
        }
    }
    state.armed.sort_unstable();
    Ok((!state.armed.is_empty()).then_some(state))
}

pub(super) fn dump(
    operation: &'static str,
    family: u8,
    kind: u16,
    attributes: Attributes,
) -> Result<Vec<Vec<u8>>, NftError> {
    let replies = Connection::open(NETLINK_NETFILTER)
        .and_then(|mut connection| connection.dump(&message(family, kind, 0, attributes)))
        .map_err(NftError::netlink(operation))?;
    Ok(replies.into_iter().map(|reply| reply.body).collect())
}

fn tables() -> Result<Vec<(Family, TableName, String)>, NftError> {
    let replies = match dump("list the tables", 0, GET_TABLE, Attributes::new()) {
        Err(NftError::Netlink { source, .. }) if has_no_tables(&source) => Vec::new(),
        other => other?,
    };
    let mut all = Vec::new();
    for body in replies {
        let attributes = body.get(HEAD..).unwrap_or_default();
        let family = body.first().and_then(|number| Family::of_number(*number));
        let name = find(attributes, 1).and_then(|name| TableName::parse(&text(name)));
        if let (Some(family), Some(name)) = (family, name) {
            // NFTA_TABLE_USERDATA: type, length, text.
            let comment = find(attributes, 6).and_then(|data| data.get(2..)).map(text).unwrap_or_default();
            all.push((family, name, comment));
        }
    }
    Ok(all)
}

/// Whether the kernel is without nf_tables, so that no table can be there: it knows nobody who could answer (EINVAL,
/// `nfnetlink_rcv_msg` in net/netfilter/nfnetlink.c), or has no netfilter sockets at all. A list has no argument that
/// could be wrong.
fn has_no_tables(error: &NetlinkError) -> bool {
    let no_sockets = matches!(error, NetlinkError::Open(source)
        if source.raw_os_error() == Some(Errno::EPROTONOSUPPORT as i32));
    no_sockets || error.errno() == Some(Errno::EINVAL)
}

/// Returns the shortest time that an element of the gate has left.
fn remaining(family: Family, name: &TableName) -> Result<Option<Duration>, NftError> {
    let wanted = Attributes::new().text(1, &name.to_string()).text(2, ARMED);
    let mut shortest: Option<Duration> = None;
    for body in dump("read a gate", family.number(), GET_ELEMENTS, wanted)? {
        let list = body.get(HEAD..).and_then(|attributes| find(attributes, 3)).unwrap_or_default();
        for (_, element) in walk(list) {
            // NFTA_SET_ELEM_EXPIRATION. One without never ends; that is not ours, and no time is left for it to end.
            let left = find(element, 5).and_then(be64).map_or(Duration::MAX, Duration::from_millis);
            shortest = Some(shortest.map_or(left, |known| known.min(left)));
        }
    }
    Ok(shortest)
}

/// Adds the counters of a table's rules to `state`.
fn count(family: Family, name: &TableName, state: &mut TableState) -> Result<(), NftError> {
    let table = name.to_string();
    for body in dump("read a table's rules", family.number(), GET_RULE, Attributes::new().text(1, &table))? {
        let rule = body.get(HEAD..).unwrap_or_default();
        if find(rule, 1).map(text).as_deref() != Some(&table) {
            continue;
        }
        state.rules += 1;
        let chain = find(rule, 2).map(text).unwrap_or_default();
        let sum = match chain.as_str() {
            OUT => &mut state.hit.egress,
            IN => &mut state.hit.ingress,
            OUT_PASSED => &mut state.passed.egress,
            IN_PASSED => &mut state.passed.ingress,
            _other => continue,
        };
        for (_, expression) in walk(find(rule, 4).unwrap_or_default()) {
            if find(expression, 1).map(text).as_deref() == Some("counter") {
                sum.bytes += dig(expression, &[2, 1]).and_then(be64).unwrap_or(0);
                sum.packets += dig(expression, &[2, 2]).and_then(be64).unwrap_or(0);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kernel_without_nf_tables_is_known_to_have_no_tables() {
        let refused = |source| NetlinkError::Refused { message: Some(0), source };
        let unopened = |errno: Errno| NetlinkError::Open(std::io::Error::from_raw_os_error(errno as i32));
        assert!(has_no_tables(&refused(Errno::EINVAL)));
        assert!(has_no_tables(&unopened(Errno::EPROTONOSUPPORT)));
        // Whoever may not look does not know.
        assert!(!has_no_tables(&refused(Errno::EPERM)));
        assert!(!has_no_tables(&unopened(Errno::EMFILE)));
    }
}
