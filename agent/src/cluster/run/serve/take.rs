//! What each note means.

use super::{Ask, Error, LAST_REPORTS, NODE, Note, Reading, Serve, chain, contact};
use crate::cluster::halts;
use crate::core::{Event, Outcome};
use rumpus_cluster::{ChaosHalt, ChaosInjection, Item, Seen};
use std::collections::BTreeSet;
use std::time::Duration;

impl Serve {
    pub(super) fn take(&mut self, note: Note, now: Duration) {
        match note {
            Note::Injection(seen) => self.injection(*seen, now),
            Note::Halt(seen) => self.halt(*seen, now),
            Note::Attested(attestation) => {
                tracing::info!(
                    injection = attestation.injection,
                    slot = attestation.id,
                    target = attestation.target,
                    state = ?attestation.state,
                    cause = attestation.cause.as_ref().map(ToString::to_string),
                    "attested"
                );
                let acts = self.desk.attested(*attestation);
                self.carry_out(acts, now);
            }
            Note::Swept { failed } => {
                if self.node.swept(&failed) {
                    self.reports.ask(NODE, true, now);
                }
            }
            Note::HaltAttested { halt } => {
                if self.node.halt_attested(&halt) {
                    tracing::info!(halt, "everything in its scope has ended");
                    self.owes_node = true;
                    self.reports.ask(NODE, true, now);
                }
            }
            Note::Ask(ask) => {
                self.asks.push(ask);
                self.answer_asks();
            }
            Note::Asked(asks, reading) => self.asked(asks, *reading, now),
            Note::Round(reading) => self.round(*reading, now),
            Note::Lease(lease) => {
                self.round = false;
                match lease {
                    Ok(lease) => self.lease_read(&lease, now),
                    Err(error) => tracing::warn!(error, "the Lease cannot be read"),
                }
            }
            Note::Assembled(injection, assigned) => {
                let acts = self.desk.assembled(*injection, assigned);
                self.carry_out(acts, now);
            }
            Note::Reported { uid, last, answer } => self.reported(&uid, last, answer, now),
            Note::NodeRead { version, ended } => {
                self.node.remember(ended);
                self.base = version;
                self.reports.answered(NODE, true, now);
                self.reports.ask(NODE, true, now);
            }
            Note::NodeReported(answer) => {
                if let Err(error) = &answer {
                    tracing::warn!(error = chain(error), "the ChaosNode could not be written");
                }
                if let Ok(version) = &answer {
                    self.base.clone_from(version);
                }
                let nobody = self.is_uninstalled(&answer) || matches!(answer, Err(Error::NotFound { .. }));
                if self.reports.answered(NODE, answer.is_ok(), now) || (self.stopping.is_some() && nobody) {
                    self.owes_node = false;
                }
            }
            Note::Canary(attempt) => self.tried(attempt, now),
            Note::Stop => self.stop(now),
        }
    }

    fn injection(&mut self, seen: Result<Seen<ChaosInjection>, Error>, now: Duration) {
        let acts = match seen {
            Err(error) => {
                tracing::warn!(error = chain(&error), "the injections cannot be watched");
                Vec::new()
            }
            Ok(Seen::ListBegins) => {
                self.listing = Some(BTreeSet::new());
                Vec::new()
            }
            Ok(Seen::Listed(item)) => {
                let uid = item.as_ref().map_or_else(|u| u.metadata.uid.clone(), |o| o.metadata.uid.clone());
                if let Some(listing) = &mut self.listing {
                    listing.extend(uid);
                }
                self.one(item)
            }
            Ok(Seen::ListEnds) => self.listing.take().map(|uids| self.desk.listed(&uids)).unwrap_or_default(),
            Ok(Seen::Changed(item)) => self.one(item),
            Ok(Seen::Gone(item)) => {
                let uid = item.map_or_else(|u| u.metadata.uid, |o| o.metadata.uid);
                self.desk.gone(&uid.unwrap_or_default())
            }
            Ok(Seen::Alive) => Vec::new(),
        };
        self.carry_out(acts, now);
    }

    fn one(&mut self, item: Item<ChaosInjection>) -> Vec<super::Act> {
        match item {
            Ok(object) => self.desk.seen(&object),
            Err(unread) => self.desk.unreadable(&unread),
        }
    }

    fn halt(&mut self, seen: Result<Seen<ChaosHalt>, Error>, now: Duration) {
        match seen {
            Err(error) => tracing::warn!(error = chain(&error), "the Halts cannot be watched"),
            Ok(Seen::ListBegins) => self.listing_halts = Some(BTreeSet::new()),
            Ok(Seen::Listed(item)) => {
                let halt = halts::of(&item);
                if let Some(listing) = &mut self.listing_halts {
                    listing.insert(halt.id.clone());
                }
                self.watched.insert(halt.id.clone(), halt);
            }
            Ok(Seen::ListEnds) => {
                let listed = self.listing_halts.take().unwrap_or_default();
                self.watched.retain(|id, _| listed.contains(id));
                self.halts_changed(now);
            }
            Ok(Seen::Changed(item)) => {
                let halt = halts::of(&item);
                tracing::info!(halt = halt.id, reason = halt.reason, "halted");
                self.watched.insert(halt.id.clone(), halt);
                self.halts_changed(now);
            }
            Ok(Seen::Gone(item)) => {
                let id = halts::of(&item).id;
                self.watched.remove(&id);
                self.read.retain(|h| h.id != id);
                self.halts_changed(now);
            }
            Ok(Seen::Alive) => {}
        }
    }

    /// One reading answers everybody who asked before it began.
    fn answer_asks(&mut self) {
        if self.asking || self.asks.is_empty() {
            return;
        }
        self.asking = true;
        let asks = std::mem::take(&mut self.asks);
        let uids: BTreeSet<&String> = asks.iter().map(|a| &a.injection).collect();
        let wanted = uids.into_iter().filter_map(|u| Some((u.clone(), self.desk.name(u)?.clone()))).collect();
        let reading = super::reading::read(self.cluster.clone(), self.config.namespace.clone(), wanted);
        self.spawn(async move { Note::Asked(asks, Box::new(reading.await)) });
    }

    fn asked(&mut self, asks: Vec<Ask>, reading: Reading, now: Duration) {
        self.asking = false;
        if let Ok(lease) = &reading.lease {
            self.lease_read(lease, now);
        }
        for ask in asks {
            let outcome = self.outcome(&ask.injection, &reading);
            // Who asked may have stopped waiting: then nothing begins.
            drop(ask.answer.send(outcome));
        }
        self.answer_asks();
    }

    fn outcome(&mut self, injection: &str, reading: &Reading) -> Outcome {
        let failed = |what: &str, why: &str| Outcome::Failed { why: format!("{what}: {why}") };
        let halts = match &reading.halts {
            Ok(halts) => halts.clone(),
            Err(why) => return failed("read the Halts", why),
        };
        let lease = match &reading.lease {
            Ok(lease) => lease,
            Err(why) => return failed("read the Lease", why),
        };
        let object = match reading.objects.get(injection) {
            Some(Ok(object)) => object.as_ref(),
            Some(Err(why)) => return failed("read the injection", why),
            None => return failed("read the injection", "its name is not known any more"),
        };
        let Some(order) = self.desk.order(injection) else {
            return failed("read the injection", "it is not known any more");
        };
        self.moving.begin(lease);
        Outcome::Leave(contact::leave(&order, object, lease, halts, reading.at))
    }

    fn round(&mut self, reading: Reading, now: Duration) {
        self.round = false;
        let whole = match (&reading.halts, &reading.lease) {
            (Ok(halts), Ok(lease)) => {
                self.read.clone_from(halts);
                self.lease_read(lease, now);
                self.halts_changed(now);
                self.moving.noted(lease)
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(error, "no contact");
                false
            }
        };
        for (uid, object) in reading.objects {
            match object {
                Err(error) => tracing::warn!(injection = uid, error, "no contact"),
                Ok(object) => match contact::must_end(&uid, object.as_ref()) {
                    Some(cause) => {
                        let acts = self.desk.end(&uid, cause);
                        self.carry_out(acts, now);
                    }
                    None if whole => self.agent.tell(Event::Heard { injection: uid, at: reading.at }),
                    None => {}
                },
            }
        }
    }

    fn reported(&mut self, uid: &str, last: bool, answer: Result<(), Error>, now: Duration) {
        let nobody =
            self.is_uninstalled(&answer) || matches!(answer, Err(Error::NotFound { .. } | Error::Conflict { .. }));
        if let Err(error) = &answer {
            tracing::warn!(injection = uid, error = chain(error), "its status could not be written");
        }
        let quiet = self.reports.answered(uid, answer.is_ok() || nobody, now);
        let acts = self.desk.answered(uid, answer.is_ok(), nobody, last && quiet);
        self.carry_out(acts, now);
    }

    /// An agent that is stopped and has lost its rights is being uninstalled: nobody will ever take its report. A run
    /// stays unconfirmed.
    fn is_uninstalled<T>(&self, answer: &Result<T, Error>) -> bool {
        self.stopping.is_some() && answer.as_ref().is_err_and(Error::is_without_right)
    }

    fn tried(&mut self, attempt: Result<(), String>, now: Duration) {
        self.trying = false;
        if let Err(why) = &attempt {
            tracing::warn!(why, "the admission guard is not proven");
        }
        let (guard, pause) = self.canary.noted(attempt);
        self.next_canary = now.saturating_add(pause);
        let Some(guard) = guard.filter(|g| g != self.desk.guard()) else { return };
        tracing::info!(?guard, "admission guard");
        let acts = self.desk.guarded(guard);
        self.carry_out(acts, now);
        self.reports.ask(NODE, true, now);
        self.next_ready = now;
    }

    fn stop(&mut self, now: Duration) {
        if self.stopping.is_some() {
            return;
        }
        tracing::info!("ending: SIGTERM");
        self.stopping = Some(now.saturating_add(LAST_REPORTS));
        let acts = self.desk.stop();
        self.carry_out(acts, now);
        self.agent.stop(None, "SIGTERM");
        self.next_ready = now;
    }
}
