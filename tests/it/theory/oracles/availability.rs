//! Family `availability`: machines that fail and are repaired, k of n, crews, zones.
//!
//! An hour of an entry is ten seconds here, as a run lasts at most 292 years: shares of time have no
//! unit, and what happens so often a year happens so often in 1/360 of it.

use super::{Case, Cases, Entry, SEEDS, left_out, nothing, one};

/// An hour of an entry, s.
const HOUR: f64 = 10.0;

/// Failures of each machine in a run, those of the warm-up aside.
const FAILURES: f64 = 40_000.0;

pub(super) fn cases(entry: &Entry) -> Cases {
    let id = entry.id.as_str();
    match id {
        "series-parallel" => series_parallel(entry),
        "mttdl-2-1" => mirror(entry),
        _ if id.starts_with("alt-renewal-") => alternating(entry),
        _ if id.starts_with("kofn-") || id == "five-nines" => k_of_n(entry),
        _ if id.starts_with("zones-") => zones(entry),
        _ if id.starts_with("standby-") => nothing("a spare that cannot fail while it waits"),
        _ if id.starts_with("mttdl-") => nothing("an event too rare to be seen in a run"),
        _ => panic!("{id}: not known"),
    }
}

/// A few requests go to the first of these nodes, while their instances fail and are repaired.
fn case(nodes: &str, faults: &str, cycle: f64) -> Case {
    let rate = 1e-6;
    let design = format!(
        "clients: {{load: {{arrivals: constant({rate}/s), to: app}}}}\nnodes: {{{nodes}}}\n\
         faults: [{faults}]\n"
    );
    Case::new(design, rate).requests(FAILURES * cycle * HOUR * rate * SEEDS as f64)
}

/// Services of `n` instances of which `need` are needed.
fn service(name: &str, n: f64, need: f64) -> String {
    format!("{name}: {{service: {{instances: {n}, need: {need}, work: 1ms}}}}")
}

/// Hours, as the law of that name.
fn hours(law: &str, mean: f64) -> String {
    format!("{law}mean={}ms)", (mean * HOUR * 1e3).round())
}

/// Each instance of a node fails, and is repaired; both exponential.
fn wear(node: &str, mtbf: f64, mttr: f64, more: &str) -> String {
    let (up, down) = (hours("exp(", mtbf), hours("exp(", mttr));
    format!("{{id: {node}, crash: {{node: {node}}}, mtbf: {up}, mttr: {down}{more}}}")
}

/// An availability as a time to failure beside a repair of one hour.
fn mtbf(availability: f64) -> f64 {
    availability / (1.0 - availability)
}

/// Whichever laws: here a lognormal repair.
fn alternating(entry: &Entry) -> Cases {
    let (up, down) = (entry.number("mtbf_h"), entry.number("mttr_h"));
    let fault = format!(
        "{{id: app, crash: {{node: app}}, mtbf: {}, mttr: {}}}",
        hours("erlang(k=2 ", up),
        hours("lognormal(cv=1.5 ", down)
    );
    one(availability(case(&service("app", 1.0, 1.0), &fault, up + down), entry))
}

fn k_of_n(entry: &Entry) -> Cases {
    let of = |name| entry.number(name);
    let crews = format!(", crews: {}", of("crews"));
    let (up, down) = (of("mtbf_h"), of("mttr_h"));
    let case = case(&service("app", of("n"), of("k")), &wear("app", up, down, &crews), up + down);
    let reason = "from all up to the first outage: results count outages over a long time";
    (vec![availability(case, entry)], left_out(&["MTTF_system"], reason))
}

fn series_parallel(entry: &Entry) -> Cases {
    let tiers = [("lb", 2.0, 1.0), ("app", 3.0, 2.0), ("db", 2.0, 1.0)];
    let nodes = tiers.map(|(name, n, need)| service(name, n, need)).join(", ");
    let up = |name: &str| mtbf(entry.number(&format!("a_{name}")));
    let faults = tiers.map(|(name, ..)| wear(name, up(name), 1.0, "")).join(", ");
    one(availability(case(&nodes, &faults, up("app") + 1.0), entry))
}

/// Instances that fail one by one, and with their zones.
fn zones(entry: &Entry) -> Cases {
    let layout = entry.numbers("layout");
    let names = &["a", "b", "c"][..layout.len()];
    let counts: Vec<String> = names.iter().zip(&layout).map(|(z, n)| format!("{z}: {n}")).collect();
    let node = format!(
        "app: {{service: {{zones: {{{}}}, need: {}, work: 1ms}}}}",
        counts.join(", "),
        entry.number("need")
    );
    let (up, zone_up) = (mtbf(entry.number("a_node")), mtbf(entry.number("a_zone")));
    let outage = |zone: &&str| wear(zone, zone_up, 1.0, "").replace("{node", "{zone");
    let faults: Vec<String> = names.iter().map(outage).chain([wear("app", up, 1.0, "")]).collect();
    let mut case = case(&node, &faults.join(", "), up.min(zone_up) + 1.0);
    case.design += &format!("topology: {{regions: {{east: [{}]}}}}\n", names.join(", "));
    one(availability(case, entry))
}

/// Two copies, both lost at once: an outage of a node that needs one of two. The time is that from loss
/// to loss; from two good copies on it is longer by half of `mttf_h`, here 0.2 %.
fn mirror(entry: &Entry) -> Cases {
    let (up, down) = (entry.number("mttf_h"), entry.number("mttr_h"));
    let case = case(&service("app", 2.0, 1.0), &wear("app", up, down, ""), up + down);
    one(case.measure("MTTDL", format!("{} / summary.outages_per_year", 8760.0 * 360.0)))
}

/// What entries ask of the time in which the design was up.
fn availability(mut case: Case, entry: &Entry) -> Case {
    for metric in entry.expected.keys() {
        let expression = match metric.as_str() {
            "availability" => "summary.availability_time",
            "unavailability" => "1 - summary.availability_time",
            "downtime_min_per_year" => "525600 - 525600 * summary.availability_time",
            "failures_per_year_hours" => "nodes.app.outages_per_year / 360",
            _ => continue,
        };
        case = case.measure(metric, expression);
    }
    case
}
