//! Why a text is not a value.
//!
//! **Invariant.** It is the same whatever else is wrong.

/// Why a text is not a value: a stable code, one sentence, and perhaps advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    /// Such as `E-UNIT`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Of an unknown name: what could stand there, as it is written.
    pub known: Vec<String>,
}

impl ValueError {
    /// An error without advice.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, known: Vec::new() }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// As serde carries it: `[CODE] message`, then the advice after a unit separator.
impl std::fmt::Display for ValueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}] {}", self.code, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\u{1f}{help}"))
    }
}

impl std::error::Error for ValueError {}
