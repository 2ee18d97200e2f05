//! `windtunnel new`: a commented scenario to start from.

use std::{fs::OpenOptions, io::Write as _, path::Path};

use clap::Args;

use crate::{
    cli::{
        say::{Exit, Voice, print, refuse},
        schema::{with_modeline, write_beside},
    },
    units::Name,
};

/// Start a scenario from a commented template
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  windtunnel new shop        # writes shop.yaml\n  \
                        windtunnel run shop.yaml")]
pub(super) struct NewArguments {
    /// Name of the scenario, and of the file without `.yaml`
    name: String,
}

/// The template; `NAME` stands for the name.
const TEMPLATE: &str = include_str!("template.yaml");

pub(super) fn new(arguments: &NewArguments, voice: Voice) -> Exit {
    let name = &arguments.name;
    if let Err(error) = name.parse::<Name>() {
        let help = error.help.map_or(String::new(), |help| format!("; {help}"));
        return refuse(&format!("{}{help}", error.message));
    }
    let file = format!("{name}.yaml");
    let text = with_modeline(&TEMPLATE.replace("NAME", name));
    if Path::new(&file).exists() {
        return refuse(&format!(
            "{file} exists already; it is not overwritten: choose another name"
        ));
    }
    if let Err(why) = write_beside() {
        return refuse(&why);
    }
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => {
            if !voice.quiet {
                print(format!("{file} is written; now: windtunnel run {file}\n").as_bytes());
            }
            Exit::Done
        }
        Err(e) => refuse(&format!("cannot write {file}: {e}")),
    }
}
