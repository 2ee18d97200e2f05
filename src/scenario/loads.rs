//! Clients whose load is multiplied, as `--set` has it.
//!
//! **Invariant.** The n-th request stays the n-th: what changes is when it comes.

use super::spec::ScenarioSpec;
use crate::{
    model::client::{Arrivals, ClientSpec, LoadSpec, LoadStep, curve::CurveSpec},
    problem::{Problem, Problems, closest},
    units::{Number, SimDuration},
};

/// The clients whose load is to be multiplied: the one of this name, or all.
///
/// # Errors
///
/// There is no such client, or its load cannot be multiplied.
pub fn multiplied(spec: &ScenarioSpec, of: Option<&str>) -> Result<Vec<String>, Problem> {
    let mut problems = Problems::default();
    let known = || spec.clients.keys().map(|name| name.0.as_str());
    let mut named = Vec::new();
    if let Some(of) = of.filter(|of| known().all(|name| name != *of)) {
        let message = format!("there is no client `{of}`");
        problems.error_help("E-REF", "clients", message, closest(of, known()));
    }
    for (name, client) in &spec.clients {
        if of.is_some_and(|of| of != name.0) {
            continue;
        }
        named.push(name.0.clone());
        if times(client, 1.0).is_none() {
            let at = format!("clients.{}.arrivals", name.0);
            let message = "a schedule says itself how many come: there is no load to multiply";
            problems.error_help("E-CONFLICT", at, message, "name one of the other clients");
        }
    }
    match problems.into_vec().into_iter().next() {
        Some(problem) => Err(problem),
        None => Ok(named),
    }
}

/// What has these clients send so many times as much.
#[must_use]
pub fn sets(spec: &ScenarioSpec, clients: &[String], factor: f64) -> Vec<String> {
    let own = spec.clients.iter().filter(|(name, _)| clients.contains(&name.0));
    let set = |(name, client): (&crate::units::Name, &ClientSpec)| {
        let (key, value) = times(client, factor)?;
        Some(format!("clients.{}.{key}={value}", name.0))
    };
    own.filter_map(set).collect()
}

/// A key of a client and what stands there when it sends so many times as much; none where it comes by the clock.
pub(super) fn times(client: &ClientSpec, factor: f64) -> Option<(&'static str, String)> {
    let by = |of: f64| rounded(of * factor);
    match &client.arrivals {
        Arrivals::Schedule(_) => None,
        Arrivals::Closed { users, think, requests } => {
            let users = (by(*users as f64).round() as u64).max(1);
            let closed = Arrivals::Closed { users, think: think.clone(), requests: *requests };
            Some(("arrivals", closed.to_string()))
        }
        Arrivals::Trace(trace) => {
            let mut trace = trace.clone();
            trace.speed = by(trace.speed);
            Some(("arrivals", Arrivals::Trace(trace).to_string()))
        }
        _ => Some(("load", load(client.load.as_ref(), by))),
    }
}

fn load(load: Option<&LoadSpec>, by: impl Fn(f64) -> f64) -> String {
    let steps = match load {
        None => return Number(by(1.0)).to_string(),
        Some(LoadSpec::Factor(factor)) => return Number(by(factor.0)).to_string(),
        Some(LoadSpec::Curve(curve)) => {
            return CurveSpec { scale: by(curve.scale), ..*curve.clone() }.to_string();
        }
        Some(LoadSpec::Steps(steps)) => steps,
    };
    // Steps that recur multiply the others: of those there is always one, from the start on.
    let at_once = |step: &&LoadStep| step.every.is_none() && step.at.0 == 0 && step.over.is_none();
    let start = LoadStep { every: None, at: SimDuration(0), factor: Number(by(1.0)), over: None };
    let first = steps.iter().find(at_once).is_none().then_some(start);
    let scaled = steps.iter().map(|step| match step.every {
        None => LoadStep { factor: Number(by(step.factor.0)), ..step.clone() },
        Some(_) => step.clone(),
    });
    let steps: Vec<String> = first.into_iter().chain(scaled).map(|step| written(&step)).collect();
    format!("[{}]", steps.join(", "))
}

fn written(step: &LoadStep) -> String {
    let times = [("every", step.every), ("over", step.over)];
    let times = times.into_iter().filter_map(|(key, time)| Some(format!(", {key}: {}", time?)));
    format!("{{at: {}, factor: {}{}}}", step.at, step.factor, times.collect::<String>())
}

/// As many digits as a decimal of a person has.
fn rounded(x: f64) -> f64 {
    format!("{x:.11e}").parse().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::client::load::Profile;

    fn client(text: &str) -> ClientSpec {
        serde_yaml::from_str(text).expect(text)
    }

    /// Requests until an instant, in seconds, of the client with this in the place of what it says.
    fn expected(client: &ClientSpec, until: f64) -> f64 {
        let profile = Profile::new(100.0, client.load.as_ref(), None);
        profile.expected((until * 1e9) as u64).unwrap()
    }

    #[test]
    fn every_profile_is_multiplied_at_every_instant() {
        for load in [
            "",
            "load: 2",
            "load: [{at: 10s, factor: 3}]",
            "load: [{at: 0s, factor: 3, over: 10s}, {at: 20s, factor: 0.5}]",
            "load: [{at: 0s, factor: 2}, {at: 30s, factor: 0}]",
            "load: [{every: 20s, at: 5s, factor: 4}, {every: 20s, at: 10s, factor: 1}]",
            "load: [{every: 20s, at: 5s, factor: 4}, {at: 10s, factor: 1.5, over: 10s}]",
        ] {
            let plain = client(&format!("arrivals: poisson(100/s)\nto: a\n{load}"));
            let (key, value) = times(&plain, 1.7).unwrap();
            let more = client(&format!("arrivals: poisson(100/s)\nto: a\n{key}: {value}"));
            for until in [1.0, 7.0, 12.5, 25.0, 61.0] {
                let (plain, more) = (expected(&plain, until), expected(&more, until));
                assert!((more - 1.7 * plain).abs() < 1e-6 * (1.0 + plain), "{load} {until}");
            }
        }
    }

    #[test]
    fn users_and_traces_are_multiplied_where_they_stand() {
        let of = |text: &str| times(&client(&format!("arrivals: {text}\nto: a")), 2.5);
        let set = |text: &str| Some(("arrivals", text.to_owned()));
        assert_eq!(of("closed(users=101 think=1s)"), set("closed(users=253 think=1s)"));
        assert_eq!(of("closed(users=1 think=1s)").unwrap().1, "closed(users=3 think=1s)");
        let trace = of("trace(file=a.csv column=t speed=2)").unwrap().1;
        assert!(trace.contains("speed=5"), "{trace}");
        assert_eq!(of("schedule(every=1s batch=10)"), None);
    }
}
