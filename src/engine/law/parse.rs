//! Laws as text.
//!
//! **Invariant.** Parsing what was printed gives the same law.

use std::{fmt, str::FromStr};

use super::{Dimension, Format, Law, Lognormal, Shape, Table};
use crate::{
    expr::{Expr, Taker, quoted, unknown},
    units::{Fraction, Rate, ValueError, number},
};

/// Standard normal quantile of 0.99.
const Z99: f64 = 2.326_347_874_040_841;

/// Means from here on, in base units, do not fit the clock: 2^63.
const LARGEST_MEAN: f64 = 9_223_372_036_854_775_808.0;

const KNOWN: [&str; 14] = [
    "exp",
    "lognormal",
    "gamma",
    "erlang",
    "weibull",
    "uniform",
    "normal",
    "pareto",
    "hyperexp",
    "mix",
    "quantiles",
    "empirical",
    "hdr",
    "shift",
];

impl<D: Dimension> FromStr for Law<D> {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        Ok(Self::of(shape::<D>(&Expr::parse(text)?)?))
    }
}

/// The law of an expression.
pub(super) fn shape<D: Dimension>(expr: &Expr) -> Result<Shape, ValueError> {
    if let Some(word) = expr.word() {
        return D::parse(word).map(Shape::Constant);
    }
    let shape = named::<D>(expr)?;
    // Extreme parameters overflow f64: such a law would draw infinities and NaN. Means that only a
    // file knows are checked when it is read.
    let proper = shape.mean().is_none_or(|mean| mean < LARGEST_MEAN);
    rule(proper, "the mean is too large: bring the parameters nearer to 1")?;
    Ok(shape)
}

fn named<D: Dimension>(expr: &Expr) -> Result<Shape, ValueError> {
    match expr.name.as_str() {
        "exp" => exp::<D>(expr),
        "lognormal" => lognormal::<D>(expr),
        "gamma" | "erlang" | "weibull" => shaped::<D>(expr),
        "uniform" | "normal" => located::<D>(expr),
        "pareto" => pareto::<D>(expr),
        "hyperexp" => mix::<D>(expr, true),
        "mix" => mix::<D>(expr, false),
        "quantiles" => quantiles::<D>(expr),
        "empirical" => empirical::<D>(expr),
        "hdr" => hdr::<D>(expr),
        "shift" => {
            let mut t = Taker::new(expr, "shift(0.5ms exp(mean=1ms))")?;
            let by = value::<D>(t.need_plain()?)?;
            let law = Box::new(shape::<D>(t.need_plain()?)?);
            t.finish()?;
            Ok(Shape::Shift { by, law })
        }
        other => Err(unknown("law", other, &KNOWN)),
    }
}

fn value<D: Dimension>(expr: &Expr) -> Result<f64, ValueError> {
    let word = expr.word().ok_or_else(|| {
        ValueError::new("E-TYPE", format!("expected {}, found `{expr}`", D::NAME))
    })?;
    // A parameter is no span of the clock: it may be finer than 1 ns.
    match D::parse(word) {
        Err(error) if error.code == "E-RESOLUTION" => D::parse_coefficient(word),
        value => value,
    }
}

fn plain(expr: &Expr) -> Result<f64, ValueError> {
    let word = expr.word();
    number(
        word.ok_or_else(|| {
            ValueError::new("E-TYPE", format!("expected a number, found `{expr}`"))
        })?,
    )
}

fn rule(holds: bool, message: &str) -> Result<(), ValueError> {
    if holds { Ok(()) } else { Err(ValueError::new("E-DIST", message)) }
}

/// The rule for a mean and a coefficient of variation: beyond these bounds its square is lost in f64.
fn spread(mean: f64, cv: f64) -> Result<(), ValueError> {
    rule(mean > 0.0 && cv > 0.0, "the mean and cv must be above 0")?;
    rule((1e-6..=1e6).contains(&cv), "cv must be from 0.000001 to 1000000")
}

fn exp<D: Dimension>(expr: &Expr) -> Result<Shape, ValueError> {
    let mut t = Taker::new(expr, "exp(mean=5ms) or exp(rate=12/s)")?;
    let (mean, rate) = match t.key("mean") {
        Some(mean) => (value::<D>(mean)?, None),
        None => match t.key("rate") {
            Some(rate) => {
                let (rate, mean) = D::rate(rate.need_word()?)?;
                (mean, Some(rate))
            }
            None => return Err(t.error("`exp` needs `mean=` or `rate=`")),
        },
    };
    t.finish()?;
    rule(mean > 0.0, "the mean must be above 0")?;
    Ok(Shape::Exponential { mean, rate })
}

fn lognormal<D: Dimension>(expr: &Expr) -> Result<Shape, ValueError> {
    let mut t = Taker::new(expr, "lognormal(median=3ms p99=25ms) or lognormal(mean=5ms cv=1.5)")?;
    let (mu, sigma, written) = if let Some(mean) = t.key("mean") {
        let (mean, cv) = (value::<D>(mean)?, plain(t.need("cv")?)?);
        spread(mean, cv)?;
        let variance = libm::log1p(cv * cv);
        (libm::log(mean) - variance / 2.0, libm::sqrt(variance), Lognormal::MeanCv(mean, cv))
    } else {
        let median = value::<D>(t.need("median")?)?;
        rule(median > 0.0, "the median must be above 0")?;
        if let Some(sigma) = t.key("sigma") {
            let sigma = plain(sigma)?;
            rule(sigma > 0.0, "sigma must be above 0")?;
            (libm::log(median), sigma, Lognormal::MedianSigma(median, sigma))
        } else {
            let p99 = value::<D>(t.need("p99")?)?;
            rule(p99 > median, "p99 must be above the median")?;
            let sigma = libm::log(p99 / median) / Z99;
            (libm::log(median), sigma, Lognormal::MedianP99(median, p99))
        }
    };
    t.finish()?;
    Ok(Shape::Lognormal { mu, sigma, written })
}

fn shaped<D: Dimension>(expr: &Expr) -> Result<Shape, ValueError> {
    match expr.name.as_str() {
        "gamma" => {
            let mut t = Taker::new(expr, "gamma(mean=5ms cv=0.6)")?;
            let (mean, cv) = (value::<D>(t.need("mean")?)?, plain(t.need("cv")?)?);
            t.finish()?;
            spread(mean, cv)?;
            Ok(Shape::Gamma { mean, cv })
        }
        "erlang" => {
            let mut t = Taker::new(expr, "erlang(k=3 mean=6ms)")?;
            let (k, mean) = (plain(t.need("k")?)?, value::<D>(t.need("mean")?)?);
            t.finish()?;
            let whole = (1.0..=1e6).contains(&k) && k.fract() == 0.0;
            rule(whole && mean > 0.0, "k must be a whole number from 1 and the mean above 0")?;
            Ok(Shape::Erlang { k: k as u64, mean })
        }
        _ => {
            let mut t = Taker::new(expr, "weibull(scale=1h shape=0.7)")?;
            let (scale, shape) = (value::<D>(t.need("scale")?)?, plain(t.need("shape")?)?);
            t.finish()?;
            rule(scale > 0.0 && shape > 0.0, "the scale and shape must be above 0")?;
            Ok(Shape::Weibull { scale, shape })
        }
    }
}

fn located<D: Dimension>(expr: &Expr) -> Result<Shape, ValueError> {
    if expr.name == "uniform" {
        let mut t = Taker::new(expr, "uniform(1ms 9ms)")?;
        let (low, high) = (value::<D>(t.need_plain()?)?, value::<D>(t.need_plain()?)?);
        t.finish()?;
        rule(low < high, "the first value must be below the second")?;
        return Ok(Shape::Uniform { low, high });
    }
    let mut t = Taker::new(expr, "normal(mean=5ms sd=1ms)")?;
    let (mean, sd) = (value::<D>(t.need("mean")?)?, value::<D>(t.need("sd")?)?);
    t.finish()?;
    rule(sd > 0.0, "sd must be above 0")?;
    Ok(Shape::Normal { mean, sd })
}

fn pareto<D: Dimension>(expr: &Expr) -> Result<Shape, ValueError> {
    let mut t = Taker::new(expr, "pareto(min=2ms alpha=2.5 max=10s)")?;
    let (min, alpha) = (value::<D>(t.need("min")?)?, plain(t.need("alpha")?)?);
    let max = t.key("max").map(value::<D>).transpose()?;
    t.finish()?;
    rule(min > 0.0 && alpha > 0.0, "min and alpha must be above 0")?;
    rule(max.is_none_or(|m| m > min), "max must be above min")?;
    rule(max.is_some() || alpha > 1.0, "with alpha <= 1 the mean is infinite: give `max=`")?;
    Ok(Shape::Pareto { min, alpha, max })
}

fn mix<D: Dimension>(expr: &Expr, hyper: bool) -> Result<Shape, ValueError> {
    let usage = if hyper {
        "hyperexp(90% 1ms; 10% 40ms)"
    } else {
        "mix(95% lognormal(median=3ms p99=20ms); 5% 250ms)"
    };
    let parts = expr.args.as_ref().map_or(&[] as &[_], |a| a.parts.as_slice());
    let mut out = Vec::new();
    for part in parts {
        let mut t = Taker::of_part(&expr.name, part, usage);
        let share = t.need_plain()?;
        let share: Fraction = share.word().unwrap_or_default().parse()?;
        let law = t.need_plain()?;
        let law = if hyper {
            let mean = value::<D>(law)?;
            rule(mean > 0.0, "each mean must be above 0")?;
            Shape::Exponential { mean, rate: None }
        } else {
            shape::<D>(law)?
        };
        t.finish()?;
        out.push((share.0, law));
    }
    let total: f64 = out.iter().map(|p| p.0).sum();
    rule((total - 1.0).abs() <= 1e-6, "the shares must sum to 100 %")?;
    Ok(Shape::Mix { parts: out, hyper })
}

fn quantiles<D: Dimension>(expr: &Expr) -> Result<Shape, ValueError> {
    let usage = "quantiles(p0=1ms p50=3ms p90=9ms p99=40ms p100=2s)";
    let of_file = |arg: &crate::expr::Arg| arg.key.as_deref() == Some("file");
    if expr.args.as_ref().is_some_and(|args| args.parts.iter().flatten().any(of_file)) {
        return hdr::<D>(expr);
    }
    let args = expr.args.as_ref().map_or(&[] as &[_], |a| a.parts.as_slice());
    let mut points = Vec::new();
    for arg in args.iter().flatten() {
        let level = arg.key.as_deref().and_then(|k| k.strip_prefix('p')).and_then(level);
        let Some(level) = level else {
            return Err(ValueError::new("E-EXPR", "each argument is a percentile").help(usage));
        };
        points.push((level, value::<D>(&arg.value)?));
    }
    let ends = points.first().map(|p| p.0) == Some(0.0) && points.last().map(|p| p.0) == Some(1.0);
    rule(args.len() == 1 && ends, "`p0` and `p100` are needed, first and last")?;
    let rising = points.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1);
    rule(rising, "percentiles and values must rise")?;
    Ok(Shape::Quantiles(points))
}

/// `50` is 0.5, `99` 0.99, `99.5` 0.995, `100` 1; and `999` 0.999, as in `p999`.
fn level(text: &str) -> Option<f64> {
    if text.len() > 2 && text.starts_with("99") && !text.contains('.') {
        return number(&format!("0.{text}")).ok();
    }
    format!("{text}%").parse::<Fraction>().ok().map(|p| p.0)
}

fn empirical<D: Dimension>(expr: &Expr) -> Result<Shape, ValueError> {
    let mut t = Taker::new(expr, "empirical(file=x.csv column=ms unit=ms)")?;
    let table = Table::take(&mut t)?;
    let column = t.need("column")?.need_word()?.to_owned();
    let (unit, scale) = unit::<D>(&mut t)?;
    t.finish()?;
    Ok(Shape::Empirical { table, column, unit, scale })
}

fn hdr<D: Dimension>(expr: &Expr) -> Result<Shape, ValueError> {
    let mut t = Taker::new(expr, "hdr(file=latency.hgrm unit=ms)")?;
    let file = t.need("file")?.need_word()?.to_owned();
    let (unit, scale) = unit::<D>(&mut t)?;
    t.finish()?;
    Ok(Shape::Hdr { table: Table::new(&file, Format::Percentiles), unit, scale })
}

/// The unit of a file's numbers, as written and in base units.
fn unit<D: Dimension>(t: &mut Taker<'_>) -> Result<(String, f64), ValueError> {
    // As in every value, blanks around it mean nothing.
    let unit = t.key("unit").map(Expr::need_word).transpose()?.unwrap_or_default();
    let unit = unit.trim().to_owned();
    let scale = D::parse(&format!("1{unit}"))?;
    Ok((unit, scale))
}

impl<D: Dimension> fmt::Display for Law<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::<D>(&self.shape, f)
    }
}

pub(super) fn print<D: Dimension>(shape: &Shape, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let v = |x: &f64| if x.fract() == 0.0 { D::print(*x) } else { D::print_coefficient(*x) };
    match shape {
        Shape::Constant(x) => f.write_str(&v(x)),
        Shape::Exponential { rate: Some(rate), .. } => write!(f, "exp(rate={})", Rate(*rate)),
        Shape::Exponential { mean, .. } => write!(f, "exp(mean={})", v(mean)),
        Shape::Lognormal { written, .. } => match written {
            Lognormal::MedianP99(m, p) => write!(f, "lognormal(median={} p99={})", v(m), v(p)),
            Lognormal::MeanCv(m, cv) => write!(f, "lognormal(mean={} cv={cv})", v(m)),
            Lognormal::MedianSigma(m, s) => write!(f, "lognormal(median={} sigma={s})", v(m)),
        },
        Shape::Gamma { mean, cv } => write!(f, "gamma(mean={} cv={cv})", v(mean)),
        Shape::Erlang { k, mean } => write!(f, "erlang(k={k} mean={})", v(mean)),
        Shape::Weibull { scale, shape } => write!(f, "weibull(scale={} shape={shape})", v(scale)),
        Shape::Uniform { low, high } => write!(f, "uniform({} {})", v(low), v(high)),
        Shape::Normal { mean, sd } => write!(f, "normal(mean={} sd={})", v(mean), v(sd)),
        Shape::Pareto { min, alpha, max } => {
            write!(f, "pareto(min={} alpha={alpha}", v(min))?;
            if let Some(max) = max {
                write!(f, " max={}", v(max))?;
            }
            f.write_str(")")
        }
        Shape::Mix { parts, hyper } => {
            f.write_str(if *hyper { "hyperexp(" } else { "mix(" })?;
            for (i, (share, law)) in parts.iter().enumerate() {
                write!(f, "{}{} ", if i == 0 { "" } else { "; " }, Fraction(*share))?;
                match law {
                    Shape::Exponential { mean, .. } if *hyper => f.write_str(&v(mean))?,
                    law => print::<D>(law, f)?,
                }
            }
            f.write_str(")")
        }
        Shape::Quantiles(points) => {
            f.write_str("quantiles(")?;
            for (i, (p, x)) in points.iter().enumerate() {
                let percent = Fraction(*p).to_string();
                let percent = percent.trim_end_matches('%');
                write!(f, "{}p{percent}={}", if i == 0 { "" } else { " " }, v(x))?;
            }
            f.write_str(")")
        }
        Shape::Hdr { table, unit, .. } => {
            write!(f, "hdr(file={}", quoted(&table.file))?;
            if !unit.is_empty() {
                write!(f, " unit={unit}")?;
            }
            f.write_str(")")
        }
        Shape::Empirical { table, column, unit, .. } => {
            write!(f, "empirical(file={} column={}", quoted(&table.file), quoted(column))?;
            table.print_options(f)?;
            if !unit.is_empty() {
                write!(f, " unit={unit}")?;
            }
            f.write_str(")")
        }
        Shape::Shift { by, law } => {
            write!(f, "shift({} ", v(by))?;
            print::<D>(law, f)?;
            f.write_str(")")
        }
    }
}
