//! Watching: what is there, then every change, for ever, with pauses after errors.
//!
//! ```text
//! list, page by page (quorum) -> watch from there -> (its time is over | it broke) -> watch from the last version seen
//!          ^------------------------- that version is no longer kept (410) --------------------------|
//! ```
//! Every step is under a time limit, the list too: a connection that is dead without saying so is noticed after the
//! watch's own time limit and [`DEAD`] more. An object that cannot be read is passed on as such and hides no other.

use crate::api::{Cluster, Item, Kind, Page, Query, item};
use crate::error::{Call, Error};
use futures_util::stream::{BoxStream, StreamExt, unfold};
use kube::Resource;
use kube::api::{WatchEvent, WatchParams};
use kube::core::DeserializeGuard;
use std::collections::VecDeque;
use std::time::Duration;

/// How long after its time limit a watch that has not ended counts as dead.
pub const DEAD: Duration = Duration::from_secs(5);

/// How a watch behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watching {
    pub query: Query,
    /// Seconds until the watch is opened anew, 1 to 240 (some balancers cut what is idle for longer). A connection that
    /// is dead without saying so is noticed as much later as [`DEAD`] says, so this bounds how old a view can be; opened
    /// from the last version seen it costs one request.
    pub every: u32,
    /// The pause after a first error, doubled up to the longest pause.
    pub pause: (Duration, Duration),
}

/// How often every watch is opened anew: a dead connection is noticed within 15 s.
const EVERY: u32 = 10;

impl Watching {
    /// For what must be seen again at once after an error (Halts, a node's injections).
    pub fn closely(query: Query) -> Self {
        Self { query, every: EVERY, pause: (Duration::from_millis(100), Duration::from_secs(1)) }
    }

    /// For what is many (pods): a list of all of them is dear.
    pub fn many(query: Query) -> Self {
        Self { query, every: EVERY, pause: (Duration::from_millis(500), Duration::from_secs(10)) }
    }
}

/// What a watch says.
#[derive(Debug)]
pub enum Seen<K> {
    /// A list begins; what is not in it is gone.
    ListBegins,
    Listed(Item<K>),
    /// The list is whole.
    ListEnds,
    Changed(Item<K>),
    Gone(Item<K>),
    /// Nothing changed; the connection lives.
    Alive,
}

impl Cluster {
    /// Watches all objects of a namespace (empty: of all) until it is dropped. After an error it goes on by itself.
    pub fn watch<K: Kind>(&self, namespace: &str, how: Watching) -> BoxStream<'static, Result<Seen<K>, Error>> {
        let call = Call { verb: "watch", resource: K::plural(&()).into_owned(), object: namespace.to_owned() };
        let watch = Watch {
            cluster: self.clone(),
            namespace: namespace.to_owned(),
            call,
            wait: None,
            last: how.pause.0,
            how,
            state: State::Begin,
        };
        unfold(watch, |mut watch| async move {
            let seen = watch.next().await;
            Some((seen, watch))
        })
        .boxed()
    }
}

type Events<K> = BoxStream<'static, Result<WatchEvent<DeserializeGuard<K>>, kube::Error>>;

enum State<K> {
    Begin,
    /// Items of a page that are to be told, and what comes after them.
    Page {
        items: VecDeque<Item<K>>,
        next: Next,
    },
    /// Everything up to this version was told.
    Told {
        version: String,
    },
    Open {
        version: String,
        events: Events<K>,
    },
}

enum Next {
    Page(Option<String>),
    Watch(String),
}

struct Watch<K> {
    cluster: Cluster,
    namespace: String,
    call: Call,
    how: Watching,
    /// How long to pause before the next step.
    wait: Option<Duration>,
    /// The pause after the next error.
    last: Duration,
    state: State<K>,
}

impl<K: Kind> Watch<K> {
    async fn next(&mut self) -> Result<Seen<K>, Error> {
        loop {
            if let Some(pause) = self.wait.take() {
                tokio::time::sleep(pause).await;
            }
            // A step that fails begins again with the list, unless it says otherwise.
            let step = match std::mem::replace(&mut self.state, State::Begin) {
                State::Begin => {
                    self.state = State::Page { items: VecDeque::new(), next: Next::Page(None) };
                    return Ok(Seen::ListBegins);
                }
                State::Page { items, next } => self.page(items, next).await,
                State::Told { version } => self.open(version).await,
                State::Open { version, events } => self.event(version, events).await,
            };
            match step {
                Ok(Some(seen)) => {
                    self.last = self.how.pause.0;
                    return Ok(seen);
                }
                Ok(None) => {}
                Err(error) => {
                    self.wait = Some(self.last);
                    self.last = self.last.saturating_mul(2).min(self.how.pause.1);
                    return Err(error);
                }
            }
        }
    }

    async fn page(&mut self, mut items: VecDeque<Item<K>>, next: Next) -> Result<Option<Seen<K>>, Error> {
        if let Some(item) = items.pop_front() {
            self.state = State::Page { items, next };
            return Ok(Some(Seen::Listed(item)));
        }
        match next {
            Next::Watch(version) => {
                self.state = State::Told { version };
                Ok(Some(Seen::ListEnds))
            }
            Next::Page(token) => {
                let page: Page<K> = self.cluster.page(&self.namespace, &self.how.query, token).await?;
                let version = page.metadata.resource_version.unwrap_or_default();
                let next = match page.metadata.continue_ {
                    Some(token) if !token.is_empty() => Next::Page(Some(token)),
                    Some(_) | None => Next::Watch(version),
                };
                self.state = State::Page { items: page.items.into_iter().map(item).collect(), next };
                Ok(None)
            }
        }
    }

    async fn open(&mut self, version: String) -> Result<Option<Seen<K>>, Error> {
        let mut params = WatchParams::default().timeout(self.how.every);
        params.label_selector.clone_from(&self.how.query.labels);
        params.field_selector.clone_from(&self.how.query.fields);
        match self.cluster.events(&self.call, &self.namespace, &params, &version).await {
            Ok(events) => {
                self.state = State::Open { version, events };
                Ok(Some(Seen::Alive))
            }
            // The list is made anew.
            Err(error) if error.is_expired() => Ok(None),
            Err(error) => {
                self.state = State::Told { version };
                Err(error)
            }
        }
    }

    async fn event(&mut self, version: String, mut events: Events<K>) -> Result<Option<Seen<K>>, Error> {
        let limit = Duration::from_secs(self.how.every.into()) + DEAD;
        let event = match tokio::time::timeout(limit, events.next()).await {
            Err(_elapsed) => {
                self.state = State::Told { version };
                return Err(Error::Timeout { call: self.call.clone(), limit });
            }
            Ok(None) => {
                self.state = State::Told { version };
                return Ok(None);
            }
            Ok(Some(Err(error))) => {
                self.state = State::Told { version };
                return Err(Error::of(self.call.clone(), error));
            }
            Ok(Some(Ok(event))) => event,
        };
        let (version, seen) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                (newer(&object, version), Seen::Changed(item(object)))
            }
            WatchEvent::Deleted(object) => (newer(&object, version), Seen::Gone(item(object))),
            WatchEvent::Bookmark(mark) => (mark.metadata.resource_version, Seen::Alive),
            WatchEvent::Error(status) => {
                let error = Error::of_status(self.call.clone(), *status);
                // The list is made anew.
                if error.is_expired() {
                    return Ok(None);
                }
                self.state = State::Told { version };
                return Err(error);
            }
        };
        self.state = State::Open { version, events };
        Ok(Some(seen))
    }
}

fn newer<K: Kind>(object: &DeserializeGuard<K>, version: String) -> String {
    object.meta().resource_version.clone().unwrap_or(version)
}
