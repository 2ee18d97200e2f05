//! Bad input: what is refused, with which code, where, and in which words.
//!
//! The numbers B1 to B82 are those of the list of bad inputs the project works by. Elsewhere or not
//! yet:
//!
//! | case | where |
//! |---|---|
//! | B1, B69, several files at once | the command line's tests |
//! | B3, B8, B12, B13, B51, B53 | sizes: `hostile.rs` |
//! | B35, B81 | cannot happen: names are `[a-z0-9][a-z0-9_-]*`, so equal-looking ones are equal keys (B7) |
//! | B42-B48 | partly: their kinds and keys are refused as not supported yet (B79 likewise) |
//! | B77, B78 | `queues.rs`, `logs.rs` |
//! | B55-B60 | faults: `faults.rs`, `fault_times.rs`, `fault_shapes.rs` |
//! | B54 | a limit of the run |
//! | B80 | `autoscale.rs` |
//! | B63 (operation never issued), B64, B65, B74 | the gate, with the SLO expressions' own tests |
//! | B67, B68 (cells of a sweep) | `sweep.rs` |
//! | B73 (a journal of another sweep or version, torn, damaged) | `sweep.rs` |

use std::{collections::BTreeMap, fmt::Write as _, fs};

use windtunnel::{
    scenario::{
        load::{Files, Overrides, load},
        problems::Found,
        render::{self, Source},
    },
    study::{self, Examined},
};

use crate::cli::{files, windtunnel};

pub(crate) const GOOD: &str = "\
windtunnel: 1
name: mm1
duration: 100s
warm_up: 10s
clients: {load: {arrivals: poisson(9/s), to: server}}
nodes: {server: {service: {cores: 1, work: exp(mean=100ms)}}}
";

/// A table with a cell that is no number and a time that goes back.
const TABLE: &[u8] = b"t,n\n0,1\n2,x\n1,3\n";

/// A folder in memory.
struct Folder(BTreeMap<String, Vec<u8>>);

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "does not exist".to_owned())
    }
}

/// Everything that is wrong with a file, as `validate` would find it.
pub(crate) fn examine(bytes: &[u8]) -> (Vec<Source>, Vec<Found>) {
    let mut files = BTreeMap::from([("a.yaml".to_owned(), bytes.to_vec())]);
    files.insert("t.csv".to_owned(), TABLE.to_vec());
    let files = Folder(files);
    let Examined { study, sources, found, .. } =
        study::examine("a.yaml", &files, &Overrides::default(), &[]);
    assert!(
        study.is_some() || found.iter().any(Found::is_error),
        "what cannot be run has a reason"
    );
    (sources, found)
}

/// One line per problem: `line:col code message; help`.
pub(crate) fn told(text: &[u8]) -> Vec<String> {
    let (sources, found) = examine(text);
    found
        .iter()
        .map(|f| {
            let mut line = String::new();
            if let Some(span) = f.span {
                let at = sources[usize::from(span.source)].position(span.start);
                write!(line, "{}:{} ", at.line, at.column).unwrap();
            }
            let help = f.problem.help.as_deref().unwrap_or("");
            write!(line, "{} {}; {help}", f.problem.code, f.problem.message).unwrap();
            line
        })
        .collect()
}

/// A case: its number, what of the good file is replaced by what, and the place, code and a phrase
/// of the one problem this gives.
pub(crate) type Case = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// Checks cases of the good file.
pub(crate) fn check(cases: &[Case]) {
    check_in(GOOD, cases);
}

/// Checks cases, by the library and through the program; all failures are shown together.
pub(crate) fn check_in(good: &str, cases: &[Case]) {
    let mut failures = String::new();
    let w = tempfile::tempdir().unwrap();
    fs::write(w.path().join("t.csv"), TABLE).unwrap();
    for (number, old, new, start, phrase) in cases {
        assert!(good.contains(old), "{number}: `{old}` is not in the good file");
        let text = good.replacen(old, new, 1);
        let told = told(text.as_bytes());
        let met = |line: &String| line.starts_with(&format!("{start} ")) && line.contains(phrase);
        if told.len() != 1 || !told.iter().any(met) {
            writeln!(failures, "{number} `{new}`\n  wanted: {start} … {phrase}\n  told: {told:#?}")
                .unwrap();
            continue;
        }
        let (place, code) = start.split_once(' ').unwrap();
        fs::write(w.path().join("a.yaml"), text).unwrap();
        let error = !code.starts_with('W');
        let ran = windtunnel(w.path(), if error { "run a.yaml" } else { "validate a.yaml" });
        let shown = ran.stderr.contains(&format!("[{code}"))
            && ran.stderr.contains(&format!("a.yaml:{place}"));
        let exit = if error { 2 } else { 0 };
        if ran.code != exit || !shown || files(w.path()) != ["a.yaml", "t.csv"] {
            writeln!(failures, "{number} `{new}`: exit {}\n{}", ran.code, ran.stderr).unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

const WORK: &str = "work: exp(mean=100ms)";
const RATE: &str = "poisson(9/s)";
const TO: &str = "to: server";
const NODE: &str = "{service: {cores: 1, work: exp(mean=100ms)}}";

#[test]
fn the_good_file_is_good() {
    assert_eq!(told(GOOD.as_bytes()), Vec::<String>::new());
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for (number, bytes, code, phrase) in [
        ("B2", &b""[..], "E-EMPTY", "nothing"),
        ("B2", b"# only a comment\n", "E-EMPTY", "nothing"),
        ("B2", b"null\n", "E-EMPTY", "nothing"),
        ("B2", b"---\n...\n", "E-EMPTY", "nothing"),
        ("B4", b"name: \xff\n", "E-ENCODING", "byte 6"),
        ("B4", b"\xff\xfen\0a\0", "E-ENCODING", "UTF-16"),
        ("B4", b"name: a\0b\n", "E-ENCODING", "byte 7"),
        ("B4", b"name: \x1b[2J\n", "E-ENCODING", "byte 6"),
        ("B14", b"[1, 2]\n", "E-TYPE", "found a list"),
        ("B14", b"hello\n", "E-TYPE", "found `hello`"),
    ] {
        let told = told(bytes);
        assert!(
            told.len() == 1 && told[0].contains(code) && told[0].contains(phrase),
            "{number} {told:?}"
        );
    }
    let mut marked = b"\xef\xbb\xbf".to_vec();
    marked.extend(GOOD.as_bytes());
    assert_eq!(told(&marked), Vec::<String>::new(), "a byte order mark is accepted");
    assert_eq!(told(GOOD.replace('\n', "\r\n").as_bytes()), Vec::<String>::new(), "so is CRLF");
}

#[test]
fn yaml_that_surprises_is_refused() {
    check(&[
        ("B5", "warm_up: 10s", "topology:\n\tregions: {}", "5:1 E-YAML", "tabs"),
        ("B5", "to: server}}", "to: server}", "6:1 E-YAML", "closed"),
        ("B5", "name: mm1", "name: \"mm1", "2:7 E-YAML", "closed"),
        (
            "B6",
            "exp(mean=100ms)}}}\n",
            "exp(mean=100ms)}}}\n---\nname: b\n",
            "7:1 E-YAML-MULTIDOC",
            "second",
        ),
        ("B7", "cores: 1,", "cores: 1, cores: 2,", "6:38 E-DUP-KEY", "`cores` is given twice"),
        ("B8", "name: mm1", "name: &a mm1", "2:7 E-ALIAS", "anchor"),
        ("B9", "name: mm1", "name: mm1\nslos: *a", "3:7 E-ALIAS", "alias"),
        ("B10", "cores: 1,", "<<: {cores: 1},", "6:28 E-ALIAS", "merge key"),
        ("B11", "name: mm1", "name: !!python/object mm1", "2:7 E-TAG", "tags"),
        ("B11", "name: mm1", "name: mm1\ndescription: !include /etc/passwd", "3:14 E-TAG", "tags"),
        ("B15", "cores: 1,", "null: 1,", "6:28 E-TYPE", "a key must be a name"),
        ("B15", "name: mm1", "name: mm1\n? [a]\n: 1", "3:3 E-TYPE", "a key must be a name"),
        ("B36", "cores: 1,", "\"co\u{200b}res\": 1,", "6:28 E-NAME", "invisible"),
        ("comma", RATE, "poisson(9/s, batch=2)", "5:28 E-COMMA", "`poisson(9/s batch=2)`"),
        (
            "comma",
            WORK,
            "work: lognormal(median=1ms, p99=5ms)",
            "6:44 E-COMMA",
            "`lognormal(median=1ms p99=5ms)`",
        ),
        (
            "comma",
            "to: server}",
            "to: server, retry: {attempts: 2, backoff: exponential(base=50ms, max=1s, jitter=full), budget: 10%}}",
            "5:84 E-COMMA",
            "`exponential(base=50ms max=1s jitter=full)`",
        ),
        ("comma", WORK, "work: exp(mean=5ms", "6:44 E-COMMA", "close it"),
        (
            "comma",
            "name: mm1",
            "name: mm1\nslos: [p99(latency operation=a, client=b) < 1s]",
            "3:8 E-COMMA",
            "`p99(latency operation=a client=b) < 1s`",
        ),
    ]);
}

#[test]
fn keys_and_types_are_checked() {
    check(&[
        ("B16", "cores", "coers", "6:28 E-UNKNOWN-KEY", "did you mean `cores`"),
        ("B16", "clients:", "client:", "5:1 E-UNKNOWN-KEY", "did you mean `clients`"),
        (
            "B16",
            "to: server}",
            "to: server, retry: {attempts: 2, bugdet: 10%}}",
            "5:75 E-UNKNOWN-KEY",
            "did you mean `budget`",
        ),
        ("B16", "{service:", "{servise:", "6:18 E-UNKNOWN-KEY", "did you mean `service`"),
        (
            "B16",
            WORK,
            "endpoints: {default: [{wrok: 5ms}]}",
            "6:61 E-UNKNOWN-KEY",
            "did you mean `work`",
        ),
        (
            "B16",
            WORK,
            "endpoints: {default: [{all: [{wrok: 5ms}]}]}",
            "6:68 E-UNKNOWN-KEY",
            "did you mean `work`",
        ),
        (
            "B16",
            WORK,
            "endpoints: {default: [{call: {too: server}}]}",
            "6:68 E-UNKNOWN-KEY",
            "did you mean `to`",
        ),
        ("B17", "duration: 100s\n", "", "1:1 E-MISSING", "`duration`"),
        ("B17", "to: server}", "to: server, retry: {budget: 1%}}", "5:54 E-MISSING", "`attempts`"),
        (
            "B18",
            "clients: {load: {arrivals: poisson(9/s), to: server}}",
            "clients: [load]",
            "5:1 E-TYPE",
            "found a list",
        ),
        ("B18", "cores: 1", "cores: \"3\"", "6:35 E-TYPE", "in quotes is text"),
        ("B18", "cores: 1", "cores: [3]", "6:28 E-TYPE", "found a list"),
        ("B18", "cores: 1", "cores: {n: 3}", "6:28 E-TYPE", "found a map"),
        ("B18", "cores: 1", "cores:", "6:33 E-TYPE", "no value"),
        ("B18", "cores: 1", "cores: ~", "6:35 E-TYPE", "no value"),
        (
            "B18",
            "nodes: {server: {service: {cores: 1, work: exp(mean=100ms)}}}",
            "nodes: {server: {service: {work: 1ms}, store: {read: 1ms}}}",
            "6:9 E-CONFLICT",
            "exclude",
        ),
        ("B18", NODE, "{}", "6:9 E-TYPE", "one of load_balancer"),
        ("B18", NODE, "service", "6:17 E-TYPE", "needs a value"),
        ("B19", "to: server", "to: no", "5:46 E-NAME", "`no`"),
        ("B19", "to: server}", "to: server, cancel: yes}", "5:62 E-TYPE", "write `true`"),
        ("B19", "to: server}", "to: server, cancel: off}", "5:62 E-TYPE", "write `false`"),
    ]);
}

#[test]
fn names_versions_and_free_text_are_checked() {
    check(&[
        ("B36", "name: mm1", "name: ../mm1", "2:7 E-NAME", ""),
        ("B36", "name: mm1", "name: \"\"", "2:7 E-NAME", ""),
        ("B36", "name: mm1", "name: MM1", "2:7 E-NAME", ""),
        ("B36", "name: mm1", "name: mm\u{202e}1", "2:7 E-NAME", ""),
        ("B37", "nodes: {server:", "nodes: {<script>:", "6:9 E-NAME", ""),
        ("B72", "windtunnel: 1", "windtunnel: 2", "1:13 E-VERSION", "version 1"),
        ("B72", "windtunnel: 1\n", "", "1:1 E-MISSING", "`windtunnel`"),
        (
            "B82",
            "name: mm1",
            "name: mm1\ndescription: of ${USER}",
            "3:14 W-TEMPLATE",
            "not replaced",
        ),
    ]);
    let free =
        GOOD.replace("name: mm1", "name: mm1\ndescription: \"</script> {{x}} =HYPERLINK(1)\"");
    assert_eq!(told(free.as_bytes()), Vec::<String>::new(), "B37: free text is free");
}

#[test]
fn numbers_and_units_are_checked() {
    check(&[
        ("B20", "100s", "1:30", "3:11 E-NUM-FORM", "90s"),
        ("B20", "cores: 1", "cores: 010", "6:35 E-NUM-FORM", ""),
        ("B20", "cores: 1", "cores: 0o10", "6:35 E-NUM-FORM", "`8`"),
        ("B20", "cores: 1", "cores: 1_000", "6:35 E-NUM-FORM", ""),
        ("B20", "cores: 1", "cores: 1e3", "6:35 E-NUM-FORM", ""),
        ("B20", "cores: 1", "cores: 0x2A", "6:35 E-NUM-FORM", ""),
        ("B21", "cores: 1", "cores: .nan", "6:35 E-NONFINITE", ""),
        ("B21", "100s", "-.inf", "3:11 E-NONFINITE", ""),
        ("B22", "9/s", "-9/s", "5:28 E-RANGE", ""),
        ("B22", "cores: 1", "cores: -1", "6:35 E-RANGE", ""),
        ("B23", "cores: 1", "cores: 0", "6:35 E-RANGE", "at least 1"),
        ("B23", "9/s", "0/s", "5:28 E-RANGE", "above 0"),
        ("B23", "100s\nwarm_up: 10s", "0s", "3:11 E-RANGE", "above 0"),
        ("B24", "warm_up: 10s", "confidence: 150%", "4:13 E-RANGE", ""),
        ("warm-up", "warm_up: 10s", "warm_up: automatic", "4:10 E-TYPE", "`auto` has a pilot"),
        ("B24", "warm_up: 10s", "confidence: 50", "4:13 E-RANGE", "50%"),
        ("B25", "cores: 1", "cores: 99999999999999999999", "6:35 E-OVERFLOW", ""),
        ("B26", "100s", "100", "3:11 E-UNIT", "ms"),
        ("B26", "100s", "5 m", "3:11 E-UNIT", "5m"),
        ("B26", "100s", "5parsecs", "3:11 E-UNIT", "ms"),
        ("B27", "exp(mean=100ms)", "0.1ns", "6:44 E-RESOLUTION", ""),
        ("B28", "100s", "1000000000000000d", "3:11 E-OVERFLOW", ""),
        ("B29", "to: server}", "to: server, size: 2kB}", "5:60 E-UNIT", "KB"),
        ("B30", WORK, "work: lognormal(mean=5ms cv=-1)", "6:44 E-RANGE", ""),
        ("B30", WORK, "work: uniform(9ms 1ms)", "6:44 E-DIST", ""),
        ("B30", WORK, "work: mix(50% 1ms; 20% 2ms)", "6:44 E-DIST", ""),
        ("B30", WORK, "work: quantiles(p0=5ms p100=1ms)", "6:44 E-DIST", ""),
        ("B31", WORK, "work: pareto(min=1ms alpha=0.9)", "6:44 E-DIST", ""),
        ("B31", WORK, "work: pareto(min=1ms alpha=1.5)", "6:44 W-LAW", "variance"),
        ("B32", WORK, "work: normal(mean=5ms sd=5ms)", "6:44 W-LAW", "cut at 0"),
        ("B33", "exp(", "expo(", "6:44 E-ENUM", "did you mean `exp`"),
        ("B33", "cores: 1", "cores: 1, discipline: fiffo", "6:50 E-ENUM", "did you mean `fifo`"),
        ("B33", RATE, "poison(9/s)", "5:28 E-ENUM", "did you mean `poisson`"),
        ("B66", "warm_up: 10s", "seed: -1", "4:7 E-RANGE", ""),
        ("B66", "warm_up: 10s", "seed: 18446744073709551616", "4:7 E-OVERFLOW", "2^64"),
    ]);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn names_and_designs_are_checked() {
    check(&[
        ("B34", "to: server", "to: sever", "5:46 E-REF", "`server`"),
        ("B34", WORK, "work: 1ms, calls: [db]", "6:57 E-REF", "`db`"),
        ("B34", "cores: 1", "cores: 1, zones: nowhere", "6:45 E-REF", "`nowhere`"),
        (
            "B38",
            NODE,
            "{service: {cores: 1, calls: [b]}}, b: {service: {cores: 1, calls: [server]}}",
            "6:46 E-CYCLE",
            "b -> server -> b",
        ),
        ("B39", WORK, "work: 1ms, calls: [server]", "6:57 E-CYCLE", "cannot call itself"),
        (
            "B40",
            "nodes: {",
            "nodes: {spare: {service: {cores: 1, work: 1ms}}, ",
            "6:9 W-UNUSED",
            "`spare`",
        ),
        ("B41", NODE, "{load_balancer: {to: []}}", "6:34 E-TOPO", "at least one"),
        ("B42", NODE, "{store: {read: 1ms, shards: {count: 0}}}", "6:53 E-RANGE", ""),
        (
            "B50",
            "to: server}",
            "to: server, timeout: 1s, deadline: 2s, retry: {attempts: 5}}",
            "5:99 W-DEADLINE",
            "deadline",
        ),
        ("B61", "warm_up: 10s", "warm_up: 100s", "4:10 E-WINDOW", ""),
        ("B62", "name: mm1", "name: mm1\nslos: [availability >= 100%]", "3:8 E-SLO", ""),
        ("B62", "name: mm1", "name: mm1\nslos: [latency <= 1s]", "3:8 E-SLO", ""),
        ("B62", "name: mm1", "name: mm1\nexpect: [latency <= 1s]", "3:10 E-SLO", ""),
        (
            "B62",
            "name: mm1",
            "name: mm1\nexpect: [metastable(x) == true]",
            "3:10 E-REF",
            "no fault",
        ),
        ("B62", "name: mm1", "name: mm1\nslos: [back_after <= 1s]", "3:8 E-SLO", "one fault"),
        (
            "B63",
            "name: mm1",
            "name: mm1\nslos: [nodes.sever.utilisation <= 50%]",
            "3:8 E-REF",
            "server",
        ),
        ("B70", "name: mm1", "name: mm1\nextends: ../b.yaml", "3:10 E-INCLUDE", "leaves"),
        ("B71", RATE, "trace(file=t.csv column=t)", "5:28 E-TRACE", "row 3 (line 4)"),
        ("B71", RATE, "trace(file=t.csv column=x)", "5:28 E-TRACE", "no column `x`"),
        ("B71", RATE, "trace(file=/etc/passwd column=t)", "5:28 E-TRACE", "absolute"),
        ("-", RATE, "trace(file=t.csv column=t start=soon)", "5:28 E-TYPE", "no time of a trace"),
        ("-", RATE, "trace(file=t.csv column=t sort=yes)", "5:28 E-ENUM", "true, false"),
        ("-", RATE, "trace(file=t.csv column=t spread=2d)", "5:28 E-RANGE", "1d at most"),
        ("-", RATE, "trace(file=t.csv column=t spread=1)", "5:28 E-UNIT", "1s"),
        ("-", RATE, "trace(file=t.csv column=t separator=xy)", "5:28 E-EXPR", "`tab`"),
        ("-", RATE, "trace(file=t.csv column=t header=no)", "5:28 E-ENUM", "none"),
        ("-", RATE, "trace(file=t.csv column=t format=apache)", "5:28 E-ENUM", "combined"),
        ("-", RATE, "trace(file=t.csv)", "5:28 E-EXPR", "column="),
        ("-", RATE, "trace(file=t.csv format=combined)", "5:28 E-TRACE", "row 1 (line 1)"),
        (
            "-",
            RATE,
            "trace(file=t.csv format=combined separator=;)",
            "5:28 E-EXPR",
            "neither separator nor header",
        ),
        ("-", WORK, "work: hdr(file=t.csv unit=ms)", "6:9 E-TRACE", "row 1 (line 1)"),
        ("-", WORK, "work: hdr(file=t.csv)", "6:44 E-UNIT", "ms"),
        ("-", WORK, "work: exp(rate=12)", "6:44 E-UNIT", "/s"),
        (
            "-",
            TO,
            "to: server, load: poisson(9/s)",
            "5:60 E-EXPR",
            "write `arrivals: poisson(9/s)`",
        ),
        ("-", TO, "to: server, load: 9/s", "5:60 E-EXPR", "write `arrivals: poisson(9/s)`"),
        ("-", TO, "to: server, load: bend(1)", "5:60 E-EXPR", "no factor and no curve"),
        ("-", RATE, "curve(file=t.csv)", "5:28 E-EXPR", "`load: curve(file=t.csv)`"),
        (
            "B71",
            WORK,
            "work: empirical(file=t.csv column=n unit=ms)",
            "6:9 E-TRACE",
            "`x` is not a finite number",
        ),
    ]);
}

#[test]
fn what_misleads_is_warned_of() {
    let nodes = "nodes: {server: {service: {cores: 1, work: exp(mean=100ms)";
    let two = "topology: {regions: {r: [a], q: [b]}}\n\
               nodes: {server: {service: {cores: 1, work: 1ms";
    let far =
        format!("{two}, zones: b, calls: [db]}}}}, db: {{store: {{read: 1ms, cores: 1, zones: a");
    let limits = "cores: 1, limits: {memory: {max: 1MB, base: 1MB, per_request: 1KB}}";
    for (old, new, place, phrase) in [
        (nodes, format!("{two}, instances: 4"), "7:18 W-ZONES", "in all zones of 2 regions"),
        (nodes, format!("network: {{same_zone: 1ms}}\n{far}"), "6:1 W-LATENCY", "`b` and `a`"),
        ("to: server}", "to: server, load: 0}".to_owned(), "5:60 W-SILENT", "sends nothing"),
        ("cores: 1", limits.to_owned(), "6:61 W-FULL", "not one request fits"),
    ] {
        let found = told(GOOD.replace(old, &new).as_bytes());
        assert!(found.len() == 1 && found[0].starts_with(place), "{place}: {found:?}");
        assert!(found[0].contains(phrase), "{phrase}: {found:?}");
    }
    // With a latency for them there is nothing to warn of, nor where nothing is said of the network.
    for network in ["cross_region: 1ms", "links: [{from: a, to: q, latency: 1ms}]"] {
        let network = format!("network: {{same_zone: 1ms, {network}}}\n{far}");
        assert_eq!(told(GOOD.replace(nodes, &network).as_bytes()), Vec::<String>::new());
    }
    assert_eq!(told(GOOD.replace(nodes, &far).as_bytes()), Vec::<String>::new());
}

#[test]
fn what_cannot_work_is_refused() {
    let slow = "nodes: {server: {external: {latency: 100ms}}}";
    let nodes = "nodes: {server: {service: {cores: 1, work: exp(mean=100ms)}}}";
    let after = "nodes: {server: {service: {cores: 1, endpoints: {default: [{call: b}]}, dependencies: {b: {timeout: 1ms}}}}, b: {store: {read: 2ms, cores: 1}}}";
    check(&[
        ("B49", nodes, after, "6:101 W-IMPOSSIBLE", "none takes less than 2ms"),
        ("B52", RATE, "poisson(9k/s)", "6:9 W-OVERLOAD", "900 times what its cores can do"),
        (
            "B75",
            "nodes:",
            "network: {internet: 1s, links: [{from: a, to: a, bandwidth: 0Gbps}]}\ntopology: {regions: {r: [a]}}\nnodes:",
            "6:61 E-RANGE",
            "above 0",
        ),
        ("B75", "to: server}", "to: server, size: -1KB}", "5:60 E-RANGE", ""),
        ("B75", "to: server}", "to: server, size: 18446744073709551616B}", "5:60 E-OVERFLOW", ""),
    ]);
    for (client, place) in [("timeout: 99ms", "5:63"), ("deadline: 99ms", "5:64")] {
        let text =
            GOOD.replace(nodes, slow).replace("to: server}", &format!("to: server, {client}}}"));
        let told = told(text.as_bytes());
        assert!(
            told.len() == 1 && told[0].starts_with(&format!("{place} W-IMPOSSIBLE")),
            "{told:?}"
        );
        assert!(told[0].contains("none takes less than 100ms"), "{told:?}");
        // B75: there and back is longer than the timeout.
        let far = text
            .replace("latency: 100ms", "latency: 1ms")
            .replace("nodes:", "network: {internet: 49ms}\nnodes:");
        assert_eq!(super::bad_input::told(far.as_bytes()), Vec::<String>::new());
        let farther = far.replace("internet: 49ms", "internet: 50ms");
        let told = super::bad_input::told(farther.as_bytes());
        assert!(told.len() == 1 && told[0].contains("none takes less than 101ms"), "{told:?}");
    }
}

#[test]
fn what_is_not_built_yet_is_said_to_be_so() {
    check(&[
        ("top", "name: mm1", "name: mm1\ntracing: {}", "3:1 E-UNSUPPORTED", "`tracing`"),
        ("cdn", NODE, "{cdn: {}}", "6:18 E-UNSUPPORTED", "`cdn`"),
        (
            "B79",
            NODE,
            "{load_balancer: {to: b, inbound: {shed: {queue: 1}}}}, b: {service: {cores: 1, work: 1ms}}",
            "6:41 E-UNSUPPORTED",
            "`inbound`",
        ),
        ("compression", "cores: 1", "cores: 1, compress: {}", "6:38 E-UNSUPPORTED", "`compress`"),
        ("price", "to: server}", "to: server, price: $1}", "5:54 E-UNSUPPORTED", "`price`"),
        ("client", "to: server}", "to: server, count: 3}", "5:54 E-UNSUPPORTED", "`count`"),
        ("step", WORK, "endpoints: {default: [{push: q}]}", "6:61 E-UNSUPPORTED", "`push`"),
        (
            "store",
            NODE,
            "{store: {read: 1ms, compaction: {every: 1h}}}",
            "6:37 E-UNSUPPORTED",
            "`compaction`",
        ),
    ]);
}

#[test]
fn all_problems_are_told_at_once_and_at_most_twenty_are_shown() {
    let text = GOOD
        .replace("duration: 100s", "duration: 100")
        .replace("9/s", "9")
        .replace("cores: 1", "coers: 1, discipline: fiffo")
        .replace("100ms", "100mz");
    let lines = told(text.as_bytes());
    let places = ["3:11 E-UNIT", "5:28 E-", "6:28 E-UNKNOWN-KEY", "6:50 E-ENUM", "6:63 E-UNIT"];
    assert_eq!(lines.len(), places.len(), "{lines:#?}");
    for (line, place) in lines.iter().zip(places) {
        assert!(line.starts_with(place), "{line}");
    }
    let many: String = (0..60).fold(GOOD.to_owned(), |mut text, n| {
        writeln!(text, "x{n}: 1").unwrap();
        text
    });
    let (sources, found) = examine(many.as_bytes());
    assert_eq!(found.len(), 60);
    let shown = render::human(&sources, &found, false);
    assert_eq!(shown.matches("error[").count(), 20);
    assert!(shown.contains("The first 20 of 60 problems are shown."), "{shown}");
}

#[test]
fn frames_show_the_place_the_path_and_what_to_do() {
    let text = GOOD
        .replace("cores: 1", "cores: 1, cores: 2")
        .replace("to: server", "to: server, count: 3")
        .replace("100ms", "100mz");
    let (sources, found) = examine(text.as_bytes());
    insta::assert_snapshot!("duplicate_key", render::human(&sources, &found, false));
    let text = GOOD.replace("cores: 1", "coers: \"\\e[31m\"").replace(
        "to: server",
        "to: server, count: 3, retry: {attempts: 2, backoff: constant(1 s)}",
    );
    let (sources, found) = examine(text.as_bytes());
    insta::assert_snapshot!("unknown_key_and_unsupported", render::human(&sources, &found, false));
    let (sources, found) = examine(GOOD.replace("to: server", "to: sever").as_bytes());
    insta::assert_snapshot!("unknown_node", render::human(&sources, &found, false));
    let json = render::json(&sources, &found);
    insta::assert_snapshot!("unknown_node_json", format!("{json:#}"));
}

/// A file that uses much of the language.
const RICH: &str = "\
windtunnel: 1
name: rich
duration: 60s
topology: {regions: {eu: [eu-a, eu-b], us: [us-a]}}
network:
  same_zone: 0.2ms
  cross_region: lognormal(median=40ms p99=90ms)
  links:
    - {id: l, from: eu-a, to: eu-b, latency: 0.6ms, bandwidth: 10Gbps, loss: 0.001%, ordered: true}
clients:
  shoppers:
    arrivals: poisson(20/s batch=2)
    load:
      - {at: 10s, factor: 2, over: 5s}
    attributes: {tier: choice(gold=20% free=80%), poison: 0.1%}
    keys: {user: uniform(n=100), item: zipf(n=1k s=0.9)}
    operations:
      browse: {share: 90%, to: edge}
      buy: {share: 10%, to: edge, deadline: 3s, key: item}
    timeout: 1s
    retry: {attempts: 3, backoff: exponential(base=50ms max=1s jitter=full), budget: 10%}
nodes:
  edge: {load_balancer: {to: {blue: 95, green: 5}, policy: power_of_d(d=2)}}
  blue:
    service:
      zones: {eu-a: 2, eu-b: 1}
      workers: 8
      cores: 2
      queue: 16
      endpoints:
        browse:
          - work: 2ms
          - all: [{read: db}, [{wait: 1ms}, {call: {to: green, operation: browse}}]]
          - reply: 2KB
        default:
          - {id: heavy, when: tier == gold, work: exp(mean=5ms)}
          - choose: [{share: 50%, do: [{write: {to: db, key: item}}]}, {share: 50%, do: [{fail: 1%}]}]
      dependencies: {green: {timeout: 1s}, db: {timeout: 100ms, retry: {attempts: 2, if: [timeout]}}}
  green: {service: {cores: 1, work: 3ms}}
  db: {store: {zones: eu, shards: {count: 4, by: hash}, read: 1ms, write: 2ms, cores: 2, value_size: 1KB}}
slos: [p99(latency) <= 400ms]
variants:
  slow: {nodes.green.service.work: 9ms, clients.shoppers.retry: none}
  more: {nodes.blue.service.endpoints.default.heavy.work: 1ms}
";

/// Examines a text; that it comes back is the test.
fn survives(text: &str) {
    let (sources, found) = examine(text.as_bytes());
    render::human(&sources, &found, true);
    render::json(&sources, &found);
}

#[test]
fn a_rich_file_is_good_and_prints_to_itself() {
    assert_eq!(told(RICH.as_bytes()), Vec::<String>::new());
    let read = |text: &str| {
        let files = Folder(BTreeMap::from([("a.yaml".to_owned(), text.as_bytes().to_vec())]));
        load("a.yaml", &files, &Overrides::default())
            .unwrap_or_else(|r| panic!("{}", r.render(false)))
    };
    let resolved = read(RICH).resolved;
    assert_eq!(read(&resolved).resolved, resolved);
    assert!(!resolved.contains('"') && !resolved.contains("variants"), "{resolved}");
}

#[test]
fn deleting_any_line_never_panics() {
    let lines: Vec<&str> = RICH.lines().collect();
    for gone in 0..lines.len() {
        let kept = lines.iter().enumerate().filter(|(n, _)| *n != gone);
        let text: String = kept.map(|(_, line)| format!("{line}\n")).collect();
        survives(&text);
    }
}

#[test]
fn swapping_scalars_or_characters_never_panics() {
    let rich = RICH;
    let words: Vec<(usize, &str)> = rich
        .split(|c: char| c.is_whitespace() || "{}[],".contains(c))
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - rich.as_ptr() as usize, word))
        .collect();
    // A full pairing is quadratic; a fixed stride visits every word with several partners.
    for stride in [1, 7, 31] {
        for (number, (at, word)) in words.iter().enumerate() {
            let (other_at, other) = words[(number + stride) % words.len()];
            if other_at <= *at {
                continue;
            }
            let text = format!(
                "{}{other}{}{word}{}",
                &rich[..*at],
                &rich[at + word.len()..other_at],
                &rich[other_at + other.len()..]
            );
            survives(&text);
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
    #[test]
    fn no_text_panics(text in "[a-z:{}\\[\\], \\-\\n\"'&*!|>%@`#?0-9()=\u{e4}\u{feff}\\t]{0,80}") {
        survives(&text);
        survives(&format!("{GOOD}{text}"));
    }

    #[test]
    fn no_set_panics(path in "[a-z.\\[\\]0-9\"=]{0,30}", value in "[a-z{}\\[\\]:, 0-9()=]{0,20}") {
        let files = Folder(BTreeMap::from([("a.yaml".to_owned(), RICH.as_bytes().to_vec())]));
        let sets = vec![format!("{path}={value}"), format!("nodes.blue.service.{path}={value}")];
        let overrides = Overrides { sets, ..Overrides::default() };
        if let Err(rejected) = load("a.yaml", &files, &overrides) {
            rejected.render(true);
        }
    }
}
