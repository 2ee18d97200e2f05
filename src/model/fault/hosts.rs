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
        books::{Area, InstanceBooks},
        frame::{
            BRANCH, CALLEE_DONE, CALLER_DONE, FINISHED, HAS_CORE, HAS_WORKER, IN_TRANSIT, PROBE,
            UNSEEN,
        },
        ids::{Host, NONE, NodeId, Slot},
        kinds::NodeSpec,
        names::Names,
        outcome::Outcome,
        span::{Span, Work},
        world::{World, kind},
    },
};

/// What is wrong with one instance.
#[derive(Clone, Debug, Default)]
struct State {
    /// Crashes at work.
    down: u32,
    /// Whether there are any, over time.
    gone: Area,
    /// Of these: of the host, which answers nobody.
    silent: u32,
    /// Pauses at work.
    paused: u32,
    /// Events that wait for the end of the pause: kind, slot, sequence.
    held: Vec<(u8, Slot, u64)>,
    /// Visits among them: they are inside, and the node has not seen them.
    door: Area,
    /// Such visits that were lost in a crash.
    lost: u64,
    /// Factors of the `slow` faults at work.
    slow: Vec<f64>,
    /// Fractions of the `errors` faults at work.
    errors: Vec<f64>,
    /// Of a process that can die of itself.
    life: Life,
}

/// All instances; empty in a design without faults.
#[derive(Debug)]
pub struct Hosts {
    /// Something is wrong with some instance right now.
    pub disturbed: bool,
    /// Some instance is paused right now.
    pub paused: bool,
    nodes: Vec<Vec<State>>,
    /// Of each node.
    uptimes: Vec<Uptime>,
    /// Of the design: its nodes, none of which may be short of instances.
    uptime: Uptime,
    errors: Stream,
    /// Nodes whose processes can die of themselves.
    mortals: BTreeMap<NodeId, Rebirth>,
}

/// What a fault does to an instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Harm {
    /// It is down; silently or with its host answering.
    Down {
        /// The host is gone too.
        silent: bool,
    },
    /// Nothing moves.
    Paused,
    /// It is slower by this factor.
    Slow(f64),
    /// It fails this fraction of requests.
    Errors(f64),
}

impl Hosts {
    /// All instances of a design, all well.
    pub fn new(names: &Names, tables: &dyn Tables, seed: u64) -> Self {
        let mortals = mortals(names, tables, seed);
        let all_well = names.order.is_empty() && mortals.is_empty();
        let nodes = names.specs().take(if all_well { 0 } else { usize::MAX });
        let instances = |spec: &NodeSpec| spec.kind().facts().instances as usize;
        let spare = |spec: &NodeSpec| {
            let facts = spec.kind().facts();
            facts.instances - facts.need.min(facts.instances)
        };
        Self {
            disturbed: false,
            paused: false,
            nodes: nodes.clone().map(|spec| vec![State::default(); instances(spec)]).collect(),
            uptimes: nodes.map(|spec| Uptime::new(spare(spec))).collect(),
            uptime: Uptime::new(0),
            errors: Stream::new(seed, "faults", "errors"),
            mortals,
        }
    }

    /// The life of an instance.
    pub fn life(&mut self, (node, inst): Host) -> &mut Life {
        &mut self.nodes[usize::from(node)][usize::from(inst)].life
    }

    /// How the instances of a node start again when they have died of themselves.
    pub fn rebirth(&self, node: NodeId) -> &Rebirth {
        &self.mortals[&node]
    }

    fn state(&self, (node, inst): Host) -> &State {
        &self.nodes[usize::from(node)][usize::from(inst)]
    }

    /// A fault begins to harm an instance, or ceases to.
    pub fn harm(&mut self, (node, inst): Host, harm: Harm, begins: bool, now: u64) {
        let state = &mut self.nodes[usize::from(node)][usize::from(inst)];
        match harm {
            Harm::Down { silent } => {
                let was_down = state.down > 0;
                let one = |n: u32| if begins { n + 1 } else { n - 1 };
                state.down = one(state.down);
                if silent {
                    state.silent = one(state.silent);
                }
                let uptime = &mut self.uptimes[usize::from(node)];
                match (was_down, state.down > 0) {
                    (false, true) => {
                        state.gone.enter(now);
                        if uptime.fall(now) {
                            self.uptime.fall(now);
                        }
                    }
                    (true, false) => {
                        state.gone.leave(now);
                        if uptime.rise(now) {
                            self.uptime.rise(now);
                        }
                    }
                    _ => {}
                }
            }
            Harm::Paused => state.paused = if begins { state.paused + 1 } else { state.paused - 1 },
            Harm::Slow(x) => turn(&mut state.slow, x, begins),
            Harm::Errors(x) => turn(&mut state.errors, x, begins),
        }
        let ill = |s: &State| s.down > 0 || !s.slow.is_empty() || !s.errors.is_empty();
        self.disturbed = self.nodes.iter().flatten().any(ill);
        self.paused = self.nodes.iter().flatten().any(|s| s.paused > 0);
    }

    /// It is down.
    pub fn is_down(&self, host: Host) -> bool {
        self.state(host).down > 0
    }

    /// Adds what an instance has not seen to its books.
    pub fn add_unseen(&self, (node, inst): Host, now: u64, books: &mut InstanceBooks) {
        let states = self.nodes.get(usize::from(node));
        let Some(state) = states.and_then(|s| s.get(usize::from(inst))) else { return };
        books.down = state.gone.until(now);
        books.in_queue += state.door.until(now);
        books.arrivals += state.door.count() + state.lost;
        books.departures += state.lost;
        books.failures += state.lost;
    }

    /// Nothing moves there.
    pub fn is_paused(&self, host: Host) -> bool {
        self.state(host).paused > 0
    }

    /// Messages that wait for the end of a pause.
    pub fn held_messages(&self) -> impl Iterator<Item = (u8, Slot)> {
        let held = self.nodes.iter().flatten().flat_map(|s| &s.held);
        held.filter(|h| h.0 != kind::TIMER).map(|h| (h.0, h.1))
    }

    /// How many times as long everything takes there.
    pub fn slowdown(&self, host: Host) -> f64 {
        self.state(host).slow.iter().product()
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
    fn fails(&self, host: Host, id: u64) -> bool {
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
            return false;
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
            self.record.node(node).cause("lost_at_dead_host");
            self.frames[slot].flags |= CALLEE_DONE;
            self.release_if_done(slot);
        } else {
            self.record.node(node).cause("connection_refused");
            self.reply(slot, Outcome::Error);
        }
        true
    }

    /// An event that is due at a paused host waits for the end of the pause.
    #[cold]
    pub fn hold(&mut self, event: u8, slot: Slot, sequence: u64) -> bool {
        if event == kind::TICK || event == kind::FATE {
            // A node's own: what is shared stands still already.
            return false;
        }
        let f = &self.frames[slot];
        let host = match event {
            kind::REPLY | kind::ANSWER if f.flags & CALLER_DONE != 0 => return false,
            kind::REPLY | kind::ANSWER => self.host(f.parent),
            kind::TIMER if f.armed != sequence => return false,
            kind::CANCEL => self.host(f.key as Slot),
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
        if event == kind::DELIVER && f.armed == IN_TRANSIT && f.op != PROBE {
            // It is inside from now on (`semantics.md` 34); the node sees it after the pause.
            let now = self.agenda.now();
            state.door.enter(now);
            let f = &mut self.frames[slot];
            (f.arrived, f.armed) = (now, UNSEEN);
            self.record.node(host.0).arrive(now);
        }
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
            if event != kind::TIMER {
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
            self.record.node(host.0).cause("fault");
        }
        fails
    }

    /// How long something takes on the host of a frame.
    #[inline(always)]
    pub fn stretched(&self, slot: Slot, work: Work) -> Work {
        if self.hosts.disturbed { self.stretched_there(slot, work) } else { work }
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
        if !self.hosts.disturbed {
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
            .filter(|(_, p)| p.kind == kind::TIMER && self.frames[p.slot].armed == p.sequence)
            .filter(|(_, p)| at_work(p.slot))
            .map(|(time, p)| (p.slot, time))
            .collect();
        ends.sort_unstable();
        ends
    }

    /// All frames inside an instance that it knows of: those that have arrived and have not answered.
    pub fn inside(&self, (node, inst): Host) -> Vec<Slot> {
        let inside =
            |f: &&crate::model::frame::Frame| f.node == node && f.inst == inst && f.armed < UNSEEN;
        self.frames.iter().filter(|(_, f)| inside(f)).map(|(slot, _)| slot).collect()
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
            let f = &mut self.frames[slot];
            f.flags &= !(HAS_CORE | HAS_WORKER);
            let (node, arrived) = (f.node, f.arrived);
            if f.flags & BRANCH != 0 {
                f.armed = FINISHED;
                f.flags |= CALLER_DONE | CALLEE_DONE;
                self.release_if_done(slot);
                continue;
            }
            self.record.node(node).depart(now, arrived, from, Err("crashed"));
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

/// A length of time many times over.
pub fn scaled(nanos: u64, factor: f64) -> u64 {
    crate::engine::law::to_nanos(nanos as f64 * factor)
}
