//! The calls of the verbs: what is not there is `None`, what cannot be read is named, and a "no" becomes a failure with a
//! hint.

use super::connect::Reached;
use crate::failure::Failure;
use rumpus_agent::resolve::chain;
use rumpus_cluster::api::Kind;
use rumpus_cluster::{CLI, Error, Query};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// How often a write is tried whose outcome is not known, or that somebody else was quicker than.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Objects of one kind.
#[derive(Debug)]
pub struct Listed<K> {
    pub items: Vec<K>,
    /// Names of those that cannot be read, each with why.
    pub unreadable: Vec<(String, String)>,
}

impl Reached {
    /// Reads an object, if it is there.
    ///
    /// # Errors
    /// No good answer; the kind is not there.
    pub async fn get<K: Kind>(&self, namespace: &str, name: &str) -> Result<Option<K>, Error> {
        match self.cluster.get(namespace, name).await {
            Ok(object) => Ok(Some(object)),
            Err(Error::NotFound { message, .. }) if !is_kind_missing(&message) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads all objects of a kind; an empty namespace means all.
    ///
    /// # Errors
    /// No good answer.
    pub async fn list<K: Kind>(&self, namespace: &str, labels: Option<String>) -> Result<Listed<K>, Error> {
        let found = self.cluster.list::<K>(namespace, &Query { labels, fields: None }).await?;
        let mut listed = Listed { items: Vec::new(), unreadable: Vec::new() };
        for item in found {
            match item {
                Ok(item) => listed.items.push(item),
                Err(bad) => listed.unreadable.push((bad.metadata.name.clone().unwrap_or_default(), bad.why)),
            }
        }
        Ok(listed)
    }

    /// Stores a new object under its own name. Where the outcome is not known it looks, and tries again.
    ///
    /// # Errors
    /// No good answer.
    pub async fn create<K: Kind + Serialize>(&self, object: &K) -> Result<K, Error> {
        let meta = object.meta();
        let place = (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default());
        let mut tries = 1;
        loop {
            let error = match self.cluster.create(CLI, object).await {
                Ok(made) => return Ok(made),
                Err(error) => error,
            };
            // A name of ours is random: what has it after a first try is ours.
            let ours = tries > 1 && matches!(error, Error::AlreadyExists { .. });
            if ours && let Some(made) = self.get(&place.0, &place.1).await? {
                return Ok(made);
            }
            if !error.is_unknown() || tries >= TRIES {
                return Err(error);
            }
            tries += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Changes fields of the object with this UID; it is read again where somebody else was quicker.
    ///
    /// # Errors
    /// No good answer; [`Error::NotFound`] or [`Error::Conflict`] where it is gone or another one.
    pub async fn change<K: Kind>(&self, namespace: &str, name: &str, uid: &str, patch: &Value) -> Result<K, Error> {
        let mut tries = 1;
        loop {
            let object: K = self.cluster.get(namespace, name).await?;
            let same = object.meta().uid.as_deref() == Some(uid);
            match self.cluster.merge(CLI, &object, patch.clone()).await {
                Err(Error::Conflict { .. }) if same && tries < TRIES => tries += 1,
                other => return other,
            }
        }
    }
}

/// Says no to a whole verb, for this reason.
pub fn refused(what: &str, error: &Error) -> Failure {
    Failure::refused(format!("{what}: {}", chain(error)), error.hint())
}

/// Says in a few words why something is not known.
pub fn why(error: &Error) -> String {
    match error {
        Error::Forbidden { .. } => "you may not read it".into(),
        Error::NotFound { .. }
        | Error::AlreadyExists { .. }
        | Error::Conflict { .. }
        | Error::Unauthenticated { .. }
        | Error::Invalid { .. }
        | Error::Expired { .. }
        | Error::TooManyRequests { .. }
        | Error::Server { .. }
        | Error::Timeout { .. }
        | Error::Unreachable { .. }
        | Error::Unreadable { .. }
        | Error::Unsendable { .. } => chain(error),
    }
}

/// Returns one line for what could not be read.
pub fn unread(what: &str, error: &Error) -> String {
    format!("{what} could not be read: {}; {}", chain(error), error.hint())
}

/// The API server says it like this where a path leads to no kind at all.
fn is_kind_missing(message: &str) -> bool {
    message.contains("could not find the requested resource") || message.starts_with("404 page not found")
}

/// Makes an object from JSON, for tests.
#[cfg(test)]
pub(crate) fn object<K: serde::de::DeserializeOwned>(json: Value) -> K {
    serde_json::from_value(json).unwrap()
}
