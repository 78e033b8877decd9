//! What a Halt is about, from the words of a command line: `ns/NAME`, `node/NAME`, `run/NS/NAME`, or nothing for all.

use crate::failure::Failure;
use rumpus_model::wire::HaltScope;

/// Most entries of one Halt, as its schema has it; more become a second Halt.
const MOST: usize = 16;

/// Returns the scope of each Halt that the words ask for: a Halt has one kind of scope only.
///
/// # Errors
/// A word that names nothing.
pub fn scopes(words: &[String], all: bool) -> Result<Vec<HaltScope>, Failure> {
    if words.is_empty() || all {
        if !words.is_empty() {
            let hint = "leave --all out to halt only what is named, or the names to halt everything";
            return Err(Failure::usage("--all and a narrower scope contradict each other", hint));
        }
        return Ok(vec![HaltScope { all: Some(true), ..HaltScope::default() }]);
    }
    let (mut namespaces, mut nodes, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    for word in words {
        match word.split('/').collect::<Vec<_>>().as_slice() {
            ["ns" | "namespace", name] if !name.is_empty() => namespaces.push((*name).to_owned()),
            ["node", name] if !name.is_empty() => nodes.push((*name).to_owned()),
            ["run", namespace, name] if !namespace.is_empty() && !name.is_empty() => {
                runs.push(format!("{namespace}/{name}"));
            }
            _other => {
                let hint = "write ns/NAME, node/NAME or run/NAMESPACE/NAME; nothing at all means everything";
                return Err(Failure::usage(format!("`{word}` is no scope of a halt"), hint));
            }
        }
    }
    let mut scopes = Vec::new();
    for some in namespaces.chunks(MOST) {
        scopes.push(HaltScope { namespaces: Some(some.to_vec()), ..HaltScope::default() });
    }
    for some in nodes.chunks(MOST) {
        scopes.push(HaltScope { nodes: Some(some.to_vec()), ..HaltScope::default() });
    }
    for some in runs.chunks(MOST) {
        scopes.push(HaltScope { runs: Some(some.to_vec()), ..HaltScope::default() });
    }
    Ok(scopes)
}

/// Writes a scope as it is typed.
pub fn show(scope: &HaltScope) -> String {
    let HaltScope { all, namespaces, nodes, runs } = scope;
    if *all == Some(true) {
        return "everything".into();
    }
    let list = |kind: &str, names: &Option<Vec<String>>| {
        names.iter().flatten().map(|name| format!("{kind}/{name}")).collect::<Vec<_>>()
    };
    [list("ns", namespaces), list("node", nodes), list("run", runs)].concat().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    fn shown(list: &[&str], all: bool) -> Vec<String> {
        scopes(&words(list), all).unwrap().iter().map(show).collect()
    }

    #[test]
    fn nothing_means_everything() {
        assert_eq!(shown(&[], false), ["everything"]);
        assert_eq!(shown(&[], true), ["everything"]);
    }

    #[test]
    fn each_kind_becomes_a_halt_of_its_own() {
        let found = shown(&["ns/shop", "run/shop/a", "node/n1", "namespace/pay"], false);
        assert_eq!(found, ["ns/shop ns/pay", "node/n1", "run/shop/a"]);
        let many: Vec<String> = (0..17).map(|i| format!("node/n{i}")).collect();
        assert_eq!(scopes(&many, false).unwrap().len(), 2, "a schema allows sixteen");
    }

    #[test]
    fn a_word_that_names_nothing_halts_nothing() {
        for word in ["shop", "ns/", "ns/a/b", "run/a", "run//a", "pod/a/b", ""] {
            assert!(scopes(&words(&["ns/ok", word]), false).is_err(), "{word}");
        }
        assert!(scopes(&words(&["ns/shop"]), true).is_err());
    }
}
