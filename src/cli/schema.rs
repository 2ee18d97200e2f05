//! `windtunnel schema`: the JSON Schema of the language.

use clap::Args;

use crate::cli::say::{Exit, print};

/// Print the JSON Schema of the scenario language, for completion in editors
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  windtunnel schema > windtunnel.schema.json\n  \
    # then, first line of a scenario: # yaml-language-server: $schema=windtunnel.schema.json")]
pub(super) struct SchemaArguments {}

pub(super) fn schema(_: &SchemaArguments) -> Exit {
    print(format!("{:#}\n", crate::scenario::schema::schema()).as_bytes());
    Exit::Done
}
