//! Which message is handed out next.
//!
//! **Invariant.** A message that is ready again has the place it had.

use std::collections::BTreeMap;

use super::line::Line;
use crate::{engine::random::Stream, model::service::Discipline};

/// The messages that can be handed out, by their places in the broker.
#[derive(Debug)]
pub enum Ready {
    /// In order of acceptance, from that end.
    InLine {
        /// The places.
        line: Line,
        /// The newest first.
        newest: bool,
    },
    /// By priority, then in order of acceptance.
    Ranked(BTreeMap<u64, u32>),
    /// Any.
    Random {
        /// The places.
        places: Vec<u32>,
        /// The draws.
        stream: Stream,
        /// How many were made.
        drawn: u64,
    },
}

impl Ready {
    /// None yet.
    pub fn new(discipline: &Discipline, stream: Stream) -> Self {
        match discipline {
            Discipline::Random => Self::Random { places: Vec::new(), stream, drawn: 0 },
            Discipline::Priority => Self::Ranked(BTreeMap::new()),
            other => Self::InLine { line: Line::default(), newest: *other == Discipline::Lifo },
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::InLine { line, .. } => line.len(),
            Self::Ranked(places) => places.len(),
            Self::Random { places, .. } => places.len(),
        }
    }

    /// Its place in the order of priorities: one word, as there may be millions.
    fn key((priority, order): (u8, u64)) -> u64 {
        u64::from(priority) << 56 | order
    }

    /// One more, of this priority and order of acceptance.
    pub fn put(&mut self, place: u32, of: (u8, u64)) {
        match self {
            Self::InLine { line, .. } => line.put(of.1, place),
            Self::Ranked(places) => {
                places.insert(Self::key(of), place);
            }
            Self::Random { places, .. } => places.push(place),
        }
    }

    /// Takes the next one out.
    pub fn next(&mut self) -> Option<u32> {
        match self {
            Self::InLine { line, newest } => line.next(*newest),
            Self::Ranked(places) => places.pop_first().map(|(_, place)| place),
            Self::Random { places, stream, drawn } => {
                if places.is_empty() {
                    return None;
                }
                *drawn += 1;
                let at = (stream.draw(*drawn).unit() * places.len() as f64) as usize;
                Some(places.swap_remove(at.min(places.len() - 1)))
            }
        }
    }

    /// Takes this one out.
    pub fn remove(&mut self, place: u32, of: (u8, u64)) {
        match self {
            Self::InLine { line, .. } => line.remove(of.1),
            Self::Ranked(places) => {
                places.remove(&Self::key(of));
            }
            Self::Random { places, .. } => {
                if let Some(at) = places.iter().position(|&other| other == place) {
                    places.swap_remove(at);
                }
            }
        }
    }

    /// The one accepted first; `order` tells when each was.
    pub fn oldest(&self, order: impl Fn(u32) -> u64) -> Option<u32> {
        match self {
            Self::InLine { line, .. } => line.first(),
            Self::Ranked(places) => places.values().copied().min_by_key(|&at| order(at)),
            Self::Random { places, .. } => places.iter().copied().min_by_key(|&at| order(at)),
        }
    }
}
