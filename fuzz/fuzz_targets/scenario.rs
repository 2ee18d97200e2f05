//! Bytes -> scenario: whatever they are, reading ends with a scenario or with problems, and a
//! scenario prints to a text that reads back to the same text.
//!
//! `cargo +nightly fuzz run scenario -- -max_total_time=600 -max_len=4096 -dict=fuzz/yaml.dict`
#![no_main]

use libfuzzer_sys::fuzz_target;
use windtunnel::scenario::load::{Files, Overrides, load};

struct One<'b>(&'b [u8]);

impl Files for One<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        (path == "a.yaml").then(|| self.0.to_vec()).ok_or_else(|| "does not exist".to_owned())
    }
}

fuzz_target!(|bytes: &[u8]| {
    match load("a.yaml", &One(bytes), &Overrides::default()) {
        Err(rejected) => drop(rejected.render(true)),
        Ok(loaded) => {
            let again = load("a.yaml", &One(loaded.resolved.as_bytes()), &Overrides::default());
            let again = again.unwrap_or_else(|r| panic!("{}\n{}", loaded.resolved, r.render(false)));
            assert_eq!(again.resolved, loaded.resolved);
        }
    }
});
