//! What goes wrong while a value is read, on its way to where it is reported.
//!
//! **Invariant.** A fault is reported once; from then on it only ends a pass.

use std::fmt;

use serde::de;

use super::{
    advice,
    problems::{shown, suggest},
    reserved,
};
use crate::problem::{known_code, near};

/// An error on its way up.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// The field that is missing, when that is the error.
    pub(super) missing: Option<&'static str>,
    /// Recorded already; it only has to end this pass.
    pub(super) reported: bool,
}

impl Fault {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, missing: None, reported: false }
    }

    pub(super) fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    pub(super) fn done() -> Self {
        Self { reported: true, ..Self::new("", "") }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    /// Text of the form `[CODE] message`, then advice after a unit separator (`ValueError`).
    fn custom<T: fmt::Display>(message: T) -> Self {
        let text = message.to_string();
        let (text, help) = match text.split_once('\u{1f}') {
            Some((text, help)) => (text, Some(help.to_owned())),
            None => (text.as_str(), None),
        };
        let coded = text.strip_prefix('[').and_then(|rest| rest.split_once("] "));
        match coded.and_then(|(code, text)| Some((known_code(code)?, text))) {
            Some((code, text)) => Self::new(code, text).help(help),
            None => Self::new("E-TYPE", text).help(help),
        }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Str(text) => format!("`{}`", shown(text)),
            de::Unexpected::Map => "a map".to_owned(),
            de::Unexpected::Seq => "a list".to_owned(),
            other => other.to_string(),
        };
        Self::new("E-TYPE", format!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        unknown_key(reserved::owner(expected), field, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new("E-ENUM", format!("unknown value `{}`", shown(variant)))
            .help(suggest(variant, expected.iter().copied()))
    }

    fn missing_field(field: &'static str) -> Self {
        let mut fault = Self::new("E-MISSING", format!("`{field}` is missing"));
        fault.missing = Some(field);
        fault
    }
}

/// A key that the type `owner` does not have.
pub(super) fn unknown_key(owner: &str, key: &str, fields: &'static [&'static str]) -> Fault {
    if reserved::is_reserved(owner, key) {
        return not_yet(key);
    }
    let fault = Fault::new("E-UNKNOWN-KEY", format!("unknown key `{}`", shown(key)));
    let help = match near(key, fields.iter().copied()) {
        _ if advice::without(owner, key).is_some() => advice::without(owner, key),
        _ if fields.is_empty() => Some("nothing is known here".to_owned()),
        Some(word) => advice::pair(key, fields).or(Some(format!("did you mean `{word}`?"))),
        None => advice::pair(key, fields).or_else(|| advice::foreign(key, fields)),
    };
    fault.help(help.or_else(|| {
        let known = suggest(key, fields.iter().copied())?;
        Some(
            advice::elsewhere(key, fields)
                .map_or(known.clone(), |place| format!("{place}; {known}")),
        )
    }))
}

pub(super) fn not_yet(word: &str) -> Fault {
    Fault::new("E-UNSUPPORTED", format!("`{}` is not supported yet", shown(word)))
}
