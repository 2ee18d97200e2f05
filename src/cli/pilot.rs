//! `warm_up: auto`: looks at a file again with the warm-up that a pilot finds.

use std::{path::Path, sync::atomic::AtomicBool};

use super::{
    prepare::{Overriding, examine},
    run::broken,
};
use crate::{
    cli::say::{Exit, Voice, complain},
    study::Examined,
    units::show::duration,
};

/// Looks at a file; where its warm-up is `auto`, with the one that a pilot finds.
pub(super) fn examine_with_pilot(
    path: &Path,
    overriding: &Overriding,
    stop: &AtomicBool,
    voice: Voice,
) -> Result<Examined, Exit> {
    let overrides = overriding.overrides();
    let examined = examine(path, &overrides);
    let Some(study) = examined.study.as_ref().filter(|study| study.needs_pilot) else {
        return Ok(examined);
    };
    let found = study.pilot(stop).map_err(|breach| broken(overriding, (path, study), &breach))?;
    let Some((span, steady)) = found else {
        complain(&format!("{}: the pilot was interrupted", path.display()));
        return Err(Exit::Interrupted);
    };
    let (file, from) = (path.display(), duration(span as f64 / 1e9));
    if !steady {
        complain(&format!(
            "{file}: warm_up: auto: the pilot is not seen to get steady before the first fault or the end; \
             {from} are left out"
        ));
    } else if !voice.quiet {
        complain(&format!("{file}: warm_up: auto: the pilot is steady from {from} on"));
    }
    Ok(examine(path, &overrides.with_warm_up(span)))
}
