//! Lengths of time, and how the agenda is told of them.

use crate::engine::agenda::LaneId;

/// A delay; a constant one has a lane, if there was one.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    nanos: u64,
    pub(super) lane: Option<LaneId>,
}

impl Span {
    /// No delay.
    pub const ZERO: Self = Self::of(0);

    /// A span known only now.
    #[inline(always)]
    pub const fn of(nanos: u64) -> Self {
        Self { nanos, lane: None }
    }

    /// Its length, ns.
    pub const fn nanos(self) -> u64 {
        self.nanos
    }

    /// A constant span; `lane` is that of its delay.
    pub fn constant(nanos: u64, lane: Option<LaneId>) -> Self {
        Self { nanos, lane }
    }
}

/// A stretch of work: its length, and its span when it is constant.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Length, ns.
    pub nanos: u64,
    /// How to arm its end.
    pub span: Span,
}

impl Work {
    /// Work of a length known only now.
    #[inline(always)]
    pub fn of(nanos: u64) -> Self {
        Self { nanos, span: Span::of(nanos) }
    }
}

/// A length of time many times over.
pub fn scaled(nanos: u64, factor: f64) -> u64 {
    crate::engine::law::to_nanos(nanos as f64 * factor)
}
