//! Text forms of what requests carry: keys, attributes, and which operation a row is.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
    ser::SerializeMap,
};

use super::{AttributeSpec, KeyLaw, KeysSpec, OtherRows, RowOperations};
use crate::{
    engine::law::Table,
    expr::{Expr, Taker, unknown},
    units::{Count, Fraction, Name, Number, ValueError, text_value},
};

impl FromStr for KeyLaw {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        let n = |t: &mut Taker<'_>| -> Result<u64, ValueError> {
            let n: Count = t.need_read("n")?;
            let good = (1..=1_000_000_000_000).contains(&n.0);
            if good { Ok(n.0) } else { Err(ValueError::new("E-RANGE", "`n` must be in 1..=10^12")) }
        };
        match expr.name.as_str() {
            "zipf" => {
                let mut t = Taker::new(&expr, "zipf(n=1M s=0.99)")?;
                let (n, s) = (n(&mut t)?, t.need_read::<Number>("s")?.0);
                t.finish()?;
                if s > 20.0 {
                    return Err(ValueError::new("E-DIST", "`s` above 20 leaves one key"));
                }
                Ok(Self::Zipf { n, s })
            }
            "uniform" | "sequential" => {
                let mut t = Taker::new(&expr, "uniform(n=1M) or sequential(n=1M)")?;
                let n = n(&mut t)?;
                t.finish()?;
                Ok(if expr.name == "uniform" {
                    Self::Uniform { n }
                } else {
                    Self::Sequential { n }
                })
            }
            "hot" => {
                let mut t = Taker::new(&expr, "hot(n=1M hot=1% share=80%)")?;
                let n = n(&mut t)?;
                let (hot, share): (Fraction, Fraction) =
                    (t.need_read("hot")?, t.need_read("share")?);
                t.finish()?;
                Ok(Self::Hot { n, hot, share })
            }
            "trace" => {
                let mut t = Taker::new(&expr, "trace(file=keys.csv.gz column=key)")?;
                let table = Table::take(&mut t)?;
                let column = t.key("column").map(Expr::need_word).transpose()?;
                t.finish()?;
                Ok(Self::Trace { table, column: column.map(str::to_owned) })
            }
            other => {
                let known = ["zipf", "uniform", "hot", "sequential", "trace"];
                Err(unknown("law of keys", other, &known))
            }
        }
    }
}

impl fmt::Display for KeyLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = |n: &u64| Count(*n);
        match self {
            Self::Zipf { n: k, s } => write!(f, "zipf(n={} s={})", n(k), Number(*s)),
            Self::Uniform { n: k } => write!(f, "uniform(n={})", n(k)),
            Self::Hot { n: k, hot, share } => write!(f, "hot(n={} hot={hot} share={share})", n(k)),
            Self::Sequential { n: k } => write!(f, "sequential(n={})", n(k)),
            Self::Trace { table, column } => {
                write!(f, "trace(file={}", crate::expr::quoted(&table.file))?;
                if let Some(column) = column {
                    write!(f, " column={}", crate::expr::quoted(column))?;
                }
                table.print_options(f)?;
                f.write_str(")")
            }
        }
    }
}

impl FromStr for AttributeSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        match (expr.name.as_str(), &expr.args) {
            ("column", Some(_)) => {
                let mut t = Taker::new(&expr, "column(ContextTokens)")?;
                let column = t.need_plain()?.need_word()?.to_owned();
                t.finish()?;
                Ok(Self::Column(column))
            }
            ("choice", Some(args)) => {
                let mut options: Vec<(Name, Fraction)> = Vec::new();
                for arg in args.parts.iter().flatten() {
                    let Some(name) = &arg.key else {
                        return Err(ValueError::new(
                            "E-EXPR",
                            "each choice has a name and a share",
                        )
                        .help("write `choice(gold=20% free=80%)`"));
                    };
                    let name = option(name)?;
                    if options.iter().any(|(known, _)| *known == name) {
                        return Err(ValueError::new("E-DIST", format!("`{name}` is given twice")));
                    }
                    options.push((name, arg.value.read()?));
                }
                let total: f64 = options.iter().map(|o| o.1.0).sum();
                if (total - 1.0).abs() > 1e-6 {
                    return Err(ValueError::new("E-DIST", "the shares must sum to 100 %"));
                }
                Ok(Self::Choice(options))
            }
            (word, None) if word.ends_with('%') => word.parse().map(Self::Coin),
            (name, Some(_)) => text.parse().map(Self::Law).map_err(|error: ValueError| {
                let unknown =
                    error.code == "E-ENUM" && error.message.ends_with(&format!("`{name}`"));
                let laws = error.help.clone().filter(|_| unknown);
                let kinds = "a coin is `10%`, one of several names `choice(gold=20% free=80%)`, a \
                             column of the trace `column(..)`";
                laws.map_or(error.clone(), |laws| {
                    error.help(format!("{kinds}; {}", laws.replace("known:", "laws:")))
                })
            }),
            _ => text.parse().map(Self::Law),
        }
    }
}

/// The name of a choice: no YAML reads it, but conditions do.
fn option(text: &str) -> Result<Name, ValueError> {
    if ["yes", "no", "on", "off"].contains(&text) {
        return Ok(Name(text.to_owned()));
    }
    let value = matches!(text, "true" | "false") || text.starts_with(|c: char| c.is_ascii_digit());
    text.parse::<Name>().map_err(|error| {
        if value {
            let message = format!(
                "`{}` is no name of a choice: conditions take it for a number or truth value",
                crate::expr::clip(text)
            );
            let help = "another word; a coin such as `10%` is true or false";
            return ValueError::new("E-NAME", message).help(help);
        }
        error
    })
}

impl fmt::Display for AttributeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Law(law) => write!(f, "{law}"),
            Self::Choice(options) => {
                f.write_str("choice(")?;
                for (i, (name, share)) in options.iter().enumerate() {
                    write!(f, "{}{name}={share}", if i == 0 { "" } else { " " })?;
                }
                f.write_str(")")
            }
            Self::Coin(p) => write!(f, "{p}"),
            Self::Column(column) => {
                write!(f, "column({})", crate::expr::quoted(column))
            }
        }
    }
}

/// What stands for rows that are left out.
const SKIP: &str = "skip";

impl FromStr for RowOperations {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        let wrong = |message: String| {
            ValueError::new("E-EXPR", message)
                .help("such as `column(op)` or `column(method GET=read POST=write other=skip)`")
        };
        let args = expr.args.as_ref().filter(|args| expr.name == "column" && args.parts.len() == 1);
        let args =
            args.ok_or_else(|| wrong("the operation of a row is said by a column".to_owned()))?;
        let (mut column, mut other) = (None, OtherRows::Refused);
        let mut named: Vec<(String, Option<Name>)> = Vec::new();
        for arg in &args.parts[0] {
            let word = arg.value.need_word()?;
            let Some(value) = &arg.key else {
                if column.replace(word.to_owned()).is_some() {
                    return Err(wrong(format!(
                        "there is one column, and no place for `{}`",
                        crate::expr::clip(word)
                    )));
                }
                continue;
            };
            let operation = if word == SKIP { None } else { Some(word.parse::<Name>()?) };
            match operation {
                _ if named.iter().any(|known| known.0 == *value) => {
                    return Err(wrong(format!("`{}` is given twice", crate::expr::clip(value))));
                }
                None if value == "other" => other = OtherRows::Skipped,
                Some(name) if value == "other" => other = OtherRows::Of(name),
                operation => named.push((value.clone(), operation)),
            }
        }
        let column = column.ok_or_else(|| wrong("which column says it?".to_owned()))?;
        Ok(Self { column, named, other })
    }
}

impl fmt::Display for RowOperations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let q = crate::expr::quoted;
        write!(f, "column({}", q(&self.column))?;
        for (value, operation) in &self.named {
            write!(f, " {}={}", q(value), operation.as_ref().map_or(SKIP, |name| &name.0))?;
        }
        match &self.other {
            OtherRows::Refused => f.write_str(")"),
            OtherRows::Skipped => write!(f, " other={SKIP})"),
            OtherRows::Of(name) => write!(f, " other={name})"),
        }
    }
}

text_value!(
    RowOperations,
    "RowOperations",
    "the column that says which operation a row is",
    ["column(op)", "column(method GET=read POST=write other=skip)"]
);

text_value!(KeyLaw, "KeyLaw", "how keys are drawn", ["zipf(n=1M s=0.99)", "uniform(n=10k)"]);
text_value!(
    AttributeSpec,
    "Attribute",
    "a law, choice(..), a percentage (coin) or column(..)",
    ["choice(gold=20% free=80%)", "column(tokens)"],
    number
);

impl KeyLaw {
    /// How many keys it has: 1 to so many; those of a file are known once it is read.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Zipf { n, .. }
            | Self::Uniform { n }
            | Self::Hot { n, .. }
            | Self::Sequential { n } => Some(*n),
            Self::Trace { .. } => None,
        }
    }
}

impl KeysSpec {
    /// The laws of all its spaces.
    pub fn laws(&self) -> Vec<&KeyLaw> {
        match self {
            Self::One(law) => vec![law],
            Self::Named(spaces) => spaces.iter().map(|s| &s.1).collect(),
        }
    }

    /// The law of a space; `None`: of the request's own key.
    pub fn law(&self, space: Option<&Name>) -> Option<&KeyLaw> {
        match (self, space) {
            (Self::One(law), None) => Some(law),
            (Self::One(_), Some(_)) => None,
            (Self::Named(spaces), None) => spaces.first().map(|s| &s.1),
            (Self::Named(spaces), Some(name)) => spaces.iter().find(|s| s.0 == *name).map(|s| &s.1),
        }
    }
}

impl<'de> Deserialize<'de> for KeysSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = KeysSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a law of keys or a map of named key spaces")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<KeysSpec, E> {
                v.parse().map(KeysSpec::One).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeysSpec, A::Error> {
                let mut spaces = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    spaces.push(entry);
                }
                Ok(KeysSpec::Named(spaces))
            }
        }
        deserializer.deserialize_any(Keys)
    }
}

impl Serialize for KeysSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(law) => law.serialize(serializer),
            Self::Named(spaces) => {
                let mut map = serializer.serialize_map(Some(spaces.len()))?;
                for (name, law) in spaces {
                    map.serialize_entry(name, law)?;
                }
                map.end()
            }
        }
    }
}

impl JsonSchema for KeysSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Keys".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let law = g.subschema_for::<KeyLaw>();
        json_schema!({"anyOf": [law.clone(), {"type": "object", "additionalProperties": law}]})
    }
}
