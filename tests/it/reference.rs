//! The reference in `docs/` says what the code reads.

use std::{env, fs, path::Path};

use windtunnel::scenario::reference::reference;

use crate::cli::windtunnel;

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
    let (_, targets) = text.split_once("\n## Targets\n").unwrap();
    let targets: Vec<&str> = targets.lines().filter(|line| line.starts_with("  - ")).collect();
    assert_eq!(targets.len(), 15);
    let scenario = format!(
        "windtunnel: 1\nname: targets\nduration: 9m\n\
         clients: {{gold: {{arrivals: poisson(9/s), timeout: 1s, to: api, operations: \
         {{browse: {{share: 50%}}, buy: {{share: 50%}}}}}}}}\n\
         nodes: {{api: {{service: {{cores: 1, endpoints: \
         {{default: [{{mark: first_token}}, {{work: 1ms}}]}}}}}}}}\n\
         faults: [{{id: az-loss, at: 1m, for: 1m, crash: {{node: api}}}}]\n\
         alerts: {{bad: {{when: error_fraction(node=api window=30s) > 1%}}}}\n\
         slos:\n{}\n",
        targets.join("\n")
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), scenario).unwrap();
    let ran = windtunnel(folder.path(), "validate a.yaml");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}
