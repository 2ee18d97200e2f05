//! Where an attempt stands: kept in the cold half of frames.

use crate::{model::ids::NONE, outcome::Outcome};

/// A line to stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// For room in the bulkhead.
    Bulkhead,
    /// For a connection.
    Pool,
}

/// Where an attempt stands that has not been sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// At the start.
    #[default]
    Start,
    /// It was refused; its end is on the way.
    Refused(Outcome),
    /// It waits for a token.
    Token,
    /// It waits in line.
    Line(Line),
    /// It got what it stood in line for.
    Granted(Line),
    /// Its connection is being opened.
    Setup,
    /// Its connection is being opened at both ends.
    Opening,
    /// It has one that is open.
    Wired,
    /// The one that was being opened came to nothing.
    Unwired,
}

/// An attempt under way.
#[derive(Clone, Copy, Debug)]
pub struct Flight {
    /// Epoch of the breaker when it was sent.
    pub epoch: u32,
    /// Its connection, if that has a far end.
    pub wire: u32,
    /// When it was let through, ns.
    pub sent: u64,
    /// When the first copy of the attempt was.
    pub first: u64,
    /// When it ends at the latest, ns; kept where there are hedges.
    pub due: u64,
}

impl Flight {
    /// Not sent.
    pub const NONE: Self = Self { epoch: 0, wire: NONE, sent: 0, first: 0, due: u64::MAX };
}
