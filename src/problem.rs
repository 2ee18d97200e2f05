//! What is wrong with a scenario, as data; rendering is separate (`scenario::render`).
//!
//! **Invariant.** A problem names a path of the scenario; where that path stands in which file is
//! looked up only when it is shown.

use serde::Serialize;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The scenario means what it says, but probably not what its author wants.
    Warning,
    /// The scenario cannot be run.
    Error,
}

/// One problem of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Stable code such as `E-UNKNOWN-KEY`.
    pub code: &'static str,
    /// Path of the offending value, for instance `nodes.api.service.endpoints.browse[0].call`.
    pub path: String,
    /// Point at the key of `path` (unknown or misplaced keys) instead of at its value.
    pub at_key: bool,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it, if that can be said.
    pub help: Option<String>,
}

impl Problem {
    fn new(severity: Severity, code: &'static str, path: String, message: String) -> Self {
        Self { severity, code, path, at_key: false, message, help: None }
    }
}

/// Most errors, and most warnings, that are collected.
const MOST: usize = 1000;

/// Collects problems; everything that checks a scenario reports through it.
#[derive(Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// Reports an error at `path`.
    pub fn error(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.add(Problem::new(Severity::Error, code, path.into(), message.into()));
    }

    /// Reports an error at `path` with advice.
    pub fn error_help(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Problem::new(Severity::Error, code, path.into(), message.into());
        self.add(Problem { help: Some(help.into()), ..problem });
    }

    /// Reports a warning at `path` with advice.
    pub fn warn(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = Problem::new(Severity::Warning, code, path.into(), message.into());
        self.add(Problem { help: Some(help.into()), ..problem });
    }

    /// Adds a finished problem, unless there are more of its kind than anybody reads.
    pub fn add(&mut self, problem: Problem) {
        let same = self.list.iter().filter(|p| p.severity == problem.severity).count();
        if same < MOST {
            self.list.push(problem);
        }
    }

    /// Whether any error (not warning) was reported.
    pub fn any_error(&self) -> bool {
        self.list.iter().any(|p| p.severity == Severity::Error)
    }

    /// The problems in the order they were found.
    pub fn into_vec(self) -> Vec<Problem> {
        self.list
    }
}
