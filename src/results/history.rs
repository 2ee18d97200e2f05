//! What clients asked of a store's data in one replication and what they were answered, operation by operation.
//!
//! **Invariant.** A process is at one operation at a time, and at none after one whose end is open.

/// The history of one replication.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunHistory {
    /// Hash of its events, hexadecimal.
    pub fingerprint: String,
    /// Of each store that is followed, in the order of their names.
    pub stores: Vec<StoreHistory>,
    /// Stores that are followed and have no such history, because they keep several values of a key beside one another.
    pub without: Vec<String>,
}

/// The history of a store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreHistory {
    /// Its name.
    pub store: String,
    /// The share of its keys that is followed.
    pub followed: f64,
    /// The key of which it is known that no order explains all answers.
    pub witness: Option<u64>,
    /// Beginnings and ends of operations as they happened.
    pub events: Vec<HistoryEvent>,
}

/// What happens to an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It begins.
    Invoke,
    /// It was answered.
    Ok,
    /// It was certainly not done; or a read has no answer.
    Fail,
    /// It may have been done, or may yet be.
    Info,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Invoke, Self::Ok, Self::Fail, Self::Info];

    /// As histories spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }
}

/// What an operation does; values are the numbers of the writes of their key: 1 is the first, none what was there before all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// It reads: this, once that is known.
    Read(Option<u64>),
    /// It writes this, or a deletion that has this number.
    Write(u64),
    /// It writes the second where it finds the first.
    Cas(Option<u64>, u64),
}

/// A beginning or an end of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryEvent {
    /// When, ns.
    pub at_ns: u64,
    /// Who is at it.
    pub process: u64,
    /// Which of the two.
    pub phase: Phase,
    /// What it does.
    pub does: Does,
    /// The key.
    pub key: u64,
}
