//! What a run says about why: incidents tell the story their comment tells, in its order; where nothing is
//! wrong nothing is said; figures that can be worked out by hand are right.

use windtunnel::{
    results::{Results, TimelineEvent},
    scenario::load::Overrides,
    study::Alone,
};

use crate::{
    cli::{files, result_folder, windtunnel, workspace},
    scenarios::Disk,
    theory::oracles::run::run,
};

fn incident(name: &str, variant: &str) -> Results {
    let variant = (!variant.is_empty()).then(|| variant.to_owned());
    let overrides = Overrides { variant, ..Overrides::default() };
    run(&format!("scenarios/incidents/{name}.yaml"), &Disk, &overrides, 1)
}

fn of(text: &str, replications: usize) -> Results {
    run("scenario.yaml", &Alone(text), &Overrides::default(), replications)
}

fn told(results: &Results) -> String {
    let line = |e: &TimelineEvent| format!("{} {} {}: {}\n", e.at, e.kind, e.subject, e.text);
    results.timeline.events.iter().map(line).collect()
}

/// Events that must be told in this order, and kinds that must not be.
struct Story {
    name: &'static str,
    variant: &'static str,
    events: &'static [&'static str],
    never: &'static [&'static str],
}

const STORIES: [Story; 18] = [
    Story {
        name: "metastable-retry-storm",
        variant: "",
        events: &[
            "fault_started stall",
            "queue_grew db",
            "timeouts_began users",
            "amplification users",
            "goodput_fell users",
            "fault_ended stall",
            "not_recovered stall",
        ],
        never: &["queue_drained", "recovered", "goodput_returned"],
    },
    Story {
        name: "metastable-retry-storm",
        variant: "short-queue",
        events: &[
            "amplification users",
            "fault_ended stall",
            "refusals_began db",
            "recovered stall",
        ],
        never: &["not_recovered"],
    },
    Story {
        name: "metastable-retry-storm",
        variant: "below-threshold",
        events: &[
            "amplification users",
            "fault_ended stall",
            "recovered stall",
            "queue_drained db",
        ],
        never: &["not_recovered", "refusals_began"],
    },
    Story {
        name: "stale-queue",
        variant: "",
        events: &[
            "fault_started rush",
            "load_rose users",
            "queue_grew server",
            "timeouts_began users",
            "goodput_fell users",
            "fault_ended rush",
            "draining rush",
        ],
        never: &["queue_drained", "recovered", "not_recovered", "amplification"],
    },
    Story {
        name: "stale-queue",
        variant: "codel",
        events: &[
            "load_rose users",
            "refusals_began server",
            "fault_ended rush",
            "queue_drained server",
        ],
        never: &["not_recovered"],
    },
    Story {
        name: "pool-exhaustion",
        variant: "",
        events: &[
            "fault_started slow",
            "inside_grew db",
            "waits_began shop",
            "timeouts_began customers",
            "queue_grew shop",
            "saturated shop",
            "fault_ended slow",
            "recovered slow",
        ],
        never: &["not_recovered", "amplification"],
    },
    Story {
        name: "pool-exhaustion",
        variant: "timeout",
        events: &["timeouts_began shop", "fault_ended slow", "recovered slow"],
        never: &["waits_began", "queue_grew", "not_recovered"],
    },
    Story {
        name: "timeout-cascade",
        variant: "",
        events: &[
            "fault_started slow",
            "queue_grew db",
            "saturated db",
            "timeouts_began orders",
            "amplification db",
            "goodput_fell users",
            "fault_ended slow",
            "not_recovered slow",
        ],
        never: &["queue_drained", "recovered"],
    },
    Story {
        name: "timeout-cascade",
        variant: "deadlines",
        events: &["queue_grew db", "timeouts_began users", "fault_ended slow", "queue_drained db"],
        never: &["not_recovered", "amplification"],
    },
    Story {
        name: "cache-flush",
        variant: "",
        events: &[
            "fault_started restart",
            "load_rose db",
            "queue_grew db",
            "timeouts_began api",
            "goodput_fell readers",
            "fault_ended restart",
            "hit_ratio_fell memcached",
            "not_recovered restart",
        ],
        never: &["queue_drained", "recovered"],
    },
    Story {
        name: "cache-flush",
        variant: "short-queue",
        events: &["load_rose db", "refusals_began db", "recovered restart", "queue_drained db"],
        never: &["not_recovered"],
    },
    Story {
        name: "gc-death-spiral",
        variant: "",
        events: &[
            "load_rose users",
            "inside_grew frontend",
            "goodput_fell users",
            "not_recovered burst",
        ],
        never: &["recovered", "refusals_began"],
    },
    Story {
        name: "gc-death-spiral",
        variant: "bounded",
        events: &[
            "load_rose users",
            "queue_grew frontend",
            "refusals_began frontend",
            "recovered burst",
        ],
        never: &["not_recovered", "timeouts_began"],
    },
    Story {
        name: "facebook-2021",
        variant: "",
        events: &[
            "fault_started backbone",
            "timeouts_began edge",
            "target_taken_out anycast",
            "refusals_began anycast",
            "fault_ended backbone",
            "recovered backbone",
        ],
        never: &["not_recovered", "queue_grew"],
    },
    Story {
        name: "facebook-2021",
        variant: "stay-up",
        events: &["timeouts_began edge", "target_taken_out anycast", "recovered backbone"],
        never: &["refusals_began"],
    },
    Story {
        name: "sinkhole",
        variant: "",
        events: &["skew_grew api", "errors_began users", "fault_ended broken", "recovered broken"],
        never: &["queue_grew", "saturated"],
    },
    Story {
        name: "sinkhole",
        variant: "eject",
        events: &["fault_started broken", "target_taken_out lb", "fault_ended broken"],
        never: &["skew_grew", "errors_began", "goodput_fell"],
    },
    Story {
        name: "kinesis-2020",
        variant: "",
        events: &[
            "fault_started added",
            "refusals_began cell_a",
            "queue_grew shard_maps",
            "refusals_began cell_a",
            "saturated shard_maps",
            "fault_ended added",
            "recovered added",
            "queue_drained shard_maps",
        ],
        never: &["not_recovered", "timeouts_began"],
    },
];

#[test]
fn each_incident_tells_its_story_in_order() {
    for Story { name, variant, events, never } in &STORIES {
        let results = incident(name, variant);
        let told = told(&results);
        let mut rest = results.timeline.events.iter();
        for wanted in *events {
            let found = rest.any(|e| format!("{} {}", e.kind, e.subject) == *wanted);
            assert!(found, "{name} {variant}: {wanted} is not told, or not here:\n{told}");
        }
        let kinds = results.timeline.events.iter().map(|e| e.kind.to_string());
        for kind in kinds {
            assert!(!never.contains(&kind.as_str()), "{name} {variant}: {kind} is told:\n{told}");
        }
        let times: Vec<f64> = results.timeline.events.iter().map(|e| e.at).collect();
        assert!(times.is_sorted(), "{name} {variant}:\n{told}");
        for event in &results.timeline.events {
            assert!(event.text.contains(&event.subject), "{name} {variant}: {}", event.text);
        }
    }
}

#[test]
fn the_bottleneck_is_what_was_full_first() {
    for (name, node, resource) in [
        ("metastable-retry-storm", "db", "cores"),
        ("timeout-cascade", "db", "cores"),
        ("pool-exhaustion", "shop", "pool:db"),
    ] {
        let found = incident(name, "").bottleneck.unwrap();
        assert_eq!((found.node.as_str(), found.resource.as_str()), (node, resource), "{name}");
        // The window before may be full by chance.
        assert!(found.saturated_at >= Some(58.0), "{name}: {found:?}");
    }
    // Nothing is full: the busiest one.
    let found = incident("sinkhole", "random").bottleneck.unwrap();
    assert_eq!((found.node.as_str(), found.saturated_at), ("api", None));
}

#[test]
fn what_a_service_lacks_and_what_is_deployed_is_told_by_name() {
    // The lease was renewed at most 1 s before the control plane is gone, and 1 s after it is back.
    let text = "windtunnel: 1\nname: own\nduration: 120s\n\
         clients: {users: {arrivals: constant(100/s), to: app, timeout: 1s}}\n\
         nodes:\n  app: {service: {work: 1ms, cores: 4, dependencies: {control: {timeout: 500ms}}, \
           background: [{every: 1s, lease: 3s, do: [{call: control}]}]}}\n  \
           control: {service: {cores: 1, work: 1ms}}\n\
         faults:\n  - {id: gone, at: 40s, for: 20s, crash: {node: control}}\n  \
           - {id: roll, at: 90s, deploy: {node: app, set: {work: 2ms}, batch: 100%, restart: false}}\n";
    let results = of(text, 1);
    let told = told(&results);
    let refused = results.timeline.events.iter().find(|e| e.text.contains("(lease lost"));
    let refused = refused.unwrap_or_else(|| panic!("{told}"));
    assert_eq!((refused.subject.as_str(), refused.value), ("app", Some(1.0)), "{told}");
    assert!((42.0..=43.0).contains(&refused.at), "{told}");
    assert!(told.contains("fault roll begins: deploy of app\n"), "{told}");
}

#[test]
fn each_region_has_a_verdict_of_its_own() {
    let results = incident("google-cloud-2025", "");
    let returned = &results.faults[0].returned_by_client;
    assert!(returned["tasks_central"].value < Some(0.05), "{returned:?}");
    assert!(returned["tasks_east"].value > Some(0.9), "{returned:?}");
}

/// A server of 100 requests a second with a fault that does nothing for a while.
fn placebo(load: u64, seed: u64) -> String {
    format!(
        "windtunnel: 1\nname: quiet\nduration: 400s\nwarm_up: 20s\nseed: {seed}\n\
         clients: {{users: {{arrivals: poisson({load}/s), to: server, timeout: 5s}}}}\n\
         nodes: {{server: {{service: {{cores: 1, work: exp(mean=10ms)}}}}}}\n\
         faults: [{{id: nothing, at: 120s, for: 60s, slow: {{node: server, factor: 1}}}}]\n"
    )
}

#[test]
fn noise_tells_no_story() {
    let mut noise = String::new();
    // At 90 % the queue itself now and then grows to nine times its mean.
    for load in [30, 50, 60, 70, 80] {
        for seed in 1..=12 {
            let results = of(&placebo(load, seed), 1);
            let kinds: Vec<String> =
                results.timeline.events.iter().map(|e| e.kind.to_string()).collect();
            if kinds != ["fault_started", "fault_ended"] {
                noise += &format!("{load}/s, seed {seed}:\n{}", told(&results));
            }
            assert_eq!(results.faults[0].metastable, Some(false));
        }
    }
    assert!(noise.is_empty(), "{noise}");
}

#[test]
fn a_fault_that_does_nothing_tells_nothing_of_the_reference_tier() {
    let faults = "faults=[{id: nothing, at: 4s, for: 2s, slow: {node: db, factor: 1}}]";
    let sets = ["duration=10s", "warm_up=1s", faults].map(str::to_owned).to_vec();
    let overrides = Overrides { sets, ..Overrides::default() };
    let results = run("scenarios/w2-lb-tier.yaml", &Disk, &overrides, 1);
    assert_eq!(results.timeline.events.len(), 2, "{}", told(&results));
    let blame = results.blame.unwrap();
    // Work of 10 ms, a fifth of the requests read for 10 ms more.
    assert!((blame.nodes["api"].work - 0.01).abs() < 0.0003, "{blame:?}");
    assert!((blame.nodes["db"].work - 0.002).abs() < 0.0001, "{blame:?}");
    assert!((blame.nodes["db"].visits - 0.2).abs() < 0.005, "{blame:?}");
    // Hops of 0.25 ms there and back: to lb, api, cache and, for a fifth, db.
    assert!((blame.network - 0.0016).abs() < 0.0003, "{blame:?}");
    assert!(blame.remainder.abs() < 0.0001, "{blame:?}");
    assert!((blame.nodes["cache"].inside - 0.0005).abs() < 0.0001, "{blame:?}");
}

#[test]
fn the_time_of_a_request_adds_up() {
    // M/M/1 at 70 %: waits 0.7 / 30 s, works 1 / 100 s.
    let text = placebo(70, 5).replace("duration: 400s", "duration: 4000s");
    let blame = of(&text, 2).blame.unwrap();
    let server = blame.nodes["server"];
    assert!((server.waiting - 0.7 / 30.0).abs() < 0.002, "{blame:?}");
    assert!((server.work - 0.01).abs() < 0.0002, "{blame:?}");
    assert!(blame.remainder.abs() < 1e-5, "{blame:?}");
    assert!((blame.latency - server.waiting - server.work - blame.remainder).abs() < 1e-12);
}

#[test]
fn externals_have_their_part_of_the_time() {
    let text = "windtunnel: 1\nname: outside\nduration: 60s\n\
         clients: {users: {arrivals: constant(10/s), to: app, timeout: 5s}}\n\
         nodes:\n  app: {service: {cores: 4, endpoints: {default: [{work: 10ms}, {call: bank}]}}}\n  \
           bank: {external: {latency: 30ms}}\n";
    let blame = of(text, 1).blame.unwrap();
    assert!((blame.nodes["bank"].inside - 0.03).abs() < 1e-4, "{blame:?}");
    assert!((blame.nodes["app"].work - 0.01).abs() < 1e-4, "{blame:?}");
    assert!(blame.nodes["app"].inside.to_bits() == 0 && blame.remainder.abs() < 1e-4, "{blame:?}");
}

#[test]
fn what_returns_after_a_fault_is_what_is_answered() {
    // When the pause is over, two in five fail for good; the load doubles, which is no return.
    let text = "windtunnel: 1\nname: part\nduration: 300s\nwarm_up: 20s\n\
         clients: {users: {arrivals: poisson(100/s), to: server, timeout: 5s, \
           load: [{at: 0s, factor: 1}, {at: 150s, factor: 2}]}}\n\
         nodes: {server: {service: {workers: 100, work: 1ms}}}\n\
         faults: [{id: stall, at: 100s, for: 1s, pause: {node: server}}, \
         {id: broken, at: 100s, errors: {node: server, fraction: 40%}}]\n";
    let results = of(text, 3);
    let stall = results.faults.iter().find(|f| f.id == "stall").unwrap();
    let value = |e: &windtunnel::results::Estimate| e.value.unwrap();
    assert!((value(&stall.goodput_returned) - 0.6).abs() < 0.01, "{stall:?}");
    assert!((value(&stall.goodput_before) - 100.0).abs() < 2.0, "{stall:?}");
    assert!((value(&stall.returned_within) - 99.5).abs() < 1e-9, "{stall:?}");
    assert!(stall.returned_by_client.is_empty(), "one client is all of them");
    let broken = results.faults.iter().find(|f| f.id == "broken").unwrap();
    assert_eq!(broken.goodput_returned.value, None, "it does not end");
    let rose = results.timeline.events.iter().find(|e| e.kind.to_string() == "load_rose").unwrap();
    assert!((rose.value.unwrap() - 200.0).abs() < 5.0 && rose.baseline > Some(95.0), "{rose:?}");
}

#[test]
fn retries_and_timeouts_stand_in_the_window_they_happen_in() {
    // Every attempt times out after 1 s while the server pauses; two retries at once.
    let text = "windtunnel: 1\nname: storm\nduration: 120s\nwarm_up: 10s\n\
         clients: {users: {arrivals: constant(10/s), to: server, timeout: 1s, \
           retry: {attempts: 3}}}\n\
         nodes: {server: {service: {workers: 1000, work: 1ms}}}\n\
         faults: [{id: stall, at: 60s, for: 20s, pause: {node: server}}]\n";
    let results = of(text, 1);
    let series = &results.series;
    let users = &series.clients["users"];
    let sum = |values: &[f64], from: f64, to: f64| -> f64 {
        let each = series.start.iter().zip(values).zip(&series.length);
        let each = each.filter(|((start, _), _)| **start >= from && **start < to);
        each.map(|((_, value), length)| value * length).sum()
    };
    // From 63 s on each second has ten first attempts, ten second and ten third ones, and thirty time out.
    assert!((sum(&users.resent, 64.0, 74.0) - 200.0).abs() < 1e-6, "{:?}", users.resent);
    assert!((sum(&users.timed_out, 64.0, 74.0) - 300.0).abs() < 1e-6, "{:?}", users.timed_out);
    assert!((sum(&users.ended["timeout"], 64.0, 74.0) - 100.0).abs() < 1e-6);
    assert!(sum(&users.resent, 0.0, 60.0).abs() < 1e-9 && sum(&users.answered, 61.0, 80.0) < 1.0);
    // Thirty are open at any time, and all of those are answered or given up in the end.
    let open = users.in_flight[series.start.iter().position(|&s| s >= 70.0).unwrap()];
    assert!((open - 30.0).abs() <= 1.0, "{open}");
    assert!(users.in_flight.last() <= Some(&1.0), "{:?}", users.in_flight);
}

#[test]
fn faults_at_random_times_are_told_of_one_replication() {
    let text = "windtunnel: 1\nname: wear\nduration: 400s\n\
         clients: {users: {arrivals: poisson(50/s), to: api, timeout: 1s}}\n\
         nodes: {api: {service: {instances: 3, cores: 2, work: 5ms}}}\n\
         faults: [{id: wear, crash: {node: api}, mtbf: exp(mean=200s), mttr: 10s}]\n";
    let results = of(text, 3);
    assert!(results.timeline.replication.is_some(), "{}", told(&results));
    assert!(!results.timeline.events.is_empty());
    assert_eq!(of(text, 1).timeline.replication, None, "there is but one");
}

#[test]
fn explain_says_the_same_of_a_file_and_of_its_folder() {
    let w = workspace();
    let said = |arguments: &str| {
        let ran = windtunnel(w.path(), arguments);
        assert_eq!(ran.code, 0, "{arguments}: {}", ran.stderr);
        ran.stdout
    };
    let text = said("explain mm1.yaml --jobs 1");
    assert_eq!(files(w.path()).len(), 2, "explain writes nothing");
    assert!(text.contains("Nothing left its level") && text.contains("server: cores, "), "{text}");
    assert!(text.contains("Variants: fast (--variants runs them)"), "{text}");
    assert_eq!(said("explain mm1.yaml --jobs 3"), text);
    said("run mm1.yaml");
    let folder = result_folder(w.path(), "mm1");
    let folder = folder.strip_prefix(w.path()).unwrap().to_str().unwrap();
    let of_folder = said(&format!("explain {folder}"));
    assert_eq!(Some(of_folder.as_str()), text.split("\nVariants:").next());
    let document: serde_json::Value =
        serde_json::from_str(&said(&format!("explain {folder} --format json"))).unwrap();
    for key in ["scenario", "fingerprint", "timeline", "faults", "bottleneck", "blame"] {
        assert!(document.get(key).is_some(), "{key}: {document}");
    }
    assert!(said("explain mm1.yaml --variant fast -n 2").contains("mm1 (fast)"));
    let told = said("explain mm1.yaml --variants -n 2");
    assert!(told.contains("  fast (sets "), "{told}");
    assert!(told.contains("p99 of what is answered") && told.contains(" instead of "), "{told}");
    assert_eq!(said("explain mm1.yaml --quiet"), "");
}

#[test]
fn explain_refuses_what_it_cannot_do() {
    let w = workspace();
    let refused = |arguments: &str, why: &str| {
        let ran = windtunnel(w.path(), arguments);
        assert_eq!(ran.code, 2, "{arguments}: {}", ran.stdout);
        assert!(ran.stderr.contains(why), "{arguments}: {}", ran.stderr);
    };
    refused("explain bad.yaml", "sever");
    refused("explain nowhere.yaml", "nowhere.yaml");
    refused("explain .", "no result folder");
    refused("explain mm1.yaml --variant slow", "slow");
    refused("explain", "FILE|DIR");
    assert_eq!(windtunnel(w.path(), "run mm1.yaml").code, 0);
    let folder = result_folder(w.path(), "mm1");
    let path = folder.to_str().unwrap();
    refused(&format!("explain {path} --seed 7"), "is a result folder");
    refused(&format!("explain {path} --replications 2"), "is a result folder");
    refused(&format!("explain {path} --variants"), "is a result folder");
    refused("explain mm1.yaml --variants --variant fast", "cannot be used with");
    let json = std::fs::read_to_string(folder.join("results.json")).unwrap();
    std::fs::write(folder.join("results.json"), json.replace("mm1", "mm2")).unwrap();
    refused(&format!("explain {path}"), "checksum");
}

#[test]
fn events_have_all_that_was_promised() {
    let results = incident("stale-queue", "");
    let document = serde_json::to_value(&results).unwrap();
    let events = document["timeline"]["events"].as_array().unwrap();
    for key in ["at", "kind", "subject", "value", "baseline", "text"] {
        assert!(events.iter().all(|event| event.get(key).is_some()), "{key}");
    }
    let grew = events.iter().find(|event| event["kind"] == "queue_grew").unwrap();
    assert!(grew["value"].as_f64() > grew["baseline"].as_f64(), "{grew}");
    let read: Results = serde_json::from_value(document).unwrap();
    assert_eq!(read.timeline, results.timeline);
}

fn sentence<'a>(results: &'a Results, kind: &str, subject: &str) -> &'a str {
    let mut events = results.timeline.events.iter();
    let event = events.find(|event| event.kind.to_string() == kind && event.subject == subject);
    event.map_or_else(|| panic!("no {kind} {subject}: {}", told(results)), |event| &event.text)
}

#[test]
fn a_load_is_told_as_it_begins_and_as_it_is_at_most() {
    let text = "\
windtunnel: 1
name: crowd
duration: 5m
clients: {fans: {arrivals: constant(20/s), to: api, load: [{at: 2m, factor: 20, over: 30s}]}}
nodes: {api: {service: {workers: 100, work: 1ms}}}
";
    let found = of(text, 1);
    let said = sentence(&found, "load_rose", "fans");
    assert!(said.contains("(before: 20.2 /s), most 400 /s at "), "{said}");
    assert!(!said.contains("send 4") && !said.contains("send 3"), "{said}");
}

#[test]
fn refused_calls_are_no_refused_requests() {
    // A breaker opens and every request is answered by the fallback: none is refused.
    let text = "\
windtunnel: 1
name: brk
duration: 3m
clients: {a: {arrivals: constant(50/s), to: api, timeout: 5s}}
nodes:
  api:
    service:
      workers: 64
      endpoints: {default: [{work: 10ms}, {call: maps}]}
      dependencies: {maps: {timeout: 100ms, breaker: {window: 10s, open: 5s}, fallback: {reply: 1KB}}}
  maps: {external: {latency: 10ms}}
faults: [{id: slow, at: 60s, for: 30s, slow: {node: maps, factor: 100}}]
";
    let found = of(text, 1);
    let said = sentence(&found, "refusals_began", "api");
    assert!(said.contains("calls per request are refused (breaker open"), "{said}");
    assert_eq!(found.summary.figures.availability.value, Some(1.0));
}

#[test]
fn who_finds_nobody_is_among_those_who_ask() {
    // Two of three instances are gone for a while and their share is refused at once: two thirds, not all.
    let text = "\
windtunnel: 1
name: gone
duration: 3m
clients: {a: {arrivals: constant(90/s), to: lb, timeout: 1s}}
nodes:
  lb: {load_balancer: {to: api, policy: round_robin}}
  api: {service: {instances: 3, workers: 64, work: 1ms}}
faults: [{id: two, at: 60s, for: 60s, crash: {node: api, instances: [1, 2], process: true}}]
";
    let found = of(text, 1);
    let said = sentence(&found, "refusals_began", "api");
    assert!(said.starts_with("api: 66.7 % of requests are refused (connection refused"), "{said}");
}

#[test]
fn instances_that_die_of_themselves_are_told() {
    // Four requests at once need more memory than there is: the process dies and is back after ten seconds.
    let text = "\
windtunnel: 1
name: leak
duration: 5m
clients: {a: {arrivals: constant(2/s), to: api, timeout: 30s, load: [{at: 2m, factor: 20}, {at: 3m, factor: 1}]}}
nodes:
  api: {service: {workers: 64, work: 500ms, limits: {memory: {max: 100MB, base: 40MB, per_request: 10MB, full: crash}}, boot: 10s}}
";
    let found = of(text, 1);
    let said = sentence(&found, "went_down", "api");
    assert!(said.contains("its only instance is down"), "{said}");
    // A fault that says so says it alone.
    let text = "\
windtunnel: 1
name: crashed
duration: 3m
clients: {a: {arrivals: constant(20/s), to: api, timeout: 1s}}
nodes: {api: {service: {workers: 64, work: 1ms}}}
faults: [{id: down, at: 60s, for: 60s, crash: {node: api}}]
";
    assert!(!told(&of(text, 1)).contains("went_down"));
}

#[test]
fn the_bottleneck_was_full_for_long() {
    // A pool of two is full for 20 s, the workers for half of the run.
    let text = "\
windtunnel: 1
name: both
duration: 10m
clients: {users: {arrivals: constant(35/s), to: api, timeout: 2s, load: [{at: 5m, factor: 1.6}]}}
nodes:
  api:
    service:
      workers: 4
      queue: 20
      endpoints: {default: [{wait: 90ms}, {read: db}]}
      dependencies: {db: {pool: 2, timeout: 1s}}
  db: {store: {read: 5ms, cores: 4}}
faults: [{id: slow, at: 2m, for: 20s, slow: {node: db, factor: 80}}]
";
    let found = of(text, 1);
    let narrow = found.bottleneck.as_ref().unwrap();
    assert_eq!((narrow.node.as_str(), narrow.resource.as_str()), ("api", "workers"));
    assert!(found.nodes["api"].resources["pool:db"].saturated > 0.0);
}

#[test]
fn what_instances_do_unasked_takes_nobodys_time() {
    let text = "\
windtunnel: 1
name: unasked
duration: 60s
clients: {a: {arrivals: constant(20/s), to: api}}
nodes:
  api: {service: {workers: 64, work: 1ms, background: [{every: 1s, do: [{call: maps}]}]}}
  maps: {service: {cores: 1, work: 900ms}}
";
    let found = of(text, 1);
    let blame = found.blame.as_ref().unwrap();
    assert_eq!(blame.nodes.keys().collect::<Vec<_>>(), ["api"]);
    assert!(blame.remainder.abs() < 1e-9, "{blame:?}");
}

#[test]
fn a_limit_of_calls_turns_no_request_away() {
    // Ten optional calls a request against a limit of calls: every request is served.
    let text = "\
windtunnel: 1
name: multi
duration: 4m
clients: {a: {arrivals: constant(50/s), to: api, timeout: 5s, load: [{at: 2m, factor: 1.5}]}}
nodes:
  api:
    service:
      workers: 64
      endpoints: {default: [{repeat: {times: 10, do: [{call: tags, optional: true}]}}]}
      dependencies: {tags: {timeout: 100ms, rate_limit: token_bucket(rate=540/s burst=20)}}
  tags: {external: {latency: 1ms}}
";
    let found = of(text, 5);
    assert_eq!(found.summary.figures.availability.value, Some(1.0));
    // 750 calls a second are made, 540 are let through: 210 over 75 requests.
    let said = sentence(&found, "refusals_began", "api");
    assert!(
        said.contains("2.8") && said.contains("calls per request are refused (rate limit of calls"),
        "{said}"
    );
    // At the door it is requests that are turned away.
    let door = text
        .replace("{repeat: {times: 10, do: [{call: tags, optional: true}]}}", "{call: tags}")
        .replace(
            "workers: 64",
            "workers: 64\n      inbound: {rate_limit: token_bucket(rate=60/s burst=20)}",
        );
    let found = of(&door, 5);
    let said = sentence(&found, "refusals_began", "api");
    assert!(said.contains("of requests are refused (rate limit;"), "{said}");
}
