//! The generated schemas keep to what the API server demands, and each of those checks can fail.

use super::definition::{definition, files};
use super::structural::{bounded, immutable_but};
use super::yaml;
use rumpus_model::wire::kinds::{ALL, HALT, INJECTION, RUN};
use serde_json::{Value, json};

fn rules(schema: &Value) -> String {
    schema["x-kubernetes-validations"].to_string()
}

fn spec(kind: rumpus_model::wire::kinds::Kind) -> Value {
    definition(kind).unwrap()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// Calls `see` on every schema below.
fn walk(schema: &Value, see: &mut impl FnMut(&Value)) {
    see(schema);
    for (_, inner) in schema["properties"].as_object().into_iter().flatten() {
        walk(inner, see);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key) {
            walk(inner, see);
        }
    }
}

#[test]
fn every_kind_has_a_file_and_every_file_is_the_same_again() {
    let once = files().unwrap();
    assert_eq!(once.len(), ALL.len());
    assert_eq!(once, files().unwrap());
    for (name, text) in once {
        assert!(text.contains("helm.sh/resource-policy: keep"), "{name}");
    }
}

#[test]
fn nothing_structural_schemas_forbid_is_left() {
    for kind in ALL {
        let root = &definition(kind).unwrap()["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk(root, &mut |schema| {
            for key in ["$ref", "$schema", "$defs", "title", "default", "const", "oneOf", "anyOf"] {
                assert!(schema.get(key).is_none(), "{}: {key} in {schema}", kind.name);
            }
            assert_ne!(schema.get("additionalProperties"), Some(&json!(false)), "{schema}");
            assert!(!schema["type"].is_array(), "{schema}");
        });
    }
}

#[test]
fn a_schema_without_a_bound_is_refused() {
    bounded(&json!({"type": "object", "properties": {"a": {"type": "string", "maxLength": 1}}}), "").unwrap();
    for bad in [
        json!({"type": "string"}),
        json!({"type": "array", "items": {"type": "boolean"}}),
        json!({"type": "array", "maxItems": 1, "items": {"type": "string"}}),
        json!({"type": "object", "additionalProperties": {"type": "boolean"}}),
        json!({"type": "object", "properties": {"a": {"type": "integer"}}}),
        json!({"properties": {}}),
    ] {
        assert!(bounded(&bad, "").is_err(), "{bad}");
    }
}

#[test]
fn every_field_of_an_immutable_spec_is_held_but_the_free_ones() {
    for (kind, free) in [(RUN, "stop"), (INJECTION, "phase"), (HALT, "")] {
        let spec = spec(kind);
        let rules = rules(&spec);
        for name in spec["properties"].as_object().unwrap().keys() {
            let held = rules.contains(&format!("has(oldSelf.{name}) &&"))
                || rules.contains(&format!("self.{name} == oldSelf.{name} &&"))
                || rules.contains(&format!("self.{name} == oldSelf.{name}\""));
            assert_eq!(held, *name != free, "{}.{name}: {rules}", kind.name);
        }
    }
    assert!(immutable_but(&mut json!({"type": "object"}), &[]).is_err());
}

#[test]
fn what_is_written_is_read_back() {
    let value = json!({"a": [{"b": "x: y", "c": []}, "no", 5, ["deep"]], "d": {}, "e": {"f": true, "g": "^a\"$"}});
    let text = yaml::text(&value);
    let wanted =
        "a:\n  - b: \"x: y\"\n    c: []\n  - \"no\"\n  - 5\n  -\n    - deep\nd: {}\ne:\n  f: true\n  g: \"^a\\\"$\"\n";
    assert_eq!(text, wanted);
}
