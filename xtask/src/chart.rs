//! The test of what the chart renders: its tools and schemas are provided here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::command::command;
use crate::place;
use crate::testbed;

/// Counts with the way in which schemas are made, so that no cache serves old ones.
const RECIPE: &str = "1";

/// Returns the command that tests what the chart renders.
pub(crate) fn render_tests() -> Result<Command> {
    let mut cargo = tests("needs-helm", "chart")?;
    cargo.env("RUMPUS_HELM", testbed::tool_path(testbed::Tool::Helm)?);
    cargo.env("RUMPUS_KUBECONFORM", testbed::tool_path(testbed::Tool::Kubeconform)?);
    cargo.env("RUMPUS_SCHEMAS", schemas()?);
    Ok(cargo)
}

/// Returns the command that runs one test binary of the crate `tests` with what it needs.
pub(crate) fn tests(feature: &str, test: &str) -> Result<Command> {
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
