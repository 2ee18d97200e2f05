//! A replica that leads: it adds entries, sends them, hears who has them, and commits them (Ongaro and Ousterhout 2014,
//! 5.3 and 5.4; check quorum: Ongaro 2014, 6.2).
//!
//! While a follower keeps up, each entry goes to it in a message of its own at once. One that was silent for long, or
//! refused, is only sent heartbeats until it says how far it is; then it gets what it lacks in batches.
//!
//! **Invariant.** It commits what a majority has, if the last of it is of its own term.

use std::collections::VecDeque;

use super::config::HEARTBEAT;
use super::message::{Append, Entry, Message, Snapshot, TORN};
use super::roles::{Follower, Lead, Waiting};
use super::state::{Raft, wrap};
use crate::replication::contract::{Context, Effect};
use crate::replication::words::{Answer, Failure, Known, Note, Operation, Peer, index_of, place};

/// Entries in one message at most.
const BATCH: usize = 512;
/// Entries that are under way to a follower at most.
const WINDOW: u64 = 8_192;
/// Entries that are kept for a follower that is behind; then it gets a snapshot.
const KEPT: u64 = 1 << 18;
/// A snapshot is sent again after so many least election time-outs at the earliest, then after twice as long, and so on:
/// it may be large and still under way.
const AGAIN: u64 = 10;

/// Rounds whose time is kept: if more are not answered, a lease ends the sooner.
const ROUNDS: usize = 1_024;

/// The largest of these that `need` of them reach.
fn reached(values: &(impl Iterator<Item = u64> + Clone), need: usize) -> u64 {
    let by = |least: u64| values.clone().filter(|value| *value >= least).count();
    values.clone().filter(|value| by(*value) >= need).max().unwrap_or(0)
}

impl Raft {
    /// It leads from now on.
    pub(super) fn lead(&mut self, cx: &mut Context<'_>) {
        let (last, last_term) = (self.log.last(), self.log.last_term());
        cx.note(Note::Leads { term: self.term, began_with: place(last_term, last) });
        (self.votes, self.leader, self.led) = (None, Some(self.me), self.term);
        self.rebuilds = false;
        let follower = |peer| Follower {
            peer,
            has: 0,
            next: last + 1,
            lost: last > 0,
            since: cx.now,
            heard: cx.now,
            round: 0,
            snapshot: None,
        };
        self.lead = Some(Box::new(Lead {
            from: last,
            followers: self.others().map(follower).collect(),
            pending: VecDeque::new(),
            round: 0,
            sent: VecDeque::new(),
            confirmed: 0,
            reads: Waiting::default(),
            news: true,
        }));
        if last > 0 || self.term > 1 {
            self.propose(Entry { term: self.term, key: 0, version: 0 });
        }
        cx.act(Effect::Arm(HEARTBEAT, self.config.heartbeat));
        self.beat(cx);
    }

    /// Adds an entry.
    fn propose(&mut self, entry: Entry) {
        self.add(&[entry]);
        if let Some(lead) = &mut self.lead {
            lead.news = true;
            if entry.is_empty() {
                lead.from = self.log.last();
            }
        }
    }

    /// The work of a write is done: it takes its place, unless it has one.
    pub(super) fn write(&mut self, operation: &Operation, version: u64, cx: &mut Context<'_>) {
        let Operation { ticket, key, .. } = *operation;
        let last = self.log.last();
        let looks = operation.expects.is_some();
        if looks && self.repairs.find(&self.data, (key, ticket), cx) {
            return;
        }
        let done = operation.once.and_then(|_| self.done(version));
        let refuses = cx.refuses((operation.expects, version), || self.newest(key));
        let Some(lead) = self.lead.as_mut().filter(|_| last < self.commit + KEPT) else {
            return self.elsewhere(ticket, cx);
        };
        if let Some(place) = done {
            let at = lead.pending.partition_point(|(other, _)| *other <= place);
            lead.pending.insert(at, (place, ticket));
            return self.acknowledge(cx);
        }
        if let Some(failure) = refuses {
            return cx.answer(ticket, Answer::Failed(failure));
        }
        let at = place(self.term, last + 1);
        lead.pending.push_back((at, ticket));
        self.propose(Entry { term: self.term, key, version });
        cx.note(Note::Accepted { key, version, order: at });
        for number in 0..usize::from(self.config.replicas) - 1 {
            self.supply(number, cx);
        }
    }

    /// Sends a follower that keeps up what it lacks.
    fn supply(&mut self, number: usize, cx: &mut Context<'_>) {
        let last = self.log.last();
        while let Some(lead) = &mut self.lead
            && let follower = &mut lead.followers[number]
            && !follower.lost
            && follower.next <= last
            && follower.next <= follower.has + WINDOW
        {
            let prev = follower.next - 1;
            if prev < self.log.base() {
                follower.lost = true;
                return self.send_all(number, cx);
            }
            let most = (follower.has + WINDOW - prev).min(BATCH as u64) as usize;
            if prev == follower.has {
                follower.since = cx.now;
            }
            let entries = self.log.after(prev, most);
            follower.next += entries.len() as u64;
            let to = follower.peer;
            self.send_append(to, (prev, 0, false), entries, cx);
        }
    }

    fn send_append(
        &self,
        to: Peer,
        (prev, round, probe): (u64, u64, bool),
        entries: Vec<Entry>,
        cx: &mut Context<'_>,
    ) {
        let prev_term = self.log.term(prev).expect("only what is in the log is sent");
        let (term, commit, all) = (self.term, self.commit, self.log.base());
        let append = Append { term, prev, prev_term, commit, all, round, probe, entries };
        cx.send(to, wrap(Message::Append(Box::new(append))));
    }

    /// Sends a follower all that is held here, unless that is under way.
    fn send_all(&mut self, number: usize, cx: &mut Context<'_>) {
        let index = self.applied;
        let Some(lead) = &mut self.lead else { return };
        let follower = &mut lead.followers[number];
        let time = match follower.snapshot {
            Some((at, time)) if cx.now < at + time => return,
            Some((_, time)) => 2 * time,
            None => AGAIN * self.config.election_min,
        };
        follower.snapshot = Some((cx.now, time));
        let index_term = self.log.term(index).expect("what is applied last is known");
        let (items, done) = (self.data.all(), self.data.all_done());
        let (term, begins) = (self.term, self.begins.clone());
        let snapshot = Snapshot { term, index, index_term, items, done, begins };
        let to = follower.peer;
        cx.send(to, wrap(Message::Snapshot(Box::new(snapshot))));
    }

    /// A round of heartbeats. One that is lost is asked how far it is, by the first entry it may lack.
    pub(super) fn beat(&mut self, cx: &mut Context<'_>) {
        let Some(lead) = &mut self.lead else { return };
        lead.round += 1;
        if lead.sent.len() < ROUNDS {
            lead.sent.push_back((lead.round, cx.now));
        }
        let (round, base, last) = (lead.round, self.log.base(), self.log.last());
        for number in 0..lead.followers.len() {
            let Some(lead) = &self.lead else { return };
            let Follower { peer, has, next, lost, .. } = lead.followers[number];
            let prev = if lost { next - 1 } else { has }.clamp(base, last);
            let fresh = lost && prev + 1 == last && prev + 1 == lead.from;
            let entries = if fresh { self.log.after(prev, 1) } else { Vec::new() };
            self.send_append(peer, (prev, round, lost), entries, cx);
        }
        self.confirm();
    }

    /// The heartbeat's timer fired.
    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        let Some(lead) = &mut self.lead else { return };
        let least = self.config.election_min;
        let last = self.log.last();
        let mut heard = 1;
        for follower in &mut lead.followers {
            heard += usize::from(cx.now < follower.heard + least);
            if follower.has >= last {
                follower.since = cx.now;
            } else if !follower.lost
                && follower.next > follower.has + 1
                && cx.now >= follower.since + least
            {
                (follower.lost, follower.next) = (true, follower.has + 1);
            }
        }
        let all = lead.followers.iter().map(|follower| follower.has).min().unwrap_or(last);
        if self.config.check_quorum && heard < self.majority() {
            return self.follow(self.term, None, None, cx);
        }
        self.forget(all.max(last.saturating_sub(KEPT)));
        self.give_up_old_reads(cx);
        cx.act(Effect::Arm(HEARTBEAT, self.config.heartbeat));
        self.beat(cx);
    }

    /// A follower answers in this term: whether its log agrees, up to where, to which round.
    pub(super) fn answered(
        &mut self,
        from: Peer,
        (agrees, index, round): (bool, u64, u64),
        cx: &mut Context<'_>,
    ) {
        let last = self.log.last();
        let Some(lead) = &mut self.lead else { return };
        let Some(number) = lead.followers.iter().position(|follower| follower.peer == from) else {
            return;
        };
        let follower = &mut lead.followers[number];
        follower.heard = cx.now;
        let news = round > follower.round;
        follower.round = follower.round.max(round);
        if agrees {
            let index = index.min(last);
            if index > follower.has {
                (follower.has, follower.since) = (index, cx.now);
                lead.news = true;
            }
            let next = follower.has + 1;
            follower.next = if follower.lost { next } else { follower.next.max(next) };
            (follower.lost, follower.snapshot) = (false, None);
            self.supply(number, cx);
        } else if !follower.lost {
            // It may have lost what it had, or this is an old answer: it is asked.
            if index < follower.has || index == TORN {
                (follower.lost, follower.next) = (true, follower.has + 1);
                let prev = follower.has.max(self.log.base());
                self.send_append(from, (prev, 0, true), Vec::new(), cx);
            }
        } else if index == TORN || index < self.log.base() {
            follower.has = 0;
            self.send_all(number, cx);
        } else {
            let prev = index.min(last);
            (follower.has, follower.next) = (follower.has.min(prev), prev + 1);
            let entries = self.log.after(prev, BATCH);
            self.send_append(from, (prev, 0, true), entries, cx);
        }
        if news {
            self.confirm();
        }
    }

    /// More rounds may be answered by a majority.
    fn confirm(&mut self) {
        let need = self.majority();
        let Some(lead) = &mut self.lead else { return };
        let rounds = lead.followers.iter().map(|follower| follower.round);
        lead.confirmed = reached(&rounds.chain([lead.round]), need);
        while let Some((next, _)) = lead.sent.get(1)
            && *next <= lead.confirmed
        {
            lead.sent.pop_front();
        }
    }

    /// A follower is down, as its host says.
    pub(super) fn refused(&mut self, by: Peer) {
        let followers = self.lead.iter_mut().flat_map(|lead| &mut lead.followers);
        for follower in followers.filter(|follower| follower.peer == by) {
            (follower.lost, follower.next) = (true, follower.has + 1);
            follower.snapshot = None;
        }
    }

    /// Commits what a majority has.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) {
        let (need, stable) = (self.majority(), self.stable());
        let Some(lead) = &mut self.lead else { return };
        let has = lead.followers.iter().map(|follower| follower.has);
        if !std::mem::take(&mut lead.news) {
            return;
        }
        lead.news = stable < self.log.last();
        let index = reached(&has.chain([stable]), need);
        if index > self.commit && self.log.term(index) == Some(self.term) {
            self.commit = index;
            cx.note(Note::Committed { order: place(self.term, index) });
        }
    }

    /// Answers the writes that are done.
    pub(super) fn acknowledge(&mut self, cx: &mut Context<'_>) {
        let Some(lead) = &mut self.lead else { return };
        while let Some((place, ticket)) = lead.pending.front()
            && index_of(*place) <= self.applied
        {
            cx.answer_of(*ticket, Answer::Written, Known::upto(*place));
            lead.pending.pop_front();
        }
    }

    /// It leads no more: nobody here can tell what becomes of the writes that wait.
    pub(super) fn give_up(&mut self, lead: Lead, cx: &mut Context<'_>) {
        cx.act(Effect::Disarm(HEARTBEAT));
        for (_, ticket) in lead.pending {
            cx.answer(ticket, Answer::Failed(Failure::LeadershipLost));
        }
        self.send_reads_elsewhere(lead.reads, cx);
    }
}
