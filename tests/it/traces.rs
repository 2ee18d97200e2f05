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
    let of_trace = problems.filter(|p| p.code.ends_with("-TRACE") || p.code == "W-ROWS");
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
    let bare = "0  10\n1 \t20\n";
    let found = |separator: &str| {
        let trace = format!("\"trace(file=n.txt column=#1 separator={separator} header=none)\"");
        let more = ", attributes: {ms: column(2)}";
        results(&one("9s", &trace, more, "{work: 1ms * ms}"), &[("n.txt", bare)])
    };
    assert_eq!(number(&found("' '"), "summary.latency.max"), 0.02);
    assert_eq!(found("' '")["summary"], found("blank")["summary"]);
    let refused = load(
        "scenario.yaml",
        &folder(&one("9s", "\"trace(file=n.txt column=1 separator='ab')\"", "", PLAIN), &[]),
        &Overrides::default(),
    );
    let refused = refused.unwrap_err().render(false);
    assert!(refused.contains("a separator is one sign, `tab` or `blank`"), "{refused}");
    // As a German spreadsheet has it.
    let commas = "zeit;ms\n0,5;12,5\n1,25;7\n";
    let trace = "'trace(file=d.csv column=zeit separator=; decimal=,)'";
    let found = results(
        &one("2s", trace, ", attributes: {ms: column(ms)}", "{work: 1ms * ms}"),
        &[("d.csv", commas)],
    );
    assert_eq!(number(&found, "summary.latency.max"), 0.0125);
    assert_eq!(number(&found, "summary.requests.ok"), 2.0);
    let said = told(&one("2s", &trace.replace(" decimal=,", ""), "", PLAIN), &[("d.csv", commas)]);
    assert!(said[0].contains("row 1 (line 2): `0,5` is not a finite number"), "{said:?}");
}

#[test]
fn rows_are_chosen_by_what_they_have() {
    let file = "t,metric,v\n0,http_reqs,5\n1,vus,700\n2,http_reqs,9\n3,http_reqs,20\n4,vus,800\n";
    let chosen = |place: &str| {
        let (trace, more) = match place {
            "trace" => {
                ("'trace(file=a.csv column=t where=\"metric == http_reqs and v < 20\")'", "")
            }
            _ => ("trace(file=a.csv column=t)", ", where: metric == http_reqs and v < 20"),
        };
        let more =
            format!("{more}, keys: trace(file=a.csv column=v), attributes: {{v: column(v)}}");
        results(&one("3s", trace, &more, "{work: 1ms * v, workers: 1}"), &[("a.csv", file)])
    };
    let found = chosen("trace");
    assert_eq!(number(&found, "summary.requests.ok"), 2.0);
    assert_eq!(number(&found, "summary.latency.max"), 0.009);
    assert_eq!(found["summary"], chosen("client")["summary"]);
    // A law reads them, too.
    let law = "'empirical(file=a.csv column=v unit=ms where=\"metric == vus\")'";
    let drawn = results(
        &one("100s", "constant(9/s)", "", &format!("{{work: {law}, workers: 99}}")),
        &[("a.csv", file)],
    );
    assert!(number(&drawn, "summary.latency.p50") >= 0.69);
    for (conditions, phrase) in [
        ("metric == http_req", "`where` keeps none of the 5 rows of `a.csv`"),
        ("metrics == vus", "there is no column `metrics`; did you mean `metric`?"),
    ] {
        let said = told(
            &one("5s", "trace(file=a.csv column=t)", &format!(", where: {conditions}"), PLAIN),
            &[("a.csv", file)],
        );
        assert!(
            said.len() == 1 && said[0].starts_with("E-TRACE") && said[0].contains(phrase),
            "{said:?}"
        );
    }
    // One row of many: that is next to nothing.
    let many: String = (0..300)
        .map(|t| format!("{},{}\n", f64::from(t) / 100.0, u8::from(t % 200 == 100)))
        .collect();
    let said = told(
        &one("3s", "trace(file=a.csv column=t)", ", where: x == 1", PLAIN),
        &[("a.csv", &format!("t,x\n{many}"))],
    );
    assert!(said.iter().any(|s| s.contains("`where` keeps 1 of 300 rows of `a.csv`")), "{said:?}");
}

#[test]
fn rows_that_cannot_be_read_are_told_or_refused() {
    let file = "t,n\n0,5\nx,6\n1,7\n2\n3,many\n3.5,9\n";
    let scenario = |bad: &str| {
        let trace = format!("trace(file=a.csv column=t{bad})");
        one(
            "3.6s",
            &trace,
            ", keys: trace(file=a.csv column=n), attributes: {n: column(n)}",
            "{work: 1ms * n}",
        )
    };
    let said = told(&scenario(""), &[("a.csv", file)]);
    assert!(
        said.iter().any(|s| s.contains("row 2 (line 3): `x` is not a finite number")),
        "{said:?}"
    );
    let found = results(&scenario(" bad=skip"), &[("a.csv", file)]);
    assert_eq!(number(&found, "summary.requests.ok"), 3.0);
    assert!((number(&found, "summary.latency.mean") - 0.007).abs() < 1e-9);
    let warning = "3 of 6 rows of `a.csv` cannot be read and are left out: the first is line 3";
    let said = told(&scenario(" bad=skip"), &[("a.csv", file)]);
    assert!(said.len() == 1 && said[0].contains(warning), "{said:?}");
    // It is in the results, too.
    let warnings = found["warnings"].as_array().expect("results have warnings");
    assert!(
        warnings.iter().any(|w| w.as_str().is_some_and(|w| w.contains(warning))),
        "{warnings:?}"
    );
    let said = told(&scenario(" bad=skip"), &[("a.csv", "t,n\nx,1\ny,2\n")]);
    assert!(said[0].contains("none of the 2 rows of `a.csv` can be read"), "{said:?}");
    // So it is of a law.
    let law = "{work: empirical(file=a.csv column=n unit=ms bad=skip), workers: 9}";
    let said = told(&one("9s", "constant(10/s)", "", law), &[("a.csv", file)]);
    let warning = "2 of 6 rows of `a.csv` cannot be read and are left out: the first is line 5";
    assert!(said.len() == 1 && said[0].contains(warning), "{said:?}");
    // Each row that comes too late is told, and which is the first.
    let said = told(
        &one("2s", "trace(file=a.csv column=t)", "", PLAIN),
        &[("a.csv", "t\n0\n1.9\n2\n3\n")],
    );
    assert!(
        said.len() == 1 && said[0].contains("2 of 4 rows") && said[0].contains("line 4"),
        "{said:?}"
    );
}

/// Rows that say which operation they are, before a fast and a slow endpoint.
fn by_row(column: &str, more: &str) -> String {
    format!(
        "windtunnel: 1\nname: ops\nduration: 10s\nclients:\n  a:\n    arrivals: trace(file=a.csv column=t)\n    \
        to: s\n    operation: {column}\n    operations: {{read: {{}}, write: {{}}}}\n{more}\
        nodes: {{s: {{service: {{workers: 9, endpoints: {{read: [{{work: 1ms}}], write: [{{work: 5ms}}]}}}}}}}}\n"
    )
}

const OPS: &str = "t,op\n0,read\n1,write\n2,read\n3,GET\n4,GET\n5,DEL\n9.9,read\n";

#[test]
fn a_column_says_which_operation_a_row_is() {
    let run = |column: &str| results(&by_row(column, ""), &[("a.csv", OPS)]);
    let counts = |found: &Value| {
        ["read", "write"].map(|op| number(found, &format!("clients.a.operations.{op}.requests.ok")))
    };
    let found = run("column(op GET=read DEL=write)");
    assert_eq!(counts(&found), [5.0, 2.0]);
    assert_eq!(number(&found, "clients.a.operations.write.latency.max"), 0.005);
    assert_eq!(number(&found, "clients.a.operations.read.latency.max"), 0.001);
    assert_eq!(counts(&run("column(op other=write)")), [3.0, 4.0]);
    assert_eq!(counts(&run("column(op GET=skip DEL=write)")), [3.0, 2.0]);
    assert_eq!(counts(&run("column(op other=skip)")), [3.0, 1.0]);
    let said = told(&by_row("column(op)", ""), &[("a.csv", OPS)]);
    let refused = "E-TRACE clients.a.operation: column `op` has what is no operation of this client: `GET` (2 rows), `DEL` (1 rows): \
        the first is line 5; `column(op DEL=read)`";
    assert!(said.len() == 1 && said[0].starts_with(refused), "{said:?}");
    let said = told(&by_row("column(op other=skip)", ""), &[("a.csv", OPS)]);
    let left_out = "3 of 7 rows are left out by what they have in `op`, `GET` (2 rows), `DEL` (1 rows): the first is line 5";
    assert!(said.len() == 1 && said[0].contains(left_out), "{said:?}");
}

#[test]
fn what_only_rows_can_say_needs_rows() {
    let problems = |scenario: &str| {
        let files = folder(scenario, &[("a.csv", OPS)]);
        let examined = study::examine("scenario.yaml", &files, &Overrides::default(), &[]);
        examined
            .found
            .iter()
            .map(|f| format!("{} {}: {}", f.problem.code, f.problem.path, f.problem.message))
            .collect::<Vec<_>>()
    };
    let base = by_row("column(op other=skip)", "");
    for (from, to, phrase) in [
        (
            "trace(file=a.csv column=t)",
            "poisson(1/s)",
            "E-CONFLICT clients.a.operation: `operation` is about rows",
        ),
        ("read: {}", "read: {share: 20%}", "E-CONFLICT clients.a.operation: the rows say"),
        (
            "other=skip",
            "other=raed",
            "E-REF clients.a.operation: this client has no operation `raed`",
        ),
        ("column(op other=skip)", "column(op zz)", "no place for `zz`"),
        (
            "    to: s\n",
            "    to: s\n    session: [{do: read}]\n",
            "E-CONFLICT clients.a.operation: a session says",
        ),
        (
            "operations: {read: {}, write: {}}",
            "timeout: 1s",
            "E-CONFLICT clients.a.operation: there are no operations",
        ),
    ] {
        assert!(base.contains(from), "{from}");
        let found = problems(&base.replace(from, to));
        assert!(found.iter().any(|f| f.contains(phrase)), "{phrase}: {found:?}");
    }
}

#[test]
fn a_row_may_stand_for_several_requests() {
    let file = "t,n,k\n0,3,7\n1,0,8\n2,2,9\n";
    let trace = "trace(file=a.csv column=t count=n spread=1s)";
    let more = ", keys: trace(file=a.csv column=k), attributes: {k: column(k)}";
    let found = results(&one("3s", trace, more, "{work: 1ms * k, workers: 9}"), &[("a.csv", file)]);
    assert_eq!(number(&found, "summary.requests.ok"), 5.0);
    assert!((number(&found, "summary.latency.mean") - 0.0078).abs() < 1e-9);
    let said = told(&one("3s", trace, "", PLAIN), &[("a.csv", "t,n\n0,1.5\n")]);
    assert!(said[0].contains("1.5 is no number of requests"), "{said:?}");
}

#[test]
fn texts_tell_requests_apart() {
    let file = "t,tenant\n0,acme\n0.1,acme\n0.2,globex\n0.3,acme\n0.4,globex\n";
    let limit = "inbound: {rate_limit: fixed_window(limit=1 window=10s per=tenant)}";
    let more = ", attributes: {tenant: column(tenant)}";
    let found = results(
        &one("1s", "trace(file=a.csv column=t)", more, &format!("{{work: 1ms, {limit}}}")),
        &[("a.csv", file)],
    );
    assert_eq!(number(&found, "summary.requests.ok"), 2.0);
    assert_eq!(number(&found, "summary.requests.rate_limited"), 3.0);
}

#[test]
fn a_load_follows_a_file() {
    let load = |curve: &str, arrivals: &str| {
        one("120s", arrivals, &format!(", load: '{curve}'"), "{work: 1ms, workers: 9}")
    };
    // 600 in the first minute, 60 in the second.
    let file = "time,n\n2024-05-01 10:00:00,600\n2024-05-01 10:01:00,60\n";
    let curve = "curve(file=a.csv column=n unit=count time=time time_unit=datetime)";
    let found = results(&load(curve, "constant(1/s)"), &[("a.csv", file)]);
    assert_eq!(number(&found, "summary.requests.ok"), 659.0);
    let halves = results(
        &one("60s", "constant(1/s)", &format!(", load: '{curve}'"), PLAIN),
        &[("a.csv", file)],
    );
    assert_eq!(number(&halves, "summary.requests.ok"), 599.0);
    assert!(told(&load(curve, "constant(1/s)"), &[("a.csv", file)]).is_empty());
    // As Grafana exports a panel in Germany, a gap within.
    let grafana = "\u{feff}\"Time\";\"rps\"\n2024-05-01 10:00:00;5,5\n2024-05-01 10:00:30;\n2024-05-01 10:01:00;2,5\n";
    let curve = "curve(file=g.csv column=rps unit=/s time=Time time_unit=datetime separator=; decimal=comma bad=skip)";
    let found = results(&load(curve, "constant(1/s)"), &[("g.csv", grafana)]);
    assert_eq!(number(&found, "summary.requests.ok"), 5.5 * 60.0 + 2.5 * 60.0 - 1.0);
    let said = told(&load(curve, "poisson(2/s)"), &[("g.csv", grafana)]);
    assert!(
        said.iter()
            .any(|s| s.contains("1 of 3 rows of `g.csv` cannot be read") && s.contains("line 3")),
        "{said:?}"
    );
    assert!(said.iter().any(|s| s.contains("are multiplied by 2")), "{said:?}");
    let said = told(&load(&curve.replace(" bad=skip", ""), "poisson(1/s)"), &[("g.csv", grafana)]);
    assert!(said[0].contains("row 2 (line 3): an empty cell where a number is needed"), "{said:?}");
    for (curve, arrivals, phrase) in [
        (
            "curve(file=a.csv column=m unit=count every=1m)",
            "poisson(1/s)",
            "there is no column `m`",
        ),
        (
            "curve(file=a.csv column=n unit=/s every=10s)",
            "poisson(1/s)",
            "`a.csv` ends at 20s, the run goes on until 2m",
        ),
        ("curve(file=a.csv column=n unit=/s time=time)", "poisson(1/s)", "line 2"),
        ("curve(file=a.csv column=n every=1m scale=1G)", "poisson(9/s)", "E-BUDGET"),
    ] {
        let files = folder(&load(curve, arrivals), &[("a.csv", file)]);
        let examined = study::examine("scenario.yaml", &files, &Overrides::default(), &[]);
        let found: Vec<String> = examined
            .found
            .iter()
            .map(|f| format!("{}: {}", f.problem.code, f.problem.message))
            .collect();
        assert!(found.iter().any(|f| f.contains(phrase)), "{phrase}: {found:?}");
    }
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

#[test]
fn quantiles_are_read_from_files_as_they_are_written() {
    let run = |work: &str, file: &str| {
        let scenario = one("400s", "constant(10/s)", "", &format!("{{work: {work}, workers: 9}}"));
        results(&scenario, &[("q", file)])["summary"]["latency"].clone()
    };
    let wanted = run("quantiles(p0=1ms p50=3ms p90=9ms p100=40ms)", "");
    // With all that wrk2 prints around it, and as tables of two columns.
    let wrk = "Running 30s test @ http://127.0.0.1:8080/\n  2 threads and 100 connections\n  Detailed Percentile spectrum:\n       \
        Value   Percentile   TotalCount 1/(1-Percentile)\n\n       1.000     0.000000            1         1.00\n       \
        3.000     0.500000          500         2.00\n       9.000     0.900000          900        10.00\n      \
        40.000     1.000000         1000          inf\n#[Mean    =        4.1, StdDeviation   =        1.0]\n\
        ----------------------------------------------------------\n  1000 requests in 30.00s, 1.20MB read\n";
    let tables = [
        wrk,
        "percentile,ms\n0,1\n50,3\n90,9\n100,40\n",
        "p;ms\np0;1\np50;3\np90;9\np100;40\n",
        "1 0\n3 0.5\n9 0.9\n40 1\n",
        "quantile\tms\n0%\t1\n50%\t3\n90%\t9\n100%\t40\n",
    ];
    for file in tables {
        assert_eq!(run("quantiles(file=q unit=ms)", file), wanted, "{file}");
    }
    let said = told(
        &one("9s", "constant(10/s)", "", "{work: quantiles(file=q unit=ms), workers: 9}"),
        &[("q", "p,ms\n50,3\n90,many\n")],
    );
    assert!(
        said.iter().any(|s| s.contains("row 2 (line 3): `many` is not a finite number")),
        "{said:?}"
    );
}
