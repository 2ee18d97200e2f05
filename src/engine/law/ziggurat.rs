//! Exponential and normal draws by the ziggurat method with 256 layers (Marsaglia and Tsang, J. Stat.
//! Software 5(8), 2000; constants as in the public tables for 256 layers).
//!
//! **Invariant.** The fast path uses one 64-bit word: 8 bits choose the layer, 53 others the point.

use std::sync::LazyLock;

use crate::engine::random::Draw;

/// Start of the exponential's tail, and the area of a layer.
const EXP_R: f64 = 7.697_117_470_131_05;
const EXP_V: f64 = 0.003_949_659_822_581_557;
/// Start of the normal's tail, and the area of a layer.
const NORMAL_R: f64 = 3.654_152_885_361_009;
const NORMAL_V: f64 = 0.004_928_673_233_974_655;

/// Right edges and heights of the layers.
#[derive(Debug)]
pub struct Layers {
    /// 2^-53 times `x`: an edge times a point of 53 bits is one product, with the same bits.
    scaled: [f64; 257],
    x: [f64; 257],
    f: [f64; 257],
}

static EXPONENTIAL: LazyLock<Box<Layers>> =
    LazyLock::new(|| Layers::new(EXP_R, EXP_V, |x| libm::exp(-x), |y| -libm::log(y)));

static NORMAL: LazyLock<Box<Layers>> = LazyLock::new(|| {
    Layers::new(
        NORMAL_R,
        NORMAL_V,
        |x| libm::exp(-0.5 * x * x),
        |y| libm::sqrt(-2.0 * libm::log(y)),
    )
});

/// The layers of the exponential.
pub(super) fn exponential_layers() -> &'static Layers {
    &EXPONENTIAL
}

/// The layers of the normal.
pub(super) fn normal_layers() -> &'static Layers {
    &NORMAL
}

impl Layers {
    fn new(r: f64, v: f64, f: fn(f64) -> f64, inverse: fn(f64) -> f64) -> Box<Self> {
        let mut l = Box::new(Self { scaled: [0.0; 257], x: [0.0; 257], f: [0.0; 257] });
        l.x[0] = v / f(r);
        l.x[1] = r;
        for i in 1..255 {
            l.x[i + 1] = inverse(v / l.x[i] + f(l.x[i]));
        }
        l.x[256] = 0.0;
        for i in 0..257 {
            l.f[i] = f(l.x[i]);
            l.scaled[i] = l.x[i] * (1.0 / (1u64 << 53) as f64);
        }
        l
    }

    /// A point in layer `i`, from the upper 53 bits of a word.
    #[inline(always)]
    fn point(&self, word: u64, i: usize) -> f64 {
        (word >> 11) as f64 * self.scaled[i]
    }

    /// An exponential draw of mean 1.
    #[inline(always)]
    pub fn exponential(&self, draw: &mut Draw) -> f64 {
        let word = draw.word();
        let i = (word & 255) as usize;
        let x = self.point(word, i);
        if x < self.x[i + 1] {
            return x;
        }
        let (x, after) = self.exponential_slow(*draw, i, x);
        *draw = after;
        x
    }

    /// The rest of an exponential draw. What it leaves of the draw is returned, because a reference
    /// would keep all draws in memory.
    #[cold]
    #[inline(never)]
    fn exponential_slow(&self, mut draw: Draw, mut i: usize, mut x: f64) -> (f64, Draw) {
        loop {
            if i == 0 {
                let x = EXP_R - libm::log(1.0 - draw.unit());
                return (x, draw);
            }
            if self.f[i] + (self.f[i + 1] - self.f[i]) * draw.unit() < libm::exp(-x) {
                return (x, draw);
            }
            let word = draw.word();
            i = (word & 255) as usize;
            x = self.point(word, i);
            if x < self.x[i + 1] {
                return (x, draw);
            }
        }
    }

    /// A standard normal draw.
    #[inline(always)]
    pub fn normal(&self, draw: &mut Draw) -> f64 {
        let word = draw.word();
        let i = (word & 255) as usize;
        let x = self.point(word, i);
        // Bit 8 is the sign; the point uses the 53 bits above bit 10.
        let sign = f64::from_bits(1f64.to_bits() | (word & 256) << 55);
        if x < self.x[i + 1] {
            return sign * x;
        }
        let (x, after) = self.normal_slow(*draw, i, x);
        *draw = after;
        sign * x
    }

    #[cold]
    #[inline(never)]
    fn normal_slow(&self, mut draw: Draw, mut i: usize, mut x: f64) -> (f64, Draw) {
        loop {
            if i == 0 {
                loop {
                    let a = -libm::log(1.0 - draw.unit()) / NORMAL_R;
                    let b = -libm::log(1.0 - draw.unit());
                    if b + b >= a * a {
                        return (NORMAL_R + a, draw);
                    }
                }
            }
            if self.f[i] + (self.f[i + 1] - self.f[i]) * draw.unit() < libm::exp(-0.5 * x * x) {
                return (x, draw);
            }
            let word = draw.word();
            i = (word & 255) as usize;
            x = self.point(word, i);
            if x < self.x[i + 1] {
                return (x, draw);
            }
        }
    }
}
