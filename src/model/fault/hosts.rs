//! The state of every instance under the faults at work, and what it does to frames.
//!
//! **Invariant.** `disturbed` holds while any instance is down, slow or failing; every other reading
//! is worth nothing otherwise.

use std::collections::BTreeMap;

use super::{
    death::{Life, Rebirth, mortals},
    uptime::{Uptime, UptimeBooks},
};
use crate::{
    engine::{law::Tables, random::Stream},
    model::{
        autoscale::door::Door,
        books::{Area, InstanceBooks},
        event,
        ids::{Host, NodeId, Slot},
        kinds::NodeSpec,
        names::Names,
    },
};

/// What is wrong with one instance.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Crashes at work.
    pub down: u32,
    /// Nobody is there, or has booted yet: its place is free.
    pub off: bool,
    /// Whether it is either, over time.
    pub gone: Area,
    /// It has lost its data and is being restored: it answers, but counts as down.
    pub restoring: bool,
    /// Of the crashes: of the host, which answers nobody.
    pub silent: u32,
    /// Deployments that have it take nothing new.
    pub closed: u32,
    /// Pauses at work.
    pub paused: u32,
    /// Events that wait for the end of the pause: kind, slot, sequence.
    pub held: Vec<(u8, Slot, u64)>,
    /// Visits among them: they are inside, and the node has not seen them.
    pub door: Area,
    /// Such visits that were lost in a crash.
    pub lost: u64,
    /// Factors of the `slow` faults at work.
    pub slow: Vec<f64>,
    /// Fractions of the `errors` faults at work.
    pub errors: Vec<f64>,
    /// Something was wrong since it was last asked whether.
    struck: bool,
    /// Of a process that can die of itself.
    pub life: Life,
}

/// What may be wrong with an instance: bits.
const DOWN: u8 = 1;
const SLOW: u8 = 2;
const ERRORS: u8 = 4;
const PAUSED: u8 = 8;
const CLOSED: u8 = 16;

/// What is asked of all instances at once: whether anything but a pause is wrong with any, and one by one what messages ask for most.
const WATCHED: [u8; 4] = [DOWN | SLOW | ERRORS | CLOSED, PAUSED, SLOW, ERRORS];

impl State {
    /// Nobody takes requests there.
    fn is_gone(&self) -> bool {
        self.down > 0 || self.off
    }

    /// It does not count as up.
    fn is_out(&self) -> bool {
        self.is_gone() || self.restoring
    }

    /// A fault is at work at it.
    fn is_struck(&self) -> bool {
        self.down + self.paused > 0 || !(self.slow.is_empty() && self.errors.is_empty())
    }

    fn ills(&self) -> u8 {
        let one = |is: bool, ill: u8| if is { ill } else { 0 };
        one(self.is_gone(), DOWN)
            | one(!self.slow.is_empty(), SLOW)
            | one(!self.errors.is_empty(), ERRORS)
            | one(self.paused > 0, PAUSED)
            | one(self.closed > 0, CLOSED)
    }
}

/// All instances; empty in a design without faults.
#[derive(Debug)]
pub struct Hosts {
    /// Something is wrong with some instance right now.
    pub disturbed: bool,
    /// Some instance is paused right now.
    pub paused: bool,
    /// With how many instances something of each of [`WATCHED`] is wrong.
    ill: [usize; WATCHED.len()],
    /// Instances of each node.
    pub nodes: Vec<Vec<State>>,
    /// What is wrong with each of them: each message asks, and thousands of states are more than a cache holds.
    ills: Vec<Vec<u8>>,
    /// The stretch of trouble and what has come in it to each while frames were listed; some of it may have gone.
    inside: Vec<Vec<(u64, Vec<Slot>)>>,
    /// Of each node.
    uptimes: Vec<Uptime>,
    /// Of the design: its nodes, none of which may be short of instances.
    uptime: Uptime,
    /// Which stretch of time this is in which something is wrong with some instance.
    stretch: u64,
    /// How frames inside an instance are found in it.
    pub listing: Listing,
    errors: Stream,
    /// Nodes whose processes can die of themselves.
    mortals: BTreeMap<NodeId, Rebirth>,
    /// Of nodes at whose last place nobody ever is.
    doors: Vec<Door>,
}

/// How the frames inside an instance are found when it dies while something is wrong: all are looked through, until that
/// has cost more than listing those that came meanwhile would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Nothing has died yet.
    Unasked,
    /// So many frames were looked at since the agenda stood at this sequence.
    Looked {
        /// Over all deaths.
        frames: u64,
        /// At the first death.
        since: u64,
    },
    /// They are listed by instance.
    Kept,
}

/// What a fault does to an instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Harm {
    /// It is down; silently or with its host answering.
    Down {
        /// The host is gone too.
        silent: bool,
    },
    /// Its place is free.
    Off,
    /// Nothing moves.
    Paused,
    /// It takes nothing new.
    Closed,
    /// It is slower by this factor.
    Slow(f64),
    /// It fails this fraction of requests.
    Errors(f64),
}

impl Hosts {
    /// All instances of a design, all well.
    pub fn new(names: &Names, tables: &dyn Tables, seed: u64) -> Self {
        let mortals = mortals(names, tables, seed);
        let scales = names.specs().any(|spec| spec.kind().comes_and_goes().is_some());
        let all_well = names.order.is_empty() && mortals.is_empty() && !scales;
        let nodes = names.specs().take(if all_well { 0 } else { usize::MAX });
        let processes: Vec<usize> =
            (0..nodes.clone().count()).map(|id| names.processes(id as NodeId) as usize).collect();
        let uptime = |spec: &NodeSpec| {
            let facts = spec.kind().facts();
            match facts.replicas {
                None => Uptime::new(facts.instances, facts.instances, facts.need),
                Some(r) => {
                    let uptime = Uptime::new(facts.serving(), r.each, r.need);
                    if r.led { uptime.led() } else { uptime }
                }
            }
        };
        let all = nodes.clone().count() as u64;
        Self {
            disturbed: false,
            paused: false,
            ill: [0; WATCHED.len()],
            nodes: processes.iter().map(|n| vec![State::default(); *n]).collect(),
            ills: processes.iter().map(|n| vec![0; *n]).collect(),
            inside: processes.iter().map(|n| vec![Default::default(); *n]).collect(),
            uptimes: nodes.map(uptime).collect(),
            uptime: Uptime::new(all, all, all),
            stretch: 1,
            listing: Listing::Unasked,
            errors: Stream::new(seed, "faults", "errors"),
            mortals,
            doors: Vec::new(),
        }
    }

    /// At the last place of a node nobody ever is.
    pub fn has_vacancy(&mut self, door: Door) {
        self.doors.push(door);
    }

    /// The place of a node at which nobody ever is.
    pub fn vacant(&self, node: NodeId) -> Option<u16> {
        let places = || self.nodes[usize::from(node)].len() as u16;
        self.door(node).map(|_| places() - 1)
    }

    /// The door there.
    pub fn door(&self, node: NodeId) -> Option<&Door> {
        self.doors.iter().find(|door| door.node == node)
    }

    /// The same, to change.
    pub fn door_mut(&mut self, node: NodeId) -> Option<&mut Door> {
        self.doors.iter_mut().find(|door| door.node == node)
    }

    /// The life of an instance.
    pub fn life(&mut self, (node, inst): Host) -> &mut Life {
        &mut self.nodes[usize::from(node)][usize::from(inst)].life
    }

    /// How the instances of a node start again when they have died of themselves.
    pub fn rebirth(&self, node: NodeId) -> &Rebirth {
        &self.mortals[&node]
    }

    /// What is wrong with an instance.
    pub fn state(&self, (node, inst): Host) -> &State {
        &self.nodes[usize::from(node)][usize::from(inst)]
    }

    /// A fault begins to harm an instance, or ceases to.
    pub fn harm(&mut self, (node, inst): Host, harm: Harm, begins: bool, now: u64) {
        let state = &mut self.nodes[usize::from(node)][usize::from(inst)];
        let (was, was_gone, was_out) = (state.ills(), state.is_gone(), state.is_out());
        state.struck |= begins && harm != Harm::Off;
        match harm {
            Harm::Down { silent } => {
                let one = |n: u32| if begins { n + 1 } else { n - 1 };
                state.down = one(state.down);
                if silent {
                    state.silent = one(state.silent);
                }
            }
            Harm::Off => {
                if state.off != begins {
                    self.uptimes[usize::from(node)].is_off(inst, begins, now);
                }
                state.off = begins;
            }
            Harm::Paused => state.paused = if begins { state.paused + 1 } else { state.paused - 1 },
            Harm::Closed => state.closed = if begins { state.closed + 1 } else { state.closed - 1 },
            Harm::Slow(x) => turn(&mut state.slow, x, begins),
            Harm::Errors(x) => turn(&mut state.errors, x, begins),
        }
        let is = state.ills();
        match (was_gone, state.is_gone()) {
            (false, true) => state.gone.enter(now),
            (true, false) => state.gone.leave(now),
            _ => {}
        }
        let is_out = state.is_out();
        self.counts((node, inst), (was_out, is_out), now);
        self.ills[usize::from(node)][usize::from(inst)] = is;
        for (count, ills) in self.ill.iter_mut().zip(WATCHED) {
            *count = *count + usize::from(is & ills != 0) - usize::from(was & ills != 0);
        }
        [self.disturbed, self.paused, ..] = self.ill.map(|count| count > 0);
        if !self.disturbed {
            (self.stretch, self.listing) = (self.stretch + 1, Listing::Unasked);
        }
    }

    /// An instance was up or not, and is or is not from now on.
    fn counts(&mut self, (node, inst): Host, (was_out, is_out): (bool, bool), now: u64) {
        let uptime = &mut self.uptimes[usize::from(node)];
        let outage = match (was_out, is_out) {
            (false, true) => uptime.fall(inst, now),
            (true, false) => uptime.rise(inst, now),
            _ => None,
        };
        self.outage(outage, now);
    }

    /// An instance has lost its data and is to be restored, or is.
    pub fn restores(&mut self, (node, inst): Host, begins: bool, now: u64) {
        let state = &mut self.nodes[usize::from(node)][usize::from(inst)];
        let was_out = state.is_out();
        state.restoring = begins;
        let is_out = state.is_out();
        self.counts((node, inst), (was_out, is_out), now);
    }

    /// An instance of a node begins to boot in a free place, or ceases to.
    pub fn boots(&mut self, node: NodeId, begins: bool, now: u64) {
        self.uptimes[usize::from(node)].boots(begins, now);
    }

    /// An outage of a node begins or ends, if it does.
    fn outage(&mut self, change: Option<bool>, now: u64) {
        match change {
            Some(true) => drop(self.uptime.fall(0, now)),
            Some(false) => drop(self.uptime.rise(0, now)),
            None => {}
        }
    }

    /// An instance leads its shard.
    pub fn leads(&mut self, (node, inst): Host, now: u64) {
        let change = self.uptimes.get_mut(usize::from(node)).and_then(|u| u.leads(inst, now));
        self.outage(change, now);
    }

    /// It leads no more.
    pub fn leads_no_more(&mut self, (node, inst): Host, now: u64) {
        let change =
            self.uptimes.get_mut(usize::from(node)).and_then(|u| u.leads_no_more(inst, now));
        self.outage(change, now);
    }

    /// Lists a frame that has come to an instance; `is_there` tells of the others whether they are still there.
    pub fn list(&mut self, (node, inst): Host, slot: Slot, is_there: impl Fn(Slot) -> bool) {
        let (known, slots) = &mut self.inside[usize::from(node)][usize::from(inst)];
        if *known != self.stretch {
            slots.clear();
            *known = self.stretch;
        }
        if slots.len() == slots.capacity() && slots.len() >= 32 {
            slots.retain(|&slot| is_there(slot));
            slots.sort_unstable();
            slots.dedup();
            slots.reserve(slots.len());
        }
        slots.push(slot);
    }

    /// What was listed at an instance: some of it is not there any more.
    pub fn listed(&self, (node, inst): Host) -> &[Slot] {
        let (known, slots) = &self.inside[usize::from(node)][usize::from(inst)];
        if *known == self.stretch { slots } else { &[] }
    }

    fn has(&self, (node, inst): Host, ill: u8) -> bool {
        self.ills[usize::from(node)][usize::from(inst)] & ill != 0
    }

    /// It is down.
    pub fn is_down(&self, host: Host) -> bool {
        self.has(host, DOWN)
    }

    /// It takes nothing new.
    pub fn is_closed(&self, host: Host) -> bool {
        self.has(host, CLOSED)
    }

    /// Adds what an instance has not seen to its books.
    pub fn add_unseen(&self, (node, inst): Host, now: u64, books: &mut InstanceBooks) {
        let states = self.nodes.get(usize::from(node));
        let Some(state) = states.and_then(|s| s.get(usize::from(inst))) else { return };
        books.down = state.gone.until(now);
        books.in_queue += state.door.until(now);
        books.arrivals += state.lost;
        books.departures += state.lost;
        books.failures += state.lost;
        match self.door(node).filter(|_| Some(inst) == self.vacant(node)) {
            // Who waits there has come to no instance.
            Some(door) => {
                books.failures -= door.needless;
                books.needless += door.needless;
            }
            None => books.arrivals += state.door.count(),
        }
    }

    /// Whether anything is wrong with an instance right now, as below.
    pub fn is_struck(&self, (node, inst): Host) -> bool {
        let states = self.nodes.get(usize::from(node));
        states.and_then(|states| states.get(usize::from(inst))).is_some_and(State::is_struck)
    }

    /// Whether anything was wrong with an instance since this was last asked; that a place is free is nothing wrong.
    pub fn was_struck(&mut self, (node, inst): Host) -> bool {
        let states = self.nodes.get_mut(usize::from(node));
        let Some(state) = states.and_then(|s| s.get_mut(usize::from(inst))) else { return false };
        let is = state.is_struck();
        std::mem::replace(&mut state.struck, is)
    }

    /// Nothing moves there.
    pub fn is_paused(&self, host: Host) -> bool {
        self.has(host, PAUSED)
    }

    /// Messages that wait for the end of a pause, or at a door.
    pub fn held_messages(&self) -> impl Iterator<Item = (u8, Slot)> {
        let held = self.nodes.iter().flatten().flat_map(|s| &s.held);
        let at_doors = self.doors.iter().flat_map(|door| &door.line);
        let held = held.filter(|h| h.0 != event::TIMER).map(|h| (h.0, h.1));
        held.chain(at_doors.map(|&slot| (event::DELIVER, slot)))
    }

    /// Whether any instance is slow right now.
    #[inline(always)]
    pub fn slowed(&self) -> bool {
        self.ill[2] > 0
    }

    /// Whether any instance fails requests right now.
    #[inline(always)]
    pub fn failing(&self) -> bool {
        self.ill[3] > 0
    }

    /// How many times as long everything takes there.
    pub fn slowdown(&self, host: Host) -> f64 {
        if self.slowed() && self.has(host, SLOW) {
            self.state(host).slow.iter().product()
        } else {
            1.0
        }
    }

    /// The measured span begins.
    pub fn begin_span(&mut self) {
        self.uptimes.iter_mut().for_each(Uptime::begin_span);
    }

    /// How long the instances of a node were up.
    pub fn uptime_of(&self, node: usize, now: u64) -> UptimeBooks {
        self.uptimes.get(node).map_or_else(UptimeBooks::default, |uptime| uptime.books(now))
    }

    /// How long no node was short of instances.
    pub fn uptime(&self, now: u64) -> UptimeBooks {
        self.uptime.books(now)
    }

    /// Whether a request that arrives there fails at once.
    pub fn fails(&self, host: Host, id: u64) -> bool {
        if !self.has(host, ERRORS) {
            return false;
        }
        let well: f64 = self.state(host).errors.iter().map(|p| 1.0 - p).product();
        well < 1.0 && self.errors.draw_mixed(id).unit() >= well
    }
}

/// A value joins a list or leaves it.
fn turn(list: &mut Vec<f64>, value: f64, joins: bool) {
    if joins {
        list.push(value);
    } else if let Some(at) = list.iter().position(|x| *x == value) {
        list.remove(at);
    }
}
