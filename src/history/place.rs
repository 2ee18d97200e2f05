//! Where a version stands among the others of its key, and why a key has no such order.
//!
//! **Invariant.** No two versions of a key have one place.

/// A place in the order of the versions of a key: a log index (behind its epoch) or a stamp. Equal
/// stamps are ordered by their versions, as the store has to order them too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The stamp.
    pub order: u64,
    /// The version; 0 is that of a key never written.
    pub version: u64,
}

impl Place {
    /// That of a key never written: before all others.
    pub const INITIAL: Self = Self { order: 0, version: 0 };
}

/// Why a key is not checked: its writes depend on what they find, so that zones do not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotChecked {
    /// Compare and set.
    Cas,
    /// Increments, merged sets and the like.
    Increment,
    /// Concurrent versions that stand beside one another.
    Siblings,
    /// Transactions over several keys.
    Transaction,
}

impl NotChecked {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cas, Self::Increment, Self::Siblings, Self::Transaction];
}
