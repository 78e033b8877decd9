//! From a schema as the derive makes it to one that the API server takes ("structural"), and the proof that it is
//! bounded.

use anyhow::{Result, bail};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Keys that the API server does not know or would misread.
const DROPPED: &[&str] = &["$schema", "title", "default"];

/// Returns the schema of a type.
pub(super) fn schema<T: JsonSchema>() -> Result<Value> {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    rewrite(&mut schema);
    bounded(&schema, "")?;
    Ok(schema)
}

/// Lets nothing of `spec` change but the fields in `free`; the fields that others rule over are left to those rules.
pub(super) fn immutable_but(spec: &mut Value, free: &[&str]) -> Result<()> {
    let Some(properties) = spec.get("properties").and_then(Value::as_object) else {
        bail!("a spec without properties cannot be immutable")
    };
    let required: Vec<&str> =
        spec.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut same = Vec::new();
    for name in properties.keys().filter(|name| !free.contains(&name.as_str())) {
        same.push(if required.contains(&name.as_str()) {
            format!("self.{name} == oldSelf.{name}")
        } else {
            format!("has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})")
        });
    }
    let message = if free.is_empty() {
        "spec is immutable".to_owned()
    } else {
        format!("spec is immutable but for {}", free.join(", "))
    };
    let rules = spec
        .as_object_mut()
        .map(|spec| spec.entry("x-kubernetes-validations").or_insert_with(|| json!([])))
        .and_then(Value::as_array_mut);
    let Some(rules) = rules else { bail!("the rules of a spec are no list") };
    rules.push(json!({"rule": same.join(" && "), "message": message}));
    Ok(())
}

fn rewrite(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    for key in DROPPED {
        map.remove(*key);
    }
    // Unknown fields are refused by strict validation, and pruned otherwise.
    if map.get("additionalProperties") == Some(&Value::Bool(false)) {
        map.remove("additionalProperties");
    }
    if let Some(one_line) = map.get("description").and_then(Value::as_str).map(|d| d.replace('\n', " ")) {
        map.insert("description".into(), one_line.into());
    }
    without_null(map);
    words(map);
    for value in map.values_mut() {
        match value {
            Value::Object(inner) if !inner.contains_key("rule") => rewrite_all(value),
            Value::Array(list) => list.iter_mut().for_each(rewrite),
            Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// `properties` is no schema, its values are; a schema's own key is treated as one.
fn rewrite_all(value: &mut Value) {
    let schema = value.get("type").is_some_and(Value::is_string)
        || value.get("type").is_some_and(Value::is_array)
        || value.get("anyOf").is_some()
        || value.get("oneOf").is_some()
        || value.get("enum").is_some()
        || value.get("x-kubernetes-int-or-string").is_some()
        || value.get("x-kubernetes-preserve-unknown-fields").is_some();
    if schema {
        rewrite(value);
    } else if let Some(map) = value.as_object_mut() {
        map.values_mut().for_each(rewrite);
    }
}

/// A field that is not there is left out; it is never null.
fn without_null(map: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = map.get("type") {
        let types: Vec<Value> = types.iter().filter(|t| **t != "null").cloned().collect();
        if let [one] = types.as_slice() {
            map.insert("type".into(), one.clone());
        }
    }
    if let Some(Value::Array(words)) = map.get_mut("enum") {
        words.retain(|w| !w.is_null());
    }
    if let Some(Value::Array(branches)) = map.get("anyOf") {
        let kept: Vec<Value> = branches.iter().filter(|b| b.get("type") != Some(&json!("null"))).cloned().collect();
        if kept.len() < branches.len()
            && let [Value::Object(one)] = kept.as_slice()
        {
            let description = map.get("description").cloned();
            *map = one.clone();
            map.extend(description.map(|d| ("description".to_owned(), d)));
            without_null(map);
        }
    }
}

/// An enum whose words have comments is a list of constants.
fn words(map: &mut Map<String, Value>) {
    let words: Option<Vec<Value>> = map
        .get("oneOf")
        .and_then(Value::as_array)
        .and_then(|branches| branches.iter().map(|b| b.get("const").cloned()).collect());
    if let Some(words) = words {
        map.remove("oneOf");
        map.insert("type".into(), "string".into());
        map.insert("enum".into(), words.into());
    }
}

/// Fails where a text, a list or a mapping has no greatest size.
pub(super) fn bounded(schema: &Value, path: &str) -> Result<()> {
    let has = |key: &str| schema.get(key).is_some();
    let free = has("x-kubernetes-preserve-unknown-fields") || has("x-kubernetes-int-or-string");
    let missing = match schema.get("type").and_then(Value::as_str) {
        Some("string") if !has("maxLength") && !has("enum") => Some("maxLength"),
        Some("array") if !has("maxItems") => Some("maxItems"),
        Some("object") if has("additionalProperties") && !has("maxProperties") => Some("maxProperties"),
        Some("integer") if !has("minimum") => Some("minimum"),
        Some("number" | "null") => Some("a type that is used here"),
        Some(_) => None,
        None if free => None,
        None => Some("type"),
    };
    if let Some(missing) = missing {
        bail!("{path} has no {missing}: {schema}");
    }
    for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        bounded(inner, &format!("{path}.{name}"))?;
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key) {
            bounded(inner, &format!("{path}[]"))?;
        }
    }
    Ok(())
}
