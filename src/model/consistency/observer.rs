//! Versions of data on their way, and what is noted of who saw which.
//!
//! A frame at a step about data has an operation: it begins with the step, whatever its attempts, and ends with it. A
//! call takes along what it is to write, a reply brings what was read (`semantics.md` 61-64).
//!
//! **Invariant.** The model hands versions on and never asks what they mean.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    engine::random::descend,
    history::{Act, Journal, NotChecked, OpId, Outcome, Sessions, Settings, Standing, Vector},
    model::{
        by_slot::BySlot,
        client::ClientSpec,
        consistency::{
            followed::Tracked,
            held::Holdings,
            leases::Leases,
            logged::SagaLogs,
            operation::{At, Carried, Sight, Site, seen_by_vector},
            outages::{Ended, Outages},
            repeated::Repeats,
            spec::Access,
            tokens::{Last, Token, Tokens},
            torn::Torn,
            views::Views,
            watched::{Told, Watched},
        },
        ids::{NodeId, Slot},
        names::Names,
        probe::ConsistencyMeasured,
        replication::whom::Answered,
    },
    replication::Once,
};

/// Versions on their way, and who notes what becomes of them.
#[allow(clippy::struct_excessive_bools, reason = "what is kept track of, each by itself")]
#[derive(Debug)]
pub struct Observer {
    carried: BySlot<Carried>,
    /// What attempts at what a frame is at have in common, if there may be several.
    pub repeated: Repeats,
    /// How what it is at is answered, if something is answered as its store does not say.
    answered: BySlot<Answered>,
    pub(super) stores: BTreeMap<NodeId, Watched>,
    /// Operations that came back to a frame with accepted replies, and whose store each is of.
    pub(super) seen: BTreeMap<Slot, Vec<(NodeId, Sight)>>,
    /// By client and store.
    pub(super) sessions: BTreeMap<(u16, NodeId), Sessions>,
    /// Likewise, of those whose writes are told apart by vectors.
    pub(super) by_vectors: BTreeMap<(u16, NodeId), Sessions<Vector>>,
    /// Some client has sessions.
    pub(super) with_sessions: bool,
    /// Start of the measured span, ns.
    pub(super) from: u64,
    /// Nothing of it is told.
    silent: bool,
    /// What sessions know, if anybody asks for it.
    pub tokens: Option<Box<Tokens>>,
    /// Locks that are kept in stores, if there are any.
    pub leases: Option<Box<Leases>>,
    /// Sagas whose progress is kept in stores, if there are any.
    pub logs: Option<Box<SagaLogs>>,
    /// Something may be attempted several times: what attempts have in common is kept track of.
    pub repeats: bool,
    /// Something is answered as its store does not say.
    levels: bool,
    /// What faults do, if there are any.
    pub outages: Option<Box<Outages>>,
    /// What became of transactions, if there are any.
    pub torn: Option<Box<Torn>>,
    /// What is on the way to views, if there are any.
    pub views: Option<Box<Views>>,
    /// Locks, sagas or views are kept track of.
    pub beside: bool,
    /// Frames have more to do with data than a version and an operation.
    more: bool,
}

impl Observer {
    /// Of a design, if any store of it is followed.
    pub fn of(names: &Names) -> Option<Self> {
        let (design, tracked) = (&names.design, &names.tracked);
        if !tracked.messages && tracked.followed.is_empty() {
            return None;
        }
        let history = design.history.unwrap_or_default();
        let settings = Settings {
            keys: history.share(),
            limit: u32::try_from(history.limit()).unwrap_or(u32::MAX),
            horizon_ns: design.duration,
        };
        let told = |store: NodeId| {
            let kind = names.kind(store);
            let vectors = kind.replication().and_then(|spec| spec.multi_leader.as_ref());
            if vectors.is_some_and(|spec| !spec.goes_by_stamps()) {
                return Told::Vector;
            }
            match kind.facts().replicas {
                Some(of) if !of.led => Told::Stamp { wrong: names.wrong_clocks().is_some() },
                _ => Told::Order,
            }
        };
        let &Tracked {
            ref followed,
            known,
            ref updates,
            once,
            repeats,
            levels,
            leases,
            ref transactions,
            ..
        } = tracked;
        let (hands, about) = (tracked.hands_tokens(), updates.clone());
        let new = |store: &NodeId| {
            let what = (updates.contains_key(store), repeats);
            (*store, Watched::new(settings, told(*store), what))
        };
        let (views, silent) = (Views::of(names).map(Box::new), history.0.none);
        let is_kept = |store: &&NodeId| !silent || Views::touch(views.as_deref(), **store);
        let stores = followed.iter().filter(is_kept).map(new).collect();
        let with_sessions = design.clients.values().any(ClientSpec::has_sessions);
        let beside = leases || views.is_some();
        Some(Self {
            more: beside || with_sessions || hands || levels || repeats || once,
            carried: BySlot::default(),
            repeated: Repeats::default(),
            answered: BySlot::default(),
            stores,
            seen: BTreeMap::new(),
            sessions: BTreeMap::new(),
            by_vectors: BTreeMap::new(),
            with_sessions,
            from: design.warm_up,
            silent,
            tokens: hands.then(|| Box::new(Tokens::new(known, about))),
            beside,
            views,
            leases: leases.then(Box::default),
            logs: leases.then(Box::default),
            repeats: repeats || once,
            levels,
            outages: names.faults().next().map(|_| Box::default()),
            torn: (!transactions.is_empty()).then(|| {
                let led = |store: &&NodeId| names.kind(**store).facts().replicas.is_some();
                Box::new(Torn::new(
                    names.loses_data() || names.faults().any(|fault| fault.corrupt.is_some()),
                    transactions.iter().filter(led).copied().collect(),
                ))
            }),
        })
    }

    /// All operations are kept, of these keys or, without any, of all; but of stores whose writes no order tells apart.
    pub fn keep_operations(&mut self, keys: &BTreeSet<u64>) {
        for watched in self.stores.values_mut().filter(|watched| watched.vectors.is_none()) {
            watched.history.keep(Journal::new(keys));
        }
    }

    // ---- on the way --------------------------------------------------------------------------

    #[inline]
    pub(super) fn at(&mut self, slot: Slot) -> &mut Carried {
        self.carried.at(slot)
    }

    /// The version a frame is about.
    #[inline]
    pub fn version(&self, slot: Slot) -> u64 {
        self.carried.get(slot).map_or(0, |carried| carried.version)
    }

    /// A frame is about this version now.
    #[inline]
    pub fn hold(&mut self, slot: Slot, version: u64) {
        self.at(slot).version = version;
    }

    /// What a frame's version is of.
    #[inline]
    pub fn token(&self, slot: Slot) -> Option<Token> {
        self.tokens.as_ref().and_then(|tokens| tokens.token(slot))
    }

    /// A frame's version is of this.
    #[inline]
    pub fn hold_token(&mut self, slot: Slot, token: Option<Token>) {
        if let Some(tokens) = &mut self.tokens {
            tokens.hold(slot, token);
        }
    }

    /// A frame is about the same version as another one.
    #[inline]
    pub fn hand_on(&mut self, from: Slot, to: Slot) {
        self.hold(to, self.version(from));
        if let Some(tokens) = &mut self.tokens {
            tokens.hand_on(from, to);
        }
    }

    /// A frame begins for another one: it is about the same version, and for the same session.
    #[inline]
    pub fn descend(&mut self, parent: Slot, child: Slot) {
        self.hand_on(parent, child);
        if self.more {
            self.descends_with_more(parent, child);
        }
    }

    #[inline(never)]
    fn descends_with_more(&mut self, parent: Slot, child: Slot) {
        if self.levels {
            *self.answered.at(child) = self.answered(parent);
        }
        if self.repeats {
            self.repeated.descend(parent, child);
        }
        if let Some(tokens) = &mut self.tokens {
            tokens.descend(parent, child);
        }
        if self.beside {
            self.descends_beside(parent, child);
        }
    }

    /// A reply is accepted: what it brings, and what was done for it, is its caller's.
    #[inline]
    pub fn bring(&mut self, child: Slot, caller: Slot) {
        self.hand_on(child, caller);
        if self.more {
            self.brings_more(child, caller);
        }
    }

    #[inline(never)]
    fn brings_more(&mut self, child: Slot, caller: Slot) {
        if let Some(tokens) = &mut self.tokens {
            tokens.bring(child, caller);
        }
        if let Some(seen) = self.seen.remove(&child) {
            self.seen.entry(caller).or_default().extend(seen);
        }
        if self.beside {
            self.brings_beside(child, caller);
        }
    }

    /// A frame is released: what it was at has no answer any more, and what was done for it is nobody's.
    #[inline]
    pub fn forget(&mut self, slot: Slot) {
        if let Some(carried) = self.carried.get_mut(slot) {
            let at = carried.at.take();
            *carried = Carried::default();
            if let Some(at) = at {
                self.open_end(at);
            }
        }
        if self.more {
            self.forgets_more(slot);
        }
    }

    #[inline(never)]
    fn forgets_more(&mut self, slot: Slot) {
        if self.repeats {
            self.repeated.forget(slot);
        }
        if self.levels {
            self.answered.take(slot);
        }
        if let Some(tokens) = &mut self.tokens {
            tokens.forget(slot);
        }
        if self.beside {
            self.forgets_beside(slot);
        }
        self.seen.remove(&slot);
    }

    /// How what a frame is at is answered.
    pub fn answered(&self, slot: Slot) -> Answered {
        self.answered.get(slot).copied().unwrap_or_default()
    }

    // ---- once --------------------------------------------------------------------------------

    /// A frame was begun for another one (`Repeats::identify`).
    #[cold]
    #[inline(never)]
    pub fn identify(
        &mut self,
        parent: (Slot, u64),
        child: (Slot, u64),
        asked: bool,
        path: impl FnOnce(u64) -> u64,
    ) {
        if self.carried.get(parent.0).is_some_and(|carried| carried.of_record) {
            // Each attempt takes a lock for itself, or says by itself how far a saga is.
            return self.repeated.forget(child.0);
        }
        self.repeated.identify(parent, child, asked, path);
    }

    /// If what a frame asks is to be done once.
    pub fn once(&self, slot: Slot) -> Option<Once> {
        self.repeated.once(slot)
    }

    // ---- operations --------------------------------------------------------------------------

    /// What whoever begins an operation had seen last of its key, what names all attempts at it, and whether there may be
    /// others, which are one with this one.
    #[inline(never)]
    fn invokes_more(
        &mut self,
        slot: Slot,
        site: &Site,
        (id, key): (u64, u64),
        wall: u64,
    ) -> (Option<Last>, u64, bool) {
        let tokens = self.tokens.as_mut();
        let saw = tokens.and_then(|tokens| tokens.invoke(slot, (site.store, site.access), key));
        if self.levels {
            *self.answered.at(slot) = site.answered;
        }
        if !self.repeats || site.of_record {
            return (saw, 0, false);
        }
        // What it is for may be attempted again, and then this write is.
        let (identity, shared) = self.repeated.stamped((slot, id), site.once, wall);
        (saw, descend(identity, site.common), shared)
    }

    /// A frame of this identity begins an operation on a key of a shard: at this instant, and by its clock at that one.
    pub fn invoke(
        &mut self,
        slot: Slot,
        site: &Site,
        (id, key, shard): (u64, u64, u16),
        (now, wall): (u64, u64),
    ) {
        self.end(slot);
        let &Site { store, access, path, of_record, .. } = site;
        let mut more = (None, 0, false);
        if self.more {
            more = self.invokes_more(slot, site, (id, key), wall);
        }
        let (saw, common, shared) = more;
        // 0 is what was there before.
        let version = if shared { common } else { descend(id, path) }.max(1);
        let act = match access {
            Access::Read => Act::Read,
            Access::Write | Access::Update(_) => Act::Write(version),
            Access::Delete => Act::Delete(version),
        };
        let beside = self.beside && !of_record;
        if beside && self.invokes_at_view(slot, (store, access), (key, shard), now) {
            return;
        }
        let measured = now >= self.from;
        self.at(slot).of_record = of_record;
        let Some(watched) = self.stores.get_mut(&store).filter(|_| !of_record) else {
            return self.hold(slot, version);
        };
        if measured {
            watched.measures(self.from);
        }
        if self.repeats && access != Access::Read {
            watched.attempts(version, common);
        }
        let (mut op, mut invoked) = (OpId::UNFOLLOWED, 0);
        if let Some(vectors) = &mut watched.vectors {
            invoked = vectors.invoke(now);
        } else {
            op = if shared {
                watched.history.attempt(key, act, now)
            } else {
                watched.history.invoke(key, act, now)
            };
            if let Access::Update(cause) = access {
                watched.history.mark_unchecked(key, cause);
            }
            // An increment takes what it finds, whatever its writer has seen.
            let over =
                saw.filter(|saw| saw.read && access != Access::Update(NotChecked::Increment));
            if let Some(saw) = over.filter(|_| op.is_followed()) {
                watched.writes_over(version, saw.version);
                if access == Access::Update(NotChecked::Cas) {
                    watched.history.expects(op, saw.version);
                }
            }
        }
        let (failed, spared, certain, doubt, began) = (false, false, false, shared, now);
        let at = At {
            store,
            access,
            key,
            op,
            invoked,
            failed,
            doubt,
            spared,
            certain,
            measured,
            began,
            shard,
        };
        *self.at(slot) = Carried { version, at: Some(at), of_record, known: None };
    }

    /// The step or request of an operation is over, and went on, for who is said to have asked; whether a read of the
    /// measured span was stale.
    pub fn done(&mut self, slot: Slot, by: u8, now: u64) -> Option<bool> {
        let known = self.token(slot).map_or(Vector::NOTHING, |token| token.known.dots.0);
        if self.levels {
            // What comes next is answered as it says itself.
            self.answered.take(slot);
        }
        let carried = self.at(slot);
        carried.of_record = false;
        let (version, at) = (carried.version, carried.at.take());
        if let Some(tokens) = &mut self.tokens {
            tokens.end(slot, version, true);
        }
        let at = at?;
        if at.failed {
            self.open_end(at);
            return None;
        }
        self.ended(&at, Some(now));
        let at_view = if self.beside { self.seen_beside(slot, &at, version, now) } else { None };
        let watched = self.stores.get_mut(&at.store)?;
        let (judged, sight) = match (at_view, &mut watched.vectors) {
            (Some(seen), _) => seen,
            (None, Some(vectors)) => {
                vectors.asked_by(by);
                seen_by_vector(vectors, &at, (version, known), now)
            }
            (None, None) => {
                watched.history.asked_by(at.op, by);
                let read = at.access == Access::Read;
                let outcome = if read { Outcome::Read(version) } else { Outcome::Written };
                let ended = watched.history.done(at.op, outcome, now);
                (ended.judged, ended.seen.map(Sight::Placed))
            }
        };
        if let Some(sight) = sight.filter(|_| self.with_sessions) {
            let seen = self.seen.entry(slot).or_default();
            seen.push((at.store, sight));
            if let Some(views) = &self.views {
                views.expected(at.store, sight, seen);
            }
        }
        if !at.measured {
            return None;
        }
        let measured = &mut watched.measured;
        measured.operations[at.access.place()] += 1;
        if let Some(judged) = judged {
            measured.staleness.record(judged);
            if judged.is_fresh() {
                watched.fresh += 1;
            } else {
                measured.age.record(judged.age_ns);
                measured.versions.record(judged.versions.saturating_mul(1_000_000_000));
            }
        }
        judged.map(|judged| judged.versions > 0)
    }

    /// An operation was answered, or failed.
    #[inline]
    fn ended(&mut self, at: &At, answered: Option<u64>) {
        if let Some(outages) = &mut self.outages {
            let (shard, writes) = ((at.store, at.shard), at.access != Access::Read);
            outages.ended(Ended { shard, writes, began: at.began, answered });
        }
    }

    /// The operation of a frame has no answer.
    fn end(&mut self, slot: Slot) {
        if let Some(at) = self.at(slot).at.take() {
            self.open_end(at);
        }
    }

    /// An operation has no good answer: whatever it was to write may have been written, or may yet be, unless every attempt
    /// was turned away.
    #[cold]
    #[inline(never)]
    fn open_end(&mut self, at: At) {
        let At { store, op, certain, .. } = at;
        // What found something else than it expects was answered by who could.
        if !at.spared {
            self.ended(&at, None);
        }
        if let Some(watched) = self.stores.get_mut(&store) {
            let outcome = if certain { Outcome::Failed } else { Outcome::Unknown };
            watched.history.done(op, outcome, 0);
        }
    }

    // ---- ends ---------------------------------------------------------------------------------

    /// The versions that frames bring somewhere.
    pub fn on_their_way(&self, frames: impl Iterator<Item = Slot>) -> Holdings {
        let versions = frames.map(|slot| self.version(slot)).collect();
        Holdings { versions, ..Holdings::default() }
    }

    /// What was seen, by store; these versions are held somewhere besides the stores, and this says the shard of a key.
    pub fn measured(
        mut self,
        held: &Holdings,
        transactions: &BTreeSet<NodeId>,
        mut shard: impl FnMut(NodeId, u64) -> u16,
    ) -> BTreeMap<NodeId, ConsistencyMeasured> {
        let mut views = self.views_measured();
        let leases = self.leases;
        let torn = self.torn.map(|torn| torn.counted(held, &mut shard));
        let of = |(store, mut watched): (NodeId, Watched)| {
            watched.measured.view = views.remove(&store).map(Box::new);
            let mut measured = watched.measured((store, held), |key| shard(store, key));
            if measured.view.is_some() {
                measured.linearizable = None;
            }
            measured.overlaps = leases.as_ref().and_then(|leases| leases.overlaps(store));
            if let Some(torn) = torn.as_ref().filter(|_| transactions.contains(&store)) {
                measured.torn_by_cause = torn.get(&store).cloned().unwrap_or_default();
                measured.torn = Some(measured.torn_by_cause.values().sum());
            }
            (store, measured)
        };
        self.stores.into_iter().filter(|_| !self.silent).map(of).collect()
    }
}
