//! What a run knows about why: its events in time, its narrowest place, where a request's time went.
//!
//! Everything here is read from the results, which hold what was measured window by window; nothing is
//! simulated again.
//!
//! **Invariant.** Pure: the same results give the same explanation, and a run in which nothing went
//! wrong has none.

mod blame;
mod causes;
mod events;
mod leaders;
mod quiet;
mod restores;
mod scalings;
mod signal;
mod watch;
mod words;

pub(crate) use blame::HOTTER;
pub use blame::{blame, bottleneck};
pub use events::timeline;
pub use quiet::first_fault;
pub(crate) use quiet::{noise, quiet};
pub(crate) use signal::Level;
pub(crate) use words::{effect, returned};
