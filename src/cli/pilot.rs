//! `warm_up: auto`: looks at a file again with the warm-up that a pilot finds.

use std::{path::Path, sync::atomic::AtomicBool};

use super::{
    prepare::{Examined, Overriding, examine},
    run::broken,
};
use crate::{
    cli::say::{Exit, Voice, complain},
    runner,
    units::{SimDuration, show::duration},
};

/// Looks at a file; where its warm-up is `auto`, with the one that a pilot finds.
pub(super) fn examine_with_pilot(
    path: &Path,
    overriding: &Overriding,
    stop: &AtomicBool,
    voice: Voice,
) -> Result<Examined, Exit> {
    let examined = examine(path, overriding);
    let Some(ready) = examined.ready.as_ref().filter(|ready| ready.pilot) else {
        return Ok(examined);
    };
    let found = runner::pilot(&ready.prepared, ready.prepared.info.clone(), ready.seed, stop)
        .map_err(|breach| broken(overriding, ready, &breach))?;
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
    let span = SimDuration(span);
    Ok(examine(path, &overriding.with_set(format!("warm_up={span}"))))
}
