//! The sagas of a server: how far each is, and how they ended.
//!
//! **Invariant.** A saga that began is open until it is done, undone, or its process is gone and nothing was put down of it.

use std::collections::BTreeMap;

use crate::{
    model::{books::SagasMeasured, ids::Slot, world::World},
    outcome::Outcome,
};

/// A saga: where its parts stand in the program.
#[derive(Clone, Debug, Default)]
pub struct Saga {
    /// First instruction of each.
    pub parts: Vec<u16>,
    /// Where those stand to be undone of which so many are done: the last of them, then the ones before.
    pub undo: Vec<u16>,
    /// Of one with a log.
    pub log: Option<LogAt>,
}

/// First instructions of what a saga with a log does besides.
#[derive(Clone, Copy, Debug)]
pub struct LogAt {
    /// It puts down that a part failed.
    pub fails: u16,
    /// It reads how far it is.
    pub resumes: u16,
}

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
    /// Of one with a log: how far that is.
    pub log: Option<Logged>,
}

/// How far the log of a saga is.
#[derive(Clone, Copy, Debug)]
pub struct Logged {
    /// The key of its record.
    pub key: u64,
    /// The number of the record that was put down last.
    pub number: u64,
    /// How often its process has died.
    pub deaths: u64,
    /// How often the next one was tried in vain.
    pub rounds: u64,
    /// It is put down that it began.
    pub begun: bool,
    /// That a part failed.
    pub fails: bool,
    /// Its process died, and what is put down has not been read yet.
    pub lost: bool,
}

impl Logged {
    /// Of one that is about to begin.
    pub fn new(key: u64) -> Self {
        Self { key, number: 0, deaths: 0, rounds: 0, begun: false, fails: false, lost: false }
    }
}

/// The sagas of a server.
#[derive(Debug, Default)]
pub struct Sagas {
    /// By the branch each runs in.
    pub open: BTreeMap<Slot, Open>,
    /// Those that ended in the measured span.
    measured: SagasMeasured,
    /// Some have a log.
    logged: bool,
}

impl Sagas {
    /// Those of a program.
    pub fn new(sagas: &[Saga]) -> Self {
        let logged = sagas.iter().any(|saga| saga.log.is_some());
        Self { logged, ..Self::default() }
    }

    /// One is counted, if this instant is in the measured span.
    pub fn count(&mut self, world: &World, one: impl FnOnce(&mut SagasMeasured)) {
        if world.now() >= world.record.measured_from {
            one(&mut self.measured);
        }
    }

    /// How they ended; those that wait for their process to come back have not.
    pub fn measured(&self) -> SagasMeasured {
        let waits = |open: &&Open| open.log.is_some_and(|log| log.lost && log.begun);
        let waiting = self.open.values().filter(waits).count() as u64;
        let SagasMeasured { unfinished, resumed, .. } = self.measured;
        SagasMeasured {
            unfinished: unfinished + waiting,
            resumed: resumed.or(self.logged.then_some(0)),
            ..self.measured
        }
    }
}

/// A saga is over: nobody will read its record.
pub(super) fn is_over(open: Option<Open>, world: &mut World) {
    let logs = world.data.as_mut().and_then(|data| data.logs.as_mut());
    if let (Some(logs), Some(log)) = (logs, open.and_then(|open| open.log)) {
        logs.is_over(log.key);
    }
}
