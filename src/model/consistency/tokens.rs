//! Tokens of sessions: what a session knows of the data, which goes along with what it asks, so that whoever is asked can
//! tell whether it is behind (Terry et al., "Session guarantees for weakly consistent replicated data", PDIS 1994).
//!
//! A call takes along what was seen so far on the way to it; an accepted reply brings what was seen for it; what a
//! decided request brought is its session's. Of a log a token is a place in that of a shard, of anything else one in the
//! order of versions of a key.
//!
//! **Invariant.** What only an attempt saw that was given up is in no token.

use std::{collections::BTreeMap, sync::Arc};

use super::spec::{Access, Updates};
use crate::{
    history::NotChecked,
    model::{
        by_slot::BySlot,
        consistency::spec::GuaranteeSpec,
        ids::{NodeId, Slot},
    },
    replication::{Dots, Known},
};

/// What an answer is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// A store.
    pub store: NodeId,
    /// The shard, where its order is that of a log, otherwise the key.
    pub unit: u64,
    /// What is known.
    pub known: Known,
}

/// Guarantees that are asked for, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guarantees(u8);

impl Guarantees {
    /// Those of a list.
    pub fn of(list: Option<&[GuaranteeSpec]>) -> Self {
        let bits = list.into_iter().flatten().map(|one| 1 << *one as u8);
        Self(bits.fold(0, |all, bit: u8| all | bit))
    }

    /// None is.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn has(self, one: GuaranteeSpec) -> bool {
        self.0 & 1 << one as u8 != 0
    }
}

/// What was written, and what was read.
#[derive(Clone, Copy, Debug, Default)]
struct Both {
    wrote: Known,
    read: Known,
}

impl Both {
    fn join(&mut self, other: Self) {
        self.wrote = self.wrote.join(other.wrote);
        self.read = self.read.join(other.read);
    }
}

/// What was seen of the data.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// What is known, by store and unit.
    known: BTreeMap<(NodeId, u64), Both>,
    /// Of stores where somebody writes over what was read: what was seen of a key last.
    last: BTreeMap<(NodeId, u64), Last>,
}

/// What was seen of a key last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// The version, read or written.
    pub version: u64,
    /// It was ever read.
    pub read: bool,
}

impl Seen {
    fn is_empty(&self) -> bool {
        self.known.is_empty() && self.last.is_empty()
    }

    /// Something was seen after it.
    fn add(&mut self, more: Self) {
        for (unit, both) in more.known {
            self.known.entry(unit).or_default().join(both);
        }
        for (key, mut last) in more.last {
            last.read |= self.last.get(&key).is_some_and(|before| before.read);
            self.last.insert(key, last);
        }
    }
}

/// What a frame was given along.
#[derive(Clone, Debug, Default)]
struct Given {
    /// Who asks: a client's session.
    session: Option<(u16, u64)>,
    guarantees: Guarantees,
    /// What was seen on the way.
    seen: Seen,
}

/// What a frame has to do with tokens.
#[derive(Clone, Debug, Default)]
struct Carried {
    /// What its version is of.
    token: Option<Token>,
    /// What it asks now, and of which key.
    asks: Option<(NodeId, Access, u64)>,
    /// The version that has to be there still.
    expects: Option<u64>,
    given: Option<Arc<Given>>,
    /// What was seen for it.
    seen: Seen,
}

/// The tokens of a replication.
#[derive(Debug, Default)]
pub struct Tokens {
    frames: BySlot<Carried>,
    sessions: BTreeMap<(u16, u64), Seen>,
    /// Somebody asks what is known.
    asked: bool,
    /// Stores in which somebody writes over what was read.
    updates: BTreeMap<NodeId, Updates>,
}

impl Tokens {
    /// Nobody has seen anything. Whether somebody will ask what is known, and stores in which somebody writes over what was
    /// read.
    pub fn new(asked: bool, updates: BTreeMap<NodeId, Updates>) -> Self {
        Self { asked, updates, ..Self::default() }
    }

    /// Whether somebody writes over what was read of a store.
    pub fn updates(&self, store: NodeId) -> bool {
        self.updates.contains_key(&store)
    }

    /// A request begins that somebody asks for.
    pub fn begin(&mut self, slot: Slot, session: Option<(u16, u64)>, guarantees: Guarantees) {
        self.frames.at(slot).given =
            Some(Arc::new(Given { session, guarantees, seen: Seen::default() }));
    }

    /// A call asks for guarantees besides.
    pub fn ask(&mut self, slot: Slot, guarantees: Guarantees) {
        let given = Arc::make_mut(self.frames.at(slot).given.get_or_insert_default());
        given.guarantees.0 |= guarantees.0;
    }

    /// A frame begins for another one, and knows what that one does.
    pub fn descend(&mut self, parent: Slot, child: Slot) {
        let Carried { given, seen, expects, .. } =
            self.frames.get(parent).cloned().unwrap_or_default();
        let given = if seen.is_empty() {
            given
        } else {
            let mut all = given.map(|given| (*given).clone()).unwrap_or_default();
            all.seen.add(seen);
            Some(Arc::new(all))
        };
        let child = self.frames.at(child);
        (child.given, child.expects) = (given, expects);
    }

    /// A frame's version is that of another one.
    pub fn hand_on(&mut self, from: Slot, to: Slot) {
        let token = self.token(from);
        self.hold(to, token);
    }

    /// A frame's version is of this.
    pub fn hold(&mut self, slot: Slot, token: Option<Token>) {
        self.frames.at(slot).token = token;
    }

    /// What a frame's version is of.
    pub fn token(&self, slot: Slot) -> Option<Token> {
        self.frames.get(slot).and_then(|carried| carried.token)
    }

    /// A reply is accepted.
    pub fn bring(&mut self, child: Slot, caller: Slot) {
        self.hand_on(child, caller);
        let seen = std::mem::take(&mut self.frames.at(child).seen);
        if !seen.is_empty() {
            self.frames.at(caller).seen.add(seen);
        }
    }

    /// A frame begins an operation on a key: what whoever writes it saw of it last, if anything.
    pub fn invoke(
        &mut self,
        slot: Slot,
        (store, access): (NodeId, Access),
        key: u64,
    ) -> Option<Last> {
        let saw = if access == Access::Read || !self.updates(store) {
            None
        } else {
            self.saw_last(slot, (store, key))
        };
        let carried = self.frames.at(slot);
        (carried.token, carried.asks) = (None, Some((store, access, key)));
        let compares = access == Access::Update(NotChecked::Cas);
        carried.expects = saw.filter(|_| compares).map(|saw| saw.version);
        saw
    }

    /// The version that has to be there still for what a frame is at.
    pub fn expects(&self, slot: Slot) -> Option<u64> {
        self.frames.get(slot).and_then(|carried| carried.expects)
    }

    /// What whoever asks saw of a key last.
    fn saw_last(&self, slot: Slot, key: (NodeId, u64)) -> Option<Last> {
        let carried = self.frames.get(slot)?;
        let given = carried.given.as_ref();
        let session = given.and_then(|given| self.sessions.get(&given.session?));
        let mut seen = [Some(&carried.seen), given.map(|given| &given.seen), session].into_iter();
        seen.find_map(|seen| seen?.last.get(&key).copied())
    }

    /// The operation of a frame is over, and went well or not; it is about this version.
    pub fn end(&mut self, slot: Slot, version: u64, well: bool) {
        let Some(carried) = self.frames.get_mut(slot) else { return };
        carried.expects = None;
        let Some((store, access, key)) = carried.asks.take().filter(|_| well) else { return };
        if self.updates(store) {
            let before = || self.saw_last(slot, (store, key)).is_some_and(|last| last.read);
            let last = Last { version, read: access == Access::Read || before() };
            self.frames.at(slot).seen.last.insert((store, key), last);
        }
        let asked = self.asked;
        let carried = self.frames.at(slot);
        if let Some(token) = carried.token.filter(|token| asked && token.store == store) {
            let mut both = Both::default();
            match access {
                Access::Read => both.read = token.known,
                _ => both.wrote = token.known,
            }
            carried.seen.known.entry((store, token.unit)).or_default().join(both);
        }
    }

    /// A frame is released.
    pub fn forget(&mut self, slot: Slot) {
        self.frames.take(slot);
    }

    /// A request of a session was decided well.
    pub fn decided(&mut self, slot: Slot, session: (u16, u64)) {
        let mut seen = std::mem::take(&mut self.frames.at(slot).seen);
        seen.last.retain(|(store, _), _| self.updates.get(store) == Some(&Updates::Cas));
        if !seen.is_empty() {
            self.sessions.entry(session).or_default().add(seen);
        }
    }

    /// A session is over.
    pub fn close(&mut self, session: (u16, u64)) {
        self.sessions.remove(&session);
    }

    /// What whoever asks knows of a unit of a store.
    fn knows(&self, given: &Given, unit: (NodeId, u64)) -> Both {
        let mut both = given.seen.known.get(&unit).copied().unwrap_or_default();
        let session =
            given.session.and_then(|session| self.sessions.get(&session)?.known.get(&unit));
        both.join(session.copied().unwrap_or_default());
        both
    }

    /// What a visit has to find, as the guarantees have it that were asked for.
    pub fn since(&self, slot: Slot, unit: (NodeId, u64), write: bool) -> Known {
        let given = self.frames.get(slot).and_then(|carried| carried.given.as_ref());
        let Some(given) = given.filter(|given| !given.guarantees.is_empty()) else {
            return Known::default();
        };
        let Both { wrote, read } = self.knows(given, unit);
        let (of_writes, of_reads) = if write {
            (GuaranteeSpec::MonotonicWrites, GuaranteeSpec::WritesFollowReads)
        } else {
            (GuaranteeSpec::ReadYourWrites, GuaranteeSpec::MonotonicReads)
        };
        let asked = |one, known: Known| {
            if given.guarantees.has(one) { known } else { Known::default() }
        };
        asked(of_writes, wrote).join(asked(of_reads, read))
    }

    /// What whoever asks has seen of a key, and so writes over.
    pub fn context(&self, slot: Slot, unit: (NodeId, u64)) -> Dots {
        let given = self.frames.get(slot).and_then(|carried| carried.given.as_ref());
        let both = given.map(|given| self.knows(given, unit)).unwrap_or_default();
        both.wrote.join(both.read).dots
    }

    /// Whether a reader may be given what a cache holds, which is of this. What is of nothing that is known may be older
    /// than anything.
    pub fn may_see(&self, slot: Slot, token: Option<Token>) -> bool {
        if let Some(Token { store, unit, known }) = token {
            return self.since(slot, (store, unit), false).is_within(&known);
        }
        let given = self.frames.get(slot).and_then(|carried| carried.given.as_ref());
        let session = given.and_then(|given| self.sessions.get(&given.session?));
        let known = given.map(|given| &given.seen).into_iter().chain(session);
        let mut units = known.flat_map(|seen| seen.known.keys());
        units.all(|unit| self.since(slot, *unit, false) == Known::default())
    }
}
