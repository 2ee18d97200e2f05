//! Merging of states: any order, any number of times.

use super::RULES;
use crate::engine::random::{Draw, Stream};
use crate::replication::Dots;
use crate::replication::multi_leader::{Conflict, Entry, State};

/// Three leaders without a network: each has its state of one key, and what it takes of others' logs.
struct Three {
    states: [State; 3],
    logs: [Vec<Entry>; 3],
    took: [[usize; 3]; 3],
}

fn three(conflict: Conflict) -> Three {
    Three {
        states: std::array::from_fn(|_| State::none(conflict)),
        logs: Default::default(),
        took: Default::default(),
    }
}

impl Three {
    fn step(&mut self, conflict: Conflict, draw: &mut Draw) {
        let (at, from) = (draw.below(3) as usize, draw.below(3) as usize);
        match draw.below(3) {
            0 => {
                let known = self.states[at].dots();
                let delete = draw.below(3) == 0;
                let context = match conflict {
                    Conflict::Vectors if draw.below(4) > 0 => self.states[from].dots(),
                    Conflict::Set if delete => known,
                    _ => Dots::default(),
                };
                let number = match conflict {
                    Conflict::Lww => draw.below(1_000) + 1,
                    _ => u64::from(known.join(&context).0[at]) + 1,
                };
                let version = draw.below(u64::MAX - 1) + 1;
                let entry = Entry { key: 1, version, number, context, delete };
                self.states[at].take(at as u8, &entry, 0);
                self.logs[at].push(entry);
                self.took[at][at] = self.logs[at].len();
            }
            1 if at != from => {
                if let Some(entry) = self.logs[from].get(self.took[at][from]) {
                    self.states[at].take(from as u8, entry, 0);
                    self.took[at][from] += 1;
                }
            }
            _ => {
                let other = self.states[from].clone();
                self.states[at].merge(&other);
            }
        }
    }
}

#[test]
fn merging_is_a_join() {
    for (conflict, seed) in RULES.into_iter().flat_map(|rule| (0..300).map(move |n| (rule, n))) {
        let mut draw = Stream::new(seed, "states", "steps").draw(0);
        let mut all = three(conflict);
        for _ in 0..40 {
            all.step(conflict, &mut draw);
            let merged = |order: [usize; 4]| {
                let mut state = State::none(conflict);
                for at in order {
                    state.merge(&all.states[at]);
                }
                state
            };
            let first = merged([0, 1, 2, 0]);
            assert_eq!(first, merged([2, 1, 0, 1]), "{conflict:?}, {seed}");
            assert_eq!(first, merged([1, 2, 1, 0]), "{conflict:?}, {seed}");
            for state in &all.states {
                assert!(first.seen().covers(&state.seen()));
                // Which states are the same is told by what is known, and by the version.
                for other in &all.states {
                    assert_eq!(state == other, state.seen() == other.seen(), "{conflict:?}");
                    assert_eq!(state == other, state.version(1) == other.version(1));
                    assert_eq!(state == other, state.seen().digest(1) == other.seen().digest(1));
                }
            }
        }
        // All that is in the logs gives the same as merging.
        let before = all.states.clone();
        for at in 0..3 {
            for from in 0..3 {
                for entry in &all.logs[from][all.took[at][from]..] {
                    all.states[at].take(from as u8, entry, 0);
                }
            }
        }
        let mut merged = before[0].clone();
        for state in &before[1..] {
            merged.merge(state);
        }
        assert_eq!(all.states[0], merged, "{conflict:?}, {seed}");
        assert_eq!(all.states[1], merged, "{conflict:?}, {seed}");
        assert_eq!(all.states[2], merged, "{conflict:?}, {seed}");
    }
}

/// The last check fires: a write whose earlier ones are missing hides them.
#[test]
fn a_log_that_is_taken_out_of_order_hides_a_write() {
    let write = |number| Entry {
        key: 1,
        version: 70 + number,
        number,
        context: Dots::default(),
        delete: false,
    };
    let (mut right, mut wrong) = (State::none(Conflict::Vectors), State::none(Conflict::Vectors));
    assert!(right.take(0, &write(1), 0) && right.take(0, &write(2), 0));
    assert!(wrong.take(0, &write(2), 0) && !wrong.take(0, &write(1), 0));
    assert_eq!((right.values(), wrong.values()), (2, 1));
}
