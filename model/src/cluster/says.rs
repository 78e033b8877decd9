//! What a pod, its owner or its namespace says about being hit: `rumpus.dev/chaos: enabled | disabled`.

use super::select::Reason;
use super::world::Text;
use std::fmt;

/// The pod's label, the owner's annotation or label, and the namespace's annotation.
pub const CHAOS: &str = "rumpus.dev/chaos";

/// The longest value that is kept.
const KEPT: usize = 60;

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    Disabled,
    Enabled,
    /// Something else, which is a no.
    Unclear(Text),
}

impl Says {
    pub fn read(text: &str) -> Self {
        match text {
            "disabled" => Self::Disabled,
            "enabled" => Self::Enabled,
            _ => Self::Unclear(text.chars().take(KEPT).collect::<String>().into()),
        }
    }

    /// Reads what stands in two places of one object: a no counts before a yes.
    pub fn of(one: Option<&str>, other: Option<&str>) -> Option<Self> {
        let mut said: Vec<Self> = one.into_iter().chain(other).map(Self::read).collect();
        said.sort_by_key(|says| *says == Self::Enabled);
        said.into_iter().next()
    }

    /// Returns the reason of a no; `no` is that of `disabled`.
    pub(crate) fn answer(&self, no: Reason) -> Result<(), Reason> {
        match self {
            Self::Disabled => Err(no),
            Self::Enabled => Ok(()),
            Self::Unclear(_) => Err(Reason::OptInUnclear),
        }
    }
}

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("disabled"),
            Self::Enabled => f.write_str("enabled"),
            Self::Unclear(text) => write!(f, "{text:?}, which is neither enabled nor disabled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Says;

    #[test]
    fn of_two_places_that_contradict_each_other_the_no_counts() {
        let unclear = Says::Unclear("yes".into());
        let (yes, no, odd) = (Some("enabled"), Some("disabled"), Some("yes"));
        for (one, other, expected) in [
            (None, None, None),
            (yes, None, Some(Says::Enabled)),
            (yes, no, Some(Says::Disabled)),
            (no, yes, Some(Says::Disabled)),
            (odd, yes, Some(unclear.clone())),
            (yes, odd, Some(unclear)),
            (Some("Enabled"), None, Some(Says::Unclear("Enabled".into()))),
            (Some(""), None, Some(Says::Unclear("".into()))),
        ] {
            assert_eq!(Says::of(one, other), expected, "{one:?} {other:?}");
        }
    }
}
