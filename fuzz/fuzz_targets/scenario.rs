//! Bytes -> scenario -> checks of its meaning: whatever they are, reading and checking end with a
//! scenario or with problems, and a scenario prints to a text that reads back to the same text.
//!
//! `docs/ARCHITECTURE.md` says how to run it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windtunnel::{
    scenario::load::{Files, Overrides},
    study::{Study, examine},
};

struct One<'b>(&'b [u8]);

impl Files for One<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        (path == "a.yaml").then(|| self.0.to_vec()).ok_or_else(|| "does not exist".to_owned())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let examined = examine("a.yaml", &One(bytes), &Overrides::default(), &[]);
    examined.render(true);
    let refused = examined.found.iter().any(|found| found.is_error());
    assert_eq!(examined.study.is_none(), refused);
    if let Some(Study { resolved, .. }) = examined.study {
        let again = examine("a.yaml", &One(resolved.as_bytes()), &Overrides::default(), &[]);
        let text = again.render(false);
        let again = again.study.unwrap_or_else(|| panic!("{resolved}\n{text}"));
        assert_eq!(again.resolved, resolved);
    }
});
