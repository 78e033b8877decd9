//! What watches say: the production watch on each kind, against what the model tells its own.
//!
//! What is collected together goes in no order, so what is gone in a row is compared as a set.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use rumpus_cluster::api::Kind as Stored;
use rumpus_cluster::{ChaosInjection, ChaosLedger, ChaosNode, ChaosPolicy, ChaosRun, Query, Seen, Watching};
use rumpus_sim::api::{self, Kind};

use super::real::{AnObject, Real};
use super::script::KINDS;
use super::translate::Translation;
use crate::site::until;

/// One event: what became of which object, and its version where it is still there.
type Event = (&'static str, String, String, String);
type Events = Rc<RefCell<BTreeMap<Kind, Vec<Event>>>>;

/// Stands for the version of what is marked as ending: nobody is answered with it.
const MARKED: &str = "ending";

/// Watches, while they run.
pub(super) struct Told {
    events: Events,
    running: Vec<tokio::task::JoinHandle<()>>,
}

impl Told {
    /// Begins to watch every kind, and waits until each watch stands.
    pub(super) async fn begin(real: &Real) -> Self {
        let ready = Rc::new(Cell::new(0));
        let mut told = Self { events: Events::default(), running: Vec::new() };
        told.watch::<ChaosInjection>(real, &real.place.namespace, &ready);
        told.watch::<Lease>(real, &real.place.namespace, &ready);
        told.watch::<ChaosLedger>(real, "", &ready);
        told.watch::<ChaosNode>(real, "", &ready);
        told.watch::<Pod>(real, &real.place.namespace, &ready);
        told.watch::<ChaosPolicy>(real, &real.place.namespace, &ready);
        told.watch::<ChaosRun>(real, &real.place.namespace, &ready);
        until("every watch stands", async || ready.get() == KINDS.len()).await;
        told
    }

    fn watch<K: Stored + Into<AnObject>>(&mut self, real: &Real, namespace: &str, ready: &Rc<Cell<usize>>) {
        let mut watch = real.admin.watch::<K>(namespace, Watching::closely(Query::default()));
        let (events, ready, place) = (Rc::clone(&self.events), Rc::clone(ready), real.place.clone());
        self.running.push(tokio::task::spawn_local(async move {
            while let Some(seen) = watch.next().await {
                let (what, item) = match seen.expect("a watch goes on") {
                    Seen::ListBegins | Seen::Alive => continue,
                    Seen::ListEnds => {
                        ready.set(ready.get() + 1);
                        continue;
                    }
                    Seen::Listed(item) => ("listed", item),
                    Seen::Changed(item) => ("changed", item),
                    Seen::Gone(item) => ("gone", item),
                };
                let object = item.expect("it can be read").into().0;
                if place.owns(&object) {
                    let marked = object.meta().deletion_timestamp.as_ref().map(|_| MARKED.to_owned());
                    let version = marked.or(object.meta().resource_version.clone()).filter(|_| what != "gone");
                    let event = (what, object.key().name, object.uid().to_owned(), version.unwrap_or_default());
                    events.borrow_mut().entry(object.kind()).or_default().push(event);
                }
            }
        }));
    }

    /// Waits until as many events have come, and compares.
    pub(super) async fn compare(self, model: &[api::Told], same: &Translation, seed: u64) {
        let mut wanted = BTreeMap::<Kind, Vec<Event>>::new();
        for told in model {
            let (what, object) = match told {
                api::Told::Changed(object) => ("changed", object),
                api::Told::Gone(object) => ("gone", object),
            };
            let version = object.meta().resource_version.clone().filter(|_| what != "gone");
            let version = version.map_or_else(String::new, |version| same.version(&version));
            let version =
                if object.meta().deletion_timestamp.is_some() && what != "gone" { MARKED.into() } else { version };
            wanted.entry(object.kind()).or_default().push((what, object.key().name, same.uid(object.uid()), version));
        }
        let count = |all: &BTreeMap<Kind, Vec<Event>>| all.values().map(Vec::len).sum::<usize>();
        until("as many events have come", async || count(&self.events.borrow()) >= count(&wanted)).await;
        self.running.iter().for_each(tokio::task::JoinHandle::abort);
        for kind in KINDS {
            let found = self.events.borrow().get(&kind).cloned().unwrap_or_default();
            let [wanted, found] = [wanted.remove(&kind).unwrap_or_default(), found].map(settled);
            assert_eq!(wanted, found, "seed {seed}: the model's watch on {kind:?} (left), and the real one");
        }
    }
}

/// Puts what is gone in a row into an order.
fn settled(mut events: Vec<Event>) -> Vec<Event> {
    events.chunk_by_mut(|one, other| one.0 == "gone" && other.0 == "gone").for_each(<[Event]>::sort);
    events
}
