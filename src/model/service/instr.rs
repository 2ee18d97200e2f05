//! The instructions that steps compile to.
//!
//! **Invariant.** An instruction is small: what it is about stands in a table of its program.

use crate::model::consistency::spec::Access;

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Instr {
    /// Start of a parallel branch.
    Begin,
    /// Work on a core: a demand.
    Work(u16),
    /// Work that takes longer while memory is short.
    Strained(u16),
    /// Time without a core: a demand.
    Wait(u16),
    /// A call.
    Call(u16),
    /// A message nobody waits for: a call.
    Send(u16),
    /// After a call to a cache: go on there if it found the key.
    OnHit(u16),
    /// Something a cache does; a lookup that finds its key goes on there.
    Cache(CacheStep, u16),
    /// Parallel branches.
    Fork(u16),
    /// One of several continuations.
    Choose(u16),
    /// Go on there.
    Jump(u16),
    /// Go on there unless the condition holds.
    Unless {
        /// Condition.
        condition: u16,
        /// Where to go when it does not hold.
        otherwise: u16,
    },
    /// Start of a loop of so many rounds.
    Repeat {
        /// Depth of nesting.
        depth: u8,
        /// Rounds.
        times: u32,
    },
    /// End of a loop's body.
    Again {
        /// Depth of nesting.
        depth: u8,
        /// First instruction of the body.
        body: u16,
    },
    /// Go on when the lock is free, and hold it.
    Lock(u16),
    /// Give back the lock taken last.
    Unlock,
    /// How far a lock is that is kept in a store, and which.
    Lease(Hold, u16),
    /// How far a saga is, and which.
    Saga(Part, u16),
    /// Fail with a probability.
    Fail(u16),
    /// A fallback takes the place of what was asked for.
    Degrade,
    /// Note the time.
    Mark(u16),
    /// What follows is about data: an operation.
    Invoke(u16),
    /// That is over.
    Done,
    /// A store reads or changes what it holds.
    Held(Access),
    /// A server that is more than its steps is told that something is that far: a replica.
    Point(Point),
    /// Reply, with a size or [`AS_IT_IS`].
    Reply(u16),
    /// A client's operation (sessions only): its row, and whether a failure ends the session.
    Do {
        /// Row of the operation.
        op: u8,
        /// A failure does not end the session.
        optional: bool,
    },
    /// The end of the endpoint or branch.
    End,
}

/// How far a lock is that is kept in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is asked for.
    Ask,
    /// Its record was read.
    Look,
    /// What was to be read or written was not.
    Missed,
    /// It is taken.
    Take,
    /// It is left.
    Leave,
    /// Its renewal waits for its time.
    Rest,
    /// It was renewed, or its record read.
    Check,
    /// Its renewal is over.
    End,
}

/// How far a saga is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It begins.
    Begin,
    /// A part is done.
    Did,
    /// All are.
    Done,
    /// A part is about to be undone.
    Undo,
    /// It is.
    Undone,
    /// All are that were done.
    Compensated,
    /// How far it is is about to be put down.
    Log,
    /// That failed.
    Missed,
    /// It is put down.
    Logged,
    /// It is put down that a part failed.
    Fails,
    /// What was put down is about to be read.
    Asks,
    /// It was read.
    Looks,
}

/// What a replica is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A request has come.
    Arrived {
        /// It writes.
        write: bool,
    },
    /// Its work is done.
    Worked {
        /// It writes.
        write: bool,
    },
    /// Something of a transaction is to be an entry of a log.
    Entry,
    /// A request has come to a shard whose keys may move, or that may be being restored.
    Home {
        /// It writes.
        write: bool,
    },
    /// The work of a letter is done, or of an entry that is applied.
    Told,
    /// A timer fires.
    Timer,
    /// A message has come to a broker, and its work is done.
    Publish,
    /// The work of handing a message out is done.
    Leave,
    /// A batch of messages is worked off.
    Batch,
    /// A write with an outbox is done.
    Row,
    /// A relay of one has done its work.
    Relayed,
    /// A request comes into an environment of a function.
    Environment,
    /// A run that one instance does for all begins.
    Turn,
    /// The work for a connection is done.
    LoggedIn,
    /// A transaction begins.
    Opens,
    /// It is to write something: which of what is gathered.
    Gathers(u16),
    /// Its steps are done: which it is.
    Decides(u16),
    /// Somebody is asked to take part in one, and waits until the key is free.
    Asked,
    /// A write is about to change a key that may be locked.
    Locked,
    /// An entry about a transaction is as safe as it is to be.
    Entered,
    /// A connection that was kept is given back: the call that took it.
    Gives,
}

/// In place of a reply's size: what the visit has already.
pub const AS_IT_IS: u16 = u16::MAX;

/// What a cache does with the key of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStep {
    /// Looks it up.
    Lookup,
    /// Looks it up for a caller that fetches what is missing by itself.
    LookAside,
    /// Looks it up for one who takes what is expired.
    Remember,
    /// Lets the next who waits for a fetch make it, as nobody else does any more.
    Release,
    /// A fetch failed: those who wait for it fail too, or the next of them makes another.
    Fail,
    /// Holds what the message brought.
    Admit,
    /// Holds what was read elsewhere after it was missing here, or what was written.
    Fill,
    /// Holds what was fetched.
    Keep,
    /// Answers for a write that is written to its store later: which store that is stands in the place of a hit.
    Accept,
    /// Takes it out.
    Invalidate,
    /// A key is taken out, of whichever node behind the cache it is.
    Drop,
    /// Leads a fetch of what is held, or ends as there is one.
    Refresh,
    /// Remembers that it cannot be read.
    Deny,
    /// Fails, as it is known that it cannot be read.
    Refuse,
}
