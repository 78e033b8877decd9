//! Names and texts of people: as long and as odd as Kubernetes lets them be, and never taken for one another.

use std::time::Duration;

use serde_json::json;

use super::cli::say;
use super::ends::Pair;
use super::parts::NODES;
use super::run::{experiment, partition};
use crate::objects;
use crate::site::{until, with};

/// The longest name that the API server takes.
const LONGEST: usize = 253;

#[test]
fn row_19_names_that_are_as_long_as_can_be_and_differ_in_their_last_letter() {
    with(async |site| {
        let one = Pair::on(site, "long-one", [NODES[0], NODES[1]]).await;
        let two = Pair::on(site, "long-two", [NODES[0], NODES[1]]).await;
        let [a, b] = ["a", "b"].map(|last| format!("{}{last}", "x".repeat(LONGEST - 1)));
        let cut = experiment("web", &partition("db"), Some("3m"));
        // The same name in both namespaces, and in one of them a second one that begins like it.
        let first = one.shop.start(&a, &cut).await;
        let namesake = two.shop.start(&a, &cut).await;
        let neighbour = one.shop.start(&b, &cut).await;
        for run in [&first, &namesake, &neighbour] {
            run.in_effect().await;
        }
        assert!(!one.talks() && !two.talks(), "they are said to be cut off and are not");
        first.stop().await;
        first.over().await;
        assert!(!one.talks(), "the end of one run ended the one whose name begins like its own");
        assert!(!two.talks(), "the end of one run ended its namesake in another namespace");
        namesake.stop().await;
        namesake.over().await;
        two.heals_within(Duration::from_secs(2)).await;
        assert!(!one.talks(), "the end of the namesake ended another run");
        neighbour.stop().await;
        neighbour.over().await;
        one.heals_within(Duration::from_secs(2)).await;
        one.is_as_before().await;
        two.is_as_before().await;
    });
}

#[test]
fn row_20_a_huge_annotation_is_not_carried_to_the_nodes_nor_printed() {
    with(async |site| {
        let pair = Pair::on(site, "note", [NODES[1], NODES[2]]).await;
        let odd = "<script>alert(1)</script>\u{202e}\u{1b}[2J\u{0}";
        let mut run = objects::run("noted", &experiment("web", &partition("db"), Some("3m")));
        run["spec"]["mode"] = json!("Armed");
        // All annotations of an object may have 256 KiB together.
        run["metadata"]["annotations"] = json!({ "note": odd.repeat((255 << 10) / odd.len()) });
        site.admin.post(&pair.shop.ours("chaosruns"), &run).await.ok();
        let run = pair.shop.run("noted");
        run.in_effect().await;
        let injections = json!(pair.shop.injections().await).to_string();
        assert!(!injections.contains("script"), "a node is told what was only noted for people");
        let shown = say(&["-n", &pair.shop.namespace, "active"]);
        assert_eq!(shown.code, 0, "{}", shown.text);
        assert!(shown.text.contains("noted"), "the run is not shown: {}", shown.text);
        assert!(!shown.text.contains(['\u{202e}', '\u{1b}', '\u{0}']), "{:?}", shown.text);
        run.stop().await;
        run.over().await;
        pair.is_as_before().await;
    });
}

/// The API server's store is put back to a day when this injection was armed: whether its node refuses it or the
/// controller, which knows no run of it, takes it away first, its pod never feels it.
#[test]
fn row_37_an_injection_of_a_restored_backup_is_long_over() {
    with(async |site| {
        let pair = Pair::on(site, "restored", [NODES[0], NODES[1]]).await;
        let controller = site.controller().await;
        let mut object = objects::injection(&site.named("injection"), NODES[0]);
        object["spec"]["fault"] = json!({ "partition": { "how": "Drop", "direction": "Both" } });
        object["spec"]["targets"] =
            json!([{ "uid": pair.web.uid, "namespace": pair.shop.namespace, "pod": pair.web.name }]);
        let all = pair.shop.ours("chaosinjections");
        controller.post(&all, &object).await.ok();
        let path = format!("{all}/{}", object["metadata"]["name"].as_str().expect("it has a name"));
        let armed = controller.merge(&path, &json!({ "spec": { "phase": "Armed" } })).await;
        assert!([200, 404, 422].contains(&armed.code), "{armed:?}");
        until("it is over", async || {
            let found = site.admin.get(&path).await;
            let status = &found.body["status"];
            let begun = ["InEffect", "Ending", "Restored", "RestoreFailed", "Done"];
            assert!(!begun.contains(&status["state"].as_str().unwrap_or_default()), "{status:#}");
            assert!(pair.talks(), "a fault that was over long ago is felt");
            found.code == 404 || status["state"] == "Refused"
        })
        .await;
        pair.is_as_before().await;
    });
}
