//! A small picture of an interval against a limit.
//!
//! **Invariant.** It says nothing that the text beside it does not.

use crate::results::SloResult;

const WIDTH: f64 = 140.0;
const HEIGHT: f64 = 16.0;
/// What is left free on both sides, in parts of what is shown.
const FREE: f64 = 0.12;

/// The interval of what was measured, the limit, and the side of it on which the objective is met; none where one of them
/// is not known.
pub(super) fn bar(slo: &SloResult) -> Option<String> {
    let value = slo.estimate.value.filter(|v| v.is_finite())?;
    let margin = slo.margin.filter(|m| m.is_finite())?;
    // What is met below its limit has its margin above it.
    let below = slo.expression.contains('<');
    if !below && !slo.expression.contains('>') {
        return None;
    }
    let limit = if below { value + margin } else { value - margin };
    let known = |end: Option<f64>| end.filter(|v| v.is_finite()).unwrap_or(value);
    let (lower, upper) = (known(slo.estimate.lower), known(slo.estimate.upper));
    let (least, most) = (lower.min(limit), upper.max(limit));
    let span = (most - least).max(least.abs().max(most.abs()) * 1e-6);
    if span <= 0.0 {
        return None;
    }
    let x = |v: f64| ((v - least) / span * (1.0 - 2.0 * FREE) + FREE) * WIDTH;
    let (from, to) = if below { (0.0, x(limit)) } else { (x(limit), WIDTH) };
    let middle = HEIGHT / 2.0;
    Some(format!(
        "<svg class=\"bar\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" aria-hidden=\"true\">\
         <rect x=\"{from:.1}\" y=\"2\" width=\"{:.1}\" height=\"12\" fill=\"#dfeee3\"/>\
         <path d=\"M{:.1} 1V15\" stroke=\"#a3262a\" stroke-width=\"2\"/>\
         <path d=\"M{:.1} {middle}H{:.1}\" stroke=\"#222\" stroke-width=\"2\"/>\
         <circle cx=\"{:.1}\" cy=\"{middle}\" r=\"3.5\" fill=\"#222\"/></svg>",
        to - from,
        x(limit),
        x(lower),
        x(upper),
        x(value),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Estimate, Judgement};

    fn of(expression: &str, [lower, value, upper]: [f64; 3], margin: f64) -> Option<String> {
        bar(&SloResult {
            expression: expression.to_owned(),
            estimate: Estimate {
                value: Some(value),
                lower: Some(lower),
                upper: Some(upper),
                ..Estimate::default()
            },
            verdict: Judgement::Met,
            reason: None,
            margin: Some(margin),
            unit: None,
        })
    }

    /// Where the limit and the value stand.
    fn places(svg: &str) -> (f64, f64) {
        let after = |mark: &str| {
            let rest = &svg[svg.find(mark).unwrap() + mark.len()..];
            rest[..rest.find([' ', '"']).unwrap()].parse::<f64>().unwrap()
        };
        (after("d=\"M"), after("cx=\""))
    }

    #[test]
    fn the_value_stands_on_its_side_of_the_limit() {
        let (limit, value) = places(&of("p99(latency) <= 400ms", [0.3, 0.31, 0.32], 0.09).unwrap());
        assert!(value < limit, "{value} {limit}");
        let (limit, value) = places(&of("availability >= 99%", [0.5, 0.6, 0.7], -0.39).unwrap());
        assert!(value < limit, "{value} {limit}");
        let (limit, value) = places(&of("availability >= 40%", [0.5, 0.6, 0.7], 0.2).unwrap());
        assert!(value > limit, "{value} {limit}");
        for place in [limit, value] {
            assert!((0.0..=WIDTH).contains(&place));
        }
    }

    #[test]
    fn what_is_not_known_has_no_bar() {
        assert_eq!(of("metastable(x) == true", [1.0, 1.0, 1.0], 0.0), None);
        assert_eq!(of("p99(latency) <= 1s", [f64::NAN, f64::INFINITY, 1.0], 0.0), None);
        assert_eq!(of("attempts <= 0", [0.0, 0.0, 0.0], 0.0), None);
    }
}
