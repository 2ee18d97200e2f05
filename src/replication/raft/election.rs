//! Who leads: votes, asked for and given (Ongaro and Ousterhout 2014, 5.2; Ongaro 2014, 9.6 for pre-votes and for
//! votes withheld while a leader is heard).
//!
//! **Invariant.** A replica gives one vote in a term, for a log at least as long as its own.

use super::config::{ELECTION, Reads};
use super::message::Message;
use super::roles::Votes;
use super::state::Raft;
use crate::replication::contract::{Context, Effect};
use crate::replication::words::{Law, Note, Peer};

impl Raft {
    /// A leader, or who may become one, was heard: it waits anew.
    pub(super) fn wait_anew(&mut self, cx: &mut Context<'_>) {
        let after = cx.laws.draw(Law::Election);
        self.patience = cx.now + after;
        // The timer may stand for an earlier time: when it fires, it is set again. So most messages cost no timer.
        if self.armed.is_none_or(|at| at > self.patience) {
            self.armed = Some(self.patience);
            cx.act(Effect::Arm(ELECTION, after));
        }
    }

    /// The election timer fired.
    pub(super) fn waited(&mut self, cx: &mut Context<'_>) {
        const ROUNDING: u64 = 1_000;
        self.armed = None;
        if self.lead.is_some() {
            return;
        }
        if cx.now + ROUNDING < self.patience {
            self.armed = Some(self.patience);
            cx.act(Effect::Arm(ELECTION, self.patience - cx.now));
            return;
        }
        self.leader = None;
        self.give_up_behind(cx.now, cx);
        if self.rebuilds && self.backed_up {
            return self.wait_anew(cx);
        }
        self.stand(self.config.pre_vote, cx);
    }

    /// Asks for votes.
    fn stand(&mut self, pre: bool, cx: &mut Context<'_>) {
        if !pre {
            self.ballot(self.term + 1, Some(self.me));
            self.later.clear();
            self.owed = None;
            self.early.clear();
            cx.note(Note::Stands { term: self.term });
        }
        let mut given = vec![false; usize::from(self.config.replicas)];
        given[self.number(self.me)] = true;
        self.votes = Some(Votes { pre, given });
        let term = self.term + u64::from(pre);
        let (last, last_term) = (self.log.last(), self.log.last_term());
        for peer in self.others() {
            self.say(peer, Message::Vote { term, last, last_term, pre }, cx);
        }
        self.wait_anew(cx);
    }

    /// Whether enough votes were given, and what follows.
    pub(super) fn count(&mut self, cx: &mut Context<'_>) {
        let Some(votes) = &self.votes else { return };
        let given = votes.given.iter().filter(|given| **given).count();
        if given < self.majority() || !self.may_speak() {
            return;
        }
        if votes.pre { self.stand(false, cx) } else { self.lead(cx) }
    }

    /// A vote is asked for, in this term, for a log that ends with this term and index.
    pub(super) fn asked(&mut self, from: Peer, ask: (u64, u64, u64), cx: &mut Context<'_>) {
        let (term, last_term, last) = ask;
        let withholds = self.config.check_quorum || self.config.reads == Reads::Lease;
        if withholds && self.hears(cx) {
            return;
        }
        let granted = term >= self.term
            && (term > self.term || self.vote.is_none() || self.vote == Some(from))
            && (last_term, last) >= (self.log.last_term(), self.log.last());
        if term > self.term {
            self.follow(term, None, granted.then_some(from), cx);
        }
        if granted {
            if self.vote.is_none() {
                self.ballot(self.term, Some(from));
            }
            self.wait_anew(cx);
        }
        self.say(from, Message::Voted { term: self.term, granted, pre: false }, cx);
    }

    /// Whether a vote would be given.
    pub(super) fn sounded(&mut self, from: Peer, ask: (u64, u64, u64), cx: &mut Context<'_>) {
        let (term, last_term, last) = ask;
        if term >= self.term && (self.lead.is_some() || self.hears(cx)) {
            return;
        }
        let granted = (term > self.term || term == self.term && self.vote.is_none())
            && (last_term, last) >= (self.log.last_term(), self.log.last());
        let term = if granted { term } else { self.term };
        self.say(from, Message::Voted { term, granted, pre: true }, cx);
    }

    /// It follows a leader it heard within the least election time-out.
    fn hears(&self, cx: &Context<'_>) -> bool {
        self.lead.is_none()
            && self.heard.is_some_and(|heard| cx.now < heard + self.config.election_min)
    }

    /// A vote was given, or not.
    pub(super) fn voted(
        &mut self,
        from: Peer,
        (term, granted, pre): (u64, bool, bool),
        cx: &mut Context<'_>,
    ) {
        if !granted {
            if term > self.term {
                self.follow(term, None, None, cx);
            }
            return;
        }
        let number = self.number(from);
        let asked = self.term + u64::from(pre);
        if let Some(votes) = &mut self.votes
            && votes.pre == pre
            && term == asked
        {
            votes.given[number] = true;
        }
    }
}
