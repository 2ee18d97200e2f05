//! How far a group is with a log, and what became of the messages for it.
//!
//! **Invariant.** Committed <= handed out, and a message is worked off, sent away or too old, once.

use crate::{
    model::{
        ids::Host,
        queue::{
            counts::Counts,
            post::{Handle, Record},
        },
    },
    stats::Histogram,
};

/// How a number went on: its integral over the measured span and from the start, and the most it was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Level {
    now: u64,
    since: u64,
    sum: u128,
    /// The integral at the start of the measured span.
    before: u128,
    most: u64,
}

impl Level {
    /// The integral from time 0.
    pub fn until(&self, now: u64) -> u128 {
        self.sum + u128::from(self.now) * u128::from(now - self.since)
    }

    /// The integral over the measured span, which began then.
    pub fn measured(&self, now: u64, from: u64) -> u128 {
        if self.since >= from {
            self.until(now) - self.before
        } else {
            self.until(now) - self.until(from)
        }
    }

    fn set(&mut self, value: u64, now: u64, from: u64) {
        if self.since < from && from <= now {
            self.before = self.until(from);
        }
        (self.sum, self.since) = (self.until(now), now);
        if now >= from {
            self.most = self.most.max(self.now).max(value);
        }
        self.now = value;
    }

    /// The most in the measured span.
    pub fn most(&self) -> u64 {
        self.most
    }
}

/// How far a group is with a partition.
#[derive(Clone, Debug, Default)]
struct Place {
    /// Who has the partition now, as its coordinator knows.
    holder: Option<Host>,
    /// Offset of the first that is not worked off.
    committed: u64,
    /// Of the first that has not been handed to whom has the partition now.
    position: u64,
    /// Of the first that has never been handed out.
    seen: u64,
    /// What was too old when it was asked for.
    skipped: Vec<(u64, u64)>,
}

/// A group that reads a log.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Its name.
    pub name: String,
    /// What is not kept any more is followed by what comes next, not by the oldest there is.
    pub latest: bool,
    places: Vec<Place>,
    /// Messages that wait to be handed out, and those not committed.
    pub depth: Level,
    pub lag: Level,
    appended: u64,
    /// Of all messages, and of those accepted in the measured span.
    pub all: Counts,
    pub measured: Counts,
    /// Of the latter: from acceptance to the first hand-out, ns.
    pub age: Histogram,
    from: u64,
}

impl Reader {
    /// One that has read nothing.
    pub fn new(name: String, latest: bool, partitions: u32, from: u64) -> Self {
        Self {
            name,
            latest,
            places: vec![Place::default(); partitions as usize],
            depth: Level::default(),
            lag: Level::default(),
            appended: 0,
            all: Counts::default(),
            measured: Counts::default(),
            age: Histogram::default(),
            from,
        }
    }

    /// The offset of the first message of a partition that is not worked off.
    pub fn committed(&self, partition: u32) -> u64 {
        self.places[partition as usize].committed
    }

    /// Likewise, and that of the first that is not handed out.
    pub fn place(&self, partition: u32) -> (u64, u64) {
        let place = &self.places[partition as usize];
        (place.committed, place.position)
    }

    /// Messages that are not committed.
    pub fn lag(&self) -> u64 {
        self.lag.now
    }

    /// All there were.
    pub fn appended_in_all(&self) -> u64 {
        self.appended
    }

    fn count(&mut self, accepted: u64, one_more: impl Fn(&mut Counts) -> &mut u64) {
        *one_more(&mut self.all) += 1;
        if accepted >= self.from {
            *one_more(&mut self.measured) += 1;
        }
    }

    /// One more has come.
    pub fn appended(&mut self, now: u64) {
        self.appended += 1;
        self.lag.set(self.lag.now + 1, now, self.from);
        self.depth.set(self.depth.now + 1, now, self.from);
    }

    fn moves(&mut self, partition: u32, to: u64, now: u64) {
        let place = &mut self.places[partition as usize];
        let was = std::mem::replace(&mut place.position, to);
        // What is before it was counted; nobody is handed what has not come.
        self.depth.set(self.depth.now + was - to, now, self.from);
    }

    /// Messages of a partition are handed out.
    pub fn handed(
        &mut self,
        (to, partition): (Host, u32),
        messages: &[(Handle, Record)],
        now: u64,
    ) {
        for (_, record) in messages {
            let place = &mut self.places[partition as usize];
            let again = record.order < place.seen;
            place.seen = place.seen.max(record.order + 1);
            self.count(record.accepted, |counts| &mut counts.deliveries);
            if again {
                self.count(record.accepted, |counts| &mut counts.redelivered);
            } else if record.accepted >= self.from {
                self.age.record(now - record.accepted);
            }
        }
        let holder = self.places[partition as usize].holder;
        if let Some((_, last)) = messages.last().filter(|_| holder == Some(to)) {
            self.moves(partition, last.order + 1, now);
        }
    }

    /// What is not kept any more was asked for.
    pub fn skips(&mut self, (to, partition): (Host, u32), range: (u64, u64), now: u64) {
        let place = &mut self.places[partition as usize];
        if place.holder == Some(to) {
            place.skipped.push(range);
            self.moves(partition, range.1, now);
        }
    }

    /// Whether a message was not kept any more when it was asked for.
    pub fn is_skipped(&self, partition: u32, offset: u64) -> bool {
        let skipped = &self.places[partition as usize].skipped;
        skipped.iter().any(|&(from, to)| (from..to).contains(&offset))
    }

    /// A partition is worked off up to and with these; these among them were sent away.
    pub fn commits<'r>(
        &mut self,
        partition: u32,
        records: impl Iterator<Item = &'r Record>,
        dead: &[u64],
        now: u64,
    ) {
        let mut committed = 0;
        for record in records {
            let too_old = self.is_skipped(partition, record.order);
            let dies = dead.contains(&record.order);
            self.count(record.accepted, |counts| match (dies, too_old) {
                (true, _) => &mut counts.dead_lettered,
                (false, true) => &mut counts.expired,
                (false, false) => &mut counts.acked,
            });
            committed += 1;
        }
        let place = &mut self.places[partition as usize];
        place.committed += committed;
        place.seen = place.seen.max(place.committed);
        let upto = place.committed;
        place.skipped.retain(|&(_, to)| to > upto);
        if place.position < upto {
            self.moves(partition, upto, now);
        }
        self.lag.set(self.lag.now - committed, now, self.from);
    }

    /// This one has a partition from now on: he begins where it was committed.
    pub fn is_given(&mut self, partition: u32, to: Host, now: u64) {
        self.places[partition as usize].holder = Some(to);
        self.moves(partition, self.committed(partition), now);
    }
}
