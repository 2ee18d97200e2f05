//! How much of the history of the data is followed, and what is done to data.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    history::NotChecked,
    model::kind::Verb,
    units::{Count, Fraction, ValueError, short_form, text_value},
};

/// How much of the history of the data is followed: what `consistency` of the results says. `none`: nothing.
///
/// ```yaml
/// history: {keys: 10%, limit: 5M}
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HistorySpec(pub HistoryFields);

/// How much of the history of the data is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryFields {
    /// The share of the keys, chosen by their numbers; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Fraction>,
    /// Writes per replication that are kept in mind, at most 64 B each; beyond it whole keys are left out, and the
    /// results say how many. 5M when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Count>,
    /// Nothing is followed.
    #[serde(skip)]
    pub none: bool,
}

/// In place of what is followed: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nothing;

impl std::str::FromStr for Nothing {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::new("E-TYPE", format!("`{text}` is not `none`"));
        if text == "none" { Ok(Self) } else { Err(wrong().help("`none`, or `{keys, limit}`")) }
    }
}

impl std::fmt::Display for Nothing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("none")
    }
}

text_value!(Nothing, "Nothing", "`none`", ["none"]);

short_form!(
    HistorySpec,
    HistoryFields,
    Nothing,
    "`none`, or `{keys, limit}`",
    |nothing| {
        let Nothing = nothing;
        HistoryFields { none: true, ..HistoryFields::default() }
    },
    |fields| fields.none.then_some(Nothing)
);

/// Writes that are kept in mind when a file does not say how many.
const LIMIT: u64 = 5_000_000;

impl HistorySpec {
    /// The share of the keys that is followed.
    pub fn share(self) -> f64 {
        if self.0.none { 0.0 } else { self.0.keys.map_or(1.0, |share| share.0) }
    }

    /// Writes that are kept in mind.
    pub fn limit(self) -> u64 {
        self.0.limit.map_or(LIMIT, |limit| limit.0)
    }
}

/// What a session may count on, whatever replica or cache answers it (Terry et al., 1994).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GuaranteeSpec {
    /// A read shows what the session wrote before, or something newer.
    ReadYourWrites,
    /// A read shows nothing older than what the session read before.
    MonotonicReads,
    /// A write comes after those that the session made before.
    MonotonicWrites,
    /// A write comes after what the session read before.
    WritesFollowReads,
}

/// How a store is asked to write over what was read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Updates {
    /// A visit reads and writes it.
    Visits,
    /// By `cas`, which may go by what its session read before.
    Cas,
}

/// What is done to a key of a store, as its history has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read.
    Read,
    /// A new version takes the place of the one before.
    Write,
    /// Likewise, and there is nothing to read any more.
    Delete,
    /// Likewise, by what was there before, which its answer does not tell: for this cause nobody can say whether all answers
    /// fit together.
    Update(NotChecked),
}

impl Access {
    /// What a verb of a client or step does.
    pub const fn of(verb: Verb) -> Option<Self> {
        Some(match verb {
            Verb::Read => Self::Read,
            Verb::Write | Verb::WriteBehind => Self::Write,
            Verb::Delete => Self::Delete,
            Verb::Cas => Self::Update(NotChecked::Cas),
            Verb::Increment => Self::Update(NotChecked::Increment),
            _ => return None,
        })
    }

    /// Its place among the kinds of operations ([`crate::model::probe::DATA_OPERATIONS`]).
    pub const fn place(self) -> usize {
        match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::Delete => 2,
            Self::Update(NotChecked::Cas) => 3,
            Self::Update(_) => 4,
        }
    }
}
