//! What a reading of the API server means: contact, an end, or leave to begin.

use super::{Reading, Serve};
use crate::agent::Node;
use crate::net::Net;
use crate::plant::Plant;
use rumpus_agent::cluster::contact;
use rumpus_agent::core::{Event, Leave, Outcome};
use std::time::Duration;

impl Serve {
    pub(super) fn part(
        &mut self,
        node: &mut Node,
        net: &mut Net,
        id: u64,
        now: Duration,
        take: impl FnOnce(&mut Reading),
    ) {
        let Some(mut reading) = self.readings.remove(&id) else { return };
        take(&mut reading);
        reading.waiting -= 1;
        if reading.waiting > 0 {
            self.readings.insert(id, reading);
        } else if reading.asks.is_empty() {
            self.rounded(node, net, reading, now);
        } else {
            self.asked(node, net, &reading, now);
        }
    }

    fn asked(&mut self, node: &mut Node, net: &mut Net, reading: &Reading, now: Duration) {
        self.asking = false;
        if let Some(lease) = &reading.lease {
            self.lease_read(node, net, lease, now);
        }
        for (op, injection) in &reading.asks {
            let outcome = self.outcome(injection, reading, net.plant);
            node.answered(net, *op, outcome);
        }
        self.answer_asks(node, net, now);
    }

    fn outcome(&mut self, injection: &str, reading: &Reading, plant: Option<Plant>) -> Outcome {
        let failed = |what: &str| Outcome::Failed { why: format!("{what} could not be read") };
        let Some(mut halts) = reading.halts.clone() else { return failed("the Halts") };
        if plant == Some(Plant::HaltBlind) {
            halts.clear();
        }
        let Some(lease) = &reading.lease else { return failed("the Lease") };
        let Some(Some(object)) = reading.objects.get(injection) else { return failed("the injection") };
        let Some(order) = self.desk.order(injection) else { return failed("the order") };
        self.moving.begin(lease);
        match contact::leave(&order, object.as_deref(), lease, halts, reading.at) {
            Leave::Given { at, halts, .. } if plant == Some(Plant::NoDeadline) => {
                Outcome::Leave(Leave::Given { at, halts, left: None })
            }
            leave @ (Leave::Given { .. } | Leave::Ended(_)) => Outcome::Leave(leave),
        }
    }

    fn rounded(&mut self, node: &mut Node, net: &mut Net, reading: Reading, now: Duration) {
        self.round = false;
        let whole = match (&reading.halts, &reading.lease) {
            (Some(halts), Some(lease)) => {
                self.read.clone_from(halts);
                self.lease_read(node, net, lease, now);
                self.halts_changed(node, net, now);
                self.moving.noted(lease)
            }
            (None, _) | (_, None) => false,
        };
        for (uid, object) in reading.objects {
            let Some(object) = object else { continue };
            let deaf = net.plant == Some(Plant::DeafAgent);
            match contact::must_end(&uid, object.as_deref()).filter(|_| !deaf) {
                Some(cause) => {
                    let acts = self.desk.end(&uid, cause);
                    self.carry_out(node, net, acts, now);
                }
                None if whole => node.tell(net, Event::Heard { injection: uid, at: reading.at }),
                None => {}
            }
        }
    }
}
