//! What went wrong with a call, told apart by what its caller can do about it.
//!
//! The most important difference is between a "no" and *unknown*: after a time-out or a lost connection a write may or
//! may not have been carried out, and nobody may act as if he knew.

use kube::core::Status;
use std::fmt;
use std::time::Duration;

/// How the API server names what an admission policy refuses; a role's refusal does not contain it.
const POLICY: &str = "ValidatingAdmissionPolicy";

/// One call: `patch chaosinjections/status shop/x-r1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub verb: &'static str,
    /// Plural of the kind, with its subresource.
    pub resource: String,
    /// Namespace and name, as far as the call has them.
    pub object: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if self.object.is_empty() { Ok(()) } else { write!(f, " {}", self.object) }
    }
}

/// Why a call has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such object, or no such kind.
    #[error("{call}: not found: {message}")]
    NotFound { call: Call, message: String },
    /// The name is taken.
    #[error("{call}: it exists: {message}")]
    AlreadyExists { call: Call, message: String },
    /// Somebody else was quicker, or a precondition does not hold.
    #[error("{call}: conflict: {message}")]
    Conflict { call: Call, message: String },
    /// A role or an admission policy says no.
    #[error("{call}: forbidden: {message}")]
    Forbidden { call: Call, message: String },
    /// The token is not known, or no longer.
    #[error("{call}: not authenticated: {message}")]
    Unauthenticated { call: Call, message: String },
    /// The object breaks the schema, a rule of it, or has a field that is not known.
    #[error("{call}: invalid: {message}")]
    Invalid { call: Call, message: String },
    /// What a page or a watch goes on from is no longer kept.
    #[error("{call}: expired: {message}")]
    Expired { call: Call, message: String },
    /// Not carried out: the server is busy, or a budget forbids an eviction.
    #[error("{call}: refused for now: {message}")]
    TooManyRequests { call: Call, message: String, retry_after: Option<Duration> },
    /// The server failed; a write may have been carried out.
    #[error("{call}: the API server answers {code}: {message}")]
    Server { call: Call, code: u16, message: String },
    /// No answer in time; a write may have been carried out.
    #[error("{call}: no answer within {} ms", .limit.as_millis())]
    Timeout { call: Call, limit: Duration },
    /// No connection, or it broke; a write may have been carried out.
    #[error("{call}: the API server cannot be reached")]
    Unreachable {
        call: Call,
        #[source]
        source: Box<kube::Error>,
    },
    /// The answer cannot be read; a write was carried out.
    #[error("{call}: the answer cannot be read")]
    Unreadable {
        call: Call,
        #[source]
        source: serde_json::Error,
    },
    /// The request was never sent.
    #[error("{call}: no request can be made of it")]
    Unsendable {
        call: Call,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Sorts the client's error.
    pub(crate) fn of(call: Call, error: kube::Error) -> Self {
        if let kube::Error::Api(status) = error {
            Self::of_status(call, *status)
        } else if let kube::Error::SerdeError(source) = error {
            Self::Unreadable { call, source }
        } else if let kube::Error::BuildRequest(source) = error {
            Self::Unsendable { call, source: Box::new(source) }
        } else {
            Self::Unreachable { call, source: Box::new(error) }
        }
    }

    /// Sorts an answer that is no success.
    pub(crate) fn of_status(call: Call, status: Status) -> Self {
        let Status { code, message, reason, details, .. } = status;
        match (code, reason.as_str()) {
            (401, _) => Self::Unauthenticated { call, message },
            (403, _) => Self::Forbidden { call, message },
            (404, _) => Self::NotFound { call, message },
            (409, "AlreadyExists") => Self::AlreadyExists { call, message },
            (409, _) => Self::Conflict { call, message },
            (410, _) => Self::Expired { call, message },
            (429, _) => {
                let seconds = details.map_or(0, |d| u64::from(d.retry_after_seconds));
                let retry_after = (seconds > 0).then(|| Duration::from_secs(seconds));
                Self::TooManyRequests { call, message, retry_after }
            }
            (400 | 405 | 406 | 413 | 415 | 422, _) => Self::Invalid { call, message },
            (_, _) => Self::Server { call, code, message },
        }
    }

    /// Returns the call that went wrong.
    pub fn call(&self) -> &Call {
        match self {
            Self::NotFound { call, .. }
            | Self::AlreadyExists { call, .. }
            | Self::Conflict { call, .. }
            | Self::Forbidden { call, .. }
            | Self::Unauthenticated { call, .. }
            | Self::Invalid { call, .. }
            | Self::Expired { call, .. }
            | Self::TooManyRequests { call, .. }
            | Self::Server { call, .. }
            | Self::Timeout { call, .. }
            | Self::Unreachable { call, .. }
            | Self::Unreadable { call, .. }
            | Self::Unsendable { call, .. } => call,
        }
    }

    /// Returns whether nobody knows if a write was carried out.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Server { .. } | Self::Timeout { .. } | Self::Unreachable { .. } | Self::Unreadable { .. } => true,
            Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::Conflict { .. }
            | Self::Forbidden { .. }
            | Self::Unauthenticated { .. }
            | Self::Invalid { .. }
            | Self::Expired { .. }
            | Self::TooManyRequests { .. }
            | Self::Unsendable { .. } => false,
        }
    }

    /// Returns whether the caller has no right to ask for this, or is nobody any more: not an answer to what was asked.
    pub fn is_without_right(&self) -> bool {
        matches!(self, Self::Unauthenticated { .. })
            || matches!(self, Self::Forbidden { message, .. } if !message.contains(POLICY))
    }

    /// Returns whether a list has to be made anew.
    pub fn is_expired(&self) -> bool {
        matches!(self, Self::Expired { .. })
    }

    /// Returns what the reader can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotFound { call, .. } if call.object.is_empty() => "install Rumpus's CRDs first: see the chart",
            Self::NotFound { .. } => "look at its name and namespace; it may have ended already",
            Self::AlreadyExists { .. } => "use another name, or delete the old one first",
            Self::Conflict { .. } => "somebody changed it meanwhile: look again, then repeat",
            Self::Forbidden { message, .. } if message.contains(POLICY) => {
                "an admission policy of the cluster refuses it; its name and reason are in the message"
            }
            Self::Forbidden { .. } => {
                "ask for the role that the chart makes for it (viewer, operator, halter, resumer)"
            }
            Self::Unauthenticated { .. } => "log in again, or look at the kubeconfig's user",
            Self::Invalid { .. } => "mend the field that the message names",
            Self::Expired { .. } => "list again",
            Self::TooManyRequests { .. } => "wait and repeat; an eviction is held up by a PodDisruptionBudget",
            Self::Server { .. } => "look at the API server; then look whether it was carried out",
            Self::Timeout { .. } | Self::Unreachable { .. } => {
                "look at the way to the API server; then look whether it was carried out"
            }
            Self::Unreadable { .. } => "the objects are of a newer version: update this program",
            Self::Unsendable { .. } => "look at the names that were given",
        }
    }
}
