//! Names of our tables.
//!
//! A table is ours if its name has our instance in it; nothing else may ever be changed.

use std::fmt;

/// `rumpus_<instance>_<id>`, both 8 lower case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// The state directory's random id.
    pub instance: u32,
    /// The fault's id.
    pub id: u32,
}

impl TableName {
    /// Returns the parts of a table's name if it is one of some instance of ours.
    pub fn parse(name: &str) -> Option<Self> {
        let (instance, id) = name.strip_prefix("rumpus_")?.split_once('_')?;
        Some(Self { instance: digits(instance)?, id: digits(id)? })
    }
}

fn digits(text: &str) -> Option<u32> {
    let plain = text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    plain.then(|| u32::from_str_radix(text, 16).ok())?
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rumpus_{:08x}_{:08x}", self.instance, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::TableName;

    #[test]
    fn a_name_survives_the_round_trip() {
        let name = TableName { instance: 0x1a, id: 0xffff_0001 };
        assert_eq!(name.to_string(), "rumpus_0000001a_ffff0001");
        assert_eq!(TableName::parse(&name.to_string()), Some(name));
    }

    #[test]
    fn names_of_others_are_not_ours() {
        for other in [
            "filter",
            "rumpus_1_2",
            "rumpus_0000001A_ffff0001",
            "rumpus_0000001a_ffff0001x",
            "rumpus_+000001a_ffff0001",
        ] {
            assert_eq!(TableName::parse(other), None, "{other}");
        }
    }
}
