//! The README shows what its first command prints and draws today.

use std::{env, fs, path::Path};

use crate::cli::windtunnel;

const SCENARIO: &str = "balanced-tier";
const PICTURES: [(&str, &str); 2] = [
    ("topology.svg", "topology.svg"),
    ("plots/latency_distribution.svg", "latency_distribution.svg"),
];

#[test]
fn the_readme_shows_a_real_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (readme, images) = (root.join("README.md"), root.join("docs/images"));
    let w = tempfile::tempdir().unwrap();
    let out = w.path().join("out");
    let ran = windtunnel(root, &format!("run scenarios/{SCENARIO}.yaml --out {}", out.display()));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let table = ran.stdout.split("\n\nResults:").next().unwrap().trim();
    let old = fs::read_to_string(&readme).unwrap().replace("\r\n", "\n");
    let begin = old.find("```text\n").expect("a block of output") + "```text\n".len();
    let end = begin + old[begin..].find("\n```").expect("the block ends");
    let new = format!("{}{table}{}", &old[..begin], &old[end..]);
    let run = fs::read_dir(out.join(SCENARIO)).unwrap().next().unwrap().unwrap().path();
    let update = env::var_os("UPDATE_DOCS").is_some();
    if update {
        fs::write(&readme, &new).unwrap();
    }
    assert!(update || old == new, "run `UPDATE_DOCS=1 cargo test --test it readme`:\n{table}");
    for (from, to) in PICTURES {
        let drawn = fs::read_to_string(run.join(from)).unwrap();
        if update {
            fs::write(images.join(to), &drawn).unwrap();
        }
        let committed = fs::read_to_string(images.join(to)).unwrap().replace("\r\n", "\n");
        assert!(committed == drawn, "{to}: run `UPDATE_DOCS=1 cargo test --test it readme`");
    }
}
