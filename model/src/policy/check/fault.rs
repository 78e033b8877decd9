//! The fault and its parameters.

use super::experiment::time;
use super::network::{self, Written};
use super::place::Place;
use crate::change::Delay;
use crate::fault::kill::{SIGKILL, SIGNALS};
use crate::fault::partition::How;
use crate::fault::{Fault, Kill, Latency, Loss, Partition, PodDelete, PodEvict};
use crate::faults::{HEAVIEST, MOST};
use crate::wire::{self, NumberOrText};
use std::time::Duration;

/// Longest a packet is held back, jitter included.
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// Longest a process may take to end by itself.
const LONGEST_GRACE: Duration = Duration::from_secs(600);
/// What a process gets when the policy names a signal and no grace: what container runtimes give.
const GRACE: Duration = Duration::from_secs(10);

/// Checks the list: one fault, or up to eight of which each run does one. Every entry is looked at.
pub(super) fn list(written: Option<&Vec<wire::Fault>>, place: &Place<'_>) -> Option<Vec<(Fault, u16)>> {
    let hint = "write one, like `- partition: {direction: Both}`";
    let Some(written) = written else { return place.missing(hint) };
    if written.is_empty() {
        place.wrong("an empty list does nothing", hint);
        return None;
    }
    if written.len() > MOST {
        let hint = "leave some out; several policies of one file run side by side";
        place.wrong(format!("{} faults are more than {MOST}", written.len()), hint);
        return None;
    }
    let one = |(index, written): (usize, &wire::Fault)| {
        let place = place.item(index);
        let (fault, weight) = (entry(written, &place), weight(written.weight, &place.field("weight")));
        Some((fault?, weight?))
    };
    let checked: Vec<Option<(Fault, u16)>> = written.iter().enumerate().map(one).collect();
    let faults: Vec<(Fault, u16)> = checked.into_iter().collect::<Option<_>>()?;
    if faults.iter().all(|(_, weight)| *weight == 0) {
        place.wrong("every weight is 0, so none is ever drawn", "write a weight of 1 or more, or leave it out");
        return None;
    }
    Some(faults)
}

fn weight(written: Option<i64>, place: &Place<'_>) -> Option<u16> {
    let Some(written) = written else { return Some(1) };
    let weight = u16::try_from(written).ok().filter(|weight| *weight <= HEAVIEST);
    if weight.is_none() {
        let hint = "write how often it is drawn beside the others; 0 is never";
        place.wrong(format!("{written} is not within 0 and {HEAVIEST}"), hint);
    }
    weight
}

/// Checks a fault that stands alone, as an Injection holds it.
pub(super) fn alone(written: &wire::Fault, place: &Place<'_>) -> Option<Fault> {
    if written.weight.is_some() {
        place.field("weight").wrong("is of a policy's list, and this is one fault", "leave it out");
    }
    entry(written, place)
}

fn entry(written: &wire::Fault, place: &Place<'_>) -> Option<Fault> {
    for (name, given) in [("podDelete", written.pod_delete.is_some()), ("podEvict", written.pod_evict.is_some())] {
        if given && !place.in_cluster() {
            place.field(name).wrong("is done by a cluster's controller, not on a host", "use kill");
        }
    }
    let wire::Fault { kill, latency, loss, partition, pod_delete, pod_evict, weight: _ } = written;
    let given = [
        kill.is_some(),
        latency.is_some(),
        loss.is_some(),
        partition.is_some(),
        pod_delete.is_some(),
        pod_evict.is_some(),
    ];
    if given.iter().filter(|g| **g).count() != 1 {
        let mut names = Fault::NAMES.to_vec();
        if place.in_cluster() {
            names.extend(Fault::CLUSTER_NAMES);
        }
        place.wrong("exactly one fault is meant here", format!("write one of {}", names.join(", ")));
    }
    let kill = kill.as_ref().and_then(|k| self::kill(k, &place.field("kill"))).map(Fault::Kill);
    let latency = latency.as_ref().and_then(|l| self::latency(l, &place.field("latency"))).map(Fault::Latency);
    let loss = loss.as_ref().and_then(|l| self::loss(l, &place.field("loss"))).map(Fault::Loss);
    let partition = partition.as_ref().and_then(|p| self::partition(p, &place.field("partition")));
    let node = kill.or(latency).or(loss).or(partition.map(Fault::Partition));
    let delete = pod_delete.as_ref().and_then(|d| {
        let grace_period = grace_period(d.grace_period.as_ref(), &place.field("podDelete"))?;
        Some(Fault::PodDelete(PodDelete { grace_period }))
    });
    let evict = pod_evict.as_ref().and_then(|e| {
        let grace_period = grace_period(e.grace_period.as_ref(), &place.field("podEvict"))?;
        Some(Fault::PodEvict(PodEvict { grace_period }))
    });
    node.or(delete.or(evict).filter(|_| place.in_cluster()))
}

/// Outer `None`: a problem was noted.
fn grace_period(written: Option<&String>, place: &Place<'_>) -> Option<Option<Duration>> {
    let Some(text) = written else { return Some(None) };
    let place = place.field("gracePeriod");
    let grace = time(text, &place, Duration::ZERO, LONGEST_GRACE)?;
    if grace.subsec_nanos() > 0 {
        place.wrong("the API server counts whole seconds", "write 10s");
        return None;
    }
    Some(Some(grace))
}

fn kill(written: &wire::Kill, place: &Place<'_>) -> Option<Kill> {
    let hint = "write `{signal: TERM, grace: 10s}` or `{container: true}`";
    match (&written.signal, written.container) {
        (None, Some(true)) => {
            if written.grace.is_some() {
                place.field("grace").wrong("a whole container is killed at once", "leave it out");
                return None;
            }
            Some(Kill::Container)
        }
        (Some(signal), None) => {
            let signal = signal_of(signal, &place.field("signal"))?;
            let place = place.field("grace");
            let grace = match (&written.grace, signal) {
                (None, SIGKILL) => Duration::ZERO,
                (Some(_), SIGKILL) => {
                    place.wrong("nothing comes after SIGKILL", "leave it out");
                    return None;
                }
                (None, _) => GRACE,
                (Some(text), _) => time(text, &place, Duration::ZERO, LONGEST_GRACE)?,
            };
            Some(Kill::Process { signal, grace })
        }
        (Some(_), Some(_)) | (None, Some(false) | None) => {
            place.wrong("exactly one of `signal` and `container: true` is meant here", hint);
            None
        }
    }
}

fn signal_of(written: &NumberOrText, place: &Place<'_>) -> Option<i32> {
    let found = match written {
        NumberOrText::Number(n) => SIGNALS.iter().find(|(_, number)| i64::from(*number) == *n),
        NumberOrText::Text(text) => {
            let bare = text.strip_prefix("SIG").unwrap_or(text);
            SIGNALS.iter().find(|(name, _)| *name == bare)
        }
    };
    if found.is_none() {
        let names: Vec<&str> = SIGNALS.iter().map(|(name, _)| *name).collect();
        place
            .wrong(format!("`{written}` is no signal that ends a process"), format!("use one of {}", names.join(", ")));
    }
    found.map(|(_, number)| *number)
}

fn latency(written: &wire::Latency, place: &Place<'_>) -> Option<Latency> {
    let least = Duration::from_millis(1);
    let delay = match &written.delay {
        None => place.field("delay").missing("write `delay: 100ms`"),
        Some(text) => time(text, &place.field("delay"), least, LONGEST_DELAY),
    };
    let jitter = match &written.jitter {
        None => Some(Duration::ZERO),
        Some(text) => time(text, &place.field("jitter"), Duration::ZERO, LONGEST_DELAY),
    };
    if let (Some(delay), Some(jitter)) = (delay, jitter) {
        if jitter > delay {
            place.field("jitter").wrong("is more than the delay: no packet arrives before it was sent", "");
        } else if delay + jitter > LONGEST_DELAY {
            place.field("jitter").wrong("delay and jitter together are more than 10s", "");
        }
    }
    let network = network::check(&Written::of_latency(written), place);
    let delay = Delay { delay: delay?, jitter: jitter?, reorder: written.reorder.unwrap_or(false) };
    Some(Latency { delay, network: network? })
}

fn loss(written: &wire::Loss, place: &Place<'_>) -> Option<Loss> {
    let percent = match written.percent.map(|p| (p, u8::try_from(p))) {
        None => place.field("percent").missing("write `percent: 30`"),
        Some((_, Ok(percent))) if (1..=100).contains(&percent) => Some(percent),
        Some((other, _)) => {
            place.field("percent").wrong(format!("{other} is not within 1 and 100"), "");
            None
        }
    };
    let network = network::check(&Written::of_loss(written), place);
    Some(Loss { percent: percent?, network: network? })
}

fn partition(written: &wire::Partition, place: &Place<'_>) -> Option<Partition> {
    let how = match written.how {
        Some(wire::How::Drop) | None => How::Drop,
        Some(wire::How::Reject) => How::Reject,
    };
    Some(Partition { how, network: network::check(&Written::of_partition(written), place)? })
}
