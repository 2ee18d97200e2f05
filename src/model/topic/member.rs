//! What an instance knows as a member of a group: which partitions it holds, and how far it is with each.
//!
//! **Invariant.** Of a partition one batch at a time is worked off.

use super::letters::{Beat, Commit, Told, Word};
use crate::model::ids::{Host, Slot};

/// A partition that is held.
#[derive(Clone, Debug, Default)]
pub struct Holding {
    /// It.
    pub partition: u32,
    /// Offset of the next message to ask for.
    pub next: u64,
    /// Of the first that is not worked off.
    pub done: u64,
    /// The last commit that was sent, and that was confirmed.
    pub offered: u64,
    pub confirmed: u64,
    /// The batch of it that is worked off.
    pub busy: Option<Slot>,
    /// The number of the ask that is out and asks for it; 0: none is.
    pub asked: u64,
    /// It is let go of as soon as it is not worked on.
    pub given_up: bool,
    /// Messages that were sent away since the commit that was confirmed.
    pub dead: Vec<u64>,
}

/// A member of a group.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// Which of its memberships this is.
    pub life: u32,
    /// It has not been told yet that it is one.
    pub joins: bool,
    /// It is about to leave.
    pub leaves: bool,
    /// The last list it has acted on.
    pub acted: u32,
    /// It was not answered since it last said something.
    pub unheard: bool,
    /// What it holds, what was served longest ago first.
    pub holds: Vec<Holding>,
}

impl Member {
    /// One that holds these from the start.
    pub fn holding(partitions: impl Iterator<Item = u32>) -> Self {
        let holds = partitions.map(|partition| Holding { partition, ..Holding::default() });
        Self { holds: holds.collect(), ..Self::default() }
    }

    /// The state of a partition that it holds.
    pub fn of(&mut self, partition: u32) -> Option<&mut Holding> {
        self.holds.iter_mut().find(|holding| holding.partition == partition)
    }

    /// It is to begin anew: it holds nothing, and joins.
    pub fn begins_anew(&mut self) {
        *self = Self { life: self.life + 1, joins: true, ..Self::default() };
    }

    /// It lets go of all that it does not work on.
    fn lets_go(&mut self) {
        self.holds.retain(|holding| !holding.given_up || holding.busy.is_some());
    }

    /// It is to leave: it takes nothing new.
    pub fn is_to_leave(&mut self) {
        self.leaves = true;
        self.holds.iter_mut().for_each(|holding| holding.given_up = true);
    }

    /// Whether it has left.
    pub fn has_left(&self) -> bool {
        self.leaves && self.holds.is_empty()
    }

    /// Whether there is something that it has not let go of yet.
    pub fn is_letting_go(&self) -> bool {
        self.holds.iter().any(|holding| holding.given_up)
    }

    /// What it has to say; what it has worked off since the last commit that it sent goes along if that is asked for, and
    /// what was not confirmed.
    pub fn says(&mut self, word: Word, (from, source, group): (Host, u16, u16), all: bool) -> Beat {
        let commit = |holding: &mut Holding| {
            if all || holding.given_up {
                holding.offered = holding.done;
            }
            let Holding { partition, offered: upto, confirmed, .. } = *holding;
            let dead = holding.dead.iter().copied().filter(|at| *at < upto).collect();
            (upto > confirmed).then_some(Commit { partition, upto, dead })
        };
        let commits = self.holds.iter_mut().filter_map(commit).collect();
        if word != Word::Commits {
            self.lets_go();
        }
        Beat {
            from,
            source,
            group,
            life: self.life,
            word,
            acted: self.acted,
            commits,
            holds: self.holds.iter().map(|holding| holding.partition).collect(),
        }
    }

    /// What was put down need not be said again.
    pub fn is_confirmed(&mut self, confirmed: &[(u32, u64)]) {
        for &(partition, upto) in confirmed {
            if let Some(holding) = self.of(partition) {
                holding.confirmed = holding.confirmed.max(upto);
                holding.dead.retain(|at| *at >= upto);
            }
        }
    }

    /// It is told what it may hold: whether that was news.
    pub fn hears(&mut self, told: &Told) -> bool {
        self.joins = false;
        let Some(may) = told.may.as_ref().filter(|_| !self.leaves && told.list >= self.acted)
        else {
            return false;
        };
        let news = told.list > self.acted;
        self.acted = told.list;
        let mut changed = false;
        for holding in &mut self.holds {
            let given_up = !may.iter().any(|(partition, _)| *partition == holding.partition);
            changed |= given_up != holding.given_up;
            holding.given_up = given_up;
        }
        for &(partition, from) in may {
            if self.of(partition).is_none() {
                let (next, done) = (from, from);
                self.holds.push(Holding {
                    partition,
                    next,
                    done,
                    offered: from,
                    confirmed: from,
                    ..Holding::default()
                });
                changed = true;
            }
        }
        news || changed
    }
}
