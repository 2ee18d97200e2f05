//! Messages that a store keeps beside its data until they are published: the tables of outboxes, shard by shard.
//!
//! A store of one copy has one relay for each shard and outlet. Where a shard has several with a leader, its rows are part of the
//! entries of its log: they are visible when these are committed, the leader's relay publishes them, and a deletion is an
//! entry like others. Who leads next has the rows and deletions of the entries it began with, no others.
//!
//! **Invariant.** Written = deleted + held + lost; a row is deleted only after somebody has said that its message came.

use std::collections::{BTreeMap, VecDeque};

use super::leader::Leader;
use crate::{
    engine::random::mix,
    model::{
        ids::{NONE, NodeId, Slot},
        kind::{Op, Verb},
        kinds::NodeSpec,
        names::Names,
        queue::{
            counts::OutboxMeasured,
            post::{Handle, Record},
        },
        service::{ServiceSpec, StepSpec, outbox::OutboxFields},
    },
    units::Name,
};

/// A row that waits to be published.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number in the table.
    pub number: u64,
    /// The message.
    pub record: Record,
    /// Somebody has said that it came.
    pub came: bool,
    /// When it was sent last, ns.
    pub sent: Option<u64>,
    /// When it was written, ns.
    pub written: u64,
    /// The place of its entry in the log of its shard, and of its deletion's; 0: there is no log.
    places: (u64, u64),
}

/// The table of a shard for one that is published to.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its rows, in order.
    pub rows: VecDeque<Row>,
    /// A relay is at it: reading, waiting until messages have come, or deleting so many.
    pub busy: bool,
    /// How many of its rows are on their way.
    pub taken: usize,
    /// The frame of its clock.
    pub clock: Slot,
    /// The frame of what the relay does.
    pub working: Slot,
    written: u64,
    /// The version of the deletion under way, and its place in the log once it has one.
    deletes: (u64, u64),
    /// Where there is a log: rows that were deleted, which may come back with the loss of their deletions.
    gone: Vec<Row>,
}

impl Table {
    /// Somebody has said of all rows on their way that they came.
    pub fn all_came(&self) -> bool {
        self.rows.iter().take(self.taken).all(|row| row.came)
    }
}

/// What is published out of a store, and how.
#[derive(Clone, Debug)]
pub struct Outlet {
    /// The queue or topic.
    pub to: NodeId,
    /// How often a relay looks, ns.
    pub every: u64,
    /// How many rows it takes at once.
    pub batch: usize,
    /// Of each shard.
    pub tables: Vec<Table>,
}

/// What is known of the log of a shard.
#[derive(Clone, Copy, Debug)]
struct Led {
    leader: Leader,
    /// Up to which place its log is committed.
    committed: u64,
}

/// All outboxes of a store.
#[derive(Clone, Debug)]
pub struct Relays {
    /// By the names of those that are published to.
    pub outlets: Vec<Outlet>,
    /// Where what they do stands among what the store does unasked.
    pub first: usize,
    pub site: u64,
    posted: u64,
    measured: OutboxMeasured,
    from: u64,
    /// Replicas of each shard.
    each: u16,
    /// The operation of a deletion; none: it is no write like others.
    pub deletes: Option<u8>,
    /// Whatever a leader begins with is committed.
    inherits: bool,
    shards: Vec<Led>,
    /// By version: what is to be published with writes that have no place in a log yet.
    pending: BTreeMap<u64, (u16, Record)>,
}

impl Relays {
    /// Those of a store, if anything is written there with an outbox.
    pub fn new(
        store: NodeId,
        (shards, each): (usize, Option<u16>),
        (first, site): (usize, u64),
        names: &Names,
    ) -> Option<Self> {
        let empty = Table {
            rows: VecDeque::new(),
            busy: false,
            taken: 0,
            clock: NONE,
            working: NONE,
            written: 0,
            deletes: (0, 0),
            gone: Vec::new(),
        };
        let outlet = |(to, spec): (&str, &OutboxFields)| Outlet {
            to: names.node(to).expect("references were checked"),
            every: spec.period(),
            batch: spec.at_once() as usize,
            tables: vec![empty.clone(); shards],
        };
        let outlets: Vec<Outlet> = names.outboxes(store).into_iter().map(outlet).collect();
        let replication = names.kind(store).replication();
        let lost = each.map(|_| 0);
        let measured = OutboxMeasured { lost, ..OutboxMeasured::default() };
        let writes = |op: &Op| op.1.is_some_and(|verb| !matches!(verb, Verb::Read | Verb::Delete));
        let write = names.ops.iter().position(writes).map(|op| op as u8);
        // At first the first leads.
        let own = |shard: u16| match each {
            None => Led { leader: Leader::new(shard), committed: u64::MAX },
            Some(each) => Led { leader: Leader::new(shard * each), committed: 0 },
        };
        (!outlets.is_empty()).then_some(Self {
            outlets,
            first,
            site,
            posted: 0,
            measured,
            from: names.design.warm_up,
            each: each.unwrap_or(1),
            deletes: each.and(write),
            inherits: replication.is_some_and(|spec| spec.leader_follower.is_some()),
            shards: (0..shards as u16).map(own).collect(),
            pending: BTreeMap::new(),
        })
    }

    /// The shard of an instance.
    pub fn shard(&self, inst: u16) -> u16 {
        inst / self.each
    }

    /// Who relays the rows of a shard.
    pub fn leader(&self, shard: u16) -> Option<u16> {
        // Observers are of no shard.
        self.shards.get(usize::from(shard))?.leader.by
    }

    /// The identity for draws of the next thing it sends or does.
    pub fn next_id(&mut self) -> u64 {
        self.posted += 1;
        mix(self.site.rotate_left(31) ^ self.posted)
    }

    /// A row is written together with what the visit wrote.
    pub fn put(&mut self, (outlet, shard): (u16, u16), record: Record, now: u64) {
        let table = &mut self.outlets[usize::from(outlet)].tables[usize::from(shard)];
        table.written += 1;
        let number = table.written;
        let (came, sent, places) = (false, None, (0, 0));
        table.rows.push_back(Row { number, record, came, sent, written: now, places });
        self.measured.written += u64::from(now >= self.from);
    }

    /// The next rows are taken, if nobody is at those before; how many.
    pub fn take(&mut self, (outlet, shard): (u16, u16)) -> usize {
        let outlet = &mut self.outlets[usize::from(outlet)];
        let table = &mut outlet.tables[usize::from(shard)];
        let committed = self.shards[usize::from(shard)].committed;
        let visible = table.rows.iter().take_while(|row| row.places.0 <= committed);
        table.taken = visible.take(outlet.batch).count();
        table.taken
    }

    /// What of the rows that are taken has to be sent: nobody has said that it came, and it was not sent since then.
    pub fn due(
        &mut self,
        (outlet, shard): (u16, u16),
        since: u64,
        now: u64,
    ) -> Vec<(Handle, Record)> {
        let table = &mut self.outlets[usize::from(outlet)].tables[usize::from(shard)];
        let due = |row: &&mut Row| !row.came && row.sent.is_none_or(|sent| sent <= since);
        let send = |row: &mut Row| {
            let again = row.sent.replace(now).is_some();
            let (place, handout) = (row.number as u32, u32::from(outlet));
            let handle = Handle { place, handout, receives: again.into() };
            (handle, row.record.clone())
        };
        table.rows.iter_mut().take(table.taken).filter(due).map(send).collect()
    }

    /// A row did not come to where it was sent: it is due again.
    pub fn turned_away(&mut self, (outlet, shard): (u16, u16), place: u64) {
        let table = &mut self.outlets[usize::from(outlet)].tables[usize::from(shard)];
        let rows = table.rows.iter_mut().take(table.taken);
        rows.filter(|row| row.number == place).for_each(|row| row.sent = None);
    }

    /// A message has come: whether all that are on their way have.
    pub fn came(&mut self, shard: u16, handle: Handle) -> bool {
        let Some(outlet) = self.outlets.get_mut(handle.handout as usize) else { return false };
        let table = &mut outlet.tables[usize::from(shard)];
        let taken = table.taken;
        let row = table.rows.iter_mut().take(taken).find(|row| row.number as u32 == handle.place);
        let Some(row) = row.filter(|row| !row.came) else { return false };
        row.came = true;
        table.all_came()
    }

    /// The rows that were taken are deleted.
    pub fn delete(&mut self, (outlet, shard): (u16, u16)) {
        let table = &mut self.outlets[usize::from(outlet)].tables[usize::from(shard)];
        let place = std::mem::take(&mut table.deletes).1;
        for mut row in table.rows.drain(..table.taken) {
            self.measured.relayed += u64::from(row.written >= self.from);
            if row.places.0 > 0 {
                row.places.1 = place;
                table.gone.push(row);
            }
        }
        (table.taken, table.busy) = (0, false);
    }

    /// The process of a shard is gone: what its relays were at is as it was.
    pub fn forget(&mut self, shard: u16) {
        for outlet in &mut self.outlets {
            let table = &mut outlet.tables[usize::from(shard)];
            (table.taken, table.busy, table.deletes) = (0, false, (0, 0));
            (table.clock, table.working) = (NONE, NONE);
            table.rows.iter_mut().for_each(|row| (row.came, row.sent) = (false, None));
        }
    }

    // ---- shards with a log ---------------------------------------------------------------------

    /// A write has come that leaves a row if it becomes an entry.
    pub fn comes(&mut self, version: u64, outlet: u16, record: Record) {
        self.pending.insert(version, (outlet, record));
    }

    /// A write is over: if it left a row, that is put down.
    pub fn is_over(&mut self, version: u64) {
        self.pending.remove(&version);
    }

    /// A deletion of rows begins, of this version.
    pub fn begins_deleting(&mut self, (outlet, shard): (u16, u16), version: u64) {
        let table = &mut self.outlets[usize::from(outlet)].tables[usize::from(shard)];
        table.deletes = (version, 0);
    }

    /// A version has a place in the log of who takes the writes of a shard; whether it is of a deletion.
    pub fn accepted(&mut self, inst: u16, (version, place): (u64, u64), now: u64) -> bool {
        let shard = self.shard(inst);
        let row = self.pending.remove(&version);
        let leads = self.leader(shard) == Some(inst);
        if let Some((outlet, record)) = row.filter(|_| leads) {
            self.put((outlet, shard), record, now);
            let table = &mut self.outlets[usize::from(outlet)].tables[usize::from(shard)];
            if let Some(row) = table.rows.back_mut() {
                row.places.0 = place;
            }
        }
        let tables = self.outlets.iter_mut().map(|outlet| &mut outlet.tables[usize::from(shard)]);
        let deletes = tables.map(|table| &mut table.deletes).find(|deletes| deletes.0 == version);
        deletes.map(|deletes| deletes.1 = place).is_some()
    }

    /// The log of a shard is committed up to a place.
    pub fn committed(&mut self, inst: u16, place: u64) {
        let shard = self.shard(inst);
        if self.leader(shard) == Some(inst) {
            let committed = &mut self.shards[usize::from(shard)].committed;
            *committed = (*committed).max(place);
        }
    }

    /// An instance leads its shard no more.
    pub fn leads_no_more(&mut self, inst: u16) {
        let shard = usize::from(self.shard(inst));
        if let Some(led) = self.shards.get_mut(shard) {
            led.leader.leads_no_more(inst);
        }
    }

    /// An instance leads its shard from now on, with the entries up to this place: it has no rows of later ones, and knows of
    /// no later deletion. Whether it does.
    pub fn leads(&mut self, inst: u16, (term, upto): (u64, u64)) -> bool {
        let shard = self.shard(inst);
        let led = &mut self.shards[usize::from(shard)];
        if !led.leader.leads(inst, term) {
            return false;
        }
        // Who is elected has yet to find out what is committed.
        led.committed = if self.inherits { upto } else { 0 };
        let from = self.from;
        for outlet in 0..self.outlets.len() {
            let at = (outlet as u16, shard);
            let table = &self.outlets[outlet].tables[usize::from(shard)];
            if table.taken > 0 && (1..=upto).contains(&table.deletes.1) {
                self.delete(at);
            }
            let table = &mut self.outlets[outlet].tables[usize::from(shard)];
            let counts = |row: &Row| u64::from(row.written >= from);
            let lost: u64 = table.rows.iter().filter(|row| row.places.0 > upto).map(counts).sum();
            table.rows.retain(|row| row.places.0 <= upto);
            if let Some(all) = &mut self.measured.lost {
                *all += lost;
            }
            table.gone.retain(|row| row.places.0 <= upto);
            let back = |row: &Row| row.places.1 > upto;
            let (back, gone) =
                std::mem::take(&mut table.gone).into_iter().partition::<Vec<_>, _>(back);
            table.gone = gone;
            self.measured.relayed -= back.iter().map(counts).sum::<u64>();
            table.rows.extend(back);
            table.rows.make_contiguous().sort_by_key(|row| row.number);
        }
        self.forget(shard);
        true
    }

    /// What became of the rows that were written in the measured span.
    pub fn measured(&self) -> OutboxMeasured {
        let tables = self.outlets.iter().flat_map(|outlet| &outlet.tables);
        let rows = tables.flat_map(|table| &table.rows);
        let left = rows.filter(|row| row.written >= self.from).count() as u64;
        let gone = self.measured.relayed + self.measured.lost.unwrap_or(0);
        assert_eq!(self.measured.written, gone + left, "rows of an outbox add up");
        OutboxMeasured { left, ..self.measured }
    }
}

/// A step that writes with an outbox, and where.
type Leaves<'s> = (&'s Name, &'s OutboxFields);

fn leaves<'s>(steps: &'s [StepSpec], found: &mut Vec<Leaves<'s>>) {
    for step in steps {
        if let Some((to, outbox)) = step.outbox() {
            found.push((to, outbox));
        }
        step.inner().into_iter().for_each(|(_, inner)| leaves(inner, found));
    }
}

impl ServiceSpec {
    fn leaves(&self) -> Vec<Leaves<'_>> {
        let mut found = Vec::new();
        self.lists().for_each(|steps| leaves(steps, &mut found));
        found
    }
}

impl Names {
    /// What is published out of a store, and how, by the names of those that are published to.
    pub fn outboxes(&self, store: NodeId) -> BTreeMap<&str, &OutboxFields> {
        let nodes = self.design.nodes.values().chain(self.design.later());
        let services = nodes.filter_map(NodeSpec::steps);
        let own = services.flat_map(ServiceSpec::leaves).filter(|(to, _)| to.0 == self.name(store));
        own.map(|(_, outbox)| (outbox.to.0.as_str(), outbox)).collect()
    }
}
