//! What can be wrong with replicas beyond types.
//!
//! **Invariant.** As in `model/check.rs`.
