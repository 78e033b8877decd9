//! YAML as a person reads it: block style, keys in their order, quotes only where they are needed.

use serde_json::Value;
use std::fmt::Write as _;

/// Returns a document without its `---`.
pub(super) fn text(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

fn block(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                indent(depth, out);
                out.push_str(&scalar(key));
                out.push(':');
                nested(inner, depth + 1, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                indent(depth, out);
                out.push('-');
                // The first key of a mapping stands behind the dash.
                if item.as_object().is_some_and(|m| !m.is_empty()) {
                    let mut inner = String::new();
                    block(item, depth + 1, &mut inner);
                    out.push(' ');
                    out.push_str(inner.trim_start());
                } else {
                    nested(item, depth + 1, out);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn nested(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) if map.is_empty() => out.push_str(" {}\n"),
        Value::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Object(_) | Value::Array(_) => {
            out.push('\n');
            block(value, depth, out);
        }
        Value::String(text) => line(&scalar(text), out),
        Value::Null | Value::Bool(_) | Value::Number(_) => line(&value.to_string(), out),
    }
}

fn line(text: &str, out: &mut String) {
    out.push(' ');
    out.push_str(text);
    out.push('\n');
}

fn indent(depth: usize, out: &mut String) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// A word stands as it is; everything else is quoted as JSON does it, which YAML reads.
fn scalar(text: &str) -> String {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let plain = first && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '_'));
    let lower = text.to_ascii_lowercase();
    let taken = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&lower.as_str());
    let mut out = String::new();
    if plain && !taken {
        out.push_str(text);
    } else if write!(out, "{}", Value::from(text)).is_err() {
        out.clear();
    }
    out
}
