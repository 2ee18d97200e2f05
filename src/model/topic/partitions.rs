//! The way to the partitions of a log.
//!
//! **Invariant.** A key finds the same partition all through a run.

use crate::model::route::Route;

/// How a message finds its partition, and that its broker.
#[derive(Clone, Debug)]
pub struct Partitions {
    /// By its key.
    by: Route,
    count: u32,
    brokers: u16,
    /// Messages have no keys: the partition whose turn it is.
    turn: Option<u32>,
}

impl Partitions {
    /// So many, on so many brokers.
    pub fn new(by: Route, count: u64, brokers: u64) -> Self {
        Self { by, count: count as u32, brokers: brokers as u16, turn: None }
    }

    /// Messages have no keys: they go to all in turn.
    pub fn in_turn(&mut self) {
        self.turn = Some(0);
    }

    /// The broker to which a message goes.
    pub fn broker(&mut self, key: u64, id: u64) -> u16 {
        let partition = match &mut self.turn {
            Some(turn) => {
                let partition = *turn;
                *turn = (*turn + 1) % self.count;
                partition
            }
            None => u32::from(self.by.instance(key, id)),
        };
        (partition % u32::from(self.brokers)) as u16
    }

    /// The partition of a key; none: any of the broker.
    pub fn of(&mut self, key: u64) -> Option<u32> {
        self.turn.is_none().then(|| u32::from(self.by.instance(key, 0)))
    }
}
