//! What happens at instances that something is wrong with: nobody answers, nothing moves, all takes longer.
//!
//! **Invariant.** Whatever was inside an instance that dies is lost or answered for.

use crate::{
    cause::Cause,
    model::{
        event,
        fault::hosts::Listing,
        frame::{
            BRANCH, CALLEE_DONE, CALLER_DONE, CONNECT, FINISHED, Frame, HAS_CORE, HAS_WORKER,
            IN_TRANSIT, UNSEEN,
        },
        ids::{Host, NONE, Slot},
        span::{Span, Work, scaled},
        world::World,
    },
    outcome::Outcome,
};

impl World {
    /// The instance a frame is at.
    fn host(&self, slot: Slot) -> Host {
        (self.frames[slot].node, self.frames[slot].inst)
    }

    /// A call arrived: whether its host is down. Then nothing hears of it, or its host says so.
    #[cold]
    pub fn turned_away(&mut self, slot: Slot) -> bool {
        let (host, node) = (self.host(slot), self.frames[slot].node);
        if node >= self.first_client || !self.hosts.is_down(host) {
            let closed = node < self.first_client && self.hosts.is_closed(host);
            if closed && self.is_shut_out(slot, host) {
                self.record.node(node).cause(Cause::ConnectionRefused);
                self.reply(slot, Outcome::Error);
                return true;
            }
            self.list(slot);
            return false;
        }
        let greets = self.frames[slot].op == CONNECT;
        if self.hosts.vacant(node) == Some(host.1) && !greets && self.waits_at_door(slot, host) {
            return true;
        }
        let silent = self.hosts.state(host).silent > 0;
        if self.frames[slot].armed == UNSEEN {
            // It was inside since the pause, and dies with the others.
            let now = self.now();
            let state = &mut self.hosts.nodes[usize::from(host.0)][usize::from(host.1)];
            state.door.leave(now);
            state.lost += 1;
            self.lose(&[slot], silent);
        } else if silent {
            self.record.node(node).cause(Cause::LostAtDeadHost);
            self.frames[slot].flags |= CALLEE_DONE;
            self.release_if_done(slot);
        } else if self.hosts.vacant(host.0) == Some(host.1) {
            self.record.node(node).cause(Cause::NobodyThere);
            self.reply(slot, Outcome::Unavailable);
        } else {
            self.record.node(node).cause(Cause::ConnectionRefused);
            self.reply(slot, Outcome::Error);
        }
        true
    }

    /// Whether a call comes to a host that takes nothing new: neither since before a pause nor on a connection that is open there.
    fn is_shut_out(&mut self, slot: Slot, host: Host) -> bool {
        if self.frames[slot].armed == UNSEEN {
            return false;
        }
        let calls = self.connections.is_some() && self.frames[slot].op != CONNECT;
        let wire = self.frames.extra(slot).wire;
        !(calls && wire != NONE && self.has_accepted(wire, host))
    }

    /// An event that is due at a paused host waits for the end of the pause.
    #[cold]
    pub fn hold(&mut self, event: u8, slot: Slot, sequence: u64) -> bool {
        if matches!(event, event::TICK | event::FATE | event::LINE) {
            // A node's own: what is shared stands still already. Or of no node.
            return false;
        }
        if event == event::CONNECTION {
            return self.holds_connection(slot, sequence);
        }
        let f = &self.frames[slot];
        let host = match event {
            event::REPLY | event::ANSWER if f.flags & CALLER_DONE != 0 => return false,
            event::REPLY | event::ANSWER => self.host(f.parent),
            event::TIMER if f.armed != sequence => return false,
            event::CANCEL => self.host(f.key as Slot),
            _ => self.host(slot),
        };
        // A slot that was freed meanwhile, a client: nothing that is ever paused.
        if host.0 >= self.first_client || !self.hosts.is_paused(host) || self.hosts.is_down(host) {
            return false;
        }
        let (node, inst) = (usize::from(host.0), usize::from(host.1));
        let state = &mut self.hosts.nodes[node][inst];
        state.held.push((event, slot, sequence));
        let f = &self.frames[slot];
        if event == event::DELIVER && f.armed == IN_TRANSIT && f.op < CONNECT {
            // It is inside from now on (`semantics.md` 34); the node sees it after the pause.
            let now = self.agenda.now();
            state.door.enter(now);
            let f = &mut self.frames[slot];
            (f.arrived, f.armed) = (now, UNSEEN);
            self.record.node(host.0).arrive(now);
        }
        true
    }

    /// The same for what is due for a connection.
    fn holds_connection(&mut self, event: u32, sequence: u64) -> bool {
        let host = self.connections.as_ref().and_then(|all| all.whose(event));
        let Some((node, inst)) = host.filter(|host| host.0 < self.first_client) else {
            return false;
        };
        if !self.hosts.is_paused((node, inst)) || self.hosts.is_down((node, inst)) {
            return false;
        }
        let state = &mut self.hosts.nodes[usize::from(node)][usize::from(inst)];
        state.held.push((event::CONNECTION, event, sequence));
        true
    }

    /// A visit that came during a pause is seen by its node.
    #[cold]
    #[inline(never)]
    pub fn let_in(&mut self, slot: Slot) {
        let now = self.now();
        let (node, inst) = self.host(slot);
        self.hosts.nodes[usize::from(node)][usize::from(inst)].door.leave(now);
        let f = &mut self.frames[slot];
        f.armed = 0;
        f.waited = f.waited.wrapping_add(now - f.arrived);
    }

    /// What waited for the end of a pause comes now, in its order.
    pub fn let_go(&mut self, (node, inst): Host) {
        let state = &mut self.hosts.nodes[usize::from(node)][usize::from(inst)];
        for (event, slot, sequence) in std::mem::take(&mut state.held) {
            if event != event::TIMER {
                self.agenda.push_now(slot, event);
            } else if self.frames[slot].armed == sequence {
                self.frames[slot].armed = self.agenda.push_now(slot, event);
            }
        }
    }

    /// Whether a visit that just arrived fails at once.
    #[cold]
    pub fn fails_at_once(&mut self, slot: Slot) -> bool {
        let (host, id) = (self.host(slot), self.frames[slot].id);
        let fails = self.hosts.fails(host, id);
        if fails {
            self.record.node(host.0).cause(Cause::Fault);
        }
        fails
    }

    /// How long something takes on the host of a frame.
    #[inline(always)]
    pub fn stretched(&self, slot: Slot, work: Work) -> Work {
        if self.hosts.slowed() { self.stretched_there(slot, work) } else { work }
    }

    #[cold]
    fn stretched_there(&self, slot: Slot, work: Work) -> Work {
        let slowdown = self.hosts.slowdown(self.host(slot));
        if slowdown == 1.0 {
            return work;
        }
        let nanos = scaled(work.nanos, slowdown);
        Work { nanos, span: Span::of(nanos) }
    }

    /// What is left of some work at full speed, if it takes `left` ns on the frame's host.
    pub fn relaxed(&self, slot: Slot, left: u64) -> u64 {
        if !self.hosts.slowed() {
            return left;
        }
        scaled(left, 1.0 / self.hosts.slowdown(self.host(slot)))
    }

    /// Frames at work on a host's cores and when each would end.
    pub fn ends_of_work(&self, host: Host) -> Vec<(Slot, u64)> {
        let at_work =
            |slot: Slot| self.host(slot) == host && self.frames[slot].flags & HAS_CORE != 0;
        let mut ends: Vec<(Slot, u64)> = self
            .agenda
            .schedule()
            .filter(|(_, p)| p.kind == event::TIMER && self.frames[p.slot].armed == p.sequence)
            .filter(|(_, p)| at_work(p.slot))
            .map(|(time, p)| (p.slot, time))
            .collect();
        ends.sort_unstable();
        ends
    }

    /// Whether a frame is inside an instance that knows of it: it has arrived and has not answered.
    fn is_inside(f: &Frame, (node, inst): Host) -> bool {
        (f.node, f.inst) == (node, inst) && f.armed < UNSEEN
    }

    /// Frames are to be looked through: whether it had been cheaper to list them as they came. It costs about as much to
    /// look at one as to list what one event of the agenda brings.
    fn would_list(&mut self) -> bool {
        if !self.hosts.disturbed || self.hosts.listing == Listing::Kept {
            return false;
        }
        let (looked, sequence) = (self.frames.high_water() as u64, self.agenda.sequence());
        let Listing::Looked { frames, since } = self.hosts.listing else {
            self.hosts.listing = Listing::Looked { frames: looked, since: sequence };
            return false;
        };
        self.hosts.listing = Listing::Looked { frames: frames + looked, since };
        frames > sequence - since
    }

    /// All frames inside an instance that it knows of, in the order of their slots.
    pub fn inside(&mut self, host: Host) -> Vec<Slot> {
        if self.would_list() {
            self.hosts.listing = Listing::Kept;
            for (slot, f) in self.frames.iter().filter(|(_, f)| f.armed < UNSEEN) {
                if f.node < self.first_client {
                    self.hosts.list((f.node, f.inst), slot, |_| true);
                }
            }
        }
        if self.hosts.listing != Listing::Kept {
            return self.all_inside(host);
        }
        let mut slots = self.hosts.listed(host).to_vec();
        slots.retain(|&slot| Self::is_inside(&self.frames[slot], host));
        slots.sort_unstable();
        slots.dedup();
        debug_assert_eq!(slots, self.all_inside(host), "what is inside is listed");
        slots
    }

    fn all_inside(&self, host: Host) -> Vec<Slot> {
        let there = self.frames.at(host).filter(|(_, f)| f.armed < UNSEEN);
        there.map(|(slot, _)| slot).collect()
    }

    /// A frame of an instance's own is inside it from now on.
    #[inline]
    pub fn note_inside(&mut self, slot: Slot) {
        if self.hosts.disturbed {
            self.list(slot);
        }
    }

    /// A frame that begins inside an instance: nobody sent it there.
    pub fn begin_inside(&mut self, frame: Frame) -> Slot {
        let slot = self.frames.alloc(frame);
        self.note_inside(slot);
        slot
    }

    /// A frame has come to an instance while something is wrong with some.
    #[cold]
    fn list(&mut self, slot: Slot) {
        let host = self.host(slot);
        if self.hosts.listing == Listing::Kept && host.0 < self.first_client {
            let frames = &self.frames;
            self.hosts.list(host, slot, |slot| Self::is_inside(&frames[slot], host));
        }
    }

    /// Frames are lost with their host, or with their process: then the host tells the callers. The
    /// node has taken them out of its rooms and off its cores already.
    pub fn lose(&mut self, slots: &[Slot], silent: bool) {
        let (now, from) = (self.now(), self.record.measured_from);
        for &slot in slots {
            let child = std::mem::replace(&mut self.frames[slot].next, NONE);
            if child != NONE {
                // It goes on; what it answers finds nobody.
                self.give_up(child);
                let copy = std::mem::replace(&mut self.frames.extra_mut(slot).hedge, NONE);
                if copy != NONE {
                    self.give_up(copy);
                }
            }
            self.disarm(slot);
            self.frames.extra_mut(slot).flight.wire = NONE;
            let f = &mut self.frames[slot];
            f.flags &= !(HAS_CORE | HAS_WORKER);
            let (node, arrived) = (f.node, f.arrived);
            if f.flags & BRANCH != 0 {
                f.armed = FINISHED;
                f.flags |= CALLER_DONE | CALLEE_DONE;
                self.release_if_done(slot);
                continue;
            }
            self.record.node(node).depart(now, arrived, from, Err(Cause::Crashed));
            if silent {
                let f = &mut self.frames[slot];
                f.armed = FINISHED;
                f.flags |= CALLEE_DONE;
                self.release_if_done(slot);
            } else {
                self.reply(slot, Outcome::Error);
            }
        }
    }
}
