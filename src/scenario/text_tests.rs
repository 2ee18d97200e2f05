//! Every text form of the language: what is read prints as text that reads as the same value, and
//! no text panics. Texts are good ones with a few cuts, doublings and foreign bits in them, so that
//! mistakes sit deep inside.

use std::{fmt, str::FromStr};

use proptest::prelude::*;

use super::spec::{LanguageVersion, Seed};
use crate::{
    engine::law::{DurationFormula, DurationLaw, NumberLaw, Selection, SizeFormula},
    expr::Expr,
    model::{
        balancer::Policy,
        cache::{Capacity, eviction::Eviction},
        client::{Arrivals, AttributeSpec, KeyLaw, RowOperations, curve::CurveSpec},
        network::MatrixSpec,
        resilience::{Backoff, DeadlineSpec},
        service::{Condition, Discipline, Speedup},
        store::ShardBy,
    },
    units::ValueError,
};

const GOOD: &[&str] = &[
    "5ms",
    "12.5",
    "10k",
    "exp(mean=5ms)",
    "lognormal(median=3ms p99=25ms)",
    "lognormal(mean=5ms cv=1.5)",
    "lognormal(median=3ms sigma=0.3)",
    "gamma(mean=5ms cv=0.6)",
    "erlang(k=3 mean=6ms)",
    "weibull(scale=1h shape=0.7)",
    "uniform(1ms 9ms)",
    "uniform(1k, 9k)",
    "normal(mean=5ms sd=1ms)",
    "pareto(min=2ms alpha=2.5 max=10s)",
    "hyperexp(90% 1ms; 10% 40ms)",
    "mix(95% lognormal(median=3ms p99=20ms); 5% 250ms)",
    "quantiles(p0=1ms p50=3ms p90=9ms p99.9=40ms p100=2s)",
    "empirical(file=x.csv column=\"latency (ms)\" unit=ms)",
    "shift(0.5ms exp(mean=1ms))",
    "2ms + 0.2ms * prompt",
    "80ms + 120ms/MB * size + exp(mean=1ms)",
    "20KB + 4B * prompt",
    "poisson(100/s)",
    "poisson(5M/day batch=4)",
    "constant(100/s)",
    "renewal(empirical(file='a b.csv' column=t unit=us))",
    "mmpp(0/s for 100s; 1.6/s for 50s)",
    "closed(users=50 think=exp(mean=1s))",
    "trace(file=f.csv.gz column=\"t (s)\" unit=datetime speed=2.5 at_end=repeat)",
    "trace(file=a.csv column=3 unit=ms separator=; header=none sort=true spread=10ms)",
    "trace(file=access.log format=combined start=2024-05-01T10:00:00Z spread=none)",
    "trace(file=a.csv column=t start=1.5 separator=tab at_end=repeat)",
    "trace(file=access.log format=combined column=path)",
    "trace(file=a.json format=jsonl column=data.time unit=datetime bad=skip where=\"type == Point and v != 'a b'\")",
    "trace(file=alb.log format=alb count=n decimal=comma)",
    "trace(file=m.csv header=none column=#1 unit=filetime separator=blank)",
    "curve(file=a.csv columns=1..1440 unit=count every=1m scale=2)",
    "metric == vus and v >= 3",
    "column(op GET=read DEL=skip other=write)",
    "hdr(file=x.hgrm unit=ms)",
    "exp(rate=12/s)",
    "exp(mean=83.333333333333ms)",
    "empirical(file=access.log column=request_time unit=s format=combined)",
    "empirical(file=access.log column=request_time unit='s ' format=combined)",
    "zipf(n=1M s=0.99)",
    "uniform(n=100k)",
    "hot(n=1M hot=1% share=80%)",
    "sequential(n=7)",
    "power_of_d(d=3)",
    "consistent_hash(vnodes=64)",
    "bounded_hash(vnodes=100 c=1.5)",
    "rendezvous",
    "sticky",
    "consistent_hash(vnodes=10)",
    "range",
    "range(100k 400k)",
    "directory",
    "least_requests",
    "linear(step=20ms max=1s)",
    "exponential(base=50ms factor=1.5 max=1s jitter=decorrelated)",
    "constant(20ms)",
    "constant(20ms jitter=20%)",
    "linear(step=20ms max=1s jitter=equal)",
    "exponential(base=50ms factor=2 max=1s jitter=20%)",
    "propagate",
    "srpt",
    "codel(target=5ms interval=100ms)",
    "table(1=1 8=6.5 32=14)",
    "tier == gold and size > 1.5KB",
    "not poison",
    "age <= 5m and beta != 0",
    "matrix(file=rtt.csv unit=ms round_trip=true)",
    "choice(gold=20% free=80%)",
    "0.01%",
    "column(ContextTokens)",
    "18446744073709551615",
    "1",
];

const BITS: &[&str] = &[
    "(",
    ")",
    "=",
    ";",
    ",",
    " ",
    "\"",
    "'",
    "+",
    "*",
    "/",
    "%",
    ".",
    "0",
    "9",
    "e",
    "-",
    "_",
    "µ",
    "ms",
    "KB",
    "nan",
    "1e3",
    "99999999999999999999",
    "p",
    "and",
    "mean=",
    "exp(",
    "x",
];

/// A good text with some edits.
fn texts() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0..4_usize, 0..BITS.len());
    (0..GOOD.len(), prop::collection::vec(edit, 0..5)).prop_map(|(good, edits)| {
        let mut text: Vec<char> = GOOD[good].chars().collect();
        for (at, kind, bit) in edits {
            let at = at.index(text.len() + 1);
            match kind {
                0 if at < text.len() => drop(text.remove(at)),
                1 if at < text.len() => text.truncate(at),
                2 => drop(text.splice(at..at, text[at..].to_vec()).count()),
                _ => drop(text.splice(at..at, BITS[bit].chars()).count()),
            }
        }
        text.into_iter().collect()
    })
}

/// Whether the text is a value; if it is, it prints as the same value, and that for good.
fn reads_back<T>(text: &str) -> bool
where
    T: FromStr<Err = ValueError> + fmt::Display + PartialEq + fmt::Debug,
{
    let Ok(value) = text.parse::<T>() else { return false };
    let printed = value.to_string();
    let again: T = printed.parse().unwrap_or_else(|e| panic!("{text} printed as {printed}: {e}"));
    assert_eq!(again, value, "{text} printed as {printed}");
    assert_eq!(again.to_string(), printed, "{text}");
    true
}

/// How many types take the text.
fn takers(text: &str) -> usize {
    [
        reads_back::<DurationLaw>(text),
        reads_back::<NumberLaw>(text),
        reads_back::<DurationFormula>(text),
        reads_back::<SizeFormula>(text),
        reads_back::<Arrivals>(text),
        reads_back::<KeyLaw>(text),
        reads_back::<Eviction>(text),
        reads_back::<Capacity>(text),
        reads_back::<AttributeSpec>(text),
        reads_back::<CurveSpec>(text),
        reads_back::<RowOperations>(text),
        reads_back::<Selection>(text),
        reads_back::<Policy>(text),
        reads_back::<ShardBy>(text),
        reads_back::<Backoff>(text),
        reads_back::<DeadlineSpec>(text),
        reads_back::<Discipline>(text),
        reads_back::<Speedup>(text),
        reads_back::<Condition>(text),
        reads_back::<MatrixSpec>(text),
        reads_back::<Seed>(text),
        reads_back::<LanguageVersion>(text),
    ]
    .into_iter()
    .filter(|taken| *taken)
    .count()
}

#[test]
fn every_good_text_is_a_value_that_reads_back() {
    for text in GOOD {
        assert!(takers(text) > 0, "{text}");
    }
}

#[test]
fn what_is_planned_is_refused_as_such() {
    assert_eq!("consistent_hash(vnodes=0)".parse::<Policy>().unwrap_err().code, "E-SHARD");
    assert_eq!("bounded_hash(c=0.5)".parse::<Policy>().unwrap_err().code, "E-RANGE");
}

#[test]
fn an_argument_of_the_wrong_shape_never_becomes_a_default() {
    for (text, code) in
        [("power_of_d(d=two(2))", "E-TYPE"), ("power_of_d(2)", "E-EXPR"), ("random(d=2)", "E-EXPR")]
    {
        assert_eq!(text.parse::<Policy>().unwrap_err().code, code, "{text}");
    }
    assert_eq!("codel(target=x(1))".parse::<Discipline>().unwrap_err().code, "E-TYPE");
    assert_eq!("fifo(3)".parse::<Discipline>().unwrap_err().code, "E-EXPR");
    assert_eq!("matrix(file=a(b) unit=ms)".parse::<MatrixSpec>().unwrap_err().code, "E-TYPE");
    assert_eq!("choice(a=50% a=50%)".parse::<AttributeSpec>().unwrap_err().code, "E-DIST");
    let backoff = "exponential(base=2s max=1s)".parse::<Backoff>();
    assert_eq!(backoff.unwrap_err().code, "E-RANGE");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_read_prints_as_itself_and_nothing_panics(text in texts()) {
        takers(&text);
        if let Ok(expr) = Expr::parse(&text) {
            prop_assert_eq!(Expr::parse(&expr.to_string()), Ok(expr));
        }
    }

    #[test]
    fn foreign_texts_panic_nowhere(text in any::<String>()) {
        takers(&text);
    }
}

/// The words of the page are those that are read.
#[test]
fn each_line_of_the_page_is_read() {
    let page = include_str!("../../docs/LOGS.md");
    let rows = page.lines().filter(|line| line.starts_with('|') && line.contains('`'));
    let mut read = 0;
    for line in rows {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        for (i, cell) in cells.iter().enumerate() {
            for text in cell.split('`').skip(1).step_by(2).filter(|text| text.contains('(')) {
                let said = match (text.split('(').next(), i) {
                    (Some("trace"), 1) => text.parse::<Arrivals>().map(|read| read.to_string()),
                    (Some("trace"), _) => text.parse::<KeyLaw>().map(|read| read.to_string()),
                    (Some("column"), 2) => {
                        text.parse::<RowOperations>().map(|read| read.to_string())
                    }
                    (Some("column"), _) => {
                        text.parse::<AttributeSpec>().map(|read| read.to_string())
                    }
                    (Some("curve"), _) => text.parse::<CurveSpec>().map(|read| read.to_string()),
                    _ => text.parse::<DurationLaw>().map(|read| read.to_string()),
                };
                said.unwrap_or_else(|e| panic!("{text}: {}", e.message));
                read += 1;
            }
        }
    }
    assert!(read > 40, "{read}");
}
