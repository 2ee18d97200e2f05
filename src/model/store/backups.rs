//! Backups of a store: what each shard has sent to where they are kept, what is there, and how far a shard is that lost all.
//!
//! Whoever keeps them is a process of the store behind its shards, which no fault hits. It believes the newest life of a shard that
//! it has heard of: what an earlier one says then is of data that are gone. Of a shard with replicas one sends
//! (`sender.rs`): the leader, or one that is up; it has lost all when each of them has.
//!
//! **Invariant.** What is kept of a shard is what that, or the replica that sends, held at one instant.

use super::sender::Sender;
use crate::{
    engine::random::mix,
    model::{
        books::{BackupsMeasured, Restored},
        demand::Demand,
        replication::letters::{Batch, Image, Kept, KeptSaid},
        route::Route,
    },
    replication::{
        Begin, Saved,
        data::{Data, Item},
    },
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

/// How far a shard is, or a replica of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It serves.
    Serves,
    /// It has lost all, and its process has not asked for it; or another replica has.
    Lost,
    /// It has asked for this part.
    Asks(u64),
    /// All parts have come, and it takes them up.
    Loads,
}

/// A shard, and what is kept of it.
#[derive(Clone, Debug)]
struct Shard {
    /// How often it has lost all, or what is kept was void.
    life: u32,
    /// It has lost all, and nothing of it is restored.
    gone: bool,
    /// When it last served before it lost all, ns.
    lost: u64,
    /// Keys of the start and their bytes.
    first: (u64, u64),
    sender: Sender,
    /// A snapshot, and a part of the log, on their way.
    sending: [Option<Sending>; 2],
    there: There,
    /// Of replicas the one that is restored before the others.
    restores: Option<u16>,
}

/// A shard, or a replica of it.
#[derive(Clone, Copy, Debug)]
struct Copy {
    phase: Phase,
    /// When its process was back, ns.
    back: u64,
    /// It has lost what it held, and is not known to have it again.
    bare: bool,
    /// It waits for the next batch to be due.
    waits: bool,
}

/// What a shard is sending away.
#[derive(Clone, Debug)]
struct Sending {
    from: u16,
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
    /// Where there is a log: all up to this place is there, and where those begin who wrote it.
    upto: u64,
    begins: Vec<Begin>,
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
    /// Shards, and copies of each.
    pub shards: u16,
    pub each: u16,
    /// One of the copies leads, by a log.
    pub led: bool,
    /// The process that keeps what is sent.
    pub keeper: u16,
    /// Whether writes that were done are to be known when they are asked for again.
    pub remembers: bool,
}

/// The backups of a store.
#[derive(Debug)]
pub struct Backups {
    parts: Parts,
    shards: Vec<Shard>,
    /// By instance.
    copies: Vec<Copy>,
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
        let there = There { life: 0, data, at: 0, upto: 0, begins: Vec::new(), bytes: 0 };
        let shard = |shard: u16| Shard {
            life: 0,
            gone: false,
            lost: 0,
            first: (0, 0),
            sender: Sender::new(shard * parts.each),
            sending: [None, None],
            there: there.clone(),
            restores: None,
        };
        let copy = Copy { phase: Phase::Serves, back: 0, bare: false, waits: false };
        Self {
            shards: (0..parts.shards).map(shard).collect(),
            copies: vec![copy; usize::from(parts.shards * parts.each)],
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

    /// The process that keeps what shards send.
    pub fn keeper(&self) -> u16 {
        self.parts.keeper
    }

    /// Whether an instance holds data.
    pub fn holds(&self, inst: u16) -> bool {
        usize::from(inst) < self.copies.len()
    }

    /// The shard of an instance, and all copies of that.
    pub fn shard(&self, inst: u16) -> u16 {
        inst / self.parts.each
    }

    /// All copies of the shard of an instance.
    pub fn group(&self, inst: u16) -> std::ops::Range<u16> {
        let first = self.shard(inst) * self.parts.each;
        first..first + self.parts.each
    }

    fn own(&mut self, inst: u16) -> &mut Shard {
        let shard = usize::from(self.shard(inst));
        &mut self.shards[shard]
    }

    fn copy(&mut self, inst: u16) -> &mut Copy {
        &mut self.copies[usize::from(inst)]
    }

    /// How far an instance is.
    pub fn phase(&self, inst: u16) -> Phase {
        self.copies.get(usize::from(inst)).map_or(Phase::Serves, |copy| copy.phase)
    }

    /// Some shard has lost all, and nothing of it is restored.
    pub fn any_gone(&self) -> bool {
        self.shards.iter().any(|shard| shard.gone)
    }

    /// A shard has lost all, and nothing of it is restored.
    pub fn is_gone(&self, shard: u16) -> bool {
        self.shards[usize::from(shard)].gone
    }

    /// One copy of each shard leads.
    pub fn led(&self) -> bool {
        self.parts.led
    }

    /// The log is kept, too.
    pub fn logs(&self) -> bool {
        self.parts.log.is_some()
    }

    /// What is known of who sends for the shard of an instance.
    pub fn sender(&mut self, inst: u16) -> &mut Sender {
        &mut self.own(inst).sender
    }

    /// An instance waits for the next batch to be due; whether it did not yet.
    pub fn begins_to_wait(&mut self, inst: u16) -> bool {
        !std::mem::replace(&mut self.copy(inst).waits, true)
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

    /// The one copy of a shard has written this.
    pub fn written(&mut self, shard: u16, key: u64, item: Item) {
        // What was done before is there already.
        if self.parts.log.is_some() {
            self.own(shard).sender.written(key, item);
        }
    }

    /// Whether an instance is to send what is due of its shard.
    pub fn sends(&self, inst: u16) -> bool {
        let sender = &self.shards[usize::from(self.shard(inst))].sender;
        let is_it = self.parts.each == 1 || sender.log.leader.by == Some(inst);
        is_it && self.phase(inst) == Phase::Serves
    }

    /// What was written at a shard and is not known to be kept, and up to which place of its log.
    pub fn tail(&self, inst: u16) -> (Vec<(u64, Item)>, u64) {
        let sender = &self.shards[usize::from(self.shard(inst))].sender;
        (sender.tail.clone(), sender.upto)
    }

    /// An instance is to send a batch; whether it does: the last one may be on its way still.
    pub fn begins(&mut self, inst: u16, batch: Batch, mut image: Image, way: &Route) -> bool {
        let (shard, led) = (self.shard(inst), self.parts.led);
        let own = &mut self.shards[usize::from(shard)];
        if own.sending[batch as usize].is_some() || batch == Batch::Log && !own.sender.based {
            return false;
        }
        image.anew = led && !own.sender.based;
        own.sender.sent = own.sender.sent.max(image.saved.upto);
        let held = &image.saved.held;
        let value = self.parts.value.as_ref();
        let bytes = match batch {
            Batch::Snapshot => self.amount(shard, held, way).1,
            Batch::Log => {
                value.map_or(0, |value| held.iter().map(|(key, _)| value.of_key(*key)).sum())
            }
        };
        let sending = Sending { from: inst, image, bytes, part: 0 };
        self.own(inst).sending[batch as usize] = Some(sending);
        true
    }

    /// The part of a batch of an instance that is on its way, which it is, and its bytes.
    pub fn part(&self, inst: u16, batch: Batch) -> Option<(u64, Said)> {
        let own = &self.shards[usize::from(self.shard(inst))];
        let sending = own.sending[batch as usize].as_ref().filter(|one| one.from == inst)?;
        let image = sending.is_last().then(|| sending.image.clone());
        let size = sending.bytes.saturating_sub(sending.part * PART).min(PART);
        let said = self.said(inst, KeptSaid::Sends(batch, sending.part, image));
        Some((sending.part, (said, size)))
    }

    /// A part of a batch has come; whether there is another one to send.
    fn got(&mut self, inst: u16, (batch, part): (Batch, u64)) -> bool {
        let own = self.own(inst);
        let sending = own.sending[batch as usize].as_mut();
        let Some(sending) = sending.filter(|one| (one.from, one.part) == (inst, part)) else {
            return false;
        };
        if !sending.is_last() {
            sending.part += 1;
            return true;
        }
        match batch {
            Batch::Snapshot => own.sender.based = true,
            Batch::Log => drop(own.sender.tail.drain(..sending.image.saved.held.len())),
        }
        own.sending[batch as usize] = None;
        self.measured.snapshots += u64::from(batch == Batch::Snapshot);
        false
    }

    /// What an instance was sending ends.
    pub fn stops_sending(&mut self, inst: u16) {
        for sending in &mut self.own(inst).sending {
            sending.take_if(|one| one.from == inst);
        }
    }

    /// What is kept of the shard of an instance is void: nothing is added to it, and it gives way to the next snapshot.
    pub fn begins_anew(&mut self, inst: u16) {
        let own = self.own(inst);
        own.life += 1;
        own.sending = [None, None];
        own.sender.begins_anew();
    }

    /// The process of an instance is gone.
    pub fn crash(&mut self, inst: u16) {
        self.stops_sending(inst);
        let several = self.parts.each > 1;
        let own = self.own(inst);
        own.restores.take_if(|one| *one == inst);
        if several {
            own.sender.log.leader.leads_no_more(inst);
        }
        let copy = self.copy(inst);
        copy.waits = false;
        if copy.phase != Phase::Serves {
            copy.phase = Phase::Lost;
        }
    }

    /// All that an instance held is gone; `again` says of another one that had lost all before whether it has it again. Whether
    /// its shard served until now and has nothing left.
    pub fn wipe(&mut self, inst: u16, now: u64, again: impl Fn(u16) -> bool) -> bool {
        let (all, led) = (self.group(inst), self.parts.led);
        let was_bare = std::mem::replace(&mut self.copy(inst).bare, true);
        for other in all.clone().filter(|other| *other != inst && (led || !was_bare)) {
            let copy = self.copy(other);
            copy.bare &= !again(other);
        }
        if all.clone().any(|one| !self.copies[usize::from(one)].bare) {
            return false;
        }
        let served = !std::mem::replace(&mut self.own(inst).gone, true);
        if !served && all.len() > 1 {
            self.copy(inst).phase = Phase::Lost;
            return false;
        }
        all.for_each(|one| self.copy(one).phase = Phase::Lost);
        let own = self.own(inst);
        own.life += 1;
        (own.sending, own.restores) = ([None, None], None);
        own.sender.clear();
        if served {
            own.lost = now;
        }
        served
    }

    /// Whether an instance that lost all is to ask for what is kept: of replicas one of which leads one does.
    pub fn may_ask(&self, inst: u16) -> bool {
        let own = &self.shards[usize::from(self.shard(inst))];
        let first = own.restores.is_none_or(|one| one == inst);
        self.phase(inst) == Phase::Lost && (first || !self.parts.led)
    }

    /// An instance asks for a part of what is kept: the first one when its process is back.
    pub fn ask(&mut self, inst: u16, part: u64, now: u64) -> Kept {
        let copy = self.copy(inst);
        if copy.phase == Phase::Lost {
            copy.back = now;
        }
        copy.phase = Phase::Asks(part);
        self.own(inst).restores = Some(inst);
        self.said(inst, KeptSaid::Ask(part))
    }

    /// All parts have come: how long it takes to restore them, ns.
    fn loads(&mut self, inst: u16, way: &Route) -> u64 {
        self.copy(inst).phase = Phase::Loads;
        self.restores += 1;
        match &self.parts.pace {
            None => 0,
            Some(Pace::Takes(law)) => law.of_key(self.restores),
            Some(Pace::Each(each)) => {
                let (each, shard) = (*each, self.shard(inst));
                let held = self.shards[usize::from(shard)].there.data.all();
                (self.amount(shard, &held, way).0 as f64 * each) as u64
            }
        }
    }

    /// An instance is restored: what it holds. Where one leads the others of its shard begin with it, too.
    pub fn restored(&mut self, inst: u16, way: &Route, now: u64) -> Saved {
        let (shard, led) = (self.shard(inst), self.parts.led);
        let held = self.shards[usize::from(shard)].there.data.all();
        let keys = self.amount(shard, &held, way).0;
        for one in self.group(inst).filter(|one| *one == inst || led) {
            self.copy(one).phase = Phase::Serves;
        }
        let copy = self.copy(inst);
        copy.bare = false;
        let from = copy.back;
        let own = self.own(inst);
        let There { upto, begins, .. } = &own.there;
        let (done, begins) = (own.there.data.all_done(), begins.clone());
        let saved = Saved { held, done, upto: *upto, begins };
        own.restores = None;
        if std::mem::take(&mut own.gone) {
            own.sender.goes_on(saved.upto);
            let age = own.lost.saturating_sub(own.there.at);
            self.measured.restored.push(Restored { shard, from, to: now, age, keys });
        }
        saved
    }

    fn said(&self, inst: u16, said: KeptSaid) -> Kept {
        let shard = self.shard(inst);
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
                if let Some(Image { at, anew, saved }) = image {
                    // Without a log nothing that came before says how far a snapshot is.
                    if anew || batch == Batch::Snapshot && !logs && at > there.at {
                        there.data = Data::remembering(remembers);
                        there.upto = 0;
                    }
                    if logs || at > there.at {
                        there.data.take_up(&saved.held, &saved.done);
                        if saved.upto >= there.upto {
                            (there.upto, there.begins) = (saved.upto, saved.begins);
                        }
                    }
                    there.at = there.at.max(at);
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

    /// Something has come to an instance from where its backups are kept: what it does then.
    pub fn hears(&mut self, inst: u16, kept: &Kept, way: &Route) -> Option<Next> {
        if kept.life != self.own(inst).life {
            return None;
        }
        match kept.said {
            KeptSaid::Got(batch, part) => {
                self.got(inst, (batch, part)).then_some(Next::Sends(batch))
            }
            KeptSaid::Part(part, last) if self.phase(inst) == Phase::Asks(part) => {
                // The parts are of what is kept, which does not change until it is restored.
                Some(if last { Next::Loads(self.loads(inst, way)) } else { Next::Asks(part + 1) })
            }
            _ => None,
        }
    }

    // ---- what is told -------------------------------------------------------------------------

    /// Names what is kept of shards that have lost all: the shard, and versions by key.
    pub fn each_kept(&self, each: &mut dyn FnMut(u16, Vec<(u64, u64)>)) {
        let lost = self.shards.iter().enumerate().filter(|(_, own)| own.gone);
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
