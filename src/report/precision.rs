//! What became of a precision that was asked for, in words.
//!
//! **Invariant.** Figures that are not known precisely enough are never said without how well they are known.

use super::text::{Quantity, clean, count, plural, value};
use crate::results::Results;

/// `precision of 2 % reached after 40 replications: mean ± 1.30 %, p99 ± 1.90 %`; none where none was asked for.
pub fn precision(results: &Results) -> Option<String> {
    let of = results.precision.as_ref()?;
    let share = |v: f64| value(Quantity::Share, v);
    let replications = plural(results.seeds.len() as u64, "replication");
    let is = if of.reached { "reached after" } else { "not reached by" };
    let head = format!("precision of {} {is} {replications}", share(of.wanted));
    if let Some(reason) = &of.reason {
        return Some(format!("{head}: {}", clean(reason)));
    }
    let known = |name: &str, half: Option<f64>| match half {
        Some(half) => format!("{name} ± {}", share(half)),
        None => format!("{name} not known"),
    };
    let figures = [known("mean", of.mean), known("p99", of.p99)].join(", ");
    let more = of.needed.map(|n| format!("; about {} would do", count(n)));
    Some(format!("{head}: {figures}{}", more.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::PrecisionResults;

    #[test]
    fn a_sentence_says_how_well_both_are_known() {
        let told = |n: usize, of: PrecisionResults| {
            let precision = Some(PrecisionResults { wanted: 0.02, ..of });
            super::precision(&Results { seeds: vec![1; n], precision, ..Results::default() })
        };
        let both = PrecisionResults { mean: Some(0.013), p99: Some(0.019), ..Default::default() };
        let reached = told(40, PrecisionResults { reached: true, ..both.clone() });
        let text = "precision of 2 % reached after 40 replications: mean ± 1.30 %, p99 ± 1.90 %";
        assert_eq!(reached.as_deref(), Some(text));
        let far = told(320, PrecisionResults { p99: None, ..both.clone() });
        let text = "precision of 2 % not reached by 320 replications: mean ± 1.30 %, p99 not known";
        assert_eq!(far.as_deref(), Some(text));
        let far = told(320, PrecisionResults { p99: Some(0.041), needed: Some(1280), ..both });
        assert!(far.unwrap().ends_with(": mean ± 1.30 %, p99 ± 4.10 %; about 1,280 would do"));
        let reason = Some("no request was answered".to_owned());
        let none = told(10, PrecisionResults { reason, ..PrecisionResults::default() });
        let text = "precision of 2 % not reached by 10 replications: no request was answered";
        assert_eq!(none.as_deref(), Some(text));
        assert_eq!(super::precision(&Results::default()), None);
    }
}
