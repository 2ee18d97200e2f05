//! The way from a scenario's text to its page, as the playground has it.
//!
//! **Invariant.** No thread, no clock, no file: a scenario that names a file is refused by the name of it.

use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use crate::{
    report::write_all,
    scenario::{
        load::{Files, Overrides},
        render,
    },
    study::{Alone, Examined, MOST_WATCHED, Study, examine},
};

/// A scenario that is all there is.
struct Only<'t>(&'t str);

impl Files for Only<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let found = Alone(self.0).read(path);
        found.map_err(|_| "is a file, and the playground has none: it takes the program".to_owned())
    }
}

/// What is answered to a text that is to be run so many times (none: only looked at): `problems`, as `windtunnel validate
/// --format json` has them; of a run `fingerprint` and `page`, the report; `broken`, why a sound scenario was not run to
/// its end.
#[must_use]
pub fn answer(text: &str, replications: usize) -> Value {
    let asked = Overrides::default();
    let Examined { study, sources, found, .. } = examine(Alone::PATH, &Only(text), &asked, &[]);
    let mut told = match study.filter(|_| replications > 0) {
        Some(study) => {
            run(text, study, replications).unwrap_or_else(|why| json!({ "broken": why }))
        }
        None => json!({}),
    };
    told["problems"] = render::json(&sources, &found);
    told
}

fn run(text: &str, study: Study, replications: usize) -> Result<Value, String> {
    let study = if study.needs_pilot {
        let opened = Study::open(Alone::PATH, &Only(text), &Overrides::default());
        opened.map_err(|refused| refused.render(false))?
    } else {
        study
    };
    let never = AtomicBool::new(false);
    let results = study.run(replications, &never).map_err(|breach| breach.message)?.results;
    let watched = study.usual_of_few(&results, MOST_WATCHED, &never);
    let watched = watched.map_err(|breach| breach.message)?;
    let page = write_all(&results, &watched).into_iter().find(|(name, _)| name == "report.html");
    let page = page.and_then(|(_, bytes)| String::from_utf8(bytes).ok());
    Ok(json!({ "fingerprint": results.fingerprint, "page": page }))
}
