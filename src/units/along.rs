//! Values of an axis as numbers, to draw them and to fit laws to them.
//!
//! **Invariant.** Numbers are in the order of the values, or there are none.

use super::{Bandwidth, Count, Fraction, Rate, SimDuration, Size, number, plain};

/// What values of an axis measure, as numbers in seconds, bytes, per second or plainly; none if one of them is no number.
/// Of laws that differ in one number, such as `poisson(800/s)` and `poisson(1200/s)`, that one.
#[must_use]
pub fn along(values: &[String]) -> Option<Vec<f64>> {
    let texts: Vec<&str> = values.iter().map(String::as_str).collect();
    of_all(&texts).or_else(|| of_all(&varying(&texts)?))
}

type Reader = fn(&str) -> Option<f64>;

/// Units of one axis are of one kind.
const KINDS: [Reader; 8] = [
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
}
