//! What a knob may be, or an axis goes through: a range or a list.
//!
//! **Invariant.** Each of its values is a text that can stand in a scenario, as after `--set path=`.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::units::{Range, ValueError};

/// A range such as `4..10 step 2`, or a list of any values.
#[derive(Clone, Debug, PartialEq)]
pub enum AxisSpec {
    /// Values in equal or growing steps.
    Range(Range),
    /// These values.
    List(Vec<Value>),
}

impl AxisSpec {
    /// Its values in order, each as it would stand in a scenario.
    ///
    /// # Errors
    ///
    /// There is none, or it does not say which.
    pub fn values(&self) -> Result<Vec<String>, ValueError> {
        let values = match self {
            Self::Range(range) => range.values()?,
            Self::List(values) => values.iter().map(written).collect(),
        };
        if values.is_empty() {
            let error = ValueError::new("E-SWEEP", "there is no value to take");
            return Err(error.help("such as `[2, 4, 8]` or `4..10`"));
        }
        let mut seen = BTreeSet::new();
        if let Some(again) = values.iter().find(|value| !seen.insert(*value)) {
            return Err(ValueError::new("E-SWEEP", format!("`{again}` is there twice")));
        }
        Ok(values)
    }
}

/// A value as it stands in a scenario.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if is_plain(text) => text.clone(),
        // What JSON says, YAML says too.
        other => other.to_string(),
    }
}

/// Whether YAML reads a text without quotes as itself.
fn is_plain(text: &str) -> bool {
    let begins =
        !text.is_empty() && !text.starts_with(|c: char| "[]{}&*!|>'\"%@`,?#-: ".contains(c));
    begins && !text.contains(": ") && !text.contains(" #") && !text.ends_with([':', ' '])
}

impl<'de> Deserialize<'de> for AxisSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = AxisSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a range such as `4..10 step 2`, or a list such as `[2, 4, 8]`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AxisSpec, E> {
                if Range::is_meant(text) {
                    return text.parse().map(AxisSpec::Range).map_err(E::custom);
                }
                Ok(AxisSpec::List(vec![Value::String(text.to_owned())]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<AxisSpec, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = items.next_element()? {
                    values.push(value);
                }
                Ok(AxisSpec::List(values))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl Serialize for AxisSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Range(range) => range.serialize(serializer),
            Self::List(values) => values.serialize(serializer),
        }
    }
}

impl JsonSchema for AxisSpec {
    fn schema_name() -> Cow<'static, str> {
        "AxisSpec".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let range = g.subschema_for::<Range>();
        json_schema!({"anyOf": [range, {"type": "array", "minItems": 1}, {"type": "number"}]})
    }
}
