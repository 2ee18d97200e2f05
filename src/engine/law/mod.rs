//! Laws: distributions over durations, sizes and plain numbers, as they are written.
//!
//! A [`Law`] is one of the named distributions; a [`Formula`] is a sum of laws and attributes
//! (`2ms + 0.2ms * prompt`). Both are parsed from one string and compiled to a [`Sampler`].
//!
//! **Invariant.** A law that parses is a proper distribution: its parameters have been checked.

mod formula;
mod parse;
mod sampler;
mod selection;
mod table;
#[cfg(test)]
mod tests;
mod ziggurat;

use std::{fmt::Debug, marker::PhantomData};

pub use formula::Formula;
pub use sampler::{Sampler, constant, exponential};
pub use selection::Selection;
pub(crate) use table::BLANK;
pub use table::{Format, Table, Tables};

use sampler::{Gamma, normal};
use table::PERCENTILES;

use crate::units::{self, Rate, SimDuration, Size, ValueError};

/// What a law's values measure.
pub trait Dimension: Copy + Debug + Default + PartialEq + Send + Sync + 'static {
    /// Name of a value, as in "a duration".
    const NAME: &'static str;
    /// Whether a value may be a bare number.
    const BARE: bool = false;
    /// A value in base units.
    fn parse(text: &str) -> Result<f64, ValueError>;
    /// The canonical text of a value in base units.
    fn print(value: f64) -> String;
    /// A coefficient of an attribute, in base units; finer than a value may be (`0.1ns` per byte).
    fn parse_coefficient(text: &str) -> Result<f64, ValueError>;
    /// Its text.
    fn print_coefficient(value: f64) -> String;
    /// A rate, and the mean between two events at this rate.
    fn rate(text: &str) -> Result<(f64, f64), ValueError> {
        let _ = text;
        Err(ValueError::new("E-TYPE", format!("a rate is one of durations, not of {}", Self::NAME))
            .help("give the `mean=`"))
    }
}

/// Durations, in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Time;
/// Sizes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bytes;
/// Plain numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Plain;

impl Dimension for Time {
    const NAME: &'static str = "a duration";
    fn parse(text: &str) -> Result<f64, ValueError> {
        text.parse::<SimDuration>().map(|d| d.0 as f64)
    }
    fn print(value: f64) -> String {
        SimDuration(to_nanos(value)).to_string()
    }
    fn parse_coefficient(text: &str) -> Result<f64, ValueError> {
        units::coefficient::<SimDuration>(text)
    }
    fn print_coefficient(value: f64) -> String {
        units::coefficient_text::<SimDuration>(value)
    }
    fn rate(text: &str) -> Result<(f64, f64), ValueError> {
        text.parse::<Rate>().map(|rate| (rate.0, 1e9 / rate.0))
    }
}

impl Dimension for Bytes {
    const NAME: &'static str = "a size";
    fn parse(text: &str) -> Result<f64, ValueError> {
        text.parse::<Size>().map(|s| s.0 as f64)
    }
    fn print(value: f64) -> String {
        Size(to_nanos(value)).to_string()
    }
    fn parse_coefficient(text: &str) -> Result<f64, ValueError> {
        units::coefficient::<Size>(text)
    }
    fn print_coefficient(value: f64) -> String {
        units::coefficient_text::<Size>(value)
    }
}

impl Dimension for Plain {
    const NAME: &'static str = "a number";
    const BARE: bool = true;
    fn parse(text: &str) -> Result<f64, ValueError> {
        units::plain(text)
    }
    fn print(value: f64) -> String {
        units::plain_text(value)
    }
    fn parse_coefficient(text: &str) -> Result<f64, ValueError> {
        units::plain(text)
    }
    fn print_coefficient(value: f64) -> String {
        units::plain_text(value)
    }
}

/// A law over durations.
pub type DurationLaw = Law<Time>;
/// A law over sizes.
pub type SizeLaw = Law<Bytes>;
/// A law over plain numbers.
pub type NumberLaw = Law<Plain>;
/// A formula for a duration.
pub type DurationFormula = Formula<Time>;
/// A formula for a size.
pub type SizeFormula = Formula<Bytes>;

/// A distribution; values in base units.
#[derive(Clone, Debug, PartialEq)]
pub struct Law<D> {
    shape: Shape,
    dimension: PhantomData<D>,
}

/// The named distributions.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Constant(f64),
    /// With a rate, if that is how it was written.
    Exponential {
        mean: f64,
        rate: Option<f64>,
    },
    Lognormal {
        mu: f64,
        sigma: f64,
        written: Lognormal,
    },
    Gamma {
        mean: f64,
        cv: f64,
    },
    Erlang {
        k: u64,
        mean: f64,
    },
    Weibull {
        scale: f64,
        shape: f64,
    },
    Uniform {
        low: f64,
        high: f64,
    },
    Normal {
        mean: f64,
        sd: f64,
    },
    Pareto {
        min: f64,
        alpha: f64,
        max: Option<f64>,
    },
    Mix {
        parts: Vec<(f64, Shape)>,
        hyper: bool,
    },
    Quantiles(Vec<(f64, f64)>),
    Empirical {
        table: Table,
        column: String,
        unit: String,
        scale: f64,
    },
    /// Percentiles of a file.
    Hdr {
        table: Table,
        unit: String,
        scale: f64,
    },
    Shift {
        by: f64,
        law: Box<Shape>,
    },
}

/// The parameters a lognormal was written with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lognormal {
    MedianP99(f64, f64),
    MeanCv(f64, f64),
    MedianSigma(f64, f64),
}

/// 2^52: adding it rounds half to even and leaves the result in the low bits; from there on values are
/// whole already.
const WHOLE: f64 = 4_503_599_627_370_496.0;

/// Seconds-free rounding of a sampled span: half to even, below 0 to 0 (`semantics.md` 6).
///
/// # Panics
/// If the span does not fit 64 bits of nanoseconds.
#[inline(always)]
#[must_use]
pub fn to_nanos(x: f64) -> u64 {
    if x < WHOLE {
        return (x.max(0.0) + WHOLE).to_bits() - WHOLE.to_bits();
    }
    assert!(x < 1.8e19, "a span does not overflow the 64-bit clock");
    x as u64
}

impl<D: Dimension> Law<D> {
    fn of(shape: Shape) -> Self {
        Self { shape, dimension: PhantomData }
    }

    /// The value, if it is constant.
    pub fn constant(&self) -> Option<f64> {
        if let Shape::Constant(x) = self.shape { Some(x) } else { None }
    }

    /// The mean; `None` when it is infinite or only a file knows.
    pub fn mean(&self) -> Option<f64> {
        self.shape.mean()
    }

    /// The smallest possible value (0 when only a file knows).
    pub fn min_value(&self) -> f64 {
        self.shape.min_value()
    }

    /// What a reader should know: mass cut at 0, infinite variance.
    pub fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        self.shape.warnings(&mut all);
        all
    }

    /// Files it reads: (table, column).
    pub fn tables(&self) -> Vec<(Table, String)> {
        let mut all = Vec::new();
        self.shape.tables(&mut all);
        all
    }

    /// Ready to be sampled.
    ///
    /// # Errors
    /// If a file or column it reads is missing or empty.
    pub fn compile(&self, tables: &dyn Tables) -> Result<Sampler, String> {
        self.shape.compile(tables)
    }
}

impl Shape {
    fn mean(&self) -> Option<f64> {
        Some(match self {
            Self::Constant(x) => *x,
            Self::Exponential { mean, .. }
            | Self::Gamma { mean, .. }
            | Self::Erlang { mean, .. } => *mean,
            Self::Lognormal { mu, sigma, .. } => libm::exp(mu + sigma * sigma / 2.0),
            Self::Weibull { scale, shape } => scale * libm::tgamma(1.0 + 1.0 / shape),
            Self::Uniform { low, high } => f64::midpoint(*low, *high),
            Self::Normal { mean, sd } => cut_normal_mean(*mean, *sd),
            Self::Pareto { min, alpha, max } => return pareto_mean(*min, *alpha, *max),
            Self::Mix { parts, .. } => {
                return parts.iter().try_fold(0.0, |sum, (p, s)| Some(sum + p * s.mean()?));
            }
            Self::Quantiles(points) => {
                points.windows(2).map(|w| (w[1].0 - w[0].0) * piece_mean(w[0].1, w[1].1)).sum()
            }
            Self::Empirical { .. } | Self::Hdr { .. } => return None,
            Self::Shift { by, law } => by + law.mean()?,
        })
    }

    fn min_value(&self) -> f64 {
        match self {
            Self::Constant(x) => *x,
            Self::Uniform { low, .. } => *low,
            Self::Pareto { min, .. } => *min,
            Self::Mix { parts, .. } => {
                parts.iter().map(|p| p.1.min_value()).fold(f64::INFINITY, f64::min)
            }
            Self::Quantiles(points) => points[0].1,
            Self::Shift { by, law } => by + law.min_value(),
            _ => 0.0,
        }
    }

    fn warnings(&self, all: &mut Vec<String>) {
        match self {
            Self::Normal { mean, sd } if *mean < 3.0 * sd => {
                let below = 0.5 * libm::erfc(mean / (sd * std::f64::consts::SQRT_2));
                all.push(format!(
                    "a normal law is cut at 0: {:.2} % of its mass lies below",
                    below * 100.0
                ));
            }
            Self::Pareto { alpha, max: None, .. } if *alpha <= 2.0 => {
                all.push(
                    "a Pareto law with alpha <= 2 has no finite variance: intervals mislead"
                        .to_owned(),
                );
            }
            Self::Mix { parts, .. } => parts.iter().for_each(|p| p.1.warnings(all)),
            Self::Shift { law, .. } => law.warnings(all),
            _ => {}
        }
    }

    fn tables(&self, all: &mut Vec<(Table, String)>) {
        match self {
            Self::Empirical { table, column, .. } => all.push((table.clone(), column.clone())),
            Self::Hdr { table, .. } => {
                all.extend(PERCENTILES.map(|column| (table.clone(), column.to_owned())));
            }
            Self::Mix { parts, .. } => parts.iter().for_each(|p| p.1.tables(all)),
            Self::Shift { law, .. } => law.tables(all),
            _ => {}
        }
    }

    fn compile(&self, tables: &dyn Tables) -> Result<Sampler, String> {
        Ok(match self {
            Self::Constant(x) => Sampler::Constant(*x),
            Self::Exponential { mean, .. } => exponential(*mean),
            Self::Lognormal { mu, sigma, .. } => Sampler::Lognormal(*mu, *sigma, normal()),
            Self::Gamma { mean, cv } => Sampler::Gamma(Gamma::new(1.0 / (cv * cv), mean * cv * cv)),
            Self::Erlang { k, mean } => Sampler::Gamma(Gamma::new(*k as f64, mean / *k as f64)),
            Self::Weibull { scale, shape } => Sampler::Weibull {
                scale: *scale,
                power: 1.0 / shape,
                layers: ziggurat::exponential_layers(),
            },
            Self::Uniform { low, high } => Sampler::Uniform(*low, *high),
            Self::Normal { mean, sd } => Sampler::Normal(*mean, *sd, normal()),
            Self::Pareto { min, alpha, max } => Sampler::Pareto {
                min: *min,
                power: -1.0 / alpha,
                cut: max.map_or(1.0, |m| 1.0 - libm::pow(min / m, *alpha)),
            },
            Self::Mix { parts, .. } => {
                let mut upto = 0.0;
                let parts: Result<Vec<_>, String> = parts
                    .iter()
                    .map(|(p, law)| {
                        upto += p;
                        Ok((upto, law.compile(tables)?))
                    })
                    .collect();
                Sampler::Mix(parts?.into())
            }
            Self::Quantiles(points) => Sampler::Quantiles(points.clone().into()),
            Self::Hdr { table, scale, .. } => {
                let [values, levels] = PERCENTILES.map(|column| tables.column(table, column));
                Sampler::Quantiles(hdr_points(&table.file, &values?, &levels?, *scale)?.into())
            }
            Self::Empirical { table, column, scale, .. } => {
                let (values, file) = (tables.column(table, column)?, &table.file);
                if values.is_empty() || values.iter().any(|v| *v < 0.0 || !v.is_finite()) {
                    return Err(format!(
                        "column `{column}` of `{file}` has no values or negative ones"
                    ));
                }
                if values.iter().any(|v| v * scale >= 1.8e19) {
                    return Err(format!("column `{column}` of `{file}` has values too large"));
                }
                Sampler::Empirical(values.into_iter().map(|v| v * scale).collect())
            }
            Self::Shift { by, law } => {
                Sampler::Sum([Sampler::Constant(*by), law.compile(tables)?].into())
            }
        })
    }
}

/// What keeps a column that was read from being the law's that named it.
///
/// # Errors
/// A sentence that names the file.
pub fn check_column(table: &Table, column: &str, tables: &dyn Tables) -> Result<(), String> {
    let values = tables.column(table, column)?;
    if values.is_empty() || values.iter().any(|v| *v < 0.0) {
        let file = &table.file;
        return Err(format!("column `{column}` of `{file}` has no values or negative ones"));
    }
    // The second of the two: now both are there.
    if table.format == Format::Percentiles && column == PERCENTILES[1] {
        let values = tables.column(table, PERCENTILES[0])?;
        hdr_points(&table.file, &values, &tables.column(table, column)?, 1.0)?;
    }
    Ok(())
}

/// The points of a list of percentiles, from 0 to 1.
fn hdr_points(
    file: &str,
    values: &[f64],
    levels: &[f64],
    scale: f64,
) -> Result<Vec<(f64, f64)>, String> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    // Written as fractions or as percents: no fraction is above 1.
    let percents = levels.iter().any(|level| *level > 1.0);
    for (&value, &level) in values.iter().zip(levels) {
        let level = if percents { level / 100.0 } else { level };
        let before = points.last().copied().unwrap_or((0.0, 0.0));
        let value = value * scale;
        if !(before.0..=1.0).contains(&level) || value < before.1 || value >= 1.8e19 {
            return Err(format!("`{file}`: values and percentiles (0 to 1, or to 100) must rise"));
        }
        match points.last_mut() {
            // Steps so fine that the file prints one percentile twice: the larger value stands.
            Some(last) if level <= last.0 => last.1 = value,
            _ => points.push((level, value)),
        }
    }
    let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else {
        return Err(format!("`{file}` has no percentiles"));
    };
    if first.0 > 0.0 {
        points.insert(0, (0.0, first.1));
    }
    if last.0 < 1.0 {
        points.push((1.0, last.1));
    }
    Ok(points)
}

/// Mean of max(0, N(mean, sd)).
fn cut_normal_mean(mean: f64, sd: f64) -> f64 {
    if sd <= 0.0 {
        return mean;
    }
    let z = mean / sd;
    let phi = libm::exp(-0.5 * z * z) / libm::sqrt(2.0 * std::f64::consts::PI);
    let below = 0.5 * libm::erfc(z / std::f64::consts::SQRT_2);
    mean * (1.0 - below) + sd * phi
}

fn pareto_mean(min: f64, alpha: f64, max: Option<f64>) -> Option<f64> {
    match max {
        None if alpha <= 1.0 => None,
        None => Some(min * alpha / (alpha - 1.0)),
        Some(max) if (alpha - 1.0).abs() < 1e-9 => {
            Some(min * libm::log(max / min) / (1.0 - min / max))
        }
        Some(max) => {
            let r = libm::pow(min / max, alpha);
            Some(alpha / (alpha - 1.0) * (min - max * r) / (1.0 - r))
        }
    }
}

/// Mean of a piece that is linear in the logarithm between two values.
fn piece_mean(x0: f64, x1: f64) -> f64 {
    if x0 <= 0.0 || (x1 - x0).abs() < 1e-12 * x1 {
        return f64::midpoint(x0, x1);
    }
    (x1 - x0) / libm::log(x1 / x0)
}
