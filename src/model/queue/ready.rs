//! Which message is handed out next.
//!
//! **Invariant.** A message that is ready again has the place it had.

use std::collections::BTreeMap;

use crate::{engine::random::Stream, model::service::Discipline};

/// The messages that can be handed out, by their places in the broker.
#[derive(Debug)]
pub enum Ready {
    /// By rank and order of acceptance, from that end.
    Sorted {
        /// The places.
        places: BTreeMap<u64, u32>,
        /// The newest first.
        newest: bool,
        /// Ranks are priorities.
        ranked: bool,
    },
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
            other => Self::Sorted {
                places: BTreeMap::new(),
                newest: *other == Discipline::Lifo,
                ranked: *other == Discipline::Priority,
            },
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Sorted { places, .. } => places.len(),
            Self::Random { places, .. } => places.len(),
        }
    }

    /// Its place in the order: one word, as there may be millions.
    fn key(ranked: bool, (priority, order): (u8, u64)) -> u64 {
        if ranked { u64::from(priority) << 56 | order } else { order }
    }

    /// One more, of this priority and order of acceptance.
    pub fn put(&mut self, place: u32, of: (u8, u64)) {
        match self {
            Self::Sorted { places, ranked, .. } => {
                places.insert(Self::key(*ranked, of), place);
            }
            Self::Random { places, .. } => places.push(place),
        }
    }

    /// Takes the next one out.
    pub fn next(&mut self) -> Option<u32> {
        match self {
            Self::Sorted { places, newest: false, .. } => {
                places.pop_first().map(|(_, place)| place)
            }
            Self::Sorted { places, newest: true, .. } => places.pop_last().map(|(_, place)| place),
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
            Self::Sorted { places, ranked, .. } => {
                places.remove(&Self::key(*ranked, of));
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
            Self::Sorted { places, ranked: false, .. } => {
                places.first_key_value().map(|(_, &at)| at)
            }
            Self::Sorted { places, .. } => places.values().copied().min_by_key(|&at| order(at)),
            Self::Random { places, .. } => places.iter().copied().min_by_key(|&at| order(at)),
        }
    }
}
