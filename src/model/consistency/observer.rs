//! Versions of data on their way, and what is noted of who saw which.
//!
//! A frame at a step about data has an operation: it begins with the step, whatever its attempts, and ends with it. A
//! call takes along what it is to write, a reply brings what was read (`semantics.md` 61-64).
//!
//! **Invariant.** The model hands versions on and never asks what they mean.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashTable;

use crate::{
    engine::random::mix,
    history::{Act, Cause, History, OpId, Outcome, Place, Seen, Sessions, Settings, Verdict},
    model::{
        client::ClientSpec,
        consistency::spec::Access,
        ids::{NodeId, Slot},
        names::Names,
        outcome,
        probe::ConsistencyMeasured,
    },
    replication::{place, term_of},
};

/// What a frame has to do with data.
#[derive(Clone, Copy, Debug, Default)]
struct Carried {
    /// What it is to write, or has read.
    version: u64,
    /// The operation it is at.
    at: Option<At>,
    /// Of a visit that failed: it may have been written all the same.
    open: bool,
}

/// An operation under way.
#[allow(clippy::struct_excessive_bools, reason = "what is known of it, each by itself")]
#[derive(Clone, Copy, Debug)]
struct At {
    store: NodeId,
    access: Access,
    op: OpId,
    /// What it stood or fell with failed.
    failed: bool,
    /// An attempt failed in a way that leaves open whether it was done.
    doubt: bool,
    /// No attempt is under way any more, and none was done.
    certain: bool,
    /// It began in the measured span.
    measured: bool,
}

/// A store that is followed.
#[derive(Debug)]
struct Watched {
    history: History,
    /// Versions accepted so far.
    accepted: u64,
    /// By shard of a store whose replicas have leaders: the least place of each term, and the last place its leader began
    /// with.
    terms: BTreeMap<u16, Vec<(u64, u64)>>,
    /// The last place given in each term of each shard.
    last: BTreeMap<(u16, u64), u64>,
    /// Of stores without leaders: versions, each with one that whoever took it knew of.
    knew: HashTable<(u64, u64)>,
    /// No log says what is lost: what nobody holds.
    by_stamp: bool,
    /// Versions that were given a stamp lower than that of one acknowledged before they were asked for, and that
    /// one's; where clocks are never wrong there is none.
    inverted: Option<BTreeMap<u64, u64>>,
    /// Versions a cache answered for and that have not come to the store.
    behind: BTreeMap<u64, Behind>,
    measured: ConsistencyMeasured,
}

/// A version a cache answered for.
#[derive(Debug)]
struct Behind {
    key: u64,
    /// Others that it took the place of: with it they are written, or lost.
    before: Vec<u64>,
}

/// Versions on their way, and who notes what becomes of them.
#[derive(Debug)]
pub struct Observer {
    carried: Vec<Carried>,
    stores: BTreeMap<NodeId, Watched>,
    /// Operations that came back to a frame with accepted replies, and whose store each is of.
    seen: BTreeMap<Slot, Vec<(NodeId, Seen)>>,
    /// By client and store.
    sessions: BTreeMap<(u16, NodeId), Sessions>,
    /// Some client has sessions.
    with_sessions: bool,
    /// Start of the measured span, ns.
    from: u64,
}

impl Observer {
    /// Of a design, if any store of it is followed.
    pub fn of(names: &Names) -> Option<Self> {
        let design = &names.design;
        let history = design.history.unwrap_or_default();
        let settings = Settings {
            keys: history.share(),
            limit: u32::try_from(history.limit()).unwrap_or(u32::MAX),
            horizon_ns: design.duration,
        };
        let wrong = names.wrong_clocks().is_some();
        let watched = |by_stamp: bool| Watched {
            history: History::new(settings),
            accepted: 0,
            terms: BTreeMap::new(),
            last: BTreeMap::new(),
            knew: HashTable::new(),
            by_stamp,
            inverted: (by_stamp && wrong).then(BTreeMap::new),
            behind: BTreeMap::new(),
            measured: ConsistencyMeasured::default(),
        };
        let by_stamp = |store: NodeId| {
            names.kind(store).facts().replicas.is_some_and(|replicas| !replicas.led)
        };
        let followed = names.followed.iter();
        let watches = !history.0.none;
        let stores =
            followed.filter(|_| watches).map(|&store| (store, watched(by_stamp(store)))).collect();
        (!names.followed.is_empty()).then_some(Self {
            carried: Vec::new(),
            stores,
            seen: BTreeMap::new(),
            sessions: BTreeMap::new(),
            with_sessions: design.clients.values().any(ClientSpec::has_sessions),
            from: design.warm_up,
        })
    }

    // ---- on the way --------------------------------------------------------------------------

    #[inline]
    fn at(&mut self, slot: Slot) -> &mut Carried {
        let slot = slot as usize;
        if slot >= self.carried.len() {
            self.carried.resize(slot + 1, Carried::default());
        }
        &mut self.carried[slot]
    }

    /// The version a frame is about.
    #[inline]
    pub fn version(&self, slot: Slot) -> u64 {
        self.carried.get(slot as usize).map_or(0, |carried| carried.version)
    }

    /// A frame is about this version now.
    #[inline]
    pub fn hold(&mut self, slot: Slot, version: u64) {
        self.at(slot).version = version;
    }

    /// A frame is about the same version as another one.
    #[inline]
    pub fn hand_on(&mut self, from: Slot, to: Slot) {
        self.hold(to, self.version(from));
    }

    /// A reply is accepted: what it brings, and what was done for it, is its caller's.
    #[inline]
    pub fn bring(&mut self, child: Slot, caller: Slot) {
        self.hand_on(child, caller);
        if let Some(seen) = self.seen.remove(&child) {
            self.seen.entry(caller).or_default().extend(seen);
        }
    }

    /// A frame is released: what it was at has no answer any more, and what was done for it is nobody's.
    #[inline]
    pub fn forget(&mut self, slot: Slot) {
        if let Some(carried) = self.carried.get_mut(slot as usize) {
            let at = std::mem::take(carried).at;
            self.open_end(at);
        }
        self.seen.remove(&slot);
    }

    // ---- sessions ----------------------------------------------------------------------------

    /// A request of a session was decided well.
    pub fn decided(&mut self, slot: Slot, (client, session): (u16, u64), now: u64) {
        let Some(seen) = self.seen.remove(&slot) else { return };
        let stores: BTreeSet<NodeId> = seen.iter().map(|(store, _)| *store).collect();
        for store in stores {
            let of_store = seen.iter().filter(|(other, _)| *other == store);
            let of_store: Vec<Seen> = of_store.map(|(_, seen)| *seen).collect();
            let sessions = self.sessions.entry((client, store)).or_default();
            let broken = sessions.observe(session as u32, &of_store);
            if let Some(watched) = self.stores.get_mut(&store).filter(|_| now >= self.from) {
                watched.measured.broken.add(broken);
            }
        }
    }

    /// A session is over.
    pub fn close(&mut self, (client, session): (u16, u64)) {
        let of_client = (client, 0)..=(client, NodeId::MAX);
        self.sessions.range_mut(of_client).for_each(|(_, sessions)| sessions.close(session as u32));
    }

    // ---- operations --------------------------------------------------------------------------

    /// A frame begins an operation on a key, which writes this version if it writes.
    pub fn invoke(
        &mut self,
        slot: Slot,
        (store, access): (NodeId, Access),
        (key, version): (u64, u64),
        now: u64,
    ) {
        let before = self.at(slot).at.take();
        self.open_end(before);
        // 0 is what was there before.
        let version = version.max(1);
        let act = match access {
            Access::Read => Act::Read,
            Access::Write | Access::Update(_) => Act::Write(version),
            Access::Delete => Act::Delete(version),
        };
        let measured = now >= self.from;
        let Some(watched) = self.stores.get_mut(&store) else { return self.hold(slot, version) };
        let op = watched.history.invoke(key, act, now);
        if let Access::Update(cause) = access {
            watched.history.mark_unchecked(key, cause);
        }
        let (failed, doubt, certain) = (false, false, false);
        let at = Some(At { store, access, op, failed, doubt, certain, measured });
        *self.at(slot) = Carried { version, at, open: false };
    }

    /// An attempt of what a frame is at failed; nothing of it was done if it was turned away or not sent.
    pub fn attempt_failed(&mut self, slot: Slot, how: outcome::Outcome) {
        let turned_away = [outcome::Outcome::BreakerOpen, outcome::Outcome::Unavailable];
        let refused = how.is_refusal() || turned_away.contains(&how);
        if let Some(at) = &mut self.at(slot).at {
            at.doubt |= !refused;
        }
    }

    /// There is no other attempt.
    pub fn gave_up(&mut self, slot: Slot) {
        if let Some(at) = &mut self.at(slot).at {
            at.certain = !at.doubt;
        }
    }

    /// The call failed with which an operation stands or falls.
    pub fn failed(&mut self, slot: Slot) {
        if let Some(at) = &mut self.at(slot).at {
            at.failed = true;
        }
    }

    /// A cache had it after all.
    pub fn found(&mut self, slot: Slot) {
        if let Some(at) = &mut self.at(slot).at {
            at.failed = false;
        }
    }

    /// The step or request of an operation is over, and went on; whether a read of the measured span was stale.
    pub fn done(&mut self, slot: Slot, now: u64) -> Option<bool> {
        let Carried { version, at, .. } = *self.at(slot);
        let Some(at) = at.filter(|at| !at.failed) else {
            self.end(slot);
            return None;
        };
        self.at(slot).at = None;
        let watched = self.stores.get_mut(&at.store)?;
        let read = at.access == Access::Read;
        let outcome = if read { Outcome::Read(version) } else { Outcome::Written };
        let ended = watched.history.done(at.op, outcome, now);
        if let Some(seen) = ended.seen.filter(|_| self.with_sessions) {
            self.seen.entry(slot).or_default().push((at.store, seen));
        }
        if !at.measured {
            return None;
        }
        let measured = &mut watched.measured;
        measured.operations[at.access.place()] += 1;
        if let Some(judged) = ended.judged {
            measured.staleness.record(judged);
            measured.age.record(judged.age_ns);
            measured.versions.record(judged.versions.saturating_mul(1_000_000_000));
        }
        ended.judged.map(|judged| judged.versions > 0)
    }

    /// The operation of a frame has no answer.
    fn end(&mut self, slot: Slot) {
        let at = self.at(slot).at.take();
        self.open_end(at);
    }

    /// An operation has no good answer: whatever it was to write may have been written, or may yet be, unless every attempt
    /// was turned away.
    fn open_end(&mut self, at: Option<At>) {
        let Some(At { store, op, certain, .. }) = at else { return };
        if let Some(watched) = self.stores.get_mut(&store) {
            let outcome = if certain { Outcome::Failed } else { Outcome::Unknown };
            watched.history.done(op, outcome, 0);
        }
    }

    // ---- what becomes of versions --------------------------------------------------------------

    /// A cache answers for what it was given, which is to be written later and takes the place of another version.
    pub fn accepted(&mut self, slot: Slot, (store, key): (NodeId, u64), replaces: u64) {
        let version = self.version(slot);
        let Some(watched) = self.stores.get_mut(&store) else { return };
        watched.accept(key, version);
        let mut before = Vec::new();
        if replaces != version
            && let Some(Behind { before: others, .. }) = watched.behind.remove(&replaces)
        {
            before = others;
            before.push(replaces);
        }
        watched.behind.entry(version).or_insert(Behind { key, before });
    }

    /// A version of a key of a replicated store got its place in the order of versions.
    pub fn placed(
        &mut self,
        (store, shard): (NodeId, u16),
        (key, version): (u64, u64),
        order: u64,
        led: bool,
    ) {
        if let Some(watched) = self.stores.get_mut(&store) {
            if led {
                watched.last.insert((shard, term_of(order)), order);
            }
            watched.behind.remove(&version);
            if let Some(inverted) = &mut watched.inverted
                && let Some(newest) = watched.history.newest_before(key, version)
                && newest.order > order
            {
                inverted.insert(version, newest.order);
            }
            watched.history.accepted(key, Place { order, version });
        }
    }

    /// A leader of a shard began its term with entries up to this place; or goes on with it, after it died, with what it
    /// still has.
    pub fn began(&mut self, (store, shard): (NodeId, u16), term: u64, began_with: u64) {
        if let Some(watched) = self.stores.get_mut(&store) {
            let before = watched.last.get(&(shard, term));
            let first = before.map_or(place(term, 0), |last| last + 1);
            watched.terms.entry(shard).or_default().push((first, began_with));
        }
    }

    /// Whoever took a version knew of an older one: while it was written, `fresh` or brought back from where it was read.
    pub fn follows(&mut self, store: NodeId, (key, fresh): (u64, bool), version: u64, older: u64) {
        if let Some(watched) = self.stores.get_mut(&store)
            && (fresh || !watched.history.is_acknowledged(key, version))
            && watched.may_know(key, version, older)
        {
            let hash = |&(newer, older): &(u64, u64)| mix(newer ^ older.rotate_left(32));
            let (pair, table) = ((version, older), &mut watched.knew);
            if table.find(hash(&pair), |known| *known == pair).is_none() {
                table.insert_unique(hash(&pair), pair, hash);
            }
        }
    }

    /// What a visit was to write may have been written, though it is answered by a refusal.
    pub fn leaves_open(&mut self, slot: Slot) {
        self.at(slot).open = true;
    }

    /// A visit failed: whether what it was to write was written may be open.
    pub fn failed_visit(&mut self, child: Slot, caller: Slot) {
        let open = self.at(child).open;
        if let Some(at) = self.at(caller).at.as_mut().filter(|_| open) {
            at.doubt = true;
        }
    }

    /// A store holds from now on what a frame brought.
    pub fn applied(&mut self, slot: Slot, store: NodeId, key: u64) {
        let version = self.version(slot);
        if let Some(watched) = self.stores.get_mut(&store) {
            // What a cache took has its place already.
            if watched.behind.remove(&version).is_none() {
                watched.accept(key, version);
            }
        }
    }

    /// The versions that frames bring somewhere.
    pub fn on_their_way(&self, frames: impl Iterator<Item = Slot>) -> BTreeSet<u64> {
        frames.map(|slot| self.version(slot)).collect()
    }

    /// What was seen, by store; these versions are held somewhere besides the stores, and this says the shard of a key.
    pub fn measured(
        self,
        held: &BTreeSet<u64>,
        mut shard: impl FnMut(NodeId, u64) -> u16,
    ) -> BTreeMap<NodeId, ConsistencyMeasured> {
        let of = |(store, watched): (NodeId, Watched)| {
            (store, watched.measured(held, |key| shard(store, key)))
        };
        self.stores.into_iter().map(of).collect()
    }
}

/// Why keys are not checked, as results name it.
const fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::Cas => "cas",
        Cause::Increment => "increment",
        Cause::Siblings => "siblings",
        Cause::Transaction => "transaction",
    }
}

impl Watched {
    fn accept(&mut self, key: u64, version: u64) {
        self.accepted += 1;
        self.history.accepted(key, Place { order: self.accepted, version });
    }

    /// Whether a version that took the place of one which is older by its stamp can know of it: not if it had been acknowledged
    /// before anybody asked for that.
    fn may_know(&self, key: u64, version: u64, older: u64) -> bool {
        let before = self.inverted.as_ref().and_then(|inverted| inverted.get(&older));
        before.is_none_or(|acknowledged| {
            self.history.place(key, version).is_none_or(|place| place.order > *acknowledged)
        })
    }

    /// Acknowledged writes that nobody holds, nor anything that was taken by who knew of them: because a later one took
    /// their place, because a clock made them older than an earlier one, or with the last who held them.
    fn lost_by_stamp(&self, held: &BTreeSet<u64>) -> [u64; 3] {
        let mut kept = held.clone();
        let mut knew: Vec<(u64, u64)> = self.knew.iter().copied().collect();
        knew.sort_unstable();
        let mut open: Vec<u64> = held.iter().copied().collect();
        while let Some(version) = open.pop() {
            let first = knew.partition_point(|(newer, _)| *newer < version);
            let older = knew[first..].iter().take_while(|(newer, _)| *newer == version);
            open.extend(older.map(|(_, older)| *older).filter(|older| kept.insert(*older)));
        }
        let mut newest: BTreeMap<u64, u64> = BTreeMap::new();
        // What is held may be the answer to nobody yet.
        for (key, place) in self.history.placed() {
            if held.contains(&place.version) {
                let order = newest.entry(key).or_default();
                *order = place.order.max(*order);
            }
        }
        let inverted =
            |version: u64| self.inverted.as_ref().is_some_and(|all| all.contains_key(&version));
        let mut lost = [0; 3];
        for (key, place, _) in self.history.acknowledged() {
            if !kept.contains(&place.version) {
                let replaced = newest.get(&key).is_some_and(|order| *order >= place.order);
                let why = if replaced { usize::from(inverted(place.version)) } else { 2 };
                lost[why] += 1;
            }
        }
        lost
    }

    /// Acknowledged writes of earlier terms that were not in the log a later one began with.
    fn lost_in_failovers(&self, mut shard: impl FnMut(u64) -> u16) -> u64 {
        if self.terms.is_empty() {
            return 0;
        }
        let is_lost = |(key, place, _): &(u64, Place, u64)| {
            let terms = self.terms.get(&shard(*key));
            let lost =
                |(from, began_with): &(u64, u64)| place.order < *from && place.order > *began_with;
            terms.is_some_and(|terms| terms.iter().any(lost))
        };
        self.history.acknowledged().filter(is_lost).count() as u64
    }

    fn measured(self, held: &BTreeSet<u64>, shard: impl FnMut(u64) -> u16) -> ConsistencyMeasured {
        let in_failovers = self.lost_in_failovers(shard);
        let [replaced, by_clock, with_all] =
            if self.by_stamp { self.lost_by_stamp(held) } else { [0; 3] };
        let verdict = self.history.check();
        let gone = self.behind.iter().filter(|(version, _)| !held.contains(version));
        let lost = gone.flat_map(|(version, Behind { key, before })| {
            let all = before.iter().chain([version]);
            all.filter(|version| self.history.is_acknowledged(*key, **version))
        });
        let lost = lost.count() as u64;
        let Verdict { linearizable, keys, keys_checked, not_checked, violations, witness, .. } =
            verdict;
        let causes = Cause::ALL.into_iter().zip(not_checked).filter(|(_, keys)| *keys > 0);
        ConsistencyMeasured {
            keys,
            checked: keys_checked,
            not_checked: causes.map(|(cause, keys)| (name(cause), keys)).collect(),
            followed: self.history.followed_share(),
            linearizable,
            violations,
            witness,
            lost: [
                ("crash", with_all),
                ("failover", in_failovers),
                ("lww_clock", by_clock),
                ("lww_concurrent", replaced),
                ("write_behind", lost),
            ]
            .into_iter()
            .filter(|(_, lost)| *lost > 0)
            .collect(),
            ..self.measured
        }
    }
}
