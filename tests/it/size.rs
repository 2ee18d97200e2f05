//! `windtunnel size`: the cheapest setting against brute force, the largest load against Erlang, what is full first, and
//! what is refused.

use std::{env, fs, path::Path, sync::atomic::AtomicBool};

use serde_json::Value;
use windtunnel::{
    scenario::load::Overrides,
    size::{Loading, Sizing},
    study::{Alone, Looks},
};

use crate::{
    bad_input::{Case, check_in},
    cli::{Ran, windtunnel, workspace},
    theory::oracles::run::open,
};

/// Two tiers, each with a price: 20 x 10 settings.
const TIERS: &str = "windtunnel: 1
name: tiers
duration: 6s
warm_up: 1s
seed: 5
clients: {shop: {arrivals: poisson(250/s), to: api, timeout: 1s}}
nodes:
  api:
    service:
      cores: 1
      price: $0.05/h
      endpoints: {default: [{work: exp(mean=10ms)}, {call: db}]}
  db: {service: {cores: 2, price: $0.21/h, work: exp(mean=10ms)}}
slos: [p99(latency) <= 250ms, availability >= 99%]
size:
  knobs: {nodes.api.service.instances: 1..20, nodes.db.service.instances: 1..10}
  minimise: cost.per_month
";

fn overrides(sets: Vec<String>) -> Overrides {
    Overrides { sets, ..Overrides::default() }
}

/// One setting judged by itself, as `check` does: whether it passes, and what it costs.
fn alone(text: &str, sets: Vec<String>, looks: Looks) -> (bool, f64) {
    let study = open(Alone::PATH, &Alone(text), &overrides(sets));
    let checked = study.check(looks, &AtomicBool::new(false)).unwrap();
    let cost = checked.results.summary.cost.unwrap().per_month.value.unwrap();
    (format!("{:?}", checked.verdict) == "Pass", cost)
}

#[allow(clippy::print_stdout, reason = "how few it took stands beside the verdict")]
#[test]
fn the_cheapest_of_two_hundred_settings_is_that_of_brute_force() {
    let looks = Looks::One(6);
    let mut sizing = Sizing::open(Alone::PATH, &Alone(TIERS), &Overrides::default()).unwrap();
    let mut found = None;
    while let Some(sets) = sizing.asks() {
        let study = open(Alone::PATH, &Alone(TIERS), &overrides(sets.clone()));
        let (checked, cost) = study.sized(looks, &AtomicBool::new(false)).unwrap();
        // The same as by itself: settings share their seeds and nothing else.
        let step = sizing.tell(&checked, cost);
        assert_eq!(step.cost, checked.results.summary.cost.as_ref().unwrap().per_month.value);
        if sizing.sized().search.best().is_some() {
            found = sizing.sized().best().map(|best| best.setting.clone());
        }
    }
    let sized = sizing.sized();
    let mut cheapest: Option<(f64, Vec<String>)> = None;
    for api in 1..=20 {
        for db in 1..=10 {
            let sets = vec![
                format!("nodes.api.service.instances={api}"),
                format!("nodes.db.service.instances={db}"),
            ];
            let (passes, cost) = alone(TIERS, sets, looks);
            if passes && cheapest.as_ref().is_none_or(|(least, _)| cost < *least) {
                cheapest = Some((cost, vec![api.to_string(), db.to_string()]));
            }
        }
    }
    let (steps, all) = (sized.steps.len(), sized.search.grid().len());
    println!("{steps} of {all} settings simulated: {found:?}, by brute force {cheapest:?}");
    assert_eq!(found, cheapest.map(|(_, setting)| setting));
    assert!(all == 200 && steps <= 20, "{steps}");
    assert!(sized.doubted > 0);
    // With one less of each it does not do.
    let breaks = sized.breaks();
    assert_eq!(breaks.len(), 2);
    for (knob, step) in breaks {
        let why = step.why().unwrap_or_else(|| panic!("{}", knob.name));
        assert!(!why.expression.is_empty());
    }
}

/// The share that waits in M/M/c where so many are kept busy: the terms of the Poisson law themselves.
fn waits(c: i32, busy: f64) -> f64 {
    let term = |k: i32| (1..=k).fold(1.0, |term, i| term * busy / f64::from(i));
    let all = term(c) * f64::from(c) / (f64::from(c) - busy);
    all / ((0..c).map(term).sum::<f64>() + all)
}

/// The rate at which M/M/4 with work of 10 ms has this figure of its waits, by bisection.
fn rate_of(limit: f64, figure: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (1.0, 399.9);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if figure(middle) < limit { low = middle } else { high = middle }
    }
    low
}

#[allow(clippy::print_stdout, reason = "how near it came stands beside the verdict")]
#[test]
fn the_largest_load_of_four_servers_is_that_of_erlang() {
    let mean = |rate: f64| waits(4, rate * 0.01) * 0.01 / (4.0 - rate * 0.01);
    // One in twenty waits longer than t: C exp(-(c - a) t / s) = 5 %.
    let late = |rate: f64| waits(4, rate * 0.01) * (-(4.0 - rate * 0.01) * 0.02 / 0.01).exp();
    for (objective, wanted) in [
        ("nodes.server.waiting_time.mean <= 5ms", rate_of(0.005, mean)),
        ("p95(waiting_time node=server) <= 20ms", rate_of(0.05, late)),
    ] {
        let text = format!(
            "windtunnel: 1\nname: mm4\nduration: 170s\nwarm_up: 10s\nseed: 3\n\
             clients: {{load: {{arrivals: poisson(200/s), to: server}}}}\n\
             nodes: {{server: {{service: {{cores: 4, work: exp(mean=10ms)}}}}}}\nslos: [{objective}]\n"
        );
        let none = Overrides::default();
        let mut loading = Loading::open(Alone::PATH, &Alone(&text), &none, None).unwrap();
        while let Some(sets) = loading.asks() {
            let study = open(Alone::PATH, &Alone(&text), &overrides(sets));
            let looks = Looks::One(20);
            loading.tell(&study.check(looks, &AtomicBool::new(false)).unwrap());
        }
        let loads = loading.loads();
        let rate = 200.0 * loads.met.unwrap().0;
        println!("{objective}: {rate} /s, Erlang {wanted} /s, in {} steps", loads.steps.len());
        assert!((rate / wanted - 1.0).abs() < 0.02, "{objective}: {rate}, Erlang {wanted}");
        assert!(loads.missed.unwrap().0 <= loads.met.unwrap().0 * 1.0101);
        let full = loads.full().unwrap();
        assert_eq!((full.node.as_str(), full.resource.as_str()), ("server", "cores"));
    }
}

fn sized(file: &str, arguments: &str) -> Ran {
    windtunnel(Path::new(env!("CARGO_MANIFEST_DIR")), &format!("size {file} {arguments}"))
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr))
}

#[test]
fn what_is_full_first_is_named_and_doubled() {
    for (file, node, resource, path) in [
        ("retries-and-timeouts", "api", "cores", Some("nodes.api.service.cores")),
        ("lock-contention", "orders", "lock:table", None),
        ("right-size", "api", "cores", Some("nodes.api.service.cores")),
    ] {
        let ran = sized(&format!("scenarios/{file}.yaml"), "--break --format json -n 3");
        let found = json(&ran);
        assert_eq!(ran.code, 0, "{file}: {found}");
        let full = &found["resource"];
        assert_eq!(
            (full["node"].as_str(), full["resource"].as_str()),
            (Some(node), Some(resource))
        );
        let load = found["load"].as_f64().unwrap();
        assert!(found["missed"].as_f64().unwrap() <= load * 1.0101, "{found}");
        assert_eq!(found["doubled"]["path"].as_str(), path, "{file}");
        if path.is_some() {
            let more = found["doubled"]["load"].as_f64().unwrap();
            assert!(more > 1.2 * load, "{file}: {load}, twice {more}");
        }
    }
}

/// Written into a folder of its own and sized there.
fn of_text(text: &str, arguments: &str) -> Ran {
    let folder = workspace();
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    windtunnel(folder.path(), &format!("size a.yaml {arguments}"))
}

/// One tier, quick to simulate.
const ONE: &str = "windtunnel: 1
name: one
duration: 6s
warm_up: 1s
clients: {shop: {arrivals: poisson(250/s), to: api, timeout: 1s}}
nodes: {api: {service: {instances: 4, cores: 1, work: exp(mean=10ms)}}}
slos: [p99(latency) <= 105ms]
size: {knobs: {nodes.api.service.instances: 1..12}}
";

#[test]
fn each_way_to_end_has_its_words_and_its_exit_code() {
    let ran = of_text(ONE, "-n 40");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(
        ran.stdout.starts_with("a.yaml: 12 settings of api.instances 1 to 12; the least by places")
    );
    assert!(ran.stdout.contains("offered more work than there are cores"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\nThe least: api.instances "), "{}", ran.stdout);
    assert!(ran.stdout.contains(": breaks p99(latency) <= 105ms: "), "{}", ran.stdout);
    let found = json(&of_text(ONE, "-n 40 --format json"));
    let least = found["settings"]["nodes.api.service.instances"].as_u64().unwrap();
    let at = |step: &Value| step["settings"]["nodes.api.service.instances"].as_u64().unwrap();
    assert_eq!(at(&found["breaks"][0]), least - 1);
    for step in found["steps"].as_array().unwrap() {
        assert_eq!(step["replications"], 40);
        assert_eq!(step["verdict"] == "pass", at(step) >= least, "{step}");
    }
    // Too few in any case: what is missed with most of them, and what that waits for.
    let ran = of_text(ONE, "-n 6 --knob nodes.api.service.instances=1..2");
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    for told in [
        "No setting meets",
        "with api.instances 2:",
        "FAIL, p99(latency) <= 105ms",
        "nearest to its limit: cores of api",
        "a longer range of api.instances may do",
    ] {
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
    }
    let other = of_text(ONE, "-n 6 --knob clients.shop.timeout=[10ms,20ms]");
    assert!(other.code == 1 && other.stdout.contains("no knob is of api"), "{}", other.stdout);
    // Nobody can say from two replications.
    let open = ONE.replace("p99(latency) <= 105ms", "mean(latency) <= 11.6ms");
    let open = open.replace("1..12", "[12]");
    let ran = of_text(&open, "-n 2");
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    assert!(ran.stdout.contains("No setting is shown to meet"), "{}", ran.stdout);
    let ran = of_text(ONE, "--max-events 1000");
    assert!(ran.code == 4 && ran.stderr.contains("limit"), "{}", ran.stderr);
    // Nothing is printed but what is asked for.
    assert_eq!(of_text(ONE, "-n 2 --quiet").stdout, "");
}

#[test]
fn threads_change_nothing() {
    for arguments in ["-n 6 --format json", "-n 6 --break", "-n 6 --break shop --format json"] {
        let [one, two] =
            ["1", "2"].map(|jobs| of_text(ONE, &format!("{arguments} --jobs {jobs}")).stdout);
        assert!(!one.is_empty() && one == two, "{arguments}");
    }
}

#[test]
fn what_speaks_against_the_order_is_said() {
    // Each instance asks the store for something of its own ten times a second: the more of them, the longer all wait.
    let text = TIERS
        .replace(
            "nodes.api.service.instances: 1..20, nodes.db.service.instances: 1..10",
            "nodes.api.service.instances: 1..9",
        )
        .replace("poisson(250/s)", "poisson(10/s)")
        .replace("cores: 2, price", "cores: 1, price")
        .replace("exp(mean=10ms)}, {call", "1ms}, {call")
        .replace("cores: 1\n", "cores: 1\n      background: [{every: 100ms, do: [{call: db}]}]\n")
        .replace("<= 250ms", "<= 75ms")
        .replace("duration: 6s", "duration: 60s");
    let ran = of_text(&text, "-n 6");
    assert!(
        ran.code == 0 && ran.stdout.contains("which has no less of anything"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("\nThe least: api.instances 1, $"), "{}", ran.stdout);
    assert!(json(&of_text(&text, "-n 6 --format json"))["contradiction"].is_string());
    // What only a simulation knows is measured of every setting.
    let ran = of_text(ONE, "-n 6 --minimise mean(latency)");
    assert!(ran.code == 0 && ran.stdout.contains("only a simulation knows"), "{}", ran.stdout);
    assert!(ran.stdout.contains("The least: api.instances 12, mean(latency)"), "{}", ran.stdout);
}

#[test]
fn knobs_joined_move_together_and_a_file_without_prices_counts_places() {
    let text = TIERS
        .replace("      price: $0.05/h\n", "")
        .replace("price: $0.21/h, ", "")
        .replace("  minimise: cost.per_month\n", "")
        .replace(
            "nodes.api.service.instances: 1..20, nodes.db.service.instances: 1..10",
            "nodes.api.service.instances + nodes.db.service.instances: 2..16 x2",
        );
    let found = json(&of_text(&text, "-n 6 --format json"));
    let settings = &found["settings"];
    assert_eq!(settings["nodes.api.service.instances"], settings["nodes.db.service.instances"]);
    assert_eq!((found["of"].as_u64(), found["minimise"].clone()), (Some(4), Value::Null));
}

#[test]
fn what_cannot_be_sized_is_told_at_its_place() {
    let knob = "nodes.api.service.instances: 1..12";
    let cases: [Case; 9] = [
        ("unknown", knob, "nodes.apy.service.instances: 1..12", "8:16 E-REF", "did you mean `api`"),
        (
            "unknown key",
            knob,
            "nodes.api.service.instance: 1..12",
            "8:16 E-UNKNOWN-KEY",
            "instance",
        ),
        ("empty", knob, "nodes.api.service.instances: 12..1", "8:45 E-SWEEP", "is empty"),
        ("empty list", knob, "nodes.api.service.instances: []", "8:16 E-SWEEP", "no value"),
        (
            "a law",
            knob,
            "nodes.api.service.work: exp(mean=1ms)..exp(mean=5ms)",
            "8:40 E-SWEEP",
            "over laws",
        ),
        ("an end", knob, "nodes.api.service.instances: 0..12", "8:45 E-RANGE", "instances: 0"),
        ("none", knob, "", "8:8 E-RANGE", "no knob"),
        (
            "too many",
            knob,
            "nodes.api.service.instances: 1..400, nodes.api.service.cores: 1..400",
            "8:8 E-RANGE",
            "160000 settings",
        ),
        ("minimise", "1..12}}", "1..12}, minimise: cost.per_month}", "8:63 E-SLO", "price"),
    ];
    check_in(ONE, &cases);
    let without = ONE.replace("size: {knobs: {nodes.api.service.instances: 1..12}}\n", "");
    let ran = of_text(&without, "");
    assert!(ran.code == 2 && ran.stderr.contains("`size` is missing"), "{}", ran.stderr);
    assert!(ran.stderr.contains("a.yaml:1:"), "{}", ran.stderr);
    assert_eq!(of_text(&without, "-n 6 --knob nodes.api.service.instances=9..9").code, 0);
    // In the middle of two knobs, each of which would do.
    let both = "nodes.api.service.instances: [2, 4], nodes.api.service.need: [2, 4]";
    let ran = of_text(&ONE.replace(knob, both), "");
    assert!(ran.code == 2 && ran.stderr.contains("a.yaml:8:"), "{}{}", ran.stdout, ran.stderr);
    for (arguments, told) in [
        ("--knob nodes.api.service.instances", "--knob wants PATH=RANGE"),
        ("--knob nodes.api.service.instances=9..1", "is empty"),
        ("--minimise nothing", "size.minimise"),
        ("--break nobody", "there is no client `nobody`"),
        ("--break --minimise cost.per_month", "cannot be used with"),
    ] {
        let ran = of_text(ONE, arguments);
        assert!(ran.code == 2 && ran.stderr.contains(told), "{arguments}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments}");
    }
    let slos = "slos: [p99(latency) <= 105ms]\n";
    let ran = of_text(&ONE.replace(slos, ""), "");
    assert!(ran.code == 2 && ran.stderr.contains("a.yaml:7:1"), "{}", ran.stderr);
    assert!(ran.stderr.contains("no objectives to meet"), "{}", ran.stderr);
    // To be simulated it needs none.
    let folder = workspace();
    fs::write(folder.path().join("a.yaml"), ONE.replace(slos, "")).unwrap();
    assert_eq!(windtunnel(folder.path(), "run a.yaml -n 1").code, 0);
    let by_clock = ONE.replace("poisson(250/s)", "schedule(every=1s batch=10)");
    let ran = of_text(&by_clock, "--break");
    assert!(ran.code == 2 && ran.stderr.contains("no load to multiply"), "{}", ran.stderr);
    let held = ONE.replace("p99(latency) <= 105ms", "p99(latency) <= baseline + 5%");
    let ran = of_text(&held, "");
    assert!(ran.code == 2 && ran.stderr.contains("a limit of its own"), "{}", ran.stderr);
    let ran = of_text(&without.replace(slos, ""), "--break");
    assert!(ran.code == 2 && ran.stderr.contains("has no objectives"), "{}", ran.stderr);
}

#[test]
fn the_page_shows_what_the_program_prints() {
    let page = fs::read_to_string("docs/SIZE.md").unwrap();
    let mut new = String::new();
    let mut rest = page.as_str();
    while let Some(at) = rest.find("<!-- ") {
        let end = at + rest[at..].find(" -->\n").unwrap();
        let ran = sized("", &rest[at + 5..end]);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        let open = end + rest[end..].find("```text\n").unwrap() + 8;
        let close = open + rest[open..].find("```").unwrap();
        new += &rest[..open];
        new += &ran.stdout;
        rest = &rest[close..];
    }
    new += rest;
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write("docs/SIZE.md", &new).unwrap();
    } else {
        assert!(
            new == page,
            "docs/SIZE.md is not what the program prints; UPDATE_DOCS=1 writes it anew"
        );
    }
}
