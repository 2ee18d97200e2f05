//! What clients see of the data: which stores are followed, versions on their way, who saw which.
//!
//! **Invariant.** Following changes no event: which version is held is the model's, what to make of it the observer's, whom
//! nobody asks before the end.

mod attempts;
mod backed_up;
pub mod calls;
pub mod check;
pub mod fates;
pub mod followed;
pub mod held;
pub mod leases;
pub mod logged;
pub mod observer;
pub mod operation;
pub mod outages;
mod reigns;
pub mod repeated;
pub mod run;
pub mod sessions;
pub mod spec;
mod stays;
pub mod tokens;
pub mod torn;
pub mod viewed;
pub mod views;
pub mod watched;
