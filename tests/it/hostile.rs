//! Files that want too much: refused quickly, before they take memory.
//!
//! The numbers are those of `bad_input.rs`.

use std::{fs, process::Command, time::Duration};

use crate::bad_input::{Case, GOOD, check, examine, told};

const WORK: &str = "work: exp(mean=100ms)";

#[test]
fn hostile_sizes_are_refused_quickly() {
    let nested = |open: &str, n: usize| format!("a: {}", open.repeat(n));
    let deep_map: String = (0..5000).fold(String::new(), |mut text, depth: usize| {
        text.push_str(&" ".repeat(depth.min(300)));
        text.push_str("a:\n");
        text
    });
    for (number, text, code) in [
        ("B3", format!("# {}", "x".repeat(8 << 20)), "E-LIMIT"),
        ("B12", nested("[", 100_000), "E-DEPTH"),
        ("B12", nested("{a: ", 100_000), "E-DEPTH"),
        ("B12", nested("- ", 100_000), "E-YAML"),
        ("B12", "- ".repeat(100_000), "E-DEPTH"),
        ("B12", "? ".repeat(100_000), ""),
        ("B12", deep_map, "E-DEPTH"),
        ("B13", format!("slos: [{}]", "a,".repeat(1_100_000)), "E-LIMIT"),
        ("B13", format!("name: {}", "a".repeat(2_000_000)), ""),
        ("B13", format!("{}: 1", "a".repeat(2_000_000)), ""),
        ("B7", "a: 1\n".repeat(100_000), "E-DUP-KEY"),
    ] {
        let told = told(text.as_bytes());
        assert!(
            !told.is_empty() && told.iter().any(|line| line.contains(code)),
            "{number}: {:?}",
            &told[..1]
        );
        assert!(told.iter().all(|line| line.len() < 500), "{number}: what is told is short");
    }
}

#[test]
fn numbers_that_multiply_are_refused() {
    const RATE: &str = "poisson(9/s)";
    const END: &str = "to: server}";
    const CASES: &[Case] = &[
        ("B53", RATE, "poisson(1000000G/s)", "5:28 E-BUDGET", "lower rate"),
        ("B53", RATE, "poisson(1M/s batch=1000000)", "5:28 E-BUDGET", "about 1.0e14 requests"),
        ("B53", RATE, "closed(users=1000000000 think=1s)", "5:28 E-BUDGET", "4000000"),
        ("B53", RATE, "mmpp(1/s for 1ns; 2/s for 1ns)", "5:28 E-BUDGET", "longer stays"),
        ("B53", "100s", "100000d", "5:28 E-BUDGET", "shorter time"),
        (
            "B53",
            END,
            "to: server, load: {at: 50s, factor: 10000000}}",
            "5:28 E-BUDGET",
            "4.5e9 requests",
        ),
        (
            "B53",
            END,
            "to: server, load: {every: 1ns, at: 0s, factor: 2}}",
            "5:54 E-BUDGET",
            "longer period",
        ),
        ("B53", END, "to: server, keys: zipf(n=1000000000000000 s=0.9)}", "5:60 E-RANGE", "10^12"),
        (
            "B53",
            "cores: 1",
            "cores: 1, instances: 1000000000000",
            "6:49 E-BUDGET",
            "limit of 60000",
        ),
        ("B53", "cores: 1", "cores: 1000000000000", "6:35 E-BUDGET", "limit of"),
        ("B53", "cores: 1", "workers: 1000000000000", "6:37 E-BUDGET", "limit of"),
        (
            "B53",
            WORK,
            "endpoints: {default: [{repeat: {times: 1001, do: [{repeat: {times: 1000, do: [{mark: m}]}}]}}]}",
            "6:105 E-BUDGET",
            "1001000 rounds in one visit",
        ),
    ];
    check(CASES);
}

#[test]
fn lists_that_multiply_are_refused() {
    let list =
        |n: usize, one: &dyn Fn(usize) -> String| (0..n).map(one).collect::<Vec<_>>().join(", ");
    let node = "{service: {cores: 1, work: exp(mean=100ms)}}";
    let zones = list(501, &|i| format!("r{i}: [z{i}]"));
    let links = list(50, &|i| format!("{{from: r{i}, to: r, latency: 1ms}}"));
    let steps = "{all: [[], [], [], [], [], [], [], [], [], []]}, ".repeat(1820);
    let (end, many) = ("to: server}", "clients:");
    for (old, new, phrase) in [
        (node, "{store: {read: 1ms, shards: {count: 1000000000}}}".to_owned(), "limit of 60000"),
        (many, format!("topology: {{regions: {{{zones}}}}}\nclients:"), "501 zones"),
        (
            many,
            format!("topology: {{regions: {{r: [a]}}}}\nnetwork: {{links: [{links}]}}\nclients:"),
            "E-REF",
        ),
        (
            end,
            format!("to: server, attributes: {{{}}}}}", list(1001, &|i| format!("a{i}: 1"))),
            "1001 attributes",
        ),
        (
            end,
            format!("to: server, session: [{}]}}", list(20_001, &|_| "{do: default}".to_owned())),
            "20001 steps",
        ),
        (
            end,
            format!(
                "to: server, load: [{}]}}",
                list(2001, &|i| format!("{{at: {i}ms, factor: 2}}"))
            ),
            "2001 steps",
        ),
        (WORK, format!("endpoints: {{default: [{steps}]}}"), "20021 steps and branches"),
        (
            WORK,
            format!("endpoints: {{default: [{}]}}", list(1001, &|i| format!("{{mark: m{i}}}"))),
            "1001 marks",
        ),
        (WORK, format!("work: {}", vec!["1ms"; 2000].join("+")), "longer than 4096"),
        (
            "name: mm1",
            format!("name: mm1\nslos: [{}]", list(1001, &|i| format!("p99(latency) < {}s", i + 1))),
            "1001 expressions",
        ),
        (
            "nodes: {",
            format!(
                "nodes: {{{}, ",
                list(4, &|i| format!("n{i}: {{service: {{instances: 60000}}}}"))
            ),
            "240001 instances",
        ),
    ] {
        let told = told(GOOD.replacen(old, &new, 1).as_bytes());
        let mut errors = told.iter().filter(|line| line.contains(" E-"));
        assert!(
            errors.any(|line| line.contains(phrase)),
            "{phrase}: {:?}",
            &told[..told.len().min(3)]
        );
    }
}

/// The longest such file is a megabyte: many names that are unknown, each compared with many.
#[test]
fn thousands_of_mistakes_are_told_quickly() {
    let nodes: String =
        (0..5000).map(|i| format!("  node-{i}: {{service: {{calls: [mode-{i}]}}}}\n")).collect();
    let start = GOOD.find("nodes:").unwrap();
    let told = told(format!("{}nodes:\n{nodes}", &GOOD[..start]).as_bytes());
    assert_eq!(told.len(), 1000, "no more than anybody reads");
    let near = told.iter().filter(|line| line.contains("did you mean")).count();
    assert!(near < 1000 && told[1].contains("unknown node `mode-0`"), "{:?}", &told[..3]);
}

/// With an address space of 400 MB, which is below what such files ask for.
#[cfg(target_os = "linux")]
#[test]
fn hostile_files_are_refused_in_little_memory_and_time() {
    let w = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(w.path().join(name), text).unwrap();
    fs::File::create(w.path().join("gigabyte.yaml")).unwrap().set_len(1 << 30).unwrap();
    let mut aliases = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (this, last) in ('b'..='i').zip('a'..) {
        aliases += &format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 9].join(", "));
    }
    write("aliases.yaml", &aliases);
    write("deep.yaml", &"{a: ".repeat(250_000));
    write("users.yaml", &GOOD.replace("poisson(9/s)", "closed(users=1000000000 think=1s)"));
    write("instances.yaml", &GOOD.replace("cores: 1", "instances: 1000000000000"));
    write(
        "keys.yaml",
        &GOOD.replace("to: server", "to: server, keys: uniform(n=1000000000000000)"),
    );
    write("loops.yaml", &GOOD.replace("work: exp(mean=100ms)", "endpoints: {default: [{repeat: {times: 1000000, do: [{repeat: {times: 1000000, do: [{mark: m}]}}]}}]}"));
    let others = fs::read_dir(w.path()).unwrap().count();
    for (file, code) in [
        ("gigabyte.yaml", "E-LIMIT"),
        ("aliases.yaml", "E-ALIAS"),
        ("deep.yaml", "E-DEPTH"),
        ("users.yaml", "E-BUDGET"),
        ("instances.yaml", "E-BUDGET"),
        ("keys.yaml", "E-RANGE"),
        ("loops.yaml", "E-BUDGET"),
    ] {
        let program = env!("CARGO_BIN_EXE_windtunnel");
        let mut child = Command::new("sh");
        child.current_dir(w.path()).arg("-c");
        child.arg(format!("ulimit -v 400000 && exec {program} run --jobs 1 {file}"));
        let ran =
            assert_cmd::Command::from_std(child).timeout(Duration::from_secs(10)).output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(2), "{file}: {said}");
        assert!(said.contains(code), "{file}: {said}");
        assert_eq!(
            fs::read_dir(w.path()).unwrap().count(),
            others,
            "{file}: something was written"
        );
    }
}

#[test]
fn work_is_estimated_over_all_hops() {
    let nodes = "nodes:
  server: {service: {endpoints: {default: [{repeat: {times: 3, do: [{call: a}]}}]}}}
  a: {service: {cores: 1, queue: 100, work: 1ms, calls: [b], dependencies: {b: {retry: {attempts: 20}}}}}
  b: {external: {latency: 1ms}}
";
    let start = GOOD.find("nodes:").unwrap();
    let text = format!("{}{nodes}", &GOOD[..start]);
    let found = |text: &str| -> Vec<String> {
        let (_, found) = examine(text.as_bytes());
        let other = found.iter().filter(|f| f.problem.code != "W-OVERLOAD");
        other.map(|f| format!("{} {}", f.problem.code, f.problem.message)).collect()
    };
    assert_eq!(found(&text), Vec::<String>::new());
    // 1 + 3 + 3 visits of 4 events each: 3.6e8 requests fit, 4e8 do not.
    assert_eq!(found(&text.replace("9/s", "3500k/s")), Vec::<String>::new());
    let refused = found(&text.replace("9/s", "4M/s"));
    assert!(refused[0].starts_with("E-BUDGET about 1.1e10 events in 100 s"), "{refused:?}");
    // 20 attempts at `a`, times 60 at the client.
    let retried = text.replace("to: server}", "to: server, retry: {attempts: 60}}");
    let refused = found(&retried);
    let message = "E-RETRY-BOMB one request can cause 1200 attempts at the end of \
                   load -> server -> a -> b; the limit is 1000";
    assert_eq!(refused, [message]);
}
