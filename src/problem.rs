//! What is wrong with a scenario, as data; rendering is separate (`scenario::render`).
//!
//! **Invariant.** A problem names a path of the scenario; where that path stands in which file is
//! looked up only when it is shown.

use serde::Serialize;

mod codes;
pub use codes::{CODES, known_code};

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
    /// It is that nothing of the whole scenario is of some kind.
    #[serde(skip)]
    pub absence: bool,
}

impl Problem {
    /// At the value of a path, without advice.
    pub fn new(severity: Severity, code: &'static str, path: String, message: String) -> Self {
        Self { severity, code, path, at_key: false, message, help: None, absence: false }
    }

    /// Whether it only tells what was asked for, so that nobody is to be stopped by it.
    pub fn may_be_meant(&self) -> bool {
        self.code == "W-ROWS"
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

    /// Adds a finished problem, unless it is known (what many inherit is wrong once) or there are more
    /// of its kind than anybody reads.
    pub fn add(&mut self, problem: Problem) {
        let same = self.list.iter().filter(|p| p.severity == problem.severity).count();
        if same < MOST && !self.list.contains(&problem) {
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

/// The closest of the known words, if one is close: capitals, blanks, `-` and `_` aside, a letter in
/// four may differ.
pub fn near<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let length = found.chars().count();
    if length > 64 {
        return None;
    }
    let known: Vec<&str> = known.into_iter().collect();
    let most = if length <= 4 { 1 } else { 2.max(length / 4) };
    let bare = |word: &str| word.to_lowercase().replace(['-', '_', ' '], "");
    let bare_found = bare(found);
    around(found, &known)
        .iter()
        .map(|word| {
            let written = strsim::damerau_levenshtein(found, word);
            let bare = strsim::damerau_levenshtein(&bare_found, &bare(word));
            // A word that was not finished is likelier than a wrong letter, and that than one too many or too few.
            let unfinished = word.starts_with(found);
            (bare, written, !unfinished, length.abs_diff(word.chars().count()), *word)
        })
        .filter(|(distance, .., word)| {
            let begins = found.starts_with(word) || word.starts_with(found);
            *distance <= most && (*distance < word.chars().count() || begins)
        })
        .min()
        .map(|(.., word)| word)
}

/// Advice about an unknown word: the closest known one, or the first thirty of them.
pub fn closest<'k>(found: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match near(found, known.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None if known.is_empty() => "there are none".to_owned(),
        None => {
            let shown: Vec<String> = known.iter().take(30).map(|w| format!("`{w}`")).collect();
            format!("known here: {}", shown.join(", "))
        }
    }
}

/// Those of many sorted words that stand around `found`: comparing thousands of unknown names with
/// thousands of known ones would take minutes.
fn around<'n, 'k>(found: &str, known: &'n [&'k str]) -> &'n [&'k str] {
    if known.len() <= 200 {
        return known;
    }
    let at = known.partition_point(|k| *k < found);
    &known[at.saturating_sub(10)..(at + 10).min(known.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_found_and_no_other() {
        let known = ["service", "store", "load_balancer", "warm_up", "seed", "hot", "timeout"];
        for (found, meant) in [
            ("servcie", Some("service")),
            ("loadbalancer", Some("load_balancer")),
            ("LoadBalancer", Some("load_balancer")),
            ("warm-up", Some("warm_up")),
            ("timout", Some("timeout")),
            ("hop", Some("hot")),
            ("spec", None),
            ("foo", None),
            ("database", None),
        ] {
            assert_eq!(near(found, known), meant, "{found}");
        }
        // What was not finished, before what has a wrong letter.
        assert_eq!(near("writ", ["wait", "write"]), Some("write"));
        assert_eq!(closest("foo", ["a", "b"]), "known here: `a`, `b`");
        assert_eq!(closest("foo", []), "there are none");
    }
}
