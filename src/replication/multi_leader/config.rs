//! What all leaders of a node are set to: rules, times, sizes and timers.
//!
//! **Invariant.** It is the same for all of them, for the whole run.

use crate::replication::disk::Mode;
use crate::replication::words::{AntiEntropy, MOST_LEADERS, Timer};

use super::state::Conflict;

/// What all leaders of a node are set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Leaders of a shard: 1 to [`MOST_LEADERS`].
    pub leaders: u16,
    /// Shards.
    pub shards: u16,
    /// What becomes of writes that did not know of one another.
    pub conflict: Conflict,
    /// An entry leaves so long after it is certain as [`Law::Lag`](crate::replication::words::Law::Lag) says; at once
    /// otherwise.
    pub has_lag: bool,
    /// So many entries of others are applied at a time, those of a key in order: at least 1.
    pub apply_lanes: u8,
    /// Whether leaders compare what they hold.
    pub anti_entropy: Option<AntiEntropy>,
    /// How long a leader holds a tombstone before it forgets it, ns; for ever if none.
    pub tombstones: Option<u64>,
    /// When writes are certain.
    pub disk: Mode,
}

impl Config {
    /// Two leaders of one shard, and else what is meant where nothing is said.
    pub const DEFAULT: Self = Self {
        leaders: 2,
        shards: 1,
        conflict: Conflict::Lww,
        has_lag: false,
        apply_lanes: 1,
        anti_entropy: None,
        tombstones: None,
        disk: Mode::Each,
    };

    pub(super) fn check(&self) {
        let most = MOST_LEADERS as u16;
        assert!((1..=most).contains(&self.leaders), "a vector has so many numbers");
        assert!(self.apply_lanes > 0, "somebody applies");
    }

    /// A crash takes nothing that others were told of, so that a leader may go on as the one it was.
    pub(super) fn keeps(&self) -> bool {
        matches!(self.disk, Mode::Each | Mode::Group(_))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const MILLISECOND: u64 = 1_000_000;
/// What nobody has acknowledged for so long is sent again, if answers did not take longer before.
pub(super) const RESEND: u64 = 200 * MILLISECOND;
/// It is not waited longer than this for an answer, however long answers took and however often none came.
pub(super) const PATIENCE: u64 = 2_000 * MILLISECOND;
/// Chunks of a copy are apart by this at least.
pub(super) const PACE: u64 = 100 * MILLISECOND;
/// The most keys in a chunk of a copy.
pub(super) const CHUNK: usize = 1024;
/// The most entries in a message to a leader that answers.
pub(super) const BATCH: usize = 1024;
/// Beyond so many entries that it has not acknowledged a leader is sent no new ones.
pub(super) const WINDOW: u64 = 4096;
/// One that applies what it was sent says after so many entries how far it is.
pub(super) const PROGRESS: u64 = 64;
/// At most so many entries are kept for leaders that lack them: beyond, they are sent all data instead.
pub(super) const KEPT: usize = 1 << 16;
/// At most so many entries that came before their turn are kept.
pub(super) const EARLY: usize = 1 << 12;
/// Numbers that each life of a leader may give to writes of a key.
pub(super) const NUMBERS: u32 = 1 << 20;
/// Lives beyond so many share their numbers.
pub(super) const LIVES: u32 = (1 << 12) - 2;
/// The last so many lives of a leader that are over are known.
pub(super) const PAST: usize = 16;

/// The disk's timer.
pub(super) const DISK: Timer = 0;
/// The next certain entry leaves.
pub(super) const LEAVE: Timer = 1;
/// Another leader may have been silent for too long, or is to be sent the next chunk.
pub(super) const TICK: Timer = 2;
/// Those who have not told what they hold are asked again.
pub(super) const HELLO: Timer = 3;
/// Another leader is compared with.
pub(super) const COMPARE: Timer = 4;
/// The next key is sent to a leader that was compared with.
pub(super) const EXCHANGE: Timer = 5;
/// The oldest tombstone is forgotten.
pub(super) const FORGET: Timer = 6;
