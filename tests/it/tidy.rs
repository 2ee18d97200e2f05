//! Rules of the house that no compiler checks: layers, sizes, leftovers, links.
//!
//! **Invariant.** A rule here fails with the file and line that breaks it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Rooms of the library and the rooms each may import; lowest first. Imports go down only.
const LAYERS: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("expr", &[]),
    ("problem", &[]),
    ("outcome", &[]),
    ("cause", &[]),
    ("node_kind", &[]),
    ("stats", &[]),
    ("history", &[]),
    ("engine", &["stats"]),
    ("results", &["stats"]),
    ("explain", &["results"]),
    ("slo", &["results", "stats"]),
    ("replication", &["engine", "history"]),
    ("model", &["engine", "stats", "history", "replication"]),
    ("scenario", &["model", "engine"]),
    ("plan", &["scenario", "model", "results"]),
    ("runner", &["scenario", "model", "engine", "explain", "results", "stats", "history"]),
    ("study", &["slo", "plan", "runner", "scenario", "model", "results", "stats"]),
    ("sweep", &["study", "slo", "scenario", "results", "stats"]),
    ("size", &["study", "slo", "scenario", "results"]),
    ("report", &["explain", "plan", "size", "slo", "results", "stats"]),
    ("playground", &["report", "study", "scenario"]),
    ("cli", &["report", "plan", "size", "sweep", "study", "slo", "scenario", "results"]),
];

/// What every room may use, these among themselves included.
const LEAVES: &[&str] = &["units", "expr", "problem", "outcome", "cause", "node_kind"];

/// Rooms that may touch the world outside: clock, files, threads, environment.
const OUTSIDE: &[&str] = &["cli", "runner"];

/// Words of the world outside.
const WORLD: &[&str] = &[
    "Instant::",
    "SystemTime",
    "std::thread",
    "std::fs",
    "std::env",
    "rand::rng",
    "thread_rng",
    "OsRng",
    "getrandom",
];

const MOST_LINES: usize = 600;

/// Tests of one thing stand together.
const MOST_LINES_OF_TESTS: usize = 700;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder, in name order.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut open = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.exists() {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The Rust files of the package, with their text.
fn rust() -> Vec<(PathBuf, String)> {
    ["src", "tests", "examples", "benches"]
        .into_iter()
        .flat_map(files)
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| (path.clone(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// Relative to the package, for messages.
fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
}

/// The room of a file of the library; `main.rs` and `lib.rs` are in none.
fn room(path: &Path) -> Option<String> {
    let name = name(path);
    let first = name.strip_prefix("src/")?.split('/').next()?.trim_end_matches(".rs").to_owned();
    (first != "main" && first != "lib").then_some(first)
}

/// The text without comments and without the tests at the foot.
fn code(text: &str) -> String {
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..tests].lines();
    lines.map(|l| l.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// First names after `crate::`, groups in braces opened.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut start) = (0, true);
            let mut word = String::new();
            for c in group.chars() {
                match c {
                    '}' if depth == 0 => break,
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 && start && (c.is_alphanumeric() || c == '_') {
                    word.push(c);
                } else if !word.is_empty() {
                    found.push(std::mem::take(&mut word));
                    start = false;
                }
                if depth == 0 && c == ',' {
                    start = true;
                }
            }
            found.extend((!word.is_empty()).then_some(word));
        } else {
            found.push(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

fn assert_none(what: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{what}:\n{}", broken.join("\n"));
}

#[test]
fn imports_are_read_from_single_lines_and_groups() {
    let text = "use crate::units;\nuse crate::{\n    model::{a, b},\n    stats,\n};\nlet x = crate::expr::clip(y);";
    assert_eq!(imports(text), ["units", "model", "stats", "expr"]);
}

#[test]
fn imports_go_down_only() {
    let mut broken = Vec::new();
    for (path, text) in rust() {
        let Some(room) = room(&path) else { continue };
        let Some((_, allowed)) = LAYERS.iter().find(|l| l.0 == room) else {
            broken.push(format!("{}: room `{room}` is not in the table of layers", name(&path)));
            continue;
        };
        for import in imports(&code(&text)) {
            let known = LAYERS.iter().any(|l| l.0 == import);
            let fine = import == room || LEAVES.contains(&&*import) || allowed.contains(&&*import);
            if known && !fine {
                broken.push(format!("{}: {room} imports {import}", name(&path)));
            }
        }
    }
    broken.dedup();
    assert_none("edges that the layers do not have", &broken);
}

#[test]
fn the_world_outside_is_left_to_cli_and_runner() {
    let mut broken = Vec::new();
    for (path, text) in rust() {
        let Some(room) = room(&path).filter(|r| !OUTSIDE.contains(&&**r)) else { continue };
        let code = code(&text);
        broken.extend(
            WORLD
                .iter()
                .filter(|word| code.contains(**word))
                .map(|word| format!("{} ({room}): {word}", name(&path))),
        );
    }
    assert_none("clock, files, threads or randomness of the system", &broken);
}

#[test]
fn nothing_is_kept_in_random_order_or_left_half_done() {
    // Written apart, so that this file does not find itself.
    let words = [
        concat!("Hash", "Map"),
        concat!("Hash", "Set"),
        concat!("FIX", "ME"),
        concat!("db", "g!("),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ign", "ore"),
    ];
    let mut broken = Vec::new();
    for (path, text) in rust() {
        for (number, line) in text.lines().enumerate() {
            let found = words.iter().filter(|word| line.contains(**word));
            broken.extend(found.map(|w| format!("{}:{}: {w}", name(&path), number + 1)));
        }
    }
    assert_none("leftovers", &broken);
}

#[test]
fn files_fit_a_mind() {
    let long = |(path, text): &(PathBuf, String)| {
        let lines = text.lines().count();
        let most = if name(path).starts_with("tests/") { MOST_LINES_OF_TESTS } else { MOST_LINES };
        (lines > most).then(|| format!("{}: {lines} lines", name(path)))
    };
    assert_none("files over the limit", &rust().iter().filter_map(long).collect::<Vec<_>>());
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let mut broken = Vec::new();
    let top = ["README.md", "CHANGELOG.md"].map(|f| root().join(f));
    let docs = files("docs").into_iter().filter(|p| p.extension().is_some_and(|e| e == "md"));
    for path in top.into_iter().chain(docs) {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap();
            let target = target.split('#').next().unwrap();
            let web = target.starts_with("http");
            if !web && !target.is_empty() && !path.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {target}", name(&path)));
            }
        }
    }
    assert_none("links to nowhere", &broken);
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    let places = ["work", "root", "tmp", "home"].map(|place| format!("/{place}/"));
    let folders =
        ["src", "tests", "examples", "benches", "docs", "scenarios", "python", ".ci", ".config"];
    let top = ["README.md", "CHANGELOG.md", "Cargo.toml", "pyproject.toml", "NOTICE"]
        .map(|f| root().join(f));
    let mut broken = Vec::new();
    for path in folders.into_iter().flat_map(files).chain(top) {
        // What is not text is data.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if places.iter().any(|place| line.contains(place.as_str())) {
                broken.push(format!("{}:{}", name(&path), number + 1));
            }
        }
    }
    assert_none("paths of one machine", &broken);
}
