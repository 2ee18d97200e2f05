//! How clients of a net ask: one thing after another, again elsewhere, until they give up.

use super::MS;
use super::{Event, Net};
use crate::history::{self, Outcome};
use crate::replication::{
    Act, Answer, Failure, Known, Once, Operation, Peer, Protocol, Ticket, group,
};

impl<P: Protocol> Net<P> {
    /// A client asks this of a process; it waits for nothing else.
    pub fn ask(&mut self, client: usize, at: Peer, act: Act, key: u64) {
        self.numbers += 1;
        let id = self.numbers;
        let act_ = match act {
            Act::Read => history::Act::Read,
            Act::Write(version) => history::Act::Write(version),
            Act::Delete(version) => history::Act::Delete(version),
        };
        let shard = (key % u64::from(self.settings.shards)) as u16;
        let operation = Operation::new(Ticket { slot: client as u32, id }, act, key, shard);
        let mut operation = self.naming(client, operation);
        if let Some(again) = self.settings.again.filter(|_| act != Act::Read) {
            operation.once = again.once.then_some(Once { stamp: self.now, further: false });
            self.at(again.after, Event::Late { client, id });
        }
        self.clients[client].attempts = (1, false);
        let op = self.history.invoke(key, act_, self.now);
        self.clients[client].waits = Some((operation, op, 0));
        self.began.insert(id, self.now);
        self.at(self.settings.timeout, Event::GivesUp { client, id });
        self.call(client, at, operation);
    }

    /// A client asks the same of the next replica, if it may; the last attempt may have been done.
    pub(super) fn tries_again(
        &mut self,
        client: usize,
        mut operation: Operation,
        doubt: bool,
    ) -> bool {
        let Some(again) = self.settings.again.filter(|_| operation.act != Act::Read) else {
            return false;
        };
        let own = &mut self.clients[client];
        own.attempts.1 |= doubt;
        let Some((_, op, _)) = own.waits.filter(|_| own.attempts.0 < again.most) else {
            return false;
        };
        own.attempts.0 += 1;
        own.asks = (own.asks + 1) % self.settings.replicas;
        let at = group(operation.shard, self.settings.replicas).start + own.asks;
        self.numbers += 1;
        let id = self.numbers;
        let began = self.began.remove(&operation.ticket.id).expect("it began");
        operation.ticket.id = id;
        self.began.insert(id, began);
        self.clients[client].waits = Some((operation, op, 0));
        self.at(again.after, Event::Late { client, id });
        self.at(self.settings.timeout, Event::GivesUp { client, id });
        self.call(client, at, operation);
        true
    }

    pub(super) fn told(
        &mut self,
        (from, life): (Peer, u64),
        client: usize,
        (leader, epoch): (Peer, u64),
    ) {
        let place = self.processes.len() + client;
        if self.processes[usize::from(from)].life != life {
        } else if self.cuts.contains(&(usize::from(from), place)) {
            self.at(1_000 * MS, Event::Tell { from, life, client, leader, epoch });
        } else if self.clients[client].epoch < epoch {
            self.clients[client].epoch = epoch;
            self.clients[client].asks = leader % self.settings.replicas;
        }
    }

    pub(super) fn replied(
        &mut self,
        client: usize,
        id: u64,
        answer: Result<(Answer, Known), bool>,
    ) {
        let Some((operation, op, hops)) = self.clients[client].waits else { return };
        if operation.ticket.id != id {
            return;
        }
        let outcome = match answer.map(|(answer, _)| answer) {
            Ok(Answer::Elsewhere(to)) if hops < 4 => {
                self.clients[client].waits = Some((operation, op, hops + 1));
                self.clients[client].asks = to % self.settings.replicas;
                return self.call(client, to, operation);
            }
            Ok(Answer::Read(version)) => Outcome::Read(version),
            Ok(Answer::Written) => Outcome::Written,
            Ok(Answer::Elsewhere(_) | Answer::Failed(Failure::NoLeader | Failure::Behind))
            | Err(false) => Outcome::Failed,
            Ok(Answer::Failed(_)) | Err(true) => Outcome::Unknown,
        };
        self.end((client, id), outcome, answer.ok());
    }

    /// An operation ends, if its client still waits for it.
    pub(super) fn end(
        &mut self,
        (client, id): (usize, u64),
        outcome: Outcome,
        answer: Option<(Answer, Known)>,
    ) {
        let Some((operation, op, _)) = self.clients[client].waits else { return };
        if operation.ticket.id != id {
            return;
        }
        let well = matches!(outcome, Outcome::Read(_) | Outcome::Written);
        if !well && self.tries_again(client, operation, outcome == Outcome::Unknown) {
            return;
        }
        let outcome = match outcome {
            Outcome::Failed if self.clients[client].attempts.1 => Outcome::Unknown,
            other => other,
        };
        self.clients[client].waits = None;
        let began = self.began.remove(&id).expect("it began");
        let known = answer.map_or_else(Known::default, |(_, known)| known);
        self.ended.push((self.now, client, operation, began, answer.map(|(answer, _)| answer)));
        self.learn(client, &operation, known);
        let read = operation.act == Act::Read;
        if !(well || read && self.settings.sessions.is_some()) {
            let asks = &mut self.clients[client].asks;
            *asks = (*asks + 1) % self.settings.replicas;
        }
        let outcome = if read && outcome == Outcome::Unknown { Outcome::Failed } else { outcome };
        self.history.done(op, outcome, self.now);
        self.rest(client);
    }

    pub(super) fn rest(&mut self, client: usize) {
        let after = self.draw.below(self.settings.think + 1);
        self.at(after, Event::Next { client });
    }

    pub(super) fn next(&mut self, client: usize) {
        if !self.busy || self.clients[client].waits.is_some() {
            return;
        }
        let key = self.draw.below(self.settings.keys);
        let write = self.chance(self.clients[client].writes);
        let delete = write && self.chance(self.settings.deletes);
        let act = match (write, delete) {
            (false, _) => Act::Read,
            (true, false) => Act::Write(self.numbers + 1),
            (true, true) => Act::Delete(self.numbers + 1),
        };
        let shard = (key % u64::from(self.settings.shards)) as u16;
        let asks = if self.roams(client, write) {
            self.draw.below(u64::from(self.settings.replicas)) as u16
        } else {
            self.clients[client].asks
        };
        let at = group(shard, self.settings.replicas).start + asks;
        self.ask(client, at, act, key);
    }
}
