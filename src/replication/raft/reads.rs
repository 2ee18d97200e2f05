//! Reads by the leader: at its word, by a lease, or after a round of heartbeats (Ongaro 2014, 6.4).
//!
//! **Invariant.** Unless configured otherwise, a read is answered by who was certainly the leader after the read came,
//! with all that was committed when it came.

use super::config::Reads;
use super::roles::{Read, Waiting, Waits};
use super::state::Raft;
use crate::replication::contract::{Context, Effect};
use crate::replication::words::{Answer, Failure, Known, Level, Operation, Phase, place, term_of};

/// A read that waits for so long has failed, ns.
const PATIENCE: u64 = 2_000_000_000;

impl Raft {
    /// A read is that far.
    pub(super) fn read(&mut self, operation: &Operation, phase: Phase, cx: &mut Context<'_>) {
        let Operation { ticket, key, since, .. } = *operation;
        let worked = phase == Phase::Worked;
        let read = Read { ticket, key, finds: since.order, worked };
        let leads = self.lead.is_some();
        let reads = match operation.level {
            Level::Leader => Reads::Leader,
            Level::Confirmed => Reads::ReadIndex,
            Level::Leased => Reads::Lease,
            Level::Anybody => Reads::Follower,
            Level::Usual | Level::Count(_) => self.config.reads,
        };
        match reads {
            Reads::Follower if self.rebuilds => {
                cx.answer(ticket, Answer::Failed(Failure::NoLeader));
            }
            Reads::Leader if !leads && !worked => self.elsewhere(ticket, cx),
            Reads::Follower | Reads::Leader => self.serve(read, cx),
            // Whoever led when it was let go on has all it may return.
            Reads::ReadIndex if worked => self.serve(read, cx),
            Reads::Lease | Reads::ReadIndex => self.wait(read, reads == Reads::Lease, cx),
        }
    }

    /// Lets a read go on to its work, or answers it; or has it wait for what it has to find.
    fn serve(&mut self, read: Read, cx: &mut Context<'_>) {
        if !self.begins.is_empty() && self.has_lost(read.finds) {
            return cx.answer(read.ticket, Answer::Failed(Failure::Behind));
        }
        if read.finds > 0 && read.finds > self.reached() {
            return self.lacks(read, cx.now, cx);
        }
        if read.worked {
            if self.repairs.find(&self.data, (read.key, read.ticket), cx) {
                return;
            }
            let item = self.data.get(read.key);
            // Lanes may be ahead of one another.
            let known = Known::upto(self.reached().max(item.order));
            cx.answer_of(read.ticket, Answer::Read(item.version), known);
        } else {
            cx.act(Effect::GoOn(read.ticket));
        }
    }

    /// The place of the last entry that was applied with all before it.
    ///
    /// Whatever somebody knows of was committed, as was what is applied here. Committed entries are all in one log, along
    /// which terms never fall (Ongaro and Ousterhout 2014, 5.4: none is lost, and none takes another's index), so that of
    /// two places in it the larger is the later one, and holds the other: numbers suffice. For the same reason a write
    /// that is committed comes after all its writer knows of: that was in the log of its leader, or a newer leader has
    /// committed it already, and then the write of the older one never is. Where disks forget (`Every`, `Never`), what is
    /// committed may be lost: then whoever knows of it waits in vain, and is told `NoLeader`. A group that was restored knows which
    /// of its places are void.
    pub(super) fn reached(&self) -> u64 {
        let term = self.log.term(self.applied).expect("what is applied last is known");
        place(term, self.applied)
    }

    /// What a read has to find is not applied here. Whoever leads has it, or will by and by; one that leads an older term
    /// than the entry's is no leader any more.
    fn lacks(&mut self, read: Read, since: u64, cx: &mut Context<'_>) {
        let is_outdone = self.lead.is_some() && term_of(read.finds) > self.term;
        if is_outdone || self.leader.is_some_and(|leader| leader != self.me) {
            self.elsewhere(read.ticket, cx);
        } else {
            self.behind.push((read, since));
        }
    }

    /// More may be applied now, or another leader be known.
    pub(super) fn serve_behind(&mut self, cx: &mut Context<'_>) {
        if self.behind.is_empty() {
            return;
        }
        for (read, since) in std::mem::take(&mut self.behind) {
            if read.finds > self.reached() {
                self.lacks(read, since, cx);
            } else {
                self.serve(read, cx);
            }
        }
    }

    /// Those that have waited since then or longer for what they have to find have failed.
    pub(super) fn give_up_behind(&mut self, upto: u64, cx: &mut Context<'_>) {
        self.behind.retain(|(read, since)| {
            let stays = *since > upto;
            if !stays {
                cx.answer(read.ticket, Answer::Failed(Failure::NoLeader));
            }
            stays
        });
    }

    /// Its lease is good: nobody else can lead now, as far as clocks go right.
    fn has_lease(&self, now: u64) -> bool {
        let sent = self.lead.as_ref().and_then(|lead| lead.sent());
        let lasts = self.config.election_min as f64 * (1.0 - 2.0 * self.config.max_drift);
        sent.is_some_and(|sent| now < sent + lasts as u64)
    }

    /// Has a read wait until it may be served, if it has to.
    fn wait(&mut self, read: Read, by_lease: bool, cx: &mut Context<'_>) {
        let leased = by_lease && self.has_lease(cx.now);
        let (commit, applied, now) = (self.commit, self.applied, cx.now);
        let is_outdone = term_of(read.finds) > self.term;
        let Some(lead) = self.lead.as_mut().filter(|_| !is_outdone) else {
            return self.elsewhere(read.ticket, cx);
        };
        let index = commit.max(lead.from);
        let mut round = lead.reads.reads.back().map_or(0, |read| read.round);
        let mut begins = false;
        if leased {
            if applied >= index && lead.reads.reads.is_empty() {
                return self.serve(read, cx);
            }
        } else {
            // A round that runs began before this read came, so the read waits for the next one.
            begins = lead.confirmed >= lead.reads.round;
            round = lead.round + 1;
        }
        lead.reads.reads.push_back(Waits { read, round, index, since: now });
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
            && let Some(&Waits { read, round, index, .. }) = lead.reads.reads.front()
            && round <= lead.confirmed
            && index <= self.applied
        {
            lead.reads.reads.pop_front();
            self.serve(read, cx);
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
            && let Some(waits) = lead.reads.reads.front()
            && waits.since + PATIENCE <= cx.now
        {
            cx.answer(waits.read.ticket, Answer::Failed(Failure::NoLeader));
            lead.reads.reads.pop_front();
        }
        if let Some(upto) = cx.now.checked_sub(PATIENCE) {
            self.give_up_behind(upto, cx);
        }
    }

    /// It leads no more: reads are asked of whoever does.
    pub(super) fn send_reads_elsewhere(&self, waiting: Waiting, cx: &mut Context<'_>) {
        for waits in waiting.reads {
            self.elsewhere(waits.read.ticket, cx);
        }
    }
}
