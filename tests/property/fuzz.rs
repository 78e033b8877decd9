//! Every input that a fuzzer was worth keeping for, once more: a target fails by an assertion, or by not coming back.

use rumpus_tests::fuzz::TARGETS;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Most inputs of one target, and the longest of them.
const MOST: usize = 60;
const LONGEST: usize = 4096;
/// How long one input may take in a debug build on a busy machine.
const SOON: Duration = Duration::from_secs(20);

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The names in one folder of `fuzz/`.
fn names(folder: &str) -> io::Result<BTreeSet<String>> {
    fs::read_dir(fuzz().join(folder))?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Replays the corpus of one target, and says what does not hold.
fn replay(name: &str) -> io::Result<()> {
    let target = TARGETS.iter().find(|t| t.name == name).ok_or(io::ErrorKind::NotFound)?;
    let inputs = names(&format!("corpus/{name}"))?;
    assert!((1..=MOST).contains(&inputs.len()), "{} inputs of {name}", inputs.len());
    for input in inputs {
        let bytes = fs::read(fuzz().join("corpus").join(name).join(&input))?;
        assert!(bytes.len() <= LONGEST, "fuzz/corpus/{name}/{input} has {} bytes", bytes.len());
        let began = Instant::now();
        let holds = catch_unwind(|| (target.run)(&bytes)).is_ok();
        assert!(holds && began.elapsed() < SOON, "fuzz/corpus/{name}/{input}, after {:?}", began.elapsed());
    }
    Ok(())
}

#[test]
fn the_corpus_of_core_holds() {
    replay("core").unwrap();
}

#[test]
fn the_corpus_of_duration_cidr_holds() {
    replay("duration_cidr").unwrap();
}

#[test]
fn the_corpus_of_journal_holds() {
    replay("journal").unwrap();
}

#[test]
fn the_corpus_of_policy_holds() {
    replay("policy").unwrap();
}

#[test]
fn the_corpus_of_proc_holds() {
    replay("proc").unwrap();
}

#[test]
fn the_corpus_of_world_holds() {
    replay("world").unwrap();
}

#[test]
fn each_target_has_its_binary_its_corpus_and_its_test() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|t| t.name.to_owned()).collect();
    assert_eq!(names("corpus").unwrap(), targets);
    let binaries = names("targets").unwrap().into_iter().map(|file| file.trim_end_matches(".rs").to_owned()).collect();
    assert_eq!(targets, binaries);
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for name in &targets {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"targets/{name}.rs\"\n")), "{name}");
        let tested = include_str!("fuzz.rs").contains(&format!("    replay(\"{name}\").unwrap();\n"));
        assert!(tested, "no test replays {name}");
    }
}

/// The versions of each package of a lock file.
fn locked(text: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in text.split("[[package]]").skip(1) {
        let field = |name: &str| package.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(" = "));
        all.entry(field("name").unwrap_or_default()).or_default().extend(field("version"));
    }
    all
}

#[test]
fn what_is_fuzzed_is_built_of_what_is_shipped() {
    let shipped = fs::read_to_string(fuzz().join("../Cargo.lock")).unwrap();
    let fuzzed = fs::read_to_string(fuzz().join("Cargo.lock")).unwrap();
    let (shipped, fuzzed) = (locked(&shipped), locked(&fuzzed));
    assert!(fuzzed.contains_key("\"serde-saphyr\""), "no lock file: {fuzzed:?}");
    let own = ["\"arbitrary\"", "\"jobserver\"", "\"libfuzzer-sys\"", "\"rumpus-fuzz\""];
    for (name, versions) in fuzzed.iter().filter(|(name, _)| !own.contains(name)) {
        let known = shipped.get(name).is_some_and(|all| versions.is_subset(all));
        assert!(known, "{name} {versions:?}: copy Cargo.lock to fuzz/ and build once");
    }
}
