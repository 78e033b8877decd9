//! What the chart renders, and what it refuses to render.
//!
//! `cargo xtask test --only chart` runs it. By hand it needs `RUMPUS_HELM`, a Helm 3, and for one
//! test `RUMPUS_KUBECONFORM` and `RUMPUS_SCHEMAS`, a folder with the schemas of Kubernetes. What the
//! API server makes of the rules of admission is tried in `admission`, on a real one.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_in_result,
    reason = "a test stops at what it did not expect"
)]

mod manifest;
mod promises;
mod render;

use manifest::{Manifest, objects};
use render::{Values, helm, kubeconform, render};

#[test]
fn renders_by_default() {
    insta::assert_snapshot!("defaults", without_crds(&render(Values::Defaults)));
}

#[test]
fn renders_with_every_value_set() {
    insta::assert_snapshot!("everything", without_crds(&render(Values::Everything)));
}

/// The CRDs are generated, and have a golden file of their own: `chart/crds-generated`.
fn without_crds(text: &str) -> String {
    let rest: Vec<&str> =
        text.split("\n---\n").filter(|document| !document.contains("\nkind: CustomResourceDefinition\n")).collect();
    rest.join("\n---\n")
}

#[test]
fn lint_finds_nothing() {
    for values in Values::ALL {
        let said = helm(&["lint", "--strict", "--kube-version", render::FLOOR], values).expect("it is clean");
        assert!(said.contains("0 chart(s) failed"), "{said}");
    }
}

#[test]
fn every_object_has_a_known_schema() {
    for values in Values::ALL {
        let text = render(values);
        let said = kubeconform(&text).unwrap_or_else(|error| panic!("{error}"));
        let count = objects(&text).len();
        assert!(said.contains(&format!("{count} resources found")), "{count} objects, and kubeconform: {said}");
        assert!(said.contains(&format!("Valid: {count}, Invalid: 0, Errors: 0, Skipped: 0")), "{said}");
    }
}

#[test]
fn the_schema_check_can_fail() {
    let wrong = render(Values::Defaults).replace("hostPID: true", "hostPid: true");
    assert!(kubeconform(&wrong).expect_err("a misspelt field").contains("hostPid"));
}

#[test]
fn a_wrong_value_is_refused_by_name() {
    for (setting, named) in [
        ("maxActveRuns=3", "maxActveRuns"),
        ("maxActiveRuns=0", "/maxActiveRuns"),
        ("maxPods=-1", "/maxPods"),
        ("maxPods=20001", "/maxPods"),
        ("maxPodsPerNamespace=10%", "/maxPodsPerNamespace"),
        ("maxPodsPerOwner=1.5", "/maxPodsPerOwner"),
        ("maxRunsPerNamespace=1001", "/maxRunsPerNamespace"),
        ("agent.hostNetwork=true", "hostNetwork"),
        ("lease=soon", "/lease"),
        ("optIn.label=a'b", "/optIn/label"),
        ("optIn.value=a' || true || 'b", "/optIn/value"),
        ("protectedNamespaces={Shop}", "/protectedNamespaces/0"),
        ("protectedNamespaces={a'b}", "/protectedNamespaces/0"),
        ("image.digest=latest", "/image/digest"),
        ("controller.http=8080", "/controller/http"),
        ("apiServer.port=0", "/apiServer/port"),
        ("logLevel=loud", "/logLevel"),
    ] {
        let args = ["template", "rumpus", "--kube-version", render::FLOOR, "--set", setting];
        let error = helm(&args, Values::Defaults).expect_err(setting);
        assert!(error.contains(named), "{setting}: {error}");
    }
}

#[test]
fn values_of_a_chart_that_had_no_budgets_limit_nothing() {
    let names = ["maxPods", "maxPodsPerNamespace", "maxPodsPerOwner", "maxRunsPerNamespace"];
    let without = names.map(|name| format!("{name}=null")).join(",");
    let args =
        ["template", "rumpus", "--namespace", "rumpus-system", "--kube-version", render::FLOOR, "--set", &without];
    assert_eq!(helm(&args, Values::Defaults).expect("it renders"), render(Values::Defaults));
}

#[test]
fn a_server_that_is_too_old_is_refused() {
    let error = helm(&["template", "rumpus", "--kube-version", "1.31.9"], Values::Defaults).expect_err("too old");
    assert!(error.contains("kubeVersion"), "{error}");
}

#[test]
fn the_chart_has_the_version_of_the_workspace() {
    let text = std::fs::read_to_string(render::chart().join("Chart.yaml")).expect("the chart is here");
    let chart: serde_json::Value = serde_saphyr::from_str(&text).expect("it is YAML");
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_crds_are_all_there_and_stay_when_the_release_goes() {
    let text = render(Values::Defaults);
    let crds: Vec<Manifest> = objects(&text).into_iter().filter(|it| it.kind() == "CustomResourceDefinition").collect();
    let names: Vec<&str> = crds.iter().map(Manifest::name).collect();
    for kind in rumpus_model::wire::kinds::ALL {
        assert!(names.contains(&&*format!("{}.{}", kind.plural, rumpus_model::wire::kinds::GROUP)), "{names:?}");
    }
    assert_eq!(names.len(), rumpus_model::wire::kinds::ALL.len());
    for crd in &crds {
        assert_eq!(crd.at("/metadata/annotations/helm.sh~1resource-policy"), "keep", "{}", crd.name());
    }
}
