//! How much is enough: a grid of settings searched by verdicts, and a load by how much of it is met.
//!
//! Nothing is simulated here: who asks simulates what is asked for, and tells what came of it. `search.rs`, `grid.rs` and
//! `factor.rs` know verdicts only.
//!
//! **Invariant.** The answer was simulated and passed. What was not simulated is ruled out by what was; where the steps
//! speak against that, nothing is ruled out any more.

mod factor;
mod grid;
mod loading;
mod search;
mod sizing;
mod told;

pub use loading::Loading;
pub use search::{Contradiction, Outcome, Search};
pub use sizing::Sizing;
pub use told::{Doubled, Loads, Sized, Step};
