//! Backups of a store: what each shard has sent to where they are kept, what is there, and how far a shard is that lost all.
//!
//! Whoever keeps them is a process of the store behind its shards, which no fault hits. It believes the newest life of a shard that
//! it has heard of: what an earlier one says then is of data that are gone.
//!
//! **Invariant.** What is kept of a shard is what that held at one instant.

use crate::{
    engine::random::mix,
    model::{
        books::{BackupsMeasured, Restored},
        demand::Demand,
        replication::letters::{Batch, Image, Kept, KeptSaid},
        route::Route,
    },
    replication::data::{Data, Item},
};

/// What nobody has answered for so long is asked for, or said, again, ns.
pub const AGAIN: u64 = 60_000_000_000;
/// Bytes of a part of what is sent, there or back, at most.
const PART: u64 = 16 << 20;

/// How long it takes to restore what was sent.
#[derive(Clone, Debug)]
pub enum Pace {
    /// A time of its own.
    Takes(Demand),
    /// Of each key, ns.
    Each(f64),
}

/// How far a shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It serves.
    Serves,
    /// It has lost all, and its process has not asked for it.
    Lost,
    /// It has asked for this part.
    Asks(u64),
    /// All parts have come, and it takes them up.
    Loads,
}

/// A shard, and what is kept of it.
#[derive(Clone, Debug)]
struct Shard {
    phase: Phase,
    /// How often it has lost all.
    life: u32,
    /// When it last served before it lost all, ns, and when its process was back.
    lost: u64,
    back: u64,
    /// Keys of the start and their bytes.
    first: (u64, u64),
    /// What was written and is not known to be kept, in order, and the place of the last of all.
    tail: Vec<(u64, Item)>,
    last: u64,
    /// A snapshot, and a part of the log, on their way.
    sending: [Option<Sending>; 2],
    there: There,
}

/// What a shard is sending away.
#[derive(Clone, Debug)]
struct Sending {
    image: Image,
    bytes: u64,
    /// The part that is on its way.
    part: u64,
}

impl Sending {
    fn is_last(&self) -> bool {
        (self.part + 1) * PART >= self.bytes
    }
}

/// What is kept of a shard.
#[derive(Clone, Debug)]
struct There {
    /// The newest life it has heard of.
    life: u32,
    data: Data,
    /// The instant at which the shard held that, ns.
    at: u64,
    /// Bytes of what is sent back.
    bytes: u64,
}

/// What a store's backups are made of.
#[derive(Debug)]
pub struct Parts {
    /// Hash of the store's name, for identities.
    pub site: u64,
    /// From one snapshot to the next, and from one part of the log to the next, ns.
    pub every: u64,
    /// Likewise of the log, if that is kept.
    pub log: Option<u64>,
    /// How long it takes to restore what was sent; none: no time.
    pub pace: Option<Pace>,
    /// Keys of the start.
    pub keys: u64,
    /// Bytes of each.
    pub value: Option<Demand>,
    /// Shards.
    pub shards: u16,
    /// Whether writes that were done are to be known when they are asked for again.
    pub remembers: bool,
}

/// The backups of a store.
#[derive(Debug)]
pub struct Backups {
    parts: Parts,
    shards: Vec<Shard>,
    /// The keys of the start were counted.
    counted: bool,
    posted: u64,
    restores: u64,
    measured: BackupsMeasured,
}

/// What is to be said, and its bytes.
pub type Said = (Kept, u64);

/// What a shard does as it hears something.
#[derive(Debug)]
pub enum Next {
    /// It sends this part of a batch.
    Sends(Batch),
    /// It asks for this part of what is kept.
    Asks(u64),
    /// It takes so long to take up what has come, ns.
    Loads(u64),
}

impl Backups {
    /// Nothing was written, and the state of the start is kept.
    pub fn new(parts: Parts) -> Self {
        let data = Data::remembering(parts.remembers);
        let shard = Shard {
            phase: Phase::Serves,
            life: 0,
            lost: 0,
            back: 0,
            first: (0, 0),
            tail: Vec::new(),
            last: 0,
            sending: [None, None],
            there: There { life: 0, data, at: 0, bytes: 0 },
        };
        Self {
            shards: vec![shard; usize::from(parts.shards)],
            parts,
            counted: false,
            posted: 0,
            restores: 0,
            measured: BackupsMeasured::default(),
        }
    }

    /// The identity for draws of the next thing that is said.
    pub fn next_id(&mut self) -> u64 {
        self.posted += 1;
        mix(self.parts.site ^ mix(self.posted))
    }

    /// How many shards there are: the process behind them keeps what they send.
    pub fn keeper(&self) -> u16 {
        self.parts.shards
    }

    /// How far a shard is.
    pub fn phase(&self, shard: u16) -> Phase {
        self.shards[usize::from(shard)].phase
    }

    /// The keys of the start are counted by shard, once.
    fn count(&mut self, way: &Route) {
        if std::mem::replace(&mut self.counted, true) {
            return;
        }
        let Parts { keys, value, shards, .. } = &self.parts;
        for key in 1..=*keys {
            // A directory gives each key to the next in turn.
            let home = match way {
                Route::Directory(..) => (key % u64::from(*shards)) as u16,
                _ => way.shard(key),
            };
            let (held, bytes) = &mut self.shards[usize::from(home)].first;
            *held += 1;
            *bytes += value.as_ref().map_or(0, |value| value.of_key(key));
        }
    }

    /// Keys and bytes of a shard that holds these besides those of the start.
    fn amount(&mut self, shard: u16, held: &[(u64, Item)], way: &Route) -> (u64, u64) {
        self.count(way);
        let (keys, bytes) = self.shards[usize::from(shard)].first;
        let beyond =
            || held.iter().map(|(key, _)| *key).filter(|key| !(1..=self.parts.keys).contains(key));
        let value = self.parts.value.as_ref();
        let more = value.map_or(0, |value| beyond().map(|key| value.of_key(key)).sum());
        (keys + beyond().count() as u64, bytes + more)
    }

    /// How long it is until a shard sends the next such batch, ns.
    pub fn until(&self, batch: Batch, now: u64) -> Option<u64> {
        let every = match batch {
            Batch::Snapshot => self.parts.every,
            Batch::Log => self.parts.log?,
        };
        Some(every - now % every)
    }

    // ---- the shard ----------------------------------------------------------------------------

    /// A shard has written this.
    pub fn written(&mut self, shard: u16, key: u64, item: Item) {
        let own = &mut self.shards[usize::from(shard)];
        // What was done before is there already.
        if self.parts.log.is_some() && item.order > own.last {
            own.tail.push((key, item));
            own.last = item.order;
        }
    }

    /// What was written at a shard and is not known to be kept.
    pub fn tail(&self, shard: u16) -> Vec<(u64, Item)> {
        self.shards[usize::from(shard)].tail.clone()
    }

    /// A shard is to send a batch; whether it does: the last one may be on its way still.
    pub fn begins(&mut self, shard: u16, batch: Batch, image: Image, way: &Route) -> bool {
        if self.shards[usize::from(shard)].sending[batch as usize].is_some() {
            return false;
        }
        let value = self.parts.value.as_ref();
        let bytes = match batch {
            Batch::Snapshot => self.amount(shard, &image.held, way).1,
            Batch::Log => {
                value.map_or(0, |value| image.held.iter().map(|(key, _)| value.of_key(*key)).sum())
            }
        };
        let sending = Sending { image, bytes, part: 0 };
        self.shards[usize::from(shard)].sending[batch as usize] = Some(sending);
        true
    }

    /// The part of a batch that is on its way, which it is, and its bytes.
    pub fn part(&self, shard: u16, batch: Batch) -> Option<(u64, Said)> {
        let own = &self.shards[usize::from(shard)];
        let sending = own.sending[batch as usize].as_ref()?;
        let image = sending.is_last().then(|| sending.image.clone());
        let size = sending.bytes.saturating_sub(sending.part * PART).min(PART);
        let said = self.said(shard, KeptSaid::Sends(batch, sending.part, image));
        Some((sending.part, (said, size)))
    }

    /// A part of a batch has come; whether there is another one to send.
    fn got(&mut self, shard: u16, (batch, part): (Batch, u64)) -> bool {
        let own = &mut self.shards[usize::from(shard)];
        let Some(sending) = own.sending[batch as usize].as_mut() else { return false };
        if sending.part != part {
            return false;
        }
        if !sending.is_last() {
            sending.part += 1;
            return true;
        }
        match batch {
            Batch::Snapshot => self.measured.snapshots += 1,
            Batch::Log => {
                let upto = sending.image.held.last().map_or(0, |(_, item)| item.order);
                own.tail.retain(|(_, item)| item.order > upto);
            }
        }
        own.sending[batch as usize] = None;
        false
    }

    /// The process of a shard is gone.
    pub fn crash(&mut self, shard: u16) {
        let own = &mut self.shards[usize::from(shard)];
        own.sending = [None, None];
        if own.phase != Phase::Serves {
            own.phase = Phase::Lost;
        }
    }

    /// All that a shard held is gone; whether it served until now.
    pub fn wipe(&mut self, shard: u16, now: u64) -> bool {
        let own = &mut self.shards[usize::from(shard)];
        let served = std::mem::replace(&mut own.phase, Phase::Lost) == Phase::Serves;
        own.life += 1;
        (own.tail, own.sending) = (Vec::new(), [None, None]);
        if served {
            own.lost = now;
        }
        served
    }

    /// A shard asks for a part of what is kept: the first one when its process is back.
    pub fn ask(&mut self, shard: u16, part: u64, now: u64) -> Kept {
        let own = &mut self.shards[usize::from(shard)];
        if own.phase == Phase::Lost {
            own.back = now;
        }
        own.phase = Phase::Asks(part);
        self.said(shard, KeptSaid::Ask(part))
    }

    /// All parts have come: how long it takes to restore them, ns.
    fn loads(&mut self, shard: u16, way: &Route) -> u64 {
        self.shards[usize::from(shard)].phase = Phase::Loads;
        self.restores += 1;
        match &self.parts.pace {
            None => 0,
            Some(Pace::Takes(law)) => law.of_key(self.restores),
            Some(Pace::Each(each)) => {
                let each = *each;
                let held = self.shards[usize::from(shard)].there.data.all();
                (self.amount(shard, &held, way).0 as f64 * each) as u64
            }
        }
    }

    /// A shard is restored: what it holds.
    pub fn restored(&mut self, shard: u16, way: &Route, now: u64) -> (Vec<(u64, Item)>, Vec<Item>) {
        let held = self.shards[usize::from(shard)].there.data.all();
        let keys = self.amount(shard, &held, way).0;
        let own = &mut self.shards[usize::from(shard)];
        own.phase = Phase::Serves;
        let (from, age) = (own.back, own.lost.saturating_sub(own.there.at));
        self.measured.restored.push(Restored { shard, from, to: now, age, keys });
        (held, own.there.data.all_done())
    }

    fn said(&self, shard: u16, said: KeptSaid) -> Kept {
        Kept { shard, life: self.shards[usize::from(shard)].life, said }
    }

    // ---- what is said -------------------------------------------------------------------------

    /// Something has come to where backups are kept: what is said to that.
    pub fn keeps(&mut self, kept: Kept, way: &Route) -> Option<Said> {
        let Kept { shard, life, said } = kept;
        let (logs, remembers) = (self.parts.log.is_some(), self.parts.remembers);
        let there = &mut self.shards[usize::from(shard)].there;
        if life < there.life {
            return None;
        }
        there.life = life;
        match said {
            KeptSaid::Sends(batch, part, image) => {
                if let Some(image) = image {
                    // Without a log nothing that came before says how far a snapshot is.
                    if batch == Batch::Snapshot && !logs && image.at > there.at {
                        there.data = Data::remembering(remembers);
                    }
                    if logs || image.at > there.at {
                        there.data.take_up(&image.held, &image.done);
                    }
                    there.at = there.at.max(image.at);
                }
                Some((Kept { shard, life, said: KeptSaid::Got(batch, part) }, 0))
            }
            KeptSaid::Ask(part) => {
                if part == 0 {
                    let held = there.data.all();
                    let bytes = self.amount(shard, &held, way).1;
                    self.shards[usize::from(shard)].there.bytes = bytes;
                }
                let left = self.shards[usize::from(shard)].there.bytes.saturating_sub(part * PART);
                let said = KeptSaid::Part(part, left <= PART);
                Some((Kept { shard, life, said }, left.min(PART)))
            }
            KeptSaid::Got(..) | KeptSaid::Part(..) | KeptSaid::Due(_) => None,
        }
    }

    /// Something has come to a shard from where its backups are kept: what it does then.
    pub fn hears(&mut self, kept: &Kept, way: &Route) -> Option<Next> {
        let shard = kept.shard;
        let own = &mut self.shards[usize::from(shard)];
        if kept.life != own.life {
            return None;
        }
        match kept.said {
            KeptSaid::Got(batch, part) => {
                self.got(shard, (batch, part)).then_some(Next::Sends(batch))
            }
            KeptSaid::Part(part, last) if own.phase == Phase::Asks(part) => {
                // The parts are of what is kept, which does not change until it is restored.
                Some(if last { Next::Loads(self.loads(shard, way)) } else { Next::Asks(part + 1) })
            }
            _ => None,
        }
    }

    // ---- what is told -------------------------------------------------------------------------

    /// Names what is kept of shards that have lost all: the shard, and versions by key.
    pub fn each_kept(&self, each: &mut dyn FnMut(u16, Vec<(u64, u64)>)) {
        let lost = self.shards.iter().enumerate().filter(|(_, own)| own.phase != Phase::Serves);
        for (shard, own) in lost {
            let held = own.there.data.all().into_iter();
            each(shard as u16, held.map(|(key, item)| (key, item.version)).collect());
        }
    }

    /// What was measured.
    pub fn measured(&self) -> BackupsMeasured {
        self.measured.clone()
    }
}
