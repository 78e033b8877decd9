//! The transactions that make, renew, disarm and delete our tables.
//!
//! A gate's time is relative, so it must not be sent late. It is computed right before the send, under a timer that
//! kills this process at the deadline (a process that was stopped in between never sends), and measured after the
//! kernel's answer: if that took long, the gate is armed again from a fresh reading.

use super::build::{self, ARM_AT, Wiring};
use super::message::{Family, HEAD, Table, delete_table};
use super::{NftError, TableName, families};
use crate::kernel::netlink::{Connection, Message, NetlinkError, Transaction};
use crate::kernel::timer::{DeathTimer, boottime};
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;
use rumpus_model::change::Filter;
use std::time::Duration;

/// The shortest gate. A timeout of less than one tick (10 ms at HZ=100) would mean no timeout at all
/// (`nft_add_set_elem` in net/netfilter/nf_tables_api.c, 6.1), and a slow send would be killed by its own timer.
pub const SHORTEST: Duration = Duration::from_millis(100);
/// How late a gate may be: a tenth of what the promise allows. Between reading the clock and the kernel's answer usually
/// lie 0.1 ms, and tens of milliseconds on a busy emulated CPU.
const LATEST: Duration = Duration::from_millis(100);
/// How often a gate that was sent late is armed again.
const ATTEMPTS: u32 = 20;

/// Makes the filter's table (both for hook `Routing`) and arms its gate until `until` (since boot), all at once.
///
/// `comment` is for people, at most 127 bytes.
pub fn create(
    name: &TableName,
    comment: &str,
    filter: &Filter,
    wiring: &Wiring,
    until: Duration,
) -> Result<(), NftError> {
    let (mut messages, mut arms) = (Vec::new(), Vec::new());
    let text = name.to_string();
    for family in families(filter.hook) {
        arms.push((messages.len() + ARM_AT, *family));
        messages.extend(build::table(Table { family: *family, name: &text }, comment, filter, wiring)?);
    }
    let _death = guard(until)?;
    let took = send_armed(name, &messages, &arms, until).map_err(|error| match error.errno() {
        Some(Errno::EEXIST) => NftError::Exists { name: *name },
        Some(_) | None => error,
    })?;
    if took > LATEST { rearm(name, families(filter.hook), until) } else { Ok(()) }
}

/// Moves the gate's deadline to `until` (since boot), without letting a packet through.
pub fn renew(name: &TableName, families: &[Family], until: Duration) -> Result<(), NftError> {
    let _death = guard(until)?;
    rearm(name, families, until)
}

/// Ends the effect at once; the table stays. Disarms what is there before it says that a table is gone.
pub fn disarm(name: &TableName, families: &[Family]) -> Result<(), NftError> {
    let text = name.to_string();
    each(name, families, "disarm a table", |family| Table { family, name: &text }.flush_set(build::ARMED))
}

/// Deletes the table. Deletes what is there before it says that a table is gone.
pub fn delete(name: &TableName, families: &[Family]) -> Result<(), NftError> {
    let text = name.to_string();
    each(name, families, "delete a table", |family| delete_table(family, &text))
}

/// For sabotage only: deletes every table of this namespace, whoever made it.
#[cfg(feature = "testing")]
pub fn flush_everything() -> Result<(), NftError> {
    let all = super::message::delete_all_tables();
    Transaction::new(&[all])
        .and_then(|transaction| Connection::open(NETLINK_NETFILTER)?.commit(&transaction))
        .map_err(NftError::netlink("flush the ruleset"))
}

/// Without the test feature nothing of others is ever touched.
#[cfg(not(feature = "testing"))]
pub fn flush_everything() -> Result<(), NftError> {
    Ok(())
}

/// Arms the timer, unless it would kill at once.
fn guard(until: Duration) -> Result<DeathTimer, NftError> {
    if until.saturating_sub(boottime()) < SHORTEST {
        return Err(NftError::Expired);
    }
    DeathTimer::at(until).map_err(NftError::Timer)
}

/// Sends `flush set` and `add element` in one transaction until one was sent in time: adding alone keeps the old
/// deadline on 6.1.
fn rearm(name: &TableName, families: &[Family], until: Duration) -> Result<(), NftError> {
    let text = name.to_string();
    let (mut messages, mut arms) = (Vec::new(), Vec::new());
    for family in families {
        let table = Table { family: *family, name: &text };
        messages.push(table.flush_set(build::ARMED));
        arms.push((messages.len(), *family));
        messages.push(build::arm(table, SHORTEST));
    }
    for _attempt in 0..ATTEMPTS {
        match send_armed(name, &messages, &arms, until) {
            Ok(took) if took <= LATEST => return Ok(()),
            Ok(_) => {}
            Err(error) if error.errno() == Some(Errno::ENOENT) => return Err(NftError::Gone { name: *name }),
            Err(error) => return Err(error),
        }
    }
    disarm(name, families)?;
    Err(NftError::TooSlow)
}

/// Sends messages with the gates' time filled in, and returns how long that took.
fn send_armed(
    name: &TableName,
    messages: &[Message],
    arms: &[(usize, Family)],
    until: Duration,
) -> Result<Duration, NftError> {
    let failed = NftError::netlink("arm a table");
    let mut connection = Connection::open(NETLINK_NETFILTER).map_err(&failed)?;
    let mut transaction = Transaction::new(messages).map_err(&failed)?;
    let read = boottime();
    let left = until.saturating_sub(read);
    if left < SHORTEST {
        return Err(NftError::Expired);
    }
    let table = name.to_string();
    for (index, family) in arms {
        let message = build::arm(Table { family: *family, name: &table }, left);
        transaction.refill(*index, HEAD, &message.attributes).map_err(&failed)?;
    }
    // A node's probe arms a gate as well, in a namespace of its own and under no instance: it is not what is tried.
    let point = if name.instance == 0 { "arm.probe" } else { "arm.between" };
    crate::testing::point(point).map_err(|_told| NftError::TooSlow)?;
    let committed = connection.commit(&transaction);
    // Before the connection closes, which takes longer than all the rest.
    let took = boottime().saturating_sub(read);
    committed.map_err(failed).map(|()| took)
}

/// Sends one message for each family, to all of them whatever the first ones answer.
fn each(
    name: &TableName,
    families: &[Family],
    operation: &'static str,
    message: impl Fn(Family) -> Message,
) -> Result<(), NftError> {
    let mut first = None;
    for family in families {
        let sent = Transaction::new(&[message(*family)])
            .and_then(|transaction| Connection::open(NETLINK_NETFILTER)?.commit(&transaction));
        if let Err(source) = sent {
            first.get_or_insert(gone_or(name, operation, source));
        }
    }
    first.map_or(Ok(()), Err)
}

fn gone_or(name: &TableName, operation: &'static str, source: NetlinkError) -> NftError {
    match source.errno() {
        Some(Errno::ENOENT) => NftError::Gone { name: *name },
        Some(_) | None => NftError::Netlink { operation, source },
    }
}
