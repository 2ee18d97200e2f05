//! Clients of a [`Net`] as sessions, and what may be said of them.
//!
//! **Invariant.** What a session knows only grows.

use std::collections::BTreeMap;

use super::net::Net;
use crate::history::{self, Place, Seen, Violations};
use crate::replication::{Act, Answer, Known, Note, Operation, Protocol};

/// How clients are sessions.
#[derive(Clone, Copy, Debug)]
pub struct Sessions {
    /// They say what they know.
    pub tokens: bool,
    /// They know it of each key, and write where they like, too; otherwise of each shard.
    pub by_key: bool,
}

/// What a client does besides, by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session {
    /// Its operations name what they have to find: all that it knows.
    pub since: bool,
    /// Its writes name what they write over: the same.
    pub context: bool,
    /// It asks any replica, at random.
    pub roams: bool,
}

impl<P: Protocol> Net<P> {
    /// Of what a client's knowledge of this is.
    fn scope(&self, operation: &Operation) -> u64 {
        let by_key = self.settings.sessions.is_none_or(|sessions| sessions.by_key);
        if by_key { operation.key } else { operation.shard.into() }
    }

    /// What a client knows that bears on this.
    pub fn knows(&self, client: usize, operation: &Operation) -> Known {
        self.clients[client].knows.get(&self.scope(operation)).copied().unwrap_or_default()
    }

    /// A client's operation names what it is to.
    pub(super) fn naming(&self, client: usize, mut operation: Operation) -> Operation {
        let (known, own) = (self.knows(client, &operation), self.clients[client].session);
        if own.since || self.settings.sessions.is_some_and(|sessions| sessions.tokens) {
            operation.since = known;
        }
        if own.context && operation.act != Act::Read {
            operation.context = known.dots;
        }
        operation
    }

    /// A client was told this.
    pub(super) fn learn(&mut self, client: usize, operation: &Operation, known: Known) {
        let (knew, scope) = (self.knows(client, operation), self.scope(operation));
        self.clients[client].knows.insert(scope, knew.join(known));
        self.known.push((knew, known));
    }

    /// Whether a client asks any replica.
    pub(super) fn roams(&self, client: usize, write: bool) -> bool {
        self.clients[client].session.roams
            || self.settings.sessions.is_some_and(|sessions| sessions.by_key || !write)
    }

    /// What clients did: the operation, the answer, what its client knew, what the answer is of.
    pub fn answers(&self) -> impl Iterator<Item = (usize, Operation, Answer, u64, u64)> + '_ {
        self.ended.iter().zip(&self.known).filter_map(|(ended, (knew, known))| {
            let (_, client, operation, _, answer) = *ended;
            Some((client, operation, answer?, knew.order, known.order))
        })
    }

    /// Where each version stands.
    pub fn places(&self) -> BTreeMap<u64, u64> {
        let place = |(_, _, note): &(u64, u16, Note)| match *note {
            Note::Accepted { version, order, .. } => Some((version, order)),
            _ => None,
        };
        self.notes.iter().filter_map(place).chain([(0, 0)]).collect()
    }

    /// What sessions broke, by operations on versions that have a place in this view.
    pub fn violations(&self, view: impl Fn(Place) -> Option<Place>) -> Violations {
        let places = self.places();
        let (mut sessions, mut broken) = (history::Sessions::default(), Violations::default());
        for (n, (client, operation, answer, ..)) in (0..).zip(self.answers()) {
            let (wrote, version) = match (answer, operation.act) {
                (Answer::Read(version), _) => (false, version),
                (Answer::Written, Act::Write(version) | Act::Delete(version)) => (true, version),
                _ => continue,
            };
            let place = view(Place { order: places[&version], version });
            // A client does one thing after another.
            let (key, invoked, returned) = (operation.key, 2 * n, 2 * n + 1);
            if let Some(place) = place {
                let seen = Seen { key, wrote, place, invoked, returned };
                broken.add(sessions.observe(client as u32, &[seen]));
            }
        }
        broken
    }
}

/// All of them.
pub fn sum(violations: Violations) -> u64 {
    let Violations { read_your_writes, monotonic_reads, monotonic_writes, writes_follow_reads } =
        violations;
    read_your_writes + monotonic_reads + monotonic_writes + writes_follow_reads
}
