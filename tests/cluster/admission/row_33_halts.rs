//! Halting is a wide right, resuming a narrow one.

use serde_json::{Value, json};

use crate::objects::{self, experiment, run};
use crate::site::{Site, with};
use rumpus_tests::live::api::{Caller, RUMPUS};

const RULE: &str = "ValidatingAdmissionPolicy 'rumpus-halts-ended-by-resumers'";

/// Makes a Halt as somebody, to be removed at the end, and returns its path.
async fn halt(site: &Site, who: &Caller, part: &str, scope: &Value) -> String {
    let path = format!("{RUMPUS}/chaoshalts");
    let name = site.named(part);
    who.post(&path, &objects::halt(&name, scope)).await.ok();
    site.remember(format!("{path}/{name}")).await;
    format!("{path}/{name}")
}

#[test]
fn row_33_a_halter_changes_or_deletes_a_halt() {
    with(async |site| {
        let anybody = site.admin.person(&site.named("anybody"));
        let own = site.namespace("own").await;
        let made = halt(site, &anybody, "halt", &json!({ "namespaces": [own] })).await;
        anybody.get(&made).await.refused_by_role();
        for caller in [&anybody, &bound(site, "rumpus-halter").await, &bound(site, "rumpus-viewer").await] {
            let changed = json!({ "spec": { "scope": { "namespaces": ["other"] } } });
            caller.merge(&made, &changed).await.refused_by_role();
            caller.delete(&made, &Value::Null).await.refused_by_role();
            caller.delete(&format!("{RUMPUS}/chaoshalts"), &Value::Null).await.refused_by_role();
        }
        bound(site, "rumpus-halter").await.get(&made).await.ok();
        // The right to delete is not the right to resume.
        bound(site, "rumpus-halt-deleter").await.delete(&made, &Value::Null).await.refused(403, &[RULE, &own]);
        let editor = site.admin.merge(&made, &json!({ "spec": { "reason": "another" } })).await;
        editor.refused(422, &["immutable"]);
        bound(site, "rumpus-resumer").await.delete(&made, &Value::Null).await.ok();
    });
}

/// A person with a role everywhere.
async fn bound(site: &Site, role: &str) -> Caller {
    let user = site.named(role);
    site.bind_everywhere(role, &objects::user(&user)).await;
    site.admin.person(&user)
}

#[test]
fn row_33_resuming_needs_the_right_in_the_whole_scope() {
    with(async |site| {
        let user = site.named("resumer");
        site.bind_everywhere("rumpus-halt-deleter", &objects::user(&user)).await;
        let mut namespaces = Vec::new();
        for number in 0..16 {
            let name = site.namespace(&format!("shop-{number}")).await;
            site.bind("rumpus-resumer", &user, &name).await;
            namespaces.push(name);
        }
        let stranger = site.namespace("stranger").await;
        let person = site.admin.person(&user);
        for place in 0..16 {
            let mut scope = namespaces.clone();
            scope[place].clone_from(&stranger);
            let made = halt(site, &site.admin, &format!("h{place}"), &json!({ "namespaces": scope })).await;
            person.delete(&made, &Value::Null).await.refused(403, &[RULE, &stranger]);
        }
        let node = site.named("node");
        let foreign = format!("{stranger}/any");
        for (part, scope) in [("nodes", json!({ "nodes": [node] })), ("runs", json!({ "runs": [foreign] }))] {
            let made = halt(site, &site.admin, part, &scope).await;
            person.delete(&made, &Value::Null).await.refused(403, &[RULE]);
        }
        let own_run = format!("{}/any", namespaces[0]);
        for (part, scope) in [("own", json!({ "namespaces": namespaces })), ("own-run", json!({ "runs": [own_run] }))] {
            let made = halt(site, &site.admin, part, &scope).await;
            person.delete(&made, &Value::Null).await.ok();
        }
        // Somebody with the right everywhere, for the largest scope: within the cost of the rule.
        let made = halt(site, &person, "large", &json!({ "namespaces": namespaces })).await;
        bound(site, "rumpus-resumer").await.delete(&made, &Value::Null).await.ok();
    });
}

#[test]
fn row_33_a_halt_of_everything_needs_the_right_everywhere() {
    with(async |site| {
        // Never made: it would halt whatever else is tried on this cluster. Deleting is judged only of
        // what exists, so the scope of all is tried as a dry run of a Halt of nodes that do not exist.
        let anybody = site.admin.person(&site.named("anybody"));
        let all = objects::halt(&site.named("all"), &json!({ "all": true }));
        anybody.post(&format!("{RUMPUS}/chaoshalts?dryRun=All"), &all).await.ok();
        let made = halt(site, &anybody, "nodes", &json!({ "nodes": [site.named("none")] })).await;
        bound(site, "rumpus-halt-deleter")
            .await
            .delete(&made, &Value::Null)
            .await
            .refused(403, &[RULE, "cluster-wide"]);
        bound(site, "rumpus-resumer").await.delete(&made, &Value::Null).await.ok();
    });
}

#[test]
fn a_viewer_halts_and_starts_nothing() {
    with(async |site| {
        let own = site.namespace("own").await;
        let user = site.named("viewer");
        site.bind("rumpus-viewer", &user, &own).await;
        let viewer = site.admin.person(&user);
        let runs = format!("{RUMPUS}/namespaces/{own}/chaosruns");
        viewer.get(&runs).await.ok();
        viewer.post(&runs, &run("any", &experiment(&[]))).await.refused_by_role();
        halt(site, &viewer, "halt", &json!({ "namespaces": [own] })).await;
        // The right is of those who have logged in.
        let nobody = site.admin.impersonate("system:anonymous", &["system:unauthenticated"]);
        let made = objects::halt(&site.named("anonymous"), &json!({ "namespaces": [own] }));
        nobody.post(&format!("{RUMPUS}/chaoshalts"), &made).await.refused_by_role();
    });
}
