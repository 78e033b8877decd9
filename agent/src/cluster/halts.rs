//! ChaosHalts as the model knows them.
//!
//! Pure. What cannot be read counts as a Halt of everything: unknown means no.

use rumpus_cluster::{ChaosHalt, Item};
use rumpus_model::halt::{Halt, HaltScope};
use std::collections::BTreeSet;

/// Reads one, whatever state it is in.
pub fn of(item: &Item<ChaosHalt>) -> Halt {
    match item {
        Ok(halt) => {
            let scope = scope(halt);
            let reason = match scope {
                Some(_) => halt.spec.reason.clone(),
                None => format!("{} (its scope is not understood, which counts as everything)", halt.spec.reason),
            };
            Halt { id: halt.uid().to_owned(), reason, scope: scope.unwrap_or(HaltScope::All) }
        }
        Err(unread) => Halt {
            id: unread.metadata.uid.clone().unwrap_or_default(),
            reason: format!("a ChaosHalt that cannot be read, which counts as everything: {}", unread.why),
            scope: HaltScope::All,
        },
    }
}

/// Exactly one of the four; none where that is not so.
fn scope(halt: &ChaosHalt) -> Option<HaltScope> {
    let scope = &halt.spec.scope;
    let set = |names: &Vec<String>| names.iter().cloned().collect::<BTreeSet<String>>();
    match (scope.all, &scope.namespaces, &scope.nodes, &scope.runs) {
        (Some(true), None, None, None) => Some(HaltScope::All),
        (None, Some(names), None, None) => Some(HaltScope::Namespaces(set(names))),
        (None, None, Some(names), None) => Some(HaltScope::Nodes(set(names))),
        (None, None, None, Some(names)) => Some(HaltScope::Runs(set(names))),
        (_, _, _, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(scope: &Value) -> HaltScope {
        let halt = json!({"metadata": {"name": "h", "uid": "u"}, "spec": {"reason": "r", "scope": scope}});
        of(&Ok(serde_json::from_value(halt).unwrap())).scope
    }

    #[test]
    fn each_scope_is_read_and_anything_else_is_everything() {
        let shop = BTreeSet::from(["shop".to_owned()]);
        assert_eq!(read(&json!({"namespaces": ["shop"]})), HaltScope::Namespaces(shop.clone()));
        assert_eq!(read(&json!({"nodes": ["shop"]})), HaltScope::Nodes(shop.clone()));
        assert_eq!(read(&json!({"runs": ["shop"]})), HaltScope::Runs(shop));
        for odd in [json!({}), json!({"all": false}), json!({"nodes": ["a"], "runs": ["b/c"]}), json!({"all": true})] {
            assert_eq!(read(&odd), HaltScope::All, "{odd}");
        }
    }
}
