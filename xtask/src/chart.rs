//! The chart's tests: what it renders, and what a real API server makes of its rules.
//!
//! Both are test binaries of the crate `tests`; here their tools and their cluster are provided.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::command::{capture, command, run};
use crate::place;
use crate::testbed;

/// Counts with the way in which schemas are made, so that no cache serves old ones.
const RECIPE: &str = "1";

/// Where the release lies; the tests know it by this name.
const NAMESPACE: &str = "rumpus-system";

/// Returns the command that tests what the chart renders.
pub(crate) fn render_tests() -> Result<Command> {
    let mut cargo = tests("needs-helm", "chart")?;
    cargo.env("RUMPUS_HELM", testbed::tool_path(testbed::Tool::Helm)?);
    cargo.env("RUMPUS_KUBECONFORM", testbed::tool_path(testbed::Tool::Kubeconform)?);
    cargo.env("RUMPUS_SCHEMAS", schemas()?);
    Ok(cargo)
}

/// Returns the command that tries the chart's rules on the cluster of a kubeconfig.
pub(crate) fn admission_tests(kubeconfig: &Path) -> Result<Command> {
    let mut cargo = tests("needs-cluster", "admission")?;
    cargo.env("RUMPUS_KUBECONFIG", kubeconfig);
    Ok(cargo)
}

/// An installation of the chart as it lies in the checkout.
#[derive(Debug)]
pub(crate) struct Installation {
    kubeconfig: PathBuf,
    /// Whether it is to go again.
    passing: bool,
}

impl Installation {
    /// Brings the release to the chart's present state, with the values that it had; where there is
    /// none yet, one without an image to run: rules and roles need no pod of ours.
    pub(crate) fn provide(kubeconfig: &Path) -> Result<Self> {
        let mut list = helm(kubeconfig, &["list", "--short", "--filter", "^rumpus$", "--all"])?;
        let passing = capture(&mut list)?.trim().is_empty();
        let mut upgrade = helm(kubeconfig, &["upgrade", "--install", "--create-namespace", "rumpus"])?;
        upgrade.arg(place::root()?.join("chart"));
        upgrade.args(if passing {
            ["--set", "image.pullPolicy=Never"].as_slice()
        } else {
            &["--reset-then-reuse-values"]
        });
        run(&mut upgrade)?;
        Ok(Self { kubeconfig: kubeconfig.to_path_buf(), passing })
    }

    /// Uninstalls what was not there before.
    pub(crate) fn leave(self) -> Result<()> {
        if !self.passing {
            return Ok(());
        }
        run(&mut helm(&self.kubeconfig, &["uninstall", "--wait", "rumpus"])?)
    }
}

fn helm(kubeconfig: &Path, args: &[&str]) -> Result<Command> {
    let mut helm = command(testbed::tool_path(testbed::Tool::Helm)?, args);
    helm.args(["--namespace", NAMESPACE]).env("KUBECONFIG", kubeconfig);
    Ok(helm)
}

fn tests(feature: &str, test: &str) -> Result<Command> {
    let mut cargo = command("cargo", ["test", "--package", "rumpus-tests", "--features", feature, "--test", test]);
    cargo.current_dir(place::root()?);
    Ok(cargo)
}

/// Returns a folder with one JSON schema for each kind of Kubernetes, made of the API description in
/// Kubernetes' own source: kubeconform would load them from the network.
fn schemas() -> Result<PathBuf> {
    let folder = place::cache(&format!("schemas-{RECIPE}-{}", testbed::KUBERNETES))?;
    let complete = folder.join("complete");
    if complete.is_file() {
        return Ok(folder);
    }
    let source = testbed::kubernetes_source()?.join("api/openapi-spec/swagger.json");
    let text = fs::read(&source).with_context(|| format!("read {}", source.display()))?;
    let mut description: Value = serde_json::from_slice(&text).context("read the API description")?;
    let mut definitions = description["definitions"].take();
    let all = definitions.as_object_mut().context("the API description defines nothing")?;
    let mut kinds = 0;
    for (name, definition) in all {
        tighten(name, definition);
        for kind in definition["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
            write_kind(&folder, name, kind)?;
            kinds += 1;
        }
    }
    ensure!(kinds > 100, "the API description has {kinds} kinds");
    let shared = json!({ "definitions": definitions });
    fs::write(folder.join("definitions.json"), serde_json::to_vec(&shared)?).context("write the definitions")?;
    fs::write(&complete, "").context("write the mark of completeness")?;
    Ok(folder)
}

/// Named as kubeconform asks: the kind, the first part of its group, its version.
fn write_kind(folder: &Path, definition: &str, kind: &Value) -> Result<()> {
    let text = |field: &str| kind[field].as_str().unwrap_or_default().to_lowercase();
    let group = text("group");
    let group = group.split('.').next().unwrap_or_default();
    let parts = [text("kind"), group.to_owned(), text("version")];
    let name = parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join("-");
    let schema = json!({ "$ref": format!("definitions.json#/definitions/{definition}") });
    fs::write(folder.join(format!("{name}.json")), serde_json::to_vec(&schema)?).context("write a schema")
}

/// Allows the fields that are known, and for the types that are several, what the server takes.
fn tighten(name: &str, definition: &mut Value) {
    if definition["properties"].is_object() {
        definition["additionalProperties"] = json!(false);
    }
    if name.ends_with(".IntOrString") || name.ends_with(".resource.Quantity") {
        *definition = json!({ "type": ["integer", "number", "string"] });
    } else if name.ends_with(".JSONSchemaPropsOrBool")
        || name.ends_with(".JSONSchemaPropsOrArray")
        || name.ends_with(".JSON")
    {
        *definition = json!({});
    }
}
