//! Ranges of values: what a knob may be, or an axis goes through.
//!
//! **Invariant.** Steps are exact decimals: a value is the text a person would have written in its place.

use std::{fmt, str::FromStr};

use super::{
    Bandwidth, Count, Fraction, Rate, SimDuration, Size, ValueError,
    decimal::{Decimal, clip, split},
    number, plain, text_value, whole,
};

/// Most values of one range.
const MOST: u64 = 100_000;
/// Digits that values of a logarithmic range keep.
const DIGITS: usize = 4;

/// Values in order, from a first to a last: `4..10`, `0.5..2 step 0.1`, `4..64 x2`, `log(1..1000 n=7)`.
///
/// Units stay: `1ms..10ms step 1ms`. Whole numbers without a unit go in steps of 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    text: String,
    low: Decimal,
    high: Decimal,
    unit: Unit,
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    /// Nothing was said: the ends, and all between.
    Nothing,
    Step(Decimal),
    Factor(Decimal),
    Log(u64),
}

/// How a number of base units is written.
#[derive(Clone, Debug, PartialEq)]
enum Unit {
    /// All parts have this one.
    Same(String),
    Duration,
    Size,
    Rate,
    Bandwidth,
    Fraction,
    Count,
}

/// Reads a value as a number of base units.
type Reader = fn(&str) -> Option<Decimal>;

/// Units that differ within a range, by what they measure.
const MIXED: [(Unit, Reader); 6] = [
    (Unit::Duration, |text| text.parse::<SimDuration>().ok().map(|x| Decimal::whole(x.0))),
    (Unit::Size, |text| text.parse::<Size>().ok().map(|x| Decimal::whole(x.0))),
    (Unit::Count, |text| text.parse::<Count>().ok().map(|x| Decimal::whole(x.0))),
    (Unit::Rate, |text| text.parse::<Rate>().ok().map(|x| Decimal::of(x.0))),
    (Unit::Bandwidth, |text| text.parse::<Bandwidth>().ok().map(|x| Decimal::of(x.0))),
    (Unit::Fraction, |text| text.parse::<Fraction>().ok().map(|x| Decimal::of(x.0))),
];

impl Unit {
    fn write(&self, number: Decimal) -> String {
        let nearest = || libm::round(number.to_f64()) as u64;
        match self {
            Self::Same(unit) => format!("{number}{unit}"),
            Self::Duration => SimDuration(nearest()).to_string(),
            Self::Size => Size(nearest()).to_string(),
            Self::Count => Count(nearest()).to_string(),
            Self::Rate => format!("{number}/s"),
            Self::Bandwidth => Bandwidth(number.to_f64()).to_string(),
            Self::Fraction => Fraction(number.to_f64()).to_string(),
        }
    }
}

impl Range {
    /// Whether a text is meant as a range, sound or not.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        let number = text.starts_with(|c: char| c.is_ascii_digit());
        let law = || text.split_once("..").is_some_and(|(low, _)| low.trim_end().ends_with(')'));
        let log = || text.starts_with("log(") && text.ends_with(')');
        text.contains("..") && (number || law() || log())
    }

    /// Its values, each as it would be written.
    ///
    /// # Errors
    ///
    /// It does not say which values lie between its ends, or they are too many.
    pub fn values(&self) -> Result<Vec<String>, ValueError> {
        let numbers = match self.by {
            By::Nothing => self.steps(self.whole_step()?)?,
            By::Step(step) => self.steps(step)?,
            By::Factor(factor) => self.factors(factor)?,
            By::Log(n) => (0..n).map(|i| self.log((i as f64) / (n - 1) as f64)).collect(),
        };
        Ok(numbers.into_iter().map(|number| self.unit.write(number)).collect())
    }

    /// The value at this share of the way from its first to its last; whole between whole ends, along a logarithm if it is
    /// logarithmic. Steps mean nothing here.
    #[must_use]
    pub fn at(&self, share: f64) -> String {
        if let By::Log(_) = self.by {
            return self.unit.write(self.log(share));
        }
        let (low, high) = (self.low.to_f64(), self.high.to_f64());
        // The last of whole ends has as much of the way as each other.
        let number = if self.is_whole() {
            Decimal::of(libm::floor(low + share * (high - low + 1.0)).min(high))
        } else {
            rounded(low + share * (high - low))
        };
        self.unit.write(number)
    }

    fn is_whole(&self) -> bool {
        [self.low, self.high].iter().all(|end| end.to_u64().is_ok())
            && matches!(&self.unit, Unit::Same(unit) if unit.is_empty())
    }

    fn whole_step(&self) -> Result<Decimal, ValueError> {
        if self.is_whole() || self.low == self.high {
            return Ok(Decimal::whole(1));
        }
        let error = ValueError::new(
            "E-SWEEP",
            format!("`{}` does not say what lies between its ends", clip(&self.text)),
        );
        Err(error.help(format!("such as `{} step ..`, or `.. x2`, or a list", self.text)))
    }

    fn steps(&self, step: Decimal) -> Result<Vec<Decimal>, ValueError> {
        let of = [self.low, self.high, step];
        let exponent = of.iter().map(|d| d.exponent()).min().unwrap_or(0);
        let [low, high, step] = of.map(|d| d.scaled(exponent));
        let (Some(low), Some(high), Some(step)) = (low, high, step) else {
            return Err(self.too_many(f64::INFINITY));
        };
        let n = (high - low) / step + 1;
        if n > u128::from(MOST) {
            return Err(self.too_many(n as f64));
        }
        Ok((0..n).map(|i| Decimal::from_scaled(low + i * step, exponent)).collect())
    }

    fn factors(&self, factor: Decimal) -> Result<Vec<Decimal>, ValueError> {
        let (factor, high) = (factor.to_f64(), self.high.to_f64());
        let mut numbers = Vec::new();
        let mut number = self.low.to_f64();
        // What rounding adds to the last one does not leave it out.
        while number <= high * (1.0 + 1e-12) {
            if numbers.len() as u64 == MOST {
                return Err(self.too_many(f64::INFINITY));
            }
            numbers.push(Decimal::of(to_digits(number, 12)));
            number *= factor;
        }
        Ok(numbers)
    }

    fn log(&self, share: f64) -> Decimal {
        if share == 0.0 || share == 1.0 {
            return if share == 0.0 { self.low } else { self.high };
        }
        let (low, high) = (self.low.to_f64(), self.high.to_f64());
        rounded(low * libm::pow(high / low, share))
    }

    fn too_many(&self, n: f64) -> ValueError {
        let n = if n.is_finite() { format!("{n}") } else { "too many".to_owned() };
        let message = format!("`{}` has {n} values", clip(&self.text));
        ValueError::new("E-SWEEP", message).help(format!("at most {MOST}"))
    }
}

/// To so many digits that a person would write.
fn rounded(number: f64) -> Decimal {
    Decimal::of(to_digits(number, DIGITS))
}

fn to_digits(number: f64, digits: usize) -> f64 {
    format!("{number:.*e}", digits - 1).parse().unwrap_or(number)
}

impl FromStr for Range {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let text = text.trim();
        let inner = text.strip_prefix("log(").and_then(|rest| rest.strip_suffix(')'));
        let form = |message: String| ValueError::new("E-SWEEP", message).help(FORMS);
        let (low, rest) = inner
            .unwrap_or(text)
            .split_once("..")
            .ok_or_else(|| form(format!("`{}` is no range", clip(text))))?;
        let (high, by) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
        let (low, high, by) = (low.trim(), high.trim(), by.trim());
        if [low, high].iter().any(|end| end.contains('(') || end.contains(')')) {
            let message = format!("`{}` is a range over laws", clip(text));
            return Err(ValueError::new("E-SWEEP", message)
                .help("a list does it: `[poisson(800/s), poisson(1200/s)]`"));
        }
        let step = by.strip_prefix("step ").map(str::trim);
        let ends: Vec<&str> = [Some(low), Some(high), step].into_iter().flatten().collect();
        let (unit, numbers) = numbers(text, &ends)?;
        let by = match (inner, step, by) {
            (Some(_), ..) => {
                let n = by.strip_prefix("n=").ok_or_else(|| {
                    form(format!("`{}` does not say how many values", clip(text)))
                })?;
                let n = whole(n, "how many values, such as `n=7`")?;
                if !(2..=MOST).contains(&n) {
                    return Err(form(format!("`n={n}` is not between 2 and {MOST}")));
                }
                By::Log(n)
            }
            (None, Some(_), _) => By::Step(numbers[2]),
            (None, None, "") => By::Nothing,
            (None, None, by) => By::Factor(factor(by).ok_or_else(|| {
                form(format!("`{}` after a range is neither a step nor a factor", clip(by)))
            })?),
        };
        let range = Self { text: text.to_owned(), low: numbers[0], high: numbers[1], unit, by };
        range.checked(low, high)
    }
}

const FORMS: &str = "ranges are `4..10`, `0.5..2 step 0.1`, `4..64 x2`, `log(1..1000 n=7)`";

impl Range {
    fn checked(self, low: &str, high: &str) -> Result<Self, ValueError> {
        let error = |message: String| ValueError::new("E-SWEEP", message);
        if self.low.to_f64() > self.high.to_f64() {
            let message = format!("`{}` is empty: {high} is below {low}", clip(&self.text));
            return Err(error(message).help(format!("write `{high}..{low}`")));
        }
        let multiplies = matches!(self.by, By::Factor(_) | By::Log(_));
        if multiplies && self.low.is_zero() {
            return Err(error(format!("`{}` multiplies, and begins at 0", clip(&self.text)))
                .help("begin above 0, or take steps"));
        }
        if matches!(self.by, By::Step(step) if step.is_zero()) {
            return Err(error(format!("the step of `{}` is 0", clip(&self.text))));
        }
        Ok(self)
    }
}

/// `x2`, which is more than 1.
fn factor(by: &str) -> Option<Decimal> {
    let (factor, unit) = split(by.strip_prefix('x')?, "a factor").ok()?;
    (unit.is_empty() && factor.to_f64() > 1.0).then_some(factor)
}

/// The parts of a range as numbers of the same unit.
fn numbers(text: &str, parts: &[&str]) -> Result<(Unit, Vec<Decimal>), ValueError> {
    let split: Vec<(Decimal, &str)> = parts
        .iter()
        .map(|part| split(part, "a number with a unit, such as `10` or `10ms`"))
        .collect::<Result<_, _>>()?;
    let unit = split[1].1;
    // `1..10ms`: what one end has, the other has too.
    if split.iter().all(|(_, other)| other.is_empty() || *other == unit) {
        let numbers = split.iter().map(|(number, _)| *number).collect();
        return Ok((Unit::Same(unit.to_owned()), numbers));
    }
    for (unit, read) in MIXED {
        if let Some(numbers) = parts.iter().map(|part| read(part)).collect() {
            return Ok((unit, numbers));
        }
    }
    let message = format!("the parts of `{}` have units that do not fit", clip(text));
    Err(ValueError::new("E-UNIT", message).help("such as `1ms..10ms step 1ms`"))
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text_value!(
    Range,
    "Range",
    "a range such as `4..10`, `1ms..10ms step 1ms`, `4..64 x2` or `log(1..1000 n=7)`",
    ["4..10", "0.5..2 step 0.1", "4..64 x2", "log(1..1000 n=7)"]
);

/// What values of an axis measure, as numbers in seconds, bytes, per second or plainly; none if one of them is no number.
/// Of laws that differ in one number, such as `poisson(800/s)` and `poisson(1200/s)`, that one.
#[must_use]
pub fn along(values: &[String]) -> Option<Vec<f64>> {
    let texts: Vec<&str> = values.iter().map(String::as_str).collect();
    of_all(&texts).or_else(|| of_all(&varying(&texts)?))
}

type Number = fn(&str) -> Option<f64>;

/// Units of one axis are of one kind.
const KINDS: [Number; 8] = [
    |text| number(text).ok(),
    |text| plain(text).ok(),
    |text| text.parse::<Count>().ok().map(|x| x.0 as f64),
    |text| text.parse::<SimDuration>().ok().map(|x| x.0 as f64 / 1e9),
    |text| text.parse::<Size>().ok().map(|x| x.0 as f64),
    |text| text.parse::<Rate>().ok().map(|x| x.0),
    |text| text.parse::<Bandwidth>().ok().map(|x| x.0),
    |text| text.parse::<Fraction>().ok().map(|x| x.0),
];

fn of_all(texts: &[&str]) -> Option<Vec<f64>> {
    KINDS.iter().find_map(|read| texts.iter().map(|text| read(text)).collect())
}

/// The part in which texts differ, whole numbers with their units.
fn varying<'t>(texts: &[&'t str]) -> Option<Vec<&'t str>> {
    let first = texts.first()?;
    let common = |same: fn(&str, &str) -> usize| texts.iter().map(|text| same(first, text)).min();
    let before = common(|a, b| {
        let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
        // The number begins where its digits do.
        a[..same].trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').len()
    })?;
    let after = common(|a, b| {
        let same = a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count();
        let tail = &a[a.len() - same..];
        // It ends with its unit.
        tail.find([' ', ')', ';', ',']).map_or(0, |end| same - end)
    })?;
    texts.iter().map(|text| text.get(before..text.len().checked_sub(after)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Option<Vec<f64>> {
        along(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn values_with_units_are_numbers() {
        assert_eq!(of(&["0.5", "1", "2"]), Some(vec![0.5, 1.0, 2.0]));
        assert_eq!(of(&["1k", "2k"]), Some(vec![1000.0, 2000.0]));
        assert_eq!(of(&["1ms", "1s"]), Some(vec![0.001, 1.0]));
        assert_eq!(of(&["500/s", "30/min"]), Some(vec![500.0, 0.5]));
        assert_eq!(of(&["99%", "99.9%"]), Some(vec![0.99, 0.999]));
        assert_eq!(of(&["base", "other"]), None);
        assert_eq!(of(&["1ms", "2KB"]), None);
    }

    #[test]
    fn laws_that_differ_in_a_number_go_along_it() {
        assert_eq!(of(&["poisson(800/s)", "poisson(1200/s)"]), Some(vec![800.0, 1200.0]));
        assert_eq!(of(&["poisson(1200/s)", "poisson(1600/s)"]), Some(vec![1200.0, 1600.0]));
        assert_eq!(
            of(&["closed(users=10 think=1s)", "closed(users=100 think=1s)"]),
            Some(vec![10.0, 100.0])
        );
        assert_eq!(
            of(&["lognormal(mean=5ms cv=1)", "lognormal(mean=5ms cv=2)"]),
            Some(vec![1.0, 2.0])
        );
        assert_eq!(of(&["exp(mean=5ms)", "pareto(min=5ms)"]), None);
    }

    fn values(text: &str) -> String {
        let range: Range = text.parse().unwrap();
        range.values().unwrap().join(" ")
    }

    fn error(text: &str) -> String {
        let read = text.parse::<Range>().and_then(|range| range.values());
        let error = read.expect_err(text);
        format!("{} {}", error.code, error.message)
    }

    #[test]
    fn values_are_what_a_person_would_write() {
        assert_eq!(values("4..10"), "4 5 6 7 8 9 10");
        assert_eq!(values("4..10 step 2"), "4 6 8 10");
        assert_eq!(values("4..9 step 2"), "4 6 8");
        assert_eq!(values("0.5..1 step 0.1"), "0.5 0.6 0.7 0.8 0.9 1");
        assert_eq!(values("4..64 x2"), "4 8 16 32 64");
        assert_eq!(values("1..2 x1.1"), "1 1.1 1.21 1.331 1.4641 1.61051 1.771561 1.9487171");
        assert_eq!(values("log(1..1000 n=4)"), "1 10 100 1000");
        assert_eq!(values("log(1..1000 n=7)"), "1 3.162 10 31.62 100 316.2 1000");
        assert_eq!(values("7..7"), "7");
    }

    #[test]
    fn units_stay_or_are_made_to_fit() {
        assert_eq!(values("1ms..3ms step 1ms"), "1ms 2ms 3ms");
        assert_eq!(values("1..3ms step 1ms"), "1ms 2ms 3ms");
        assert_eq!(values("500us..2ms step 500us"), "500us 1ms 1.5ms 2ms");
        assert_eq!(values("1k..4k x2"), "1k 2k 4k");
        assert_eq!(values("500/s..1500/s step 500/s"), "500/s 1000/s 1500/s");
        assert_eq!(values("500/s..1k/s step 250/s"), "500/s 750/s 1000/s");
        assert_eq!(values("64MB..1GB x4"), "64MB 256MB");
        assert_eq!(values("10%..30% step 10%"), "10% 20% 30%");
        assert_eq!(values("log(1ms..1s n=4)"), "1ms 10ms 100ms 1s");
    }

    #[test]
    fn what_is_no_range_says_so() {
        assert_eq!(error("10..4"), "E-SWEEP `10..4` is empty: 4 is below 10");
        assert_eq!(error("1ms..9ms"), "E-SWEEP `1ms..9ms` does not say what lies between its ends");
        assert_eq!(
            error("poisson(1/s)..poisson(3/s)"),
            "E-SWEEP `poisson(1/s)..poisson(3/s)` is a range over laws"
        );
        assert_eq!(error("0..8 x2"), "E-SWEEP `0..8 x2` multiplies, and begins at 0");
        assert_eq!(error("0..8 step 0"), "E-SWEEP the step of `0..8 step 0` is 0");
        assert_eq!(
            error("1ms..8KB step 1ms"),
            "E-UNIT the parts of `1ms..8KB step 1ms` have units that do not fit"
        );
        assert_eq!(error("0..1 step 0.000001"), "E-SWEEP `0..1 step 0.000001` has 1000001 values");
        assert_eq!(
            error("4..8 by 2"),
            "E-SWEEP `by 2` after a range is neither a step nor a factor"
        );
        assert!(error("log(1..8)").contains("how many values"));
        assert!(error("1..8 x1").contains("neither"));
        assert!(error("-1..8").contains("negative"));
    }

    #[test]
    fn a_share_of_the_way_is_whole_between_whole_ends() {
        let range: Range = "2..5".parse().unwrap();
        let at: Vec<_> = [0.0, 0.24, 0.26, 0.74, 0.76, 0.9999].map(|s| range.at(s)).to_vec();
        assert_eq!(at, ["2", "2", "3", "4", "5", "5"]);
        let range: Range = "1ms..3ms".parse().unwrap();
        assert_eq!(range.at(0.5), "2ms");
        let range: Range = "log(1..100 n=3)".parse().unwrap();
        assert_eq!(range.at(0.5), "10");
    }

    #[test]
    fn only_what_looks_like_one_is_meant_as_a_range() {
        for (text, meant) in [
            ("1..2", true),
            ("log(1..2 n=3)", true),
            ("poisson(1/s)..poisson(2/s)", true),
            ("../traces/a.csv", false),
            ("empirical(file=../a.csv)", false),
            ("4", false),
        ] {
            assert_eq!(Range::is_meant(text), meant, "{text}");
        }
    }
}
