//! Which rows of a data file are read: `metric_name == http_reqs and status != 200`.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use crate::units::{ValueError, text_value};

/// The rows that are read: those for which all conditions hold; all when there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selection(Vec<Condition>);

/// What a cell has to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Condition {
    column: String,
    relation: Relation,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Relation {
    Equal,
    Unequal,
    AtMost,
    AtLeast,
    Below,
    Above,
}

/// The longer signs first: `<` begins `<=`.
const SIGNS: [(&str, Relation); 6] = [
    ("==", Relation::Equal),
    ("!=", Relation::Unequal),
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("<", Relation::Below),
    (">", Relation::Above),
];

impl Selection {
    /// Whether all rows are read.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// The columns that are asked, in the order in which [`Self::holds`] gets their cells.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|condition| condition.column.as_str())
    }

    /// Whether a row is read: condition `i` holds for a cell.
    pub fn holds(&self, i: usize, cell: &str) -> bool {
        self.0[i].holds(cell)
    }

    /// Rows for which both hold.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&other.0).cloned().collect())
    }
}

impl Condition {
    /// Numbers are compared as such where both sides are one: `200 == 200.0`.
    fn holds(&self, cell: &str) -> bool {
        let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite());
        match (number(cell), number(&self.value)) {
            (Some(left), Some(right)) => match self.relation {
                Relation::Equal => left == right,
                Relation::Unequal => left != right,
                Relation::AtMost => left <= right,
                Relation::AtLeast => left >= right,
                Relation::Below => left < right,
                Relation::Above => left > right,
            },
            _ => match self.relation {
                Relation::Equal => cell == self.value,
                Relation::Unequal => cell != self.value,
                _ => false,
            },
        }
    }
}

impl FromStr for Selection {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |message: String| {
            ValueError::new("E-EXPR", message)
                .help("such as `metric_name == http_reqs and status != 200`")
        };
        if text.len() > crate::expr::MAX_LENGTH {
            return Err(ValueError::new("E-LIMIT", crate::expr::TOO_LONG));
        }
        let mut rest = text;
        let mut all = Vec::new();
        loop {
            let (column, after) =
                word(rest, true).ok_or_else(|| wrong("a column is missing".into()))?;
            let after = after.trim_start();
            let sign = SIGNS.iter().find(|(sign, _)| after.starts_with(sign));
            let (sign, relation) = *sign.ok_or_else(|| {
                wrong(format!(
                    "after `{}` one of == != <= >= < > is needed",
                    crate::expr::clip(column)
                ))
            })?;
            let (value, after) = word(&after[sign.len()..], false)
                .ok_or_else(|| wrong(format!("a value is missing after `{sign}`")))?;
            // They stand around the whole where it is an argument.
            if let Some(word) = [column, value].iter().find(|word| word.contains('"')) {
                let word = crate::expr::clip(word);
                return Err(wrong(format!("`{word}` has a double quote, which no word may have")));
            }
            let ordered = !matches!(relation, Relation::Equal | Relation::Unequal);
            if ordered && !value.parse::<f64>().is_ok_and(f64::is_finite) {
                return Err(wrong(format!(
                    "`{sign}` needs a number, not `{}`",
                    crate::expr::clip(value)
                )));
            }
            all.push(Condition { column: column.to_owned(), relation, value: value.to_owned() });
            let after = after.trim_start();
            if after.is_empty() {
                return Ok(Self(all));
            }
            rest = after.strip_prefix("and ").ok_or_else(|| {
                wrong(format!(
                    "conditions are joined by `and`, not by `{}`",
                    crate::expr::clip(after)
                ))
            })?;
        }
    }
}

/// The next word, in quotes or not, and what comes after; a column ends where a sign begins.
fn word(text: &str, column: bool) -> Option<(&str, &str)> {
    let text = text.trim_start();
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let inside = &text[1..];
        let end = inside.find(quote)?;
        return Some((&inside[..end], &inside[end + 1..]));
    }
    let ends = |c: char| c.is_whitespace() || column && "=!<>".contains(c);
    let end = text.find(ends).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Double quotes stand around the whole where it is an argument: inside they are the last resort.
        let quoted = |word: &str| {
            let plain = !word.is_empty()
                && !word.starts_with('\'')
                && !word.contains(|c: char| c.is_whitespace() || "=!<>".contains(c));
            match word.contains('\'') {
                _ if plain => word.to_owned(),
                true => format!("\"{word}\""),
                false => format!("'{word}'"),
            }
        };
        for (i, Condition { column, relation, value }) in self.0.iter().enumerate() {
            let sign = SIGNS.iter().find(|sign| sign.1 == *relation).map_or("", |sign| sign.0);
            let and = if i == 0 { "" } else { " and " };
            write!(f, "{and}{} {sign} {}", quoted(column), quoted(value))?;
        }
        Ok(())
    }
}

text_value!(
    Selection,
    "Where",
    "conditions on columns, joined by `and`",
    ["metric_name == http_reqs", "status >= 500 and method == GET"]
);

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(text: &str, cell: &str) -> bool {
        let selection: Selection = text.parse().unwrap();
        assert_eq!(selection, selection.to_string().parse().unwrap(), "{text}");
        (0..selection.columns().count()).all(|i| selection.holds(i, cell))
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_texts_as_texts() {
        assert!(keeps("status == 200", "200.0") && !keeps("status == 200", "404"));
        assert!(keeps("op != get", "set") && !keeps("op!=get", "get"));
        assert!(keeps("a >= 5 and a < 7", "6") && !keeps("a >= 5 and a < 7", "7"));
        assert!(!keeps("a >= 5", "many") && keeps("'a b' == 'x y'", "x y"));
        assert!(keeps("a == ''", "") && !keeps("a == ''", "0"));
        assert!(keeps("a == it's", "it's") && keeps("a == \"'t is\"", "'t is"));
        let inside: Selection = "it's == 5".parse().unwrap();
        assert_eq!(
            inside.to_string(),
            "it's == 5",
            "as an argument it has double quotes around it"
        );
    }

    #[test]
    fn what_is_no_condition_says_what_is_missing() {
        for (text, phrase) in [
            ("", "a column is missing"),
            ("op get", "after `op` one of =="),
            ("op == ", "a value is missing"),
            ("op > get", "needs a number"),
            ("op == get or op == set", "joined by `and`"),
            ("op == 5\"", "has a double quote"),
            ("op == '5\"'", "has a double quote"),
        ] {
            let error = text.parse::<Selection>().unwrap_err();
            assert!(error.message.contains(phrase), "{text}: {}", error.message);
        }
    }
}
