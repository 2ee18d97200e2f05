//! What can be wrong with how much a fault does to instances, and how.
//!
//! **Invariant.** As in `model/check.rs`.

use super::{Effect, TargetSpec};
use crate::{
    model::{clock, names::Names},
    node_kind::NodeKind,
    problem::Problems,
};

/// Keys of a target where they belong, and there only.
pub fn amounts(
    effect: Effect<'_>,
    t: &TargetSpec,
    at: &str,
    names: &Names,
    problems: &mut Problems,
) {
    let crash = matches!(effect, Effect::Crash(_));
    let corrupt = matches!(effect, Effect::Corrupt(_));
    let found = [
        ("factor", t.factor.is_some(), matches!(effect, Effect::Slow(_))),
        ("fraction", t.fraction.is_some(), matches!(effect, Effect::Errors(_)) || corrupt),
    ];
    for found in found {
        required(found, effect, at, problems);
    }
    let clock = matches!(effect, Effect::Clock(_));
    let found = [
        ("process", t.process.is_some(), crash),
        ("lose_data", t.lose_data.is_some(), crash),
        ("silent", t.silent.is_some(), corrupt),
        ("offset", t.offset.is_some(), clock),
        ("drift", t.drift.is_some(), clock),
    ];
    for (key, given, fits) in found {
        required((key, given, given && fits), effect, at, problems);
    }
    if clock {
        clock::check::wrong(t, at, problems);
    }
    if t.lose_data == Some(true)
        && let Some(node) = t.node.as_ref().and_then(|name| names.node(&name.0))
        && names.kind(node).facts().kind != NodeKind::Store
    {
        let help = "a cache is empty after every crash";
        let message = "only stores hold data that a crash leaves";
        problems.error_help("E-FAULT", format!("{at}.lose_data"), message, help);
    }
    if t.factor.is_some_and(|f| !(0.001..=1e6).contains(&f.0)) {
        problems.error("E-RANGE", format!("{at}.factor"), "must be in 0.001..=1000000");
    }
}

/// A key that belongs to one effect: missing there, or given elsewhere.
pub fn required(
    (key, given, wanted): (&str, bool, bool),
    effect: Effect<'_>,
    at: &str,
    problems: &mut Problems,
) {
    if wanted && !given {
        problems.error("E-MISSING", at, format!("`{}` needs `{key}`", effect.name()));
    } else if given && !wanted {
        let message = format!("`{key}` means nothing to `{}`", effect.name());
        problems.error("E-FAULT", format!("{at}.{key}"), message);
    }
}
