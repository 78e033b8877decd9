//! Names that other chaos tools give to what they make.
//!
//! Pure. A name is a hint, so what it finds is reported and nothing else.

/// A mark at the beginning of a name, and the tool that leaves it.
const MARKS: [(&str, &str); 6] = [
    ("CHAOS-", "Chaos Mesh"),
    ("chaos-", "Chaos Mesh"),
    ("TC-TABLES", "Chaos Mesh"),
    ("blockade-", "Blockade"),
    ("pumba", "Pumba"),
    ("chaosblade", "ChaosBlade"),
];

/// Returns the tool that a table, chain or set looks like.
pub(super) fn tool(name: &str) -> Option<&'static str> {
    MARKS.iter().find(|(mark, _)| name.starts_with(mark)).map(|(_, tool)| *tool)
}

/// Returns the tool that an ip set looks like.
pub(super) fn set(name: &str) -> Option<&'static str> {
    tool(name).or_else(|| name.starts_with("chaos").then_some("a chaos tool"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_at_the_beginning() {
        assert_eq!(tool("CHAOS-INPUT"), Some("Chaos Mesh"));
        assert_eq!(tool("blockade-1a2b"), Some("Blockade"));
        assert_eq!(tool("INPUT"), None);
        assert_eq!(tool("no-chaos-here"), None);
        assert_eq!(set("chaos_net"), Some("a chaos tool"));
    }
}
