//! The domain-free engine: clock and agenda, counter-based draws, laws.
//!
//! **Invariant.** Nothing here names servers, requests or clients.

pub mod agenda;
pub mod law;
pub mod popularity;
pub mod random;
pub mod slots;
pub mod table;
pub mod virtual_clock;
