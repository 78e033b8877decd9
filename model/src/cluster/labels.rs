//! Labels and what selects by them, parsed: the same answers as the API server's (labels.Selector).

use super::world::Text;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Labels of an object, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Box<[(Text, Text)]>);

impl Labels {
    /// Collects labels; of two with the same key the last one counts.
    pub fn new(labels: impl IntoIterator<Item = (Text, Text)>) -> Self {
        let map: std::collections::BTreeMap<Text, Text> = labels.into_iter().collect();
        Self(map.into_iter().collect())
    }

    /// Returns a label's value. Few labels: a look along beats a search.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| &**k == key).map(|(_, v)| &**v)
    }
}

impl fmt::Display for Labels {
    /// As kubectl shows them: `app=web,tier=a`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, (key, value)) in self.0.iter().enumerate() {
            write!(f, "{}{key}={value}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// All requirements hold; none of them: everything is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelSelector {
    pub requirements: Vec<Requirement>,
}

/// One requirement on a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Requirement {
    Exists(String),
    Missing(String),
    /// The key is there and has one of these values.
    In(String, Vec<String>),
    /// The key is not there, or has none of these values.
    NotIn(String, Vec<String>),
}

impl LabelSelector {
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|r| r.holds(labels))
    }
}

impl Requirement {
    fn holds(&self, labels: &Labels) -> bool {
        match self {
            Self::Exists(key) => labels.get(key).is_some(),
            Self::Missing(key) => labels.get(key).is_none(),
            Self::In(key, values) => labels.get(key).is_some_and(|found| values.iter().any(|v| v == found)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|found| values.iter().all(|v| v != found)),
        }
    }
}

impl fmt::Display for LabelSelector {
    /// As kubectl writes it: `app=web,tier in (a,b),!canary`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match requirement {
                Requirement::Exists(key) => write!(f, "{key}")?,
                Requirement::Missing(key) => write!(f, "!{key}")?,
                Requirement::In(key, values) if values.len() == 1 => write!(f, "{key}={}", values.join(""))?,
                Requirement::In(key, values) => write!(f, "{key} in ({})", values.join(","))?,
                Requirement::NotIn(key, values) => write!(f, "{key} notin ({})", values.join(","))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{LabelSelector, Labels, Requirement};

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())))
    }

    #[test]
    fn requirements_hold_as_the_api_server_has_them() {
        let web = labels(&[("app", "web"), ("tier", "a")]);
        let cases = [
            (Requirement::Exists("app".into()), true),
            (Requirement::Exists("zone".into()), false),
            (Requirement::Missing("zone".into()), true),
            (Requirement::Missing("app".into()), false),
            (Requirement::In("app".into(), vec!["db".into(), "web".into()]), true),
            (Requirement::In("zone".into(), vec!["web".into()]), false),
            (Requirement::NotIn("app".into(), vec!["web".into()]), false),
            (Requirement::NotIn("zone".into(), vec!["web".into()]), true),
        ];
        for (requirement, holds) in cases {
            let selector = LabelSelector { requirements: vec![requirement] };
            assert_eq!(selector.matches(&web), holds, "{selector}");
        }
        assert!(LabelSelector::default().matches(&web), "an empty selector selects everything");
    }

    #[test]
    fn a_key_that_is_written_twice_has_its_last_value() {
        assert_eq!(labels(&[("b", "1"), ("a", "2"), ("b", "3")]).get("b"), Some("3"));
    }
}
