//! Figures for the script of the page, as short as they can be.
//!
//! **Invariant.** Four significant digits; what never changes is one value instead of a list.

use serde_json::Value;

/// A number of four significant digits.
pub(super) fn number(value: f64) -> Value {
    if !value.is_finite() {
        return Value::Null;
    }
    let short: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    // Whole numbers go without a point.
    if short.fract() == 0.0 && short.abs() < 1e15 { (short as i64).into() } else { short.into() }
}

/// Values by window, which those who read them repeat if there is but one.
pub(super) fn values(values: impl IntoIterator<Item = Option<f64>>) -> Value {
    let all: Vec<Value> =
        values.into_iter().map(|value| value.map_or(Value::Null, number)).collect();
    match all.split_first() {
        Some((first, rest)) if rest.iter().all(|value| value == first) => first.clone(),
        _ => Value::Array(all),
    }
}

/// What several windows together come to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Together {
    /// The mean of those known.
    Mean,
    /// The largest: of percentiles there is no mean.
    Most,
}

/// The values of every `windows` windows together.
pub(super) fn merged(values: &[Option<f64>], windows: usize, how: Together) -> Vec<Option<f64>> {
    let one = |part: &[Option<f64>]| {
        let known: Vec<f64> = part.iter().copied().flatten().collect();
        match how {
            Together::Mean => crate::stats::mean(&known),
            Together::Most => known.into_iter().reduce(f64::max),
        }
    };
    if windows < 2 { values.to_vec() } else { values.chunks(windows).map(one).collect() }
}

/// JSON that can stand in the element of a page: nothing in it ends the element or a line of script.
pub(super) fn embedded(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.123_456, "0.1235"),
            (1234.56, "1235"),
            (-0.0, "0"),
            (3.0, "3"),
            (1.000_04e-7, "1e-7"),
            (f64::INFINITY, "null"),
            (9.876_54e20, "9.877e+20"),
        ] {
            assert_eq!(number(value).to_string(), text);
        }
    }

    #[test]
    fn what_never_changes_is_one_value() {
        assert_eq!(values([Some(1.000_01), Some(1.0)]), json!(1));
        assert_eq!(values([None, None]), json!(null));
        assert_eq!(values([Some(1.0), None]), json!([1, null]));
        assert_eq!(values([]), json!([]));
    }

    #[test]
    fn windows_together_hide_no_peak_of_latency() {
        let values = [Some(1.0), Some(3.0), None, None, Some(5.0)];
        assert_eq!(merged(&values, 2, Together::Mean), [Some(2.0), None, Some(5.0)]);
        assert_eq!(merged(&values, 2, Together::Most), [Some(3.0), None, Some(5.0)]);
        assert_eq!(merged(&values, 1, Together::Mean), values);
    }

    #[test]
    fn nothing_ends_the_element() {
        let text = "</script><!--\u{2028}\u{2029}&\"\\";
        let embedded = embedded(&json!({ text: [text] }));
        assert!(!embedded.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{embedded}");
        assert_eq!(serde_json::from_str::<Value>(&embedded).unwrap(), json!({ text: [text] }));
    }
}
