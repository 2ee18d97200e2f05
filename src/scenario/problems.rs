//! Problems with their place in the text, before and after they are shown.
//!
//! **Invariant.** Text that came from a file is shown only through [`shown`]: short, and with
//! nothing a terminal would obey.

use super::tree::{Span, is_hidden};
use crate::problem::{Problem, Severity, closest};

/// Most problems shown at once.
pub const SHOWN: usize = 20;

/// A problem and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is wrong.
    pub problem: Problem,
    /// Where, if it has a place in a text.
    pub span: Option<Span>,
    /// Another place that matters, and why.
    pub also: Option<(Span, String)>,
}

impl Found {
    /// An error at a place.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, span, message.into())
    }

    /// A warning at a place.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, span, message.into())
    }

    /// An error without a place.
    pub fn nowhere(code: &'static str, message: impl Into<String>) -> Self {
        let mut found = Self::error(code, Span::default(), message);
        found.span = None;
        found
    }

    fn new(severity: Severity, code: &'static str, span: Span, message: String) -> Self {
        let path = String::new();
        let problem = Problem::new(severity, code, path, message);
        Self { problem, span: Some(span), also: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.problem.help = Some(help.into());
        self
    }

    /// The same with a path.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.problem.path = path.into();
        self
    }

    /// The same with another place.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.also = Some((span, label.into()));
        self
    }

    /// Whether this is an error, not a warning.
    pub fn is_error(&self) -> bool {
        self.problem.severity == Severity::Error
    }
}

/// Text of a file as it may be shown: at most 80 characters, invisible ones escaped.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == 80 {
            shown.push('…');
            break;
        }
        if is_hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// `did you mean …?` if one of the known words is close, else the list of them.
pub fn suggest<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let known: Vec<String> = known.into_iter().map(shown).collect();
    (!known.is_empty()).then(|| closest(found, known.iter().map(String::as_str)))
}
