//! The shipped scenarios: each is sound with all its variants, runs, keeps its books, and gives the
//! numbers it gave before.
//!
//! That issued requests are all accounted for, and that Little's law holds exactly at every node, is
//! asserted by the simulation itself at the end of every run; here it is checked once more from
//! what `results.json` says.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, sync::atomic::AtomicBool};

use serde_json::Value;
use windtunnel::{
    engine::random::hash_str,
    report::{
        explain_text, mermaid, openmetrics, otlp, perfetto, summary_text, waterfalls_text,
        write_all,
    },
    results::{Estimate, RequestCounts, RequestFigures, Results, Watched},
    scenario::load::{Files, Overrides},
};

use crate::theory::oracles::run::{open, run, simulate};

/// Every shipped scenario with the duration and warm-up of its small run.
const SCENARIOS: &[(&str, &str, &str)] = &[
    ("active-passive", "250s", "150s"),
    ("autoscaler-too-late", "450s", "250s"),
    ("balanced-tier", "20s", "2s"),
    ("blue-green", "260s", "30s"),
    ("burn-rates", "8d", "0s"),
    ("cache-aside-shop", "20s", "5s"),
    ("cache-penetration", "20s", "5s"),
    ("cache-policies", "30242ms", "0s"),
    ("cache-stampede", "25s", "4s"),
    ("cache-tiers", "122s", "118s"),
    ("canary", "200s", "60s"),
    ("cap/bit-rot", "90s", "10s"),
    ("cap/eventually", "60s", "5s"),
    ("cap/fast-clock", "80s", "10s"),
    ("cap/fill-race", "40s", "5s"),
    ("cap/leased-lock", "125s", "10s"),
    ("cap/oversold", "150s", "10s"),
    ("cap/partition", "80s", "10s"),
    ("cap/read-your-writes", "60s", "5s"),
    ("cap/region-loss", "120s", "10s"),
    ("cap/resharding-at-noon", "210s", "60s"),
    ("cap/sloppy-carts", "130s", "10s"),
    ("cap/two-continents", "90s", "10s"),
    ("catch-up", "10m", "30s"),
    ("circuit-breaker", "70s", "50s"),
    ("closed-loop-users", "10m", "1m"),
    ("cold-starts", "45m", "15m"),
    ("cpu-quota", "60s", "10s"),
    ("cross-zone-cache", "15s", "5s"),
    ("daily-load", "2h", "10m"),
    ("dead-letters", "200s", "10s"),
    ("dns-failover", "250s", "150s"),
    ("fan-out-tail", "30s", "2s"),
    ("fire-and-forget", "135s", "110s"),
    ("flapping", "400s", "60s"),
    ("gray-failure", "70s", "50s"),
    ("hedged-requests", "30s", "20s"),
    ("hot-key", "10s", "5s"),
    ("inference-batching", "70s", "20s"),
    ("last-backup", "14h", "0s"),
    ("llm-serving", "300s", "20s"),
    ("lock-contention", "40s", "10s"),
    ("log-acks", "170s", "10s"),
    ("memory-leak", "310s", "250s"),
    ("nightly-batch", "140m", "110m"),
    ("noisy-neighbour", "70s", "50s"),
    ("outbox", "200s", "10s"),
    ("overload-control", "70s", "50s"),
    ("pool-deadlock", "120s", "90s"),
    ("pub-sub", "220s", "10s"),
    ("quiet-resets", "30m", "10m"),
    ("rebalance", "400s", "10s"),
    ("repair-crews", "400d", "0s"),
    ("resharding", "130s", "110s"),
    ("resize", "25m", "10m"),
    ("retries-and-timeouts", "100s", "10s"),
    ("retry-elsewhere", "100s", "10s"),
    ("right-size", "12s", "2s"),
    ("router-queue", "60s", "20s"),
    ("saga", "225s", "195s"),
    ("scale-to-zero", "10h", "7h"),
    ("scatter-gather", "70s", "50s"),
    ("search-index", "450s", "400s"),
    ("shared-uplink", "5m", "1m"),
    ("single-server", "2000s", "100s"),
    ("sleep-before-stop", "60s", "10s"),
    ("slow-reports", "130s", "20s"),
    ("spot-crunch", "800s", "500s"),
    ("stale-on-error", "150s", "100s"),
    ("static-stability", "650s", "570s"),
    ("stop-the-world", "60s", "20s"),
    ("throttled-burst", "90s", "30s"),
    ("too-many-connections", "150s", "100s"),
    ("transfer", "140s", "10s"),
    ("transfer-failover", "80s", "10s"),
    ("tree-walk", "110s", "80s"),
    ("trip-booking", "250s", "10s"),
    ("two-regions", "20s", "2s"),
    ("url-shortener", "12s", "2s"),
    ("w1-mm1", "20000s", "1000s"),
    ("w2-lb-tier", "2s", "500ms"),
    ("w4-quorum", "4s", "1s"),
    ("where-it-breaks", "100s", "20s"),
    ("write-behind", "125s", "110s"),
    ("years-of-outages", "20d", "0s"),
    ("yesterdays-log", "190s", "0s"),
    ("zone-loss", "130s", "110s"),
];

/// Those with a story of their own without a fault: changes of load, instances that come and go, a popular page that expires.
const CHANGING: &[&str] = &[
    "cache-stampede",
    "cold-starts",
    "daily-load",
    "flapping",
    "memory-leak",
    "nightly-batch",
    "quiet-resets",
    "resize",
    "retries-and-timeouts",
    "scale-to-zero",
    "throttled-burst",
    "where-it-breaks",
    "yesterdays-log",
];

/// Those whose page is held as it is after a run of one replication, with single requests and what was seen around faults.
const ALONE: &[&str] = &[
    "balanced-tier",
    "blue-green",
    "cache-stampede",
    "cap/eventually",
    "cap/fast-clock",
    "cap/region-loss",
    "circuit-breaker",
    "cold-starts",
    "dead-letters",
    "gray-failure",
    "llm-serving",
    "memory-leak",
    "outbox",
    "pub-sub",
    "retry-elsewhere",
    "scatter-gather",
    "shared-uplink",
    "slow-reports",
    "spot-crunch",
    "stop-the-world",
    "throttled-burst",
    "tree-walk",
    "trip-booking",
    "two-regions",
    "zone-loss",
];

pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).map_err(|e| e.to_string())
    }
}

fn path(name: &str) -> String {
    format!("scenarios/{name}.yaml")
}

fn small(duration: &str, warm_up: &str) -> Overrides {
    let sets = vec![format!("duration={duration}"), format!("warm_up={warm_up}")];
    Overrides { sets, ..Overrides::default() }
}

fn small_run(name: &str, duration: &str, warm_up: &str) -> Results {
    run(&path(name), &Disk, &small(duration, warm_up), 2)
}

#[test]
fn the_table_lists_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut names: Vec<String> = Vec::new();
    for (within, folder) in [("", folder.clone()), ("cap/", folder.join("cap"))] {
        let files =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let stems = files.filter_map(|f| f.strip_suffix(".yaml").map(|f| format!("{within}{f}")));
        names.extend(stems);
    }
    names.sort();
    assert_eq!(names, SCENARIOS.iter().map(|s| s.0.to_owned()).collect::<Vec<_>>());
}

#[test]
fn each_says_its_question_what_it_leaves_out_and_where_to_look() {
    for (name, ..) in SCENARIOS {
        let text = String::from_utf8(Disk.read(&path(name)).unwrap()).unwrap();
        assert_commented(name, &text);
    }
}

pub(crate) fn assert_commented(name: &str, text: &str) {
    let comment: Vec<&str> = text.lines().take_while(|l| l.starts_with('#')).collect();
    assert!(comment[0].ends_with('?') || comment[0].contains("? "), "{name}: {}", comment[0]);
    for part in ["# Leaves out: ", "# Look at: "] {
        assert!(comment.iter().any(|l| l.starts_with(part)), "{name}: no `{part}`");
    }
}

#[test]
fn each_variant_is_sound() {
    for (name, ..) in SCENARIOS {
        let base = open(&path(name), &Disk, &Overrides::default());
        for (variant, _) in base.variants {
            let overrides = Overrides { variant: Some(variant), ..Overrides::default() };
            open(&path(name), &Disk, &overrides);
        }
    }
}

#[test]
fn those_beside_real_servers_are_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("validation/real");
    let files =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let scenarios: Vec<String> = files.filter(|f| f.ends_with(".yaml")).collect();
    assert!(scenarios.len() >= 9, "{scenarios:?}");
    for name in scenarios {
        let path = format!("validation/real/{name}");
        open(&path, &Disk, &Overrides::default());
    }
}

fn assert_books(name: &str, results: &Results) {
    let clients = results.clients.values();
    let operations = clients.clone().flat_map(|c| c.operations.values());
    let blocks = clients.map(|c| &c.figures).chain(operations).chain([&results.summary.figures]);
    for block in blocks {
        assert_accounted(name, &block.requests);
    }
    let issued = |figures: &RequestFigures| figures.requests.issued;
    let by_client: u64 = results.clients.values().map(|c| issued(&c.figures)).sum();
    assert_eq!(by_client, issued(&results.summary.figures), "{name}");
    assert!(by_client > 0, "{name}: nothing happened");
    // Without a fault or a change of load there is no story.
    if results.faults.is_empty() && !CHANGING.contains(&name) {
        let told: Vec<&String> = results.timeline.events.iter().map(|e| &e.text).collect();
        assert!(told.is_empty(), "{name}: {told:?}");
    }
}

/// A page is attached to a mail.
pub(crate) fn assert_small(name: &str, page: u64) {
    assert!((100_000..700_000).contains(&page), "{name}: its page has {page} bytes");
}

fn assert_accounted(name: &str, r: &RequestCounts) {
    let refused = r.rejected + r.shed + r.rate_limited + r.breaker_open + r.unavailable;
    let decided = r.ok + r.degraded + r.timeout + r.error + refused;
    assert_eq!(r.issued, decided + r.in_flight, "{name}: {r:?}");
}

/// A change of a golden file is a change of numbers: it needs a line in CHANGELOG.md, with its cause. A change of
/// fingerprints alone is another order of the same events, or other names for them. Where `told`, a picture or a page changes
/// and no number does, it is told otherwise: read it, or look at it. `parts` says which parts of results and pages are as they
/// were, to the last digit, also where nothing of them is listed.
#[test]
fn each_keeps_its_books_and_gives_what_it_gave() {
    let (mut fingerprints, mut pictures, mut parts) = (String::new(), String::new(), String::new());
    for (name, duration, warm_up) in SCENARIOS {
        let results = small_run(name, duration, warm_up);
        assert_books(name, &results);
        for (file, bytes) in write_all(&results, &Watched::default()) {
            let text = String::from_utf8(bytes).expect("files are text");
            match file.as_str() {
                "report.html" => parts_of_page(&mut parts, name, &text),
                "results.json" => {
                    let all: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
                    for (key, value) in all.iter().filter(|(key, _)| !SAID.contains(&key.as_str()))
                    {
                        part(&mut parts, (name, key), &value.to_string());
                    }
                }
                _ => {
                    let drawn = hash_str(0, &text);
                    writeln!(pictures, "{name} {file} {drawn:016x}").expect("a text grows");
                }
            }
        }
        let told = format!("{}\n{}", summary_text(&results, 100), explain_text(&results, 100));
        insta::with_settings!({snapshot_suffix => *name, prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!("told", told);
        });
        writeln!(fingerprints, "{name} {}", results.fingerprint).expect("a text grows");
        insta::with_settings!({snapshot_suffix => *name, prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!("golden", golden(&results));
        });
    }
    insta::with_settings!({prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("fingerprints", fingerprints);
        insta::assert_snapshot!("pictures", pictures);
        insta::assert_snapshot!("parts", parts);
    });
}

/// What one replication cannot know it does not say; who looks at a replication again sees the same requests and messages.
#[test]
fn alone_and_watched_each_is_told_as_it_was() {
    let mut parts = String::new();
    for (name, duration, warm_up) in SCENARIOS.iter().filter(|s| ALONE.contains(&s.0)) {
        let study = open(&path(name), &Disk, &small(duration, warm_up));
        let stop = AtomicBool::new(false);
        let results = study.run(1, &stop).unwrap().results;
        let watched = study.usual(&results, &[], &stop).unwrap();
        let mut plots = String::new();
        for (file, bytes) in write_all(&results, &watched) {
            let text = String::from_utf8(bytes).expect("files are text");
            match file.as_str() {
                "report.html" => parts_of_page(&mut parts, name, &text),
                "results.json" => {}
                _ if file.starts_with("plots/") => plots.push_str(&text),
                _ => part(&mut parts, (name, &file), &text),
            }
        }
        part(&mut parts, (name, "plots"), &plots);
        let exports = [
            ("otlp", otlp(&results, &watched.waterfalls)),
            ("perfetto", perfetto(&results, &watched.waterfalls)),
            ("openmetrics", openmetrics(&results)),
            ("mermaid", mermaid(&results)),
        ];
        for (of, bytes) in exports {
            let text = String::from_utf8(bytes).expect("exports are text");
            part(&mut parts, (name, of), &text.replace(env!("CARGO_PKG_VERSION"), ""));
        }
        part(&mut parts, (name, "requests"), &waterfalls_text(&watched.waterfalls, 100));
        part(&mut parts, (name, "summary"), &summary_text(&results, 72));
        part(&mut parts, (name, "explain"), &explain_text(&results, 72));
    }
    insta::with_settings!({prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("alone", parts);
    });
}

/// The page, of which it is shown that it is small.
fn parts_of_page(parts: &mut String, name: &str, text: &str) {
    assert_small(name, text.len() as u64);
    let (page, data) = page_and_data(text);
    part(parts, (name, "page"), &page);
    part(parts, (name, "page.data"), &data);
}

/// Parts of results that the file, the program or another snapshot says.
const SAID: [&str; 10] = [
    "confidence",
    "data",
    "description",
    "duration",
    "fingerprint",
    "scenario",
    "seeds",
    "semantics_version",
    "warm_up",
    "windtunnel_version",
];

fn part(all: &mut String, (name, of): (&str, &str), text: &str) {
    writeln!(all, "{name} {of} {:08x}", hash_str(0, text) >> 32).expect("a text grows");
}

/// The text of a page without scripts and styles, which are files of their own, and the data of its script.
fn page_and_data(html: &str) -> (String, String) {
    let (_, data) = html.split_once("id=\"data\">").unwrap();
    let data = data.split_once("</script>").unwrap().0.to_owned();
    let (_, mut rest) = html.split_once("<body").unwrap();
    let mut page = String::new();
    while let Some((before, script)) = rest.split_once("<script") {
        page.push_str(before);
        rest = script.split_once("</script>").unwrap().1;
    }
    page.push_str(rest);
    (page, data)
}

fn golden(results: &Results) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: String| {
        writeln!(text, "{what} {value}").expect("a text grows");
    };
    line("requests", format!("{:?}", results.summary.figures.requests));
    let s = &results.summary.figures;
    let figures = [
        ("availability", s.availability),
        ("goodput", s.goodput),
        ("attempts_per_request", s.attempts_per_request),
        ("latency.mean", s.latency.mean),
        ("latency.p50", s.latency.p50),
        ("latency.p99", s.latency.p99),
        ("latency.max", s.latency.max),
    ];
    for (what, estimate) in figures {
        line(what, six(estimate));
    }
    for (mark, latency) in &s.marks {
        line(&format!("marks.{mark}.p99"), six(latency.p99));
    }
    for (name, node) in &results.nodes {
        line(&format!("{name}.utilisation"), six(node.utilisation));
        line(&format!("{name}.in_queue"), six(node.in_queue));
        line(&format!("{name}.response_time.p99"), six(node.response_time.p99));
        line(&format!("{name}.outcomes"), format!("{:?}", node.outcomes));
        if !node.causes.is_empty() {
            let causes: BTreeMap<_, _> = node.causes.iter().map(|(c, n)| (c.name(), n)).collect();
            line(&format!("{name}.causes"), format!("{causes:?}"));
        }
        if let Some(cache) = &node.cache {
            line(&format!("{name}.hit_ratio"), six(cache.hit_ratio));
        }
        if let Some(seen) = &node.consistency {
            line(&format!("{name}.stale_read_fraction"), six(seen.stale_read_fraction));
            line(&format!("{name}.lost_acked_writes"), six(seen.lost_acked_writes));
            line(&format!("{name}.linearizable"), format!("{:?}", seen.linearizable));
        }
    }
    for fault in &results.faults {
        let id = &fault.id;
        line(&format!("{id}.availability_during"), six(fault.availability_during));
        line(&format!("{id}.time_to_recover"), six(fault.time_to_recover));
        let aftermath = fault.aftermath.map(|what| what.to_string());
        line(&format!("{id}.aftermath"), format!("{aftermath:?}"));
    }
    for slo in &results.slos {
        line(&slo.expression, format!("{} {}", six(slo.estimate), slo.verdict));
    }
    text
}

/// Six significant digits: what must not change by accident, and not what rounding may.
fn six(estimate: Estimate) -> String {
    estimate.value.map_or("none".to_owned(), |x| format!("{x:.5e}"))
}

#[test]
fn the_example_of_the_readme_runs() {
    let readme = String::from_utf8(Disk.read("README.md").unwrap()).unwrap();
    let example = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let short = example.replace("duration: 5m", "duration: 40s");
    assert_ne!(short, example, "the example says its duration");
    let summary = &simulate(&short, 2).merged["summary"];
    assert!(summary["requests"]["ok"].as_u64() > Some(1000), "{summary}");
}
