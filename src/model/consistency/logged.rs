//! How far sagas are, as it is put down in stores.
//!
//! Who puts it down gives each record a number, higher than those before, so that what comes late takes no later one's
//! place (`Fence`). Of a record only its version is held by the store; what that says is known here.
//!
//! **Invariant.** Nobody knows of a record but who wrote it or read it.

use std::collections::BTreeMap;

use crate::{model::ids::Slot, replication::Fence};

/// What a record says of a saga.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Its number: how often its process had died, then how many came before.
    pub number: u64,
    /// How many parts are done, and not undone.
    pub parts: u16,
    /// A part failed.
    pub failed: bool,
}

/// A frame that writes or reads a record.
#[derive(Clone, Copy, Debug)]
pub struct AtRecord {
    key: u64,
    next: Progress,
    /// With which number it wrote before.
    pub before: Option<Fence>,
}

/// The sagas of a replication whose progress is kept in stores.
#[derive(Debug, Default)]
pub struct SagaLogs {
    /// By key: the versions that were written, and what each says.
    records: BTreeMap<u64, Vec<(u64, Progress)>>,
    at: BTreeMap<Slot, AtRecord>,
}

impl SagaLogs {
    /// A frame is at the record of this key; what it writes next, and with which number it wrote before.
    pub fn enter(&mut self, slot: Slot, key: u64, (next, before): (Progress, Option<Fence>)) {
        self.at.insert(slot, AtRecord { key, next, before });
    }

    /// A frame is at none any more: at which it was.
    pub fn leave(&mut self, slot: Slot) -> Option<AtRecord> {
        self.at.remove(&slot)
    }

    /// The key of the record a frame is at.
    pub fn key(&self, slot: Slot) -> Option<u64> {
        self.at.get(&slot).map(|at| at.key)
    }

    /// A frame is about to write a version.
    pub fn writes(&mut self, slot: Slot, version: u64) {
        if let Some(at) = self.at.get(&slot) {
            self.records.entry(at.key).or_default().push((version, at.next));
        }
    }

    /// What a version of the record of a key says; none: nothing was put down, or it is lost.
    pub fn record(&self, key: u64, version: u64) -> Option<Progress> {
        let all = self.records.get(&key)?;
        all.iter().find(|(other, _)| *other == version).map(|(_, record)| *record)
    }

    /// A saga is over: nobody reads its record again.
    pub fn is_over(&mut self, key: u64) {
        self.records.remove(&key);
    }
}
