//! Laws against closed forms, against fixed bits, and against themselves printed.

use super::*;
use crate::engine::random::Stream;

const DRAWS: u64 = 1_000_000;

struct Column(Vec<f64>);

impl Tables for Column {
    fn column(&self, table: &Table, column: &str) -> Result<Vec<f64>, String> {
        match (table.file.as_str(), column) {
            ("x.csv", "latency (ms)") => Ok(self.0.clone()),
            ("x.hgrm", "Value") => Ok(vec![1.0, 3.0, 9.0, 40.0]),
            ("x.hgrm", "Percentile") => Ok(vec![0.0, 0.5, 0.9, 1.0]),
            _ => Err("none".into()),
        }
    }
}

fn law(text: &str) -> DurationLaw {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn sampler(text: &str) -> Sampler {
    law(text).compile(&Column(vec![1.0, 2.0, 4.0, 8.0])).unwrap()
}

/// Sorted draws.
fn sample(text: &str) -> Vec<f64> {
    let (sampler, stream) = (sampler(text), Stream::new(7, text, "test"));
    let mut xs: Vec<f64> = (0..DRAWS).map(|i| sampler.sample(&mut stream.draw(i))).collect();
    xs.sort_by(f64::total_cmp);
    xs
}

fn mean_sd(xs: &[f64]) -> (f64, f64) {
    let n = xs.len() as f64;
    let mean = xs.iter().sum::<f64>() / n;
    (mean, libm::sqrt(xs.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n))
}

/// Largest distance between the draws and a distribution function, times the root of their number.
/// The 99.99 % point of Kolmogorov's distribution is 2.23.
fn kolmogorov(xs: &[f64], cdf: impl Fn(f64) -> f64) -> f64 {
    let n = xs.len() as f64;
    let gap = |(i, x): (usize, &f64)| {
        let f = cdf(*x);
        (f - i as f64 / n).abs().max(((i + 1) as f64 / n - f).abs())
    };
    xs.iter().enumerate().map(gap).fold(0.0, f64::max) * libm::sqrt(n)
}

fn phi(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

const MS: f64 = 1e6;

/// The distribution functions, written anew from the textbooks.
fn cases() -> Vec<(&'static str, Box<dyn Fn(f64) -> f64>)> {
    let exp = |mean: f64| move |x: f64| 1.0 - libm::exp(-x / mean);
    let lognormal = |median: f64, sigma: f64| move |x: f64| phi(libm::log(x / median) / sigma);
    let z99 = 2.326_347_874_040_841;
    let by_cv = libm::sqrt(libm::log(1.0 + 1.5 * 1.5));
    vec![
        ("exp(mean=5ms)", Box::new(exp(5.0 * MS))),
        (
            "lognormal(median=3ms p99=25ms)",
            Box::new(lognormal(3.0 * MS, libm::log(25.0 / 3.0) / z99)),
        ),
        (
            "lognormal(mean=5ms cv=1.5)",
            Box::new(lognormal(5.0 * MS / libm::sqrt(1.0 + 1.5 * 1.5), by_cv)),
        ),
        (
            "erlang(k=3 mean=6ms)",
            Box::new(|x| {
                let y = x / (2.0 * MS);
                1.0 - libm::exp(-y) * (1.0 + y + y * y / 2.0)
            }),
        ),
        // Shape 1/4: a gamma with integer cv^2 has no closed form, the chi-square does: cv = sqrt 2
        // is one squared normal.
        (
            "gamma(mean=5ms cv=1.4142135623730951)",
            Box::new(|x| 1.0 - 2.0 * phi(-libm::sqrt(x / (5.0 * MS)))),
        ),
        (
            "weibull(scale=10ms shape=0.7)",
            Box::new(|x| 1.0 - libm::exp(-libm::pow(x / (10.0 * MS), 0.7))),
        ),
        ("uniform(1ms 9ms)", Box::new(|x| (x - MS) / (8.0 * MS))),
        ("pareto(min=2ms alpha=2.5)", Box::new(|x| 1.0 - libm::pow(2.0 * MS / x, 2.5))),
        (
            "pareto(min=2ms alpha=1.2 max=1s)",
            Box::new(|x| {
                (1.0 - libm::pow(2.0 * MS / x, 1.2)) / (1.0 - libm::pow(2.0 / 1000.0, 1.2))
            }),
        ),
        (
            "hyperexp(90% 1ms; 10% 40ms)",
            Box::new(move |x| 0.9 * exp(MS)(x) + 0.1 * exp(40.0 * MS)(x)),
        ),
        (
            "mix(25% uniform(0ms 1ms); 75% exp(mean=2ms))",
            Box::new(move |x| 0.25 * (x / MS).min(1.0) + 0.75 * exp(2.0 * MS)(x)),
        ),
        (
            "quantiles(p0=1ms p50=4ms p100=64ms)",
            Box::new(|x| {
                let ln = libm::log(x / MS) / libm::log(2.0);
                if ln < 2.0 { ln / 4.0 } else { 0.5 + (ln - 2.0) / 8.0 }
            }),
        ),
        ("shift(0.5ms exp(mean=1ms))", Box::new(move |x| exp(MS)(x - 0.5 * MS))),
    ]
}

#[test]
fn draws_follow_their_distribution_functions() {
    for (text, cdf) in cases() {
        let distance = kolmogorov(&sample(text), cdf);
        assert!(distance < 2.23, "{text}: {distance}");
    }
}

#[test]
fn a_wrong_distribution_would_be_noticed() {
    let xs = sample("exp(mean=5ms)");
    let distance = kolmogorov(&xs, |x| 1.0 - libm::exp(-x / (5.03 * MS)));
    assert!(distance > 2.23, "a mean 0.6 % off: {distance}");
}

#[test]
fn a_normal_is_cut_at_zero() {
    let xs = sample("normal(mean=5ms sd=4ms)");
    let zeros = xs.iter().filter(|x| **x == 0.0).count() as f64 / DRAWS as f64;
    assert!((zeros - phi(-1.25)).abs() < 0.0015, "{zeros}");
    let above: Vec<f64> = xs.into_iter().filter(|x| *x > 0.0).collect();
    let cut = phi(-1.25);
    let cdf = |x: f64| (phi((x - 5.0 * MS) / (4.0 * MS)) - cut) / (1.0 - cut);
    assert!(kolmogorov(&above, cdf) < 2.23);
    assert_eq!(law("normal(mean=5ms sd=4ms)").warnings().len(), 1);
    assert!(law("normal(mean=5ms sd=1ms)").warnings().is_empty());
}

#[test]
fn means_agree_with_a_million_draws() {
    let more = ["normal(mean=5ms sd=4ms)", "gamma(mean=5ms cv=0.6)", "gamma(mean=5ms cv=3)", "7ms"];
    for text in cases().iter().map(|c| c.0).chain(more) {
        let xs = sample(text);
        let (mean, sd) = mean_sd(&xs);
        let exact = law(text).mean().expect(text);
        let tolerance = 4.5 * sd / libm::sqrt(DRAWS as f64) + 1e-9;
        assert!((mean - exact).abs() < tolerance, "{text}: {mean} for {exact}");
        assert!(xs[0] >= law(text).min_value(), "{text}");
    }
}

#[test]
fn a_gamma_has_the_spread_it_was_given() {
    for (text, cv) in [("gamma(mean=5ms cv=0.6)", 0.6), ("gamma(mean=5ms cv=2)", 2.0)] {
        let (mean, sd) = mean_sd(&sample(text));
        assert!((sd / mean / cv - 1.0).abs() < 0.01, "{text}: {}", sd / mean);
    }
}

#[test]
fn a_quantile_law_has_its_quantiles() {
    let text = "quantiles(p0=1ms p50=3ms p90=9ms p99=40ms p99.9=100ms p100=2s)";
    let xs = sample(text);
    for (p, ms) in [(0.5, 3.0), (0.9, 9.0), (0.99, 40.0), (0.999, 100.0)] {
        let x = xs[(p * DRAWS as f64) as usize] / MS;
        assert!((x / ms - 1.0).abs() < 0.05, "{p}: {x}");
    }
    assert_eq!(law(text), law("quantiles(p0=1ms p50=3ms p90=9ms p99=40ms p999=100ms p100=2s)"));
}

#[test]
fn an_empirical_law_draws_the_values_of_its_column() {
    let text = "empirical(file=x.csv column=\"latency (ms)\" unit=ms)";
    assert_eq!(law(text).tables(), [(Table::plain("x.csv"), "latency (ms)".to_owned())]);
    let xs = sample(text);
    for (i, ms) in [1.0, 2.0, 4.0, 8.0].into_iter().enumerate() {
        let share = xs.iter().filter(|x| **x == ms * MS).count() as f64 / DRAWS as f64;
        assert!((share - 0.25).abs() < 0.002, "{i}: {share}");
    }
    for bad in [vec![], vec![1.0, -1.0], vec![f64::NAN], vec![1e300]] {
        assert!(law(text).compile(&Column(bad)).is_err());
    }
    assert!(law("empirical(file=y.csv column=t unit=s)").compile(&Column(vec![1.0])).is_err());
    assert_eq!(law(text).to_string(), text);
}

/// A change of these bits changes every result file: it needs a new version of the semantics.
#[test]
fn draws_are_the_same_bits_for_ever() {
    let mut found = String::new();
    let more = ["gamma(mean=5ms cv=0.6)", "gamma(mean=5ms cv=3)", "normal(mean=5ms sd=1ms)", "7ms"];
    for text in cases().iter().map(|c| c.0).chain(more) {
        let (sampler, stream) = (sampler(text), Stream::new(42, "golden", "bits"));
        let bits = |i| format!(" {:016x}", sampler.sample(&mut stream.draw(i)).to_bits());
        found.push_str(text);
        found.push(':');
        found.extend([0, 1, 2, 1_000_000].map(bits));
        found.push('\n');
    }
    insta::assert_snapshot!(found);
}

#[test]
fn the_slow_paths_of_both_ziggurats_are_taken_and_right() {
    // Beyond the last layer's edge only the tail's own draw leads.
    let xs = sample("exp(mean=1s)");
    let tail = xs.iter().filter(|x| **x > 7.697_117 * 1e9).count() as f64;
    let expected = DRAWS as f64 * libm::exp(-7.697_117);
    assert!((tail - expected).abs() < 5.0 * libm::sqrt(expected), "{tail} for {expected}");
    let (layers, stream) = (ziggurat::normal_layers(), Stream::new(3, "tail", "test"));
    let beyond = |i| layers.normal(&mut stream.draw(i)).abs() > 3.654_152;
    let tail = (0..4 * DRAWS).filter(|i| beyond(*i)).count() as f64;
    let expected = 8.0 * DRAWS as f64 * phi(-3.654_152);
    assert!((tail - expected).abs() < 5.0 * libm::sqrt(expected), "{tail} for {expected}");
}

#[test]
fn spans_round_half_to_even_and_never_below_zero() {
    for (x, nanos) in [
        (0.5, 0),
        (1.5, 2),
        (2.5, 2),
        (2.500_000_1, 3),
        (-3.0, 0),
        (-0.0, 0),
        (4_503_599_627_370_495.5, 4_503_599_627_370_496),
        (4_503_599_627_370_497.0, 4_503_599_627_370_497),
        (1e18, 1_000_000_000_000_000_000),
    ] {
        assert_eq!(to_nanos(x), nanos, "{x}");
    }
    assert!(std::panic::catch_unwind(|| to_nanos(2e19)).is_err());
    assert!(std::panic::catch_unwind(|| to_nanos(f64::NAN)).is_err());
}

#[test]
fn laws_print_as_they_parse() {
    let more = [
        "5ms",
        "gamma(mean=5ms cv=0.6)",
        "normal(mean=5ms sd=1ms)",
        "lognormal(median=3ms sigma=0.5)",
        "mix(95% lognormal(median=3ms p99=20ms); 5% 250ms)",
        "pareto(min=2ms alpha=2.5 max=10s)",
        "quantiles(p0=1ms p50=3ms p90=9ms p99=40ms p99.9=1s p100=2s)",
        "shift(1ms mix(50% exp(mean=1ms); 50% shift(1ms 2ms)))",
    ];
    for text in cases().iter().map(|c| c.0).chain(more) {
        let printed = law(text).to_string();
        assert_eq!(law(&printed), law(text), "{text} printed as {printed}");
    }
    for text in more {
        assert_eq!(law(text).to_string(), text);
    }
}

#[test]
fn impossible_laws_are_refused_with_the_rule() {
    for (text, code) in [
        ("exp(mean=0s)", "E-DIST"),
        ("exp(5ms)", "E-EXPR"),
        ("exp(mean=5)", "E-UNIT"),
        ("exp(mean=5ms rate=3)", "E-EXPR"),
        ("exponential(mean=5ms)", "E-ENUM"),
        ("lognormal(median=5ms p99=5ms)", "E-DIST"),
        ("lognormal(mean=5ms cv=0)", "E-DIST"),
        ("lognormal(median=5ms)", "E-EXPR"),
        ("gamma(mean=5ms cv=0)", "E-DIST"),
        ("erlang(k=0 mean=5ms)", "E-DIST"),
        ("erlang(k=1.5 mean=5ms)", "E-DIST"),
        ("weibull(scale=1h shape=0)", "E-DIST"),
        ("uniform(9ms 1ms)", "E-DIST"),
        ("normal(mean=5ms sd=-1ms)", "E-RANGE"),
        ("normal(mean=5ms sd=0ms)", "E-DIST"),
        ("pareto(min=2ms alpha=1)", "E-DIST"),
        ("pareto(min=2ms alpha=2 max=1ms)", "E-DIST"),
        ("hyperexp(90% 1ms; 20% 40ms)", "E-DIST"),
        ("hyperexp()", "E-EXPR"),
        ("mix(50% 1ms)", "E-DIST"),
        ("quantiles(p50=3ms)", "E-DIST"),
        ("quantiles(p0=1ms p90=3ms p50=4ms p100=5ms)", "E-DIST"),
        ("quantiles(p0=1ms p50=3ms p1000=4ms p100=5ms)", "E-EXPR"),
        ("empirical(file=x.csv column=t)", "E-UNIT"),
        ("constant(5ms)", "E-ENUM"),
        ("lognormal(median=1h sigma=200)", "E-DIST"),
        ("weibull(scale=1h shape=0.001)", "E-DIST"),
        ("mix(50% 1ms; 50% weibull(scale=1h shape=0.001))", "E-DIST"),
        ("gamma(mean=5ms cv=0.0000001)", "E-DIST"),
        ("lognormal(mean=5ms cv=10000000)", "E-DIST"),
        ("exp(mean=5ms", "E-EXPR"),
        ("", "E-EXPR"),
    ] {
        let found = text.parse::<DurationLaw>();
        assert_eq!(found.expect_err(text).code, code, "{text}");
    }
}

#[test]
fn means_are_as_fine_as_they_are_written() {
    assert_eq!(law("exp(rate=12/s)").mean(), Some(1e9 / 12.0));
    assert_eq!(law("exp(rate=90/min)").mean(), Some(1e9 / 1.5));
    assert_eq!(law("exp(mean=0.25ns)").mean(), Some(0.25));
    assert_eq!(law("gamma(mean=83.33333333333333ms cv=2)").mean(), Some(83_333_333.333_333_33));
    let fine = law("exp(mean=83.33333333333333ms)");
    assert_eq!(fine.to_string().parse(), Ok(fine));
    assert_eq!(law("exp(rate=12/s)").to_string(), "exp(rate=12/s)");
    // A constant is a span of the clock, and no law is longer than the clock.
    for (text, code) in [
        ("0.25ns", "E-RESOLUTION"),
        ("exp(mean=1000000d)", "E-OVERFLOW"),
        ("exp(rate=0/s)", "E-RANGE"),
        ("exp(rate=12)", "E-UNIT"),
        ("exp(rate=1/s mean=5ms)", "E-EXPR"),
        ("exp()", "E-EXPR"),
        ("hdr(unit=ms)", "E-EXPR"),
        ("hdr(file=x.hgrm)", "E-UNIT"),
        ("hdr(file=x.hgrm unit=ms separator=;)", "E-EXPR"),
    ] {
        assert_eq!(text.parse::<DurationLaw>().expect_err(text).code, code, "{text}");
    }
    assert_eq!("exp(rate=12/s)".parse::<SizeLaw>().expect_err("no duration").code, "E-TYPE");
    let points = "quantiles(p0=1ms p50=3ms p90=9ms p100=40ms)";
    assert_eq!(
        format!("{:?}", sampler("hdr(file=x.hgrm unit=ms)")),
        format!("{:?}", sampler(points))
    );
}

#[test]
fn infinite_moments_are_told() {
    assert_eq!(law("pareto(min=2ms alpha=1.5)").warnings().len(), 1);
    assert!(law("pareto(min=2ms alpha=1.5 max=1s)").warnings().is_empty());
    assert_eq!(law("shift(1ms pareto(min=2ms alpha=1.5))").warnings().len(), 1);
    assert_eq!(law("pareto(min=2ms alpha=0.9 max=1s)").mean().map(f64::is_finite), Some(true));
}

#[test]
fn formulas_are_sums_of_laws_and_attributes() {
    let formula: DurationFormula = "80ms + 120ms/MB * size".parse().unwrap();
    assert_eq!(formula.attributes().collect::<Vec<_>>(), [(120.0, "size")]);
    assert_eq!((formula.constant(), formula.mean_of_law()), (None, Some(80.0 * MS)));
    let formula: DurationFormula = "2ms + 3ms".parse().unwrap();
    assert_eq!(formula.constant(), Some(5.0 * MS));
    let formula: DurationFormula =
        "exp(mean=2ms) + shift(1ms exp(mean=1ms)) + 0.2ms * prompt".parse().unwrap();
    assert_eq!(formula.mean_of_law(), Some(4.0 * MS));
    let stream = Stream::new(1, "formula", "test");
    let sampler = formula.compile(&Column(vec![])).unwrap();
    let xs: Vec<f64> = (0..DRAWS).map(|i| sampler.sample(&mut stream.draw(i))).collect();
    let (mean, sd) = mean_sd(&xs);
    // Independent parts: the variances add.
    assert!((mean / MS - 4.0).abs() < 0.01 && (sd / MS - libm::sqrt(5.0)).abs() < 0.01);
    let size: SizeFormula = "20KB + 4B * prompt".parse().unwrap();
    assert_eq!(size.attributes().collect::<Vec<_>>(), [(4.0, "prompt")]);
    for text in [
        "2ms + 200us * prompt",
        "80ms + 120ms/MB * size",
        "exp(mean=3ms) + 1us * prompt",
        "0.5ns * prompt",
        "5ms",
    ] {
        let formula: DurationFormula = text.parse().unwrap();
        assert_eq!(formula.to_string(), text);
        assert_eq!(formula.to_string().parse::<DurationFormula>().unwrap(), formula);
    }
    for bad in [
        "2ms +",
        "+ 2ms",
        "2ms * 3ms",
        "2ms - 1ms",
        "exp(mean=2ms) * prompt",
        "2 * prompt",
        "2ms/s * size",
        "2ms * 2 * prompt",
        "",
    ] {
        assert!(bad.parse::<DurationFormula>().is_err(), "{bad}");
    }
}

#[test]
fn a_refusal_never_suggests_what_was_refused() {
    let help = "constant(5ms)".parse::<DurationLaw>().expect_err("no such law").help;
    assert!(!help.expect("the known laws").contains("constant"));
}

/// Every prefix, every text with one character replaced: refused or a law that prints and parses.
#[test]
fn no_text_panics_and_what_parses_prints_as_itself() {
    let more = ["2ms + 0.2ms * prompt", "80ms + 120ms/MB * size", "gamma(mean=5ms cv=0.6)", "é)"];
    let mut parsed = 0;
    for text in cases().iter().map(|c| c.0).chain(more) {
        for (at, old) in text.char_indices() {
            let rest = &text[at + old.len_utf8()..];
            let replaced = "(;=*+/% .-9p\"é\0".chars().map(|c| format!("{}{c}{rest}", &text[..at]));
            for mutant in replaced.chain([text[..at].to_owned()]) {
                let Ok(formula) = mutant.parse::<DurationFormula>() else { continue };
                parsed += 1;
                let printed = formula.to_string();
                assert_eq!(printed.parse(), Ok(formula), "{mutant} printed as {printed}");
            }
            let _ = (text[..at].parse::<NumberLaw>(), text[at..].parse::<SizeFormula>());
        }
    }
    assert!(parsed > 100, "{parsed}");
}
