//! Rendered objects, and what tests ask them.

use serde_json::Value;

/// One object.
#[derive(Debug)]
pub(crate) struct Manifest(pub(crate) Value);

impl Manifest {
    pub(crate) fn kind(&self) -> &str {
        self.0["kind"].as_str().expect("every object has a kind")
    }

    pub(crate) fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().expect("every object has a name")
    }

    /// Returns what lies at a JSON pointer; `Null` where nothing does.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }
}

/// Reads what helm rendered.
pub(crate) fn objects(text: &str) -> Vec<Manifest> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).expect("helm renders YAML");
    documents.into_iter().filter(|document| !document.is_null()).map(Manifest).collect()
}

/// Returns the one object of a kind and name.
pub(crate) fn find(text: &str, kind: &str, name: &str) -> Manifest {
    let mut found: Vec<Manifest> =
        objects(text).into_iter().filter(|object| object.kind() == kind && object.name() == name).collect();
    assert_eq!(found.len(), 1, "{kind} {name}");
    found.remove(0)
}
