//! The catalogue of faults: every line of `docs/FAULTS.md` does what the page says.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use windtunnel::scenario::load::{Files, Overrides, load};

use crate::theory::oracles::run::run;

/// A line of one of the page's tables.
struct Row {
    id: String,
    say: Vec<String>,
    then: String,
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/FAULTS.md");
    fs::read_to_string(path).unwrap().replace("\r\n", "\n")
}

/// The texts between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows(page: &str) -> Vec<Row> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    let lines = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |"));
    lines
        .map(|line| {
            let cells = cells(line);
            let [id, _, say, then] = cells.as_slice() else { panic!("four columns: {line}") };
            Row { id: id.clone(), say: quoted(say), then: then.clone() }
        })
        .collect()
}

/// The design of the page, and one that changes it.
struct Two(String, String);

impl Files for Two {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "base.yaml" => Ok(self.0.clone().into_bytes()),
            "scenario.yaml" => Ok(self.1.clone().into_bytes()),
            _ => Err("does not exist".to_owned()),
        }
    }
}

/// Whether a part of a line is no fault but another design.
fn changes_the_design(part: &str) -> bool {
    ["nodes:", "clients:", "alerts:"].iter().any(|key| part.starts_with(key))
}

/// The design under what a line says.
fn scenario(row: &Row) -> String {
    let (mut text, mut faults) = ("extends: base.yaml\n".to_owned(), String::new());
    for (i, part) in row.say.iter().enumerate() {
        if changes_the_design(part) {
            text += part;
            text.push('\n');
            continue;
        }
        let times = match part.split(':').next().unwrap() {
            "at" | "after" | "every" | "mtbf" => "",
            _ => "at: 20s, for: 20s, ",
        };
        faults += &format!("  - {{id: f{i}, {times}{part}}}\n");
    }
    if faults.is_empty() { text } else { text + "faults:\n" + &faults }
}

/// Share of all requests by which a count of them changes at least: from none to one is no effect.
const SOME: f64 = 0.01;

/// Whether a figure counts requests, visits or what befell them.
fn is_count(path: &str) -> bool {
    path.starts_with("requests.") || path.contains(".causes.") || path.contains(".outcomes.")
}

/// A figure of results; what was never counted is 0.
fn figure(results: &Value, path: &str) -> f64 {
    let step = |at: &Value, key: &str| match key.parse::<usize>() {
        Ok(index) => at[index].clone(),
        Err(_) => at[key].clone(),
    };
    let roots = [&results["summary"], results];
    let found = roots.map(|root| path.split('.').fold(root.clone(), |at, key| step(&at, key)));
    // Nor is what only stores have that are written, which that of the page is not.
    let counted = [".causes.", ".outcomes.", "consistency."].iter().any(|part| path.contains(part));
    let found = found.into_iter().find(|value| !value.is_null());
    let found = found.unwrap_or_else(|| {
        assert!(counted, "there is no {path}");
        Value::from(0)
    });
    found.get("value").unwrap_or(&found).as_f64().unwrap()
}

#[test]
fn the_page_goes_through_both_catalogues() {
    let mut found: BTreeMap<char, Vec<u32>> = BTreeMap::new();
    for row in rows(&page()) {
        let (kind, number) = row.id.split_at(1);
        let all = found.entry(kind.parse().unwrap()).or_default();
        let number = number.parse().unwrap();
        assert!(all.last().is_none_or(|last| *last <= number), "{} is in its place", row.id);
        all.push(number);
    }
    for (kind, last) in [('F', 36), ('I', 10), ('N', 19), ('A', 10), ('D', 24)] {
        let mut all = found.remove(&kind).unwrap();
        all.dedup();
        assert_eq!(all, (1..=last).collect::<Vec<u32>>(), "{kind}");
    }
    assert!(found.is_empty());
}

#[test]
fn each_fault_is_said_in_sixteen_words() {
    let page = page();
    let (_, words) = page.split_once("by sixteen words: ").unwrap();
    let words = quoted(words.split_once(". Each").unwrap().0);
    assert_eq!(words.len(), 16);
    for row in rows(&page).iter().filter(|row| row.then != "*not supported yet*") {
        assert!(!row.say.is_empty(), "{}", row.id);
        for part in row.say.iter().filter(|part| !changes_the_design(part.as_str())) {
            let before = part.split('{').next().unwrap();
            let names = |word: &&String| before.ends_with(&format!("{word}: "));
            assert_eq!(words.iter().filter(names).count(), 1, "{}: {part}", row.id);
        }
    }
}

#[test]
fn each_fault_does_what_the_page_says_or_is_refused() {
    let page = page();
    let base = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap().to_owned();
    let results = |text: String| {
        let merged = run("scenario.yaml", &Two(base.clone(), text), &Overrides::default(), 1);
        serde_json::to_value(merged).unwrap()
    };
    let before = results("extends: base.yaml\n".to_owned());
    let some = SOME * figure(&before, "requests.issued");
    let mut other = Vec::new();
    for row in rows(&page) {
        let (text, id) = (scenario(&row), &row.id);
        if row.then == "*not supported yet*" {
            let files = Two(base.clone(), text.clone());
            let rejected = load("scenario.yaml", &files, &Overrides::default()).unwrap_err();
            let [found] = rejected.found.as_slice() else { panic!("{id}: one problem: {text}") };
            assert_eq!(found.problem.code, "E-UNSUPPORTED", "{id}: {text}");
            let span = found.span.unwrap();
            let at = rejected.sources[usize::from(span.source)].position(span.start);
            let line = text.lines().nth(at.line - 1).unwrap_or_default();
            assert!(line.contains("nodes:") || line.contains("id: f0"), "{id}: {line}");
            continue;
        }
        let path = &quoted(&row.then)[0];
        let after = results(text);
        let (before, after) = (figure(&before, path), figure(&after, path));
        let told = row.then.rsplit("` ").next().unwrap();
        let (way, by) = told.split_once(" by ").map_or((told, None), |(way, by)| (way, Some(by)));
        let least = match by {
            Some(by) => by.parse().unwrap(),
            None if is_count(path) => some,
            None => 0.0,
        };
        let as_told = match way {
            "rises" => after >= 1.1 * before && after > before && after >= before + least,
            "falls" => after <= 0.9 * before && after < before && after <= before - least,
            other => panic!("{id}: rises or falls, not {other:?}"),
        };
        if !as_told {
            other.push(format!("{id}: {path} was {before} and is {after}"));
        }
    }
    assert!(other.is_empty(), "{}", other.join("\n"));
}
