//! `windtunnel fuzz`: random scenarios under all invariants.

use std::{fs, path::PathBuf};

use clap::Args;

use crate::{
    cli::say::{Exit, Voice, complain, print, refuse},
    scenario::swarm::scenario,
    study::swarm::{Swarmed, run},
};

/// Run random scenarios with random faults and policies, all invariants on
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  windtunnel fuzz --seed 1 --count 1000\n  \
                        windtunnel fuzz --seed 42 --print > swarm-42.yaml")]
pub(super) struct FuzzArguments {
    /// The first seed
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// How many seeds, one after the other
    #[arg(long, default_value_t = 100, value_name = "N")]
    count: u64,
    /// Show the scenario of the first seed instead of running it
    #[arg(long)]
    print: bool,
    /// Where scenarios that break something are written, as swarm-SEED.yaml
    #[arg(long, default_value = ".", value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn fuzz(arguments: &FuzzArguments, voice: Voice) -> Exit {
    if arguments.print {
        print(scenario(arguments.seed).as_bytes());
        return Exit::Done;
    }
    let Some(end) = arguments.seed.checked_add(arguments.count) else {
        return refuse("--seed and --count go beyond the last seed");
    };
    let (mut clean, mut events) = (0u64, 0u64);
    for seed in arguments.seed..end {
        match run(seed) {
            Swarmed::Clean(n) => {
                clean += 1;
                events += n;
            }
            Swarmed::Refused(said) | Swarmed::Broken(said) => {
                complain(&format!("seed {seed}: {}", said.trim_end()));
                let path = arguments.out.join(format!("swarm-{seed}.yaml"));
                match fs::write(&path, scenario(seed)) {
                    Ok(()) => complain(&format!("its scenario is in {}", path.display())),
                    Err(error) => complain(&format!("cannot write {}: {error}", path.display())),
                }
            }
        }
    }
    if !voice.quiet {
        print(format!("{clean} of {} seeds clean, {events} events\n", arguments.count).as_bytes());
    }
    if clean == arguments.count { Exit::Done } else { Exit::Internal }
}
