//! Label selectors: what the API server would accept, and nothing that selects by accident.

use super::place::Place;
use crate::cluster::labels::{LabelSelector, Requirement};
use crate::wire;

/// Longest prefix of a label's key (RFC 1123 subdomain).
const PREFIX: usize = 253;
/// Longest name in a label's key, and longest value.
const NAME: usize = 63;

/// Returns the requirements; `None`: a problem was noted. An empty selector is one.
pub(super) fn check(written: &wire::LabelSelector, place: &Place<'_>) -> Option<LabelSelector> {
    let (labels, expressions) = (place.field("matchLabels"), place.field("matchExpressions"));
    let mut requirements = Vec::new();
    let mut good = true;
    for (key, value) in written.match_labels.iter().flatten() {
        let place = labels.field(key);
        good &= self::key(key, &place) & self::value(value, &place);
        requirements.push(Requirement::In(key.clone(), vec![value.clone()]));
    }
    for (index, requirement) in expressions.filled(written.match_expressions.as_ref()).iter().enumerate() {
        match self::requirement(requirement, &expressions.item(index)) {
            Some(parsed) => requirements.push(parsed),
            None => good = false,
        }
    }
    if good && requirements.is_empty() {
        place.wrong("an empty label selector means everything or nothing", "write matchLabels or matchExpressions");
    }
    (good && !requirements.is_empty()).then_some(LabelSelector { requirements })
}

fn requirement(written: &wire::Requirement, place: &Place<'_>) -> Option<Requirement> {
    let Some(key) = &written.key else { return place.field("key").missing("name a label") };
    let good = self::key(key, &place.field("key"));
    let values = written.values.as_deref().unwrap_or_default();
    let here = place.field("values");
    let good = values.iter().enumerate().fold(good, |good, (i, v)| good & value(v, &here.item(i)));
    let hint = "write In, NotIn, Exists or DoesNotExist";
    let many = match written.operator.as_deref() {
        None => return place.field("operator").missing(hint),
        Some("In" | "NotIn") => true,
        Some("Exists" | "DoesNotExist") => false,
        Some(other) => {
            place.field("operator").wrong(format!("`{other}` is no operator"), hint);
            return None;
        }
    };
    if many == values.is_empty() {
        let what = if many { "names no value" } else { "has no values with this operator" };
        here.wrong(what, if many { "write at least one" } else { "leave them out" });
        return None;
    }
    let (key, values) = (key.clone(), values.to_vec());
    good.then_some(match written.operator.as_deref() {
        Some("In") => Requirement::In(key, values),
        Some("NotIn") => Requirement::NotIn(key, values),
        Some("Exists") => Requirement::Exists(key),
        Some(_) | None => Requirement::Missing(key),
    })
}

/// Checks a label's key: `name` or `prefix/name`.
pub(super) fn key(key: &str, place: &Place<'_>) -> bool {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(p, n)| (Some(p), n));
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let prefix = prefix.is_none_or(|p| !p.is_empty() && p.len() <= PREFIX && p.bytes().all(lower));
    let good = prefix && !name.is_empty() && word(name);
    if !good {
        place.wrong(format!("`{key}` is no label"), "write it as `kubectl get pods --show-labels` does");
    }
    good
}

fn value(value: &str, place: &Place<'_>) -> bool {
    let good = word(value);
    if !good {
        place.wrong(format!("`{value}` is no value of a label"), "at most 63 of a-z, A-Z, 0-9, `-`, `_` and `.`");
    }
    good
}

/// Letters, digits, and inner `-`, `_`, `.`; may be empty.
fn word(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends =
        bytes.first().is_none_or(u8::is_ascii_alphanumeric) && bytes.last().is_none_or(u8::is_ascii_alphanumeric);
    ends && bytes.len() <= NAME && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
