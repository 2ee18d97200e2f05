//! Bytes -> scenario -> checks of its meaning: whatever they are, reading and checking end with a
//! scenario or with problems, and a scenario prints to a text that reads back to the same text.
//!
//! `docs/ARCHITECTURE.md` says how to run it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windtunnel::{
    problem::Problems,
    runner::Prepared,
    scenario::{
        load::{Files, Overrides, load},
        trace::DataFiles,
    },
};

struct One<'b>(&'b [u8]);

impl Files for One<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        (path == "a.yaml").then(|| self.0.to_vec()).ok_or_else(|| "does not exist".to_owned())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let files = One(bytes);
    match load("a.yaml", &files, &Overrides::default()) {
        Err(rejected) => drop(rejected.render(true)),
        Ok(loaded) => {
            let mut problems = Problems::default();
            let data = DataFiles::new("a.yaml", &files);
            let prepared = Prepared::new(&loaded.spec, &data, &mut problems);
            assert_eq!(prepared.is_none(), problems.any_error());
            loaded.render(&problems.into_vec(), true);
            let again = load("a.yaml", &One(loaded.resolved.as_bytes()), &Overrides::default());
            let again =
                again.unwrap_or_else(|r| panic!("{}\n{}", loaded.resolved, r.render(false)));
            assert_eq!(again.resolved, loaded.resolved);
        }
    }
});
