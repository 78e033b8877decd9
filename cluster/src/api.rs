//! The calls: each with a time limit, each strict about fields that are not known, none of them repeated if it writes.

use crate::error::{Call, Error};
use crate::only::Only;
use futures_util::stream::{BoxStream, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ListMeta, ObjectMeta};
use kube::api::{
    DeleteParams, EvictParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions, WatchEvent,
    WatchParams,
};
use kube::core::{DeserializeGuard, PartialObjectMeta, Request, Status};
use kube::{Client, Resource};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// What one page of a list holds at most.
const PAGE: u32 = 500;

/// Writes as the controller.
pub const CONTROLLER: Writer = Writer { manager: "rumpus-controller", dry_run: false };
/// Writes as an agent.
pub const AGENT: Writer = Writer { manager: "rumpus-agent", dry_run: false };
/// Writes as a person at the command line.
pub const CLI: Writer = Writer { manager: "rumpus-cli", dry_run: false };

/// Who writes, and whether it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The field manager.
    pub manager: &'static str,
    /// Everything is judged, nothing is stored.
    pub dry_run: bool,
}

impl Writer {
    /// Returns the same writer, for a trial.
    #[must_use]
    pub fn dry(self) -> Self {
        Self { dry_run: true, ..self }
    }
}

/// Which objects of a kind: all, or those with these labels and fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// `key=value,…`
    pub labels: Option<String>,
    /// `spec.nodeName=…`
    pub fields: Option<String>,
}

/// What every kind is that is asked for is.
pub trait Kind:
    Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + Sync + 'static
{
}

impl<K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + Sync + 'static> Kind for K {}

/// An item of a list; one that cannot be read hides no other.
pub type Item<K> = Result<K, Box<Unread>>;

/// An object that cannot be read: of a newer version, or stored before its schema was mended.
#[derive(Clone, Debug)]
pub struct Unread {
    pub metadata: ObjectMeta,
    pub why: String,
}

pub(crate) fn item<K>(guard: DeserializeGuard<K>) -> Item<K> {
    guard.0.map_err(|invalid| Box::new(Unread { metadata: invalid.metadata, why: invalid.error }))
}

/// One page of a list.
#[derive(Debug, Deserialize)]
#[serde(bound = "K: Kind")]
pub(crate) struct Page<K: Kind> {
    pub(crate) metadata: ListMeta,
    pub(crate) items: Vec<DeserializeGuard<K>>,
}

/// The API server.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    limit: Duration,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Reads. An empty namespace means all, and is right for kinds that live in none.
impl Cluster {
    /// `limit`: how long one call, and one page of a list, may take.
    pub fn new(client: Client, limit: Duration) -> Self {
        Self { client, limit }
    }

    /// Returns the same server with another time limit.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self { client: self.client.clone(), limit }
    }

    /// Reads one object as it is stored (a quorum read).
    ///
    /// # Errors
    /// No good answer within the limit.
    pub async fn get<K: Kind>(&self, namespace: &str, name: &str) -> Result<K, Error> {
        let call = call::<K>("get", "", namespace, name);
        let request = path::<K>(namespace).get(name, &GetParams::default());
        self.send(call, request).await
    }

    /// Reads all objects as they are stored (quorum reads, page by page).
    ///
    /// # Errors
    /// A page has no good answer within the limit; what was read before it is dropped.
    pub async fn list<K: Kind>(&self, namespace: &str, query: &Query) -> Result<Vec<Item<K>>, Error> {
        let mut all = Vec::new();
        let mut token = None;
        loop {
            let page: Page<K> = self.page(namespace, query, token).await?;
            all.extend(page.items.into_iter().map(item));
            match page.metadata.continue_ {
                Some(next) if !next.is_empty() => token = Some(next),
                Some(_) | None => return Ok(all),
            }
        }
    }

    /// Reads what is no object (`/version`, `/apis/GROUP/VERSION`), as JSON.
    ///
    /// # Errors
    /// No good answer within the limit.
    pub async fn read(&self, path: &str) -> Result<Value, Error> {
        let call = Call { verb: "get", resource: path.to_owned(), object: String::new() };
        let request = http::Request::get(path).body(Vec::new()).map_err(kube::core::request::Error::BuildRequest);
        self.send(call, request).await
    }

    pub(crate) async fn page<K: Kind>(
        &self,
        namespace: &str,
        query: &Query,
        token: Option<String>,
    ) -> Result<Page<K>, Error> {
        let params = ListParams {
            label_selector: query.labels.clone(),
            field_selector: query.fields.clone(),
            continue_token: token,
            ..ListParams::default().limit(PAGE)
        };
        self.send(call::<K>("list", "", namespace, ""), path::<K>(namespace).list(&params)).await
    }

    /// Opens a watch; only its beginning is under the time limit.
    pub(crate) async fn events<K: Kind>(
        &self,
        call: &Call,
        namespace: &str,
        params: &WatchParams,
        version: &str,
    ) -> Result<BoxStream<'static, Result<WatchEvent<DeserializeGuard<K>>, kube::Error>>, Error> {
        let request = path::<K>(namespace).watch(params, version);
        let request = request.map_err(|source| Error::Unsendable { call: call.clone(), source: Box::new(source) })?;
        match tokio::time::timeout(self.limit, self.client.request_events(request)).await {
            Err(_elapsed) => Err(Error::Timeout { call: call.clone(), limit: self.limit }),
            Ok(Err(error)) => Err(Error::of(call.clone(), error)),
            Ok(Ok(events)) => Ok(events.boxed()),
        }
    }
}

/// Writes.
impl Cluster {
    /// Stores a new object; its name is set, never generated.
    ///
    /// # Errors
    /// No good answer within the limit.
    pub async fn create<K: Kind + Serialize>(&self, writer: Writer, object: &K) -> Result<K, Error> {
        let (namespace, name) = place(object);
        let call = call::<K>("create", "", namespace, name);
        let body = serde_json::to_vec(object).map_err(|source| unsendable(&call, source))?;
        let request = path::<K>(namespace).create(&post(writer), body);
        self.send(call, request.map(strict)).await
    }

    /// Stores the object in place of the version that it was read as (`metadata.resourceVersion`).
    ///
    /// # Errors
    /// [`Error::Conflict`] if it was changed meanwhile; no good answer within the limit.
    pub async fn replace<K: Kind + Serialize>(&self, writer: Writer, object: &K) -> Result<K, Error> {
        let (namespace, name) = place(object);
        let call = call::<K>("update", "", namespace, name);
        let body = serde_json::to_vec(object).map_err(|source| unsendable(&call, source))?;
        let request = path::<K>(namespace).replace(name, &post(writer), body);
        self.send(call, request.map(strict)).await
    }

    /// Changes the fields in `patch` (a merge patch) of the version that was read.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it was changed meanwhile; no good answer within the limit.
    pub async fn merge<K: Kind>(&self, writer: Writer, object: &K, patch: Value) -> Result<K, Error> {
        let (namespace, name) = place(object);
        let mut patch = patch;
        patch["metadata"]["resourceVersion"] = json!(object.meta().resource_version);
        let request = path::<K>(namespace).patch(name, &manager(writer), &Patch::Merge(patch));
        self.send(call::<K>("patch", "", namespace, name), request).await
    }

    /// Says what the whole status is (a status has one writer).
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is not the one that is meant; no good answer within the limit.
    pub async fn apply_status<K: Kind>(
        &self,
        writer: Writer,
        namespace: &str,
        name: &str,
        only: Only<'_>,
        status: &(impl Serialize + Sync),
    ) -> Result<K, Error> {
        let call = call::<K>("patch", "status", namespace, name);
        if let Some(test) = only.test() {
            return self.status_of(writer, call, (namespace, name, only), test, status).await;
        }
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": name},
            "status": status,
        });
        let params = PatchParams { force: true, ..manager(writer) };
        let request = path::<K>(namespace).patch_subresource("status", name, &params, &Patch::Apply(body));
        self.send(call, request).await
    }

    /// The API server looks at no metadata that comes with the status of a custom resource: it is put back before
    /// anything is compared (apiextensions-apiserver v0.36.3, `PrepareForUpdate` in
    /// `pkg/registry/customresource/status_strategy.go`). So the patch itself tests it, on the object that it changes.
    async fn status_of<K: Kind>(
        &self,
        writer: Writer,
        call: Call,
        (namespace, name, only): (&str, &str, Only<'_>),
        (field, value): (&str, &str),
        status: &(impl Serialize + Sync),
    ) -> Result<K, Error> {
        let steps = json!([
            {"op": "test", "path": format!("/metadata/{field}"), "value": value},
            {"op": "add", "path": "/status", "value": status},
        ]);
        let steps = serde_json::from_value(steps).map_err(|source| unsendable(&call, source))?;
        let patch = Patch::<()>::Json(steps);
        let request = path::<K>(namespace).patch_subresource("status", name, &manager(writer), &patch);
        let error = match self.send(call.clone(), request).await {
            Err(error @ Error::Invalid { .. }) => error,
            other => return other,
        };
        // A test that fails is answered as a status that breaks a rule is.
        match self.get::<PartialObjectMeta<K>>(namespace, name).await {
            Ok(there) if !only.is(&there.metadata) => {
                Err(Error::Conflict { call, message: format!("its {field} is another one") })
            }
            Err(gone @ Error::NotFound { .. }) => Err(gone),
            Ok(_) | Err(_) => Err(error),
        }
    }

    /// Deletes the object if it is still the one with this UID; `grace` in whole seconds, `None`: its own.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is another one; no good answer within the limit.
    pub async fn delete<K: Kind>(
        &self,
        writer: Writer,
        namespace: &str,
        name: &str,
        uid: &str,
        grace: Option<u32>,
    ) -> Result<(), Error> {
        let params = deleting(writer, uid, grace);
        let request = path::<K>(namespace).delete(name, &params);
        let _gone: IgnoredAny = self.send(call::<K>("delete", "", namespace, name), request).await?;
        Ok(())
    }

    /// Evicts the pod if it is still the one with this UID; `grace` in whole seconds, `None`: its own.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`] if a budget forbids it; [`Error::Conflict`] if it is another pod; no good answer
    /// within the limit.
    pub async fn evict(
        &self,
        writer: Writer,
        namespace: &str,
        name: &str,
        uid: &str,
        grace: Option<u32>,
    ) -> Result<(), Error> {
        type Pod = k8s_openapi::api::core::v1::Pod;
        let call = call::<Pod>("create", "eviction", namespace, name);
        // The library writes `delete_options`, which the server does not know: the precondition would be lost.
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": deleting(writer, uid, grace),
        });
        let body = serde_json::to_vec(&eviction).map_err(|source| unsendable(&call, source))?;
        let params = EvictParams { delete_options: None, post_options: post(writer) };
        let request = path::<Pod>(namespace).evict(name, &params).map(|request| request.map(|_lossy| body)).map(strict);
        let _status: Status = self.send(call, request).await?;
        Ok(())
    }

    async fn send<T: DeserializeOwned>(
        &self,
        call: Call,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, Error> {
        let request = match request {
            Ok(request) => request,
            Err(source) => return Err(Error::Unsendable { call, source: Box::new(source) }),
        };
        let text = match tokio::time::timeout(self.limit, self.client.request_text(request)).await {
            Err(_elapsed) => return Err(Error::Timeout { call, limit: self.limit }),
            Ok(Err(error)) => return Err(Error::of(call, error)),
            Ok(Ok(text)) => text,
        };
        serde_json::from_str(&text).map_err(|source| Error::Unreadable { call, source })
    }
}

fn place<K: Resource>(object: &K) -> (&str, &str) {
    let meta = object.meta();
    (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
}

fn call<K: Kind>(verb: &'static str, subresource: &str, namespace: &str, name: &str) -> Call {
    let slash = |a: &str, b: &str| if a.is_empty() || b.is_empty() { format!("{a}{b}") } else { format!("{a}/{b}") };
    Call { verb, resource: slash(&K::plural(&()), subresource), object: slash(namespace, name) }
}

fn path<K: Kind>(namespace: &str) -> Request {
    Request::new(K::url_path(&(), (!namespace.is_empty()).then_some(namespace)))
}

fn post(writer: Writer) -> PostParams {
    PostParams { dry_run: writer.dry_run, field_manager: Some(writer.manager.to_owned()) }
}

fn manager(writer: Writer) -> PatchParams {
    let params = PatchParams { dry_run: writer.dry_run, ..PatchParams::default() };
    PatchParams { field_manager: Some(writer.manager.to_owned()), ..params.validation_strict() }
}

fn deleting(writer: Writer, uid: &str, grace: Option<u32>) -> DeleteParams {
    let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    DeleteParams { dry_run: writer.dry_run, grace_period_seconds: grace, ..DeleteParams::default() }
        .preconditions(preconditions)
}

fn unsendable(call: &Call, source: serde_json::Error) -> Error {
    Error::Unsendable { call: call.clone(), source: Box::new(source) }
}

/// The library has no such flag for writes that are no patches.
fn strict(request: http::Request<Vec<u8>>) -> http::Request<Vec<u8>> {
    let (mut parts, body) = request.into_parts();
    let join = if parts.uri.query().is_some_and(|q| !q.is_empty()) { '&' } else { '?' };
    let path = parts.uri.to_string();
    let uri = format!("{}{join}fieldValidation=Strict", path.trim_end_matches('?'));
    if let Ok(uri) = uri.parse() {
        parts.uri = uri;
    }
    http::Request::from_parts(parts, body)
}
