//! Histories as Jepsen writes them: transactions over registers for Elle, in EDN and JSON, and single keys as
//! compare-and-set registers for Knossos.
//!
//! **Invariant.** Each operation is one map to a line, in the order in which things happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde_json::json;

use super::{
    grid::Grid,
    text::{Quantity, clean, count, value},
};
use crate::results::{Does, HistoryEvent, Phase, RunHistory, StoreHistory};

/// Its files, by path: all keys together, and each of these by itself.
#[must_use]
pub fn jepsen(history: &StoreHistory, alone: &[u64]) -> BTreeMap<String, Vec<u8>> {
    let store = &history.store;
    let mut files = BTreeMap::from([
        (format!("jepsen/{store}.edn"), edn(&history.events, transaction).into_bytes()),
        (format!("jepsen/{store}.json"), transactions(&history.events).into_bytes()),
    ]);
    for key in alone {
        let of: Vec<HistoryEvent> =
            history.events.iter().filter(|event| event.key == *key).copied().collect();
        files.insert(format!("jepsen/{store}-key-{key}.edn"), edn(&of, register).into_bytes());
    }
    files
}

/// All events in EDN; `what` says the function and value of each.
fn edn(events: &[HistoryEvent], what: fn(&HistoryEvent) -> String) -> String {
    let mut text = String::new();
    for (index, event) in events.iter().enumerate() {
        let HistoryEvent { process, phase, at_ns, .. } = event;
        let (phase, what) = (phase.name(), what(event));
        writeln!(
            text,
            "{{:index {index}, :time {at_ns}, :process {process}, :type :{phase}, {what}}}"
        )
        .expect("a text grows");
    }
    text
}

/// A number, or nothing.
fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "nil".to_owned(), |value| value.to_string())
}

/// As a transaction of reads and writes of registers.
fn transaction(event: &HistoryEvent) -> String {
    let key = event.key;
    let value = match event.does {
        Does::Read(value) => format!("[:r {key} {}]", number(value)),
        Does::Write(value) => format!("[:w {key} {value}]"),
        Does::Cas(expected, value) => {
            format!("[:r {key} {}] [:w {key} {value}]", number(expected))
        }
    };
    format!(":f :txn, :value [{value}]")
}

/// As an operation on the only register there is.
fn register(event: &HistoryEvent) -> String {
    match event.does {
        Does::Read(value) => format!(":f :read, :value {}", number(value)),
        Does::Write(value) => format!(":f :write, :value {value}"),
        Does::Cas(expected, value) => format!(":f :cas, :value [{} {value}]", number(expected)),
    }
}

/// All events as transactions, in JSON.
fn transactions(events: &[HistoryEvent]) -> String {
    let lines = events.iter().enumerate().map(|(index, event)| {
        let key = event.key;
        let value = match event.does {
            Does::Read(value) => json!([["r", key, value]]),
            Does::Write(value) => json!([["w", key, value]]),
            Does::Cas(expected, value) => json!([["r", key, expected], ["w", key, value]]),
        };
        let (process, phase, at_ns) = (event.process, event.phase.name(), event.at_ns);
        let line = json!({
            "index": index, "time": at_ns, "process": process, "type": phase, "f": "txn", "value": value,
        });
        line.to_string()
    });
    format!("[{}]\n", lines.collect::<Vec<_>>().join(",\n"))
}

/// What was written where, and what can be done with it.
#[must_use]
pub fn exported(history: &RunHistory, folder: &str, files: &[&str]) -> String {
    let mut grid = Grid::new(&["store", "operations", "answered", "not done", "open", "keys"]);
    for store in &history.stores {
        let of = |phase: Phase| store.events.iter().filter(|e| e.phase == phase).count() as u64;
        let keys: BTreeSet<u64> = store.events.iter().map(|event| event.key).collect();
        let begun = of(Phase::Invoke);
        let (ok, fail) = (of(Phase::Ok), of(Phase::Fail));
        let counts = [begun, ok, fail, begun - ok - fail, keys.len() as u64];
        let row = counts.into_iter().map(count);
        grid.rows.push(std::iter::once(clean(&store.store)).chain(row).collect());
    }
    let mut lines = grid.lines();
    for store in history.stores.iter().filter(|store| store.followed < 1.0) {
        let share = value(Quantity::Share, store.followed);
        lines.push(format!("Of {} {share} of the keys are followed.", clean(&store.store)));
    }
    if !history.without.is_empty() {
        let names = history.without.join(", ");
        lines.push(format!("Left out: {names}, where several values of a key stand side by side."));
    }
    lines.push(String::new());
    let place = |file: &&str| format!("Written: {}/{file}", clean(folder.trim_end_matches('/')));
    lines.extend(files.iter().map(place));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_is_a_map_that_other_programs_read() {
        let event =
            |at_ns, process, phase, does| HistoryEvent { at_ns, process, phase, does, key: 7 };
        let events = vec![
            event(1, 0, Phase::Invoke, Does::Write(1)),
            event(2, 1, Phase::Invoke, Does::Read(None)),
            event(3, 1, Phase::Ok, Does::Read(None)),
            event(4, 0, Phase::Info, Does::Write(1)),
            event(5, 1, Phase::Invoke, Does::Cas(Some(1), 2)),
            event(6, 1, Phase::Fail, Does::Cas(Some(1), 2)),
        ];
        let history = StoreHistory { store: "db".to_owned(), events, ..StoreHistory::default() };
        let files = jepsen(&history, &[7]);
        let text = |name: &str| String::from_utf8(files[name].clone()).unwrap();
        assert_eq!(files.len(), 3);
        let edn = text("jepsen/db.edn");
        let lines: Vec<&str> = edn.lines().collect();
        assert_eq!(
            lines[0],
            "{:index 0, :time 1, :process 0, :type :invoke, :f :txn, :value [[:w 7 1]]}"
        );
        assert!(lines[2].ends_with(":type :ok, :f :txn, :value [[:r 7 nil]]}"));
        assert!(lines[5].ends_with(":type :fail, :f :txn, :value [[:r 7 1] [:w 7 2]]}"));
        let json: serde_json::Value = serde_json::from_str(&text("jepsen/db.json")).unwrap();
        assert_eq!(json[3]["type"], "info");
        assert_eq!(json[4]["value"], json!([["r", 7, 1], ["w", 7, 2]]));
        let register = text("jepsen/db-key-7.edn");
        assert!(register.contains(":type :fail, :f :cas, :value [1 2]}"), "{register}");
        assert!(register.contains(":type :ok, :f :read, :value nil}"), "{register}");
    }
}
