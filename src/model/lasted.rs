//! How long something lasted, which may not be over by the end.
//!
//! **Invariant.** Of several the longest counts, and what is not over is the longest.

/// How long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lasted {
    /// There was no such thing.
    #[default]
    Nothing,
    /// So many ns.
    For(u64),
    /// It was not over when nobody looked any more.
    Open,
}

impl Lasted {
    /// The longer one counts.
    pub fn add(&mut self, other: Self) {
        *self = other.max(*self);
    }
}
