//! `run --scale 1/100`: a design in small, and what is known to be wrong with that.

use std::{path::Path, sync::atomic::AtomicBool};

use super::{
    files::DiskFiles,
    pilot::examine_with_pilot,
    prepare::{Overriding, Said, told},
};
use crate::{
    cli::say::{Exit, Voice, complain},
    plan::biases,
    report::bias_text,
    scenario::scale::small as divided,
    study::Study,
};

/// The design so many times smaller, and what makes it so; what is known to be wrong with it is said.
pub(super) fn small(
    (path, overriding, full): (&Path, &Overriding, &Study),
    by: u64,
    stop: &AtomicBool,
    voice: Voice,
) -> Result<(Study, Overriding), Exit> {
    let overrides = overriding.overrides();
    let small =
        divided(&path.to_string_lossy(), &DiskFiles, &overrides, by).map_err(|rejected| {
            complain(rejected.render(voice.colour).trim_end());
            Exit::BadInput
        })?;
    let sets = small.sets.into_iter();
    let with = sets.fold(overriding.clone(), |with, set| with.with_set(set));
    // What is to be said of the design was said of it in full.
    let quiet = Voice { quiet: true, ..voice };
    let examined = examine_with_pilot(path, &with, stop, quiet)?;
    let study = told(examined, &mut Said::default(), quiet).ok_or(Exit::BadInput)?;
    if !voice.quiet {
        let known = biases(&full.offered(1.0), &study.offered(1.0), &small.balanced);
        complain(bias_text(&path.display().to_string(), by, &known).trim_end());
    }
    Ok((study, with))
}
