//! What protocols of replication and their hosts talk about, whatever the messages are.
//!
//! **Invariant.** Nothing here knows a protocol.

use super::data::Item;

/// A process of a node: its number among them. Replicas of all shards come first, then whoever else there is.
pub type Peer = u16;

/// A client's operation as the host knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    /// Where the host keeps it.
    pub slot: u32,
    /// Which of those it has kept there.
    pub id: u64,
}

/// What is asked of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Act {
    /// Read it.
    #[default]
    Read,
    /// Write this version.
    Write(u64),
    /// Write this version, which is a tombstone: a write like any other, but where tombstones are forgotten.
    Delete(u64),
}

impl Act {
    /// The version it writes, if it writes.
    pub fn version(self) -> Option<u64> {
        match self {
            Self::Read => None,
            Self::Write(version) | Self::Delete(version) => Some(version),
        }
    }
}

/// Leaders of a shard that write beside one another, at most.
pub const MOST_LEADERS: usize = 8;

/// Which writes of a key somebody knows of: of each leader so many, the first ones (a version vector; Parker et al.,
/// "Detection of mutual inconsistency in distributed systems", 1983).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dots(pub [u32; MOST_LEADERS]);

impl Dots {
    /// Whether all that the other one knows of is known here.
    pub fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(mine, theirs)| mine >= theirs)
    }

    /// What either knows of.
    #[must_use]
    pub fn join(mut self, other: &Self) -> Self {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
        self
    }
}

/// What somebody knows of the data: a place in the order of versions (of the shard where there is a log, of the key
/// otherwise), and where versions are told apart by vectors, which writes of the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// A place; 0 if none.
    pub order: u64,
    /// Of a stamp: the version, for two may have one stamp, and the larger version is newer then.
    pub version: u64,
    /// Writes of the key.
    pub dots: Dots,
}

impl Known {
    /// A place.
    pub fn upto(order: u64) -> Self {
        Self { order, ..Self::default() }
    }

    /// A version with its stamp.
    pub fn of(item: Item) -> Self {
        Self { order: item.order, version: item.version, ..Self::default() }
    }

    /// The version and its stamp.
    pub fn item(&self) -> Item {
        Item { version: self.version, order: self.order }
    }

    /// What either knows.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let (order, version) = self.place().max(other.place());
        Self { order, version, dots: self.dots.join(&other.dots) }
    }

    /// Whether who knows the other knows this too.
    pub fn is_within(&self, other: &Self) -> bool {
        self.place() <= other.place() && other.dots.covers(&self.dots)
    }

    fn place(&self) -> (u64, u64) {
        (self.order, self.version)
    }
}

/// How an operation is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// As its store says.
    #[default]
    Usual,
    /// A read: by the leader, as it is.
    Leader,
    /// A read: by the leader, when most replicas have said that it leads.
    Confirmed,
    /// A read: by the leader, as long as nobody else can lead.
    Leased,
    /// A read: by whoever is asked, as it is.
    Anybody,
    /// When so many replicas have answered.
    Count(u16),
}

/// Of a write all attempts of which are one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Once {
    /// When it was begun by the clock of who asks, ns: its stamp, where writes are told apart by stamps.
    pub stamp: u64,
    /// It is for something further up all attempts of which are one: others of them may have begun it at another time.
    pub further: bool,
}

/// A client's operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// By what it is answered.
    pub ticket: Ticket,
    /// What is asked.
    pub act: Act,
    /// The key.
    pub key: u64,
    /// The shard the key is in: its replicas are the processes [`group`] says.
    pub shard: u16,
    /// What whoever asks has to find: a read's answer knows no less, a write comes after it. Nothing, if it need not.
    pub since: Known,
    /// Of a write: what whoever asks had read of the key, and so writes over. Only leaders that write beside one another
    /// ask.
    pub context: Dots,
    /// Of a write: the version that has to be there still; none, if it takes what it finds.
    pub expects: Option<u64>,
    /// All attempts of a write are one, which its version names: who has done it already does not do it again.
    pub once: Option<Once>,
    /// How it is answered.
    pub level: Level,
}

impl Operation {
    /// One of somebody who knows nothing.
    #[cfg(test)]
    pub fn new(ticket: Ticket, act: Act, key: u64, shard: u16) -> Self {
        Self { ticket, act, key, shard, ..Self::default() }
    }
}

/// The replicas of a shard, where each has `replicas`: replica `r` of shard `s` is process `s x replicas + r`.
pub fn group(shard: u16, replicas: u16) -> std::ops::Range<Peer> {
    shard * replicas..(shard + 1) * replicas
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has come, and nothing was done for it yet. The replica lets it [go on](super::contract::Effect::GoOn) to its
    /// work (a read's or a write's, on a core), sends it elsewhere, or answers it: then or later.
    Arrived,
    /// Its work is done: a read returns what is held now, a write takes its place now. The replica answers it: now or
    /// later.
    Worked,
}

/// How an operation is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A read: this version; 0 if the key was never written.
    Read(u64),
    /// A write was done as promised.
    Written,
    /// Another replica is asked instead, within the same attempt: nothing was done here.
    Elsewhere(Peer),
    /// It failed.
    Failed(Failure),
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody is known to lead, a lease or fence is lost, the replica is being rebuilt: nothing was done.
    NoLeader,
    /// So many replicas refused that the others are not enough; some may have written.
    TooFew,
    /// Not enough replicas answered in time; some may have written.
    QuorumTimeout,
    /// Another leader came before it was committed; it may be yet.
    LeadershipLost,
    /// Something else was there than it [expects](Operation::expects): nothing was done.
    Conflict,
    /// What is there was written by a later [holder](Fences) of the lock it is written under: nothing was done.
    Fenced,
    /// The copy that is asked for is damaged: nothing was done.
    Corrupt,
    /// What it has to [find](Operation::since) is lost, or nobody who was asked has it: nothing was done.
    Behind,
}

/// A number of a replica's timer: those below [`APPLIED`] are the protocol's own.
pub type Timer = u8;

/// The timer that fires when the work of applying an entry is done, plus the number of the
/// [lane](super::contract::Effect::Apply).
pub const APPLIED: Timer = 128;

/// Work that a message is on a core of its receiver before the receiver is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// None.
    None,
    /// That of a read of this key.
    Read(u64),
    /// That of a write of this key.
    Write(u64),
}

/// What those who look on are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Note {
    /// A version got its place in the order of all versions of its key.
    Accepted {
        /// The key.
        key: u64,
        /// What is written.
        version: u64,
        /// Its place: rises with the order; see [`place`] for logs, stamps otherwise.
        order: u64,
    },
    /// A replica that held the older version was written the other one, or the other way round: whoever took the newer
    /// knew of the older.
    Follows {
        /// Their key.
        key: u64,
        /// It was written, not brought back from where it was read.
        fresh: bool,
        /// The newer version.
        version: u64,
        /// The older one.
        older: u64,
    },
    /// All entries of the shard's log with places up to this one are committed: their writes may be acknowledged.
    Committed {
        /// Place of the last of them.
        order: u64,
    },
    /// A follower has applied all up to this place.
    Applied {
        /// Place of the last of them.
        order: u64,
    },
    /// A leader has applied all up to this place of another leader's log, where each has its own; it is
    /// [committed](Self::Committed) with the place that its leader gave it.
    Took {
        /// Whose log.
        from: Peer,
        /// Place of the last of them.
        order: u64,
    },
    /// A write of a key was given its number among those of its leader, where versions are told apart by vectors.
    Dotted {
        /// The key.
        key: u64,
        /// What is written.
        version: u64,
        /// Its leader's place among those of the shard.
        leader: u8,
        /// Its number there: from 1.
        number: u32,
    },
    /// A leader that had lost what it held goes on with greater numbers for a key: what had those between is lost, for no
    /// other leader knows of it either.
    Skipped {
        /// The key.
        key: u64,
        /// The leader's place among those of the shard.
        leader: u8,
        /// The last number that was known, 0 if none.
        after: u32,
        /// The last one that is not given.
        upto: u32,
    },
    /// A replica stands for election.
    Stands {
        /// For which term or epoch.
        term: u64,
    },
    /// A replica leads from now on.
    Leads {
        /// In which term or epoch.
        term: u64,
        /// The place of the last entry it began with: what was acknowledged in earlier terms beyond it is lost.
        began_with: u64,
    },
    /// A replica that led leads no more, and knows it.
    StepsDown {
        /// In which term or epoch it led.
        term: u64,
    },
    /// Something else happened that is counted by name, such as `repair`.
    Counted(&'static str),
}

/// The place of an entry in the order of all versions of its shard: by term, then by index in the log.
pub const fn place(term: u64, index: u64) -> u64 {
    debug_assert!(
        term < 1 << 24 && index < 1 << 40,
        "a run has so many elections and entries at most"
    );
    term << 40 | index
}

/// The index of a place.
pub const fn index_of(place: u64) -> u64 {
    place & ((1 << 40) - 1)
}

/// The term of a place.
pub const fn term_of(place: u64) -> u64 {
    place >> 40
}

/// Where the entries of somebody begin in a log: what earlier ones gave the places between is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The place of the first.
    pub first: u64,
    /// The place of the entry before it.
    pub before: u64,
}

/// Laws of the design that a replica draws from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// How long after its commit an entry leaves the leader.
    Lag,
    /// How long the disk takes to be certain.
    Fsync,
    /// How long a follower waits to hear of a leader.
    Election,
    /// How long it takes to make a replica the leader.
    Promote,
    /// How long it takes to copy all data to a replica.
    Rebuild,
}

impl Law {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Lag, Self::Fsync, Self::Election, Self::Promote, Self::Rebuild];
}

/// Draws, of one replica.
pub trait Laws {
    /// The next draw from a law, ns.
    fn draw(&mut self, law: Law) -> u64;
    /// Any number below `n`.
    fn below(&mut self, n: u64) -> u64;
}

/// How replicas compare what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AntiEntropy {
    /// How often a replica compares with another one of its shard, ns; it takes them in turn.
    pub every: u64,
    /// How many keys a replica sends per second at most.
    pub rate: u64,
}

/// How a replica's process starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the run: all is well, and who leads at first is known to all.
    First,
    /// After it died, with what is on its disk.
    Again,
    /// After it died, with nothing.
    Empty,
}
