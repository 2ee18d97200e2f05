//! One replication: the event loop, the windows of the time series, the books at the end.
//!
//! **Invariant.** At the end of every run, release builds too: issued = decided + in flight, sent =
//! delivered + lost + in flight, and Little's law holds exactly at every node.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    alert::monitor::Monitor,
    any_node::AnyNode,
    attributes::Attributes,
    autoscale::scaling::Scaling,
    bounded::Bounded,
    build::Assembly,
    consistency::observer::Observer,
    fault::{after::Begun, hosts::Hosts, timeline::Timeline},
    frame::{BRANCH, CALLEE_DONE, CALLER_DONE, Frames, IN_ROOM},
    network::{build::network, disturbed::Disturbance},
    node::Node,
    probe::Between,
    queue::mail::Mail,
    record::{NodeSnapshot, Recorder, Snapshot},
    replication::letters::{Cargo, Letters},
    resilience::{elsewhere::Elsewhere, rate_limit::Limiter},
    route::Route,
    tick::Tick,
    windows::{NodeWindows, Windows},
    world::{World, unpack},
};
use crate::{
    engine::{random::hash_str, table::Table},
    model::{
        books::InstanceBooks,
        clock::run::Clocks,
        connection::{books::PoolBooks, registry::Connections},
        design::{Limits, window_length},
        event,
        ids::{Host, NodeId, Slot},
        plan::Plan,
    },
    units::SimTime,
};

/// Events between two looks at the stop flag and the limits.
pub(super) const LOOK: u64 = 1 << 16;
/// Looks without progress of the clock after which a run is a livelock (about 10^6 events).
const STUCK_LOOKS: u32 = 16;

/// How far a replication has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Where something is done between two events, from the last one on.
    pub(super) stops: BTreeSet<u64>,
    /// Those of them at which some alert looks.
    pub(super) looks: BTreeSet<u64>,
    /// Whether it has begun.
    pub(super) begun: bool,
    /// Something is to be done sooner than at the stop that events ran to.
    pub(super) cut_short: bool,
    /// Why it ended early.
    pub(super) truncated: Option<String>,
}

/// A replication that can run.
pub struct Simulation {
    pub(super) plan: Arc<Plan>,
    pub(super) progress: Progress,
    pub(super) nodes: Table<AnyNode>,
    pub(super) world: World,
    /// What nodes did in the windows that are over, the books as the last of them ended, and others to write into.
    pub(super) by_window: Windows,
    pub(super) window_snapshot: Snapshot,
    spare_snapshot: Snapshot,
    pub(super) span_snapshot: Snapshot,
    pub(super) seed: u64,
    pub(super) timeline: Timeline,
    /// Whom faults hit by their role: by fault, and when it began.
    pub(super) struck: BTreeMap<(usize, u64), Vec<Host>>,
    /// Those that are at work.
    pub(super) begun: Begun,
    /// Planned changes that hold: when each began and ends, and its number.
    pub(super) planned: Vec<(u64, u64, usize)>,
    /// Of each alert.
    pub(super) monitors: Vec<Monitor>,
    /// Nodes whose instances come and go.
    pub(super) scalings: BTreeMap<NodeId, Scaling>,
    /// Ways to the nodes whose instances take up other keys later, by version.
    pub(super) routes: Vec<(NodeId, Vec<Route>)>,
    /// Faults of the network, by fault.
    pub(super) disturbances: Vec<Option<Disturbance>>,
    pub(super) events: u64,
    /// Events until the next look.
    pub(super) left: u64,
    /// Of these, those that are not to be run for now.
    pub(super) put_off: u64,
    stuck_at: u64,
    stuck: u32,
    pub(super) windows: u64,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl Simulation {
    /// The world of one replication.
    pub fn new(plan: Arc<Plan>, seed: u64) -> Self {
        let Plan { names, prepared } = plan.as_ref();
        let design = &names.design;
        let timeline = Timeline::new(names, prepared, seed);
        let mut assembly = Assembly::new((names, prepared), seed, &timeline);
        let net = network(&mut assembly);
        let (mut nodes, mut routes) = (Vec::new(), Vec::new());
        for (id, (name, spec)) in design.nodes.iter().enumerate() {
            let kind = (spec.kind(), id as NodeId);
            routes.push(Route::with_draws(kind, (names, prepared), (&name.0, seed)));
            nodes.push(AnyNode::new(assembly.node(id as NodeId, (&name.0, spec))));
        }
        let mut record = Recorder::new(names, &timeline, seed);
        for (i, client) in design.clients.values().enumerate() {
            let built = client.build(i, record.first_row[i], &mut assembly);
            nodes.push(AnyNode::Client(Box::new(built)));
        }
        let (data, letters) = (Observer::of(names).map(Box::new), Letters::of(names).map(Box::new));
        let laden = names.carries || data.is_some() || letters.is_some();
        record.pools = PoolBooks::of(&assembly.pools);
        let connections = names.knows_connections.then(Box::<Connections>::default);
        let world = World {
            agenda: assembly.agenda,
            frames: Frames::default(),
            network: net,
            hosts: Hosts::new(names, prepared, seed),
            record,
            routes: routes.into(),
            attributes: Attributes::new(names.columns.len()),
            carries: names.carries,
            ticks: Tick::all(names, &assembly.ticks).into(),
            laden: laden || connections.is_some(),
            connections,
            kept: assembly.keeps.then(Box::default),
            data,
            letters,
            elsewhere: Elsewhere::of(names).map(Box::new),
            mail: Mail::of(names).map(Box::new),
            clocks: Clocks::of(names, prepared, seed).map(Box::new),
            route_salt: hash_str(seed, "route"),
            limiters: vec![Limiter::default(); assembly.limiters],
            overdue: false,
            delivered: 0,
            first_client: design.nodes.len() as NodeId,
        };
        Self {
            nodes: nodes.into(),
            by_window: Windows::default(),
            window_snapshot: Snapshot::default(),
            spare_snapshot: Snapshot::default(),
            span_snapshot: Snapshot::default(),
            seed,
            timeline,
            struck: BTreeMap::new(),
            begun: Begun::default(),
            planned: Vec::new(),
            monitors: Monitor::all(names, &world.record.first_row, world.record.operations.len()),
            scalings: Scaling::all(&plan, seed),
            world,
            routes: names.routes(prepared),
            disturbances: names.disturbances(prepared, seed),
            progress: Progress::default(),
            events: 0,
            left: 0,
            put_off: 0,
            stuck_at: 0,
            stuck: 0,
            windows: design.duration.div_ceil(window_length(design.duration)),
            plan,
        }
    }

    pub(super) fn run_events(
        &mut self,
        last: SimTime,
        limits: Limits,
        stop: &AtomicBool,
    ) -> Option<String> {
        loop {
            let left = limits.events.saturating_sub(self.events);
            let until_look = left.min(LOOK - self.events % LOOK);
            self.left = until_look;
            self.run_some(last);
            self.events += until_look - self.left - std::mem::take(&mut self.put_off);
            if self.left > 0 || self.progress.cut_short {
                return None;
            }
            if let Some(why) = self.limit(limits, stop) {
                return Some(why);
            }
        }
    }

    /// Runs as many events as are `left`, or all there are.
    #[inline(never)]
    pub(super) fn run_some(&mut self, last: SimTime) {
        let far = self.world.frames.are_far();
        while self.left > 0
            && let Some(popped) = self.world.agenda.pop(last)
        {
            if far {
                for slot in self.world.agenda.upcoming() {
                    self.world.frames.expect(slot);
                }
            }
            self.dispatch(popped.kind, popped.slot, popped.sequence);
            self.left -= 1;
        }
    }

    /// Looks whether it has to end here, and why.
    #[cold]
    pub(super) fn limit(&mut self, limits: Limits, stop: &AtomicBool) -> Option<String> {
        let now = self.world.now();
        self.stuck = if now == self.stuck_at { self.stuck + 1 } else { 0 };
        self.stuck_at = now;
        if stop.load(Ordering::Relaxed) {
            return Some("interrupted".to_owned());
        }
        if self.events >= limits.events {
            return Some(format!("the limit of {} events was reached", limits.events));
        }
        if self.stuck >= STUCK_LOOKS {
            let busiest = self
                .world
                .record
                .nodes
                .iter()
                .enumerate()
                .max_by_key(|(_, n)| n.arrivals)
                .map_or(0, |(i, _)| i);
            return Some(format!(
                "livelock: over 10^6 events at {} ns without time advancing (busiest node: number \
                 {busiest} in name order)",
                self.world.now()
            ));
        }
        let sequences = self.world.agenda.sequence() + 2 * LOOK * 64;
        if sequences >= crate::engine::agenda::MAX_SEQUENCE {
            return Some("the agenda's 2^36 schedulings are used up".to_owned());
        }
        (self.world.frames.high_water() as u64 + LOOK * 64 >= crate::engine::agenda::MAX_SLOTS)
            .then(|| "too many requests in flight (2^24)".to_owned())
    }

    #[inline(always)]
    fn dispatch(&mut self, event: u8, slot: Slot, sequence: u64) {
        let world = &mut self.world;
        if world.hosts.paused && event != event::ARRIVAL && world.hold(event, slot, sequence) {
            return;
        }
        // All kinds are below 16, which the compiler can see here.
        match event & 15 {
            event::DELIVER => {
                let f = &world.frames[slot];
                let node = usize::from(f.node);
                world.delivered += 1;
                world.record.event(world.agenda.now(), event, f.id);
                if world.hosts.disturbed && world.turned_away(slot) {
                    return;
                }
                match &mut self.nodes[node] {
                    AnyNode::Server(server) => server.on_request(slot, world),
                    other => other.on_request(slot, world),
                }
            }
            event::REPLY => self.on_reply(slot),
            event::ANSWER => world.answered(slot),
            event::LETTER => self.letter(slot),
            event::NEWS => world.hears_news(slot),
            event::CONNECTION => world.connection_event(slot),
            event::LINE => world.network.line_due(&mut world.agenda, slot, sequence),
            event::FATE => self.fate(slot, sequence),
            event::TIMER => {
                let f = &world.frames[slot];
                if f.armed == sequence {
                    let node = usize::from(f.node);
                    world.record.event(world.agenda.now(), event, f.id);
                    match &mut self.nodes[node] {
                        AnyNode::Server(server) => server.on_timer(slot, world),
                        other => other.on_timer(slot, world),
                    }
                } else {
                    world.drop_dead_timers();
                }
            }
            event::TICK => {
                let tick = &mut world.ticks[slot as usize];
                if tick.armed == sequence {
                    tick.armed = 0;
                    let (node, index) = (usize::from(tick.node), tick.index);
                    world.record.event(world.agenda.now(), event, tick.identity);
                    self.nodes[node].on_tick(index, world);
                }
            }
            event::CANCEL => {
                world.delivered += 1;
                if let Some((slot, overdue)) = world.open_letter(slot) {
                    let f = &world.frames[slot];
                    let node = usize::from(f.node);
                    world.record.event(world.agenda.now(), event, f.id);
                    world.overdue = overdue;
                    self.nodes[node].on_cancel(slot, world);
                    world.overdue = false;
                }
            }
            event::ARRIVAL => {
                if let AnyNode::Client(client) = &mut self.nodes[slot as usize] {
                    world.record.event(world.agenda.now(), event::TICK, client.identity);
                    client.arrive(world);
                }
            }
            _ => unreachable!("the agenda holds no other kind"),
        }
    }

    /// A letter arrives: at a process of a node, or at one who calls it.
    #[inline(never)]
    fn letter(&mut self, slot: Slot) {
        let world = &mut self.world;
        world.delivered += 1;
        let f = &world.frames[slot];
        let node = usize::from(f.node);
        world.record.event(world.agenda.now(), event::LETTER, f.id);
        if world.hosts.disturbed && world.undelivered(slot) {
            return;
        }
        let cargo = world.letters.as_ref().map(|letters| letters.get(slot));
        match (&mut self.nodes[node], cargo) {
            (AnyNode::Server(server), Some(Cargo::Message(..))) => server.message_came(slot, world),
            (_, Some(Cargo::News(_))) => world.hears_news(slot),
            (node, _) => node.on_letter(slot, world),
        }
    }

    #[inline(always)]
    fn on_reply(&mut self, slot: Slot) {
        let world = &mut self.world;
        let f = &mut world.frames[slot];
        f.flags |= CALLEE_DONE;
        let (flags, parent, id) = (f.flags, f.parent, f.id);
        world.delivered += u64::from(flags & BRANCH == 0);
        world.record.event(world.agenda.now(), event::REPLY, id);
        if flags & CALLER_DONE == 0 {
            let node = usize::from(world.frames[parent].node);
            match &mut self.nodes[node] {
                AnyNode::Client(client) => client.on_reply(slot, world),
                AnyNode::Server(server) => server.on_reply(slot, world),
                AnyNode::Other(other) => other.on_reply(slot, world),
            }
            let f = &mut world.frames[slot];
            if f.flags & IN_ROOM == 0 {
                world.release(slot);
            } else {
                f.flags |= CALLER_DONE;
            }
            return;
        }
        if flags & BRANCH == 0 {
            let (node, _) = unpack(parent);
            if node >= world.first_client {
                match &mut self.nodes[usize::from(node)] {
                    AnyNode::Client(client) => client.on_late(slot, world),
                    other => other.on_late(slot, world),
                }
            }
        }
        self.world.release_if_done(slot);
    }

    pub(super) fn begin_span(&mut self) {
        self.keep_readings();
        self.keep_samples();
        self.world.hosts.begin_span();
        self.world.network.begin_span(self.world.agenda.now());
        let mut now = std::mem::take(&mut self.span_snapshot);
        self.snapshot(&mut now);
        self.span_snapshot = now;
        self.world.record.begin_span();
    }

    /// Puts the books of this instant down.
    fn snapshot(&self, into: &mut Snapshot) {
        let now = self.world.now();
        let records = self.world.record.nodes.iter();
        into.at = now;
        into.nodes.resize_with(records.len(), NodeSnapshot::default);
        for (i, (node, r)) in into.nodes.iter_mut().zip(records).enumerate() {
            self.books(i, now, &mut node.instances);
            node.held.clear();
            self.nodes[i].held(now, &mut node.held);
            node.in_system = r.inside.until(now);
            (node.arrivals, node.departures, node.outcomes) =
                (r.arrivals, r.departures, r.outcomes);
            if node.causes != r.causes {
                node.causes.clone_from(&r.causes);
            }
            node.uptime = self.world.hosts.uptime_of(i, now);
            if let Some(own) = self.nodes[i].environments(now, false) {
                node.environments = own.books;
            }
        }
        into.uptime = self.world.hosts.uptime(now);
        into.traffic = self.world.network.paid_bytes();
        into.between =
            Between { network: self.world.network.travelled(), ..self.world.record.between };
    }

    /// Books of the instances of a node, into `books`.
    pub(super) fn books(&self, i: usize, now: u64, books: &mut Vec<InstanceBooks>) {
        books.clear();
        self.nodes[i].books(now, books);
        for (inst, books) in books.iter_mut().enumerate() {
            self.world.hosts.add_unseen((i as NodeId, inst as u16), now, books);
        }
    }

    /// A window ends: what was done in it is what the books say more than as the last one ended.
    pub(super) fn end_window(&mut self) {
        let mut now = std::mem::take(&mut self.spare_snapshot);
        self.snapshot(&mut now);
        let before = &mut self.window_snapshot;
        if self.by_window.nodes.is_empty() {
            before.nodes.resize_with(now.nodes.len(), NodeSnapshot::default);
            let (names, windows) = (&self.plan.names, self.windows as usize);
            let one = |(i, node): (usize, &AnyNode)| {
                let (first, further) = node.bounded();
                let capacity = names.kind(i as NodeId).facts().capacity;
                let counted = capacity.map(|capacity| Bounded {
                    name: first.to_owned(),
                    capacity,
                    each: true,
                    sampled: false,
                });
                let counts = counted.is_some();
                let things = counted.into_iter().chain(further).collect();
                NodeWindows::new(things, counts, (now.nodes[i].instances.len(), windows))
            };
            let nodes = self.nodes.iter().enumerate().take(now.nodes.len());
            self.by_window.nodes = nodes.map(one).collect();
            NodeWindows::choose(&mut self.by_window.nodes);
        }
        let measured = before.at >= self.plan.names.design.warm_up;
        let used = self.world.network.used(now.at);
        self.by_window.links.push(used, now.at.saturating_sub(before.at), measured);
        for (i, node) in self.by_window.nodes.iter_mut().enumerate() {
            node.push((&before.nodes[i], before.at), (&now.nodes[i], now.at), measured);
            let struck = |inst| self.world.hosts.was_struck((i as NodeId, inst));
            node.follow(&before.nodes[i], &now.nodes[i], struck);
        }
        self.spare_snapshot = std::mem::replace(before, now);
    }
}
