//! Views: which versions of their sources are on the way to them, when they come, and what reads of them see.
//!
//! **Invariant.** As in `observer.rs`: versions are handed on, and what to make of them is asked at the end.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    observer::Observer,
    operation::{At, Carried, Sight},
    spec::Access,
};
use crate::{
    history::{Judged, OpId, Violations},
    model::{
        ids::{NodeId, Slot},
        names::Names,
        probe::view::ViewMeasured,
        queue::post::Shown,
    },
};

/// The views of a design.
#[derive(Debug)]
pub struct Views {
    /// By view.
    sources: BTreeMap<NodeId, NodeId>,
    /// What is known for a frame: of each key the version that was read or written last.
    known: BTreeMap<Slot, Vec<Shown>>,
    /// When versions of sources got their places, ns.
    since: BTreeMap<(NodeId, u64), u64>,
    measured: BTreeMap<NodeId, ViewMeasured>,
    /// Start of the measured span, ns.
    from: u64,
}

fn learn(all: &mut Vec<Shown>, new: Shown) {
    all.retain(|old| (old.source, old.key) != (new.source, new.key));
    all.push(new);
}

impl Views {
    /// Those of a design, if it has any.
    pub fn of(names: &Names) -> Option<Self> {
        let sources = names.views();
        (!sources.is_empty()).then(|| Self {
            sources,
            known: BTreeMap::new(),
            since: BTreeMap::new(),
            measured: BTreeMap::new(),
            from: names.design.warm_up,
        })
    }

    /// Whose data a view shows.
    pub fn source(&self, view: NodeId) -> Option<NodeId> {
        self.sources.get(&view).copied()
    }

    /// In whose order the versions of a store stand that is a source, or shows one.
    fn root(&self, store: NodeId) -> Option<NodeId> {
        let is_source = || self.sources.values().any(|source| *source == store).then_some(store);
        self.source(store).or_else(is_source)
    }

    /// Whether a store is one of those of a design, or a source of one.
    pub(super) fn touch(all: Option<&Self>, store: NodeId) -> bool {
        all.is_some_and(|all| all.root(store).is_some())
    }

    /// What is known for a frame.
    pub fn known(&self, slot: Slot) -> Vec<Shown> {
        self.known.get(&slot).cloned().unwrap_or_default()
    }

    /// This is known for a frame, too.
    pub fn learns(&mut self, slot: Slot, what: &[Shown]) {
        if !what.is_empty() {
            let all = self.known.entry(slot).or_default();
            for one in what {
                learn(all, *one);
            }
        }
    }

    /// Something is to be published together with a version of a store: what is known of it besides.
    pub fn learns_of_write(&mut self, slot: Slot, (store, key): (NodeId, u64), version: u64) {
        if let Some(source) = self.root(store) {
            self.learns(slot, &[Shown { source, key, version }]);
        }
    }

    fn brings(&self, slot: Slot, (source, key): (NodeId, u64)) -> u64 {
        let known = self.known.get(&slot).into_iter().flatten();
        let mut of_key = known.filter(|one| (one.source, one.key) == (source, key));
        of_key.next().map_or(0, |one| one.version)
    }

    pub(super) fn forget(&mut self, slot: Slot) {
        self.known.remove(&slot);
    }

    /// What somebody wrote at a source is what he may expect to see in its views.
    #[cold]
    #[inline(never)]
    pub(super) fn expected(&self, store: NodeId, sight: Sight, seen: &mut Vec<(NodeId, Sight)>) {
        if matches!(sight, Sight::Placed(seen) if seen.wrote) {
            let views = self.sources.iter().filter(|(_, source)| **source == store);
            seen.extend(views.map(|(view, _)| (*view, sight)));
        }
    }
}

impl Observer {
    /// A frame begins for another one, and is told what that one knows of locks, and of what views show.
    #[cold]
    #[inline(never)]
    pub(super) fn descends_beside(&mut self, parent: Slot, child: Slot) {
        if let Some(leases) = &mut self.leases {
            leases.descend(parent, child);
        }
        if let Some(views) = &mut self.views {
            let known = views.known(parent);
            views.forget(child);
            views.learns(child, &known);
        }
    }

    /// A reply brings along what is known for it.
    #[cold]
    #[inline(never)]
    pub(super) fn brings_beside(&mut self, child: Slot, caller: Slot) {
        if let Some(views) = &mut self.views {
            let known = views.known(child);
            views.learns(caller, &known);
        }
    }

    /// A frame is released.
    #[cold]
    #[inline(never)]
    pub(super) fn forgets_beside(&mut self, slot: Slot) {
        if let Some(leases) = &mut self.leases {
            leases.release(slot);
        }
        if let Some(logs) = &mut self.logs {
            logs.leave(slot);
        }
        if let Some(views) = &mut self.views {
            views.forget(slot);
        }
    }

    /// An operation begins that may be one on a view: then it is no part of the history, and what it writes is what is known
    /// for it; 0: nothing is.
    #[cold]
    #[inline(never)]
    pub(super) fn invokes_at_view(
        &mut self,
        slot: Slot,
        (store, access): (NodeId, Access),
        (key, shard): (u64, u16),
        now: u64,
    ) -> bool {
        let Some(views) = &self.views else { return false };
        let Some(source) = views.source(store) else { return false };
        let version = if access == Access::Read { 0 } else { views.brings(slot, (source, key)) };
        let invoked = self.stores.get_mut(&source).map_or(0, |of| of.history.instant(now));
        let at = At {
            store,
            access,
            key,
            op: OpId::UNFOLLOWED,
            invoked,
            failed: false,
            doubt: false,
            spared: false,
            certain: false,
            measured: now >= self.from,
            began: now,
            shard,
        };
        let at = self.stores.contains_key(&store).then_some(at);
        *self.at(slot) = Carried { version, at, of_record: false, known: None };
        true
    }

    /// An operation ended well that may be one on a view, or on a source: what a read of a view saw.
    #[cold]
    #[inline(never)]
    pub(super) fn seen_beside(
        &mut self,
        slot: Slot,
        at: &At,
        version: u64,
        now: u64,
    ) -> Option<(Option<Judged>, Option<Sight>)> {
        let views = self.views.as_mut()?;
        let source = views.root(at.store)?;
        if version != 0 {
            views.learns(slot, &[Shown { source, key: at.key, version }]);
        }
        views.source(at.store)?;
        if at.access != Access::Read {
            return Some((None, None));
        }
        let history = &mut self.stores.get_mut(&source)?.history;
        let ended = history.glance(at.key, version, (at.invoked, now));
        Some((ended.judged, ended.seen.map(Sight::Placed)))
    }

    /// What of the broken expectations at a store are about reads: nobody is judged by a view for what he wrote at its source.
    #[cold]
    #[inline(never)]
    pub(super) fn broken_at(&self, store: NodeId, broken: Violations) -> Violations {
        if !self.is_view(store) {
            return broken;
        }
        Violations { monotonic_writes: 0, writes_follow_reads: 0, ..broken }
    }

    /// Whether a store shows what others hold: what is held there has its place and its fate at the source.
    #[cold]
    #[inline(never)]
    pub(super) fn is_view(&self, store: NodeId) -> bool {
        self.views.as_ref().is_some_and(|views| views.source(store).is_some())
    }

    /// A version of a store that may be a source got its place.
    #[cold]
    #[inline(never)]
    pub fn is_due_at_views(&mut self, store: NodeId, version: u64, now: u64) {
        let Some(views) = &mut self.views else { return };
        if views.source(store).is_none() && views.root(store).is_some() {
            views.since.entry((store, version)).or_insert(now);
        }
    }

    /// A store takes a version in place of another one: whether it is a view, to which that has come then.
    #[cold]
    #[inline(never)]
    pub fn comes_to_view(
        &mut self,
        view: NodeId,
        key: u64,
        (before, version): (u64, u64),
        now: u64,
    ) -> bool {
        let Some(views) = &mut self.views else { return false };
        let Some(source) = views.source(view) else { return false };
        let history = self.stores.get(&source).map(|watched| &watched.history);
        let place = |version| history.and_then(|history| history.place(key, version));
        let older = place(before).zip(place(version)).is_some_and(|(held, new)| held > new);
        if now >= views.from && before != version {
            let since = views.since.get(&(source, version));
            let measured = views.measured.entry(view).or_default();
            measured.applied += 1;
            measured.inversions += u64::from(older);
            if let Some(since) = since {
                measured.lag.record(now - since);
            }
        }
        true
    }

    /// What came to views, by view.
    pub(super) fn views_measured(&mut self) -> BTreeMap<NodeId, ViewMeasured> {
        let Some(views) = &mut self.views else { return BTreeMap::new() };
        let ids: BTreeSet<NodeId> = views.sources.keys().copied().collect();
        ids.into_iter().map(|id| (id, views.measured.remove(&id).unwrap_or_default())).collect()
    }
}
