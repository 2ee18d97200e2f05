//! Messages under way: from zone to zone, with latency, loss and bandwidth.
//!
//! **Invariant.** Sent = delivered + lost + in flight, per link, at every instant; the run's end
//! checks it.

use std::collections::BTreeMap;

use super::{
    books::LinkMeasured,
    disturbed::Disturbance,
    ground::{Ground, SPREAD},
    line::{Line, LineOf},
};
use crate::{
    engine::{
        agenda::{Agenda, LaneId},
        law::{Sampler, to_nanos},
        random::Stream,
        table::Table,
    },
    model::{
        ids::{End, NONE, Slot, Zone},
        network::PAID,
    },
};

/// How a link carries a message.
#[derive(Clone, Copy, Debug)]
pub enum Carriage {
    /// Delivered at the same instant.
    Now,
    /// A constant latency with a lane of its own.
    Lane(LaneId),
    /// By everything [`Link`] has.
    Full,
}

/// One direction between two zones.
#[derive(Clone, Debug)]
pub struct Link {
    /// How it carries.
    pub carriage: Carriage,
    /// Messages sent.
    pub sent: u64,
    /// What only some links have or need.
    pub more: Box<More>,
}

/// The rest of a link.
#[derive(Clone, Debug)]
pub struct More {
    /// Latency.
    pub latency: Sampler,
    /// Draws of latencies.
    pub latency_stream: Stream,
    /// What it can carry at once; none: everything.
    pub line: Option<Box<Line>>,
    /// Probability of losing a message.
    pub loss: f64,
    /// Draws of losses.
    pub loss_stream: Stream,
    /// No overtaking.
    pub ordered: bool,
    /// Latest delivery so far, ns.
    pub last_delivery: u64,
    /// Messages lost.
    pub lost: u64,
    /// What each takes that goes by a lane, ns.
    pub lane: u64,
    /// What the others have taken together, ns; of those that take longer than the lane only by how much.
    pub travel: u128,
    /// Bytes sent.
    pub bytes: u64,
}

impl Link {
    /// Sends a message about the frame `slot`; false: it is lost. What is in it is only asked for by
    /// links that need to know.
    #[inline(always)]
    pub fn send(
        &mut self,
        agenda: &mut Agenda,
        (slot, kind): (Slot, u8),
        message: impl FnOnce() -> Message,
    ) -> bool {
        self.sent += 1;
        match self.carriage {
            Carriage::Now => agenda.push_now(slot, kind),
            Carriage::Lane(lane) => agenda.push_lane(lane, slot, kind),
            Carriage::Full => return self.more.send(agenda, (slot, kind), message(), 0),
        };
        true
    }

    /// Sends a message whose way may be told apart: whether it is on its way, and how long that takes, ns, as far as it is
    /// known by then.
    #[inline(always)]
    pub fn send_apart(
        &mut self,
        agenda: &mut Agenda,
        of: (Slot, u8),
        message: impl FnOnce() -> Message,
        apart: bool,
    ) -> (bool, u128) {
        if !matches!(self.carriage, Carriage::Full) {
            return (self.send(agenda, of, message), self.more.lane.into());
        }
        self.tell_apart(apart);
        let before = self.more.travel;
        let sent = self.send(agenda, of, message);
        self.tell_apart(false);
        let lane = if sent { self.more.lane } else { 0 };
        (sent, self.more.travel - before + u128::from(lane))
    }

    /// What it accepts now is told apart, or no longer.
    pub fn tell_apart(&mut self, apart: bool) {
        if let (Carriage::Full, Some(line)) = (self.carriage, &mut self.more.line) {
            line.apart = apart;
        }
    }

    /// The time all its messages have taken together, ns; of those that shared a line, once they had left.
    pub fn travelled(&self) -> u128 {
        u128::from(self.sent - self.more.lost) * u128::from(self.more.lane) + self.more.travel
    }

    /// Every message is looked at.
    pub(super) fn carry_in_full(&mut self) {
        self.carriage = Carriage::Full;
        self.more.lane = 0;
    }

    /// Sends a message that takes `later` ns more than it would.
    pub(in crate::model) fn send_later(
        &mut self,
        agenda: &mut Agenda,
        (slot, kind): (Slot, u8),
        message: Message,
        later: u64,
    ) -> bool {
        if later == 0 {
            return self.send(agenda, (slot, kind), || message);
        }
        self.sent += 1;
        self.more.send(agenda, (slot, kind), message, later)
    }
}

impl More {
    /// Sends a message that takes `later` ns more than it would.
    #[inline(never)]
    fn send(
        &mut self,
        agenda: &mut Agenda,
        (slot, kind): (Slot, u8),
        message: Message,
        later: u64,
    ) -> bool {
        self.bytes += message.size;
        let now = agenda.now();
        let lost = self.loss > 0.0 && self.loss_stream.draw_mixed(message.id).unit() < self.loss;
        self.lost += u64::from(lost);
        let mut leaves = now;
        if let Some(line) = &mut self.line {
            let takes = line.takes(message.size);
            if takes > 0 && line.is_shared() {
                return self.share(agenda, (slot, kind), (message.id, takes), (lost, later));
            }
            // Store and forward: a message waits until the link has sent those before it.
            leaves = if line.is_shared() { now } else { line.follow(takes, now) };
        }
        if lost {
            return false;
        }
        let latency = self.latency(message.id).saturating_add(later);
        let mut arrives = leaves.checked_add(latency).expect("the clock does not overflow");
        if self.ordered {
            arrives = arrives.max(self.last_delivery);
            self.last_delivery = arrives;
        }
        self.travel += u128::from(arrives - now - self.lane);
        agenda.push(arrives - now, slot, kind);
        true
    }

    /// How long a message is under way that has left, ns.
    #[inline(always)]
    fn latency(&self, id: u64) -> u64 {
        to_nanos(self.latency.sample(&mut self.latency_stream.draw_mixed(id)))
    }

    /// Sends one that takes so long, ns, at the full speed of a line, and shares it.
    fn share(
        &mut self,
        agenda: &mut Agenda,
        (slot, kind): (Slot, u8),
        (id, takes): (u64, u64),
        (lost, later): (bool, u64),
    ) -> bool {
        let latency = self.latency(id).saturating_add(later);
        let line = self.line.as_mut().expect("it shares one");
        if lost {
            // It takes its part of the line all the same.
            line.share(agenda, (NONE, kind), takes, 0);
            return false;
        }
        line.share(agenda, (slot, kind), takes, latency);
        self.travel += u128::from(latency);
        true
    }
}

/// What a link needs to know of a message.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Draw identity: the visit's, shifted by direction.
    pub id: u64,
    /// Bytes.
    pub size: u64,
}

/// All links and where everything stands.
#[derive(Clone, Debug)]
pub struct Network {
    /// Number of zones.
    pub zones: usize,
    /// `from * zones + to`; then those between nodes.
    pub links: Table<Link>,
    /// Links of nodes and clients that have one of their own, by both ends and their zones.
    pub between: BTreeMap<(End, End), usize>,
    /// Where everything stands.
    pub ground: Ground,
    /// Faults at work on messages.
    pub disturbances: Vec<Disturbance>,
    /// The way within a host, of whoever is inside of another.
    pub inside: Link,
    /// Links whose bytes are paid for, and the class of each; empty where nothing has a price.
    pub paid: Vec<(usize, usize)>,
    /// What probes and letters between replicas have travelled, ns.
    pub probes: u128,
    /// Some messages need a closer look: faults are at work, something is inside another, nodes have links of
    /// their own.
    pub special: bool,
}

impl Network {
    /// Zone of an instance.
    pub fn zone_of(&self, node: u16, inst: u16) -> Zone {
        self.ground.zone(self.ground.homes[usize::from(node)], inst) as Zone
    }

    /// The link from one place (node, instance) to another, whoever stands there.
    #[inline(always)]
    pub fn link(&mut self, from: (u16, u16), to: (u16, u16)) -> &mut Link {
        let homes = &self.ground.homes;
        let (a, b) = (homes[usize::from(from.0)], homes[usize::from(to.0)]);
        let (a, b) = if (a | b) & SPREAD == 0 {
            (a as usize, b as usize)
        } else {
            (self.ground.zone(a, from.1), self.ground.zone(b, to.1))
        };
        &mut self.links[a * self.zones + b]
    }

    /// The link from one place to another, which may be one of those two nodes alone.
    pub fn link_between(&mut self, from: (u16, u16), to: (u16, u16)) -> &mut Link {
        let (from, to) = (self.ground.within.whose(from), self.ground.within.whose(to));
        let ends = ((from.0, self.zone_of(from.0, from.1)), (to.0, self.zone_of(to.0, to.1)));
        match self.between.get(&ends) {
            Some(&at) => &mut self.links[at],
            None => self.link(from, to),
        }
    }

    /// Whether messages need a closer look.
    pub(super) fn look_closer(&mut self) {
        self.special =
            self.ground.is_shared() || !self.disturbances.is_empty() || !self.between.is_empty();
    }

    /// Bytes sent so far over each class that can have a price, lost ones included; 0 where nothing has one.
    pub fn paid_bytes(&self) -> [u64; PAID.len()] {
        let mut sent = [0; PAID.len()];
        for &(link, class) in &self.paid {
            sent[class] += self.links[link].more.bytes;
        }
        sent
    }

    /// The time all messages but probes have taken together, ns.
    pub fn travelled(&self) -> u128 {
        let all: u128 = self.links.iter().chain([&self.inside]).map(Link::travelled).sum();
        all - self.probes + self.lines().map(|line| line.travel).sum::<u128>()
    }

    /// Of links that cannot carry everything at once: their lines.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.links.iter().filter_map(|link| link.more.line.as_deref())
    }

    /// What was measured of links that cannot carry everything at once, by link of the file and direction.
    pub fn links_measured(&mut self, now: u64) -> BTreeMap<LineOf, LinkMeasured> {
        let mut all: BTreeMap<LineOf, LinkMeasured> = BTreeMap::new();
        for line in self.links.iter_mut().filter_map(|link| link.more.line.as_mut()) {
            line.measured(all.entry(line.of).or_default(), now);
        }
        all
    }

    /// From time 0: what part of each line was used, ns.
    pub fn used(&self, now: u64) -> BTreeMap<LineOf, Vec<u128>> {
        let mut all: BTreeMap<LineOf, Vec<u128>> = BTreeMap::new();
        for line in self.lines() {
            all.entry(line.of).or_default().push(line.used(now));
        }
        all
    }

    /// The measured span begins.
    pub fn begin_span(&mut self, now: u64) {
        let lines = self.links.iter_mut().filter_map(|link| link.more.line.as_mut());
        lines.for_each(|line| line.begin_span(now));
    }

    /// An event of a line is due.
    #[cold]
    #[inline(never)]
    pub fn line_due(&mut self, agenda: &mut Agenda, link: u32, sequence: u64) {
        if let Some(line) = &mut self.links[link as usize].more.line {
            line.due(agenda, sequence);
        }
    }

    /// Whether an event of a line still means something.
    pub fn awaits(&self, link: u32, sequence: u64) -> bool {
        self.links[link as usize].more.line.as_ref().is_some_and(|line| line.awaits(sequence))
    }
}
