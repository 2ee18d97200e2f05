//! Arithmetic over `results.json`: paths and numbers joined by `+ - * /`, parted by blanks. A number in a path is
//! a place in a list.
//!
//! **Invariant.** A figure that was not observed (null) has no value; it never counts as 0.

use serde_json::Value;

/// The value of an expression; `None` when a figure in it was not observed.
///
/// # Panics
/// If the expression is malformed or names something that is not in the results.
pub(crate) fn evaluate(expression: &str, results: &Value) -> Option<f64> {
    let mut words = expression.split_whitespace();
    let mut operand =
        || operand(words.next().expect("an operand"), results).map(|x| (x, words.next()));
    let (mut sum, mut sign) = (0.0, 1.0);
    loop {
        let (mut term, mut operator) = operand()?;
        while let Some(op @ ("*" | "/")) = operator {
            let (factor, next) = operand()?;
            term = if op == "*" { term * factor } else { term / factor };
            operator = next;
        }
        sum += sign * term;
        sign = match operator {
            None => return Some(sum),
            Some("+") => 1.0,
            Some("-") => -1.0,
            Some(other) => panic!("`{expression}`: unknown operator `{other}`"),
        };
    }
}

fn operand(word: &str, results: &Value) -> Option<f64> {
    if let Ok(number) = word.parse() {
        return Some(number);
    }
    let found = word.split('.').fold(results, |at, key| {
        let found = at.get(key).or_else(|| at.get(key.parse::<usize>().ok()?));
        found.unwrap_or_else(|| panic!("results.json has no `{word}` (at `{key}`)"))
    });
    found.get("value").unwrap_or(found).as_f64()
}
