//! Laws ready to be sampled.
//!
//! **Invariant.** A sample is a function of its draw alone; all transcendental functions go through
//! `libm`, so that it is the same on every platform.

use std::sync::Arc;

use super::ziggurat::{Layers, exponential_layers, normal_layers};
use crate::engine::random::Draw;

/// A law ready to be sampled, in base units (ns, bytes, plain numbers).
#[derive(Clone, Debug)]
#[repr(u8)] // a tag of its own is read at once, one hidden in a field is not
pub enum Sampler {
    /// Always this.
    Constant(f64),
    /// Exponential with this mean.
    Exponential(f64, &'static Layers),
    /// exp(mu + sigma Z).
    Lognormal(f64, f64, &'static Layers),
    /// Gamma, by squeezed rejection from a normal.
    Gamma(Gamma),
    /// scale (-ln U)^(1 / shape).
    Weibull {
        /// Scale.
        scale: f64,
        /// 1 / shape.
        power: f64,
        /// Exponential draws.
        layers: &'static Layers,
    },
    /// Uniform between two values.
    Uniform(f64, f64),
    /// Normal, cut at 0.
    Normal(f64, f64, &'static Layers),
    /// Pareto by inversion; `cut` is the probability mass kept (1: no upper bound).
    Pareto {
        /// Smallest value.
        min: f64,
        /// -1 / alpha.
        power: f64,
        /// Mass below the upper bound.
        cut: f64,
    },
    /// One of several laws by cumulative share.
    Mix(Arc<[(f64, Sampler)]>),
    /// Piecewise log-linear between quantiles: (probability, value).
    Quantiles(Arc<[(f64, f64)]>),
    /// One of the values of a file.
    Empirical(Arc<[f64]>),
    /// A sum.
    Sum(Arc<[Sampler]>),
}

impl Sampler {
    /// One sample.
    #[inline(always)]
    pub fn sample(&self, draw: &mut Draw) -> f64 {
        match self {
            Self::Constant(x) => *x,
            Self::Exponential(mean, layers) => mean * layers.exponential(draw),
            Self::Lognormal(mu, sigma, layers) => libm::exp(mu + sigma * layers.normal(draw)),
            _ => {
                let (x, after) = self.sample_rare(*draw);
                *draw = after;
                x
            }
        }
    }

    #[inline(never)]
    fn sample_rare(&self, mut draw: Draw) -> (f64, Draw) {
        let x = self.sample_by(&mut draw);
        (x, draw)
    }

    fn sample_by(&self, draw: &mut Draw) -> f64 {
        match self {
            Self::Constant(x) => *x,
            Self::Exponential(..) | Self::Lognormal(..) => unreachable!("sampled in place"),
            Self::Gamma(gamma) => gamma.sample(draw),
            Self::Weibull { scale, power, layers } => {
                scale * libm::pow(layers.exponential(draw), *power)
            }
            Self::Uniform(low, high) => low + (high - low) * draw.unit(),
            Self::Normal(mean, sd, layers) => (mean + sd * layers.normal(draw)).max(0.0),
            Self::Pareto { min, power, cut } => min * libm::pow(1.0 - cut * draw.unit(), *power),
            Self::Mix(parts) => {
                let u = draw.unit();
                let part = parts.iter().find(|p| u < p.0).unwrap_or(&parts[parts.len() - 1]);
                part.1.sample(draw)
            }
            Self::Quantiles(points) => quantile(points, draw.unit()),
            Self::Empirical(values) => values[draw.below(values.len() as u64) as usize],
            Self::Sum(parts) => parts.iter().map(|p| p.sample(draw)).sum(),
        }
    }
}

/// Gamma by the method of G. Marsaglia and W. W. Tsang, "A simple method for generating gamma
/// variables", ACM TOMS 26(3), 2000; a shape below 1 is that of one more, times U^(1/shape).
///
/// Our own because that of `rand_distr` takes its logarithms from the platform as soon as another
/// package switches on `std` in `num-traits`: the same seed would then draw other bits.
#[derive(Clone, Debug)]
pub struct Gamma {
    scale: f64,
    /// 1 / shape if the shape is below 1.
    boost: Option<f64>,
    c: f64,
    d: f64,
    layers: &'static Layers,
}

impl Gamma {
    /// A gamma with this shape and scale, both above 0.
    pub(super) fn new(shape: f64, scale: f64) -> Self {
        let small = shape < 1.0;
        let d = if small { shape + 1.0 } else { shape } - 1.0 / 3.0;
        Self {
            scale,
            boost: small.then_some(1.0 / shape),
            c: 1.0 / libm::sqrt(9.0 * d),
            d,
            layers: normal_layers(),
        }
    }

    fn sample(&self, draw: &mut Draw) -> f64 {
        let v = loop {
            let x = self.layers.normal(draw);
            let t = 1.0 + self.c * x;
            if t <= 0.0 {
                continue;
            }
            let v = t * t * t;
            let u = 1.0 - draw.unit();
            if u < 1.0 - 0.0331 * x * x * x * x
                || libm::log(u) < 0.5 * x * x + self.d * (1.0 - v + libm::log(v))
            {
                break v;
            }
        };
        let x = self.d * v * self.scale;
        self.boost.map_or(x, |power| x * libm::pow(1.0 - draw.unit(), power))
    }
}

/// Value at probability `u`: linear in the logarithm between two positive points, else linear.
pub(super) fn quantile(points: &[(f64, f64)], u: f64) -> f64 {
    let i = points.partition_point(|p| p.0 <= u).clamp(1, points.len() - 1);
    let ((p0, x0), (p1, x1)) = (points[i - 1], points[i]);
    let t = (u - p0) / (p1 - p0);
    if x0 > 0.0 { x0 * libm::pow(x1 / x0, t) } else { x0 + (x1 - x0) * t }
}

/// The exponential of this mean.
pub fn exponential(mean: f64) -> Sampler {
    Sampler::Exponential(mean, exponential_layers())
}

/// Always `x`.
pub fn constant(x: f64) -> Sampler {
    Sampler::Constant(x)
}

/// The layers of the normal, for laws built on it.
pub(super) fn normal() -> &'static Layers {
    normal_layers()
}
