//! The target of this name in `tests/src/fuzz/`, under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rumpus_tests::fuzz::world(data));
