//! What can be wrong with backups.
//!
//! **Invariant.** As in `model/check.rs`.

use super::StoreSpec;
use crate::{
    model::{
        check::law,
        names::Names,
        replication::ModeSpec,
        versions::{changes_shards, paths_set},
    },
    problem::{Problems, closest},
    units::SimDuration,
};

/// Keys that are copied, at most: where each is has to be known.
const MOST_KEPT: u64 = 10_000_000;

/// Checks the backups of a store, if it has some.
pub(super) fn backup(spec: &StoreSpec, path: &str, names: &Names, problems: &mut Problems) {
    let Some(backup) = &spec.backup else { return };
    let at = format!("{path}.backup");
    let often = |span: &SimDuration, key: &str, problems: &mut Problems| {
        if span.0 < 100_000_000 {
            let help = "at least 100ms, such as `24h`";
            problems.error_help("E-RANGE", format!("{at}.{key}"), "nobody copies so often", help);
        }
    };
    often(&backup.every, "every", problems);
    if let Some(log) = &backup.log {
        often(log, "log", problems);
    }
    if let Some(to) = backup.to.as_ref().filter(|to| !names.zones.contains_key(&to.0)) {
        let message = format!("unknown zone `{to}`");
        let help = closest(&to.0, names.zones.keys().map(String::as_str));
        problems.error_help("E-REF", format!("{at}.to"), message, help);
    }
    let restore = backup.restore.as_ref();
    if let Some(time) = restore.and_then(|restore| restore.takes()) {
        law(time, &format!("{at}.restore"), problems);
    }
    if spec.keys.is_some_and(|keys| keys.0 > MOST_KEPT) {
        let message = format!("at most {MOST_KEPT} keys can be copied");
        let help = "fewer `keys`, each of which stands for several";
        problems.error_help("E-BUDGET", format!("{path}.keys"), message, help);
    }
    apart(spec, (&at, path), names, problems);
}

/// What does not go together with them yet.
fn apart(spec: &StoreSpec, (at, path): (&str, &str), names: &Names, problems: &mut Problems) {
    let name = path.split('.').nth(1).unwrap_or_default();
    let Some(id) = names.node(name) else { return };
    let sets = paths_set(&names.design.faults, &names.design.nodes);
    let replication = spec.replication.as_deref();
    let mode = spec.durability.as_ref().and_then(|own| own.mode);
    let cases = [
        (replication.is_some_and(|own| own.multi_leader.is_some()), "several leaders"),
        (replication.is_some() && mode == Some(ModeSpec::Never), "replicas that keep nothing"),
        (spec.view_of.is_some(), "`view_of`"),
        (!names.fed_by(id).is_empty(), "views that its log feeds"),
        (changes_shards(name, &sets), "shards that become more or fewer"),
        (names.tracked.transactions.contains(&id), "transactions"),
        (!names.outboxes(id).is_empty(), "an outbox"),
    ];
    for (_, what) in cases.into_iter().filter(|(is, _)| *is) {
        let message = format!("a backup and {what} do not go together yet");
        let help = match what {
            "several leaders" => "one copy, or replicas by `leader_follower`, `raft` or `quorum`",
            "replicas that keep nothing" => "another `durability.mode`, such as `every(1s)`",
            _ => "leave out one of them",
        };
        problems.error_help("E-UNSUPPORTED", at, message, help);
    }
}
