//! What is measured of links that cannot carry everything at once.

use crate::{model::bounded::Held, stats::Histogram};

/// One direction of a link of the file: all pairs of places it joins together.
#[derive(Clone, Debug, Default)]
pub struct LinkMeasured {
    /// The link's id, or whom it joins.
    pub name: String,
    /// It is the way back.
    pub back: bool,
    /// Pairs of places.
    pub lines: u64,
    /// What of each pair was used, and when all of it was.
    pub held: Held,
    /// Integrals over the measured span, of all of them together: of the part that was used, ns, and of how many messages
    /// were leaving, message-ns.
    pub used: (u128, u128),
    /// How much longer those took that somebody waited for than by themselves, together, ns.
    pub held_up: u128,
    /// How long each message took to leave, ns.
    pub transfer: Histogram,
    /// How much longer than it would by itself, ns.
    pub waiting: Histogram,
}
