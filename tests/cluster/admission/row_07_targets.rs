//! At what a person may aim: no further than that person may delete.

use serde_json::{Value, json};

use crate::objects::{self, experiment, policy, run};
use crate::site::{Site, with};
use rumpus_tests::live::api::RUMPUS;

/// The rule that all of this is about.
const RULE: &str = "ValidatingAdmissionPolicy 'rumpus-targets-by-who-may-delete'";

/// A person who may write policies and runs, and delete pods, in one namespace.
async fn operator(site: &Site, part: &str) -> (String, String) {
    let (namespace, user) = (site.namespace(part).await, site.named("operator"));
    for role in ["rumpus-operator", "edit"] {
        site.bind(role, &user, &namespace).await;
    }
    (namespace, user)
}

fn policies(namespace: &str) -> String {
    format!("{RUMPUS}/namespaces/{namespace}/chaospolicies")
}

fn runs(namespace: &str) -> String {
    format!("{RUMPUS}/namespaces/{namespace}/chaosruns")
}

#[test]
fn row_07_a_foreign_namespace_without_the_right() {
    with(async |site| {
        let (own, user) = operator(site, "own").await;
        let foreign = site.namespace("foreign").await;
        let person = site.admin.person(&user);
        let named = [RULE, &foreign];
        for path in [policies(&own), runs(&own)] {
            let aimed = if path.ends_with("runs") { run } else { policy }("aimed", &experiment(&[&foreign]));
            person.post(&path, &aimed).await.refused(403, &named);
            person.post(&format!("{path}?dryRun=All"), &aimed).await.refused(403, &named);
            person.apply(&format!("{path}/aimed"), &aimed).await.refused(403, &named);
            let both = if path.ends_with("runs") { run } else { policy }("both", &experiment(&[&own, &foreign]));
            person.post(&path, &both).await.refused(403, &named);
        }
        let path = policies(&own);
        person.post(&path, &policy("kept", &experiment(&[]))).await.ok();
        let moved = json!({ "spec": { "experiment": { "targets": { "pods": { "namespaces": [foreign] } } } } });
        person.merge(&format!("{path}/kept"), &moved).await.refused(403, &named);
        person.merge(&format!("{path}/kept?dryRun=All"), &moved).await.refused(403, &named);
        person
            .put(&format!("{path}/kept"), &replaced(&person.get(&format!("{path}/kept")).await.ok(), &foreign))
            .await
            .refused(403, &named);
    });
}

fn replaced(object: &Value, namespace: &str) -> Value {
    let mut object = object.clone();
    object["spec"]["experiment"]["targets"]["pods"]["namespaces"] = json!([namespace]);
    object
}

#[test]
fn row_07_a_peer_in_a_foreign_namespace_without_the_right() {
    with(async |site| {
        let (own, user) = operator(site, "own").await;
        let foreign = site.namespace("foreign").await;
        let person = site.admin.person(&user);
        let pods = json!([{ "selector": { "matchLabels": { "app": "db" } }, "namespaces": [foreign] }]);
        let service = format!("{foreign}/db");
        for peers in [
            json!({ "pods": pods }),
            json!({ "services": ["cache", service] }),
            json!({ "services": ["cache"], "except": { "pods": pods } }),
            json!({ "services": ["cache"], "except": { "services": [service] } }),
        ] {
            let mut aimed = experiment(&[]);
            aimed["faults"][0]["latency"]["peers"] = peers;
            person.post(&runs(&own), &run("aimed", &aimed)).await.refused(403, &[RULE, &foreign]);
        }
        let mut own_peers = experiment(&[]);
        own_peers["faults"][0]["latency"]["peers"] = json!({
            "services": ["cache"], "pods": [{ "selector": { "matchLabels": { "app": "db" } } }],
        });
        person.post(&runs(&own), &run("own", &own_peers)).await.ok();
    });
}

#[test]
fn row_07_without_the_right_in_the_own_namespace() {
    with(async |site| {
        let own = site.namespace("own").await;
        let user = site.named("writer");
        site.bind("rumpus-operator", &user, &own).await;
        let person = site.admin.person(&user);
        person.post(&runs(&own), &run("aimed", &experiment(&[]))).await.refused(403, &[RULE, &own]);
        // An empty list means the own namespace, too, and skips no check.
        let mut empty = experiment(&[]);
        empty["targets"]["pods"]["namespaces"] = json!([]);
        let answer = person.post(&runs(&own), &run("aimed", &empty)).await;
        assert!([403, 422].contains(&answer.code), "{answer:?}");
    });
}

#[test]
fn row_08_seventeen_namespaces() {
    with(async |site| {
        let own = site.namespace("own").await;
        let names: Vec<String> = (0..17).map(|number| format!("shop-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let admin = &site.admin;
        admin.post(&runs(&own), &run("many", &experiment(&names))).await.refused(422, &["must have at most 16 items"]);
        let mut both = experiment(&names[..16]);
        both["faults"][0]["latency"]["peers"] = json!({ "services": ["shop-16/db"] });
        admin.post(&runs(&own), &run("both", &both)).await.refused(422, &[RULE, "more than 16 namespaces"]);
    });
}

#[test]
fn row_08_sixteen_namespaces_are_all_judged() {
    with(async |site| {
        let (own, user) = operator(site, "own").await;
        let mut names = vec![own.clone()];
        for number in 1..16 {
            let name = site.namespace(&format!("shop-{number}")).await;
            site.bind("edit", &user, &name).await;
            names.push(name);
        }
        let stranger = site.namespace("stranger").await;
        let person = site.admin.person(&user);
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        person.post(&runs(&own), &run("allowed", &experiment(&all))).await.ok();
        // Eight as targets and eight as peers, each named twice: counted once.
        let mut split = experiment(&all[..8]);
        let services: Vec<String> =
            all[8..].iter().flat_map(|name| [format!("{name}/a"), format!("{name}/b")]).collect();
        split["faults"][0]["latency"]["peers"] = json!({ "services": services });
        person.post(&runs(&own), &run("split", &split)).await.ok();
        for place in 0..16 {
            let mut one_wrong = all.clone();
            one_wrong[place] = &stranger;
            let answer = person.post(&runs(&own), &run("refused", &experiment(&one_wrong))).await;
            answer.refused(403, &[RULE, &stranger]);
        }
        // Within the cost of the rule for somebody with every right as well.
        site.admin.post(&runs(&own), &run("administrator", &experiment(&all))).await.ok();
    });
}

#[test]
fn row_09_all_namespaces_by_a_user_of_one() {
    with(async |site| {
        let (own, user) = operator(site, "own").await;
        let person = site.admin.person(&user);
        let mut everywhere = experiment(&[]);
        everywhere["targets"]["pods"]["allNamespaces"] = json!(true);
        person.post(&runs(&own), &run("aimed", &everywhere)).await.refused(403, &[RULE, "allNamespaces"]);
        person.post(&policies(&own), &policy("aimed", &everywhere)).await.refused(403, &[RULE, "allNamespaces"]);
        site.bind_everywhere("edit", &objects::user(&user)).await;
        person.post(&runs(&own), &run("aimed", &everywhere)).await.ok();
        // A policy outlives its writer's rights: it names an account that is asked about before each run.
        let name = "spec.serviceAccountName";
        person.post(&policies(&own), &policy("aimed", &everywhere)).await.refused(422, &[RULE, name]);
        let mut accounted = policy("aimed", &everywhere);
        accounted["spec"]["serviceAccountName"] = json!("chaos");
        person.post(&policies(&own), &accounted).await.ok();
    });
}

#[test]
fn nodes_need_the_right_to_delete_nodes() {
    with(async |site| {
        let (own, user) = operator(site, "own").await;
        let person = site.admin.person(&user);
        for targets in [json!({ "nodes": { "names": ["a"] } }), json!({ "processes": { "name": "sleep" } })] {
            let mut aimed = experiment(&[]);
            aimed["targets"] = targets;
            person.post(&runs(&own), &run("aimed", &aimed)).await.refused(403, &[RULE, "you may not delete nodes"]);
            site.admin.post(&format!("{}?dryRun=All", runs(&own)), &run("aimed", &aimed)).await.ok();
            let mut lasting = policy("aimed", &aimed);
            site.admin.post(&policies(&own), &lasting).await.refused(422, &[RULE, "spec.serviceAccountName"]);
            lasting["spec"]["serviceAccountName"] = json!("chaos");
            site.admin.post(&format!("{}?dryRun=All", policies(&own)), &lasting).await.ok();
        }
    });
}

#[test]
fn whoever_may_write_may_always_end() {
    with(async |site| {
        let own = site.namespace("own").await;
        let user = site.named("writer");
        site.bind("rumpus-operator", &user, &own).await;
        let person = site.admin.person(&user);
        site.admin.post(&runs(&own), &run("live", &experiment(&[]))).await.ok();
        let mut armed = policy("live", &experiment(&[]));
        armed["spec"]["mode"] = json!("Armed");
        site.admin.post(&policies(&own), &armed).await.ok();
        let (run, policy) = (format!("{}/live", runs(&own)), format!("{}/live", policies(&own)));

        let label = json!({ "metadata": { "labels": { "team": "a" } } });
        person.merge(&run, &label).await.ok();
        person.merge(&policy, &label).await.ok();
        person.merge(&run, &json!({ "spec": { "stop": true } })).await.ok();
        person.merge(&policy, &json!({ "spec": { "suspend": true, "mode": "DryRun" } })).await.ok();
        for (object, spec) in [
            (&policy, json!({ "suspend": false })),
            (&policy, json!({ "mode": "Armed" })),
            (&policy, json!({ "suspend": true, "experiment": { "duration": "31s" } })),
            (&policy, json!({ "experiment": { "pick": { "count": 2 } } })),
            (&policy, json!({ "serviceAccountName": "chaos" })),
        ] {
            person.merge(object, &json!({ "spec": spec })).await.refused(403, &[RULE, &own]);
        }
        person.delete(&run, &Value::Null).await.ok();
        person.delete(&policy, &Value::Null).await.ok();
    });
}
