//! What keeps an injection alive, judged: the Lease moves, the object is still wanted, no Halt covers it.
//!
//! Pure. No wall clock of this node comes into it: both instants that are compared are the controller's.

use super::desk::unwanted;
use super::order::Order;
use crate::core::Leave;
use k8s_openapi::api::coordination::v1::Lease;
use rumpus_cluster::ChaosInjection;
use rumpus_model::halt::Halt;
use rumpus_model::injection::{EndCause, Unwanted};
use rumpus_model::refusal::Refusal;
use rumpus_model::wire::Phase;
use std::time::Duration;

/// The controller's Lease as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRead {
    /// Microseconds since 1970, by the controller's clock.
    pub renewed: i64,
    /// How often it has changed hands.
    pub epoch: i64,
    /// L as the controller wants it.
    pub duration: Option<Duration>,
}

impl LeaseRead {
    /// Reads a Lease.
    ///
    /// # Errors
    /// It was never renewed.
    pub fn of(lease: &Lease) -> Result<Self, String> {
        let spec = lease.spec.as_ref().ok_or("the Lease is empty")?;
        let renewed = spec.renew_time.as_ref().ok_or("the Lease was never renewed")?;
        let seconds = spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
        Ok(Self {
            renewed: renewed.0.as_microsecond(),
            epoch: spec.lease_transitions.map_or(0, i64::from),
            duration: seconds.map(Duration::from_secs),
        })
    }
}

/// Whether the Lease moves, from one reading to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moving {
    last: Option<i64>,
}

impl Moving {
    /// Notes a reading. Returns whether it differs from the one before; the first one shows nothing.
    pub fn noted(&mut self, lease: &LeaseRead) -> bool {
        let before = self.last.replace(lease.renewed);
        before.is_some_and(|before| before != lease.renewed)
    }

    /// Takes a reading as the one to compare with, where there is none yet.
    pub fn begin(&mut self, lease: &LeaseRead) {
        self.last.get_or_insert(lease.renewed);
    }

    /// Forgets the last reading: nothing is held any more.
    pub fn end(&mut self) {
        self.last = None;
    }
}

/// Returns why an injection must end, by its object as it was read by name.
pub fn must_end(uid: &str, object: Option<&ChaosInjection>) -> Option<EndCause> {
    match object {
        None => Some(EndCause::Unwanted(Unwanted::Absent)),
        Some(object) if object.uid() != uid => Some(EndCause::Unwanted(Unwanted::Replaced)),
        Some(object) => unwanted(object),
    }
}

/// Decides right before the first change. `at`: when the requests were sent (CLOCK_BOOTTIME).
pub fn leave(
    order: &Order,
    object: Option<&ChaosInjection>,
    lease: &LeaseRead,
    halts: Vec<Halt>,
    at: Duration,
) -> Leave {
    if let Some(cause) = must_end(&order.uid, object) {
        return Leave::Ended(cause);
    }
    if object.is_some_and(|o| o.spec.phase != Phase::Armed) {
        return Leave::Ended(EndCause::Cancelled);
    }
    if order.epoch < lease.epoch {
        let refusal = Refusal::StaleEpoch { epoch: order.epoch, current: lease.epoch };
        return Leave::Ended(EndCause::Refused(refusal));
    }
    let left = u64::try_from(order.not_after.saturating_sub(lease.renewed)).map(Duration::from_micros);
    match left {
        Ok(left) if !left.is_zero() => {
            Leave::Given { at, halts, left: order.duration.map(|duration| duration.min(left)) }
        }
        Ok(_) | Err(_) => Leave::Ended(EndCause::Refused(Refusal::Expired)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::order;
    use serde_json::{Value, json};

    fn object(change: impl FnOnce(&mut Value)) -> ChaosInjection {
        let mut object = json!({
            "metadata": {"name": "r-n-r1", "namespace": "shop", "uid": "u",
                         "ownerReferences": [{"apiVersion": "x/v1", "kind": "ChaosRun", "name": "r", "uid": "r"}]},
            "spec": {"nodeName": "n1", "run": {"name": "r", "uid": "r"}, "phase": "Armed", "epoch": 3, "revision": 1,
                     "notAfter": "2026-11-24T20:00:10Z", "duration": "60s",
                     "fault": {"partition": {"direction": "Both"}},
                     "targets": [{"uid": "u1", "namespace": "shop", "pod": "a"}]},
        });
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    fn lease(renewed: &str, epoch: i64) -> LeaseRead {
        LeaseRead { renewed: order::instant(renewed).unwrap(), epoch, duration: None }
    }

    fn asked(object: Option<&ChaosInjection>, lease: &LeaseRead) -> Leave {
        let order = order::read("u", "shop", &self::object(|_| {}).spec).unwrap();
        leave(&order, object, lease, Vec::new(), Duration::from_secs(5))
    }

    #[test]
    fn time_is_what_is_left_by_the_controllers_clock() {
        let given = |lease: &LeaseRead| match asked(Some(&object(|_| {})), lease) {
            Leave::Given { left, .. } => left,
            Leave::Ended(cause) => panic!("{cause}"),
        };
        assert_eq!(given(&lease("2026-11-24T20:00:00Z", 3)), Some(Duration::from_secs(10)));
        assert_eq!(given(&lease("2026-11-24T19:00:00Z", 3)), Some(Duration::from_secs(60)));
        let expired = asked(Some(&object(|_| {})), &lease("2026-11-24T20:00:10Z", 3));
        assert_eq!(expired, Leave::Ended(EndCause::Refused(Refusal::Expired)));
    }

    #[test]
    fn a_lower_epoch_than_the_leases_is_refused() {
        let stale = asked(Some(&object(|_| {})), &lease("2026-11-24T20:00:00Z", 4));
        assert_eq!(stale, Leave::Ended(EndCause::Refused(Refusal::StaleEpoch { epoch: 3, current: 4 })));
    }

    #[test]
    fn what_nobody_wants_does_not_begin() {
        let lease = lease("2026-11-24T20:00:00Z", 3);
        let ended = |o: Option<ChaosInjection>| match asked(o.as_ref(), &lease) {
            Leave::Ended(cause) => cause,
            Leave::Given { .. } => panic!("it was given"),
        };
        assert_eq!(ended(None), EndCause::Unwanted(Unwanted::Absent));
        let replaced = object(|o| o["metadata"]["uid"] = json!("other"));
        assert_eq!(ended(Some(replaced)), EndCause::Unwanted(Unwanted::Replaced));
        let orphan = object(|o| o["metadata"]["ownerReferences"] = json!([]));
        assert_eq!(ended(Some(orphan)), EndCause::Unwanted(Unwanted::Orphaned));
        let deleting = object(|o| o["metadata"]["deletionTimestamp"] = json!("2026-11-24T20:00:00Z"));
        assert_eq!(ended(Some(deleting)), EndCause::Unwanted(Unwanted::Deleting));
        let cancelled = object(|o| o["spec"]["phase"] = json!("Cancelled"));
        assert_eq!(ended(Some(cancelled)), EndCause::Cancelled);
    }

    #[test]
    fn a_lease_that_stands_still_is_no_contact() {
        let mut moving = Moving::default();
        let (one, two) = (lease("2026-11-24T20:00:00Z", 1), lease("2026-11-24T20:00:01Z", 1));
        assert!(!moving.noted(&one));
        assert!(!moving.noted(&one));
        assert!(moving.noted(&two));
        assert!(!moving.noted(&two));
        moving.end();
        moving.begin(&one);
        moving.begin(&two);
        assert!(moving.noted(&two));
    }
}
