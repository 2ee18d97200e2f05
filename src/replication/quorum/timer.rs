//! The timers of a process.
//!
//! **Invariant.** No two have the same number.

use crate::replication::words::Timer;

/// The oldest coordination is out of time.
pub(super) const TIMEOUT: Timer = 0;
/// The disk's.
pub(super) const DISK: Timer = 1;
/// Somebody may not have answered for too long.
pub(super) const LOOK: Timer = 2;
/// Owners of hints are tried.
pub(super) const TRY: Timer = 3;
/// The next hint is handed over.
pub(super) const HAND: Timer = 4;
/// Another replica is compared with.
pub(super) const COMPARE: Timer = 5;
/// The next key is sent to a replica that was compared with.
pub(super) const EXCHANGE: Timer = 6;
/// The oldest tombstone is forgotten.
pub(super) const FORGET: Timer = 7;
