//! How figures and foreign text are written for people: units, digits, intervals, escaping.
//!
//! **Invariant.** Nothing that came from a file reaches a terminal, a page or a picture without
//! passing [`clean`] or [`escape`].

pub(crate) use crate::units::show::{
    Quantity, Unit, about, clock, count, duration, grouped, plural, points, times, unit_for, value,
};
use crate::{
    results::Estimate,
    units::show::{decimals, sign},
};

/// An interval narrower than this share of its value tells nothing but digits.
const NOISE: f64 = 1.5e-3;

/// An interval whose sides differ by no more than this share of the longer one is shown by that one alone.
const ALIKE: f64 = 0.25;

/// An estimate with its interval: `12.3 ± 0.2 ms`; `[a, b]` when its sides differ much, and `?` for an end that is not
/// known; `-` when nothing was observed; the bare value when there is no interval or it is narrower than the digits
/// shown.
pub(crate) fn estimate(quantity: Quantity, estimate: &Estimate) -> String {
    let Some(centre) = estimate.value.filter(|v| v.is_finite()) else { return "-".into() };
    let sides =
        [estimate.lower.map(|lower| centre - lower), estimate.upper.map(|upper| upper - centre)];
    if sides == [None, None] {
        return value(quantity, centre);
    }
    let half_width = sides.iter().flatten().sum::<f64>() / sides.iter().flatten().count() as f64;
    // Of a share both it and what is missing to all of it count.
    let scale = match quantity {
        Quantity::Share if (0.5..1.0).contains(&centre) => 1.0 - centre,
        _ => centre.abs(),
    };
    let noise = half_width.is_nan() || half_width <= NOISE * scale;
    if noise || quantity == Quantity::Truth {
        return value(quantity, centre);
    }
    let unit = unit_for(quantity, centre);
    let decimals = decimals(quantity, centre, half_width, unit);
    let show = |v: f64| format!("{}{}", sign(quantity), grouped(v * unit.per_base, decimals));
    let nothing = format!("{}0", sign(quantity));
    if show(centre) == nothing && show(half_width) == nothing {
        return value(quantity, centre);
    }
    match sides {
        [Some(below), Some(above)] if (above - below).abs() <= below.max(above) * ALIKE => {
            format!("{} ± {}{}", show(centre), show(below.max(above)), unit.suffix)
        }
        _ => {
            let [lower, upper] = [estimate.lower, estimate.upper]
                .map(|end| end.map_or_else(|| "?".to_owned(), show));
            format!("{} [{lower}, {upper}]{}", show(centre), unit.suffix)
        }
    }
}

/// Foreign text without control characters, terminal sequences and direction overrides; line breaks
/// become spaces.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // A terminal sequence `ESC [ ... letter` goes whole.
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                chars.by_ref().find(|c| ('\u{40}'..='\u{7e}').contains(c));
            }
            '\n' | '\r' | '\t' => out.push(' '),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// Foreign text for HTML and SVG, as content or attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Foreign text cut to `most` characters, with an ellipsis when something is missing.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    let text = clean(text);
    if text.chars().count() <= most {
        return text;
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(value: f64, lower: f64, upper: f64) -> Estimate {
        Estimate { value: Some(value), lower: Some(lower), upper: Some(upper), n: 10 }
    }

    #[test]
    fn durations_choose_their_unit() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (1.5e-9, "1.50 ns"),
            (999.7e-6, "1.00 ms"),
            (12.34e-6, "12.3 µs"),
            (0.0123, "12.3 ms"),
            (0.4, "400 ms"),
            (1.0, "1 s"),
            (90.0, "90 s"),
            (150.0, "2.50 min"),
            (3.0 * 3600.0, "3 h"),
            (7.0 * 86_400.0, "7 d"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn shares_never_round_to_a_perfect_hundred() {
        for (share, text) in [
            (0.0, "0 %"),
            (1.0, "100 %"),
            (0.453_21, "45.3 %"),
            (0.000_123_4, "0.0123 %"),
            (0.9921, "99.21 %"),
            (0.999_932, "99.9932 %"),
        ] {
            assert_eq!(value(Quantity::Share, share), text);
        }
    }

    #[test]
    fn rates_and_counts_are_grouped() {
        assert_eq!(value(Quantity::Rate, 1_190.4), "1,190 /s");
        assert_eq!(value(Quantity::Number, -1234.0), "-1,234");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "seed"), "1 seed");
        assert_eq!(plural(2000, "seed"), "2,000 seeds");
    }

    #[test]
    fn intervals_share_unit_and_decimals() {
        let show = |e| estimate(Quantity::Duration, &e);
        assert_eq!(show(interval(0.0123, 0.0121, 0.0125)), "12.3 ± 0.2 ms");
        assert_eq!(show(interval(0.0123, 0.012_28, 0.012_32)), "12.30 ± 0.02 ms");
        assert_eq!(show(interval(0.0123, 0.0120, 0.0125)), "12.3 [12.0, 12.5] ms");
        assert_eq!(show(interval(0.0123, 0.0120, 0.012_55)), "12.3 ± 0.3 ms");
        let open = Estimate { upper: None, ..interval(0.0123, 0.0121, 0.0) };
        assert_eq!(show(open), "12.3 [12.1, ?] ms");
        let rare = Estimate { value: Some(0.9999), lower: None, upper: Some(0.99999), n: 20 };
        assert_eq!(estimate(Quantity::Share, &rare), "99.990 [?, 99.999] %");
        assert_eq!(show(interval(0.4, 0.4, 0.4)), "400 ms");
        assert_eq!(show(interval(0.002, 0.001_999_998, 0.002_000_002)), "2 ms");
        let dust = interval(1.1, 1.1 - 1e-12, 1.1 + 1e-12);
        assert_eq!(estimate(Quantity::Share, &dust), "110 %");
        assert_eq!(show(Estimate { value: Some(0.4), ..Estimate::default() }), "400 ms");
        assert_eq!(show(Estimate::default()), "-");
        let bill = |centre, half| interval(centre, centre - half, centre + half);
        assert_eq!(estimate(Quantity::Money, &bill(1775.0, 12.0)), "$1,775 ± $12");
        assert_eq!(estimate(Quantity::Money, &bill(0.541, 0.002)), "$0.541 ± $0.002");
        assert_eq!(estimate(Quantity::Money, &bill(248.2, 0.0)), "$248");
        let availability = interval(0.999_932, 0.999_93, 0.999_934);
        assert_eq!(estimate(Quantity::Share, &availability), "99.9932 ± 0.0002 %");
    }

    #[test]
    fn foreign_text_is_disarmed() {
        assert_eq!(clean("a\u{1b}[31mred\u{1b}[0m\u{7}b\nc\u{9b}d\u{202e}e"), "aredb cde");
        assert_eq!(escape("<script>\"&'"), "&lt;script&gt;&quot;&amp;&#39;");
        assert_eq!(shorten("recommendations", 8), "recomme…");
        assert_eq!(shorten("api", 8), "api");
    }
}
