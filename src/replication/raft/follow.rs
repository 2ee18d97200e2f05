//! A replica that follows: entries come, and a snapshot if it is too far behind.
//!
//! **Invariant.** What it says it has agrees with the leader's log and outlives its process.

use super::message::{Append, Entry, Message, Snapshot, TORN};
use super::roles::Owed;
use super::state::Raft;
use crate::replication::contract::Context;
use crate::replication::disk::Mode;
use crate::replication::words::{Note, Peer, place};

impl Raft {
    /// It follows in a term, whoever leads; an older term is over, and in a newer one this is its vote.
    pub(super) fn follow(
        &mut self,
        term: u64,
        leader: Option<Peer>,
        vote: Option<Peer>,
        cx: &mut Context<'_>,
    ) {
        let led = self.lead.take();
        if led.is_some() {
            cx.note(Note::StepsDown { term: self.term });
        }
        if term > self.term {
            self.ballot(term, vote);
            self.later.clear();
            self.owed = None;
            self.early.clear();
        }
        self.leader = leader;
        self.votes = None;
        if let Some(lead) = led {
            self.give_up(*lead, cx);
            self.wait_anew(cx);
        }
    }

    /// A leader of this term is heard. Whether it is one.
    fn heard(&mut self, from: Peer, term: u64, cx: &mut Context<'_>) -> bool {
        if term < self.term || (term == self.term && self.lead.is_some()) {
            return false;
        }
        if term > self.term || self.leader != Some(from) {
            self.follow(term, Some(from), None, cx);
        }
        self.heard = Some(cx.now);
        self.wait_anew(cx);
        true
    }

    /// Tells who led an older term that it is over. Where disks forgot votes two may lead one term: they do not argue.
    fn correct(&mut self, from: Peer, term: u64, cx: &mut Context<'_>) {
        if term < self.term {
            self.appended(from, (false, self.log.last(), 0), cx);
        }
    }

    fn appended(
        &mut self,
        to: Peer,
        (agrees, index, round): (bool, u64, u64),
        cx: &mut Context<'_>,
    ) {
        self.say(to, Message::Appended { term: self.term, agrees, index, round }, cx);
    }

    /// Entries came.
    pub(super) fn append(&mut self, from: Peer, append: Box<Append>, cx: &mut Context<'_>) {
        if !self.heard(from, append.term, cx) {
            return self.correct(from, append.term, cx);
        }
        let (round, asks) = (append.round, append.probe || append.entries.is_empty());
        if self.torn {
            return self.appended(from, (false, TORN, round), cx);
        }
        if append.prev > self.log.last() {
            if asks {
                self.appended(from, (false, self.log.last(), round), cx);
            }
            return self.keep_early(append);
        }
        let mut upto = match self.fit(&append) {
            Ok(upto) => upto,
            Err(hint) => return self.appended(from, (false, hint, round), cx),
        };
        while let Some(first) = self.early.first_entry()
            && *first.key() <= self.log.last()
        {
            let next = first.remove();
            upto = self.fit(&next).map_or(upto, |next| next.max(upto));
        }
        let stable = self.stable();
        if upto <= stable || append.entries.is_empty() {
            self.appended(from, (true, upto.min(stable), round), cx);
        }
        if upto > stable {
            let told = self.owed.as_ref().map_or(0, |owed| owed.told);
            self.owed = Some(Owed { to: from, upto, told });
        }
    }

    /// Makes the log agree with what came, which follows an entry within it: up to where it does now; or, if the entry
    /// that it follows is another, up to where it may.
    fn fit(&mut self, append: &Append) -> Result<u64, u64> {
        let base = self.log.base();
        let skip = base.saturating_sub(append.prev) as usize; // all have them
        if append.prev >= base && self.log.term(append.prev) != Some(append.prev_term) {
            return Err(self.doubt(append.prev));
        }
        let upto = append.prev + append.entries.len() as u64;
        let from = append.prev.max(base);
        let entries = append.entries.get(skip..).unwrap_or_default();
        let same = |(index, entry): &(u64, &Entry)| self.log.term(*index) == Some(entry.term);
        let known = (from + 1..).zip(entries).take_while(same).count();
        let (agrees, news) = (from + known as u64, &entries[known..]);
        if !news.is_empty() {
            if agrees < self.commit {
                return Err(self.doubt(agrees + 1));
            }
            if agrees < self.log.last() {
                self.cut(agrees);
            }
            self.add(news);
        }
        self.learn(append, upto);
        Ok(upto.max(base))
    }

    /// What its leader says of commits.
    fn learn(&mut self, append: &Append, upto: u64) {
        self.commit = self.commit.max(append.commit.min(upto));
        self.rebuilds &= self.applied < append.commit;
        self.forget(append.all);
    }

    /// The entry here is another: up to where the log may agree.
    fn doubt(&mut self, index: u64) -> u64 {
        if index <= self.commit {
            // Only where disks forgot what was promised: what is applied here never was, for the others.
            self.torn = true;
            return TORN;
        }
        self.log.before_term_of(index, self.commit)
    }

    /// Forgets the beginning of the log, which all have.
    pub(super) fn forget(&mut self, all: u64) {
        let never = self.config.disk == Mode::Never;
        let durable = if never { self.log.last() } else { self.durable };
        self.log.forget(all.min(self.applied).min(durable));
    }

    /// A snapshot came.
    pub(super) fn snapshot(&mut self, from: Peer, snapshot: Box<Snapshot>, cx: &mut Context<'_>) {
        if !self.heard(from, snapshot.term, cx) {
            return self.correct(from, snapshot.term, cx);
        }
        if snapshot.index > self.commit || self.torn {
            self.keep(snapshot);
        }
    }

    /// Uses a snapshot that is on the disk, and says what is there by now.
    pub(super) fn tell(&mut self, cx: &mut Context<'_>) {
        if let Some((written, snapshot)) =
            self.incoming.take_if(|(written, _)| self.disk.suffices(*written))
            && (snapshot.index > self.commit || self.torn)
        {
            self.install(written, *snapshot);
            self.rebuilds = false;
            let term = self.log.term(self.applied).expect("what is applied last is known");
            cx.note(Note::Applied { order: place(term, self.applied) });
            if let Some(leader) = self.leader {
                self.appended(leader, (true, self.commit, 0), cx);
            }
        }
        let stable = self.stable();
        if let Some(owed) = &mut self.owed {
            let index = owed.upto.min(stable);
            let (to, news, done) = (owed.to, index > owed.told, index == owed.upto);
            owed.told = owed.told.max(index);
            if done {
                self.owed = None;
            }
            if news {
                self.appended(to, (true, index, 0), cx);
            }
        }
    }
}
