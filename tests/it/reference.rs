//! The reference in `docs/` says what the code reads.

use std::{env, fs, path::Path};

use windtunnel::scenario::reference::reference;

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
        "`load_balancer:` [Load balancer](#load-balancer)",
        "| `extends` |",
        "## Step\n",
    ] {
        assert!(text.contains(phrase), "{phrase}\n{text}");
    }
}
