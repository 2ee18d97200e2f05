//! `windtunnel schema`: the JSON Schema of the language.

use std::fs;

use clap::Args;

use crate::{
    cli::say::{Exit, print},
    scenario::schema::TITLE,
    study,
};

/// Print the JSON Schema of the scenario language, for completion in editors
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  windtunnel schema > windtunnel.schema.json\n  \
    # then, first line of a scenario: # yaml-language-server: $schema=windtunnel.schema.json")]
pub(super) struct SchemaArguments {}

pub(super) fn schema(_: &SchemaArguments) -> Exit {
    print(text().as_bytes());
    Exit::Done
}

/// The file beside a scenario that holds the schema.
const FILE: &str = "windtunnel.schema.json";

/// A scenario whose first line tells editors where its schema is.
pub(super) fn with_modeline(text: &str) -> String {
    format!("# yaml-language-server: $schema={FILE}\n{text}")
}

/// Writes the schema into the current folder, unless it is there; that of another version is replaced. Whether it was
/// written.
pub(super) fn write_beside() -> Result<bool, String> {
    let text = text();
    match fs::read_to_string(FILE) {
        Ok(there) if there == text => return Ok(false),
        Ok(there) if !there.contains(TITLE) => {
            return Err(format!("{FILE} exists already; it is not overwritten"));
        }
        _ => {}
    }
    fs::write(FILE, text).map_err(|e| format!("cannot write {FILE}: {e}"))?;
    Ok(true)
}

/// The schema as it is written to files.
pub(super) fn text() -> String {
    format!("{:#}\n", study::schema())
}
