//! Traces: their clock, stamps that are coarse, logs and tables as people have them.

use std::collections::BTreeMap;

use serde_json::Value;
use windtunnel::{
    scenario::load::{Files, Overrides, load},
    study,
};

use crate::{design::number, theory::oracles::run};

/// Files in memory.
struct Folder(BTreeMap<&'static str, String>);

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let text = self.0.get(path).ok_or_else(|| "does not exist".to_owned())?;
        Ok(text.clone().into_bytes())
    }
}

fn folder(scenario: &str, files: &[(&'static str, &str)]) -> Folder {
    let files = files.iter().map(|(name, text)| (*name, (*text).to_owned()));
    Folder(files.chain([("scenario.yaml", scenario.to_owned())]).collect())
}

/// What one replication of a scenario with these files gives.
pub(crate) fn results(scenario: &str, files: &[(&'static str, &str)]) -> Value {
    let merged = run::run("scenario.yaml", &folder(scenario, files), &Overrides::default(), 1);
    serde_json::to_value(merged).expect("results are JSON")
}

/// What is said of a scenario's traces: `code path: message; help`.
fn told(scenario: &str, files: &[(&'static str, &str)]) -> Vec<String> {
    let files = folder(scenario, files);
    let examined = study::examine("scenario.yaml", &files, &Overrides::default(), &[]);
    let problems = examined.found.iter().map(|found| &found.problem);
    let of_trace = problems.filter(|p| p.code.ends_with("-TRACE"));
    of_trace
        .map(|p| {
            let help = p.help.as_deref().unwrap_or_default();
            format!("{} {}: {}; {help}", p.code, p.path, p.message)
        })
        .collect()
}

/// One client `a` with these arrivals and more, before one server.
fn one(duration: &str, arrivals: &str, more: &str, server: &str) -> String {
    format!(
        "windtunnel: 1\nname: traced\nduration: {duration}\n\
         clients:\n  a: {{arrivals: {arrivals}, to: s{more}}}\nnodes:\n  s: {{service: {server}}}\n"
    )
}

const PLAIN: &str = "{work: 1ms, cores: 1}";

const TWO_LOGS: &str = "windtunnel: 1\nname: two-logs\nduration: 100s\n\
    clients:\n  a: {arrivals: trace(file=a.csv column=t unit=s), to: s}\n  \
    b: {arrivals: trace(file=b.csv column=t unit=s), to: s}\n\
    nodes: {s: {service: {work: 1ms, cores: 1}}}\n\
    faults: [{id: f, at: 49s, for: 5s, errors: {node: s, fraction: 100%}}]\n";

#[test]
fn traces_keep_their_common_clock() {
    let files = [("a.csv", "t\n0\n10\n20\n"), ("b.csv", "t\n50\n70\n")];
    // The fault hits what b sends at 50 s, and nothing of a.
    let found = results(TWO_LOGS, &files);
    assert_eq!(number(&found, "clients.a.requests.ok"), 3.0);
    assert_eq!(number(&found, "clients.b.requests.error"), 1.0);
    assert_eq!(number(&found, "clients.b.requests.ok"), 1.0);
    // Each from its own first row: a moment of b is another one now.
    let own = TWO_LOGS.replace("file=b.csv", "start=first file=b.csv");
    assert_eq!(number(&results(&own, &files), "clients.b.requests.ok"), 2.0);
    // The clock of all of them begins where the earliest of them does.
    let later = [("a.csv", "t\n1000\n1010\n"), ("b.csv", "t\n1050\n1070\n")];
    let found = results(TWO_LOGS, &later);
    assert_eq!(number(&found, "clients.b.requests.error"), 1.0);
    // A date and a number of seconds since 1970 are on the same clock.
    let dates = TWO_LOGS.replace("file=b.csv column=t unit=s", "file=b.csv column=t unit=datetime");
    let files = [("a.csv", "t\n1714557600\n"), ("b.csv", "t\n2024-05-01T10:00:50Z\n")];
    assert_eq!(number(&results(&dates, &files), "clients.b.requests.error"), 1.0);
}

#[test]
fn a_start_leaves_out_what_came_before() {
    let trace = |start: &str| {
        let arrivals = format!("trace(file=a.csv column=t unit=datetime start={start})");
        one("100s", &arrivals, ", attributes: {n: column(n)}", "{work: 1ms * n, workers: 1}")
    };
    let file = "t,n\n2024-05-01 10:00:00,5\n2024-05-01 10:01:00,7\n2024-05-01 10:02:00,9\n";
    let found = results(&trace("2024-05-01T10:00:30Z"), &[("a.csv", file)]);
    assert_eq!(number(&found, "summary.requests.ok"), 2.0);
    // The rows that are left keep their own values: 7 ms and 9 ms.
    assert!((number(&found, "summary.latency.mean") - 0.008).abs() < 1e-9);
    assert_eq!(number(&found, "summary.latency.max"), 0.009);
    let said = told(&trace("2024-05-01T10:00:30Z"), &[("a.csv", file)]);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("1 of 3 rows are before `start`"), "{said:?}");
    let said = told(&trace("2025-05-01T10:00:30Z"), &[("a.csv", file)]);
    assert!(said[0].starts_with("E-TRACE clients.a.arrivals: all rows"), "{said:?}");
}

/// 100 rows a second, stamped in whole seconds.
fn whole_seconds() -> String {
    let rows = (0..2000).map(|row| format!("{}\n", 1_714_557_600 + row / 100));
    format!("t\n{}", rows.collect::<String>())
}

#[test]
fn rows_that_share_a_stamp_are_spread_over_it() {
    let file = whole_seconds();
    let files = [("a.csv", file.as_str())];
    let trace = |more: &str| {
        one("20.1s", &format!("trace(file=a.csv column=t{more})"), "", "{cores: 4, work: 5ms}")
    };
    // 100 at once in 4 cores of 5 ms: the last waits for 24 others.
    let at_once = results(&trace(" spread=none"), &files);
    assert!((number(&at_once, "summary.latency.mean") - 0.065).abs() < 1e-9);
    assert!(told(&trace(" spread=none"), &files).is_empty());
    // Known to the second only, they come as by chance: an M/D/4 at an eighth of its capacity.
    let spread = results(&trace(""), &files);
    let mean = number(&spread, "summary.latency.mean");
    assert!((0.005..0.00505).contains(&mean), "{mean}");
    assert_eq!(number(&spread, "summary.requests.ok"), 2000.0);
    let said = told(&trace(""), &files);
    assert!(said.len() == 1 && said[0].contains("multiples of 1s"), "{said:?}");
    assert!(said[0].contains("spread at random"), "{said:?}");
    // Asked for it is the same, without a word.
    let asked = results(&trace(" spread=1s"), &files);
    assert_eq!(asked["summary"], spread["summary"]);
    assert!(told(&trace(" spread=1s"), &files).is_empty());
    // What is not known differs between replications.
    let merged = run::run("scenario.yaml", &folder(&trace(""), &files), &Overrides::default(), 2);
    let both = serde_json::to_value(merged).expect("results are JSON");
    let interval = &both["summary"]["latency"]["mean"];
    assert!(interval["lower"].as_f64() < interval["upper"].as_f64(), "{interval}");
}

#[test]
fn stamps_that_are_exact_or_far_apart_are_kept() {
    for rows in [
        // Batches: shared, but far apart.
        "0\n0\n0\n10\n10\n10\n20\n20\n20\n30\n30\n",
        // Seconds of which few have two rows.
        "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n12\n13\n14\n15\n16\n17\n18\n19\n20\n30\n",
        // Nanoseconds.
        "0.000000001\n0.000000001\n0.000000002\n0.000000002\n29.5\n",
        "0\n0\n0\n",
    ] {
        let file = format!("t\n{rows}");
        let scenario = one("30s", "trace(file=a.csv column=t at_end=repeat)", "", PLAIN);
        let said = told(&scenario, &[("a.csv", &file)]);
        assert!(!said.iter().any(|s| s.contains("spread")), "{rows}: {said:?}");
    }
}

#[test]
fn what_a_run_makes_of_a_trace_is_said() {
    let csv = |rows: &str| format!("t\n{rows}");
    for (rows, more, phrase) in [
        ("1714557600000\n1714557600500\n1714557602000\n", "", "54331 years after 1970"),
        ("1714557600000\n1714557600500\n1714557602000\n", "", "`unit=ms`"),
        ("1714557600000000\n1714557600500000\n", "unit=ms", "`unit=us`"),
        ("0\n10\n200\n300\n", "", "2 of 4 rows of `a.csv` come after the end of the run (100s)"),
        ("0\n10\n20\n", "", "the last row of `a.csv` is at 20s, the run goes on until 100s"),
        ("0\n1000\n", "speed=20", "the last row of `a.csv` is at 50s"),
    ] {
        let scenario = one("100s", &format!("trace(file=a.csv column=t {more})"), "", PLAIN);
        let said = told(&scenario, &[("a.csv", &csv(rows))]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("W-TRACE clients.a.arrivals"), "{said:?}");
        assert!(said[0].contains(phrase), "{said:?}");
    }
    let silent = [("0\n50\n99\n101\n", ""), ("0\n10\n", "at_end=repeat")];
    for (rows, more) in silent {
        let scenario = one("100s", &format!("trace(file=a.csv column=t {more})"), "", PLAIN);
        let said = told(&scenario, &[("a.csv", &csv(rows))]);
        assert!(said.is_empty() || rows.contains("101"), "{said:?}");
    }
    // Nothing of b falls into the run: another clock, said at b.
    let files = [("a.csv", "t\n0\n10\n99\n"), ("b.csv", "t\n1714557600\n")];
    let said = told(TWO_LOGS, &files);
    assert!(said.len() == 1 && said[0].starts_with("W-TRACE clients.b.arrivals"), "{said:?}");
    assert!(said[0].contains("no row of `b.csv` is sent") && said[0].contains("start=first"));
}

const LOG: &str = "\
192.0.2.7 - - [01/May/2024:10:00:02 +0000] \"GET /a HTTP/1.1\" 200 512 \"-\" \"x\" 0.250
192.0.2.8 - - [01/May/2024:10:00:01 +0000] \"POST /b HTTP/1.1\" 201 1024 \"-\" \"y\" 0.031
";

#[test]
fn a_log_is_replayed_with_its_columns() {
    // In order of time the first is the POST, of 31 ms and 1 KB, and each keeps what it carries.
    let scenario = "windtunnel: 1\nname: log\nduration: 1.2s\n\
        clients:\n  a:\n    arrivals: trace(file=access.log format=combined sort=true)\n    to: s\n    \
        keys: trace(file=access.log format=combined)\n    \
        attributes: {method: column(method), bytes: column(bytes), took: column(request_time)}\n\
        nodes:\n  s:\n    service:\n      workers: 9\n      endpoints:\n        default:\n          \
        - {work: 1s * took}\n          - {when: method == POST, call: posts}\n          \
        - {when: method == GET, call: gets}\n          \
        - {when: bytes == 1024, call: large}\n  \
        posts: {external: {latency: 1ms}}\n  gets: {external: {latency: 1ms}}\n  \
        large: {external: {latency: 1ms}}\n";
    let found = results(scenario, &[("access.log", LOG)]);
    // The GET comes at 1 s and is not done within the run.
    assert_eq!(number(&found, "nodes.posts.outcomes.ok"), 1.0);
    assert_eq!(number(&found, "nodes.large.outcomes.ok"), 1.0);
    assert_eq!(number(&found, "summary.latency.max"), 0.033);
    let whole = scenario.replace("duration: 1.2s", "duration: 2s");
    let found = results(&whole, &[("access.log", LOG)]);
    assert_eq!(number(&found, "nodes.gets.outcomes.ok"), 1.0);
    assert_eq!(number(&found, "nodes.large.outcomes.ok"), 1.0);
    assert_eq!(number(&found, "summary.latency.max"), 0.251);
    // One row a second, the last at 1 s of 2 s.
    assert_eq!(told(&whole, &[("access.log", LOG)]).len(), 1);
    // As a law: drawn with replacement from both.
    let law = "empirical(file=access.log column=request_time unit=s format=combined)";
    let drawn = one("100s", "poisson(9/s)", "", &format!("{{work: {law}, workers: 99}}"));
    let found = results(&drawn, &[("access.log", LOG)]);
    assert!((0.13..0.15).contains(&number(&found, "summary.latency.mean")));
    assert_eq!(number(&found, "summary.latency.max"), 0.25);
}

#[test]
fn texts_of_a_column_can_be_asked_for() {
    let scenario = |asked: &str| {
        one(
            "10s",
            "trace(file=a.csv column=t at_end=repeat)",
            ", attributes: {op: column(op)}",
            &format!(
                "{{workers: 1, endpoints: {{default: [{{when: op == {asked}, work: 1ms}}]}}}}"
            ),
        )
    };
    let file = "t,op\n0,get\n1,put\n2,get\n3,7\n";
    let found = results(&scenario("get"), &[("a.csv", file)]);
    assert_eq!(number(&found, "summary.latency.max"), 0.001);
    let never = told(&scenario("got"), &[("a.csv", file)]);
    assert!(never.len() == 1 && never[0].contains("asks for `got`"), "{never:?}");
    // Where numbers are needed a text is still refused.
    let sum = one(
        "10s",
        "trace(file=a.csv column=t)",
        ", attributes: {op: column(op)}",
        "{work: 1ms * op}",
    );
    let said = told(&sum, &[("a.csv", file)]);
    let refused = "row 1 (line 2): `get` is not a finite number";
    assert!(said.iter().any(|s| s.contains(refused)), "{said:?}");
}

#[test]
fn tables_as_programs_write_them() {
    let bom = "\u{feff}\"Request Time (UTC)\",\"Status\",\"Latency ms\"\r\n\
        \"2024-05-01T10:00:00Z\",\"200\",\"12\"\r\n\"2024-05-01T10:00:01.250Z\",\"200\",\"20\"\r\n\
        \"2024-05-01T10:00:03Z\",\"500\",\"7\"\r\n";
    let arrivals = "'trace(file=bom.csv column=\"Request Time (UTC)\" unit=datetime)'";
    let more = ", attributes: {ms: 'column(\"Latency ms\")'}";
    let found = results(&one("4s", arrivals, more, "{work: 1ms * ms}"), &[("bom.csv", bom)]);
    assert_eq!(number(&found, "summary.latency.max"), 0.02);
    let semicolons = "ts;lat\n1714557600000;12\n1714557600500;13\n1714557602000;14\n";
    let trace = "trace(file=s.csv column=ts unit=ms separator=;)";
    let found = results(&one("3s", trace, "", PLAIN), &[("s.csv", semicolons)]);
    assert_eq!(number(&found, "summary.requests.ok"), 3.0);
    let crlf = "a,b\r\n1,1\r\n2,2\r\n3,3\r\n4,4\r\n5,x\r\n6,6\r\n";
    let said = told(&one("9s", "trace(file=c.csv column=b)", "", PLAIN), &[("c.csv", crlf)]);
    assert!(said[0].contains("row 5 (line 6)"), "{said:?}");
    let bare = "0 10\n1 20\n";
    let trace = "\"trace(file=n.txt column=1 separator=' ' header=none)\"";
    let refused = load(
        "scenario.yaml",
        &folder(&one("9s", trace, "", PLAIN), &[("n.txt", bare)]),
        &Overrides::default(),
    );
    let refused = refused.unwrap_err().render(false);
    assert!(refused.contains("a separator is one sign, or `tab`"), "{refused}");
}

#[test]
fn percentiles_of_a_histogram_are_a_law() {
    let file = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n\
        1.000 0.000000000000          1           1.00\n\
        3.000 0.500000000000        500           2.00\n\
        9.000 0.900000000000        900          10.00\n\
        40.000 1.000000000000       1000\n#[Mean    =        4.1, StdDeviation   =        1.0]\n";
    let run = |work: &str, file: &str| {
        let scenario = one("400s", "constant(10/s)", "", &format!("{{work: {work}, workers: 9}}"));
        results(&scenario, &[("a.hgrm", file)])["summary"]["latency"].clone()
    };
    let law = run("hdr(file=a.hgrm unit=ms)", file);
    assert_eq!(law, run("quantiles(p0=1ms p50=3ms p90=9ms p100=40ms)", file));
    let comma = "\"Value\",\"Percentile\",\"TotalCount\",\"1/(1-Percentile)\"\n1,0.0,1,1\n3,0.5,2,2\n\
        9,0.9,3,3\n40,1.0,4,Infinity\n";
    assert_eq!(law, run("hdr(file=a.hgrm unit=ms)", comma));
    let scenario = one("9s", "constant(10/s)", "", "{work: hdr(file=a.hgrm unit=ms), workers: 9}");
    let said = told(&scenario, &[("a.hgrm", "3 0.5\n1 0.9\n")]);
    assert!(said.iter().any(|s| s.contains("must rise")), "{said:?}");
    // A column of a law is looked at before anything runs.
    let law = "{work: empirical(file=a.csv column=t unit=ms), workers: 9}";
    let said = told(&one("9s", "constant(10/s)", "", law), &[("a.csv", "t\n1\n-1\n")]);
    assert!(said.len() == 1 && said[0].contains("negative ones"), "{said:?}");
}
