//! The program from outside: exit codes, what goes to which stream, what is written where.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command as StdCommand},
    time::Duration,
};

use assert_cmd::Command;
use tempfile::TempDir;

/// A single server; a run of it takes milliseconds.
pub(crate) const MM1: &str = "\
windtunnel: 1
name: mm1
duration: 60s
warm_up: 5s
clients: {load: {arrivals: poisson(9/s), to: server}}
nodes: {server: {service: {cores: 1, work: exp(mean=100ms)}}}
slos:
  - availability >= 99%
variants:
  fast: {nodes.server.service.work: exp(mean=50ms)}
";

const BAD: &str = "\
windtunnel: 1
name: bad
duration: 60s
clients: {load: {arrivals: poisson(9/s), to: sever}}
nodes: {server: {service: {cores: 1, work: exp(mean=100ms)}}}
";

/// A folder with `mm1.yaml` and `bad.yaml` in it.
pub(crate) fn workspace() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mm1.yaml"), MM1).unwrap();
    fs::write(folder.path().join("bad.yaml"), BAD).unwrap();
    folder
}

/// What one invocation left behind.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program in a folder; arguments are parted by blanks.
#[track_caller]
pub(crate) fn windtunnel(folder: &Path, arguments: &str) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_windtunnel"))
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .timeout(Duration::from_secs(60))
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[track_caller]
pub(crate) fn succeeds(folder: &Path, arguments: &str) -> Ran {
    let ran = windtunnel(folder, arguments);
    assert_eq!(ran.code, 0, "{arguments}: {}{}", ran.stdout, ran.stderr);
    ran
}

/// All files below a folder, relative, in name order.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(here) = open.pop() {
        let Ok(entries) = fs::read_dir(&here) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                names.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    names.sort();
    names
}

/// The one result folder of a scenario.
pub(crate) fn result_folder(workspace: &Path, scenario: &str) -> PathBuf {
    let runs = result_folders(workspace, scenario);
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].clone()
}

/// All result folders of a scenario, in name order.
fn result_folders(workspace: &Path, scenario: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace.join("outputs").join(scenario)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| !path.is_symlink());
    let mut runs: Vec<_> = paths.collect();
    runs.sort();
    runs
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn run_prints_a_table_and_leaves_a_folder() {
    let w = workspace();
    let ran = succeeds(w.path(), "run mm1.yaml");
    assert!(ran.stdout.contains("mm1"), "{}", ran.stdout);
    assert!(ran.stdout.contains("Results: outputs/mm1/"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\u{1b}'), "no escape codes in a pipe");
    let folder = result_folder(w.path(), "mm1");
    let id = folder.file_name().unwrap().to_str().unwrap();
    assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    let names = files(&folder);
    for name in [
        "manifest.json",
        "report.html",
        "requests.csv",
        "results.json",
        "scenario.yaml",
        "timeseries.csv",
        "timing.json",
        "topology.svg",
    ] {
        assert!(names.iter().any(|n| n == name), "{name} is not in {names:?}");
    }
    assert!(names.iter().any(|n| n.starts_with("plots/") && n.contains(".svg")), "{names:?}");
    let manifest = json(&fs::read_to_string(folder.join("manifest.json")).unwrap());
    assert_eq!(manifest["files"].as_array().unwrap().len(), names.len() - 2);
    let results = json(&fs::read_to_string(folder.join("results.json")).unwrap());
    assert_eq!(results["seeds"].as_array().unwrap().len(), 5);
    assert_eq!(results["slos"][0]["verdict"], "met");
}

#[test]
fn json_is_alone_on_standard_output() {
    let w = workspace();
    let ran = succeeds(w.path(), "run mm1.yaml --format json --replications 1");
    let results = json(&ran.stdout);
    assert_eq!(results["scenario"], "mm1");
    assert_eq!(results["status"], "complete");
    assert!(results["summary"]["latency"]["mean"]["value"].is_f64());
    assert!(results["summary"]["latency"]["mean"]["lower"].is_null());
    fs::write(w.path().join("other.yaml"), MM1.replace("name: mm1", "name: other")).unwrap();
    let ran = succeeds(w.path(), "run mm1.yaml other.yaml --format json");
    let results = json(&ran.stdout);
    assert_eq!(results[0]["scenario"], "mm1");
    assert_eq!(results[1]["scenario"], "other");
    assert!(results[1]["summary"]["latency"]["mean"]["lower"].is_f64());
    let counts = results[0]["summary"]["requests"].as_object().unwrap();
    let total: u64 =
        counts.iter().filter(|(name, _)| *name != "issued").map(|(_, n)| n.as_u64().unwrap()).sum();
    assert_eq!(counts["issued"].as_u64().unwrap(), total);
}

#[test]
fn quiet_says_nothing() {
    let w = workspace();
    let ran = succeeds(w.path(), "run mm1.yaml --quiet");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert!(result_folder(w.path(), "mm1").join("manifest.json").exists());
}

#[test]
fn bad_input_exits_2_and_writes_nothing() {
    let w = workspace();
    let before = files(w.path());
    for (arguments, phrase) in [
        ("run bad.yaml", "bad.yaml:4:"),
        ("run mm1.yaml bad.yaml", "bad.yaml:4:"),
        ("validate bad.yaml", "server"),
        ("run missing.yaml", "missing.yaml"),
        ("run .", "E-IO"),
        ("run", "FILE"),
        ("run mm1.yaml mm1.yaml", "twice"),
        ("run mm1.yaml --replications 0", "replications"),
        ("run mm1.yaml --replications 1000000000", "replications"),
        ("run mm1.yaml --seed -1", "seed"),
        ("run mm1.yaml --seed 18446744073709551616", "seed"),
        ("run mm1.yaml --jobs 0", "jobs"),
        ("run mm1.yaml --set nodes.server.service.coers=2", "cores"),
        ("run mm1.yaml --set nodes.server.service.cores=many", "many"),
        ("run mm1.yaml --set nonsense", "nonsense"),
        ("run mm1.yaml --variant slow", "fast"),
        ("run mm1.yaml --out mm1.yaml", "mm1.yaml"),
        ("run mm1.yaml --format yaml", "json"),
        ("frobnicate", "frobnicate"),
        ("report .", "manifest.json"),
        ("examples --copy no-such-thing", "no-such-thing"),
        ("new ../escape", "name"),
        ("new yes", "name"),
        (
            "new Ride-Hail",
            "did you mean `ride-hail`? A name has small letters, digits, `_` and `-`",
        ),
        ("run nosuch.yaml", "nosuch.yaml: 1 error"),
    ] {
        let ran = windtunnel(w.path(), arguments);
        assert_eq!(ran.code, 2, "{arguments}: {}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments}");
        assert!(ran.stderr.contains(phrase), "{arguments}: {}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{arguments}: {}", ran.stderr);
        assert_eq!(files(w.path()), before, "{arguments} wrote something");
    }
    assert!(!w.path().join("outputs").exists());
    let ran = windtunnel(w.path(), "run mm1.yaml bad.yaml --format json");
    assert_eq!((ran.code, json(&ran.stdout)[0]["code"].as_str()), (2, Some("E-REF")));
    assert_eq!(files(w.path()), before);
}

/// Every command that answers programs tells them what is wrong in one list, with its places, and people nothing.
#[test]
fn programs_are_told_what_is_wrong_in_a_list() {
    let w = workspace();
    fs::write(w.path().join("worse.yaml"), BAD.replace("60s", "60")).unwrap();
    for command in ["run", "check", "compare"] {
        let ran =
            windtunnel(w.path(), &format!("{command} mm1.yaml bad.yaml worse.yaml --format json"));
        assert_eq!((ran.code, ran.stderr.as_str()), (2, ""), "{command}");
        let found = json(&ran.stdout);
        let found: Vec<_> = found.as_array().unwrap().iter().collect();
        let told = |at: usize| (found[at]["file"].as_str(), found[at]["line"].as_u64());
        assert_eq!(told(0), (Some("bad.yaml"), Some(4)), "{command}");
        assert_eq!(told(1), (Some("worse.yaml"), Some(3)), "{command}");
        assert_eq!(found[0]["code"], "E-REF", "{command}");
    }
    let held = MM1.replace("availability >= 99%", "p99(latency) <= baseline + 5%");
    fs::write(w.path().join("held.yaml"), held).unwrap();
    for (line, code) in [
        ("explain bad.yaml", "E-REF"),
        ("check held.yaml", "E-BASELINE"),
        ("check held.yaml --baseline bad.yaml", "E-REF"),
        ("plan mm1.yaml", "E-MISSING"),
    ] {
        let ran = windtunnel(w.path(), &format!("{line} --format json"));
        assert_eq!((ran.code, ran.stderr.as_str()), (2, ""), "{line}");
        let found = &json(&ran.stdout)[0];
        assert_eq!((found["code"].as_str(), found["line"].is_u64()), (Some(code), true), "{line}");
    }
    let line = "sweep mm1.yaml --vary nodes.server.service.cores=[1,many] --format json";
    let ran = windtunnel(w.path(), line);
    assert_eq!((ran.code, json(&ran.stdout)[0]["severity"].as_str()), (2, Some("error")));
    let cell = "error: cell 1 (nodes.server.service.cores=many) cannot be run";
    assert!(ran.stderr.starts_with(cell), "{}", ran.stderr);
}

#[test]
fn a_sweep_names_the_files_it_is_made_of() {
    let w = workspace();
    fs::create_dir(w.path().join("data")).unwrap();
    fs::write(w.path().join("data/t.csv"), "at\n1\n2\n70\n").unwrap();
    let load = "clients: {load: {arrivals: trace(file=t.csv column=at unit=s)}}";
    let text = format!("windtunnel: 1\nextends: mm1.yaml\n{load}\n");
    fs::write(w.path().join("traced.yaml"), text).unwrap();
    let vary = "--vary nodes.server.service.cores=1..2 --data data";
    let ran = succeeds(w.path(), &format!("sweep traced.yaml {vary} --dry-run --format json"));
    let planned = json(&ran.stdout);
    assert_eq!(planned["files"], serde_json::json!(["data/t.csv", "mm1.yaml", "traced.yaml"]));
    assert_eq!(planned["cells"].as_array().unwrap().len(), 2);
    assert_eq!(files(w.path()).len(), 4, "nothing is written");
}

#[test]
fn without_a_folder_the_same_is_said_and_nothing_written() {
    let w = workspace();
    let before = files(w.path());
    let with = succeeds(w.path(), "run mm1.yaml --format json --out elsewhere");
    fs::remove_dir_all(w.path().join("elsewhere")).unwrap();
    let without = succeeds(w.path(), "run mm1.yaml --format json --no-folder");
    assert!(without.stdout == with.stdout, "the bytes do not depend on the folder");
    let told = succeeds(w.path(), "run mm1.yaml --no-folder");
    assert!(told.stdout.starts_with("mm1: complete"), "{}", told.stdout);
    assert!(!told.stdout.contains("Results:"), "{}", told.stdout);
    assert_eq!(files(w.path()), before);
    let both = windtunnel(w.path(), "run mm1.yaml --no-folder --out elsewhere");
    assert_eq!(both.code, 2, "{}", both.stdout);
}

#[cfg(unix)]
#[test]
fn special_files_are_refused_at_once() {
    let w = workspace();
    assert!(StdCommand::new("mkfifo").arg(w.path().join("pipe.yaml")).status().unwrap().success());
    for file in ["pipe.yaml", "/dev/zero"] {
        let ran = windtunnel(w.path(), &format!("run {file}"));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("E-IO"), "{}", ran.stderr);
    }
}

#[test]
fn overrides_and_variants_change_the_run() {
    let w = workspace();
    let mean = |arguments: &str| {
        let ran = succeeds(w.path(), &format!("run mm1.yaml --format json {arguments}"));
        let results = json(&ran.stdout);
        let mean = results["nodes"]["server"]["service_time"]["mean"]["value"].as_f64().unwrap();
        (mean, results)
    };
    let (base, results) = mean("");
    assert!((base - 0.1).abs() < 0.01, "{base}");
    let (fast, of_variant) = mean("--variant fast");
    assert!((fast - 0.05).abs() < 0.005, "{fast}");
    assert_eq!(of_variant["variant"], "fast");
    let (set, _) = mean("--set nodes.server.service.work=20ms");
    assert!((set - 0.02).abs() < 1e-9, "{set}");
    let (_, reseeded) = mean("--seed 99");
    assert_ne!(results["seeds"], reseeded["seeds"]);
    assert_eq!(results["seeds"], of_variant["seeds"], "common random numbers");
    let runs = result_folders(w.path(), "mm1").len();
    assert_eq!(runs, 4, "each has a folder of its own");
}

#[test]
fn warnings_are_said_once_and_of_whom() {
    let w = workspace();
    let text = MM1
        .replace("cores: 1", "instances: 2, cores: 1")
        .replace("clients:", "topology: {regions: {r: [a], q: [b]}}\nclients:")
        .replace("  fast:", "  silent: {clients.load.load: 0}\n  fast:");
    fs::write(w.path().join("two.yaml"), text).unwrap();
    for command in ["run two.yaml -n 1 --variants", "explain two.yaml -n 1 --variants"] {
        let said = succeeds(w.path(), command).stderr;
        // The file's own once; the variant's with its name.
        assert_eq!(said.matches("W-ZONES").count(), 1, "{said}");
        assert_eq!(said.matches("W-SILENT").count(), 1, "{said}");
        assert!(said.contains("throughout (in variant `silent`)"), "{said}");
    }
    let said = succeeds(w.path(), "run two.yaml -n 1 --variant silent").stderr;
    assert!(said.contains("W-ZONES") && !said.contains("in variant"), "{said}");
}

#[test]
fn foreign_content_is_kept_unless_forced() {
    let w = workspace();
    succeeds(w.path(), "run mm1.yaml");
    let folder = result_folder(w.path(), "mm1");
    succeeds(w.path(), "run mm1.yaml");
    fs::write(folder.join("thesis.txt"), "mine").unwrap();
    let before = files(w.path());
    let ran = windtunnel(w.path(), "run mm1.yaml");
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("thesis.txt") && ran.stderr.contains("--force"), "{}", ran.stderr);
    assert_eq!(files(w.path()), before);
    let forced = succeeds(w.path(), "run mm1.yaml --force");
    assert!(forced.stderr.contains("thesis.txt"), "what goes is named: {}", forced.stderr);
    assert!(!folder.join("thesis.txt").exists());
    assert!(folder.join("manifest.json").exists());
}

#[test]
fn a_limit_truncates_and_exits_4() {
    let w = workspace();
    let ran =
        windtunnel(w.path(), "run mm1.yaml --set duration=20000s --max-events 1000 --format json");
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let results = json(&ran.stdout);
    assert_eq!(results["status"], "truncated");
    assert_eq!(results["slos"][0]["verdict"], "undecided", "a partial run meets nothing");
    assert!(ran.stderr.contains("the limit of 1000 events was reached"), "{}", ran.stderr);
    let set = "--set duration=20000s --set warm_up=10000s";
    let ran = windtunnel(w.path(), &format!("run mm1.yaml {set} --max-events 10 --format json"));
    assert_eq!(
        (ran.code, &json(&ran.stdout)["status"]),
        (4, &"truncated".into()),
        "in the warm-up"
    );
    succeeds(w.path(), "run mm1.yaml --set duration=20000s");
    let runs = result_folders(w.path(), "mm1").len();
    assert_eq!(runs, 3, "the partial run does not take the complete one's place");
}

fn spawn(folder: &Path, arguments: &str) -> Child {
    StdCommand::new(env!("CARGO_BIN_EXE_windtunnel"))
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .stdout(fs::File::create(folder.join("stdout")).unwrap())
        .stderr(fs::File::create(folder.join("stderr")).unwrap())
        .spawn()
        .unwrap()
}

/// Exit code and streams of a child once it ended; one that hangs is ended and fails the test.
fn wait(folder: &Path, mut child: Child) -> (i32, String, String) {
    let pause = Duration::from_millis(20);
    let status = (0..1500).find_map(|_| {
        std::thread::sleep(pause);
        child.try_wait().unwrap()
    });
    let Some(status) = status else {
        child.kill().unwrap();
        panic!("the program did not end");
    };
    let text = |stream| fs::read_to_string(folder.join(stream)).unwrap();
    (status.code().unwrap_or(-1), text("stdout"), text("stderr"))
}

#[cfg(unix)]
fn interrupt(child: &Child) {
    std::thread::sleep(Duration::from_millis(700));
    let sent = StdCommand::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn interrupted_before_anything_finished_writes_nothing() {
    let w = workspace();
    let child = spawn(w.path(), "run mm1.yaml --set duration=100000000s");
    interrupt(&child);
    let (code, stdout, stderr) = wait(w.path(), child);
    assert_eq!(code, 130, "{stderr}");
    assert_eq!(stdout, "");
    assert!(!w.path().join("outputs").exists());
}

#[cfg(unix)]
#[test]
fn interrupted_later_keeps_the_finished_prefix() {
    let w = workspace();
    let whole = "run mm1.yaml --set duration=2000s --replications 20000 --jobs 2 --format json";
    let child = spawn(w.path(), whole);
    interrupt(&child);
    let (code, stdout, stderr) = wait(w.path(), child);
    assert_eq!(code, 130, "{stderr}");
    let results = json(&stdout);
    assert!(stderr.contains("stopping"), "{stderr}");
    assert_eq!(results["status"], "interrupted");
    let finished = results["seeds"].as_array().unwrap().len();
    assert!(0 < finished && finished < 20000, "{finished}");
    assert_eq!(results["replications"].as_array().unwrap().len(), finished);
    let manifest = result_folder(w.path(), "mm1").join("manifest.json");
    assert_eq!(json(&fs::read_to_string(manifest).unwrap())["status"], "interrupted");
}

#[cfg(unix)]
#[test]
fn a_search_that_is_interrupted_says_what_it_knows() {
    for how in ["--knob nodes.server.service.cores=1..8", "--break"] {
        let w = workspace();
        let child = spawn(w.path(), &format!("size mm1.yaml {how} --set duration=100000000s"));
        interrupt(&child);
        let (code, stdout, stderr) = wait(w.path(), child);
        assert_eq!(code, 130, "{how}: {stderr}");
        assert!(stdout.contains("passed before it was stopped"), "{how}: {stdout}");
    }
}

#[test]
fn new_starts_a_scenario_that_runs() {
    let w = workspace();
    succeeds(w.path(), "new shop");
    let ran = succeeds(w.path(), "run shop.yaml --set duration=40s --replications 2");
    assert!(ran.stdout.contains("shop"), "{}", ran.stdout);
    succeeds(w.path(), "run shop.yaml --variant fewer --set duration=40s --replications 1");
    succeeds(w.path(), "validate shop.yaml --deny-warnings");
    // Editors find the schema beside it.
    let text = fs::read_to_string(w.path().join("shop.yaml")).unwrap();
    let modeline = "# yaml-language-server: $schema=windtunnel.schema.json";
    assert_eq!(text.lines().next(), Some(modeline));
    let beside = w.path().join("windtunnel.schema.json");
    let schema = succeeds(w.path(), "schema").stdout;
    assert_eq!(fs::read_to_string(&beside).unwrap(), schema);
    // That of another version is replaced, what is somebody's own is not.
    fs::write(&beside, schema.replace("minProperties", "older")).unwrap();
    succeeds(w.path(), "examples --copy single-server");
    assert_eq!(fs::read_to_string(&beside).unwrap(), schema);
    fs::write(&beside, "mine").unwrap();
    for command in ["new other", "examples --copy hot-key"] {
        let ran = windtunnel(w.path(), command);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("windtunnel.schema.json exists already"), "{}", ran.stderr);
    }
    assert!(!w.path().join("other.yaml").exists() && !w.path().join("hot-key.yaml").exists());
    fs::remove_file(&beside).unwrap();
    fs::write(w.path().join("shop.yaml"), "mine").unwrap();
    let ran = windtunnel(w.path(), "new shop");
    assert_eq!(ran.code, 2);
    assert_eq!(fs::read_to_string(w.path().join("shop.yaml")).unwrap(), "mine");
}

#[test]
fn examples_are_those_of_the_folder() {
    let w = workspace();
    let listed = succeeds(w.path(), "examples").stdout;
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut names = Vec::new();
    let folders = [shipped.clone(), shipped.join("cap"), shipped.join("incidents")];
    for entry in folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            names.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    for name in &names {
        let line = listed.lines().find(|l| l.split_whitespace().next() == Some(name));
        let line = line.unwrap_or_else(|| panic!("{name} is not listed"));
        assert!(line.len() > name.len() + 10, "{line} has no question");
    }
    assert_eq!(listed.lines().count(), names.len());
    for name in &names {
        let w = tempfile::tempdir().unwrap();
        succeeds(w.path(), &format!("examples --copy {name}"));
        succeeds(w.path(), &format!("validate {name}.yaml"));
        fs::write(w.path().join(format!("{name}.yaml")), "mine").unwrap();
        assert_eq!(windtunnel(w.path(), &format!("examples --copy {name}")).code, 2);
    }
}

#[test]
fn validate_reports_for_people_and_programs() {
    let w = workspace();
    let ran = succeeds(w.path(), "validate mm1.yaml");
    assert!(ran.stdout.contains("mm1.yaml"), "{}", ran.stdout);
    let ran = windtunnel(w.path(), "validate mm1.yaml bad.yaml --format json");
    assert_eq!(ran.code, 2);
    let problems = json(&ran.stdout);
    assert!(ran.stdout.contains("E-REF"), "{problems}");
    let ran = windtunnel(w.path(), "validate bad.yaml --format sarif");
    assert_eq!(ran.code, 2);
    let sarif = json(&ran.stdout);
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "E-REF");
    assert_eq!(files(w.path()).len(), 2, "validate writes nothing");
}

#[test]
fn warnings_count_when_denied() {
    let w = workspace();
    // Neither workers nor cores: it never saturates, which earns a warning.
    let endless = MM1.replace("{cores: 1, work", "{work");
    fs::write(w.path().join("endless.yaml"), endless).unwrap();
    let ran = succeeds(w.path(), "validate endless.yaml");
    assert!(ran.stderr.contains("warning"), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(windtunnel(w.path(), "validate endless.yaml --deny-warnings").code, 2);
}

#[test]
fn schema_is_json() {
    let w = workspace();
    let schema = json(&succeeds(w.path(), "schema").stdout);
    assert!(schema["properties"]["clients"].is_object(), "{schema}");
}

#[test]
fn report_renders_the_same_bytes_again() {
    let w = workspace();
    succeeds(w.path(), "run mm1.yaml");
    let folder = result_folder(w.path(), "mm1");
    let read = || -> Vec<(String, Vec<u8>)> {
        files(&folder)
            .into_iter()
            .map(|name| (name.clone(), fs::read(folder.join(name)).unwrap()))
            .collect()
    };
    let before = read();
    fs::remove_file(folder.join("report.html")).unwrap();
    let path = folder.to_str().unwrap().to_owned();
    succeeds(w.path(), &format!("report {path}"));
    assert_eq!(read(), before);
    let changed = fs::read_to_string(folder.join("results.json")).unwrap().replace("mm1", "mm2");
    fs::write(folder.join("results.json"), changed).unwrap();
    let ran = windtunnel(w.path(), &format!("report {path}"));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("checksum"), "{}", ran.stderr);
}

#[test]
fn help_has_an_example_everywhere() {
    let w = workspace();
    for command in ["", "run", "explain", "validate", "schema", "examples", "fuzz", "new", "report"]
    {
        let ran = succeeds(w.path(), &format!("{command} --help"));
        assert!(ran.stdout.contains("Example"), "{command}: {}", ran.stdout);
    }
}

#[test]
fn the_code_of_a_problem_is_explained() {
    let folder = workspace();
    let ran = windtunnel(folder.path(), "explain E-REF");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "E-REF: a name that nothing has\n"));
    let ran = windtunnel(folder.path(), "explain E-REFF");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("did you mean `E-REF`?"), "{}", ran.stderr);
    let ran = windtunnel(folder.path(), "explain W-XYZZY");
    assert!(ran.code == 2 && ran.stderr.contains("docs/REFERENCE.md"), "{}", ran.stderr);
}

#[test]
fn shells_complete_every_command() {
    let w = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let told = succeeds(w.path(), &format!("completions {shell}")).stdout;
        for word in ["sweep", "compare", "replications", "max-events"] {
            assert!(told.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(windtunnel(w.path(), "completions cmd").code, 2);
    let page = succeeds(w.path(), "man").stdout;
    assert!(page.contains(".TH windtunnel 1") && page.contains("validate"), "{page}");
    let page = succeeds(w.path(), "man run").stdout;
    assert!(page.contains("windtunnel run") && page.contains("replications"), "{page}");
    let ran = windtunnel(w.path(), "man rnu");
    assert!(ran.code == 2 && ran.stderr.contains("did you mean `run`?"), "{}", ran.stderr);
}
