//! The schema of the language with what objectives may begin with.
//!
//! **Invariant.** Every scenario that can be run conforms to it.

use serde_json::{Value, json};

use crate::{scenario, slo};

/// The JSON Schema (draft 2020-12) of scenarios, for editors: completion, and a mark at what is misspelt.
#[must_use]
pub fn schema() -> Value {
    let mut schema = scenario::schema::for_editors();
    let heads = slo::heads().into_iter().collect::<Vec<_>>().join("|");
    let pattern = json!(format!(r"^\s*(?:p[0-9]+(?:\.[0-9]+)?|{heads}|none)(?![A-Za-z0-9_-])"));
    schema["$defs"]["SizeSpec"]["properties"]["minimise"]["pattern"] = pattern.clone();
    for form in schema["$defs"]["SloSpec"]["anyOf"].as_array_mut().into_iter().flatten() {
        if form["type"] == "string" {
            form["pattern"] = pattern.clone();
        }
    }
    schema
}
