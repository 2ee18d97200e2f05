//! Formulas: sums of laws and attributes, `80ms + 120ms/MB * size`.
//!
//! **Invariant.** Nothing but a sum: what a request carries enters linearly.

use std::{fmt, marker::PhantomData, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Dimension, Law, Sampler, Table, Tables};
use crate::units::{Size, ValueError, number};

/// A sum of laws and of attributes with coefficients.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula<D> {
    laws: Vec<Law<D>>,
    terms: Vec<Term>,
    dimension: PhantomData<D>,
}

/// `coefficient * attribute`; `per` is the unit the attribute is counted in (`MB`).
#[derive(Clone, Debug, PartialEq)]
struct Term {
    coefficient: f64,
    per: Option<String>,
    attribute: String,
}

impl<D: Dimension> From<Law<D>> for Formula<D> {
    fn from(law: Law<D>) -> Self {
        Self { laws: vec![law], terms: Vec::new(), dimension: PhantomData }
    }
}

impl<D: Dimension> Formula<D> {
    /// The value, if it is constant.
    pub fn constant(&self) -> Option<f64> {
        if !self.terms.is_empty() {
            return None;
        }
        self.laws.iter().try_fold(0.0, |sum, law| Some(sum + law.constant()?))
    }

    /// The mean of the laws in it, attributes left out.
    pub fn mean_of_law(&self) -> Option<f64> {
        self.laws.iter().try_fold(0.0, |sum, law| Some(sum + law.mean()?))
    }

    /// The smallest possible value; 0 when that depends on attributes.
    pub fn min_value(&self) -> f64 {
        if !self.terms.is_empty() {
            return 0.0;
        }
        self.laws.iter().map(Law::min_value).sum()
    }

    /// Coefficient (base units per base unit of the attribute) and name of each attribute.
    pub fn attributes(&self) -> impl Iterator<Item = (f64, &str)> {
        self.terms.iter().map(|t| {
            let per = t.per.as_ref().map_or(1.0, |p| unit(p).expect("it was parsed"));
            (t.coefficient / per, t.attribute.as_str())
        })
    }

    /// As of its laws.
    pub fn warnings(&self) -> Vec<String> {
        self.laws.iter().flat_map(Law::warnings).collect()
    }

    /// As of its laws.
    pub fn tables(&self) -> Vec<(Table, String)> {
        self.laws.iter().flat_map(Law::tables).collect()
    }

    /// The laws, ready to be sampled.
    ///
    /// # Errors
    /// As [`Law::compile`].
    pub fn compile(&self, tables: &dyn Tables) -> Result<Sampler, String> {
        let mut samplers: Vec<Sampler> =
            self.laws.iter().map(|l| l.compile(tables)).collect::<Result<_, _>>()?;
        Ok(match samplers.len() {
            0 => Sampler::Constant(0.0),
            1 => samplers.remove(0),
            _ => Sampler::Sum(samplers.into()),
        })
    }
}

/// Base units in one `MB` and the like.
fn unit(text: &str) -> Result<f64, ValueError> {
    format!("1{text}").parse::<Size>().map(|s| s.0 as f64)
}

impl<D: Dimension> FromStr for Formula<D> {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.len() > crate::expr::MAX_LENGTH {
            return Err(ValueError::new("E-LIMIT", crate::expr::TOO_LONG));
        }
        let mut formula = Self { laws: Vec::new(), terms: Vec::new(), dimension: PhantomData };
        for part in split_sum(text) {
            let part = part.trim();
            match part.split_once('*') {
                Some((left, right)) if !left.contains('(') => {
                    formula.terms.push(term::<D>(left.trim(), right.trim())?);
                }
                _ => formula.laws.push(part.parse()?),
            }
        }
        Ok(formula)
    }
}

/// Splits at `+` outside parentheses.
fn split_sum(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0i32, 0);
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '+' if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn term<D: Dimension>(left: &str, right: &str) -> Result<Term, ValueError> {
    let is_name = |s: &str| s.starts_with(|c: char| c.is_ascii_lowercase()) && number(s).is_err();
    // `prompt * 0.2ms` is as good as `0.2ms * prompt`.
    let (value, attribute) = if is_name(left) { (right, left) } else { (left, right) };
    let value_too = D::parse_coefficient(attribute).is_ok();
    if value_too || attribute.parse::<crate::units::Name>().is_err() {
        return Err(ValueError::new(
            "E-EXPR",
            format!("`{attribute}` is not the name of an attribute"),
        )
        .help("write `0.2ms * prompt` or `120ms/MB * size`"));
    }
    let (value, per) = match value.split_once('/') {
        None => (value, None),
        Some((value, per)) => {
            unit(per)?;
            (value, Some(per.to_owned()))
        }
    };
    Ok(Term { coefficient: D::parse_coefficient(value)?, per, attribute: attribute.to_owned() })
}

impl<D: Dimension> fmt::Display for Formula<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut plus = "";
        for law in &self.laws {
            write!(f, "{plus}{law}")?;
            plus = " + ";
        }
        for term in &self.terms {
            write!(f, "{plus}{}", D::print_coefficient(term.coefficient))?;
            if let Some(per) = &term.per {
                write!(f, "/{per}")?;
            }
            write!(f, " * {}", term.attribute)?;
            plus = " + ";
        }
        Ok(())
    }
}

macro_rules! text_of_dimension {
    ($type:ident, $what:literal, $examples:expr) => {
        impl<D: Dimension> Serialize for $type<D> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de, D: Dimension> Deserialize<'de> for $type<D> {
            fn deserialize<T: Deserializer<'de>>(deserializer: T) -> Result<Self, T::Error> {
                let text = crate::units::text(deserializer, $what)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl<D: Dimension> JsonSchema for $type<D> {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                concat!(stringify!($type), "Of").into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let expected = format!("{}, each value {}", $what, D::NAME);
                crate::units::schema::<Self>(
                    &expected,
                    &serde_json::json!($examples),
                    D::BARE,
                    None,
                )
            }
        }
    };
}

text_of_dimension!(Law, "a law (a value, or a distribution of values)", ["5ms", "exp(mean=5ms)"]);
text_of_dimension!(
    Formula,
    "a law, or a sum of laws and attributes",
    ["exp(mean=5ms)", "2ms + 0.2ms * prompt"]
);
