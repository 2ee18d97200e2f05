//! What a step says of itself: what it calls, which caches it asks, which lists of steps are within.

use super::{
    BranchSpec, ReadFields, Shards, StepSpec, Tiers, WriteFields, WriteMode, outbox::OutboxFields,
    parts::LockSpec,
};
use crate::{
    engine::law::SizeFormula,
    model::{
        kind::{Op, Verb},
        replication::AnsweredSpec,
    },
    units::Name,
};

/// What a step is done for in parallel, instead of for one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// So many keys.
    Keys(u64),
    /// Every shard.
    Shards,
}

impl StepSpec {
    /// What it is done for in parallel, if not for one key.
    pub fn spread(&self) -> Option<Spread> {
        if let Some(read) = &self.read {
            let shards = read.0.shards.map(|Shards::All| Spread::Shards);
            return shards.or(read.0.count.map(|n| Spread::Keys(n.0)));
        }
        let writes = [&self.write, &self.delete, &self.cas, &self.increment];
        Some(Spread::Keys(writes.into_iter().flatten().next()?.0.count?.0))
    }

    /// The part of its keys or shards that must answer.
    pub fn need(&self) -> f64 {
        self.read.as_ref().and_then(|read| read.0.need).map_or(1.0, |need| need.0)
    }

    /// Target, operation, key and size of a step that calls something; the operation `None` is the
    /// caller's.
    #[allow(clippy::type_complexity, reason = "a call in four parts, read in one place")]
    pub fn target(&self) -> Option<(String, Option<Op>, Option<&Name>, Option<&SizeFormula>)> {
        if let Some(call) = &self.call {
            let c = &call.0;
            let op = c.operation.as_ref().map(|o| (o.0.clone(), None));
            return Some((c.to.0.clone(), op, c.key.as_ref(), c.size.as_ref()));
        }
        if let Some(publish) = &self.publish {
            let p = &publish.0;
            let op = p.operation.as_ref().map(|o| (o.0.clone(), None));
            return Some((p.to.0.clone(), op, p.key.as_ref(), p.size.as_ref()));
        }
        if let Some(read) = &self.read {
            let ReadFields { from, key, .. } = &read.0;
            let op = (Verb::Read.name().to_owned(), Some(Verb::Read));
            return Some((from.0.clone(), Some(op), key.as_ref(), None));
        }
        let writes = [
            (&self.write, Verb::Write),
            (&self.delete, Verb::Delete),
            (&self.cas, Verb::Cas),
            (&self.increment, Verb::Increment),
        ];
        writes.into_iter().find_map(|(write, verb)| {
            let WriteFields { to, key, size, .. } = &write.as_ref()?.0;
            let op = (verb.name().to_owned(), Some(verb));
            Some((to.0.clone(), Some(op), key.as_ref(), size.as_ref()))
        })
    }

    /// The store a step writes to, and what it leaves there to be published.
    pub fn outbox(&self) -> Option<(&Name, &OutboxFields)> {
        let writes = [&self.write, &self.delete, &self.cas, &self.increment];
        let write = &writes.into_iter().flatten().next()?.0;
        Some((&write.to, &write.outbox.as_ref()?.0))
    }

    /// How what it reads or writes is answered, where that is not as its store says.
    pub fn answered(&self) -> AnsweredSpec {
        let read = self.read.as_ref().map(|read| &read.0);
        let writes = [&self.write, &self.delete, &self.cas, &self.increment];
        let write = writes.into_iter().flatten().next().map(|write| &write.0);
        AnsweredSpec {
            reads: read.and_then(|read| read.reads),
            quorum: read.and_then(|read| read.quorum).or_else(|| write?.quorum),
        }
    }

    /// The caches of a read or write, and what a write means for them (`None`: a read).
    pub fn caching(&self) -> Option<(&Tiers, Option<WriteMode>)> {
        if let Some(read) = &self.read {
            return Some((read.0.cache.as_ref()?, None));
        }
        let writes = [&self.write, &self.delete, &self.cas, &self.increment];
        let write = &writes.into_iter().flatten().next()?.0;
        Some((write.cache.as_ref()?, Some(write.mode.unwrap_or_default())))
    }

    /// What such a step asks each of its caches for.
    pub fn cache_verbs(&self) -> Vec<(&Name, Verb)> {
        let Some((tiers, mode)) = self.caching() else { return Vec::new() };
        let verbs: &[Verb] = match mode {
            None => &[Verb::Lookup, Verb::Fill, Verb::Release, Verb::Deny],
            Some(WriteMode::Invalidate) => &[Verb::Invalidate],
            Some(WriteMode::Update) => &[Verb::Fill],
            Some(WriteMode::Around) => &[],
            Some(WriteMode::Through) => &[Verb::Write],
            Some(WriteMode::Behind) => &[Verb::WriteBehind],
        };
        tiers.0.iter().flat_map(|t| verbs.iter().map(move |v| (t, *v))).collect()
    }

    /// A lock that is kept in a store, and that store.
    pub fn leased_lock(&self) -> Option<(&Name, &LockSpec)> {
        let lock = self.lock.as_ref()?;
        Some((lock.in_.as_ref()?, lock))
    }

    /// The store that knows how far a saga is, and how many parts that has.
    pub fn logged_saga(&self) -> Option<(&Name, usize)> {
        let saga = self.saga.as_ref()?;
        Some((saga.log.as_ref()?, saga.parts.len()))
    }

    /// The lists of steps within, with their paths.
    pub fn inner(&self) -> Vec<(String, &[StepSpec])> {
        let mut inner: Vec<(String, &[StepSpec])> = Vec::new();
        let branches = |verb: &str, list: &'_ Option<Vec<BranchSpec>>| -> Vec<String> {
            (0..list.as_ref().map_or(0, Vec::len)).map(|i| format!(".{verb}[{i}]")).collect()
        };
        for (verb, list) in [("all", &self.all), ("race", &self.race)] {
            let paths = branches(verb, list);
            inner.extend(paths.into_iter().zip(list.iter().flatten().map(|b| b.0.as_slice())));
        }
        if let Some(any) = &self.any {
            inner.extend(
                any.of.iter().enumerate().map(|(i, b)| (format!(".any.of[{i}]"), b.0.as_slice())),
            );
        }
        for (i, choice) in self.choose.iter().flatten().enumerate() {
            inner.push((format!(".choose[{i}].do"), &choice.do_));
        }
        if let Some(repeat) = &self.repeat {
            inner.push((".repeat.do".to_owned(), &repeat.do_));
        }
        if let Some(lock) = &self.lock {
            inner.push((".lock.do".to_owned(), &lock.do_));
        }
        if let Some(hold) = &self.hold {
            inner.push((".hold.do".to_owned(), &hold.do_));
        }
        if let Some(transaction) = &self.transaction {
            inner.push((".transaction.do".to_owned(), &transaction.do_));
        }
        if let Some(saga) = &self.saga {
            let list = if saga.log.is_some() { ".saga.steps" } else { ".saga" };
            for (i, part) in saga.parts.iter().enumerate() {
                inner.push((format!("{list}[{i}].do"), &part.do_));
                inner.push((format!("{list}[{i}].undo"), &part.undo));
            }
        }
        inner
    }
}
