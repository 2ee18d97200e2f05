//! The reference in `docs/` says what the code reads.

use std::{collections::BTreeSet, env, fs, path::Path};

use windtunnel::{problem::CODES, scenario::reference::reference};

use crate::cli::{succeeds, windtunnel};

#[test]
fn the_reference_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/REFERENCE.md");
    let generated = reference();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    assert!(committed == generated, "run `UPDATE_DOCS=1 cargo test --test it reference`");
}

#[test]
fn the_schema_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/windtunnel.schema.json");
    let generated = succeeds(Path::new("."), "schema").stdout;
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    assert!(committed == generated, "run `UPDATE_DOCS=1 cargo test --test it reference`");
}

#[test]
fn every_kind_and_its_keys_are_in_the_reference() {
    let text = reference();
    for phrase in [
        "## Scenario\n",
        "| `duration` (required) |",
        "## Service\n",
        "## Load balancer\n",
        "| `cores` |",
        "`dns:` [Dns](#dns)",
        "`load_balancer:` [Load balancer](#load-balancer)",
        "| `extends` |",
        "## Step\n",
    ] {
        assert!(text.contains(phrase), "{phrase}\n{text}");
    }
}

#[test]
fn every_target_of_the_reference_is_sound() {
    let text = reference();
    let (_, targets) = text.split_once("\n## Objectives\n").unwrap();
    let targets: Vec<&str> = targets.lines().filter(|line| line.starts_with("  - ")).collect();
    assert_eq!(targets.len(), 25);
    let (_, figures) = text.split_once("\n## Figures\n").unwrap();
    let (figures, _) = figures.split_once("\n## ").unwrap();
    let figures = figures.lines().filter_map(|line| line.strip_prefix("- `")?.split('`').next());
    let figures: Vec<String> = figures.map(|figure| format!("  - {figure}")).collect();
    assert_eq!(figures.len(), 16);
    let targets: Vec<&str> =
        targets.into_iter().chain(figures.iter().map(String::as_str)).collect();
    let scenario = format!(
        "windtunnel: 1\nname: targets\nduration: 9m\ntopology: {{regions: {{r: [a]}}}}\n\
         network: {{internet: 1ms, links: [{{id: uplink, from: a, to: internet, latency: 1ms, bandwidth: 1Gbps}}]}}\n\
         clients: {{gold: {{zones: a, arrivals: poisson(9/s), timeout: 1s, to: api, operations: \
         {{browse: {{share: 50%}}, buy: {{share: 50%}}}}}}}}\n\
         nodes: {{resize: {{function: {{cold_start: 1s, work: 1ms}}}}, api: {{service: {{cores: 1, price: $0.17/h, endpoints: \
         {{default: [{{mark: first_token}}, {{work: 1ms}}, {{write: db}}]}}}}}}, db: {{store: {{read: 1ms}}}}}}\n\
         faults: [{{id: az-loss, at: 1m, for: 1m, crash: {{node: api}}}}, \
         {{id: cut, at: 3m, for: 1m, partition: {{between: [[a], [db]]}}}}]\n\
         alerts: {{bad: {{when: error_fraction(node=api window=30s) > 1%}}}}\n\
         slos:\n{}\n",
        targets.join("\n")
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), scenario).unwrap();
    let ran = windtunnel(folder.path(), "validate a.yaml");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn no_section_is_empty_or_twice_and_no_link_is_dead() {
    let text = reference();
    let sections: Vec<(&str, &str)> = text
        .split("\n## ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap_or((section, "")))
        .collect();
    let mut anchors = BTreeSet::new();
    for (title, content) in &sections {
        assert!(!content.trim().is_empty(), "`{title}` is empty");
        let anchor = title.to_lowercase().replace(' ', "-");
        assert!(anchors.insert(anchor), "`{title}` stands twice");
    }
    for link in text.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(anchors.contains(link), "`#{link}` leads nowhere");
    }
}

/// Every literal of the form `"E-…"` or `"W-…"` in the sources.
fn literals(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            literals(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("codes.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let words = text.split('"').filter(|w| w.starts_with("E-") || w.starts_with("W-"));
            let coded = |w: &&str| {
                w.len() > 3 && w[2..].chars().all(|c| c.is_ascii_uppercase() || c == '-')
            };
            found.extend(words.filter(coded).map(str::to_owned));
        }
    }
}

#[test]
fn every_code_has_a_meaning_and_is_used() {
    let mut used = BTreeSet::new();
    literals(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut used);
    let known: BTreeSet<String> = CODES.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert_eq!(known.len(), CODES.len(), "a code stands twice");
    assert_eq!(used, known);
}
