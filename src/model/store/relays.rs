//! Messages that a store keeps beside its data until they are published: the tables of outboxes, shard by shard.
//!
//! **Invariant.** Written = deleted + held; a row is deleted only after somebody has said that its message came.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    engine::random::mix,
    model::{
        ids::{NONE, NodeId, Slot},
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
    written: u64,
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
}

impl Relays {
    /// Those of a store, if anything is written there with an outbox.
    pub fn new(
        store: NodeId,
        shards: usize,
        (first, site): (usize, u64),
        names: &Names,
    ) -> Option<Self> {
        let empty = Table { rows: VecDeque::new(), busy: false, taken: 0, clock: NONE, written: 0 };
        let outlet = |(to, spec): (&str, &OutboxFields)| Outlet {
            to: names.node(to).expect("references were checked"),
            every: spec.period(),
            batch: spec.at_once() as usize,
            tables: vec![empty.clone(); shards],
        };
        let outlets: Vec<Outlet> = names.outboxes(store).into_iter().map(outlet).collect();
        let measured = OutboxMeasured::default();
        let from = names.design.warm_up;
        (!outlets.is_empty()).then_some(Self { outlets, first, site, posted: 0, measured, from })
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
        table.rows.push_back(Row { number, record, came: false, sent: None, written: now });
        self.measured.written += u64::from(now >= self.from);
    }

    /// The next rows are taken, if nobody is at those before; how many.
    pub fn take(&mut self, (outlet, shard): (u16, u16)) -> usize {
        let outlet = &mut self.outlets[usize::from(outlet)];
        let table = &mut outlet.tables[usize::from(shard)];
        table.taken = table.rows.len().min(outlet.batch);
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
        table.rows.iter().take(taken).all(|row| row.came)
    }

    /// The rows that were taken are deleted.
    pub fn delete(&mut self, (outlet, shard): (u16, u16)) {
        let table = &mut self.outlets[usize::from(outlet)].tables[usize::from(shard)];
        let gone = table.rows.drain(..table.taken);
        let from = self.from;
        self.measured.relayed += gone.filter(|row| row.written >= from).count() as u64;
        (table.taken, table.busy) = (0, false);
    }

    /// The process of a shard is gone: what its relays were at is as it was.
    pub fn forget(&mut self, shard: u16) {
        for outlet in &mut self.outlets {
            let table = &mut outlet.tables[usize::from(shard)];
            (table.taken, table.busy, table.clock) = (0, false, NONE);
            table.rows.iter_mut().for_each(|row| (row.came, row.sent) = (false, None));
        }
    }

    /// What became of the rows that were written in the measured span.
    pub fn measured(&self) -> OutboxMeasured {
        let tables = self.outlets.iter().flat_map(|outlet| &outlet.tables);
        let rows = tables.flat_map(|table| &table.rows);
        let left = rows.filter(|row| row.written >= self.from).count() as u64;
        assert_eq!(self.measured.written, self.measured.relayed + left, "rows of an outbox add up");
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
