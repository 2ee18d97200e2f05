//! Calls to a dns node: the question, its answer, and what callers keep of it.
//!
//! **Invariant.** An answer is used until its `ttl` is over, whatever has become of its target.

use crate::{
    engine::random::mix,
    model::{
        dns::resolver::Resolver,
        event,
        frame::{CALLEE_DONE, CALLER_DONE, IN_TRANSIT},
        ids::{Host, NodeId, Slot},
        route::{Asked, Route},
        world::{ANSWER_SHIFT, QUESTION_SHIFT, World, unpack},
    },
    outcome::Outcome,
};

/// Salt of the cache a request comes through.
const CACHE_SALT: u64 = 0x3c79_ac49_2ba7_b653;
/// In a question: nobody knows any more through which cache it came.
const NOBODY: u64 = u64::MAX;

/// Salt of what is left of a client's first answers: others asked before the run began.
const LEFT_SALT: u64 = 0x1f0c_a5f2_66ab_7d13;

impl World {
    fn resolver(&mut self, dns: NodeId) -> &mut Resolver {
        let Route::Answer(resolver) = &mut self.routes[usize::from(dns)] else {
            unreachable!("only dns nodes answer")
        };
        resolver
    }

    /// The cache through which a caller's frame asks a dns node.
    fn cache_of(&mut self, caller: Slot, dns: NodeId) -> u64 {
        let f = &self.frames[caller];
        if f.node < self.first_client {
            return 0;
        }
        mix(f.id ^ CACHE_SALT) % self.resolver(dns).caches
    }

    /// Where a call to a dns node goes: to the target of an answer that is still kept, or to the node
    /// itself, as a question.
    #[cold]
    #[inline(never)]
    pub(in crate::model) fn resolved(&mut self, caller: Slot, dns: NodeId, asked: Asked) -> Host {
        let (now, cache) = (self.now(), self.cache_of(caller, dns));
        let f = &self.frames[caller];
        let place = ((f.node, f.inst), cache);
        match self.resolver(dns).answers.get(&place) {
            Some(&(target, until)) if now < until => self.destination(caller, target, asked),
            _ => (dns, 0),
        }
    }

    /// The place a call came from.
    pub fn caller_of(&self, slot: Slot) -> Host {
        let f = &self.frames[slot];
        if f.flags & CALLER_DONE != 0 {
            return unpack(f.parent);
        }
        let caller = &self.frames[f.parent];
        (caller.node, caller.inst)
    }

    /// Answers a question with a target.
    pub fn answer(&mut self, slot: Slot, target: NodeId) {
        let f = self.frames[slot];
        let waits = f.flags & CALLER_DONE == 0;
        let cache = if waits { self.cache_of(f.parent, f.node) } else { NOBODY };
        let question = &mut self.frames[slot];
        (question.served, question.waited) = (u64::from(target), cache);
        self.reply_as(slot, Outcome::Ok, (event::ANSWER, ANSWER_SHIFT));
    }

    /// An answer arrived: it is kept, and if somebody still waits, the call goes on from the caller to
    /// the target.
    #[cold]
    pub(in crate::model) fn answered(&mut self, slot: Slot) {
        self.delivered += 1;
        let (now, caller) = (self.now(), self.caller_of(slot));
        let f = self.frames[slot];
        self.record.event(now, event::ANSWER, f.id);
        if !matches!(self.routes[usize::from(f.node)], Route::Answer(_)) {
            return self.asks_elsewhere(slot);
        }
        let (target, place) = (f.served as NodeId, (caller, f.waited));
        let client = caller.0 >= self.first_client;
        let dead = !client && self.hosts.disturbed && self.hosts.is_down(caller);
        if f.waited != NOBODY && !dead {
            let part = mix(f.id ^ self.route_salt ^ LEFT_SALT);
            let resolver = self.resolver(f.node);
            let mut ttl = resolver.ttl;
            if client && !resolver.answers.contains_key(&place) {
                ttl = ((u128::from(part) * u128::from(ttl)) >> 64) as u64;
            }
            resolver.answers.insert(place, (target, now.saturating_add(ttl)));
        }
        if f.flags & CALLER_DONE != 0 {
            self.frames[slot].flags |= CALLEE_DONE;
            return self.release_if_done(slot);
        }
        let asked = Asked { op: f.op, key: f.key, id: f.id };
        let to = self.destination(f.parent, target, asked);
        let call = &mut self.frames[slot];
        (call.node, call.inst) = to;
        (call.pc, call.served, call.waited, call.armed) = (0, 0, 0, IN_TRANSIT);
        self.send(slot, caller, to, f.id.wrapping_add(QUESTION_SHIFT));
    }

    /// A process that dies forgets what it was answered.
    pub(in crate::model) fn forget_answers(&mut self, host: Host) {
        for route in &mut self.routes {
            if let Route::Answer(resolver) = route {
                resolver.answers.retain(|place, _| place.0 != host);
            }
        }
    }
}
