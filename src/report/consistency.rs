//! What clients saw of the data: what stands on the terminal and on the page.
//!
//! **Invariant.** What was not checked is never called right.

use super::{
    grid::Lines,
    table::figures,
    text::{Quantity, clean, clock, estimate, plural, shorten, times, value},
};
use crate::{
    cause::Cause,
    results::{ConsistencyResults, Estimate, Results, WitnessResults},
};

/// What is said of each store.
pub(super) const COLUMNS: [&str; 7] =
    ["Data", "reads", "writes", "stale reads", "oldest", "linearizable", "lost writes"];

/// A table of stores, and what must be said about it.
pub(super) fn lines(out: &mut Lines, results: &Results) {
    if results.consistency.is_none() {
        return;
    }
    if !figures(out, &COLUMNS, |shown| rows(results, shown)) {
        out.blank();
    }
    for line in notes(results) {
        out.wrapped("  ", &line);
    }
}

fn stores(results: &Results) -> impl Iterator<Item = (&String, &ConsistencyResults)> {
    let nodes = results.nodes.iter();
    nodes.filter_map(|(name, node)| Some((name, node.consistency.as_deref()?)))
}

/// A row for each store that is followed, its figures as `shown`.
pub(super) fn rows(
    results: &Results,
    shown: impl Fn(Quantity, &Estimate) -> String,
) -> Vec<Vec<String>> {
    let one = |(name, of): (&String, &ConsistencyResults)| {
        let count = |kinds: &[&str]| {
            let all = kinds.iter().filter_map(|kind| of.operations.get(*kind)?.value);
            value(Quantity::Number, all.sum())
        };
        vec![
            shorten(name, 20),
            count(&["read"]),
            count(&["write", "delete", "cas", "increment"]),
            shown(Quantity::Share, &of.stale_read_fraction),
            shown(Quantity::Duration, &of.staleness_age.max),
            match of.linearizable {
                Some(true) => "yes",
                Some(false) => "no",
                None if results.nodes[name].view.is_some() => "a view",
                None => "not known",
            }
            .to_owned(),
            shown(Quantity::Number, &of.lost_acked_writes),
        ]
    };
    // Of records of locks alone there is nothing to tell here.
    let data = |of: &ConsistencyResults| !of.operations.is_empty() || of.lock_overlaps.is_none();
    stores(results).filter(|(_, of)| data(of)).map(one).collect()
}

/// What else is known: contradictions, with an example, and what was left out.
pub(super) fn notes(results: &Results) -> Vec<String> {
    let mut all = Vec::new();
    for (node, of) in stores(results) {
        let name = clean(node);
        if of.linearizable == Some(false) {
            let found = times(&estimate(Quantity::Number, &of.violations));
            let example = example(&of.witness);
            all.push(format!(
                "{name}: answers contradict each other, {found} a run: no order of reads and writes explains \
                 them{example}"
            ));
        }
        if let Some(view) = results.nodes[node].view.as_deref().filter(|view| view.lag.count > 0) {
            all.push(format!(
                "{name}: {} versions a run came to this view, {} after its source had them (p99 {}); {} took the place of a newer one.",
                estimate(Quantity::Number, &view.applied),
                estimate(Quantity::Duration, &view.lag.mean),
                estimate(Quantity::Duration, &view.lag.p99),
                estimate(Quantity::Number, &view.inversions),
            ));
        }
        all.extend(of_sessions(&name, of));
        for (cause, keys) in &of.not_checked {
            let keys = estimate(Quantity::Number, keys);
            let why = match cause.as_str() {
                "siblings" => {
                    "several leaders write them beside one another, in no one order".into()
                }
                "transaction" => {
                    "what is written with other keys is not looked at by itself".into()
                }
                cause => format!("what `{}` finds is not followed", clean(cause)),
            };
            all.push(format!("{name}: {keys} keys a run were not checked: {why}."));
        }
        if let Some(share) = of.followed.value.filter(|share| *share < 1.0) {
            let share = value(Quantity::Share, share);
            all.push(format!("{name}: of {share} of the keys the history was followed."));
        }
        for (cause, lost) in &of.lost_by_cause {
            let lost = estimate(Quantity::Number, lost);
            let how = match cause.as_str() {
                "failover" => "by a leader, and the next one began without them",
                "lww_clock" => {
                    "and their stamps were older than those of writes acknowledged before them: a clock was wrong"
                }
                "lww_concurrent" => {
                    "and gave way to a later write by somebody who did not know of them"
                }
                "corrupt" => "and the copies that held them were damaged",
                "crash" => "and died with the last who held them",
                "restore" => "and were newer than the backup that was restored",
                _ => "by a cache, and nobody holds them any more",
            };
            all.push(format!("{name}: {lost} writes a run were acknowledged {how}."));
        }
        all.extend(of_torn(&name, of));
        all.extend(of_updates((&name, node), of, results));
        if let Some(split) = of.split_brain_time.filter(|time| time.value > Some(0.0)) {
            let split = estimate(Quantity::Duration, &split);
            all.push(format!("{name}: for {split} a run two replicas led a shard at once."));
        }
    }
    all
}

/// Transactions that are torn, by why.
fn of_torn(name: &str, of: &ConsistencyResults) -> impl Iterator<Item = String> {
    of.torn_by_cause.iter().map(move |(cause, torn)| {
        let torn = estimate(Quantity::Number, torn);
        let how = match cause.as_str() {
            "failover" => "is gone, as a leader began without it",
            "corrupt" => "is gone with the copy that was damaged",
            _ => "is gone with the data of its shard",
        };
        format!(
            "{name}: {torn} transactions a run are torn: some of their writes took effect, and here one {how}."
        )
    })
}

/// What became of writes that did not know of one another, or were made twice.
fn of_updates(
    (name, node): (&str, &str),
    of: &ConsistencyResults,
    results: &Results,
) -> Vec<String> {
    let all = [
        (of.conflicts, "times a run writes that did not know of one another were kept as siblings"),
        (
            of.duplicate_applies,
            "times a run a write was done that had been done before: by a retry, a hedge or a copy",
        ),
        (
            of.lock_overlaps,
            "times a run somebody took a lock while another one was at its steps, whose lease had run out",
        ),
        (
            of.lost_updates,
            "writes a run were overwritten by who had read an older version: their updates are lost",
        ),
    ];
    let seen = all.into_iter().filter_map(|(found, what)| Some((found?, what)));
    let seen = seen.filter(|(found, _)| found.value > Some(0.0));
    let mut all: Vec<String> = seen
        .map(|(found, what)| format!("{name}: {} {what}.", estimate(Quantity::Number, &found)))
        .collect();
    let causes = results.nodes.get(node).map(|node| &node.causes);
    let refused = [
        (Cause::Conflict, "`cas` found another version than was read: a conflict"),
        (Cause::Fenced, "a write came after one of a later holder of its lock, and was refused"),
    ];
    for (cause, what) in refused {
        let count = causes.and_then(|causes| causes.get(&cause)).copied();
        if let Some(count) = count.filter(|_| !results.seeds.is_empty()) {
            let each = value(Quantity::Number, count as f64 / results.seeds.len() as f64);
            all.push(format!("{name}: {} a run {what}.", times(&each)));
        }
    }
    all
}

/// What sessions may complain of.
fn of_sessions(name: &str, of: &ConsistencyResults) -> Vec<String> {
    let all = [
        (
            &of.read_your_writes_violations,
            "reads a run were older than what their session had written",
        ),
        (&of.monotonic_read_violations, "reads a run were older than what their session had read"),
        (
            &of.monotonic_write_violations,
            "writes a run came before one that their session had made",
        ),
        (
            &of.writes_follow_reads_violations,
            "writes a run came before what their session had read",
        ),
    ];
    let seen = all.into_iter().filter(|(found, _)| found.value.is_some_and(|n| n > 0.0));
    seen.map(|(found, what)| format!("{name}: {} {what}.", estimate(Quantity::Number, found)))
        .collect()
}

/// `. The first 2 operations, of key 7: ..`
fn example(witness: &[WitnessResults]) -> String {
    let Some(first) = witness.first() else { return ".".to_owned() };
    let when = |at: Option<f64>, what: &str| at.map(|at| format!("{what} at {}", clock(at)));
    let one = |op: &WitnessResults| {
        let times = [when(op.invoked, "begun"), when(op.returned, "answered")];
        let version = match op.version.as_str() {
            "0" => "what was there before the run".to_owned(),
            version => shorten(version, 6),
        };
        let verb = if op.operation == "read" { "read of" } else { op.operation.as_str() };
        format!("{verb} {version} {}", times.into_iter().flatten().collect::<Vec<_>>().join(", "))
    };
    let all: Vec<String> = witness.iter().map(one).collect();
    let count = plural(all.len() as u64, "operation");
    format!(". The first {count}, of key {}: {}.", first.key, all.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn seen(linearizable: Option<bool>) -> Results {
        let known = |value: f64| Estimate { value: Some(value), ..Estimate::default() };
        let operations = [("read", 900.0), ("write", 80.0), ("delete", 20.0)];
        let contradicts = linearizable == Some(false);
        let op = |operation: &str, version: &str, at| WitnessResults {
            key: 7,
            operation: operation.to_owned(),
            version: version.to_owned(),
            invoked: at,
            returned: Some(3.5),
            ..WitnessResults::default()
        };
        let witness = [op("write", "abcdef0123", None), op("read", "0", Some(4.0))];
        let of = ConsistencyResults {
            operations: operations.map(|(name, n)| (name.to_owned(), known(n))).into(),
            followed: known(0.5),
            stale_read_fraction: known(0.012),
            linearizable,
            violations: known(2.0),
            witness: witness.into_iter().filter(|_| contradicts).collect(),
            not_checked: [("cas".to_owned(), known(3.0))].into(),
            read_your_writes_violations: known(2.5),
            lost_acked_writes: known(4.0),
            lost_by_cause: [("write_behind".to_owned(), known(4.0))].into(),
            ..ConsistencyResults::default()
        };
        let mut results = fixture::shop();
        results.consistency = Some(of.clone());
        let catalogue = results.nodes.get_mut("catalogue").expect("it has one");
        catalogue.consistency = Some(Box::new(of));
        results
    }

    #[test]
    fn what_was_not_checked_is_not_called_right() {
        for (linearizable, word) in [(Some(true), "yes"), (Some(false), "no"), (None, "not known")]
        {
            let rows = rows(&seen(linearizable), estimate);
            assert_eq!(rows.len(), 1);
            assert_eq!(rows[0][..3], ["catalogue", "900", "100"]);
            assert_eq!((rows[0][3].as_str(), rows[0][5].as_str()), ("1.20 %", word));
        }
        let all = notes(&seen(None)).join("\n");
        assert!(
            !all.contains("contradict") && all.contains("3 keys a run were not checked"),
            "{all}"
        );
        assert!(all.contains("2.50 reads a run were older than what their session had written."));
        assert!(all.contains("of 50 % of the keys") && all.contains("4 writes a run"), "{all}");
    }

    #[test]
    fn a_contradiction_has_an_example() {
        let all = notes(&seen(Some(false))).join("\n");
        let example = "The first 2 operations, of key 7: write abcde… answered at 3.500s; \
                       read of what was there before the run begun at 4s, answered at 3.500s.";
        assert!(all.contains(example), "{all}");
    }
}
