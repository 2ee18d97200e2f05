//! The command line: what was typed -> what was meant; one file per command.
//!
//! **Invariant.** Only this module prints, and it decides the exit code: 0 done, 1 an objective
//! is missed, 2 bad input, 3 an objective is not decided, 4 a limit was met, 5 an invariant of the program broke, 130 interrupted. After bad input nothing has
//! been written.

mod baseline;
mod check;
mod compare;
mod completions;
mod designs;
mod examples;
mod explain;
mod export;
mod files;
mod folder;
mod fuzz;
mod journal;
mod lsp;
mod merge;
mod new;
mod pilot;
mod plan;
mod prepare;
mod progress;
mod report;
mod requests;
mod run;
mod say;
mod scale;
mod schema;
mod size;
mod sweep;
mod validate;

use std::{
    any::Any,
    io::{self, IsTerminal as _},
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};

use say::{Exit, Voice, complain};

/// A wind tunnel for distributed-system designs: describe a design in one YAML file and learn,
/// with confidence intervals, what its latency and availability will be.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example:\n  windtunnel new shop && windtunnel run shop.yaml")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Colour in messages
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    color: Colour,
    /// No progress, no summary, no notes: only errors (and what --format asks for)
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArguments),
    Check(check::CheckArguments),
    Compare(compare::CompareArguments),
    Explain(explain::ExplainArguments),
    Export(export::ExportArguments),
    Plan(plan::PlanArguments),
    Size(size::SizeArguments),
    Sweep(sweep::SweepArguments),
    Merge(merge::MergeArguments),
    Validate(validate::ValidateArguments),
    Schema(schema::SchemaArguments),
    Lsp(lsp::LspArguments),
    Examples(examples::ExamplesArguments),
    Fuzz(fuzz::FuzzArguments),
    New(new::NewArguments),
    Report(report::ReportArguments),
    Completions(completions::CompletionsArguments),
    Man(completions::ManArguments),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One plain line instead of a stack trace; who catches the panic says what it means.
    panic::set_hook(Box::new(|info| {
        if let Some(place) = info.location() {
            complain(&format!("panic at {}:{}", place.file(), place.line()));
        }
    }));
    let exit =
        panic::catch_unwind(AssertUnwindSafe(|| dispatch(arguments))).unwrap_or_else(|panic| {
            complain(&format!("internal error: {}", panic_text(panic.as_ref())));
            complain("this is a bug in windtunnel, not in your scenario; please report it");
            Exit::Internal
        });
    ExitCode::from(exit.code())
}

fn dispatch(arguments: Arguments) -> Exit {
    let coloured = |terminal: bool| match arguments.color {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
    };
    let colour = coloured(io::stderr().is_terminal());
    let paint = coloured(io::stdout().is_terminal());
    let voice = Voice { colour, paint, quiet: arguments.quiet, json: false };
    let exit = match arguments.command {
        Command::Run(arguments) => run::run(&arguments, voice),
        Command::Check(arguments) => check::check(&arguments, voice),
        Command::Compare(arguments) => compare::compare(&arguments, voice),
        Command::Explain(arguments) => explain::explain(&arguments, voice),
        Command::Export(arguments) => export::export(&arguments, voice),
        Command::Plan(arguments) => plan::plan(&arguments, voice),
        Command::Size(arguments) => size::size(&arguments, voice),
        Command::Sweep(arguments) => sweep::sweep(&arguments, voice),
        Command::Merge(arguments) => merge::merge(&arguments, voice),
        Command::Validate(arguments) => validate::validate(&arguments, voice),
        Command::Schema(arguments) => schema::schema(&arguments),
        Command::Lsp(arguments) => lsp::lsp(&arguments),
        Command::Examples(arguments) => examples::examples(&arguments, voice),
        Command::Fuzz(arguments) => fuzz::fuzz(&arguments, voice),
        Command::New(arguments) => new::new(&arguments, voice),
        Command::Report(arguments) => report::report(&arguments, voice),
        Command::Completions(arguments) => {
            completions::completions(&arguments, Arguments::command())
        }
        Command::Man(arguments) => completions::man(&arguments, Arguments::command()),
    };
    say::tell_programs();
    if say::is_unsaid() { exit.max(Exit::BadInput) } else { exit }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_command_has_an_example() {
        let mut all = Arguments::command();
        all.build();
        all.clone().debug_assert();
        for command in all.get_subcommands().filter(|c| c.get_name() != "help") {
            let help = command.clone().render_help().to_string();
            assert!(help.contains("Example"), "{help}");
        }
    }

    #[test]
    fn the_worst_of_several_exits_counts() {
        let order = [
            Exit::Internal,
            Exit::BadInput,
            Exit::Interrupted,
            Exit::Limit,
            Exit::Failed,
            Exit::Inconclusive,
            Exit::Done,
        ];
        assert!(order.windows(2).all(|pair| pair[0] > pair[1]));
        assert_eq!(order.map(Exit::code), [5, 2, 130, 4, 1, 3, 0]);
    }
}
