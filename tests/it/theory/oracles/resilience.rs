//! Family `resilience`: retries, callers that give up, circuit breakers, rate limits, bulkheads.

use super::{Case, Cases, Entry, SEEDS, left_out, nothing, one, time};

/// Requests per second where nothing queues.
const RATE: f64 = 100.0;

pub(super) fn cases(entry: &Entry) -> Cases {
    let id = entry.id.as_str();
    if id.starts_with("retrial-") {
        return nothing("blocked clients that come again for ever: `attempts` end");
    }
    match id {
        "tb-deterministic" => bursts(entry),
        _ if id.starts_with("tb-") => token_bucket(entry),
        "retry-layers" => layers(5, 3, 1.0, "amplification"),
        "retry-layers-prob" => layers(3, 4, 0.5, "bottom_calls_mean"),
        "bulkhead" => bulkhead(),
        "metastable-retry" => nothing("a fluid threshold: a grid of runs, not one"),
        _ if id.starts_with("retry-") => retry(entry),
        _ if id.starts_with("goodput-") => goodput(entry),
        _ if id.starts_with("breaker-") => breaker(entry),
        _ if id.starts_with("drain-") => nothing("results.json has no length of a busy period"),
        _ => panic!("{id}: not known"),
    }
}

/// A service whose calls take a token, and wait for it or do not.
fn token_bucket(entry: &Entry) -> Cases {
    let (rate, burst) = (entry.number("rate"), entry.number("burst"));
    let shapes = entry.id.starts_with("tb-shape");
    let wait = if shapes { " wait=1h" } else { "" };
    let limit = format!("rate_limit: token_bucket(rate={rate}/s burst={burst}{wait})");
    let lambda = entry.number("lam");
    let design = format!(
        "clients: {{load: {{arrivals: poisson({lambda}/s), to: app}}}}\n\
         nodes:\n  app: {{service: {{calls: [db], dependencies: {{db: {{{limit}}}}}}}}}\n  \
         db: {{external: {{latency: 0s}}}}\n"
    );
    let case = Case::new(design, lambda);
    let share = |cause: &str| format!("nodes.app.causes.{cause} / summary.requests.issued");
    one(if shapes {
        case.measure("P_delayed", share("throttled")).measure("delay_mean", "summary.latency.mean")
    } else {
        case.measure("P_drop", share("rate_limited")).measure("accepted_rate", "summary.throughput")
    })
}

/// 200 at once; a steady stream above the rate.
fn bursts(entry: &Entry) -> Cases {
    let (rate, burst) = (entry.number("rate"), entry.number("burst"));
    let design = |arrivals: &str| {
        format!(
            "clients: {{load: {{arrivals: {arrivals}, to: db, \
             rate_limit: token_bucket(rate={rate}/s burst={burst})}}}}\n\
             nodes:\n  db: {{external: {{latency: 0s}}}}\n"
        )
    };
    // Users who think for 20 s come together once in the 30 s and the warm-up of 3 s.
    let once = Case::new(design("closed(users=200 think=20s)"), 1.0)
        .label("-burst")
        .requests(30.0 * SEEDS as f64)
        .measure("accepted_of_burst_200", format!("summary.requests.ok / {SEEDS}"));
    // From a full bucket: the load begins with the measured minute.
    let stream = Case::new(
        design("constant(150/s), load: [{at: 0s, factor: 0}, {at: 6s, factor: 1}]"),
        150.0,
    )
    .label("-stream")
    .requests(60.0 * 150.0 * SEEDS as f64)
    .measure("accepted_of_constant_150_for_60s_approx", format!("summary.requests.ok / {SEEDS}"));
    (vec![once, stream], Vec::new())
}

fn retry(entry: &Entry) -> Cases {
    let attempts = entry.number("max_retries") + 1.0;
    let design = format!(
        "clients: {{load: {{arrivals: poisson({RATE}/s), to: db, retry: {{attempts: {attempts}}}}}}}\n\
         nodes:\n  db: {{external: {{latency: 0s, errors: {}%}}}}\n",
        entry.number("p") * 100.0
    );
    one(Case::new(design, RATE)
        .requests(2e5)
        .measure("attempts_mean", "summary.attempts_per_request")
        .measure("P_success", "summary.availability"))
}

/// A chain of services each of which tries the next so often.
fn layers(layers: u32, attempts: u32, p: f64, metric: &str) -> Cases {
    let retry = format!("retry: {{attempts: {attempts}}}");
    let mut nodes = format!("  db: {{external: {{latency: 0s, errors: {}%}}}}\n", p * 100.0);
    for layer in 1..layers {
        let next = if layer + 1 == layers { "db".to_owned() } else { format!("s{}", layer + 1) };
        nodes += &format!(
            "  s{layer}: {{service: {{calls: [{next}], dependencies: {{{next}: {{{retry}}}}}}}}}\n"
        );
    }
    let design = format!(
        "clients: {{load: {{arrivals: poisson({RATE}/s), to: s1, {retry}}}}}\nnodes:\n{nodes}"
    );
    let share = |outcome: &str| format!("nodes.db.outcomes.{outcome} / summary.requests.issued");
    // Nothing is good when all fails.
    let good = if p < 1.0 { format!(" + {}", share("ok")) } else { String::new() };
    let calls = share("error") + &good;
    one(Case::new(design, RATE).requests(2e5).measure(metric, calls))
}

/// M/M/1/K whose clients give up and whose server does not know.
fn goodput(entry: &Entry) -> Cases {
    let (rate, room) = (entry.number("lam"), entry.number("K") - 1.0);
    let design = format!(
        "clients: {{load: {{arrivals: poisson({rate}/s), to: server, timeout: {}}}}}\n\
         nodes:\n  server: {{service: {{cores: 1, queue: {room}, work: exp(mean={})}}}}\n",
        time(entry.number("tau")),
        time(1.0 / entry.number("mu"))
    );
    let served = format!("nodes.server.outcomes.ok * {rate} / summary.requests.issued");
    let case = Case::new(design, rate).measure("throughput", served);
    let good = ["goodput", "P_useful_given_accepted"];
    if entry.expected["goodput"].as_f64().expect("a number") < 1e-100 {
        return (vec![case], left_out(&good, "never seen in the age of the world, nor here"));
    }
    one(case
        .measure(good[0], "summary.goodput")
        .measure(good[1], "summary.requests.ok / nodes.server.outcomes.ok"))
}

/// So many failures in a row open it, one probe decides.
fn breaker(entry: &Entry) -> Cases {
    let (rate, n) = (entry.number("rate"), entry.number("n"));
    let breaker = format!(
        "{{window: {n}, min_calls: {n}, failure_ratio: 100%, open: {}, probes: 1}}",
        time(entry.number("open_s"))
    );
    let design = format!(
        "clients: {{load: {{arrivals: poisson({rate}/s), to: app}}}}\n\
         nodes:\n  app: {{service: {{calls: [db], dependencies: {{db: {{breaker: {breaker}}}}}}}}}\n  \
         db: {{external: {{latency: 0s, errors: {}%}}}}\n",
        entry.number("p_fail") * 100.0
    );
    let refused = "nodes.app.causes.breaker_open / summary.requests.issued";
    let trips = format!("nodes.app.causes.breaker_opened * {rate} / summary.requests.issued");
    let case = Case::new(design, rate)
        .requests(rate * entry.number("open_s") * 4e4)
        // Arrivals see the state as it is over time (PASTA).
        .measure("frac_open", refused)
        .measure("frac_calls_rejected", refused)
        .measure("trips_per_second", trips)
        .measure(
            "backend_call_rate",
            // Served and failed.
            "nodes.db.throughput + nodes.db.throughput * nodes.db.outcomes.error / nodes.db.outcomes.ok",
        );
    let reason = "results.json does not tell the other states apart";
    (vec![case], left_out(&["frac_closed", "frac_halfopen"], reason))
}

fn bulkhead() -> Cases {
    let case = |workers: u32, erlang: u32| {
        let design = format!(
            "clients: {{load: {{arrivals: poisson({erlang}/s), to: server}}}}\n\
             nodes:\n  server: {{service: {{workers: {workers}, queue: 0, work: exp(mean=1s)}}}}\n"
        );
        Case::new(design, f64::from(erlang))
    };
    let blocked = "summary.requests.rejected / summary.requests.issued";
    let cases = vec![
        case(100, 80).label("-shared").measure("shared", blocked),
        case(25, 20).label("-partitioned").measure("partitioned", blocked),
    ];
    (cases, Vec::new())
}
