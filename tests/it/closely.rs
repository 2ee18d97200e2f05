//! Spans of a replication looked at closely: that messages and instances are seen as they were.

use std::{collections::BTreeMap, fs, sync::atomic::AtomicBool};

use serde_json::Value;

use windtunnel::{
    results::{CloseSpan, Closely, Results, RouteMessages, Watched},
    scenario::{load::Overrides, swarm::scenario},
    study::{Alone, Study},
};

use crate::cli::{files, result_folder, windtunnel};

/// Results of one replication, and what was seen of it as it was watched, in these spans or around faults.
fn seen(text: &str, spans: &[(f64, f64)]) -> (Results, Watched) {
    let opened = Study::open(Alone::PATH, &Alone(text), &Overrides::default());
    let study = opened.unwrap_or_else(|refused| panic!("{}\n{text}", refused.render(false)));
    let stop = AtomicBool::new(false);
    let results = study.run(1, &stop).unwrap().results;
    let watched = study.usual(&results, spans, &stop);
    let watched = watched.unwrap_or_else(|breach| panic!("{}\n{text}", breach.message));
    (results, watched)
}

fn closely(text: &str, spans: &[(f64, f64)]) -> Closely {
    seen(text, spans).1.closely.expect("it was looked at")
}

fn ms(times: &[(f64, f64)]) -> Vec<(i64, i64)> {
    let ms = |at: f64| (at * 1000.0).round() as i64;
    times.iter().map(|(sent, arrived)| (ms(*sent), ms(*arrived))).collect()
}

fn route<'s>(span: &'s CloseSpan, from: &str, to: &str) -> &'s RouteMessages {
    let found = span.messages.iter().find(|way| (&*way.from, &*way.to) == (from, to));
    found.unwrap_or_else(|| panic!("{from} to {to}: {:?}", span.messages))
}

/// A design without chance whose messages take 1 ms: ten requests a second, 20 ms of work, then a call of 30 ms.
fn exact(client: &str, rest: &str) -> String {
    format!(
        "windtunnel: 1\nname: exact\nduration: 40s\nnetwork: {{same_zone: 1ms, internet: 1ms}}\n\
         clients: {{load: {{arrivals: constant(10/s), to: app{client}}}}}\n\
         nodes:\n  app: {{service: {{cores: 2, endpoints: {{default: [{{work: 20ms}}, {{call: db}}]}}}}}}\n  \
         db: {{service: {{instances: 2, cores: 1, work: 30ms}}}}\n{rest}"
    )
}

#[test]
fn every_message_of_a_span_is_there_with_its_times() {
    // With a time-out a request has a frame of its own, without one it shares that of its attempt.
    for client in ["", ", timeout: 3s"] {
        let seen = closely(&exact(client, ""), &[(10.0, 10.5), (20.0, 20.2)]);
        assert_eq!((seen.replication, seen.step, seen.one_in), (0, 0.05, 1), "{client}");
        let spans: Vec<(f64, f64)> = seen.spans.iter().map(|span| (span.from, span.to)).collect();
        assert_eq!(spans, [(10.0, 10.5), (20.0, 20.2)]);
        let span = &seen.spans[0];
        // Sent at 10.0, 10.1 ..: 1 ms there, 20 ms of work, 1 ms to the store, 30 ms, 1 ms and 1 ms back.
        let every = |sent: i64| -> Vec<(i64, i64)> {
            (0..5).map(|i| 10_000 + 100 * i + sent).map(|at| (at, at + 1)).collect()
        };
        for (from, to, sent, answer) in [
            ("load", "app", 0, false),
            ("app", "db", 21, false),
            ("db", "app", 52, true),
            ("app", "load", 53, true),
        ] {
            let way = route(span, from, to);
            assert_eq!(way.answer, answer, "{from} {to}");
            assert_eq!(ms(&way.times), every(sent), "{from} {to}, {client}");
        }
        assert_eq!(span.messages.len(), 4);
        assert_eq!(
            ms(&route(&seen.spans[1], "load", "app").times),
            [(20_000, 20_001), (20_100, 20_101)]
        );
    }
}

#[test]
fn instances_are_as_they_were_from_look_to_look() {
    let fault = "faults: [{id: dies, at: 10.1s, for: 200ms, crash: {node: db, instances: [0]}}]\n";
    let seen = closely(&exact(", timeout: 3s", fault), &[(10.0, 10.5)]);
    let app = &seen.spans[0].nodes["app"][0];
    // One of two cores for 20 of every 100 ms, from 1 ms on: in every other look of 50 ms.
    assert_eq!(app.busy, [0.2, 0.0, 0.2, 0.0, 0.2, 0.0, 0.2, 0.0, 0.2, 0.0]);
    assert!(app.waiting.is_empty() && app.down.is_empty() && app.struck.is_empty());
    let [first, second] = &seen.spans[0].nodes["db"][..] else { panic!("two") };
    assert_eq!(first.down, [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    // Looked at as each ends: at 10.1 s it is struck already, at 10.3 s no more.
    assert_eq!(first.struck, [0, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
    assert!(second.down.is_empty() && second.struck.is_empty());
    assert_eq!(first.busy[2..6], [0.0; 4], "nobody works there");
}

#[test]
fn around_faults_are_looked_at_before_and_after_their_ends() {
    let fault = |id: &str, at: &str, lasts: &str| {
        format!("  - {{id: {id}, at: {at}, for: {lasts}, slow: {{node: db, factor: 2}}}}\n")
    };
    let four = [("a", "5s", "1s"), ("b", "17s", "9s"), ("c", "26s", "1s"), ("d", "38s", "1s")];
    let four: String = four.map(|(id, at, lasts)| fault(id, at, lasts)).concat();
    let text = exact("", &format!("faults:\n{four}"));
    let seen = closely(&text.replace("duration: 40s", "duration: 100s"), &[]);
    let spans: Vec<(f64, f64)> = seen.spans.iter().map(|span| (span.from, span.to)).collect();
    // Of a 3 to 14 s (to its end 8 s), of b 15 to 25 and 24 to 34, of c 24 to 35; d is the fourth.
    assert_eq!(spans, [(3.0, 14.0), (15.0, 35.0)]);
    // Of 40 s it would be most: a quarter of each is less than a third of the run.
    let seen = closely(&text, &[]);
    let spans: Vec<(f64, f64)> = seen.spans.iter().map(|span| (span.from, span.to)).collect();
    assert_eq!(spans, [(4.5, 8.0), (16.5, 19.0), (25.5, 29.0)]);
    assert!(closely(&exact("", ""), &[]).spans.is_empty(), "without a fault there is nothing");
    // What is over at once, or outlasts the run, has no end to look at.
    let writes =
        "}, w: {arrivals: constant(1/s), keys: uniform(n=10), operations: {save: {write: s}}";
    for fault in ["corrupt: {node: s, fraction: 20%}", "slow: {node: db, factor: 2}"] {
        let rest = format!(
            "  s: {{store: {{read: 1ms, write: 1ms, keys: 10}}}}\nfaults: [{{id: a, at: 30s, {fault}}}]\n"
        );
        let seen = closely(&exact(writes, &rest).replace("duration: 40s", "duration: 100s"), &[]);
        let spans: Vec<(f64, f64)> = seen.spans.iter().map(|span| (span.from, span.to)).collect();
        assert_eq!(spans, [(28.0, 38.0)], "{fault}");
    }
}

#[test]
fn calls_are_counted_by_the_way_they_go() {
    // Of app three in four calls go to db, the fourth to others; all of the calls of batch go to db.
    let text = "windtunnel: 1\nname: ways\nduration: 400s\nclients:\n  \
                load: {arrivals: poisson(90/s), to: app}\n  batch: {arrivals: poisson(20/s), to: db}\n\
                nodes:\n  app: {service: {endpoints: {default: [{choose: [{share: 75%, do: [{call: db}]}, \
                {share: 25%, do: [{call: others}]}]}]}}}\n  db: {service: {}}\n  others: {service: {}}\n";
    let (results, watched) = seen(text, &[]);
    let closely = watched.closely.unwrap();
    let counted: BTreeMap<(&str, &str), u64> = closely
        .calls
        .iter()
        .map(|edge| ((&*edge.from, &*edge.to), edge.counted.iter().sum()))
        .collect();
    assert_eq!(counted.len(), 4, "{counted:?}");
    let windows = results.series.start.len();
    assert!(closely.calls.iter().all(|edge| edge.counted.len() == windows));
    // A sixteenth of 400 s: within four deviations of Poisson counts.
    for (edge, rate) in [
        (("load", "app"), 90.0),
        (("batch", "db"), 20.0),
        (("app", "db"), 67.5),
        (("app", "others"), 22.5),
    ] {
        let wanted = rate * 25.0;
        let n = counted[&edge] as f64;
        assert!((n - wanted).abs() < 4.0 * f64::sqrt(wanted), "{edge:?}: {n} of {wanted}");
    }
}

#[test]
fn of_too_many_messages_those_of_whole_requests_are_left_out() {
    let text = "windtunnel: 1\nname: many\nduration: 40s\nnetwork: {same_zone: 1ms, internet: 1ms}\n\
                clients: {load: {arrivals: constant(1000/s), to: app}}\nnodes:\n  \
                app: {service: {endpoints: {default: [{wait: 20ms}, {call: db}]}}}\n  \
                db: {service: {endpoints: {default: [{wait: 1ms}]}}}\n";
    let closely = closely(text, &[(10.0, 30.0)]);
    // 80,000 messages: one request in four would be 20,000, more or less.
    assert!([4, 8].contains(&closely.one_in), "{}", closely.one_in);
    let span = &closely.spans[0];
    let n = |from, to| route(span, from, to).times.len() as f64;
    let all: f64 = span.messages.iter().map(|way| way.times.len() as f64).sum();
    assert!(all <= 20_000.0 && all > 8_000.0, "{all}");
    // Of a request all four are there, but for those that are under way as the span begins or ends.
    for (from, to) in [("app", "db"), ("db", "app"), ("app", "load")] {
        assert!((n(from, to) - n("load", "app")).abs() < 30.0, "{from} {to}");
    }
    let first: Vec<i64> = ms(&route(span, "load", "app").times).iter().map(|time| time.0).collect();
    let answered: Vec<i64> =
        ms(&route(span, "app", "load").times).iter().map(|time| time.1).collect();
    let took =
        answered[answered.len() / 2..].iter().filter(|at| first.contains(&(**at - 25))).count();
    assert!(took == answered.len() - answered.len() / 2, "each answer is to a call that is there");
}

#[test]
fn looking_closely_changes_no_random_scenario() {
    let mut messages = 0;
    for seed in 100..112 {
        let (results, watched) = seen(&scenario(seed), &[(0.5, 1.5)]);
        assert_eq!(watched.fingerprint, results.replications[0].fingerprint, "{seed}");
        for span in watched.closely.unwrap().spans {
            for way in &span.messages {
                messages += way.times.len();
                for (sent, arrived) in &way.times {
                    let inside = span.from <= *sent && sent <= arrived && *arrived <= span.to;
                    assert!(inside, "{seed}: {way:?}");
                }
            }
            for looks in span.nodes.values().flatten() {
                let shares = looks.busy.iter().chain(&looks.down);
                assert!(
                    shares.clone().all(|share| (0.0..=1.0).contains(share)),
                    "{seed}: {looks:?}"
                );
            }
        }
    }
    assert!(messages > 1000, "{messages}");
}

// ---- folders -------------------------------------------------------------------------------------

const BUSY: &str = "\
windtunnel: 1
name: busy
duration: 20s
warm_up: 1s
seed: 3
clients: {users: {arrivals: poisson(60/s), to: app, timeout: 300ms}}
nodes:
  app: {service: {cores: 1, work: exp(mean=8ms), calls: [db]}}
  db: {service: {instances: 2, cores: 1, work: exp(mean=5ms)}}
faults: [{id: slow, at: 12s, for: 3s, slow: {node: db, factor: 6}}]
";

/// What the page is given.
fn given(folder: &std::path::Path) -> Value {
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_folder_is_looked_at_again_where_one_likes() {
    let w = tempfile::tempdir().unwrap();
    fs::write(w.path().join("busy.yaml"), BUSY).unwrap();
    let ran = windtunnel(w.path(), "run busy.yaml -n 2 --quiet --watch none");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let folder = result_folder(w.path(), "busy");
    assert!(!files(&folder).contains(&"closely.json".to_owned()));
    assert!(given(&folder).get("close").is_none() && given(&folder).get("calls").is_none());
    let dir = folder.display();
    let results = fs::read(folder.join("results.json")).unwrap();
    let once = || {
        let ran = windtunnel(w.path(), &format!("report {dir} --watch 5s..5500ms --quiet"));
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
        ["report.html", "closely.json", "watched.json", "results.json", "requests.csv"]
            .map(|name| fs::read(folder.join(name)).unwrap())
    };
    let first = once();
    assert!(first == once(), "the same bytes");
    assert!(first[3] == results, "the results are as they were");
    let close = given(&folder)["close"].clone();
    assert_eq!((&close["spans"][0]["from"], &close["spans"][0]["to"]), (&5.0.into(), &5.5.into()));
    assert_eq!(close["spans"].as_array().unwrap().len(), 1);
    assert!(close["spans"][0]["routes"].as_array().unwrap().len() == 4, "{close}");
    assert!(given(&folder)["calls"].as_array().unwrap().len() == 2);
    // Drawn again it stays, and the usual spans come back with a run.
    let ran = windtunnel(w.path(), &format!("report {dir} --quiet"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(fs::read(folder.join("report.html")).unwrap() == first[0]);
    let ran = windtunnel(w.path(), "run busy.yaml -n 2 --quiet");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let spans = given(&folder)["close"]["spans"].clone();
    assert_eq!((&spans[0]["from"], &spans[0]["to"]), (&11.5.into(), &14.0.into()));
}

#[test]
fn what_cannot_be_looked_at_is_refused_and_nothing_is_written() {
    let w = tempfile::tempdir().unwrap();
    fs::write(w.path().join("busy.yaml"), BUSY).unwrap();
    assert_eq!(windtunnel(w.path(), "run busy.yaml -n 1 --quiet --watch none").code, 0);
    let folder = result_folder(w.path(), "busy");
    let dir = folder.display();
    let before = files(&folder);
    for (arguments, code, line) in [
        ("report DIR --watch 5s..21s", 2, "5 s to 21 s is outside of the run"),
        ("report DIR --watch 5s..5s", 2, "ends after it begins"),
        ("report DIR --watch 5..6", 2, "two instants, such as `58s..70s`"),
        ("report DIR --watch 5s", 2, "two instants, such as `58s..70s`"),
        ("report DIR --data .", 2, "--watch"),
        ("report . --watch 5s..6s", 2, "is no result folder"),
    ] {
        let ran = windtunnel(w.path(), &arguments.replace("DIR", &dir.to_string()));
        assert!(ran.code == code && ran.stderr.contains(line), "{arguments}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments}");
    }
    // Results that are not those of the scenario, as by an error of the program: a breach.
    let json = fs::read_to_string(folder.join("results.json")).unwrap();
    let results: Results = serde_json::from_str(&json).unwrap();
    let of = &results.replications[0].fingerprint;
    let other = json.replace(of.as_str(), "0123456789abcdef");
    rewritten(&folder, &other);
    let ran = windtunnel(w.path(), &format!("report {dir} --watch 5s..6s"));
    assert!(ran.code == 5 && ran.stderr.contains("went otherwise"), "{} {}", ran.code, ran.stderr);
    // Of another version it is none.
    rewritten(&folder, &other.replacen(&results.windtunnel_version, "0.0.1", 1));
    let ran = windtunnel(w.path(), &format!("report {dir} --watch 5s..6s"));
    let line = "replication 0 went otherwise than the one in";
    assert!(ran.code == 2 && ran.stderr.contains(line), "{} {}", ran.code, ran.stderr);
    assert_eq!(files(&folder), before);
}

/// Puts other results in a folder, with their checksum.
fn rewritten(folder: &std::path::Path, results: &str) {
    let path = folder.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for file in manifest["files"].as_array_mut().unwrap() {
        if file["name"] == "results.json" {
            file["sha256"] = windtunnel::study::sha256(results.as_bytes()).into();
        }
    }
    fs::write(path, manifest.to_string()).unwrap();
    fs::write(folder.join("results.json"), results).unwrap();
}

#[test]
fn a_folder_whose_run_read_data_finds_it_or_says_which() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let w = tempfile::tempdir().unwrap();
    let short = "--set duration=3s --set warm_up=1s -n 1 --quiet --watch none";
    assert_eq!(windtunnel(w.path(), &format!("run {shipped}/two-regions.yaml {short}")).code, 0);
    let folder = result_folder(w.path(), "two-regions");
    let dir = folder.display().to_string();
    let matrix = fs::read(format!("{shipped}/data/rtt_ms.csv")).unwrap();
    let sha = windtunnel::study::sha256(&matrix);
    let changed = w.path().join("changed/data");
    fs::create_dir_all(&changed).unwrap();
    fs::write(changed.join("rtt_ms.csv"), [&matrix[..], b"\n"].concat()).unwrap();
    for command in [
        "explain DIR --slowest 1 DATA",
        "export DIR --as otlp DATA",
        "export DIR --as jepsen DATA",
        "report DIR --watch 1s..2s DATA",
    ] {
        let run =
            |data: &str| windtunnel(w.path(), &command.replace("DIR", &dir).replace("DATA", data));
        let (none, other) = (run(""), run("--data changed"));
        for (ran, line) in [
            (&none, "data/rtt_ms.csv` does not exist: it is the one it was made from"),
            (&other, "changed/data/rtt_ms.csv` is another file than the one it was made from"),
        ] {
            assert!(ran.code == 2 && ran.stderr.contains(line), "{command}: {}", ran.stderr);
            let size = format!("{} bytes and SHA-256 {sha}; --data DIR names", matrix.len());
            assert!(ran.stderr.contains(&size), "{command}: {}", ran.stderr);
            assert_eq!(ran.stdout, "");
        }
        let found = run(&format!("--data {shipped}"));
        // There is no register in it.
        let jepsen = command.contains("jepsen") && found.stderr.contains("has no history");
        assert!(found.code == 0 || jepsen, "{command}: {}", found.stderr);
    }
}
