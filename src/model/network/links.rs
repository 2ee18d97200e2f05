//! Messages under way: from zone to zone, with latency, loss and bandwidth.
//!
//! **Invariant.** Sent = delivered + lost + in flight, per link, at every instant; the run's end
//! checks it.

use crate::{
    engine::{
        agenda::{Agenda, LaneId},
        law::{Sampler, to_nanos},
        random::Stream,
    },
    model::frame::Slot,
};

/// Index of a zone: [`INTERNET`], [`LOCAL`], then the zones of the topology in name order.
pub type Zone = u16;
/// Clients outside all zones.
pub const INTERNET: Zone = 0;
/// Things that stand wherever their caller stands (and everything in a design without zones).
pub const LOCAL: Zone = 1;

/// How long a message takes.
#[derive(Clone, Debug)]
pub enum Delay {
    /// Delivered at the same instant.
    Zero,
    /// A constant with a lane of its own.
    Lane(LaneId),
    /// Drawn for each message.
    Drawn(Sampler, Stream),
}

/// One direction between two zones.
#[derive(Clone, Debug)]
pub struct Link {
    /// Latency.
    pub delay: Delay,
    /// Latency in ns when it is constant (a lane cannot be asked).
    pub constant: u64,
    /// Whether any of the fields below matters.
    pub special: bool,
    /// Bytes per nanosecond; 0: unlimited.
    pub bandwidth: f64,
    /// Probability of losing a message.
    pub loss: f64,
    /// Draws of losses.
    pub loss_stream: Stream,
    /// No overtaking.
    pub ordered: bool,
    /// When the link has sent all it has accepted, ns.
    pub busy_until: u64,
    /// Latest delivery so far, ns.
    pub last_delivery: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages lost.
    pub lost: u64,
    /// Bytes sent.
    pub bytes: u64,
}

impl Link {
    /// Sends a message about the frame `slot` with draw identity `id`; false: it is lost.
    #[inline(always)]
    pub fn send(&mut self, agenda: &mut Agenda, slot: Slot, kind: u8, message: Message) -> bool {
        self.sent += 1;
        if self.special {
            return self.send_special(agenda, slot, kind, message);
        }
        match &self.delay {
            Delay::Zero => agenda.push_now(slot, kind),
            Delay::Lane(lane) => agenda.push_lane(*lane, slot, kind),
            Delay::Drawn(..) => self.send_drawn(agenda, slot, kind, message),
        };
        true
    }

    #[inline(never)]
    fn send_drawn(&mut self, agenda: &mut Agenda, slot: Slot, kind: u8, message: Message) -> u64 {
        let Delay::Drawn(sampler, stream) = &self.delay else { unreachable!("its delay is drawn") };
        let delay = to_nanos(sampler.sample(&mut stream.draw_mixed(message.id)));
        agenda.push(delay, slot, kind)
    }

    #[cold]
    #[inline(never)]
    fn send_special(
        &mut self,
        agenda: &mut Agenda,
        slot: Slot,
        kind: u8,
        message: Message,
    ) -> bool {
        self.bytes += message.size;
        let now = agenda.now();
        let mut leaves = now;
        if self.bandwidth > 0.0 {
            // Store and forward: a message waits until the link has sent those before it.
            leaves = now.max(self.busy_until);
            leaves += to_nanos(message.size as f64 / self.bandwidth);
            self.busy_until = leaves;
        }
        if self.loss > 0.0 && self.loss_stream.draw_mixed(message.id).unit() < self.loss {
            self.lost += 1;
            return false;
        }
        let latency = match &self.delay {
            Delay::Drawn(sampler, stream) => {
                to_nanos(sampler.sample(&mut stream.draw_mixed(message.id)))
            }
            Delay::Zero | Delay::Lane(_) => self.constant,
        };
        let mut arrives = leaves.checked_add(latency).expect("the clock does not overflow");
        if self.ordered {
            arrives = arrives.max(self.last_delivery);
            self.last_delivery = arrives;
        }
        agenda.push(arrives - now, slot, kind);
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
    /// `from * zones + to`.
    pub links: Vec<Link>,
    /// First place of each entity in `zone_of`, or its one zone.
    pub places: Vec<Place>,
    /// Zone of each instance of the entities that stand in several.
    pub zone_of: Vec<Zone>,
}

/// Where the instances of an entity stand.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// All in one zone.
    One(Zone),
    /// Instance i in `zone_of[base + i]`.
    Table(u32),
}

impl Network {
    /// Zone of an instance.
    #[inline(always)]
    pub fn zone(&self, node: u16, inst: u16) -> Zone {
        match self.places[usize::from(node)] {
            Place::One(zone) => zone,
            Place::Table(base) => self.zone_of[base as usize + usize::from(inst)],
        }
    }

    /// The link from one place to another.
    #[inline(always)]
    pub fn link(&mut self, from: (u16, u16), to: (u16, u16)) -> &mut Link {
        let (from, to) = (self.zone(from.0, from.1), self.zone(to.0, to.1));
        &mut self.links[usize::from(from) * self.zones + usize::from(to)]
    }
}
