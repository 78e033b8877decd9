//! Values that no policy may have: the API server refuses them at apply, and the parser in a file, both naming the field.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::objects::{experiment, policy};
use crate::site::with;
use rumpus_model::policy::{Site, parse_for};
use rumpus_tests::live::api::RUMPUS;

/// Who has to refuse a value: what a schema cannot say, the parser says, and the controller after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Both,
    Parser,
}

/// Writes a value at a place of the experiment.
fn with_value(place: &str, value: &Value) -> Value {
    let mut experiment = experiment(&[]);
    experiment["faults"][0]["latency"]["peers"] = json!({ "addresses": ["10.0.0.1"] });
    let (parent, name) = place.rsplit_once('/').expect("a place has a parent");
    let at = experiment.pointer_mut(parent).unwrap_or_else(|| panic!("there is no {parent}"));
    at[name] = value.clone();
    experiment
}

/// Tries a row: each value at each place is refused, and each refusal names the last part of the place.
fn row(cases: Vec<(&'static str, Value, By)>) {
    row_of(Site::Cluster, cases);
}

/// The same for what only the parser of a host looks into.
fn row_of(parser: Site, cases: Vec<(&'static str, Value, By)>) {
    with(async move |site| {
        let own = site.namespace("own").await;
        let path = format!("{RUMPUS}/namespaces/{own}/chaospolicies");
        let strict = format!("{path}?fieldValidation=Strict");
        site.admin.post(&format!("{strict}&dryRun=All"), &policy("whole", &experiment(&[]))).await.ok();
        for (place, value, by) in cases {
            let field = place.rsplit('/').next().expect("a place has a name");
            let mut written = policy("wrong", &with_value(place, &value));
            written["metadata"]["namespace"] = json!(own);
            let began = Instant::now();
            let problems = parse_for(&written.to_string(), parser);
            let took = began.elapsed();
            let problems = problems.err().unwrap_or_else(|| panic!("the parser takes {value} at {place}"));
            let text = format!("{problems:?}");
            assert!(text.contains(field), "{field} is not named: {text}");
            assert!(took < Duration::from_secs(1), "the parser took {took:?} for {place}");
            let answer = site.admin.post(&strict, &written).await;
            if by == By::Both {
                assert!([400, 422].contains(&answer.code), "{value} at {place}: {answer:?}");
                assert!(answer.body["message"].to_string().contains(field), "{field} is not named: {answer:?}");
            } else if answer.code < 300 {
                site.admin.delete(&format!("{path}/wrong"), &Value::Null).await.ok();
            }
        }
        let left = site.admin.get(&path).await.ok();
        assert_eq!(left["items"], json!([]), "something was applied");
    });
}

fn both(place: &'static str, values: &[Value]) -> Vec<(&'static str, Value, By)> {
    values.iter().map(|value| (place, value.clone(), By::Both)).collect()
}

#[test]
fn row_01_a_duration_that_is_none() {
    let wrong = ["0.5s", "-1s", "1e9h", "", "5", "1 h", "0s"].map(|text| json!(text));
    let mut cases = both("/duration", &wrong);
    cases.extend(both("/faults/0/latency/delay", &["-1ms", "1e3ms", "0.5s"].map(|text| json!(text))));
    row(cases);
}

#[test]
fn row_02_a_percentage_that_is_none() {
    let wrong = [json!(150), json!(-1), json!("50%;reboot"), json!("NaN")];
    let mut cases = both("/pick/percent", &wrong);
    let loss = |percent: Value| json!([{ "loss": { "percent": percent, "direction": "Both" } }]);
    cases.extend(both("/faults", &wrong.map(loss)));
    row(cases);
}

#[test]
fn row_02_a_weight_or_an_order_that_is_none() {
    let delete = |weight: i64| json!({ "podDelete": {}, "weight": weight });
    let mut cases = both("/faults/0/weight", &[json!(-1), json!(1001), json!("3"), json!(1.5), json!(0)]);
    let nine = vec![delete(1); 9];
    cases.extend(both("/faults", &[json!([delete(0), delete(0)]), json!(nine), json!([])]));
    cases.extend(both("/pick/order", &[json!("Eldest"), json!("oldest"), json!(1)]));
    cases.extend(both("/pick/weightBy", &[json!({}), json!({ "label": "a/b/c" }), json!({ "annotation": "a" })]));
    let sorted = json!({ "count": 1, "order": "Oldest", "weightBy": { "label": "weight" } });
    cases.extend(both("/pick", &[sorted]));
    row(cases);
}

#[test]
fn row_05_an_empty_selector() {
    row(both("/targets/pods/selector", &[json!({}), json!({ "matchLabels": {} })]));
}

#[test]
fn row_06_a_namespace_that_is_none() {
    let wrong = [json!(["../kube-system"]), json!(["*"]), json!([""]), json!(["a", "a"]), json!(["A"])];
    row(both("/targets/pods/namespaces", &wrong));
}

#[test]
fn row_13_a_pattern_that_is_too_large() {
    let wrong = ["(a{1000}){1000}".to_owned(), "a".repeat(10_240)].map(|text| json!({ "cmdline": text }));
    let cases = wrong.into_iter().map(|value| ("/targets/processes", value, By::Parser));
    row_of(Site::Host, cases.collect());
}

#[test]
fn row_16_a_device_that_is_none() {
    let wrong = ["eth0 root; id", "a234567890123456", "../x", "eth0\n", ""].map(|text| json!(text));
    row(both("/faults/0/latency/device", &wrong));
}

#[test]
fn row_17_an_address_that_is_none() {
    let place = "/faults/0/latency/peers/addresses";
    let mut cases = both(place, &["fe80::1%eth0", "10.0.0.1;flush ruleset", ""].map(|text| json!([text])));
    // A pattern knows characters, not numbers.
    cases.extend(["10.0.0.300", "10.0.0.0/33"].map(|text| (place, json!([text]), By::Parser)));
    row(cases);
}

#[test]
fn row_18_a_port_that_is_none() {
    let place = "/faults/0/latency/ports";
    let mut cases = both(place, &[json!([0]), json!([65_536]), json!(["80,443;flush ruleset"])]);
    cases.extend(["0/TCP", "65536/TCP"].map(|text| (place, json!([text]), By::Parser)));
    row(cases);
}

/// Sends text as YAML, which the API server reads too.
#[test]
fn row_04_a_field_twice_and_row_14_a_bomb() {
    with(async |site| {
        let own = site.namespace("own").await;
        let path = format!("{RUMPUS}/namespaces/{own}/chaospolicies?fieldValidation=Strict");
        let head = "apiVersion: rumpus.dev/v1alpha1\nkind: ChaosPolicy\nmetadata: {name: wrong}\n";
        let twice = format!("{head}spec:\n  suspend: true\n  suspend: false\n");
        let mut bomb = format!("{head}spec:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            let all = [before.as_str(); 9].join(", ");
            bomb.push_str(&format!("  a{level}: &a{level} [{all}]\n"));
        }
        let deep = format!("{head}spec: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
        for (text, word) in [(&twice, "suspend"), (&bomb, ""), (&deep, "")] {
            let began = Instant::now();
            let problems = parse_for(text, Site::Cluster).expect_err("the parser refuses it");
            // A build without optimisation on a busy machine; the release build takes a tenth of a second.
            assert!(began.elapsed() < Duration::from_secs(20), "the parser took {:?}", began.elapsed());
            assert!(format!("{problems:?}").contains(word), "{problems:?}");
            let answer = site.admin.post_text(&path, "application/yaml", text).await;
            assert!((400..500).contains(&answer.code), "{answer:?}");
            assert!(answer.body["message"].to_string().contains(word), "{answer:?}");
        }
    });
}

#[test]
fn row_15_a_body_that_is_too_large() {
    with(async |site| {
        let own = site.namespace("own").await;
        let path = format!("{RUMPUS}/namespaces/{own}/chaospolicies");
        let mut large = policy("large", &experiment(&[]));
        large["metadata"]["annotations"] = json!({ "a": "x".repeat(3_200_000) });
        site.admin.post(&path, &large).await.refused(413, &[]);
        let problems = parse_for(&large.to_string(), Site::Cluster);
        assert!(problems.is_err(), "the parser takes 3 MB");
    });
}
