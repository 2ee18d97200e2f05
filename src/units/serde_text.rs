//! Values as one string in YAML: serde and schema from `FromStr` and `Display`.
//!
//! **Invariant.** The text that serde reads is the text that was written, digits included; a mistake
//! reaches serde as the text of its [`super::ValueError`].

use std::fmt;

use serde::de::{self, Deserializer, Visitor};

/// A type that is written as one text.
pub trait Text {
    /// What is expected, for messages and the schema: ``a duration such as `5ms` ``.
    const EXPECTED: &'static str;
}

/// Gives a type with `FromStr` and `Display` its serde and schema forms: its name, what is expected,
/// examples, then `number` if a plain number can be one, then a pattern its text has.
macro_rules! text_value {
    ($type:ty, $name:literal, $what:literal, $examples:expr) => {
        text_value!(@ $type, $name, $what, $examples, false, None);
    };
    ($type:ty, $name:literal, $what:literal, $examples:expr, number) => {
        text_value!(@ $type, $name, $what, $examples, true, None);
    };
    ($type:ty, $name:literal, $what:literal, $examples:expr, $pattern:literal) => {
        text_value!(@ $type, $name, $what, $examples, false, Some($pattern));
    };
    ($type:ty, $name:literal, $what:literal, $examples:expr, number, $pattern:literal) => {
        text_value!(@ $type, $name, $what, $examples, true, Some($pattern));
    };
    (@ $type:ty, $name:literal, $what:literal, $examples:expr, $number:literal, $pattern:expr) => {
        impl $crate::units::Text for $type {
            const EXPECTED: &'static str = $what;
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = $crate::units::text(deserializer, $what)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::units::schema::<$type>($what, &serde_json::json!($examples), $number, $pattern)
            }
        }
    };
}
pub(crate) use text_value;

/// Gives a type that is written short, as one value, or long, as a map of fields, its serde and schema
/// forms: how the short form reads, and which maps are written short.
macro_rules! short_form {
    ($type:ident, $fields:ident, $value:ty, $expecting:literal, |$name:ident| $short:expr, |$long:ident| $is_short:expr) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::{Error, MapAccess, Visitor, value::MapAccessDeserializer};
                struct Form;
                impl<'de> Visitor<'de> for Form {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: Error>(self, v: &str) -> Result<$type, E> {
                        let $name: $value = v.parse().map_err(E::custom)?;
                        Ok($type($short))
                    }
                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$type, A::Error> {
                        $fields::deserialize(MapAccessDeserializer::new(map)).map($type)
                    }
                }
                deserializer.deserialize_any(Form)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $long = &self.0;
                match $is_short {
                    Some(name) => name.serialize(serializer),
                    None => self.0.serialize(serializer),
                }
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(g: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let (name, fields) = (g.subschema_for::<$value>(), g.subschema_for::<$fields>());
                schemars::json_schema!({"anyOf": [name, fields]})
            }
        }
    };
}
pub(crate) use short_form;

/// Any scalar as its text.
pub(crate) fn text<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
) -> Result<String, D::Error> {
    struct Scalar(&'static str);
    impl Visitor<'_> for Scalar {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
        fn visit_str<E: de::Error>(self, v: &str) -> Result<String, E> {
            Ok(v.to_owned())
        }
        fn visit_u64<E: de::Error>(self, v: u64) -> Result<String, E> {
            Ok(v.to_string())
        }
        fn visit_i64<E: de::Error>(self, v: i64) -> Result<String, E> {
            Ok(v.to_string())
        }
        fn visit_f64<E: de::Error>(self, v: f64) -> Result<String, E> {
            Ok(v.to_string())
        }
        fn visit_bool<E: de::Error>(self, v: bool) -> Result<String, E> {
            Ok(v.to_string())
        }
    }
    deserializer.deserialize_any(Scalar(expected))
}
