//! `sweep` and `merge`: cells, journals that survive anything, shards, what cells say together.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    bad_input::{Case, check_in},
    cli::{files, windtunnel},
};

const BIN: &str = env!("CARGO_BIN_EXE_windtunnel");

/// One server with something to ask of it, and two designs besides.
const SHOP: &str = "windtunnel: 1
name: shop
duration: 40s
warm_up: 4s
clients:
  users: {arrivals: poisson(50/s), to: api, timeout: 2s, load: 1}
nodes:
  api: {service: {instances: 2, cores: 1, work: exp(mean=20ms), price: $0.10/h}}
slos:
  - p99(latency) <= 250ms
variants:
  slow: {nodes.api.service.work: exp(mean=30ms)}
";

struct Ran {
    out: String,
    err: String,
    code: i32,
}

fn ran(folder: &Path, arguments: &[&str]) -> Ran {
    let done = Command::new(BIN).current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { out: text(done.stdout), err: text(done.stderr), code: done.status.code().unwrap_or(-1) }
}

#[track_caller]
fn done(folder: &Path, arguments: &[&str]) -> Ran {
    let ran = ran(folder, arguments);
    assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.out, ran.err);
    ran
}

fn shop() -> tempfile::TempDir {
    let w = tempfile::tempdir().unwrap();
    fs::write(w.path().join("shop.yaml"), SHOP).unwrap();
    w
}

/// Every file of a folder.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    files(folder)
        .into_iter()
        .map(|name| (name.clone(), fs::read(folder.join(name)).unwrap()))
        .collect()
}

/// The folder a sweep wrote, there being one.
fn only(out: &Path) -> PathBuf {
    let folders: Vec<PathBuf> =
        fs::read_dir(out.join("shop")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders[0].clone()
}

fn cells(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("cells.json")).unwrap()).unwrap()
}

/// The cells in a journal, whole lines only.
fn journal(folder: &Path) -> Vec<u64> {
    let text = fs::read_to_string(folder.join("journal.jsonl")).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).skip(1);
    whole
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["cell"].as_u64().unwrap())
        .collect()
}

/// Waits until a sweep has put down its first cell; its folder is there an instant before what is in it.
fn begun(out: &Path, child: &mut std::process::Child) {
    let is_empty = || fs::read_dir(out.join("shop")).map_or(true, |mut all| all.next().is_none());
    while is_empty() || journal(&only(out)).is_empty() {
        thread::sleep(Duration::from_millis(2));
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was looked at");
    }
}

const GRID: [&str; 9] = [
    "sweep",
    "shop.yaml",
    "--vary",
    "clients.users.load=0.4..1.6 step 0.4",
    "--vary",
    "variant=[base, slow]",
    "-n",
    "3",
    "--quiet",
];

fn with<'a>(base: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [base, more].concat()
}

#[test]
fn a_cell_is_what_run_makes_of_its_settings() {
    let w = shop();
    done(w.path(), &GRID);
    let folder = only(&w.path().join("outputs"));
    let told = cells(&folder);
    assert_eq!((told["status"].as_str(), told["cells"].as_u64()), (Some("complete"), Some(8)));
    for cell in told["done"].as_array().unwrap() {
        let settings = &cell["settings"];
        let set =
            format!("clients.users.load={}", settings["clients.users.load"].as_str().unwrap());
        let mut arguments = vec!["run", "shop.yaml", "-n", "3", "--format", "json", "--set", &set];
        if settings["variant"] != "base" {
            arguments.extend(["--variant", settings["variant"].as_str().unwrap()]);
        }
        let run: Value = serde_json::from_str(&done(w.path(), &arguments).out).unwrap();
        assert_eq!(cell["fingerprint"], run["fingerprint"], "{cell}");
        let p99 = &cell["figures"]["availability"];
        assert_eq!(p99["value"], run["summary"]["availability"]["value"], "{cell}");
        assert_eq!(cell["slos"][0]["verdict"], run["slos"][0]["verdict"]);
        assert_eq!(cell["figures"]["p99(latency)"]["each"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn the_same_bytes_whoever_simulates_which_cell_when() {
    let w = shop();
    done(w.path(), &with(&GRID, &["--jobs", "1", "--out", "one"]));
    done(w.path(), &with(&GRID, &["--jobs", "2", "--out", "two"]));
    let one = only(&w.path().join("one"));
    let whole = content(&one);
    assert!(whole == content(&only(&w.path().join("two"))));
    assert!(whole.contains_key("cells.csv") && whole.contains_key("report.html"));
    // Shards, merged backwards, one of them twice.
    let mut shards: Vec<String> = Vec::new();
    for i in 1..=4 {
        let (shard, out) = (format!("{i}/4"), format!("shard-{i}"));
        done(w.path(), &with(&GRID, &["--shard", &shard, "--out", &out]));
        let folder = only(&w.path().join(&out));
        let numbers: Vec<u64> = journal(&folder);
        assert_eq!(numbers, [i - 1, i + 3], "cell k belongs to shard k mod 4 + 1");
        shards.insert(0, folder.to_str().unwrap().to_owned());
    }
    shards.push(shards[1].clone());
    let mut arguments = vec!["merge"];
    arguments.extend(shards.iter().map(String::as_str));
    arguments.extend(["--out", "merged", "--quiet"]);
    done(w.path(), &arguments);
    assert!(whole == content(&w.path().join("merged")));
    // And by numbers, as any driver would have it done.
    let plan = done(w.path(), &with(&GRID, &["--dry-run", "--format", "json"])).out;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let mut text = format!("{}\n", plan["head"].as_str().unwrap());
    for some in ["7,2", "0,1,3", "6,5,4"] {
        text += &done(w.path(), &with(&GRID, &["--cells", some, "--out", "nowhere"])).out;
    }
    assert!(!w.path().join("nowhere").exists());
    fs::create_dir(w.path().join("driven")).unwrap();
    fs::write(w.path().join("driven/journal.jsonl"), text).unwrap();
    done(w.path(), &["merge", "driven", "--out", "by-numbers", "--quiet"]);
    assert!(whole == content(&w.path().join("by-numbers")));
}

#[test]
fn ten_kills_lose_no_finished_cell_and_repeat_none() {
    let w = shop();
    let sweep = [
        "sweep",
        "shop.yaml",
        "--vary",
        "clients.users.load=log(0.1..1.5 n=40)",
        "-n",
        "30",
        "--quiet",
    ];
    done(w.path(), &with(&sweep, &["--out", "whole"]));
    let whole = content(&only(&w.path().join("whole")));
    let mut before: Vec<u64> = Vec::new();
    let mut killed = 0;
    for attempt in 0..200u64 {
        let arguments = with(&sweep, &["--out", "killed", "--jobs", "2"]);
        let mut child = Command::new(BIN)
            .current_dir(w.path())
            .args(&arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if killed < 10 {
            thread::sleep(Duration::from_millis(40 + attempt * 7919 % 90));
            child.kill().unwrap();
        }
        let ended = child.wait().unwrap().code();
        killed += u32::from(ended.is_none());
        let out = w.path().join("killed");
        if !out.join("shop").exists() {
            continue;
        }
        let now = journal(&only(&out));
        let mut once = now.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), now.len(), "a cell is there twice: {now:?}");
        if ended == Some(0) {
            break;
        }
        assert!(now.starts_with(&before), "{before:?} were there, now {now:?}");
        before = now;
    }
    assert_eq!(killed, 10, "it was over before it could be killed");
    let folder = only(&w.path().join("killed"));
    assert_eq!(journal(&folder), (0..40).collect::<Vec<_>>());
    let mut end = content(&folder);
    // Scratch files of a killed process may be left behind.
    end.retain(|name, _| !name.starts_with(".tmp"));
    assert!(end == whole);
}

#[test]
fn a_torn_line_is_dropped_and_a_damaged_one_refused() {
    let w = shop();
    done(w.path(), &GRID);
    let folder = only(&w.path().join("outputs"));
    let whole = content(&folder);
    let path = folder.join("journal.jsonl");
    let good = fs::read(&path).unwrap();
    fs::write(&path, &good[..good.len() - 30]).unwrap();
    let again = ran(w.path(), &GRID[..8]);
    assert_eq!(again.code, 0);
    assert!(again.err.contains("7 of 8 cells are done"), "{}", again.err);
    assert!(whole == content(&folder));
    let mut bad = good.clone();
    let third = good.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(2).unwrap().0;
    bad[third + 60] ^= 1;
    fs::write(&path, &bad).unwrap();
    let refused = ran(w.path(), &GRID);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("line 4 is damaged"), "{}", refused.err);
    assert_eq!(fs::read(&path).unwrap(), bad, "nothing is written");
    done(w.path(), &with(&GRID, &["--force"]));
    assert!(whole == content(&folder));
    // Of another version.
    let text = String::from_utf8(good).unwrap();
    let (head, rest) = text.split_once('\n').unwrap();
    let old = head.replace(
        &format!("\"windtunnel_version\":\"{}\"", env!("CARGO_PKG_VERSION")),
        "\"windtunnel_version\":\"0.0.9\"",
    );
    assert_ne!(old, head);
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&old.as_bytes()[21..]);
    let old = format!("{{\"crc32c\":\"{sum:08x}\",{}", &old[21..]);
    fs::write(&path, format!("{old}\n{rest}")).unwrap();
    let refused = ran(w.path(), &GRID);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("was written by windtunnel 0.0.9"), "{}", refused.err);
}

#[test]
fn who_interrupts_gets_what_is_done() {
    let w = shop();
    let sweep = ["sweep", "shop.yaml", "--vary", "clients.users.load=0.5..1.5 step 0.1", "--quiet"];
    let sweep = with(&sweep, &["-n", "30", "--jobs", "1"]);
    let mut child =
        Command::new(BIN).current_dir(w.path()).args(&sweep).stderr(Stdio::null()).spawn().unwrap();
    let out = w.path().join("outputs");
    begun(&out, &mut child);
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let told = cells(&only(&out));
    assert_eq!(told["status"], "interrupted");
    let done_then = told["done"].as_array().unwrap().len();
    assert!(done_then > 0 && done_then == journal(&only(&out)).len(), "{done_then}");
    done(w.path(), &sweep);
    done(w.path(), &with(&sweep, &["--out", "whole"]));
    assert!(content(&only(&out)) == content(&only(&w.path().join("whole"))));
}

#[test]
fn a_journal_has_one_writer() {
    let w = shop();
    let long = [
        "sweep",
        "shop.yaml",
        "--vary",
        "clients.users.load=0.2..1.2 step 0.01",
        "-n",
        "50",
        "--quiet",
    ];
    let mut child =
        Command::new(BIN).current_dir(w.path()).args(long).stderr(Stdio::null()).spawn().unwrap();
    begun(&w.path().join("outputs"), &mut child);
    let second = ran(w.path(), &long);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(second.code, 2);
    assert!(second.err.contains("is in use by another process"), "{}", second.err);
}

#[test]
fn shards_that_do_not_fit_are_refused() {
    let w = shop();
    let shard = |i: &str, out: &str, more: &[&str]| {
        done(w.path(), &[&GRID[..], &["--shard", i, "--out", out], more].concat());
        only(&w.path().join(out)).to_str().unwrap().to_owned()
    };
    let (a, b) = (shard("1/2", "a", &[]), shard("2/2", "b", &[]));
    let other = shard("2/2", "c", &["--seed", "5"]);
    let gaps = ran(w.path(), &["merge", &a, "--out", "m"]);
    assert_eq!(gaps.code, 3);
    assert!(gaps.err.contains("4 cells of 8 missing: 1, 3, 5, 7"), "{}", gaps.err);
    let mixed = ran(w.path(), &["merge", &a, &other, "--out", "m"]);
    assert_eq!(mixed.code, 2);
    assert!(mixed.err.contains("another sweep"), "{}", mixed.err);
    // The same cells with other results can only be a fault of the program.
    let path = Path::new(&b).join("journal.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let copy = w.path().join("d");
    fs::create_dir(&copy).unwrap();
    let lines: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(i, line)| {
            let rest = &line[21..];
            let rest = if i == 1 {
                rest.replace("\"complete\"", "\"truncated\"")
            } else {
                rest.to_owned()
            };
            let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(rest.as_bytes());
            format!("{{\"crc32c\":\"{sum:08x}\",{rest}\n")
        })
        .collect();
    fs::write(copy.join("journal.jsonl"), lines.concat()).unwrap();
    let contradicts = ran(w.path(), &["merge", &a, &b, "d", "--out", "m"]);
    assert_eq!(contradicts.code, 5);
    assert!(contradicts.err.contains("cell 1 "), "{}", contradicts.err);
    let nothing = ran(w.path(), &["merge", "shop.yaml", "--out", "m"]);
    assert_eq!(nothing.code, 2);
    assert!(!w.path().join("m").exists(), "nothing was written");
}

#[test]
fn the_cells_say_where_it_breaks_and_what_is_best() {
    let w = shop();
    let text = SHOP.to_owned()
        + "sweep:\n  clients.users.load: 0.5..2 step 0.25\n  nodes.api.service.instances: [2, 3]\n";
    fs::write(w.path().join("shop.yaml"), text).unwrap();
    let told = done(w.path(), &["sweep", "shop.yaml", "-n", "4"]).out;
    let folder = only(&w.path().join("outputs"));
    let sweep = cells(&folder);
    let findings = &sweep["findings"];
    // The cheapest are all with two instances; the first of them is named.
    let best = &sweep["done"][findings["best"].as_u64().unwrap() as usize];
    assert_eq!(best["settings"]["nodes.api.service.instances"], "2");
    assert_eq!(findings["best_by"], "cost.per_month");
    let breaks = |instances: &str| {
        let all = findings["breaks"].as_array().unwrap();
        let of = all.iter().find(|of| of["with"]["nodes.api.service.instances"] == instances);
        of.unwrap()["breaks"].as_str().map_or(9.0, |v| v.parse::<f64>().unwrap())
    };
    // 50/s of 20 ms: two cores are full at twice that, and slow before; three last longer.
    assert!(breaks("2") <= 2.0 && breaks("2") < breaks("3"), "{findings}");
    assert!(told.contains("Best: cell 0") && told.contains("breaks at"), "{told}");
    assert!(told.contains("14 cells (7 users.load x 2 api.instances)"), "{told}");
    let csv = fs::read_to_string(folder.join("cells.csv")).unwrap();
    let header = csv.lines().next().unwrap();
    for column in [
        "cell,clients.users.load,nodes.api.service.instances,",
        "p99(latency),p99(latency)_lower,p99(latency)_upper",
        "p99(latency) <= 250ms,replications,status,fingerprint",
    ] {
        assert!(header.contains(column), "{header}");
    }
    assert_eq!(csv.lines().count(), 15);
    let names = files(&folder);
    for name in ["curves.svg", "map_availability.svg", "map_p99.svg", "report.html"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    // `run` passes over it.
    assert_eq!(windtunnel(w.path(), "run shop.yaml -n 1 --quiet").code, 0);
}

#[test]
fn points_of_a_hypercube_lie_one_in_each_part() {
    let w = shop();
    let text = SHOP.to_owned()
        + "sweep: {sample: latin(n=20), over: {clients.users.load: 0.5..1.5, nodes.api.service.instances: 1..4, variant: [base, slow]}}\n";
    fs::write(w.path().join("shop.yaml"), text).unwrap();
    done(w.path(), &["sweep", "shop.yaml", "-n", "1", "--quiet"]);
    let sweep = cells(&only(&w.path().join("outputs")));
    let values = |path: &str| -> Vec<String> {
        let cells = sweep["done"].as_array().unwrap().iter();
        cells.map(|cell| cell["settings"][path].as_str().unwrap().to_owned()).collect()
    };
    let mut parts: Vec<i64> = values("clients.users.load")
        .iter()
        .map(|load| ((load.parse::<f64>().unwrap() - 0.5) * 20.0).floor() as i64)
        .collect();
    parts.sort_unstable();
    // Four digits may move a point to the edge of its part.
    let near = parts.iter().zip(0..20).filter(|(part, i)| (*part - i).abs() <= 1).count();
    assert_eq!(near, 20, "{parts:?}");
    for n in ["1", "2", "3", "4"] {
        assert_eq!(values("nodes.api.service.instances").iter().filter(|v| *v == n).count(), 5);
    }
    assert_eq!(values("variant").iter().filter(|v| *v == "slow").count(), 10);
}

#[test]
fn goodput_over_users_is_fitted_by_the_law() {
    let w = shop();
    let text = SHOP.replace(
        "arrivals: poisson(50/s), to: api, timeout: 2s, load: 1",
        "arrivals: closed(users=1 think=exp(mean=20ms)), to: api",
    );
    assert_ne!(text, SHOP);
    fs::write(w.path().join("shop.yaml"), text).unwrap();
    let users: Vec<String> =
        [1, 2, 4, 8, 16, 32].map(|n| format!("closed(users={n} think=exp(mean=20ms))")).into();
    let vary = format!("clients.users.arrivals=[{}]", users.join(", "));
    done(w.path(), &["sweep", "shop.yaml", "--vary", &vary, "-n", "2", "--quiet"]);
    let sweep = cells(&only(&w.path().join("outputs")));
    let law = &sweep["findings"]["scalability"][0];
    // One user waits 20 ms and thinks as long: 25/s. Two cores of 50/s each are all there is.
    let of = |name: &str| law[name].as_f64().unwrap();
    assert!((of("gamma") - 25.0).abs() < 4.0, "{law}");
    assert!(of("r2") > 0.95 && of("sigma") > 0.05, "{law}");
}

#[test]
fn a_cell_that_cannot_be_run_is_named_before_any_is() {
    let w = shop();
    let cases = [
        (
            vec!["--vary", "nodes.api.service.instances=[2, 0]"],
            "cell 1 (nodes.api.service.instances=0) cannot be run",
        ),
        (
            vec!["--vary", "nodes.api.service.work=[5ms, fast]"],
            "cell 1 (nodes.api.service.work=fast)",
        ),
        (vec!["--vary", "nodes.app.service.cores=1..2"], "did you mean `api`"),
        (vec!["--vary", "variant=[base, slwo]"], "there is no variant `slwo`"),
        (vec!["--vary", "clients.users.load=2..1"], "is empty: 1 is below 2"),
        (vec!["--vary", "clients.users.load=[]"], "there is no value to take"),
        (vec!["--vary", "clients.users.load=[1, 1]"], "`1` is there twice"),
        (
            vec!["--vary", "clients.users.arrivals=poisson(1/s)..poisson(2/s)"],
            "is a range over laws",
        ),
        (
            vec!["--vary", "clients.users.load=1..2", "--vary", "clients.users.load=3..4"],
            "is set twice",
        ),
        (
            vec![
                "--vary",
                "nodes.api.service.cores=1..2",
                "--vary",
                "nodes.api.service=[{cores: 1}]",
            ],
            "set the same",
        ),
        (vec!["--vary", "clients.users.load"], "expected `path=values`"),
        (vec!["--vary", "clients.users.load=1..2 step 0.00001"], "has 100001 values"),
        (
            vec!["--vary", "clients.users.load=1..2 step 0.001", "--vary", "seed=1..1000"],
            "1001000 cells are more than 100000",
        ),
        (
            vec!["--vary", "clients.users.load=1..9", "--max-cells", "8"],
            "9 cells are more than --max-cells 8",
        ),
        (
            vec!["--vary", "clients.users.load=1..2", "--cells", "2"],
            "there is no cell 2: they go from 0 to 1",
        ),
        (vec!["--vary", "clients.users.load=1..2", "--shard", "0/2"], "the first is 1/2"),
        (vec!["--vary", "clients.users.load=1..2", "--shard", "3/2"], "there is no shard 3 of 2"),
        (
            vec!["--vary", "clients.users.load=1..2", "--metric", "p99(latncy)"],
            "--metric p99(latncy)",
        ),
        (vec!["--vary", "variant=[base]", "--variant", "slow"], "`variant` is an axis"),
        (vec![], "`sweep` is missing"),
    ];
    for (more, phrase) in cases {
        let refused = ran(w.path(), &with(&["sweep", "shop.yaml"], &more));
        assert_eq!(refused.code, 2, "{more:?}: {}{}", refused.out, refused.err);
        assert!(refused.err.contains(phrase), "{more:?}: {}", refused.err);
        assert_eq!(files(w.path()), ["shop.yaml"], "{more:?}: nothing is written");
    }
}

#[test]
fn mistakes_in_a_file_are_told_where_they_stand() {
    let good =
        SHOP.to_owned() + "sweep:\n  clients.users.load: 1..2 step 0.5\n  variant: [base, slow]\n";
    let line = "  clients.users.load: 1..2 step 0.5";
    let cases: &[Case] = &[
        ("unknown path", line, "  clients.user.load: 1..2", "14:3 E-REF", "did you mean `users`"),
        ("empty range", line, "  clients.users.load: 2..1", "14:23 E-SWEEP", "1 is below 2"),
        (
            "no step",
            line,
            "  clients.users.timeout: 1s..2s",
            "14:26 E-SWEEP",
            "does not say what lies between",
        ),
        (
            "a law",
            line,
            "  clients.users.arrivals: poisson(1/s)..poisson(2/s)",
            "14:27 E-SWEEP",
            "a range over laws",
        ),
        ("units", line, "  clients.users.timeout: 1s..2KB step 1s", "14:26 E-UNIT", "do not fit"),
        ("no values", line, "  clients.users.load: []", "14:3 E-SWEEP", "no value to take"),
        ("type", line, "  nodes.api.service.cores: [1, many]", "14:32 E-TYPE", "`many`"),
        ("ends", line, "  nodes.api.service.work: 0.5..2 step 0.5", "14:27 E-UNIT", "0.5"),
        (
            "overlap",
            "  variant: [base, slow]",
            "  clients.users: [{load: 2}]",
            "15:3 E-SWEEP",
            "set the same",
        ),
        ("sample", line, "  sample: latin(n=4)", "13:1 E-SWEEP", "belong together"),
        ("cells", line, "  seed: 1..90000", "13:1 E-SWEEP", "180000 cells are more than 100000"),
    ];
    check_in(&good, cases);
}

#[test]
fn what_is_to_be_is_said_before_it_is() {
    let w = shop();
    let told = done(w.path(), &with(&GRID, &["--dry-run"])).out;
    assert!(told.contains("7  clients.users.load=1.6, variant=slow"), "{told}");
    assert!(told.contains("8 cells, 3 replications each: about "), "{told}");
    assert_eq!(files(w.path()), ["shop.yaml"]);
}

#[test]
fn cells_in_small_are_what_run_makes_of_them() {
    let w = shop();
    let vary = ["sweep", "shop.yaml", "--vary", "clients.users.load=[0.8, 1.2]", "-n", "2"];
    let told = done(w.path(), &with(&vary, &["--scale", "1/2"]));
    assert!(told.err.contains("1/2"), "what is known to be wrong is said: {}", told.err);
    let sweep = cells(&only(&w.path().join("outputs")));
    assert_eq!(sweep["rule"], "2 replications of 1/2 of it");
    for cell in sweep["done"].as_array().unwrap() {
        let set = format!(
            "clients.users.load={}",
            cell["settings"]["clients.users.load"].as_str().unwrap()
        );
        let run = [
            "run",
            "shop.yaml",
            "-n",
            "2",
            "--scale",
            "1/2",
            "--set",
            &set,
            "--format",
            "json",
            "--quiet",
        ];
        let run: Value = serde_json::from_str(&done(w.path(), &run).out).unwrap();
        assert_eq!(cell["fingerprint"], run["fingerprint"]);
    }
    let refused = ran(w.path(), &with(&vary, &["--scale", "1/3"]));
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("E-SCALE"), "{}", refused.err);
}

/// The files for clusters, each part done as its engine would have it done.
#[test]
fn clusters_are_three_lines_around_shards() {
    let w = shop();
    fs::write(
        w.path().join("shop.yaml"),
        SHOP.to_owned() + "sweep: {clients.users.load: 0.2..1 step 0.1}\n",
    )
    .unwrap();
    let programs = Path::new(BIN).parent().unwrap().to_str().unwrap().to_owned();
    let shell = |script: &str, set: &[(&str, String)]| {
        let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
        let set = set.iter().map(|(name, value)| (*name, value.as_str()));
        let mut command = Command::new("sh");
        command.current_dir(w.path()).args(["-c", script]).env("PATH", path).envs(set);
        let ended = command.output().unwrap();
        assert!(ended.status.success(), "{script}: {}", String::from_utf8_lossy(&ended.stderr));
    };
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cluster");
    let text = |name: &str| fs::read_to_string(docs.join(name)).unwrap();
    done(w.path(), &["sweep", "shop.yaml", "--quiet", "--out", "one"]);
    let whole = content(&only(&w.path().join("one")));
    let merged = |merge: &str| {
        shell(merge, &[]);
        assert!(whole == content(&w.path().join("whole")), "{merge}");
        fs::remove_dir_all(w.path().join("whole")).unwrap();
        fs::remove_dir_all(w.path().join("shards")).unwrap();
    };
    let merge = "windtunnel merge shards/shop/sweep-* --out whole";

    // GNU parallel puts each of its arguments where the braces are.
    let script = text("parallel.sh");
    let line = script.lines().find(|line| line.starts_with("parallel ")).unwrap();
    let (before, arguments) = line.split_once(" ::: ").unwrap();
    let command = &before[before.find("windtunnel").unwrap()..];
    for argument in arguments.split(' ') {
        shell(&command.replace("{}", argument), &[]);
    }
    assert!(script.lines().any(|line| line == merge));
    merged(merge);

    // Slurm tells each task of an array its number and theirs.
    let script = text("slurm.sh");
    let tasks: u32 = script
        .lines()
        .find_map(|line| line.strip_prefix("#SBATCH --array=1-"))
        .unwrap()
        .parse()
        .unwrap();
    for task in 1..=tasks {
        let set = [
            ("SLURM_ARRAY_TASK_ID", task.to_string()),
            ("SLURM_ARRAY_TASK_COUNT", tasks.to_string()),
        ];
        shell(&script, &set);
    }
    assert!(script.contains(merge));
    merged(merge);

    // Kubernetes counts completions from 0.
    let script = text("kubernetes.yaml");
    let job: serde_yaml::Value = serde_yaml::from_str(&script).unwrap();
    let command = &job["spec"]["template"]["spec"]["containers"][0]["command"];
    assert_eq!((command[0].as_str(), command[1].as_str()), (Some("sh"), Some("-c")));
    for index in 0..job["spec"]["completions"].as_u64().unwrap() {
        shell(command[2].as_str().unwrap(), &[("JOB_COMPLETION_INDEX", index.to_string())]);
    }
    assert!(script.contains(merge));
    merged(merge);
}
