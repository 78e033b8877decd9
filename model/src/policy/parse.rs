//! From the text of a file to policies, once, or to everything that is wrong with it.
//!
//! A file holds one or several YAML documents, each a ChaosPolicy or a ChaosRun with its experiment inline.

use super::check;
use super::decode::{self, Decoded, MAX_PROBLEMS};
use super::problem::Problem;
use super::yaml::{self, Node, Value};
use super::{Policy, Site};
use crate::wire::{API_VERSION, ChaosPolicy, ChaosRun, POLICY_KIND, RUN_KIND};
use serde::de::DeserializeOwned;

/// Reads a file that is meant for a host.
///
/// # Errors
/// Everything that is wrong, in the order of the text; at most 50 problems for each document.
pub fn parse(text: &str) -> Result<Vec<Policy>, Vec<Problem>> {
    parse_for(text, Site::Host)
}

/// Reads a file that is meant for a host, or for a cluster.
///
/// # Errors
/// As [`parse`].
pub fn parse_for(text: &str, site: Site) -> Result<Vec<Policy>, Vec<Problem>> {
    let documents = yaml::documents(text).map_err(|problem| vec![problem])?;
    if documents.is_empty() {
        let hint = format!("write a {POLICY_KIND} of {API_VERSION}");
        return Err(vec![Problem::at("", "the file holds no policy", hint)]);
    }
    let (mut policies, mut problems) = (Vec::new(), Vec::new());
    for document in &documents {
        match one(document, site) {
            Ok(policy) => policies.push(policy),
            Err(found) => problems.extend(placed(document, found)),
        }
    }
    for (index, policy) in policies.iter().enumerate() {
        let same = |p: &&Policy| p.name == policy.name && p.namespace == policy.namespace;
        if policies.iter().take(index).any(|p| same(&p)) {
            let what = format!("`{}` is the name of two policies of this file", policy.name);
            problems.push(Problem::at("metadata.name", what, "give each its own name"));
        }
    }
    if problems.is_empty() { Ok(policies) } else { Err(problems) }
}

fn one(document: &Node, site: Site) -> Result<Policy, Vec<Problem>> {
    match text(document, "apiVersion") {
        Some(API_VERSION) => {}
        Some(other) => return Err(vec![Problem::at("apiVersion", format!("`{other}` is not known here"), api_hint())]),
        None => return Err(vec![Problem::at("apiVersion", "is missing", api_hint())]),
    }
    let hint = format!("write {POLICY_KIND} or {RUN_KIND}");
    match text(document, "kind") {
        Some(POLICY_KIND) => policy(document, |p: &ChaosPolicy| check::policy(p, site)),
        Some(RUN_KIND) => policy(document, |r: &ChaosRun| check::run(r, site)),
        Some(other) => Err(vec![Problem::at("kind", format!("`{other}` is nothing that can be run"), hint)]),
        None => Err(vec![Problem::at("kind", "is missing", hint)]),
    }
}

fn api_hint() -> String {
    format!("write `apiVersion: {API_VERSION}`")
}

fn text<'n>(document: &'n Node, key: &str) -> Option<&'n str> {
    match &document.get(key)?.value {
        Value::Text(text) => Some(text),
        Value::Bool(_) | Value::Float(_) | Value::Int(_) | Value::List(_) | Value::Map(_) | Value::Null => None,
    }
}

fn policy<W: DeserializeOwned>(
    document: &Node,
    check: impl Fn(&W) -> Result<Policy, Vec<Problem>>,
) -> Result<Policy, Vec<Problem>> {
    let Decoded { value, mut problems } = decode::decode::<W>(document);
    let Some(wire) = value else { return Err(problems) };
    match check(&wire) {
        Ok(policy) if problems.is_empty() => Ok(policy),
        Ok(_) => Err(problems),
        Err(found) => {
            // What had to be left out to read the rest would be reported a second time, as missing.
            let cause = |p: &Problem| problems.iter().any(|d| within(&d.path, &p.path));
            let fresh: Vec<Problem> = found.into_iter().filter(|p| !cause(p)).collect();
            problems.extend(fresh);
            problems.truncate(MAX_PROBLEMS);
            Err(problems)
        }
    }
}

/// Returns whether `path` is `parent` or inside it.
fn within(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn placed(document: &Node, problems: Vec<Problem>) -> Vec<Problem> {
    let mut placed: Vec<Problem> = problems
        .into_iter()
        .map(|problem| {
            let place = document.locate(&problem.path);
            Problem { line: Some(place.line), column: Some(place.column), ..problem }
        })
        .collect();
    placed.sort_by_key(|p| (p.line, p.column));
    placed
}
