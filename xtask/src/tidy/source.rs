//! What each file has to keep to, seen alone.

/// The longest file; a longer one holds more than one idea.
const LONGEST: usize = 500;

/// Names that say nothing about what lies in a module.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "manager", "misc", "util", "utils", "v2"];

/// Text that may stand nowhere, and why. Each is written in two parts, so that this file keeps to it.
const BANNED: &[(&str, &str)] = &[
    (concat!("sha", "red/"), "names a folder that a checkout does not have"),
    (concat!("/wo", "rk/"), "is a path of one machine"),
    (concat!("/ho", "me/"), "is a path of one machine"),
];

/// Text that may not stand in code, and why.
const BANNED_IN_CODE: &[(&str, &str)] =
    &[(concat!("TO", "DO"), "belongs into an issue"), (concat!("FIX", "ME"), "belongs into an issue")];

/// Returns every finding in one file; `file` is its path in the checkout.
pub(super) fn check(file: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let generated = file.ends_with(".lock")
        || file.ends_with(".snap")
        || ["chart/crds-generated/", "fuzz/corpus/"].iter().any(|folder| file.starts_with(folder));
    let code = file.ends_with(".rs");
    let lines = text.lines().count();
    if lines > LONGEST && !generated {
        findings.push(format!("{file}: {lines} lines, at most {LONGEST}"));
    }
    if code && !text.starts_with("//!") {
        findings.push(format!("{file}: does not open with `//!` and what it is for"));
    }
    if code {
        let parts = file.trim_end_matches(".rs").split('/');
        findings.extend(
            parts.filter(|part| EMPTY_NAMES.contains(part)).map(|part| format!("{file}: `{part}` names nothing")),
        );
    }
    for (number, line) in (1..).zip(text.lines()) {
        let in_code = if file.ends_with(".md") || generated { &[] } else { BANNED_IN_CODE };
        for (banned, why) in BANNED.iter().chain(in_code) {
            if line.contains(banned) {
                findings.push(format!("{file}:{number}: `{banned}` {why}"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_its_breach() {
        assert_eq!(check("model/src/a.rs", "//! Good.\n"), Vec::<String>::new());
        assert_eq!(check("model/src/a.rs", "fn main() {}\n").len(), 1);
        assert_eq!(check("model/src/utils/a.rs", "//! Good.\n").len(), 1);
        assert_eq!(check("a.md", &"line\n".repeat(501)).len(), 1);
        for (banned, _) in BANNED.iter().chain(BANNED_IN_CODE) {
            assert_eq!(check("a.sh", banned).len(), 1, "{banned}");
        }
    }
}
