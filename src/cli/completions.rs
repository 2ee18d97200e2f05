//! `windtunnel completions` and `windtunnel man`: what a shell completes and the manual, from the command line's own
//! definition.

use clap::{Args, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::{
    cli::say::{Exit, print, refuse},
    problem::near,
};

/// Print what a shell needs to complete commands and options
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  windtunnel completions bash > ~/.local/share/bash-completion/completions/windtunnel\n  \
    windtunnel completions zsh > ~/.zfunc/_windtunnel\n  \
    windtunnel completions fish > ~/.config/fish/completions/windtunnel.fish"
)]
pub(super) struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(arguments: &CompletionsArguments, mut command: Command) -> Exit {
    let mut bytes = Vec::new();
    generate(arguments.shell, &mut command, "windtunnel", &mut bytes);
    print(&bytes);
    Exit::Done
}

/// Print the manual page of the program, or of one of its commands
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  windtunnel man | man -l -\n  \
                        windtunnel man run > windtunnel-run.1")]
pub(super) struct ManArguments {
    /// The command; the program without one
    command: Option<String>,
}

pub(super) fn man(arguments: &ManArguments, command: Command) -> Exit {
    let program = command.display_name("windtunnel");
    let page = match &arguments.command {
        None => program,
        Some(name) => {
            let found = program.get_subcommands().find(|one| one.get_name() == name).cloned();
            let Some(found) = found else {
                let names = program.get_subcommands().map(Command::get_name);
                let nearest = near(name, names)
                    .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                return refuse(&format!(
                    "there is no command `{}`{nearest}",
                    name.escape_default()
                ));
            };
            found.display_name(format!("windtunnel-{name}")).bin_name(format!("windtunnel {name}"))
        }
    };
    let mut bytes = Vec::new();
    Man::new(page).render(&mut bytes).expect("memory takes all");
    print(&bytes);
    Exit::Done
}
