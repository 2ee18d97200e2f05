//! The sagas of a server: how far each is, and how they ended.
//!
//! **Invariant.** A saga that began is open until it is done, undone, or its process is gone.

use std::collections::BTreeMap;

use crate::model::{books::SagasMeasured, ids::Slot, outcome::Outcome};

/// A saga that is neither done nor undone.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Which of the program.
    pub saga: u16,
    /// How many parts are done, and not undone.
    pub parts: u16,
    /// The identity its branch began with.
    pub id: u64,
    /// It fails by a call: where that stands, and whether it was turned away.
    pub at: Option<(u16, bool)>,
    /// A part failed in this way: it is being undone.
    pub failed: Option<Outcome>,
}

/// The sagas of a server.
#[derive(Debug, Default)]
pub struct Sagas {
    /// By the branch each runs in.
    pub open: BTreeMap<Slot, Open>,
    /// Those that ended in the measured span.
    pub measured: SagasMeasured,
}
