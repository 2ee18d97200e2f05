//! What can be wrong with what is said of clocks.
//!
//! **Invariant.** As in `model/check.rs`.

use super::{ClocksSpec, Drift, Offset};
use crate::{
    model::{check::law, fault::TargetSpec, names::Names},
    problem::Problems,
};

/// A clock can be set so often in a run, at most.
const MOST_SET: u64 = 1_000_000;
/// Further off than a year no clock is, ns.
const FURTHEST: u64 = 365 * 86_400 * 1_000_000_000;

/// What a file says of clocks.
pub fn clocks(names: &Names, problems: &mut Problems) {
    let Some(ClocksSpec { offset, drift, resync }) = &names.design.clocks else { return };
    if let Some(offset) = offset {
        law(offset, "clocks.offset", problems);
    }
    if drift.is_some_and(|drift| drift.0 > 0.5) {
        problems.error("E-RANGE", "clocks.drift", "must be at most 50 %");
    }
    match resync {
        Some(every) if every.0 == 0 => {
            problems.error_help("E-RANGE", "clocks.resync", "must be above 0", "such as `64s`");
        }
        Some(every) if names.design.duration / every.0 > MOST_SET => {
            let message = format!("a clock would be set more than {MOST_SET} times");
            problems.error_help("E-BUDGET", "clocks.resync", message, "a longer period");
        }
        _ => {}
    }
    let goes_by_one = names.specs().any(|spec| spec.kind().goes_by_clock());
    if !goes_by_one && drift.is_some() | offset.is_some() {
        let help = "stores with `replication`, caches, and services whose locks a store keeps have clocks of their own";
        problems.warn("W-UNUSED", "clocks", "nothing here goes by a clock", help);
    }
}

/// How wrong a fault puts a clock.
pub fn wrong(target: &TargetSpec, at: &str, problems: &mut Problems) {
    let (offset, drift) = (target.offset.unwrap_or_default(), target.drift.unwrap_or_default());
    if (offset, drift) == (Offset(0), Drift(0.0)) {
        let help = "`offset: -300ms` puts it back, `drift: 200ppm` lets it go too fast";
        return problems.error_help("E-MISSING", at, "how wrong is the clock?", help);
    }
    if offset.0.unsigned_abs() > FURTHEST {
        problems.error("E-RANGE", format!("{at}.offset"), "must be within 365d");
    }
    if drift.0 < -0.9 {
        let help = "`pause` stops what is there";
        problems.error_help("E-RANGE", format!("{at}.drift"), "must be at least -90 %", help);
    }
}
