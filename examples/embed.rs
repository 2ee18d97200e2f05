//! A design opened, run and judged by a program of one's own: no files, no terminal.

use std::sync::atomic::AtomicBool;

use windtunnel::{
    results::Judgement,
    scenario::load::Overrides,
    study::{Alone, Study},
};

const SHOP: &str = "
windtunnel: 1
name: shop
duration: 60s
clients: {users: {arrivals: poisson(50/s), to: api}}
nodes: {api: {service: {cores: 1, work: exp(mean=10ms)}}}
slos: [p99(latency) <= 200ms]
";

/// Opens a scenario, or says what is wrong with it and where.
fn open(text: &str) -> Result<Study, String> {
    let asked = Overrides::default();
    Study::open(Alone::PATH, &Alone(text), &asked).map_err(|refused| refused.render(false))
}

/// What the documentation shows.
pub fn main() -> Result<(), String> {
    let never = AtomicBool::new(false);
    let run = open(SHOP)?.run(20, &never).map_err(|breach| breach.message)?;

    assert_eq!(run.results.seeds.len(), 20);
    assert_eq!(run.results.slos[0].verdict, Judgement::Met);
    // Half of the core is busy: what theory says lies within the interval.
    let busy = run.results.nodes["api"].utilisation;
    assert!(busy.lower < Some(0.5) && Some(0.5) < busy.upper);

    let refused = open("windtunnel: 1").expect_err("much is missing");
    assert!(refused.contains("`name` is missing"), "{refused}");
    Ok(())
}
