//! What is held of a key, and what becomes of it when a write comes or another leader's state does.
//!
//! A write of a leader is a small state: its own dot (leader, number), and the vector of what it writes over. It may be
//! applied to any state that has all earlier writes of that leader to the key, which the order of its log sees to. Whoever
//! applies it knows of the whole vector from then on: what that covers and has not come yet is written over before it comes.
//!
//! A set needs no element: alive is each dot of an add that is covered by `dots` and not by `removed`. That a vector is
//! enough for what is removed: a delete removes what its leader has, which is all that its `dots` cover, so the first ones
//! of each leader; two such beginnings joined are one again.
//!
//! **Invariant.** Each dot that a vector covers is held, or was written over by one that it covers. So merging gives the
//! same in any order, however often (Shapiro et al., 2011; Preguiça et al., 2010).

use super::message::Entry;
use crate::engine::random::mix;
use crate::replication::data::Item;
use crate::replication::words::{Dots, Known, MOST_LEADERS};

/// What becomes of writes of a key that did not know of one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflict {
    /// The one with the higher stamp, by the clock of its leader, stays; the other one is lost.
    #[default]
    Lww,
    /// All of them stay beside one another until somebody writes who has read them (dotted version vectors; Preguiça et
    /// al., "Dotted version vectors", 2010).
    Vectors,
    /// Each is an increment, and all count (the G-Counter of Shapiro et al., "A comprehensive study of convergent and
    /// commutative replicated data types", 2011, 3.1.1).
    Counter,
    /// Each write adds an element, a delete removes those that its leader has (the OR-Set of the same, 3.3.5): an
    /// element stays if its leader's delete did not know of it.
    Set,
}

/// One of the versions that stand beside one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sibling {
    /// Its leader's place, and its number there.
    pub dot: (u8, u32),
    /// The version.
    pub version: u64,
    /// Of a tombstone: when it is forgotten, by the local clock, or after how long while it travels, ns; 0 if never.
    pub dies: u64,
}

/// Versions that stand beside one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Siblings {
    /// What is known.
    pub dots: Dots,
    /// What stands, by dot.
    pub all: Vec<Sibling>,
}

/// What is held of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// One version, and of a tombstone when it is forgotten (as of a [`Sibling`]).
    Register(Item, u64),
    /// Some.
    Siblings(Box<Siblings>),
    /// Increments.
    Counter(Box<Dots>),
    /// Adds and deletes that are known, and up to where adds are removed.
    Set(Box<(Dots, Dots)>),
}

/// How far a state is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of one version: which, and its stamp.
    pub item: Item,
    /// Of all others: what is known.
    pub dots: Dots,
}

impl Seen {
    /// It is no less far than another.
    pub fn covers(&self, other: &Self) -> bool {
        place(self.item) >= place(other.item) && self.dots.covers(&other.dots)
    }

    /// A word that tells it from others; that of nothing is 0.
    pub fn digest(&self, key: u64) -> u64 {
        if *self == Self::default() {
            return 0;
        }
        let item = mix(self.item.order ^ mix(self.item.version));
        fold(&self.dots, mix(key ^ item))
    }
}

/// Orders versions of a key by their stamps.
pub(super) fn place(item: Item) -> (u64, u64) {
    (item.order, item.version)
}

fn fold(dots: &Dots, seed: u64) -> u64 {
    dots.0.iter().fold(seed, |hash, number| {
        mix(hash.rotate_left(1) ^ u64::from(*number) ^ 0x9e37_79b9_7f4a_7c15)
    })
}

fn covers(dots: &Dots, (leader, number): (u8, u32)) -> bool {
    dots.0[usize::from(leader)] >= number
}

impl Siblings {
    fn take(&mut self, dot: (u8, u32), entry: &Entry, dies: u64) {
        self.all.retain(|held| !covers(&entry.context, held.dot));
        self.know(dot, &entry.context);
        let at = self.all.partition_point(|held| held.dot < dot);
        self.all.insert(at, Sibling { dot, version: entry.version, dies });
    }

    fn know(&mut self, dot: (u8, u32), context: &Dots) {
        self.dots = self.dots.join(context);
        self.dots.0[usize::from(dot.0)] = dot.1;
    }

    fn merge(&mut self, other: &Self) {
        let theirs = |dot| other.all.binary_search_by_key(&dot, |held| held.dot).is_ok();
        self.all.retain(|held| theirs(held.dot) || !covers(&other.dots, held.dot));
        // What stands on both sides is covered by both.
        self.all.extend(other.all.iter().filter(|held| !covers(&self.dots, held.dot)));
        self.all.sort_unstable_by_key(|held| held.dot);
        self.dots = self.dots.join(&other.dots);
    }
}

impl State {
    /// Nothing was written.
    pub fn none(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Lww => Self::Register(Item::default(), 0),
            Conflict::Vectors => Self::Siblings(Box::default()),
            Conflict::Counter => Self::Counter(Box::default()),
            Conflict::Set => Self::Set(Box::default()),
        }
    }

    /// Nothing is held.
    pub fn is_none(&self) -> bool {
        match self {
            Self::Register(item, _) => item.version == 0,
            Self::Siblings(held) => held.all.is_empty(),
            _ => self.dots() == Dots::default(),
        }
    }

    /// What is known.
    pub fn dots(&self) -> Dots {
        match self {
            Self::Register(..) => Dots::default(),
            Self::Siblings(held) => held.dots,
            Self::Counter(dots) => **dots,
            Self::Set(held) => held.0,
        }
    }

    /// The one version, if there is but one at any time.
    pub fn item(&self) -> Item {
        if let Self::Register(item, _) = self { *item } else { Item::default() }
    }

    /// How far it is.
    pub fn seen(&self) -> Seen {
        Seen { item: self.item(), dots: self.dots() }
    }

    /// As whoever reads or writes it is told.
    pub fn known(&self) -> Known {
        Known { dots: self.dots(), ..Known::of(self.item()) }
    }

    /// Values it is made of.
    pub fn values(&self) -> usize {
        if let Self::Siblings(held) = self { held.all.len() } else { 1 }
    }

    /// The version that a read returns: it names what is held, and is 0 if that is nothing.
    pub fn version(&self, key: u64) -> u64 {
        if self.is_none() {
            return 0;
        }
        let hash = match self {
            Self::Register(item, _) => return item.version,
            Self::Siblings(held) => match &held.all[..] {
                [only] => return only.version,
                all => all.iter().fold(0, |hash, held| mix(hash ^ mix(held.version))),
            },
            Self::Counter(dots) => fold(dots, mix(key)),
            Self::Set(held) => fold(&held.1, fold(&held.0, mix(key))),
        };
        hash.max(1)
    }

    /// Names the versions that are held as such.
    pub fn versions(&self, each: &mut dyn FnMut(u64)) {
        match self {
            Self::Register(item, _) => each(item.version),
            Self::Siblings(held) => held.all.iter().for_each(|held| each(held.version)),
            Self::Counter(_) | Self::Set(_) => {}
        }
    }

    /// A write of a leader comes, whose earlier ones came before; whether it changes anything.
    pub fn take(&mut self, leader: u8, entry: &Entry, dies: u64) -> bool {
        let dot = (leader, entry.number as u32);
        if let Self::Register(item, until) = self {
            let new = Item { version: entry.version, order: entry.number };
            let newer = place(new) > place(*item);
            if newer {
                (*item, *until) = (new, dies);
            }
            return newer;
        }
        if covers(&self.dots(), dot) {
            return false;
        }
        match self {
            Self::Siblings(held) => held.take(dot, entry, dies),
            Self::Counter(dots) => dots.0[usize::from(leader)] = dot.1,
            Self::Set(held) => {
                let (dots, removed) = &mut **held;
                if entry.delete {
                    *removed = removed.join(&entry.context);
                    *dots = dots.join(&entry.context);
                }
                dots.0[usize::from(leader)] = dot.1;
            }
            Self::Register(..) => {}
        }
        true
    }

    /// What another leader holds comes; whether it changes anything.
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.seen().covers(&other.seen()) {
            return false;
        }
        match (self, other) {
            (Self::Siblings(mine), Self::Siblings(theirs)) => mine.merge(theirs),
            (Self::Counter(mine), Self::Counter(theirs)) => **mine = mine.join(theirs),
            (Self::Set(mine), Self::Set(theirs)) => {
                **mine = (mine.0.join(&theirs.0), mine.1.join(&theirs.1));
            }
            (mine, theirs) => *mine = theirs.clone(), // one version that is newer
        }
        true
    }

    /// Has each time at which a tombstone is forgotten changed.
    pub fn each_death(&mut self, change: impl Fn(u64) -> u64) {
        match self {
            Self::Register(_, dies) if *dies > 0 => *dies = change(*dies),
            Self::Siblings(held) => {
                let tombstones = held.all.iter_mut().filter(|held| held.dies > 0);
                tombstones.for_each(|held| held.dies = change(held.dies));
            }
            _ => {}
        }
    }

    /// Names each of these times.
    pub fn deaths(&self, each: &mut dyn FnMut(u64)) {
        match self {
            Self::Register(_, dies) if *dies > 0 => each(*dies),
            Self::Siblings(held) => {
                held.all.iter().filter(|held| held.dies > 0).for_each(|held| each(held.dies));
            }
            _ => {}
        }
    }

    /// Tombstones that are old enough go; whether there were any.
    pub fn expire(&mut self, now: u64) -> bool {
        match self {
            Self::Register(item, dies) if *dies > 0 && *dies <= now => {
                (*item, *dies) = (Item::default(), 0);
                true
            }
            Self::Siblings(held) => {
                let before = held.all.len();
                held.all.retain(|held| held.dies == 0 || held.dies > now);
                held.all.len() < before
            }
            _ => false,
        }
    }
}

/// The first leader but this one whose writes are missing in what is known.
pub(super) fn missing(known: &Dots, since: &Dots, me: u8) -> Option<u8> {
    let places = 0..MOST_LEADERS as u8;
    places.filter(|at| *at != me).find(|at| !covers(known, (*at, since.0[usize::from(*at)])))
}
