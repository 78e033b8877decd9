//! Watches as one stream of changes.

use super::slim::{
    SlimBudget, SlimDaemonSet, SlimDeployment, SlimJob, SlimNamespace, SlimNode, SlimPod, SlimReplicaSet, SlimService,
    SlimSlice, SlimStatefulSet,
};
use super::table::Told;
use super::{Change, WorkloadKind};
use futures_util::stream::{BoxStream, SelectAll, StreamExt, select_all};
use rumpus_cluster::api::Kind;
use rumpus_cluster::{ChaosHalt, ChaosNode, Cluster, Error, Item, Query, Seen, Watching};
use rumpus_model::wire::{HaltScope, HaltSpec};

/// What the annotations that are looked at begin with.
const OURS: &str = "rumpus.dev/";

/// Opens every watch that a snapshot is made from.
pub(crate) fn changes(cluster: &Cluster) -> SelectAll<BoxStream<'static, Change>> {
    let many = || Watching::many(Query::default());
    let close = || Watching::closely(Query::default());
    macro_rules! workload {
        ($kind:ident, $slim:ty) => {
            told::<$slim>(cluster, many())
                .map(|t| Change::Workload(WorkloadKind::$kind, t.map(|w| (w.metadata, w.spec, w.status))))
                .boxed()
        };
    }
    select_all([
        halts(cluster, close()).map(Change::Halt).boxed(),
        told::<ChaosNode>(cluster, close()).map(Change::ChaosNode).boxed(),
        workload!(ReplicaSet, SlimReplicaSet),
        workload!(Job, SlimJob),
        workload!(Deployment, SlimDeployment),
        workload!(StatefulSet, SlimStatefulSet),
        workload!(DaemonSet, SlimDaemonSet),
        told::<SlimPod>(cluster, many()).map(Change::Pod).boxed(),
        told::<SlimNamespace>(cluster, many()).map(Change::Namespace).boxed(),
        told::<SlimNode>(cluster, many()).map(Change::Node).boxed(),
        told::<SlimService>(cluster, many()).map(Change::Service).boxed(),
        told::<SlimSlice>(cluster, many()).map(Change::Slice).boxed(),
        told::<SlimBudget>(cluster, many()).map(Change::Budget).boxed(),
    ])
}

/// Watches the Halts. One that cannot be read is about everything: it must not be passed over.
fn halts(cluster: &Cluster, how: Watching) -> BoxStream<'static, Told<ChaosHalt>> {
    let whole = |item: Item<ChaosHalt>| {
        Ok(item.unwrap_or_else(|unread| {
            let scope = HaltScope { all: Some(true), ..HaltScope::default() };
            ChaosHalt::new(unread.metadata, HaltSpec { scope, reason: "it cannot be read".into() })
        }))
    };
    let seen = cluster.watch::<ChaosHalt>("", how).map(move |seen| {
        seen.map(|seen| match seen {
            Seen::Listed(item) => Seen::Listed(whole(item)),
            Seen::Changed(item) => Seen::Changed(whole(item)),
            Seen::ListBegins | Seen::ListEnds | Seen::Alive | Seen::Gone(_) => seen,
        })
    });
    tell(seen.boxed())
}

/// Watches one kind everywhere.
pub(crate) fn told<K: Kind>(cluster: &Cluster, how: Watching) -> BoxStream<'static, Told<K>> {
    tell(cluster.watch::<K>("", how))
}

fn tell<K: Kind>(seen: BoxStream<'static, Result<Seen<K>, Error>>) -> BoxStream<'static, Told<K>> {
    seen.map(|seen| match seen {
        Err(error) => {
            tracing::warn!(error = %error, "A watch broke.");
            Told::Failed(error.to_string())
        }
        Ok(Seen::ListBegins) => Told::ListBegins,
        Ok(Seen::ListEnds) => Told::ListEnds,
        Ok(Seen::Alive) => Told::Alive,
        Ok(Seen::Listed(item)) => read(item).map_or_else(Told::Unread, |(uid, k)| Told::Listed(uid, k)),
        Ok(Seen::Changed(item)) => read(item).map_or_else(Told::Unread, |(uid, k)| Told::Changed(uid, k)),
        Ok(Seen::Gone(item)) => Told::Gone(match item {
            Ok(object) => uid(object.meta()),
            Err(unread) => unread.metadata.uid.unwrap_or_default(),
        }),
    })
    .boxed()
}

fn uid(meta: &kube::core::ObjectMeta) -> String {
    meta.uid.clone().unwrap_or_default()
}

/// Returns (uid, object); one that cannot be read is told, and hides no other.
pub(crate) fn read<K: Kind>(item: Item<K>) -> Result<(String, K), String> {
    match item {
        Ok(mut object) => {
            let meta = object.meta_mut();
            // The largest part of most objects, and nothing that is looked at.
            meta.managed_fields = None;
            if let Some(annotations) = &mut meta.annotations {
                annotations.retain(|key, _| key.starts_with(OURS));
            }
            Ok((uid(object.meta()), object))
        }
        Err(unread) => {
            let name = unread.metadata.name.clone().unwrap_or_default();
            tracing::warn!(%name, why = %unread.why, "An object cannot be read.");
            Err(format!("{name} cannot be read: {}", unread.why))
        }
    }
}
