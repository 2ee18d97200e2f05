//! A store that is followed: its history, and what of it is lost at the end.
//!
//! **Invariant.** A write is lost that was acknowledged and that nobody holds, nor anything that was taken by who knew of it.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashTable;

use super::{
    backed_up::BackedUp,
    held::{Holdings, Versions},
    reigns::{Reign, Reigns},
};
use crate::{
    engine::random::mix,
    history::{
        Acknowledged, History, NotChecked, Place, Settings, Standing, Vector, Vectors, Verdict,
    },
    model::{
        ids::NodeId,
        probe::{ConsistencyMeasured, Loss},
    },
};

/// A store that is followed.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) history: History,
    /// Instead, where several leaders write beside one another and no order says which is the newest.
    pub(super) vectors: Option<Box<Vectors>>,
    /// Versions accepted so far.
    accepted: u64,
    /// Of a store whose replicas have leaders.
    pub(super) reigns: Reigns,
    /// Of stores without leaders: versions, each with one that whoever took it knew of.
    knew: HashTable<(u64, u64)>,
    /// The measured span has begun, as far as operations tell, and when.
    measures: bool,
    from: u64,
    /// If something may be attempted several times.
    attempts: Option<Attempts>,
    /// If somebody writes over what was read: versions, each with one that its writer had seen last.
    saw: Option<BTreeSet<(u64, u64)>>,
    /// No log says what is lost: what nobody holds.
    by_stamp: bool,
    /// Versions that were given a stamp lower than that of one acknowledged before they were asked for, and that
    /// one's; where clocks are never wrong there is none.
    inverted: Option<BTreeMap<u64, u64>>,
    /// Keys whose one copy was lost, how many versions had been accepted by then, and when that was.
    wiped: Vec<(Vec<u64>, u64, u64)>,
    /// Likewise those that can be restored.
    backed_up: BackedUp,
    /// Likewise those that were damaged.
    damaged: Vec<(Vec<u64>, u64, u64)>,
    /// Versions of which the one copy was damaged without a word, and when.
    rotten: BTreeMap<u64, u64>,
    /// Copies were damaged, of which there may be others.
    corrupted: bool,
    /// Versions a cache answered for and that have not come to the store, each with others that it took the place of: with
    /// it they are written, or lost.
    behind: BTreeMap<u64, Vec<u64>>,
    /// All that a cache ever answered for; of those that came to a store with a log, their places there.
    late: BTreeMap<u64, Option<u64>>,
    /// Reads that missed nothing, which are not in the histograms of `measured` yet.
    pub(super) fresh: u64,
    pub(super) measured: ConsistencyMeasured,
}

/// Writes that are attempts at the same.
#[derive(Debug, Default)]
struct Attempts {
    /// What versions are attempts at, where it is not they themselves.
    at: BTreeMap<u64, u64>,
    /// What was done, of which key, by which versions, and their places; and whether in the measured span.
    done: BTreeMap<(u64, u64, u64, u64), bool>,
}

/// What the damage to copies takes.
#[derive(Debug)]
pub enum Damaged {
    /// There are others.
    Others,
    /// Of these keys (in order) everything.
    All(Vec<u64>),
    /// These versions, which were the last of their keys.
    Last(Vec<u64>),
}

/// How writes of a store are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// By a log, or as they come to the one copy.
    Order,
    /// By stamps, of clocks that may be wrong or not.
    Stamp {
        /// They may.
        wrong: bool,
    },
    /// By vectors.
    Vector,
}

/// Why keys are not checked, as results name it.
const fn name(cause: NotChecked) -> &'static str {
    match cause {
        NotChecked::Cas => "cas",
        NotChecked::Increment => "increment",
        NotChecked::Siblings => "siblings",
        NotChecked::Transaction => "transaction",
    }
}

impl Watched {
    /// Nothing has happened yet.
    pub(super) fn new(settings: Settings, told: Told, (updates, repeats): (bool, bool)) -> Self {
        Self {
            history: History::new(settings),
            vectors: (told == Told::Vector)
                .then(|| Box::new(Vectors::new(settings.keys, settings.horizon_ns))),
            accepted: 0,
            reigns: Reigns::default(),
            knew: HashTable::new(),
            measures: false,
            from: 0,
            attempts: repeats.then(Attempts::default),
            saw: (updates && told != Told::Vector).then(BTreeSet::new),
            by_stamp: matches!(told, Told::Stamp { .. }),
            inverted: (told == Told::Stamp { wrong: true }).then(BTreeMap::new),
            wiped: Vec::new(),
            backed_up: BackedUp::default(),
            damaged: Vec::new(),
            rotten: BTreeMap::new(),
            corrupted: false,
            behind: BTreeMap::new(),
            late: BTreeMap::new(),
            fresh: 0,
            measured: ConsistencyMeasured::default(),
        }
    }

    /// A cache answers for a version, which is to be written later and takes the place of another one.
    pub(super) fn answered_for(&mut self, key: u64, version: u64, replaces: u64) {
        self.accepted += 1;
        self.history.accepted(key, Place { order: self.accepted, version });
        self.late.insert(version, None);
        let mut before = Vec::new();
        if replaces != version
            && let Some(others) = self.behind.remove(&replaces)
        {
            before = others;
            before.push(replaces);
        }
        self.behind.entry(version).or_insert(before);
    }

    /// Whoever writes a version had seen that one last of its key.
    pub(super) fn writes_over(&mut self, version: u64, saw: u64) {
        if let Some(all) = &mut self.saw {
            all.insert((version, saw));
        }
    }

    /// The one copy holds a version from now on.
    pub(super) fn applied(&mut self, key: u64, version: u64) {
        self.behind.remove(&version);
        // What a cache took has its place already.
        match self.late.get(&version) {
            None => self.accept(key, version),
            Some(_) => self.does((key, version), 0),
        }
    }

    /// The one copy of these keys is gone; of which shard, if that can be restored.
    pub(super) fn wiped(&mut self, keys: Vec<u64>, backed_up: Option<u16>, now: u64) {
        match backed_up {
            None => self.wiped.push((keys, self.accepted, now)),
            Some(shard) => self.backed_up.lost(shard, Some(keys), (self.accepted, now)),
        }
    }

    /// No replica of a shard has anything any more, but that can be restored.
    pub(super) fn loses_shard(&mut self, shard: u16, now: u64) {
        let of_log = self.reigns.last(shard).into_iter();
        let by_stamp = self.history.placed().filter(|_| self.by_stamp).map(|(_, p)| p.order);
        let upto = of_log.chain(by_stamp).max().unwrap_or(0);
        self.backed_up.lost(shard, None, (upto, now));
    }

    /// A shard holds these versions again.
    pub(super) fn restored(&mut self, shard: u16, versions: &[(u64, u64)]) {
        let places = self.places(versions);
        self.backed_up.restored(shard, &places);
    }

    /// The places of versions, by key.
    fn places(&self, versions: &[(u64, u64)]) -> BTreeMap<u64, u64> {
        let place =
            |(key, version): &(u64, u64)| Some((*key, self.history.place(*key, *version)?.order));
        versions.iter().filter_map(place).collect()
    }

    /// Copies were damaged; of these there are no others.
    pub(super) fn damaged(&mut self, what: Damaged, now: u64) {
        self.corrupted = true;
        match what {
            Damaged::Others => {}
            Damaged::All(keys) => self.damaged.push((keys, self.accepted, now)),
            Damaged::Last(versions) => {
                self.rotten.extend(versions.into_iter().map(|version| (version, now)));
            }
        }
    }

    /// A version of a key got its place; in the log of a shard, if it is one's.
    pub(super) fn placed(&mut self, log: Option<u16>, (key, version): (u64, u64), order: u64) {
        let mut order = order;
        if let Some(shard) = log {
            order = self.reigns.place(shard, key, order);
        }
        self.behind.remove(&version);
        let counts = log.zip(self.order_of(key, version)).map_or(order, |(shard, before)| {
            self.reigns.gives_again(shard, (key, version), (before, order))
        });
        if let Some(place) = self.late.get_mut(&version) {
            *place = Some(counts);
            return self.does((key, version), order);
        }
        if let Some(inverted) = &mut self.inverted
            && let Some(newest) = self.history.newest_before(key, version)
            && newest.order > order
        {
            inverted.insert(version, newest.order);
        }
        self.history.accepted(key, Place { order: counts, version });
        self.does((key, version), order);
    }

    /// The place of a version, if it has one.
    fn order_of(&self, key: u64, version: u64) -> Option<u64> {
        match self.late.get(&version) {
            None => self.history.place(key, version).map(|place| place.order),
            Some(late) => *late,
        }
    }

    /// A key, of which this is the newest version, went to another shard, in whose log that has this place.
    pub(super) fn moved(
        &mut self,
        (key, version): (u64, u64),
        shards: (u16, u16),
        (order, now): (u64, u64),
    ) {
        let newest = self.order_of(key, version).unwrap_or(0);
        self.reigns.moved(key, shards, (newest, order), now);
    }

    /// An operation of the measured span begins, which began at this instant, ns.
    pub(super) fn measures(&mut self, from: u64) {
        (self.measures, self.from) = (true, from);
    }

    /// A write is an attempt at something that other versions may be attempts at, too.
    pub(super) fn attempts(&mut self, version: u64, common: u64) {
        if let Some(attempts) = self.attempts.as_mut().filter(|_| version != common) {
            attempts.at.insert(version, common);
        }
    }

    /// A write of a key is done, in this place.
    pub(super) fn does(&mut self, (key, version): (u64, u64), order: u64) {
        let follows = match &self.vectors {
            Some(vectors) => vectors.follows(key),
            None => self.history.follows(key),
        };
        if let Some(attempts) = self.attempts.as_mut().filter(|_| follows) {
            let at = attempts.at.get(&version).copied().unwrap_or(version);
            attempts.done.entry((at, key, version, order)).or_insert(self.measures);
        }
    }

    /// How often something was done that had been done before. What a later leader began without was not done.
    fn duplicates(&self, mut shard: impl FnMut(u64) -> u16) -> Option<u64> {
        let done = self.attempts.as_ref()?.done.iter();
        let stays = |((_, key, _, order), _): &(&(u64, u64, u64, u64), &bool)| {
            let shard = shard(*key);
            // What was acknowledged since does not matter here: it is of another life of the leader.
            let counts = |reign: &Reign| reign.since.is_none();
            self.reigns.first_without((*key, *order), shard, counts).is_none()
                && self.backed_up.takes((*key, *order), shard).is_none()
        };
        let stays: Vec<_> = done.filter(stays).collect();
        let of_one = stays.chunk_by(|((one, ..), _), ((other, ..), _)| one == other);
        // The first time is none of them.
        let again = |all: &[(_, &bool)]| {
            all.iter().filter(|(_, measured)| **measured).count().min(all.len() - 1) as u64
        };
        Some(of_one.map(again).sum())
    }

    /// A leader of a shard began its term with entries up to this place.
    pub(super) fn began(&mut self, shard: u16, how: (u64, u64), now: u64) {
        self.reigns.began(shard, how, now);
        for (key, version, order) in self.reigns.all_again() {
            match self.late.get_mut(&version) {
                Some(place) => *place = Some(order),
                None => self.history.accepted(key, Place { order, version }),
            }
        }
    }

    /// Whoever took a version knew of an older one.
    pub(super) fn follows(&mut self, (key, fresh): (u64, bool), version: u64, older: u64) {
        if (fresh || !self.history.is_acknowledged(key, version))
            && self.may_know(key, version, older)
        {
            let hash = |&(newer, _): &(u64, u64)| mix(newer);
            let (pair, table) = ((version, older), &mut self.knew);
            if table.find(hash(&pair), |known| *known == pair).is_none() {
                table.insert_unique(hash(&pair), pair, hash);
            }
        }
    }

    fn accept(&mut self, key: u64, version: u64) {
        self.accepted += 1;
        self.history.accepted(key, Place { order: self.accepted, version });
        self.does((key, version), self.accepted);
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
    /// their place, because a clock made them older than an earlier one, or with the last who held them; but for those that are
    /// `restored`, by version, which were lost otherwise.
    fn lost_by_stamp(&self, held: &Versions, restored: &BTreeMap<u64, Loss>) -> [Vec<Loss>; 4] {
        let mut kept = held.clone();
        let mut open: Vec<u64> = held.iter().collect();
        while let Some(version) = open.pop() {
            let older = self.knew.iter_hash(mix(version)).filter(|(newer, _)| *newer == version);
            open.extend(older.map(|(_, older)| *older).filter(|older| kept.insert(*older)));
        }
        let gone = self.history.acknowledged().filter(|w| !kept.contains(w.place.version));
        let gone: Vec<Acknowledged> = gone.collect();
        let keys: BTreeSet<u64> = gone.iter().map(|write| write.key).collect();
        let mut newest: BTreeMap<u64, u64> = BTreeMap::new();
        // What is held may be the answer to nobody yet.
        for (key, place) in self.history.placed().filter(|(key, _)| keys.contains(key)) {
            if held.contains(place.version) {
                let order = newest.entry(key).or_default();
                *order = place.order.max(*order);
            }
        }
        let inverted =
            |version: u64| self.inverted.as_ref().is_some_and(|all| all.contains_key(&version));
        let mut lost = [const { Vec::new() }; 4];
        for write in gone {
            if let Some(loss) = restored.get(&write.place.version) {
                lost[3].push(*loss);
                continue;
            }
            let replaced = newest.get(&write.key).is_some_and(|order| *order >= write.place.order);
            let why = if replaced { usize::from(inverted(write.place.version)) } else { 2 };
            lost[why].push(Loss::of(&write, replaced.then_some(write.at)));
        }
        lost
    }

    /// Acknowledged writes whose place the next one took by somebody who had seen an older version last.
    fn lost_updates(&self) -> Option<u64> {
        let saw = self.saw.as_ref()?;
        let acknowledged = self.history.acknowledged().filter(|write| write.at >= self.from);
        let acknowledged: BTreeSet<u64> = acknowledged.map(|write| write.place.version).collect();
        let mut placed: Vec<(u64, Place)> = self.history.placed().collect();
        placed.sort_unstable_by_key(|(key, place)| (*key, place.order, place.version));
        let mut lost = 0;
        for of_key in placed.chunk_by(|(one, _), (other, _)| one == other) {
            let by_version: BTreeMap<u64, Place> =
                of_key.iter().map(|(_, place)| (place.version, *place)).collect();
            let place = |version: u64| match version {
                0 => Some(Place::INITIAL),
                _ => by_version.get(&version).copied(),
            };
            for pair in of_key.windows(2) {
                let [(_, older), (_, newer)] = pair else { continue };
                // Attempts that are one may have seen several.
                let seen = saw.range((newer.version, 0)..=(newer.version, u64::MAX));
                let newest = seen.filter_map(|(_, seen)| place(*seen)).max();
                let is_lost = newest.is_some_and(|seen| seen < *older)
                    && acknowledged.contains(&older.version);
                lost += u64::from(is_lost);
            }
        }
        Some(lost)
    }

    /// Acknowledged writes that the one copy held when it was lost, in one of these ways.
    fn lost_with_copies(
        &self,
        gone: &[(Vec<u64>, u64, u64)],
        rotten: &BTreeMap<u64, u64>,
    ) -> Vec<Loss> {
        if gone.is_empty() && rotten.is_empty() {
            return Vec::new();
        }
        let lost = |write: Acknowledged| {
            let version = write.place.version;
            let held = |(keys, upto, _): &&(Vec<u64>, u64, u64)| {
                write.place.order <= *upto && keys.binary_search(&write.key).is_ok()
            };
            let at = gone.iter().find(held).map(|(.., at)| at).or_else(|| rotten.get(&version))?;
            (!self.behind.contains_key(&version)).then(|| Loss::of(&write, Some(*at)))
        };
        self.history.acknowledged().filter_map(lost).collect()
    }

    /// Acknowledged writes of shards that lost all, which are newer than what was kept of them, by version; those that had not
    /// been lost before.
    fn lost_with_backups(&self, mut shard: impl FnMut(u64) -> u16) -> BTreeMap<u64, Loss> {
        if self.backed_up.is_empty() {
            return BTreeMap::new();
        }
        let lost = |write: Acknowledged| {
            let Place { order, version } = write.place;
            let shard = shard(write.key);
            let of_log = self.reigns.last(shard).is_some();
            let order = if of_log { self.log_place(&write) } else { order };
            let at = self.backed_up.takes((write.key, order), shard)?;
            let waits = self.behind.contains_key(&version);
            let before = self.first_without(&write, shard).is_some_and(|reign| reign.at < at);
            (!waits && !before).then(|| (version, Loss::of(&write, Some(at))))
        };
        self.history.acknowledged().filter_map(lost).collect()
    }

    /// A write's place in the log of its shard. What a cache has acknowledged has it since it came there, if it did.
    fn log_place(&self, write: &Acknowledged) -> u64 {
        match self.late.get(&write.place.version) {
            None => write.place.order,
            Some(late) => late.unwrap_or(u64::MAX),
        }
    }

    /// The first later term that began with a log without an acknowledged write of an earlier one.
    fn first_without(&self, write: &Acknowledged, shard: u16) -> Option<&Reign> {
        let of_others = |reign: &Reign| reign.since.is_none_or(|since| write.at < since);
        self.reigns.first_without((write.key, self.log_place(write)), shard, of_others)
    }

    /// Such a write.
    fn lost_in_failover(&self, write: &Acknowledged, shard: u16) -> Option<Loss> {
        let reign = self.first_without(write, shard)?;
        // Whoever leads no more may go on for a while.
        Some(Loss::of(write, Some(reign.at.max(write.at))))
    }

    /// All those.
    fn lost_in_failovers(
        &self,
        restored: &BTreeMap<u64, Loss>,
        mut shard: impl FnMut(u64) -> u16,
    ) -> Vec<Loss> {
        if self.reigns.is_empty() {
            return Vec::new();
        }
        let others = self.history.acknowledged();
        let others = others.filter(|write| !restored.contains_key(&write.place.version));
        others.filter_map(|write| self.lost_in_failover(&write, shard(write.key))).collect()
    }

    /// Acknowledged writes that went with the copies of their shard's log that held them, without anybody going on with less.
    fn lost_with_logs(
        &self,
        (store, held): (NodeId, &Holdings),
        restored: &BTreeMap<u64, Loss>,
        mut shard: impl FnMut(u64) -> u16,
    ) -> Vec<Loss> {
        if held.logs.is_empty() {
            return Vec::new();
        }
        let lost = |write: Acknowledged| {
            let shard = shard(write.key);
            let order = self.log_place(&write);
            let stay = self.reigns.stands(write.key, order, shard)?;
            let left = held.logs.get(&(store, stay.shard))?.get(&write.key).copied().unwrap_or(0);
            let gone = left < stay.place && !restored.contains_key(&write.place.version);
            (gone && self.lost_in_failover(&write, shard).is_none()).then(|| Loss::of(&write, None))
        };
        self.history.acknowledged().filter_map(lost).collect()
    }

    /// Acknowledged writes that a cache never wrote.
    fn lost_behind(&self, held: &Versions) -> Vec<Loss> {
        let gone = self.behind.iter().filter(|(version, _)| !held.contains(**version));
        let gone = gone.flat_map(|(version, before)| before.iter().chain([version]));
        let gone: BTreeSet<u64> = gone.copied().collect();
        if gone.is_empty() {
            return Vec::new();
        }
        let lost = self.history.acknowledged().filter(|write| gone.contains(&write.place.version));
        lost.map(|write| Loss::of(&write, None)).collect()
    }

    /// What was seen, of this store.
    pub(super) fn measured(
        mut self,
        (store, held): (NodeId, &Holdings),
        mut shard: impl FnMut(u64) -> u16,
    ) -> ConsistencyMeasured {
        self.measured.age.record_n(0, self.fresh);
        self.measured.versions.record_n(0, self.fresh);
        let mut with_all = self.lost_with_copies(&self.wiped, &BTreeMap::new());
        let mut corrupt = self.lost_with_copies(&self.damaged, &self.rotten);
        let mut backed_up = std::mem::take(&mut self.backed_up);
        backed_up.ends(|shard| {
            let kept = held.kept.get(&(store, shard));
            self.places(kept.map_or(&[], Vec::as_slice))
        });
        self.backed_up = backed_up;
        let restored = self.lost_with_backups(&mut shard);
        with_all.extend(self.lost_with_logs((store, held), &restored, &mut shard));
        let in_failovers = self.lost_in_failovers(&restored, &mut shard);
        let duplicates = self.duplicates(shard);
        let [replaced, by_clock, by_all, by_restore] = if self.by_stamp {
            self.lost_by_stamp(&held.versions, &restored)
        } else {
            [Vec::new(), Vec::new(), Vec::new(), restored.into_values().collect()]
        };
        if self.corrupted {
            corrupt.extend(by_all);
        } else {
            with_all.extend(by_all);
        }
        let behind = self.lost_behind(&held.versions);
        let lost_updates = self.lost_updates();
        let verdict = self.history.check();
        let Verdict { linearizable, keys, keys_checked, not_checked, violations, witness, .. } =
            verdict;
        let causes = NotChecked::ALL.into_iter().zip(not_checked).filter(|(_, keys)| *keys > 0);
        let mut measured = ConsistencyMeasured {
            keys,
            checked: keys_checked,
            not_checked: causes.map(|(cause, keys)| (name(cause), keys)).collect(),
            followed: self.history.followed_share(),
            linearizable,
            violations,
            witness,
            lost_updates,
            duplicates,
            entries: self.history.take_entries(),
            ..self.measured
        };
        if let Some(vectors) = &self.vectors {
            let known = |key| held.known.get(&(store, key)).map_or(Vector::NOTHING, |dots| dots.0);
            let lost = vectors.lost(known).into_iter();
            with_all.extend(lost.map(|(acked, by)| Loss { acked, at: None, by }));
            measured.keys = vectors.keys();
            measured.not_checked = BTreeMap::from([(name(NotChecked::Siblings), measured.keys)]);
            (measured.linearizable, measured.followed) = (None, vectors.followed_share());
        }
        let lost = [
            ("corrupt", corrupt),
            ("crash", with_all),
            ("failover", in_failovers),
            ("lww_clock", by_clock),
            ("lww_concurrent", replaced),
            ("restore", by_restore),
            ("write_behind", behind),
        ];
        let counts = lost.iter().map(|(cause, all)| (*cause, all.len() as u64));
        measured.lost = counts.filter(|(_, lost)| *lost > 0).collect();
        measured.losses = lost.into_iter().flat_map(|(_, all)| all).collect();
        measured.losses.sort_unstable();
        measured
    }
}
