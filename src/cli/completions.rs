//! `windtunnel completions`: what a shell completes, from the command line's own definition.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::cli::say::{Exit, print};

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
