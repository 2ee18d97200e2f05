//! What a package of the program holds: all that is needed to build it, and nothing large besides.

use std::{collections::BTreeSet, env, fs, path::Path, process::Command};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a package, as Cargo lists them.
fn listed() -> BTreeSet<String> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let list = ["package", "--list", "--allow-dirty", "--offline"];
    let out = Command::new(cargo).args(list).current_dir(root()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().lines().map(|line| line.replace('\\', "/")).collect()
}

/// The files below a folder.
fn below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// What a source names in `include_str!` and `include_bytes!`, from the package's root.
fn included(source: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(source)).unwrap();
    let calls = ["include_str!(\"", "include_bytes!(\""];
    let paths = calls.iter().flat_map(|call| text.split(*call).skip(1).collect::<Vec<_>>());
    let paths = paths.map(|rest| rest.split('"').next().unwrap_or_default().to_owned());
    let folder: Vec<&str> = source.split('/').collect();
    let from_root = |path: String| {
        let mut at: Vec<&str> = folder[..folder.len() - 1].to_vec();
        for part in path.split('/') {
            match part {
                ".." => drop(at.pop()),
                part => at.push(part),
            }
        }
        at.join("/")
    };
    paths.map(from_root).collect()
}

#[test]
fn a_package_has_what_the_build_needs() {
    let listed = listed();
    // Scenarios are named by a macro.
    let mut needed: Vec<String> =
        ["src", "assets", "scenarios"].into_iter().flat_map(below).collect();
    let sources = needed.iter().filter(|path| path.ends_with(".rs"));
    let named: Vec<String> = sources.flat_map(|source| included(source)).collect();
    assert!(named.iter().any(|path| path == "assets/replay.js"), "{named:?}");
    needed.extend(named);
    let others = ["Cargo.toml", "Cargo.lock", "README.md", "CHANGELOG.md", "NOTICE"];
    needed.extend(others.into_iter().chain(["LICENSE-MIT", "LICENSE-APACHE"]).map(str::to_owned));
    let missing: Vec<&String> = needed.iter().filter(|path| !listed.contains(*path)).collect();
    assert!(missing.is_empty(), "not in the package: {missing:?}");
}

#[test]
fn a_package_is_small() {
    let mut sizes: Vec<(u64, String)> = listed()
        .into_iter()
        .filter_map(|path| Some((fs::metadata(root().join(&path)).ok()?.len(), path)))
        .collect();
    sizes.sort();
    let all: u64 = sizes.iter().map(|one| one.0).sum();
    let (largest, name) = sizes.last().unwrap();
    assert!(*largest <= 250_000, "{name} has {largest} bytes");
    assert!(all <= 9_000_000, "{all} bytes; the largest: {:?}", &sizes[sizes.len() - 5..]);
    let first: BTreeSet<&str> =
        sizes.iter().map(|one| one.1.split('/').next().unwrap_or_default()).collect();
    for folder in ["outputs", "fuzz", "validation", "python", ".ci", "target"] {
        assert!(!first.contains(folder), "{folder} is in the package");
    }
}
