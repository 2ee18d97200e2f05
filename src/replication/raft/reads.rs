//! Reads by the leader: at its word, by a lease, or after a round of heartbeats (Ongaro 2014, 6.4).
//!
//! **Invariant.** Unless configured otherwise, a read is answered by who was certainly the leader after the read came,
//! with all that was committed when it came.

use super::config::Reads;
use super::roles::{Read, Waiting};
use super::state::Raft;
use crate::replication::contract::{Context, Effect};
use crate::replication::words::{Answer, Failure, Operation, Phase, Ticket};

/// A read that waits for so long has failed, ns.
const PATIENCE: u64 = 2_000_000_000;

impl Raft {
    /// A read is that far.
    pub(super) fn read(&mut self, operation: Operation, phase: Phase, cx: &mut Context<'_>) {
        let Operation { ticket, key, .. } = operation;
        let worked = phase == Phase::Worked;
        let leads = self.lead.is_some();
        match self.config.reads {
            Reads::Follower if self.rebuilds => {
                cx.answer(ticket, Answer::Failed(Failure::NoLeader));
            }
            Reads::Leader if !leads && !worked => self.elsewhere(ticket, cx),
            Reads::Follower | Reads::Leader => self.serve(ticket, key, worked, cx),
            // Whoever led when it was let go on has all it may return.
            Reads::ReadIndex if worked => self.serve(ticket, key, worked, cx),
            Reads::Lease | Reads::ReadIndex => self.wait(ticket, key, worked, cx),
        }
    }

    /// Lets a read go on to its work, or answers it.
    fn serve(&self, ticket: Ticket, key: u64, worked: bool, cx: &mut Context<'_>) {
        if worked {
            cx.answer(ticket, Answer::Read(self.data.get(key).version));
        } else {
            cx.act(Effect::GoOn(ticket));
        }
    }

    /// Its lease is good: nobody else can lead now, as far as clocks go right.
    fn has_lease(&self, now: u64) -> bool {
        let sent = self.lead.as_ref().and_then(|lead| lead.sent());
        let lasts = self.config.election_min as f64 * (1.0 - 2.0 * self.config.max_drift);
        self.config.reads == Reads::Lease && sent.is_some_and(|sent| now < sent + lasts as u64)
    }

    /// Has a read wait until it may be served, if it has to.
    fn wait(&mut self, ticket: Ticket, key: u64, worked: bool, cx: &mut Context<'_>) {
        let leased = self.has_lease(cx.now);
        let (commit, applied, now) = (self.commit, self.applied, cx.now);
        let Some(lead) = &mut self.lead else {
            return self.elsewhere(ticket, cx);
        };
        let index = commit.max(lead.from);
        let mut round = lead.reads.reads.back().map_or(0, |read| read.round);
        let mut begins = false;
        if leased {
            if applied >= index && lead.reads.reads.is_empty() {
                return self.serve(ticket, key, worked, cx);
            }
        } else {
            // A round that runs began before this read came, so the read waits for the next one.
            begins = lead.confirmed >= lead.reads.round;
            round = lead.round + 1;
        }
        lead.reads.reads.push_back(Read { ticket, key, round, index, since: now, worked });
        if begins {
            self.begin_round(cx);
        }
    }

    fn begin_round(&mut self, cx: &mut Context<'_>) {
        if let Some(lead) = &mut self.lead {
            lead.reads.round = lead.round + 1;
        }
        self.beat(cx);
    }

    /// Serves the reads that need wait no more; begins a round if others need one.
    pub(super) fn serve_waiting(&mut self, cx: &mut Context<'_>) {
        while let Some(lead) = &mut self.lead
            && let Some(read) = lead.reads.reads.front()
            && read.round <= lead.confirmed
            && read.index <= self.applied
        {
            let Read { ticket, key, worked, .. } = *read;
            lead.reads.reads.pop_front();
            self.serve(ticket, key, worked, cx);
        }
        if let Some(lead) = &self.lead
            && lead.confirmed >= lead.reads.round
            && lead.reads.reads.back().is_some_and(|read| read.round > lead.round)
        {
            self.begin_round(cx);
        }
    }

    /// Reads that have waited for too long fail.
    pub(super) fn give_up_old_reads(&mut self, cx: &mut Context<'_>) {
        while let Some(lead) = &mut self.lead
            && let Some(read) = lead.reads.reads.front()
            && read.since + PATIENCE <= cx.now
        {
            cx.answer(read.ticket, Answer::Failed(Failure::NoLeader));
            lead.reads.reads.pop_front();
        }
    }

    /// It leads no more: reads are asked of whoever does.
    pub(super) fn send_reads_elsewhere(&self, waiting: Waiting, cx: &mut Context<'_>) {
        for read in waiting.reads {
            self.elsewhere(read.ticket, cx);
        }
    }
}
